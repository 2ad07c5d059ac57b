package main_test

import (
	"os"

	"golang.org/x/sys/unix"
)

// pipeFull reports whether a pipe that nobody reads holds about all it can.
func pipeFull(r *os.File) bool {
	n, err := unix.IoctlGetInt(int(r.Fd()), unix.TIOCINQ)
	return err == nil && n >= 32<<10
}
