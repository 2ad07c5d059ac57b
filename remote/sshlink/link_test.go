//go:build unix

package sshlink

import (
	"bytes"
	"context"
	"crypto/rand"
	"errors"
	"io"
	"net"
	"sync"
	"syscall"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"pss/remote/api"
)

// All that want a connection at once have one ssh, and each gets its own data back,
// behind an end of its own direction too.
func TestManyConnectionsOfOneSSH(t *testing.T) {
	t.Parallel()
	f := newFar(t, time.Second, "echo noise; echo noise >&2; printf 'no line end'", echo)
	var all sync.WaitGroup
	for range 20 {
		all.Go(func() {
			c := f.dial()
			data := make([]byte, 1<<20)
			rand.Read(data)
			go func() {
				_, _ = c.Write(data)
				_ = c.(interface{ CloseWrite() error }).CloseWrite()
			}()
			got, err := io.ReadAll(c)
			if err != nil || !bytes.Equal(data, got) {
				t.Errorf("%d of %d bytes came back: %v", len(got), len(data), err)
			}
		})
	}
	all.Wait()
	require.Len(t, f.pids(), 1)
	f.link.Close()
	f.talk(f.dial(), "again")
	require.Len(t, f.pids(), 2)
}

// A connection that nobody reads, at either end, holds up no other, and its end comes
// through at once.
func TestSlowReaders(t *testing.T) {
	t.Parallel()
	ended := make(chan error, 10)
	f := newFar(t, time.Second, "", func(c *net.UnixConn) {
		first := make([]byte, 1)
		_, _ = io.ReadFull(c, first)
		switch first[0] {
		case 's': // sends, and is not read
			_, err := c.Write(make([]byte, 16<<20))
			ended <- err
		case 'd': // is sent to, and does not read until the other end is gone
			f := make([]byte, 1)
			<-ended
			_, _ = c.Read(f)
		default:
			echo(c)
		}
	})
	unread, deaf := f.dial(), f.dial()
	_, err := unread.Write([]byte("s"))
	require.NoError(t, err)
	_, err = deaf.Write([]byte("d"))
	require.NoError(t, err)
	wrote := make(chan error, 1)
	go func() { _, err := deaf.Write(make([]byte, 16<<20)); wrote <- err }()
	c := f.dial()
	_, err = c.Write([]byte("e"))
	require.NoError(t, err)
	for range 20 {
		f.talk(c, "meanwhile")
	}
	select {
	case err := <-wrote:
		require.FailNow(t, "16 MB went to somebody who does not read", "%v", err)
	default:
	}
	require.NoError(t, deaf.Close())
	select {
	case err := <-wrote:
		require.Error(t, err)
	case <-time.After(patience):
		require.FailNow(t, "a closed connection is still written to")
	}
	f.talk(c, "after")
	require.Len(t, f.pids(), 1)
}

// A connection of the host's that breaks is one that ends; a host that is not there is
// an error of its own, and no reason to start another ssh.
func TestHostOutOfReach(t *testing.T) {
	t.Parallel()
	f := newFar(t, time.Second, "", func(c *net.UnixConn) { _, _ = c.Write([]byte("bye")) })
	got, err := io.ReadAll(f.dial())
	require.NoError(t, err)
	require.Equal(t, "bye", string(got))
	f.host.Close()
	_, err = f.link.Dial(context.Background(), f.caller())
	var e *api.Error
	require.ErrorAs(t, err, &e)
	require.Equal(t, api.CodeUnreachable, e.Code)
	require.Contains(t, e.Message, "[far] the host there cannot be reached: ")
	require.Len(t, f.pids(), 1)
}

// An ssh that is killed breaks its connections at once; whoever dials again has the next.
func TestKilledSSH(t *testing.T) {
	t.Parallel()
	f := newFar(t, time.Minute, "", echo)
	c := f.dial()
	f.talk(c, "before")
	require.NoError(t, syscall.Kill(f.pids()[0], syscall.SIGKILL))
	_, err := c.Read(make([]byte, 1))
	require.Error(t, err)
	f.talk(f.dial(), "after")
	require.Len(t, f.pids(), 2)
}

// Who wants to know whether an ssh that hangs still lives may have less time than that
// takes: the ssh is given up all the same, and nothing waits for it: no end of a
// connection, no new one, not those whose data fills the pipes.
func TestStoppedSSH(t *testing.T) {
	t.Parallel()
	f := newFar(t, 500*time.Millisecond, "", echo)
	c := f.dial()
	f.talk(c, "before")
	require.NoError(t, syscall.Kill(f.pids()[0], syscall.SIGSTOP))
	wrote := make(chan error, 1)
	go func() { _, err := c.Write(make([]byte, 8<<20)); wrote <- err }()
	began := time.Now()
	for len(f.pids()) == 1 && time.Since(began) < patience {
		ctx, cancel := context.WithTimeout(context.Background(), 50*time.Millisecond)
		begun := time.Now()
		_, err := f.link.Dial(ctx, f.caller())
		cancel()
		require.True(t, err == nil || errors.Is(err, context.DeadlineExceeded), "%v", err)
		require.Less(t, time.Since(begun), time.Second)
	}
	begun := time.Now()
	require.NoError(t, c.Close())
	require.Less(t, time.Since(begun), time.Second)
	select {
	case err := <-wrote:
		require.Error(t, err)
	case <-time.After(patience):
		require.FailNow(t, "what is written to a link that was given up still waits")
	}
	f.talk(f.dial(), "after")
	require.Less(t, time.Since(began), patience/2)
}

