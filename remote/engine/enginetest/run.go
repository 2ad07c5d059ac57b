//go:build unix

package enginetest

import (
	"path/filepath"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"pss/remote/engine"
)

// Run checks the engine of that name with the shell that it finds.
func Run(t *testing.T, engineName string) {
	t.Helper()
	e, ok := engine.Lookup(engineName)
	require.True(t, ok, "engine %s", engineName)
	shell, err := e.Find("")
	require.NoError(t, err)
	RunShell(t, engineName, shell)
}

// RunShell checks the engine of that name with a certain shell.
func RunShell(t *testing.T, engineName, shell string) {
	t.Helper()
	e, ok := engine.Lookup(engineName)
	require.True(t, ok, "engine %s", engineName)
	real, err := filepath.EvalSymlinks(shell)
	require.NoError(t, err)
	s := &suite{engine: e, shell: shell, bash: strings.Contains(filepath.Base(real), "bash")}
	t.Run("leaks", s.testLeaks) // alone: it counts what is open
	for _, g := range []struct {
		name string
		test func(*testing.T)
	}{
		{"steps", s.testSteps}, {"streams", s.testStreams}, {"input", s.testInput}, {"stop", s.testStop},
		{"life", s.testLife}, {"oracle", s.testOracle},
	} {
		t.Run(g.name, func(t *testing.T) { t.Parallel(); g.test(t) })
	}
}
