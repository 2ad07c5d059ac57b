//go:build unix

package platform

import (
	"errors"
	"net"
	"os"

	"golang.org/x/sys/unix"
)

// ConnPair returns the two ends of a new connection: ours, and one that is given to
// another process as an open file. The peer of both is whoever called this.
func ConnPair() (ours *net.UnixConn, theirs *os.File, err error) {
	fds, err := unix.Socketpair(unix.AF_UNIX, unix.SOCK_STREAM, 0)
	if err != nil {
		return nil, nil, os.NewSyscallError("socketpair", err)
	}
	for _, fd := range fds {
		unix.CloseOnExec(fd)
	}
	theirs = os.NewFile(uintptr(fds[1]), "connection")
	ours, err = ConnOf(os.NewFile(uintptr(fds[0]), "connection"))
	if err != nil {
		theirs.Close()
		return nil, nil, err
	}
	return ours, theirs, nil
}

// ConnOf makes a connection of an open file that is one, and closes the file.
func ConnOf(f *os.File) (*net.UnixConn, error) {
	c, err := net.FileConn(f)
	f.Close()
	if err != nil {
		return nil, err
	}
	u, ok := c.(*net.UnixConn)
	if !ok {
		c.Close()
		return nil, errors.New("not a unix socket")
	}
	return u, nil
}

// PassFile sends line, which is not empty, and with it the open file f.
func PassFile(c *net.UnixConn, f *os.File, line []byte) error {
	_, _, err := c.WriteMsgUnix(line, unix.UnixRights(int(f.Fd())), nil)
	return err
}

// TakeFile reads into p, and returns the open file that came with the bytes, or nil.
// Of several files all are closed, and it fails.
func TakeFile(c *net.UnixConn, p []byte) (n int, f *os.File, err error) {
	oob := make([]byte, unix.CmsgSpace(4*4))
	n, oobn, flags, _, err := c.ReadMsgUnix(p, oob)
	if err != nil {
		return n, nil, err
	}
	var fds []int
	messages, err := unix.ParseSocketControlMessage(oob[:oobn])
	for _, m := range messages {
		rights, rerr := unix.ParseUnixRights(&m)
		fds = append(fds, rights...)
		err = errors.Join(err, rerr)
	}
	if flags&unix.MSG_CTRUNC != 0 || len(fds) > 1 {
		err = errors.Join(err, errors.New("more than one open file came"))
	}
	for _, fd := range fds {
		if err != nil {
			_ = unix.Close(fd)
			continue
		}
		unix.CloseOnExec(fd)
		f = os.NewFile(uintptr(fd), "connection")
	}
	return n, f, err
}
