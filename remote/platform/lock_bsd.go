//go:build unix && !linux

package platform

import (
	"errors"
	"os"

	"golang.org/x/sys/unix"
)

func setLock(f *os.File) error { return unix.Flock(int(f.Fd()), unix.LOCK_EX|unix.LOCK_NB) }

// askLock has to take the lock for a moment here, shared so that two questions
// do not see each other.
func askLock(f *os.File) (bool, error) {
	err := unix.Flock(int(f.Fd()), unix.LOCK_SH|unix.LOCK_NB)
	if errors.Is(err, unix.EWOULDBLOCK) {
		return true, nil
	}
	return false, err
}
