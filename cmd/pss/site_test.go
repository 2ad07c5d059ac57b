//go:build linux

package main_test

import (
	"context"
	"encoding/json"
	"fmt"
	"strings"
	"syscall"
	"testing"

	"github.com/stretchr/testify/require"

	cmd "pss/cmd/pss"
	"pss/config"
)

// site is a server whose root daemon serves its users, and a computer from which they
// come.
type site struct {
	t              *testing.T
	server, client *lab
	daemon         *labProcess
	info           config.HostInfo
}

// siteFolder and siteState are where the daemon has its configuration and all else.
const (
	siteFolder = "/etc/pss"
	siteState  = "/var/lib/pss"
)

// siteUsers are on both computers. alice and bob are in the group devs.
var siteUsers = []string{"alice", "bob", "carol"}

// newSite starts a daemon, with these files on the server, and logs the users in by the
// SSH keys that they have on the client.
func newSite(t *testing.T, files map[string]string) *site {
	t.Helper()
	devs := map[string][]string{"devs": {"alice", "bob"}, "ops": {"carol"}}
	all := computers(t,
		cmd.ComputerOptions{Name: "server01", Users: append([]string{"deploy"}, siteUsers...), Groups: devs},
		cmd.ComputerOptions{Name: "client01", Users: siteUsers})
	s := &site{t: t, server: all[0], client: all[1]}
	for name, text := range files {
		s.server.write("root", name, text)
	}
	s.start()
	for _, user := range siteUsers {
		s.login(user)
	}
	return s
}

// start starts the daemon, from a place that nothing of may reach a session.
func (s *site) start(within ...string) {
	s.t.Helper()
	s.daemon = s.server.start("root", append(within, "env", "SECRET=of-root", "sh", "-c",
		"cd /var/log && umask 077 && ulimit -Sn 1000 && exec pss host --system --listen 0.0.0.0:5986")...)
	s.info = s.daemon.listening()
}

// listening waits for the line with which a host says that it takes requests.
func (r *labProcess) listening() (info config.HostInfo) {
	r.t.Helper()
	eventually(r.t, "the host listens", func() bool {
		line, _, _ := strings.Cut(r.out.String(), "\n")
		return json.Unmarshal([]byte(line), &info) == nil && info.Port != 0
	})
	return info
}

// kill ends the daemon as nothing else would.
func (s *site) kill() {
	s.t.Helper()
	require.NoError(s.t, s.daemon.Process.Process.Signal(syscall.SIGKILL))
	s.daemon.wait()
}

// login gives a user a key on the client that the server knows, and the pin of the
// server.
func (s *site) login(user string) {
	s.t.Helper()
	s.client.must(user, "sh", "-c", "mkdir -m 700 .ssh && ssh-keygen -q -t ed25519 -N '' -f .ssh/id_ed25519")
	key := s.client.must(user, "cat", ".ssh/id_ed25519.pub")
	s.server.must(user, "mkdir", "-m", "700", ".ssh")
	s.server.write(user, ".ssh/authorized_keys", key)
	s.configure(user, "")
}

// configure writes what the client knows of the server, and more.
func (s *site) configure(user, more string) {
	s.t.Helper()
	s.client.write(user, ".config/pss/config.toml",
		fmt.Sprintf("[agent]\nlinger = \"1s\"\n[computers.server01]\nfingerprint = %q\n", s.info.Fingerprint)+more)
}

// pss runs a cmdlet of a user on the client.
func (s *site) pss(user string, args ...string) result {
	s.t.Helper()
	return s.client.run(user, append([]string{"pss"}, args...)...)
}

// must is pss that has to succeed; what it printed is returned without its last newline.
func (s *site) must(user string, args ...string) string {
	s.t.Helper()
	r := s.pss(user, args...)
	require.Zero(s.t, r.code, "%s: pss %v\n%s%s\ndaemon: %s", user, args, r.out, r.err, s.daemon.errs.String())
	return strings.TrimSuffix(r.out, "\n")
}

// open makes a session of a user on the server, and returns its InstanceId.
func (s *site) open(user, name string, more ...string) string {
	s.t.Helper()
	return s.must(user, append([]string{"new-pssession", "--computer-name", "server01", "--name", name, "--output", "instance-id"}, more...)...)
}

// labProcess is a process of a computer that runs while a test goes on.
type labProcess struct {
	t *testing.T
	*cmd.Process
	out, errs safeBuffer
	done      chan struct{}
}

// start starts a process of a user.
func (l *lab) start(user string, args ...string) *labProcess {
	l.t.Helper()
	p, err := l.Command(context.Background(), user, args...)
	require.NoError(l.t, err)
	r := &labProcess{t: l.t, Process: p, done: make(chan struct{})}
	p.Stdout, p.Stderr = &r.out, &r.errs
	require.NoError(l.t, p.Start())
	go func() {
		_ = p.Wait()
		close(r.done)
	}()
	l.t.Cleanup(func() {
		if l.t.Failed() && r.errs.String() != "" {
			l.t.Logf("%s: %v:\n%s", l.Name, args, r.errs.String())
		}
	})
	return r
}

// wait waits for the end of the process.
func (r *labProcess) wait() int {
	<-r.done
	return r.ProcessState.ExitCode()
}
