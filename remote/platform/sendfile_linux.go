package platform

import (
	"errors"
	"io"
	"net"
	"os"

	"golang.org/x/sys/unix"
)

// SendFile sends length bytes of f from offset on over a unix socket without
// copying them through this process. ok is false if c is none; then nothing was
// sent. The bytes must not change until the peer has them.
func SendFile(c net.Conn, f *os.File, offset, length int64) (ok bool, err error) {
	u, ok := c.(*net.UnixConn)
	if !ok {
		return false, nil
	}
	out, err := u.SyscallConn()
	if err != nil {
		return true, err
	}
	in, err := f.SyscallConn()
	if err != nil {
		return true, err
	}
	var sendErr, sendFail error
	err = in.Control(func(infd uintptr) {
		sendErr = out.Write(func(outfd uintptr) bool {
			for length > 0 {
				n, err := unix.Sendfile(int(outfd), int(infd), &offset, int(min(length, 1<<30)))
				switch {
				case errors.Is(err, unix.EINTR):
				case errors.Is(err, unix.EAGAIN):
					return false
				case err != nil:
					sendFail = err
					return true
				case n == 0:
					sendFail = io.ErrUnexpectedEOF
					return true
				default:
					length -= int64(n)
				}
			}
			return true
		})
	})
	return true, errors.Join(err, sendErr, sendFail)
}
