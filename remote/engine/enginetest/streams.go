//go:build unix

package enginetest

import (
	"bytes"
	"crypto/rand"
	"crypto/sha256"
	"io"
	"os"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"pss/remote/api"
	"pss/remote/engine"
)

func (s *suite) testStreams(t *testing.T) {
	t.Run("binary output", func(t *testing.T) {
		ss := s.open(t)
		data := make([]byte, 4<<20)
		_, _ = rand.Read(data)
		require.NoError(t, os.WriteFile(ss.file("data"), data, 0o600))
		o := ss.run("cat data")
		require.Equal(t, sha256.Sum256(data), sha256.Sum256([]byte(o.out)))
	})
	t.Run("large script", func(t *testing.T) {
		ss := s.open(t)
		var b strings.Builder
		for b.Len() < 1_200_000 {
			b.WriteString("n=$((n+1)) # a line of a long script\n")
		}
		b.WriteString("echo $n")
		lines := strings.Count(b.String(), "\n")
		ss.prints(itoa(lines)+"\n", "n=0\n"+b.String())
	})
	t.Run("argv", func(t *testing.T) {
		ss := s.open(t)
		ss.run("f() { for a; do echo \"<$a>\"; done; }; alias echo=false")
		args := []string{"a b", "", "it's", "$HOME", "*", "new\nline", "\\", "--"}
		want := "<" + strings.Join(args, ">\n<") + ">\n"
		o := ss.start(engine.Command{Argv: append([]string{"f"}, args...)}, nil).wait()
		require.Equal(t, want, o.out)
		o = ss.start(engine.Command{Argv: []string{"printf", "<%s>\\n", "x y", ""}}, nil).wait()
		require.Equal(t, "<x y>\n<>\n", o.out)
		o = ss.start(engine.Command{Argv: []string{"echo", "not aliased"}}, nil).wait()
		require.Equal(t, "not aliased\n", o.out)
		o = ss.start(engine.Command{Argv: []string{"exit", "7"}}, nil).wait()
		require.Equal(t, 7, o.ExitCode)
		ss.prints("<still>\n", "f still")
	})
	t.Run("arguments", func(t *testing.T) {
		ss := s.open(t)
		ss.run("set -- s1 s2 s3")
		script := `echo $#; for a; do printf '<%s>' "$a"; done; shift; exit $#`
		o := ss.start(engine.Command{Script: script, Arguments: []string{"a b", "", "it's\n$x", "*"}}, nil).wait()
		require.Equal(t, "4\n<a b><><it's\n$x><*>", o.out)
		require.Equal(t, 3, o.ExitCode)
		o = ss.start(engine.Command{Script: "return 5", Arguments: []string{"x"}}, nil).wait()
		require.Equal(t, 5, o.ExitCode)
		ss.prints("3 s2\n", "echo $# $2")
	})
	t.Run("late output", func(t *testing.T) {
		ss := s.open(t)
		r := ss.start(engine.Command{Script: "{ until [ -e go ]; do sleep 0.02; done; echo late; } & echo now"}, nil)
		require.Equal(t, "now\n", r.wait().out)
		ss.prints("next\n", "echo next; : >go")
		r.until(t, "late output", func() bool { return r.late.String() == "late\n" })
	})
	t.Run("background child without pause", func(t *testing.T) {
		ss := s.open(t)
		r := ss.start(engine.Command{Script: "yes & echo $! >pid"}, nil)
		r.wait()
		ss.prints("ok\n", "kill -9 $(cat pid); echo ok")
	})
	t.Run("child that keeps the pipe", func(t *testing.T) {
		ss := s.open(t)
		start := time.Now()
		ss.prints("a\n", "sleep 60 & echo a")
		require.Less(t, time.Since(start), 10*time.Second)
	})
	t.Run("slow sink, upload and download", s.testBothWays)
	t.Run("refusing sink stops the command", func(t *testing.T) {
		ss := s.open(t)
		r := newRecorder()
		r.refuse = io.ErrShortWrite
		require.Equal(t, api.OutcomeStopped, ss.start(engine.Command{Script: "while :; do echo x; done"}, r).wait().Outcome)
		ss.prints("ok\n", "echo ok")
	})
	t.Run("refused commands", func(t *testing.T) {
		ss := s.open(t)
		for _, c := range []engine.Command{{Script: "echo a\x00b"}, {Argv: []string{"echo", "\x00"}}, {Script: ":", Arguments: []string{"\x00"}}} {
			_, err := ss.rs.Invoke(c, newRecorder())
			require.True(t, api.IsCode(err, api.CodeInvalidArgument), "%v", err)
		}
		r := ss.start(engine.Command{Script: "read x", Input: true}, nil)
		_, err := ss.rs.Invoke(engine.Command{Number: 99, Script: ":"}, newRecorder())
		require.Error(t, err)
		require.NoError(t, r.p.Input().Close())
		r.wait()
	})
}

