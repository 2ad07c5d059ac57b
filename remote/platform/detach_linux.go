package platform

import (
	"os"
	"strconv"
	"strings"

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

// ExecutableOf returns the path of the binary that process pid runs, as it was called
// when the process began.
func ExecutableOf(pid int) (string, error) {
	path, err := os.Readlink("/proc/" + strconv.Itoa(pid) + "/exe")
	return strings.TrimSuffix(path, " (deleted)"), err
}
