//go:build unix

package identity

import (
	"fmt"
	"io"
	"os"
	"path/filepath"
	"syscall"

	"pss/remote/planted"
)

// readStrictly reads a key file as sshd with StrictModes: it and the folders above it, as
// far as the home folder or else the root, belong to us or to root, and nobody else may
// write to them.
func readStrictly(path, home string) ([]byte, error) {
	path, err := filepath.EvalSymlinks(path)
	if err != nil {
		return nil, err
	}
	// A pipe or a device must not hold us up.
	f, err := os.OpenFile(path, os.O_RDONLY|syscall.O_NONBLOCK|syscall.O_NOFOLLOW, 0)
	if err != nil {
		return nil, err
	}
	defer f.Close()
	st, err := f.Stat()
	if err != nil {
		return nil, err
	}
	if !st.Mode().IsRegular() || st.Size() > maxKeyFile {
		return nil, fmt.Errorf("%s is no file of at most %d bytes", path, maxKeyFile)
	}
	if err := strict(path, st); err != nil {
		return nil, err
	}
	if home, err = filepath.EvalSymlinks(home); err != nil {
		home = "/"
	}
	for dir := filepath.Dir(path); ; dir = filepath.Dir(dir) {
		st, err := os.Lstat(dir)
		if err != nil {
			return nil, err
		}
		if err := strict(dir, st); err != nil {
			return nil, err
		}
		if dir == home || dir == "/" {
			break
		}
	}
	return io.ReadAll(io.LimitReader(f, maxKeyFile))
}

// strict refuses what somebody else owns or may write to.
func strict(path string, st os.FileInfo) error {
	s, ok := st.Sys().(*syscall.Stat_t)
	if !ok {
		return fmt.Errorf("nobody can say who owns %s", path)
	}
	if s.Uid != 0 && int(s.Uid) != os.Geteuid() {
		return fmt.Errorf("%s belongs to user %d", path, s.Uid)
	}
	if st.Mode().Perm()&0o022 != 0 && !planted.On("key-file-of-everybody") {
		return fmt.Errorf("others may write to %s (mode %04o)", path, st.Mode().Perm())
	}
	return nil
}
