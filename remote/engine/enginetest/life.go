//go:build unix

package enginetest

import (
	"context"
	"fmt"
	"os"
	"path/filepath"
	"runtime"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"pss/remote/api"
	"pss/remote/engine"
)

func (s *suite) testLife(t *testing.T) {
	t.Run("killed by itself", func(t *testing.T) {
		ss := s.open(t)
		o := ss.run("echo a; kill -9 $$; echo DANGER")
		require.Equal(t, "a\n", o.out)
		require.Equal(t, api.OutcomeSignaled, o.Outcome)
		require.Equal(t, 137, o.ExitCode)
		ss.isBroken()
	})
	t.Run("killed while idle", func(t *testing.T) {
		ss := s.open(t)
		ss.run(":")
		require.NoError(t, syscall.Kill(ss.rs.Pid(), syscall.SIGKILL))
		ss.isBroken()
	})
	t.Run("killed just before a command", func(t *testing.T) {
		for range 10 {
			ss := s.open(t)
			pid := ss.rs.Pid()
			require.NoError(t, syscall.Kill(pid, syscall.SIGKILL))
			for !dead(pid) {
				runtime.Gosched() // the runspace may know of it by then, or not yet
			}
			if r, err := ss.rs.Invoke(engine.Command{Number: 2, Script: "echo DANGER"}, newRecorder()); err == nil {
				<-r.Done()
			}
			ss.isBroken()
		}
	})
	t.Run("endless recursion", func(t *testing.T) {
		if !s.bash {
			t.Log("only bash is known to crash; others are checked to end at all")
		}
		ss := s.open(t)
		ss.run("ulimit -s 256; f() { f; }; f")
		select {
		case <-ss.rs.Done():
		default:
			ss.run("echo on")
		}
	})
	t.Run("left by itself while idle", func(t *testing.T) {
		ss := s.open(t)
		if !s.bash { // dash acts on a trap only after its next line
			ss.run("trap 'command exit 3' HUP; v=1")
			require.NoError(t, syscall.Kill(ss.rs.Pid(), syscall.SIGHUP))
			ss.prints("1\n", "echo $v")
			return
		}
		ss.run("v=1; (sleep 0.05; kill -HUP $$) >/dev/null 2>&1 & trap 'command exit 3' HUP")
		pid := ss.rs.Pid()
		eventually(t, "end", func() bool { return ss.rs.Pid() != pid || dead(pid) })
		if s.engine.Name() != "bash" { // bash in posix mode leaves a trap without its EXIT trap
			ss.prints("on\n", "echo on")
			return
		}
		ss.prints("1\n", "echo $v")
	})
	t.Run("closed while a command runs", func(t *testing.T) {
		ss := s.open(t)
		r := ss.start(engine.Command{Script: "echo ready; sleep 60"}, nil)
		r.untilOut(t, "ready\n")
		require.NoError(t, ss.rs.Close())
		require.Equal(t, api.OutcomeStopped, r.wait().Outcome)
		_, err := ss.rs.Invoke(engine.Command{Number: 9, Script: ":"}, newRecorder())
		require.Error(t, err)
		require.Zero(t, ss.rs.Pid())
	})
	t.Run("close ends everything", s.testCloseAll)
	t.Run("missing working directory", func(t *testing.T) {
		work := t.TempDir()
		rs, err := s.engine.Open(context.Background(), engine.Spec{
			Shell: s.shell, Dir: t.TempDir(), WorkingDirectory: "/no/such/folder", Environment: environment(work),
		})
		require.NoError(t, err)
		ss := &session{suite: s, t: t, rs: rs, work: work}
		ss.prints(work+"\n", "pwd")
		require.NoError(t, rs.Close())
	})
	t.Run("no signal is ignored", func(t *testing.T) {
		ss := s.open(t)
		ss.prints("0000000000000000\n", "sed -n 's/^SigIgn:[^0-9]*//p' /proc/self/status")
	})
	t.Run("prompt command that never ends", func(t *testing.T) {
		ss := s.open(t)
		o := ss.run("PROMPT_COMMAND='exit 5'; echo a")
		require.Equal(t, "a\n", o.out)
		ss.prints("on\n", "echo on")
	})
}

