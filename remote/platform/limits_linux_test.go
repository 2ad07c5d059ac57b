package platform

import (
	"os"
	"path/filepath"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

// The limits of a group count all the way up, those of both versions.
func TestGroupLimits(t *testing.T) {
	root := t.TempDir()
	for file, text := range map[string]string{
		"pss.slice/pids.max":             "max\n",
		"pss.slice/pss.service/pids.max": "4915\n",
		"pids/docker/pids.max":           "100\n",
		"pids/pids.max":                  "nonsense",
	} {
		require.NoError(t, os.MkdirAll(filepath.Join(root, filepath.Dir(file)), 0o700))
		require.NoError(t, os.WriteFile(filepath.Join(root, file), []byte(text), 0o600))
	}
	assert.Equal(t, []Limit{
		{filepath.Join(root, "pids/docker/pids.max"), 100, TasksPerSession},
		{filepath.Join(root, "pss.slice/pss.service/pids.max"), 4915, TasksPerSession},
	}, groupLimits(root, []byte("8:pids:/docker\n7:cpu:/other\n0::/pss.slice/pss.service\nbroken\n")))
}

func TestResourceLimits(t *testing.T) {
	text := "Limit                     Soft Limit           Hard Limit           Units     \n" +
		"Max processes             1000                 2000                 processes \n" +
		"Max open files            1024                 unlimited            files     \nMax open files\n"
	assert.Equal(t, []Limit{{"RLIMIT_NPROC", 2000, TasksPerSession}}, resourceLimits([]byte(text)))
}

// What holds for us can be read, and names the numbers of sessions that fit.
func TestShortages(t *testing.T) {
	assert.NotEmpty(t, TaskLimits(os.Getpid()))
	limits := []Limit{{"kernel.pid_max", 32768, TasksPerSession}, {"RLIMIT_NOFILE", 1024, 4}}
	assert.Empty(t, Shortages(limits, 256))
	assert.Equal(t, []Shortage{{limits[1], 256}}, Shortages(limits, 257))
	assert.Equal(t, []Shortage{{limits[0], 2730}, {limits[1], 256}}, Shortages(limits, 4000))
}