// A link in which nothing is said ends, and comes again when it is needed.
func TestIdleLink(t *testing.T) {
	t.Parallel()
	f := newFar(t, 100*time.Millisecond, "", echo)
	f.link.s.Idle = 200 * time.Millisecond
	c := f.dial()
	f.talk(c, "one")
	f.eventually("ssh has ended", func() bool { return errors.Is(syscall.Kill(f.pids()[0], 0), syscall.ESRCH) })
	_, err := c.Read(make([]byte, 1))
	require.Error(t, err, "it ended under a silent connection")
	f.talk(f.dial(), "two")
	require.Len(t, f.pids(), 2)
}

// What prints into the link's own pipe breaks it, at once and for all of its connections.
func TestNoiseBehindTheHello(t *testing.T) {
	t.Parallel()
	f := newFar(t, time.Minute, `if [ ! -e `+"$0.noisy"+` ]; then : >$0.noisy; (while [ ! -e $0.print ]; do sleep 0.02; done; echo tick tick tick) & fi`, echo)
	c := f.dial()
	f.talk(c, "before")
	require.NoError(t, writeEmpty(f.dir+"/ssh.print"))
	_, err := c.Read(make([]byte, 1))
	require.Error(t, err)
	f.talk(f.dial(), "after")
	require.Len(t, f.pids(), 2)
}

// Where nobody waits, ssh is not started again and again to be refused.
func TestRefusedInTheBackground(t *testing.T) {
	t.Parallel()
	f := newFar(t, time.Second, "echo 'ops@far: Permission denied (publickey).' >&2; exit 255", echo)
	behind := f.caller()
	behind.Background = true
	ctx := t.Context()
	refused := func(c *Caller, want api.Code) {
		t.Helper()
		_, err := f.link.Dial(ctx, c)
		require.True(t, api.IsCode(err, want), "%v", err)
	}
	refused(behind, api.CodeAccessDenied)
	for range 5 {
		refused(behind, api.CodeUnreachable)
	}
	require.Len(t, f.pids(), 1)
	refused(f.caller(), api.CodeAccessDenied) // somebody waits
	require.Len(t, f.pids(), 2)
	refused(behind, api.CodeUnreachable)
	// The pause doubles, up to a limit, and passes.
	for want, n := firstPause, 2; n < 20; n++ {
		want = min(2*want, maxPause)
		f.link.mu.Lock()
		f.link.refused, f.link.last = n, time.Now().Add(time.Second-want)
		require.Error(t, f.link.tooSoonLocked(behind), "%d times", n)
		f.link.last = time.Now().Add(-want - time.Second)
		require.NoError(t, f.link.tooSoonLocked(behind), "%d times", n)
		f.link.mu.Unlock()
	}
	f.ssh("")
	f.talk(f.dial(), "let in")
	f.link.Close()
	c, err := f.link.Dial(ctx, behind)
	require.NoError(t, err)
	c.Close()
}

// An ssh that shared a connection which leads nowhere is followed by one that does not,
// and where that is refused, by one that does.
func TestSharedConnectionThatHangs(t *testing.T) {
	t.Parallel()
	f := newFar(t, time.Second, `case "$*" in *"-S none"*) ;; *) exec sleep 60;; esac`, echo)
	f.link.s.Connect = 300 * time.Millisecond
	_, err := f.link.Dial(t.Context(), f.caller())
	require.True(t, isLate(err), "%v", err)
	f.link.s.Connect = patience
	f.talk(f.dial(), "alone")
	f.link.Close()
	f.ssh(`case "$*" in *"-S none"*) echo 'Permission denied' >&2; exit 255;; esac`)
	f.link.mu.Lock()
	f.link.alone = true
	f.link.mu.Unlock()
	f.talk(f.dial(), "together")
	require.Len(t, f.pids(), 4)
}

// A shared connection that does not even say whether it lives is not waited for until the
// time for connecting is over.
func TestSharedConnectionIsAsked(t *testing.T) {
	t.Parallel()
	f := newFar(t, time.Second, `case "$*" in *"-S none"*) ;; *) exec sleep 60;; esac`, echo)
	f.link.s.Connect = time.Minute
	began := time.Now()
	f.talk(f.dial(), "alone")
	require.Less(t, time.Since(began), patience)
}

// One that answers whether it is there is waited for, however long it takes to connect.
func TestSharedConnectionThatIsSlow(t *testing.T) {
	t.Parallel()
	f := newFar(t, time.Second, `case "$*" in *"-O check"*) exit 0;; *"-S none"*) exit 255;; *) sleep 5;; esac`, echo)
	f.link.s.Connect = time.Minute
	f.talk(f.dial(), "together")
}

