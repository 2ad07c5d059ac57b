//go:build unix

package client

import (
	"context"
	"errors"
	"net"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"syscall"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
	"pss/remote/platform"
)

// A daemon is used that says it serves us; for every other the own host is.
func TestDaemonIsGreeted(t *testing.T) {
	if os.Geteuid() != 0 {
		t.Skip("the daemon is root's")
	}
	errOwn := errors.New("own")
	own := func(context.Context) (net.Conn, error) { return nil, errOwn }
	for name, c := range map[string]struct {
		answer string
		served bool
	}{
		"serves":       {"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\n{}", true},
		"refuses":      {"HTTP/1.1 403 Forbidden\r\nConnection: close\r\nContent-Length: 2\r\n\r\n{}", false},
		"is full":      {"HTTP/1.1 429 Too Many Requests\r\nContent-Length: 2\r\n\r\n{}", false},
		"says goodbye": {"HTTP/1.1 200 OK\r\nConnection: close\r\nContent-Length: 2\r\n\r\n{}", false},
		"says more":    {"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\n{}more", false},
		"breaks off":   {"HTTP/1.1 200", false},
		"is no pss":    {"hello\n", false},
		"is silent":    {"", false},
	} {
		socket := filepath.Join(t.TempDir(), "s")
		l, err := platform.Listen(socket)
		require.NoError(t, err)
		defer l.Close()
		go func() {
			for {
				s, err := l.Accept()
				if err != nil {
					return
				}
				b := make([]byte, 4096)
				if _, err := s.Read(b); err != nil {
					return
				}
				if c.answer == "" {
					defer s.Close()
					continue
				}
				time.Sleep(10 * time.Millisecond) // the request comes in a piece of its own
				_, _ = s.Write([]byte(c.answer))
				if !c.served {
					s.Close()
				}
			}
		}()
		d := &Daemon{From: FromHere, Find: func() (string, bool) { return socket, true }}
		conn, err := d.Or(own)(t.Context())
		assert.Equal(t, c.served, d.Serves(), name)
		if c.served {
			require.NoError(t, err, name)
			conn.Close()
			continue
		}
		assert.Equal(t, errOwn, err, name)
		if c.answer == "" { // it is not waited for again at once
			began := time.Now()
			_, err := d.Dial(t.Context())
			assert.Error(t, err)
			assert.Less(t, time.Since(began), daemonTime/2)
		}
	}
	d := &Daemon{Find: func() (string, bool) { return "", false }}
	_, err := d.Or(own)(t.Context())
	assert.Equal(t, errOwn, err)
}

// Nobody who comes by the socket for all users says that they came otherwise, or are
// somebody else.
func TestUsersSpeakForThemselves(t *testing.T) {
	socket := filepath.Join(t.TempDir(), "s")
	l, err := platform.Listen(socket)
	require.NoError(t, err)
	users := ListenUsers(l)
	defer users.Close()
	srv := &http.Server{Handler: http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) { _, _ = w.Write([]byte(r.RemoteAddr)) }), ReadHeaderTimeout: time.Second}
	go func() { _ = srv.Serve(users) }()
	defer srv.Close()
	for line, ok := range map[string]bool{FromHere: true, "ssh 10.0.0.1": true, "https 10.0.0.1": false, "handed": false} {
		c, err := platform.Dial(t.Context(), socket)
		require.NoError(t, err)
		_, _ = c.Write([]byte(line + "\nGET / HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n"))
		require.NoError(t, c.SetReadDeadline(time.Now().Add(10*time.Second)))
		n, _ := c.Read(make([]byte, 512))
		assert.Equal(t, ok, n > 0, line)
		c.Close()
	}
}

// A socket that somebody else listens on is not the daemon's: nothing is said there.
func TestDaemonOfAnotherUser(t *testing.T) {
	if os.Geteuid() != 0 {
		t.Skip("only root becomes somebody else")
	}
	perl, err := exec.LookPath("perl")
	if err != nil {
		t.Skip("no perl")
	}
	dir, err := os.MkdirTemp("", "pss") // a test's own lets nobody else in
	require.NoError(t, err)
	defer os.RemoveAll(dir)
	require.NoError(t, os.Chmod(dir, 0o777))
	socket := filepath.Join(dir, "s")
	cmd := exec.CommandContext(t.Context(), perl, "-MIO::Socket::UNIX", "-e", `
		$l = IO::Socket::UNIX->new(Local => $ARGV[0], Listen => 9) or die; $| = 1; print "listening\n"; $c = $l->accept;
		while (<$c>) { last if $_ eq "\r\n" } print $c "HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\n{}"; sleep 60`, socket)
	cmd.SysProcAttr = &syscall.SysProcAttr{Credential: &syscall.Credential{Uid: 12345, Gid: 12345}}
	out, err := cmd.StdoutPipe()
	require.NoError(t, err)
	require.NoError(t, cmd.Start())
	defer func() { _ = cmd.Process.Kill(); _ = cmd.Wait() }()
	_, err = out.Read(make([]byte, 1))
	require.NoError(t, err)
	_, err = (&Daemon{From: FromHere, Find: func() (string, bool) { return socket, true }}).Dial(t.Context())
	assert.ErrorContains(t, err, "user 12345's, not root's")
}
