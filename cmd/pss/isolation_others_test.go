//go:build linux

package main_test

import (
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"sync/atomic"
	"syscall"
	"testing"

	"github.com/google/uuid"
	"github.com/stretchr/testify/assert"
)

// Scenario 44: a session of alice's does not exist for bob, in whatever way he asks for
// it: what he is told is what he is told of a session that was never made.
func TestScenario44OtherUsersSeeNothing(t *testing.T) {
	t.Parallel()
	s := newSite(t, nil)
	id := s.must("alice", "invoke-command", "--computer-name", "server01", "--in-disconnected-session", "--session-name", "private",
		"--script-block", "echo secret; sleep 1000", "--output", "instance-id")
	never := uuid.NewString()
	for _, verb := range [][]string{
		{"connect-pssession"},
		{"receive-pssession"},
		{"disconnect-pssession"},
		{"remove-pssession", "--force"},
		{"get-pssession"},
	} {
		said := func(by ...string) result {
			r := s.pss("bob", append(append([]string{verb[0], "--computer-name", "server01"}, by...), verb[1:]...)...)
			for _, known := range []string{id, never, "private", "neverr"} {
				r.out, r.err = strings.ReplaceAll(r.out, known, "ID"), strings.ReplaceAll(r.err, known, "ID")
			}
			return r
		}
		assert.Equal(t, said("--instance-id", never), said("--instance-id", id), "%v", verb)
		assert.Equal(t, said("--name", "neverr"), said("--name", "private"), "%v", verb)
		assert.NotContains(t, said("--instance-id", id).out, "secret")
	}
	assert.Empty(t, s.must("bob", "get-pssession", "--computer-name", "server01", "--output", "id"))

	assert.Equal(t, "private", s.must("alice", "get-pssession", "--computer-name", "server01", "--output", "name"))
	s.must("alice", "connect-pssession", "--computer-name", "server01", "--instance-id", id)
	s.must("alice", "remove-pssession", "--computer-name", "server01", "--instance-id", id, "--force")
	assert.Empty(t, s.must("alice", "get-pssession", "--computer-name", "server01", "--output", "id"))
}

// What a session keeps on the server is its user's from the first moment on: somebody
// who looks all the time finds no file that another could open. Where the permissions
// were opened wide by mistake, the sockets still ask who is there.
func TestIsolationOfFilesAndSockets(t *testing.T) {
	t.Parallel()
	s := newSite(t, nil)
	s.server.must("root", "chmod", "755", "/home/alice") // as homes often are
	stop := s.watchModes("/home/alice")
	for range 3 {
		s.open("alice", "s")
		s.must("alice", "invoke-command", "--name", "s", "--script-block", "seq 20000", "--quiet")
		s.must("alice", "disconnect-pssession", "--name", "s")
		s.must("alice", "remove-pssession", "--computer-name", "server01", "--name", "s")
	}
	s.must("alice", "invoke-command", "--computer-name", "server01", "--in-disconnected-session", "--script-block", "echo secret; sleep 1000")
	stop()
	// A session host that waits for its session has a socket, no facts, and nothing to say.
	sockets := s.server.must("alice", "find", ".", "-type", "s", "-execdir", "sh", "-c", `[ -e facts ] || [ -e info.json ] || [ "${PWD##*/}" = host ]`, ";", "-print")
	assert.GreaterOrEqual(t, strings.Count(sockets, "\n"), 2, sockets) // of the host, of the session
	assert.Empty(t, s.server.run("bob", "find", "/home/alice/.local/state/pss/", "-mindepth", "1").out)
	assert.NotZero(t, s.server.run("bob", "grep", "-r", "secret", "/home/alice/.local").code)

	s.server.must("root", "chmod", "-R", "a+rwX", "/home/alice/.local")
	for socket := range strings.FieldsSeq(sockets) {
		socket = filepath.Join("/home/alice", socket)
		assert.Contains(t, s.server.ask("alice", socket), "HTTP/1.1 ", socket)
		assert.NotContains(t, s.server.ask("bob", socket), "HTTP/1.1 ", socket)
		assert.NotContains(t, s.server.ask("bob", socket), "secret", socket)
	}
}

// ask sends a request to a unix socket as a user, once as it is and once behind the line
// with which a connection to a host begins, and returns all that was answered.
func (l *lab) ask(user, socket string) string {
	l.t.Helper()
	const request = "GET /v1/version HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n"
	var said string
	for _, line := range []string{"", "local\n", "as alice Token local\n"} {
		said += l.feed(line+request, user, "perl", "-MIO::Socket::UNIX", "-e", `
			$s = IO::Socket::UNIX->new(Peer => $ARGV[0]) or die "connect: $!\n";
			print $s join "", <STDIN>; $s->shutdown(1); $SIG{ALRM} = sub { exit 3 }; alarm 5; print while <$s>`, socket).out
	}
	return said
}

// watchModes looks at everything below a folder, again and again until stop is called:
// of what pss has there, nothing may be open to others.
func (s *site) watchModes(home string) (stop func()) {
	var over atomic.Bool
	done := make(chan struct{})
	wrong, seen := map[string]string{}, map[string]bool{}
	home = s.server.Path(home)
	go func() {
		defer close(done)
		for !over.Load() {
			_ = filepath.WalkDir(home, func(path string, d fs.DirEntry, err error) error {
				if err != nil || !strings.Contains(path, "/pss") {
					return nil
				}
				st, err := os.Lstat(path)
				if err != nil {
					return nil // it has gone
				}
				seen[path] = true
				sys, _ := st.Sys().(*syscall.Stat_t)
				if st.Mode()&os.ModeSymlink == 0 && st.Mode().Perm()&0o077 != 0 || sys.Uid == 0 {
					wrong[path] = st.Mode().String()
				}
				return nil
			})
		}
	}()
	return func() {
		over.Store(true)
		<-done
		assert.Greater(s.t, len(seen), 20)
		assert.Empty(s.t, wrong)
	}
}

// A host that an ordinary user starts serves that user alone.
func TestIsolationWithoutRoot(t *testing.T) {
	t.Parallel()
	s := newSite(t, nil)
	own := s.server.start("bob", "pss", "host", "--listen", "0.0.0.0:5987").listening()
	s.configure("alice", fmt.Sprintf("[computers.other]\naddress = \"server01:5987\"\nfingerprint = %q\n", own.Fingerprint))
	r := s.pss("alice", "get-pssession", "--computer-name", "other")
	assert.Equal(t, 241, r.code, r.err)
	r = s.server.run("bob", "pss", "host", "--system")
	assert.NotZero(t, r.code)
	assert.Contains(t, r.err, "root")
}
