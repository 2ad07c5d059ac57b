//go:build linux

package main_test

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"os"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	cmd "pss/cmd/pss"
)

// daemon is that for all users of a computer.
type daemon struct {
	t    *testing.T
	on   *lab
	p    *cmd.Process
	errs *bytes.Buffer
	done chan struct{}
}

// serve starts the computer's daemon, and waits until it serves.
func (l *lab) serve() *daemon {
	l.t.Helper()
	p, err := l.Command(context.Background(), "root", "pss", "host", "--system", "--listen", "0.0.0.0:5986")
	require.NoError(l.t, err)
	d := &daemon{t: l.t, on: l, p: p, errs: &bytes.Buffer{}, done: make(chan struct{})}
	p.Stderr = d.errs
	require.NoError(l.t, os.RemoveAll(l.Path("/run/pss/host.json")))
	require.NoError(l.t, p.Start())
	go func() {
		_ = p.Wait()
		close(d.done)
	}()
	eventually(l.t, "the daemon serves", func() bool { return l.exists("/run/pss/host.json") })
	return d
}

func (l *lab) exists(path string) bool {
	_, err := os.Lstat(l.Path(path))
	return err == nil
}

// end sends the daemon a signal and waits for its end.
func (d *daemon) end(s syscall.Signal) {
	d.t.Helper()
	require.NoError(d.t, d.p.Process.Signal(s))
	<-d.done
}

// auditLine is what the tests read of a line of the audit log.
type heard struct{ Action, Result, User, RunAs, Address, Name string }

// heard returns the lines of the daemon's audit log.
func (l *lab) heard() (all []heard) {
	l.t.Helper()
	for text := range strings.Lines(l.must("root", "cat", "/var/lib/pss/host/audit.ndjson")) {
		var h heard
		require.NoError(l.t, json.Unmarshal([]byte(text), &h))
		all = append(all, h)
	}
	return all
}

// pss runs a cmdlet of a user that has to succeed, and returns what it printed without
// its last newline.
func (l *lab) pss(user string, args ...string) string {
	l.t.Helper()
	return strings.TrimSuffix(l.must(user, append([]string{"pss"}, args...)...), "\n")
}

var local = []string{"--computer-name", "localhost"}

func on(args ...string) []string { return append([]string{args[0], local[0], local[1]}, args[1:]...) }

// localhost is the daemon for all users while one serves, and a user's sessions are the
// same whichever way they are reached: the daemon may be killed, stopped and go.
func TestLocalhostIsTheDaemon(t *testing.T) {
	t.Parallel()
	l := computers(t, cmd.ComputerOptions{Name: "server01", Users: []string{"alice", "bob"}})[0]
	names := func(want string) {
		t.Helper()
		assert.Equal(t, want, l.pss("alice", on("get-pssession", "--output", "name")...))
	}
	l.pss("alice", on("new-pssession", "--name", "before")...)
	d := l.serve()
	names("before")
	l.pss("alice", on("new-pssession", "--name", "by-daemon")...)
	assert.Contains(t, l.heard(), heard{"New", "Done", "alice", "", "local", "by-daemon"})
	l.pss("root", on("new-pssession", "--name", "roots")...)
	assert.Equal(t, "roots", l.pss("root", on("get-pssession", "--output", "name")...))
	assert.Empty(t, l.pss("bob", on("get-pssession", "--output", "name")...))

	// One that is killed, stopped or silent is done without.
	l.pss("alice", "invoke-command", "--name", "by-daemon", "--script-block", "kept=1")
	d.end(syscall.SIGKILL)
	names("before\nby-daemon")
	assert.Equal(t, "1", l.pss("alice", "invoke-command", "--name", "by-daemon", "--script-block", "echo $kept"))
	l.pss("alice", on("new-pssession", "--name", "without")...)
	d = l.serve()
	names("before\nby-daemon\nwithout")
	l.must("alice", "sh", "-c", "pkill -9 -u alice -x pss-agent; exit 0")
	names("before\nby-daemon\nwithout")
	require.NoError(t, d.p.Process.Signal(syscall.SIGSTOP))
	begun := time.Now()
	names("before\nby-daemon\nwithout")
	assert.Less(t, time.Since(begun), patience)
	require.NoError(t, d.p.Process.Signal(syscall.SIGCONT))
	d.end(syscall.SIGTERM)
	assert.False(t, l.exists("/run/pss/host.json"))
	names("before\nby-daemon\nwithout")

	// One that somebody else could have put there is none.
	d = l.serve()
	l.must("root", "chmod", "666", "/run/pss/host.json")
	l.pss("alice", on("new-pssession", "--name", "past")...)
	l.must("root", "chmod", "644", "/run/pss/host.json")
	for _, h := range l.heard() {
		assert.NotEqual(t, "past", h.Name)
	}
	names("before\nby-daemon\nwithout\npast")
	d.end(syscall.SIGTERM)
	l.pss("root", on("remove-pssession", "--name", "roots")...)
	l.pss("root", "disable-psremoting", "--purge", "--force")
	names("before\nby-daemon\nwithout\npast")
	assert.False(t, l.exists("/var/lib/pss"))
}

