//go:build unix

package platform

import (
	"fmt"
	"os"
	"syscall"
)

// CheckOwner fails if dir is no folder, or belongs to somebody else than the caller.
func CheckOwner(dir string) error {
	st, err := os.Stat(dir)
	if err != nil {
		return err
	}
	if !st.IsDir() {
		return fmt.Errorf("%s is no folder", dir)
	}
	if s, ok := st.Sys().(*syscall.Stat_t); ok && int(s.Uid) != os.Geteuid() {
		return fmt.Errorf("%s belongs to user %d, not to you (%d)", dir, s.Uid, os.Geteuid())
	}
	return nil
}

// CheckPrivate fails if dir is no folder of the caller's, is a link, or lets others
// write to it.
func CheckPrivate(dir string) error {
	st, err := os.Lstat(dir)
	if err != nil {
		return err
	}
	if st.Mode().Type() == os.ModeSymlink {
		return fmt.Errorf("%s is a link", dir)
	}
	if st.Mode().Perm()&0o022 != 0 {
		return fmt.Errorf("others may write to %s", dir)
	}
	return CheckOwner(dir)
}

// CheckTrusted fails if path belongs to somebody else than root and user uid, or lets
// others write to it.
func CheckTrusted(path string, uid int) error {
	st, err := os.Lstat(path)
	if err != nil {
		return err
	}
	s, ok := st.Sys().(*syscall.Stat_t)
	switch {
	case !ok:
		return nil
	case int(s.Uid) != 0 && int(s.Uid) != uid:
		return fmt.Errorf("%s belongs to user %d", path, s.Uid)
	case st.Mode().Perm()&0o002 != 0, st.Mode().Perm()&0o020 != 0 && s.Gid != 0 && int(s.Gid) != uid:
		// A group of the user's own, of the same number, is the user.
		return fmt.Errorf("others may write to %s", path)
	}
	return nil
}

// OthersMayRead reports whether the mode of a file lets anybody but its owner read or
// write it.
func OthersMayRead(st os.FileInfo) bool { return st.Mode().Perm()&0o077 != 0 }
