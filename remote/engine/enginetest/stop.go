//go:build unix

package enginetest

import (
	"errors"
	"os"
	"strconv"
	"strings"
	"syscall"
	"testing"

	"github.com/stretchr/testify/require"

	"pss/remote/api"
	"pss/remote/engine"
)

func itoa(n int) string { return strconv.Itoa(n) }

// stopCase is a command that is stopped once it printed ready.
type stopCase struct {
	name, script string
	keeps        bool // variables survive in every engine
	out          string
}

var stopCases = []stopCase{
	{name: "sleep", script: "echo ready; sleep 60; echo DANGER", keeps: true, out: "ready\n"},
	{name: "loop", script: "echo ready; while :; do :; done", keeps: true, out: "ready\n"},
	{name: "function", script: "f() { echo ready; sleep 60; }; f; echo DANGER", keeps: true, out: "ready\n"},
	{name: "pipeline", script: "echo ready; sleep 60 | cat; echo DANGER", keeps: true, out: "ready\n"},
	{name: "monitor", script: "set -m 2>/dev/null; echo ready; sleep 60; echo DANGER", keeps: true, out: "ready\n"},
	{name: "child ignores INT", script: "sh -c 'trap \"\" INT; echo ready; while :; do sleep 0.05; done'; echo DANGER", keeps: true, out: "ready\n"},
	{name: "child ignores INT and TERM", script: "sh -c 'trap \"\" INT TERM; echo ready; while :; do sleep 0.05; done'; echo DANGER", keeps: true, out: "ready\n"},
	{name: "shell ignores INT", script: "trap '' INT; echo ready; while :; do :; done; echo DANGER", out: "ready\n"},
	{name: "stopped shell", script: "echo ready; kill -STOP $$; echo DANGER", keeps: true, out: "ready\n"},
	{name: "exec", script: "echo ready; exec sleep 60", out: "ready\n"},
	{name: "EXIT action", script: "trap 'echo cleanup' EXIT; echo ready; sleep 60; echo DANGER", keeps: true, out: "ready\ncleanup\n"},
}

func (s *suite) testStop(t *testing.T) {
	for _, c := range stopCases {
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			ss := s.open(t)
			ss.run("v=kept")
			r := ss.start(engine.Command{Script: c.script}, nil)
			r.untilOut(t, "ready\n")
			r.p.Stop()
			r.p.Stop()
			o := r.wait()
			require.Equal(t, api.OutcomeStopped, o.Outcome)
			require.Equal(t, c.out, o.out, "error output %q", o.err)
			require.Equal(t, 130, o.ExitCode, "error output %q", o.err)
			// A bash that is hung up now and then leaves without its EXIT trap; then
			// the loss must at least be told.
			if c.keeps && !(s.bash && strings.Contains(o.warning, "is lost")) {
				ss.prints("kept\n", "echo $v")
			}
			ss.prints("on\n", "echo on")
		})
	}
	t.Run("at once", func(t *testing.T) {
		ss := s.open(t)
		for range 5 {
			r := ss.start(engine.Command{Script: "sleep 60"}, nil)
			r.p.Stop()
			require.Equal(t, api.OutcomeStopped, r.wait().Outcome)
		}
		ss.prints("on\n", "echo on")
	})
	t.Run("earlier background child", s.testEarlierChild)
	t.Run("while the sink blocks", func(t *testing.T) {
		ss := s.open(t)
		r := newRecorder()
		r.gate = make(chan struct{})
		run := ss.start(engine.Command{Script: "cat /dev/zero"}, r)
		r.gate <- struct{}{} // it is in the second Write soon
		run.p.Stop()
		close(r.gate) // as a sink does when its command is stopped
		require.Equal(t, api.OutcomeStopped, run.wait().Outcome)
		ss.prints("on\n", "echo on")
	})
	t.Run("stopped shell is noticed", func(t *testing.T) {
		ss := s.open(t)
		r := ss.start(engine.Command{Script: "kill -STOP $$; echo on"}, nil)
		r.until(t, "warning", func() bool { return r.streams[api.KindWarning] != nil })
		require.NoError(t, syscall.Kill(ss.rs.Pid(), syscall.SIGCONT))
		require.Equal(t, "on\n", r.wait().out)
	})
	t.Run("waiting input", func(t *testing.T) {
		ss := s.open(t)
		r := ss.start(engine.Command{Script: "echo ready; cat", Input: true}, nil)
		r.untilOut(t, "ready\n")
		r.p.Stop()
		require.Equal(t, api.OutcomeStopped, r.wait().Outcome)
		_, err := r.p.Input().Write([]byte("x"))
		require.ErrorIs(t, err, syscall.EPIPE)
	})
}

// testEarlierChild stops a command while a child of an earlier one, which has an
// interrupt handler of its own, is running.
func (s *suite) testEarlierChild(t *testing.T) {
	ss := s.open(t)
	// An asynchronous child starts with INT ignored; this one takes it back.
	// It answers USR1 with a file, so that a late INT cannot be overlooked.
	child := `exec perl -e 'sub f{open F,">$_[0]";close F} $SIG{INT}=sub{f("hit");exit}; $SIG{USR1}=sub{f("well")}; f("up"); sleep 1 while 1' >/dev/null 2>&1`
	ss.run("( " + child + " ) & echo $! >pid")
	eventually(t, "child", func() bool { _, err := os.Stat(ss.file("up")); return err == nil })
	r := ss.start(engine.Command{Script: "echo ready; sleep 60"}, nil)
	r.untilOut(t, "ready\n")
	r.p.Stop()
	require.Equal(t, api.OutcomeStopped, r.wait().Outcome)
	pid := readPid(t, ss.file("pid"))
	require.NoError(t, syscall.Kill(pid, syscall.SIGUSR1), "the child lives")
	eventually(t, "the child's answer", func() bool { _, err := os.Stat(ss.file("well")); return err == nil })
	require.NoFileExists(t, ss.file("hit"))
}

func readPid(t *testing.T, path string) int {
	t.Helper()
	b, err := os.ReadFile(path)
	require.NoError(t, err)
	n, err := strconv.Atoi(strings.TrimSpace(string(b)))
	require.NoError(t, err)
	return n
}

// dead reports whether there is no such process.
func dead(pid int) bool { return errors.Is(syscall.Kill(pid, 0), syscall.ESRCH) }
