package platform

import (
	"os"
	"path/filepath"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
	"golang.org/x/sys/unix"
)

// Somebody who looks all the time finds no socket that is open to others.
func TestSocketIsPrivateFromTheFirstMoment(t *testing.T) {
	before := unix.Umask(0)
	defer unix.Umask(before)
	path := filepath.Join(t.TempDir(), "sock")
	over, seen := make(chan struct{}), make(chan map[os.FileMode]bool)
	go func() {
		modes := map[os.FileMode]bool{}
		for {
			select {
			case <-over:
				seen <- modes
				return
			default:
			}
			if st, err := os.Lstat(path); err == nil {
				modes[st.Mode()] = true
			}
		}
	}()
	for range 2000 {
		l, err := Listen(path)
		require.NoError(t, err)
		l.Close()
	}
	close(over)
	assert.Equal(t, map[os.FileMode]bool{os.ModeSocket | 0o600: true}, <-seen)
}