// testBothWays sends 20 MB through cat with a sink that takes its time.
func (s *suite) testBothWays(t *testing.T) {
	ss := s.open(t)
	data := make([]byte, 20<<20)
	_, _ = rand.Read(data)
	r := newRecorder()
	r.gate = make(chan struct{})
	run := ss.start(engine.Command{Script: "cat", Input: true}, r)
	var sent sync.WaitGroup
	sent.Go(func() {
		_, err := io.Copy(run.p.Input(), bytes.NewReader(data))
		if err == nil {
			err = run.p.Input().Close()
		}
		if err != nil {
			t.Errorf("upload: %v", err)
		}
	})
	for i := range 8 {
		select {
		case r.gate <- struct{}{}:
		case <-time.After(patience):
			t.Fatalf("no write number %d", i)
		}
	}
	close(r.gate)
	o := run.wait()
	sent.Wait()
	require.Equal(t, sha256.Sum256(data), sha256.Sum256([]byte(o.out)))
}

func (s *suite) testInput(t *testing.T) {
	t.Run("none", func(t *testing.T) {
		ss := s.open(t)
		require.Nil(t, ss.start(engine.Command{Script: ":"}, nil).p.Input())
		eventually(t, "free", func() bool {
			_, err := ss.rs.Invoke(engine.Command{Number: 50, Script: ":"}, newRecorder())
			return err == nil
		})
	})
	t.Run("dev null", func(t *testing.T) { s.open(t).prints("end\n", "cat; echo end") })
	t.Run("only Close is the end", func(t *testing.T) {
		ss := s.open(t)
		r := ss.start(engine.Command{Script: "read a; echo got $a; cat; echo end", Input: true}, nil)
		_, err := io.WriteString(r.p.Input(), "one\n")
		require.NoError(t, err)
		r.untilOut(t, "got one\n")
		for range 3 {
			_, err = io.WriteString(r.p.Input(), "more\n")
			require.NoError(t, err)
			r.untilOut(t, "more\n")
		}
		require.NotContains(t, r.text(api.KindOutput), "end")
		require.NoError(t, r.p.Input().Close())
		require.Equal(t, "got one\nmore\nmore\nmore\nend\n", r.wait().out)
	})
	t.Run("closed at once", func(t *testing.T) {
		ss := s.open(t)
		for range 20 {
			r := ss.start(engine.Command{Script: "cat; echo end", Input: true}, nil)
			require.NoError(t, r.p.Input().Close())
			require.Equal(t, "end\n", r.wait().out)
		}
	})
	t.Run("not read", func(t *testing.T) {
		ss := s.open(t)
		r := ss.start(engine.Command{Script: "echo a; exit 3", Input: true}, nil)
		var err error
		for err == nil { // the pipe fills, or the command is over
			_, err = r.p.Input().Write(make([]byte, 64<<10))
		}
		require.ErrorIs(t, err, syscall.EPIPE)
		require.Equal(t, 3, r.wait().ExitCode)
		require.NoError(t, r.p.Input().Close())
	})
	t.Run("left open", func(t *testing.T) {
		ss := s.open(t)
		require.Equal(t, "a\n", ss.start(engine.Command{Script: "echo a", Input: true}, nil).wait().out)
		ss.prints("b\n", "echo b")
	})
	t.Run("waiting in read", func(t *testing.T) {
		ss := s.open(t) // a shell asleep in a read of its own is not idle
		r := ss.start(engine.Command{Script: "echo ready; read a; echo $a", Input: true}, nil)
		r.untilOut(t, "ready\n")
		pause(700 * time.Millisecond)
		feed(t, r.p.Input(), "x\n")
		o := r.wait()
		require.Equal(t, "ready\nx\n", o.out)
		require.Empty(t, o.warning)
	})
	t.Run("survives a second attempt", func(t *testing.T) {
		ss := s.open(t)
		ss.run("ulimit -n 6")
		r := ss.start(engine.Command{Script: "cat", Input: true}, nil)
		feed(t, r.p.Input(), "kept")
		require.Equal(t, "kept", r.wait().out)
	})
}

// pause lets time pass where nothing may happen during it.
func pause(d time.Duration) { <-time.After(d) }
