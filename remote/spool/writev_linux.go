package spool

import (
	"errors"
	"os"

	"golang.org/x/sys/unix"
)

// writeRecord writes h and data behind one another at off, without copying data.
func writeRecord(f *os.File, h, data []byte, off int64) error {
	n, err := unix.Pwritev(int(f.Fd()), [][]byte{h, data}, off)
	if errors.Is(err, unix.EINTR) {
		n, err = 0, nil
	}
	if err != nil {
		return os.NewSyscallError("pwritev", err)
	}
	// A short write is rare (a signal, the last free block): WriteAt either
	// completes it or brings the error that explains it.
	if n < len(h) {
		if _, err := f.WriteAt(h[n:], off+int64(n)); err != nil {
			return err
		}
		n = len(h)
	}
	if n < len(h)+len(data) {
		_, err = f.WriteAt(data[n-len(h):], off+int64(n))
	}
	return err
}
