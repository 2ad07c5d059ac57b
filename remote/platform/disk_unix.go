//go:build unix

package platform

import "golang.org/x/sys/unix"

// FreeBytes returns how much an ordinary user may still write below dir.
func FreeBytes(dir string) (int64, error) {
	var st unix.Statfs_t
	if err := unix.Statfs(dir, &st); err != nil {
		return 0, err
	}
	return int64(st.Bavail) * int64(st.Bsize), nil
}
