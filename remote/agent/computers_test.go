package agent

import (
	"os"
	"os/exec"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
	"pss/config"
	"pss/remote/platform"
)

// What a killed host has left is not taken for the next one's, and the pid of a host in
// another container is not looked for among ours.
func TestReadInfo(t *testing.T) {
	dead := exec.Command("true")
	require.NoError(t, dead.Run())
	here := platform.PresentLife().Init
	for name, c := range map[string]struct {
		info config.HostInfo
		ok   bool
	}{
		"alive":             {config.HostInfo{Pid: os.Getpid(), InitStart: here}, true},
		"dead":              {config.HostInfo{Pid: dead.Process.Pid, InitStart: here}, false},
		"dead, older":       {config.HostInfo{Pid: dead.Process.Pid}, false},
		"another container": {config.HostInfo{Pid: dead.Process.Pid, InitStart: here + 1}, true},
	} {
		paths := config.Paths{State: t.TempDir()}
		require.NoError(t, os.Mkdir(paths.HostDir(), 0o700))
		require.NoError(t, config.WriteJSON(paths.HostInfo(), &c.info))
		got, err := readInfo(paths)
		if c.ok {
			assert.NoError(t, err, name)
		} else {
			assert.ErrorContains(t, err, "has ended", name)
		}
		assert.Equal(t, c.info, got, name)
	}
}
