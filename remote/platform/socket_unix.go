//go:build unix

package platform

import (
	"context"
	"errors"
	"fmt"
	"net"
	"os"
	"path/filepath"
	"syscall"

	"golang.org/x/sys/unix"
	"pss/remote/api"
)

// maxSocketPath is what sockaddr_un holds on Linux; the BSDs hold four less.
const maxSocketPath = 103

// socketName returns a name for path that fits sockaddr_un, and a function that
// releases what the name stands on. A path that is too long is reached through
// an open descriptor of its folder.
func socketName(path string) (string, func(), error) {
	if len(path) <= maxSocketPath {
		return path, func() {}, nil
	}
	if !procFD {
		return "", nil, tooLong(path)
	}
	dir, err := os.Open(filepath.Dir(path))
	if err != nil {
		return "", nil, err
	}
	name := fmt.Sprintf("/proc/self/fd/%d/%s", dir.Fd(), filepath.Base(path))
	if len(name) > maxSocketPath {
		dir.Close()
		return "", nil, tooLong(path)
	}
	return name, func() { dir.Close() }, nil
}

func tooLong(path string) error {
	return api.Errorf(api.CodeHome, "the socket path %s has %d bytes, more than the %d that this system allows", path, len(path), maxSocketPath).
		WithID("SocketPathTooLong").Hint("set PSS_HOME to a shorter folder").On(path)
}

// Listen makes the socket path (0600) and listens on it; a stale one is
// replaced. Closing the listener does not delete the file: its owner does.
func Listen(path string) (net.Listener, error) {
	name, release, err := socketName(path)
	if err != nil {
		return nil, err
	}
	defer release()
	if err := os.Remove(path); err != nil && !errors.Is(err, os.ErrNotExist) {
		return nil, err
	}
	// The folder is private (0700), so the mode of the socket is a second fence only. Linux
	// makes the file with the mode that the socket has when it is bound; elsewhere it gets it
	// a moment later.
	private := net.ListenConfig{Control: func(_, _ string, c syscall.RawConn) error {
		return c.Control(func(fd uintptr) { _ = unix.Fchmod(int(fd), 0o600) })
	}}
	bound, err := private.Listen(context.Background(), "unix", name)
	if err != nil {
		return nil, err
	}
	l := bound.(*net.UnixListener)
	l.SetUnlinkOnClose(false)
	if err := os.Chmod(path, 0o600); err != nil {
		l.Close()
		return nil, err
	}
	return l, nil
}

// Dial connects to the socket path.
func Dial(ctx context.Context, path string) (net.Conn, error) {
	name, release, err := socketName(path)
	if err != nil {
		return nil, err
	}
	defer release()
	var d net.Dialer
	return d.DialContext(ctx, "unix", name)
}

// NotListening reports whether err of Dial means that nobody listens there, as
// opposed to somebody who does not answer.
func NotListening(err error) bool {
	return errors.Is(err, unix.ECONNREFUSED) || errors.Is(err, os.ErrNotExist)
}

// DiskFull reports whether err means that there is no room for more data.
func DiskFull(err error) bool {
	return errors.Is(err, unix.ENOSPC) || errors.Is(err, unix.EDQUOT) || errors.Is(err, unix.EFBIG)
}
