//go:build unix

package platform

import (
	"errors"
	"fmt"
	"os"

	"golang.org/x/sys/unix"
)

// ErrLocked says that another process holds the lock.
var ErrLocked = errors.New("lock is held by another process")

// Lock is a lock on a file that its process holds until Unlock or its end,
// however that comes. The file is never deleted: a second file of that name
// would be a second lock.
type Lock struct{ f *os.File }

// TakeLock takes the lock of path, which it makes (0600). It fails with
// ErrLocked at once if another process holds it.
func TakeLock(path string) (*Lock, error) {
	f, err := os.OpenFile(path, os.O_RDWR|os.O_CREATE, 0o600)
	if err != nil {
		return nil, err
	}
	if err := setLock(f); err != nil {
		f.Close()
		if errors.Is(err, unix.EAGAIN) || errors.Is(err, unix.EACCES) {
			return nil, fmt.Errorf("%s: %w", path, ErrLocked)
		}
		return nil, fmt.Errorf("lock %s: %w", path, err)
	}
	return &Lock{f}, nil
}

// Unlock gives the lock back.
func (l *Lock) Unlock() error { return l.f.Close() }

// Gone reports whether the lock's file was deleted or replaced: whoever comes
// next takes another lock, so its holder has nothing left to guard.
func (l *Lock) Gone() bool {
	mine, err := l.f.Stat()
	if err != nil {
		return true
	}
	now, err := os.Stat(l.f.Name())
	return errors.Is(err, os.ErrNotExist) || err == nil && !os.SameFile(mine, now)
}

// LockHeld reports whether some process holds the lock of path, without ever
// taking it: a question never makes a starting process fail. A missing file is
// not held.
func LockHeld(path string) (bool, error) {
	f, err := os.OpenFile(path, os.O_RDWR, 0)
	if errors.Is(err, os.ErrNotExist) {
		return false, nil
	}
	if err != nil {
		return false, err
	}
	defer f.Close()
	return askLock(f)
}
