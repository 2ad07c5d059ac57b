//go:build linux

package main_test

import (
	"bytes"
	"context"
	"os"
	"os/exec"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	cmd "pss/cmd/pss"
)

// computers makes some in a network of their own; they end with the test.
func computers(t *testing.T, all ...cmd.ComputerOptions) []*lab {
	t.Helper()
	if !cmd.HaveComputers() {
		t.Skip("computers are namespaces: they need root, ip and nsenter")
	}
	n, err := cmd.NewNet()
	require.NoError(t, err)
	t.Cleanup(func() { assert.Empty(t, n.End()) })
	var made []*lab
	for _, o := range all {
		c, err := n.Computer(o)
		require.NoError(t, err)
		made = append(made, &lab{t, c})
	}
	return made
}

// lab is a computer of a test.
type lab struct {
	t *testing.T
	*cmd.Computer
}

// feed runs a command of a user to its end, with in as its standard input.
func (l *lab) feed(in, user string, args ...string) result {
	l.t.Helper()
	ctx, cancel := context.WithTimeout(context.Background(), 2*patience)
	defer cancel()
	p, err := l.Command(ctx, user, args...)
	require.NoError(l.t, err)
	stdin, err := cmd.Text(in)
	require.NoError(l.t, err)
	defer stdin.Close()
	var out, errs bytes.Buffer
	p.Stdin, p.Stdout, p.Stderr = stdin, &out, &errs
	p.WaitDelay = 5 * time.Second
	err = p.Run()
	require.NotNil(l.t, p.ProcessState, "%v", err)
	return result{out.String(), errs.String(), p.ProcessState.ExitCode()}
}

func (l *lab) run(user string, args ...string) result {
	l.t.Helper()
	return l.feed("", user, args...)
}

// must runs a command that has to succeed, and returns what it printed.
func (l *lab) must(user string, args ...string) string {
	l.t.Helper()
	r := l.run(user, args...)
	require.Zero(l.t, r.code, "%s: %v\n%s%s", user, args, r.out, r.err)
	return r.out
}

// write makes a file of the user's, 0600.
func (l *lab) write(user, path, text string) {
	l.t.Helper()
	r := l.feed(text, user, "install", "-D", "-m", "600", "/dev/stdin", path)
	require.Zero(l.t, r.code, r.err)
}

// What is left on a computer ends with it, however well it hid; and what a log tells of
// a crash is found.
func TestComputersLeaveNothing(t *testing.T) {
	t.Parallel()
	if !cmd.HaveComputers() {
		t.Skip("computers are namespaces: they need root, ip and nsenter")
	}
	n, err := cmd.NewNet()
	require.NoError(t, err)
	c, err := n.Computer(cmd.ComputerOptions{Name: "server01", Users: []string{"alice"}})
	require.NoError(t, err)
	l := &lab{t, c}
	l.must("alice", "sh", "-c", "(trap '' TERM HUP; exec setsid -f sh -c 'while :; do sleep 8765; done') </dev/null >/dev/null 2>&1")
	sleeps := func() string {
		out, _ := exec.Command("pgrep", "-xf", "sleep 8765").Output()
		return string(out)
	}
	eventually(t, "the process hides", func() bool { return sleeps() != "" })
	require.NoError(t, os.WriteFile(c.Path("/run/crashes/1"), []byte("panic: no\n"), 0o600))
	bad := n.End()
	require.Len(t, bad, 1)
	require.Contains(t, bad[0], "panic: no")
	require.Empty(t, sleeps())
	require.NoDirExists(t, c.Path("/"))
}
