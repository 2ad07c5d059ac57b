//go:build unix

package platform

import (
	"os"

	"golang.org/x/sys/unix"
)

// Polled returns f, which was inherited, as a file whose reads and writes wait in the
// runtime's poller and hold up no thread. The caller goes on with the returned one alone.
func Polled(f *os.File) *os.File {
	fd := f.Fd()
	if unix.SetNonblock(int(fd), true) != nil {
		return f
	}
	return os.NewFile(fd, f.Name())
}
