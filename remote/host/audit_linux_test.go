package host

import (
	"syscall"
	"testing"

	"github.com/stretchr/testify/require"
	"pss/config"
)

// A disk that takes half of a line has none of it afterwards.
func TestAuditOnAFullDisk(t *testing.T) {
	var before syscall.Rlimit
	require.NoError(t, syscall.Getrlimit(syscall.RLIMIT_FSIZE, &before))
	h := testHost(t, &config.Host{})
	h.audit.event(&auditLine{Action: "New", Name: "first"})
	size := h.audit.file.size
	require.NoError(t, syscall.Setrlimit(syscall.RLIMIT_FSIZE, &syscall.Rlimit{Cur: uint64(size) + 20, Max: before.Max}))
	h.audit.event(&auditLine{Action: "New", Name: "second"})
	require.NoError(t, syscall.Setrlimit(syscall.RLIMIT_FSIZE, &before))
	require.EqualValues(t, 1, h.audit.errors.Load())
	h.audit.event(&auditLine{Action: "New", Name: "third"})
	all := lines(t, h.audit.file.path)
	require.Len(t, all, 2)
	require.Equal(t, "third", all[1].Name)
}
