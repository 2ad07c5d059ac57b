package platform

import (
	"os"

	"golang.org/x/sys/unix"
)

// Locks of open file descriptions: unlike flock they can be asked for without
// being taken, unlike POSIX locks they do not vanish when some other code of the
// process closes the same file.

func setLock(f *os.File) error {
	return unix.FcntlFlock(f.Fd(), unix.F_OFD_SETLK, &unix.Flock_t{Type: unix.F_WRLCK})
}

func askLock(f *os.File) (bool, error) {
	lk := unix.Flock_t{Type: unix.F_WRLCK}
	if err := unix.FcntlFlock(f.Fd(), unix.F_OFD_GETLK, &lk); err != nil {
		return false, err
	}
	return lk.Type != unix.F_UNLCK, nil
}