// A command that streams goes on while the daemon and the worker are killed, and another
// pss takes their place.
func TestLocalhostStreamsOn(t *testing.T) {
	t.Parallel()
	l := computers(t, cmd.ComputerOptions{Name: "server01", Users: []string{"alice"}})[0]
	d := l.serve()
	l.pss("alice", on("new-pssession", "--name", "s")...)
	p, err := l.Command(context.Background(), "alice", "pss", "invoke-command", "--name", "s", "--script-block",
		"i=0; until [ -e go ]; do echo $((i+=1)); sleep 0.02; done; exit 5")
	require.NoError(t, err)
	out := &safeBuffer{}
	p.Stdout = out
	require.NoError(t, p.Start())
	defer func() { _ = p.Process.Kill() }()
	more := func() {
		t.Helper()
		had := len(out.String())
		eventually(t, "it goes on", func() bool { return len(out.String()) > had+20 })
	}
	more()
	l.must("root", "pkill", "-9", "-x", "pss-worker")
	more()
	d.end(syscall.SIGKILL)
	more()
	d = l.serve()
	more()
	l.pss("alice", on("get-pssession")...)
	l.must("root", "pkill", "-9", "-x", "pss-worker")
	d.end(syscall.SIGTERM)
	more()
	l.must("alice", "touch", "go")
	_ = p.Wait()
	assert.Equal(t, 5, p.ProcessState.ExitCode())
	for i, line := range strings.Split(strings.TrimSpace(out.String()), "\n") {
		if !assert.Equal(t, fmt.Sprint(i+1), line) {
			break
		}
	}
}

// The hand-over on one computer: root names who may, alice starts, bob goes on, carol sees
// nothing. While the daemon is away such a session is out of reach, and not gone.
func TestLocalhostHandOver(t *testing.T) {
	t.Parallel()
	l := computers(t, cmd.ComputerOptions{Name: "server01", Users: []string{"alice", "bob", "carol", "deploy"},
		Groups: map[string][]string{"devs": {"bob"}}})[0]
	d := l.serve()
	register := []string{"pss", "register-pssessionconfiguration", "--name", "deploy", "--run-as-credential", "deploy", "--allowed-users", "alice,@devs", "--force"}
	r := l.run("alice", register...)
	assert.NotZero(t, r.code)
	assert.Contains(t, r.err, "only root may, on the computer itself: sudo pss")
	l.must("root", register...)
	assert.FileExists(t, l.Path("/etc/pss/configurations/deploy.toml"))
	l.pss("alice", on("new-pssession", "--name", "release", "--configuration-name", "deploy")...)
	l.pss("alice", "invoke-command", "--name", "release", "--script-block", "step=1; id -un")
	assert.Equal(t, "release", l.pss("bob", on("get-pssession", "--output", "name")...))
	assert.Empty(t, l.pss("carol", on("get-pssession", "--output", "name")...))
	assert.Equal(t, 241, l.run("carol", append([]string{"pss"}, on("new-pssession", "--configuration-name", "deploy")...)...).code)

	l.pss("alice", on("new-pssession", "--name", "own")...)
	d.end(syscall.SIGKILL)
	r = l.run("alice", "pss", "remove-pssession", "--name", "release", "--force")
	assert.NotZero(t, r.code, r.out)
	d = l.serve()
	l.pss("alice", on("get-pssession", "--output", "name")...)
	l.pss("alice", "disconnect-pssession", "--name", "release")
	d.end(syscall.SIGTERM)
	assert.Equal(t, "own", l.pss("alice", on("get-pssession", "--output", "name")...))
	l.serve()
	l.pss("bob", on("connect-pssession", "--name", "release")...)
	assert.Equal(t, "deploy 1", l.pss("bob", "invoke-command", "--name", "release", "--script-block", `echo $(id -un) $step`))
	l.pss("bob", on("remove-pssession", "--name", "release")...)
	assert.Equal(t, "own", l.pss("alice", on("get-pssession", "--output", "name")...))
}
