package platform

import (
	"os"
	"path/filepath"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

// A tree of plain files stands for the kernel's: what is written where is what counts.
func TestGroup(t *testing.T) {
	root := t.TempDir()
	unit := filepath.Join(root, "user.slice", "pss.service")
	require.NoError(t, os.MkdirAll(filepath.Join(unit, "host"), 0o700))
	file := func(path ...string) string {
		data, _ := os.ReadFile(filepath.Join(append([]string{unit}, path...)...))
		return string(data)
	}
	write := func(path, text string) {
		require.NoError(t, os.WriteFile(filepath.Join(unit, path), []byte(text), 0o600))
	}
	delegated := func(dir string) bool { return dir == unit }
	const own = "12:pids:/x\n0::/user.slice/pss.service/host\n"

	for what, refused := range map[string]func() (*Group, error){
		"not delegated": func() (*Group, error) {
			return newGroup(root, own, func(string) bool { return false }, "a", 1, 1)
		},
		"no version 2":   func() (*Group, error) { return newGroup(root, "12:pids:/x\n", delegated, "a", 1, 1) },
		"no controllers": func() (*Group, error) { return newGroup(root, own, delegated, "a", 1, 1) },
	} {
		_, err := refused()
		require.ErrorIs(t, err, ErrNoGroup, what)
		require.NoDirExists(t, filepath.Join(unit, "pss-a"), what)
	}

	write("cgroup.controllers", "cpu memory pids\n")
	g, err := newGroup(root, own, delegated, "a", 64<<20, 8)
	require.NoError(t, err)
	assert.Equal(t, "+memory +pids", file("cgroup.subtree_control"))
	assert.Equal(t, "67108864", file("pss-a", "memory.max"))
	assert.Equal(t, "8", file("pss-a", "pids.max"))
	assert.Equal(t, "1", file("pss-a", "memory.oom.group"))
	require.NoError(t, g.Add(4711))
	assert.Equal(t, "4711", file("pss-a", "cgroup.procs"))

	memory, processes := g.Exceeded()
	assert.False(t, memory || processes)
	write("pss-a/memory.events", "low 0\noom 0\noom_kill 0\n")
	write("pss-a/pids.events", "max 3\n")
	memory, processes = g.Exceeded()
	assert.False(t, memory)
	assert.True(t, processes)
	write("pss-a/memory.events", "low 0\noom 1\noom_kill 2\n")
	memory, _ = g.Exceeded()
	assert.True(t, memory)

	_, err = newGroup(root, own, delegated, "b", 0, 8)
	require.NoError(t, err)
	assert.Empty(t, file("pss-b", "memory.max"))
}