// isBroken checks that the runspace says so.
func (s *session) isBroken() {
	s.t.Helper()
	select {
	case <-s.rs.Done():
	case <-time.After(patience):
		s.t.Fatal("the runspace is not broken")
	}
	require.ErrorContains(s.t, s.rs.Err(), "signal 9")
	_, err := s.rs.Invoke(engine.Command{Number: 1000, Script: ":"}, newRecorder())
	require.True(s.t, api.IsCode(err, api.CodeLost), "%v", err)
	require.Zero(s.t, s.rs.Pid())
}

// testCloseAll starts children of every kind and expects none to be left.
func (s *suite) testCloseAll(t *testing.T) {
	dir := t.TempDir()
	work := t.TempDir()
	rs, err := s.engine.Open(context.Background(), engine.Spec{Shell: s.shell, Dir: dir, WorkingDirectory: work, Environment: environment(work)})
	require.NoError(t, err)
	ss := &session{suite: s, t: t, rs: rs, work: work}
	kinds := []string{
		"sleep 300 &", "(sleep 300 &)", "setsid sleep 300 &", "(setsid sleep 300 &)", "nohup sleep 300 >/dev/null 2>&1 &",
		"sh -c 'trap \"\" INT TERM HUP; echo $$ >>pids; while :; do sleep 0.1; done' &", "(setsid sh -c 'sleep 300 & wait' &)", "env -i /bin/sleep 300 &",
	}
	for _, k := range kinds {
		ss.run(strings.ReplaceAll(k, "sleep 300", "sh -c 'echo $$ >>pids; exec sleep 300'"))
	}
	var pids []int
	eventually(t, "children", func() bool {
		b, _ := os.ReadFile(ss.file("pids"))
		pids = nil
		for _, w := range strings.Fields(string(b)) {
			var n int
			_, _ = fmt.Sscan(w, &n)
			pids = append(pids, n)
		}
		return len(pids) >= len(kinds)-1
	})
	pids = append(pids, rs.Pid())
	require.NoError(t, rs.Close())
	for _, p := range pids {
		require.True(t, dead(p), "process %d is left", p)
	}
	left, err := filepath.Glob(dir + "/*")
	require.NoError(t, err)
	require.Empty(t, left)
}

// testLeaks compares what is open before and after a life of a runspace.
func (s *suite) testLeaks(t *testing.T) {
	life := func() {
		dir, work := t.TempDir(), t.TempDir()
		rs, err := s.engine.Open(context.Background(), engine.Spec{Shell: s.shell, Dir: dir, WorkingDirectory: work, Environment: environment(work)})
		require.NoError(t, err)
		ss := &session{suite: s, t: t, rs: rs, work: work}
		ss.run("echo a; sleep 60 &")
		ss.run("set -e; false")
		ss.run("exec true")
		r := ss.start(engine.Command{Script: "cat", Input: true}, nil)
		feed(t, r.p.Input(), "x")
		r.wait()
		r = ss.start(engine.Command{Script: "echo ready; sleep 60", Input: true}, nil)
		r.untilOut(t, "ready\n")
		r.p.Stop()
		r.wait()
		require.NoError(t, rs.Close())
	}
	life() // what is made once is made now
	fds, routines, children := openFiles(), runtime.NumGoroutine(), len(ownChildren())
	for range 3 {
		life()
	}
	eventually(t, "no descriptor is left", func() bool { return openFiles() <= fds })
	eventually(t, "no goroutine is left", func() bool { return runtime.NumGoroutine() <= routines })
	eventually(t, "no child is left", func() bool { return len(ownChildren()) <= children })
}

func openFiles() int {
	names, _ := os.ReadDir("/proc/self/fd")
	return len(names)
}

// ownChildren lists the children of this program, dead ones included.
func ownChildren() []string {
	var all []string
	tasks, _ := filepath.Glob("/proc/self/task/*/children")
	for _, f := range tasks {
		b, _ := os.ReadFile(f)
		all = append(all, strings.Fields(string(b))...)
	}
	return all
}
