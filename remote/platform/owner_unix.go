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