// Who gives up does not wait, and what was begun serves the next.
func TestGivenUpWhileStarting(t *testing.T) {
	t.Parallel()
	f := newFar(t, time.Second, "while [ ! -e $0.go ]; do sleep 0.02; done", echo)
	ctx, cancel := context.WithCancel(t.Context())
	failed := make(chan error, 1)
	go func() { _, err := f.link.Dial(ctx, f.caller()); failed <- err }()
	f.eventually("ssh is started", func() bool { return len(f.pids()) == 1 })
	cancel()
	require.ErrorIs(t, <-failed, context.Canceled)
	require.NoError(t, writeEmpty(f.dir+"/ssh.go"))
	f.talk(f.dial(), "next")
	require.Len(t, f.pids(), 1)
}

// Who has more time than the one for whom ssh was started begins anew when that ends.
func TestCallersWithTheirOwnLimits(t *testing.T) {
	t.Parallel()
	f := newFar(t, time.Second, "if [ ! -e $0.go ]; then : >$0.go; exec sleep 60; fi", echo)
	hasty := f.caller()
	hasty.Connect = 500 * time.Millisecond
	failed := make(chan error, 1)
	go func() { _, err := f.link.Dial(t.Context(), hasty); failed <- err }()
	f.eventually("ssh is started", func() bool { return len(f.pids()) == 1 })
	f.talk(f.dial(), "patient")
	err := <-failed
	require.True(t, isLate(err), "%v", err)
	require.Len(t, f.pids(), 2)
}

// Reasons for which ssh, or what it started, was not what was needed.
func TestStartsThatFail(t *testing.T) {
	t.Parallel()
	for name, c := range map[string]struct {
		before, id string
		code       api.Code
		says       []string
	}{
		"Denied":     {"echo 'a@far: Permission denied (publickey).' >&2; exit 255", "SSHAccessDenied", api.CodeAccessDenied, []string{"Permission denied (publickey)."}},
		"UnknownKey": {"echo 'Host key verification failed.' >&2; exit 255", "SSHHostKeyNotTrusted", api.CodeAccessDenied, []string{"Host key verification failed."}},
		"NoName":     {"echo 'ssh: Could not resolve hostname far: Name or service not known' >&2; exit 255", "SSHConnectFailed", api.CodeUnreachable, []string{"Could not resolve hostname"}},
		"Silent":     {"exit 3", "SSHConnectFailed", api.CodeUnreachable, []string{"exit status 3"}},
		"Noise":      {"echo 'This account is closed today'; exit 1", "SSHConnectFailed", api.CodeUnreachable, []string{"the far side printed: This account is closed today"}},
		"Flood":      {"echo motd >&2; exec yes 'noise without end'", "SSHConnectFailed", api.CodeUnreachable, []string{"printed more than 1048576 bytes and did not start pss"}},
		"Nonsense":   {`echo "$far" | sed 's/.*n=\([0-9a-f]*\).*/pss-ssh \1 nonsense/'; sleep 60`, "SSHConnectFailed", api.CodeUnreachable, []string{"the far side said"}},
		"Late":       {"echo 'debug: knocking' >&2; exec sleep 60", "SSHConnectTimeout", api.CodeUnreachable, []string{"not connected within 2s", "knocking"}},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			f := newFar(t, time.Second, c.before, echo)
			f.link.s.Connect = 2 * time.Second
			_, err := f.link.Dial(t.Context(), f.caller())
			var e *api.Error
			require.ErrorAs(t, err, &e)
			require.Equal(t, c.id, e.FullyQualifiedErrorID, "%v", err)
			require.Equal(t, c.code, e.Code)
			for _, s := range c.says {
				require.Contains(t, e.Error(), s)
			}
			require.NotEmpty(t, e.RecommendedAction)
		})
	}
	f := newFar(t, time.Second, "", echo)
	_, err := f.link.Dial(t.Context(), &Caller{Env: []string{"PATH=/nowhere"}})
	require.Equal(t, "SSHNotFound", api.AsError(err).FullyQualifiedErrorID)
}

// A link is idle when nobody waits for anything on it, and not while somebody does.
func TestSlowAnswerKeepsTheLink(t *testing.T) {
	t.Parallel()
	f := newFar(t, time.Second, "", func(c *net.UnixConn) {
		var b [1]byte
		for {
			if _, err := c.Read(b[:]); err != nil {
				return
			}
			time.Sleep(10 * idleTime) // an answer that takes long
			if _, err := c.Write(b[:]); err != nil {
				return
			}
		}
	})
	f.link.s.Idle = idleTime
	c := f.dial()
	for range 2 {
		_, err := c.Write([]byte("x"))
		require.NoError(t, err)
		_, err = c.Read(make([]byte, 1))
		require.NoError(t, err)
	}
	require.Len(t, f.pids(), 1)
	f.eventually("the idle ssh has ended", func() bool { return errors.Is(syscall.Kill(f.pids()[0], 0), syscall.ESRCH) })
}

const idleTime = 100 * time.Millisecond
