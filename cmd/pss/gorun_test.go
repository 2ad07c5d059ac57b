//go:build linux

package main

import (
	"bytes"
	"context"
	"errors"
	"os"
	"os/exec"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

// TestGoRun is point 1 through go run: the
// same streams, and the daemons survive the temporary binary that started them.
func TestGoRun(t *testing.T) {
	if testing.Short() {
		t.Skip("builds the binary")
	}
	h, err := newHome(os.TempDir())
	require.NoError(t, err)
	t.Cleanup(func() {
		assert.Empty(t, h.end())
		os.RemoveAll(h.dir)
	})
	ctx, cancel := context.WithTimeout(context.Background(), 5*time.Minute)
	defer cancel()
	run := func(args ...string) (string, string, int) {
		cmd := exec.CommandContext(ctx, "go", append([]string{"run", "./cmd/pss"}, args...)...)
		cmd.Dir = root
		cmd.Env = append(os.Environ(), "PSS_HOME="+h.dir, "PSS_CLIENT_SESSION=one")
		var out, errs bytes.Buffer
		cmd.Stdout, cmd.Stderr = &out, &errs
		err := cmd.Run()
		var exit *exec.ExitError
		if err != nil && !errors.As(err, &exit) {
			t.Fatal(err)
		}
		return out.String(), errs.String(), cmd.ProcessState.ExitCode()
	}
	out, errs, code := run("invoke-command", "--computer-name", "localhost", "--script-block", "echo out; echo err >&2; exit 3")
	assert.Equal(t, "out\n", out)
	// go run adds a line of its own and has one code for every failure.
	assert.Equal(t, "err\nexit status 3\n", errs)
	assert.Equal(t, 1, code)

	out, errs, code = run("new-pssession", "--name", "kept", "--output", "id")
	require.Equal(t, 0, code, errs)
	id := strings.TrimSpace(out)
	before := daemonsOf(h.dir)
	assert.NotEmpty(t, before)
	out, errs, code = run("invoke-command", "--id", id, "--script-block", "echo the same session")
	require.Equal(t, 0, code, errs)
	assert.Equal(t, "the same session\n", out)
	for pid := range before {
		assert.Contains(t, daemonsOf(h.dir), pid, "%s did not survive", before[pid])
	}
}

// daemonsOf returns the agent, host and used session hosts of a home.
func daemonsOf(dir string) map[int]string {
	found := processesOf(dir)
	for pid, what := range found {
		if !strings.HasPrefix(what, "pss agent") && !strings.HasPrefix(what, "pss host") {
			delete(found, pid)
		}
	}
	return found
}
