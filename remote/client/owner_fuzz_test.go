//go:build linux

package client

import (
	"net"
	"os"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	"pss/remote/platform"
)

// socketPair is both ends of a connection by a socket.
func socketPair(t testing.TB) (a, b *net.UnixConn) {
	fds, err := syscall.Socketpair(syscall.AF_UNIX, syscall.SOCK_STREAM|syscall.SOCK_CLOEXEC, 0)
	require.NoError(t, err)
	conns := [2]*net.UnixConn{}
	for i, fd := range fds {
		conns[i], err = platform.ConnOf(os.NewFile(uintptr(fd), "pair"))
		require.NoError(t, err)
	}
	return conns[0], conns[1]
}

// FuzzOwnerLine finds no first line of a connection with which anybody but the own user and
// root speaks for somebody else, and none that takes from what follows.
func FuzzOwnerLine(f *testing.F) {
	for _, line := range []string{
		"local", "ssh 192.0.2.1", "https 192.0.2.1", "as alice PublicKey https 192.0.2.1", "as alice", "as  x y", "handed", "as a b handed", "", "\x00", strings.Repeat("x", 600), "as a b c\r",
	} {
		f.Add(line, true)
		f.Add(line, false)
	}
	f.Fuzz(func(t *testing.T, line string, own bool) {
		if strings.Contains(line, "\n") {
			t.Skip()
		}
		uid := os.Geteuid()
		if !own {
			uid = 12345
		}
		a, b := socketPair(t)
		defer a.Close()
		_, err := a.Write([]byte(line + "\nrest"))
		require.NoError(t, err)
		require.NoError(t, a.CloseWrite())
		c, err := newOwnerConn(b, uid)
		if err != nil {
			return // it is closed
		}
		defer c.Close()
		require.LessOrEqual(t, len(line), maxFrom)
		o, ok := OriginOf(c)
		require.True(t, ok)
		require.Equal(t, uid, o.UID)
		if o.User != "" || o.Method != "" {
			require.True(t, own, "a stranger speaks for %q", o.User)
		}
		require.NoError(t, c.SetReadDeadline(time.Now().Add(time.Second)))
		rest := make([]byte, 16)
		n, err := c.Read(rest)
		require.NoError(t, err)
		require.Equal(t, "rest", string(rest[:n]))
		_ = FromLocal(c.RemoteAddr().String())
	})
}
