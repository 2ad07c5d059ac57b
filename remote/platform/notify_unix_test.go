//go:build unix

package platform

import (
	"net"
	"path/filepath"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

func TestNotify(t *testing.T) {
	t.Setenv("NOTIFY_SOCKET", "")
	require.NoError(t, Notify("READY=1"), "nobody asks")
	path := filepath.Join(t.TempDir(), "n")
	t.Setenv("NOTIFY_SOCKET", path)
	require.Error(t, Notify("READY=1"))
	l, err := net.ListenUnixgram("unixgram", &net.UnixAddr{Name: path, Net: "unixgram"})
	require.NoError(t, err)
	defer l.Close()
	require.NoError(t, Notify("READY=1"))
	b := make([]byte, 100)
	n, err := l.Read(b)
	require.NoError(t, err)
	assert.Equal(t, "READY=1", string(b[:n]))
}
