package platform

import (
	"os"
	"strconv"

	"golang.org/x/sys/unix"
)

func selfPath() (string, error) { return "/proc/self/exe", nil }

// closeOnExecFrom marks every descriptor from first on, so that a lock or pipe
// that the caller's own parent left open does not reach the next program.
func closeOnExecFrom(first uint) {
	_ = unix.CloseRange(first, ^uint(0), unix.CLOSE_RANGE_CLOEXEC)
}

// selfForOthers names our process: another one's /proc/self is its own.
func selfForOthers() (string, error) { return "/proc/" + strconv.Itoa(os.Getpid()) + "/exe", nil }
