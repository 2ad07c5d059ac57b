//go:build pss_scripted && linux

package main

import (
	"os"
	"path/filepath"
	"strconv"

	"golang.org/x/sys/unix"
)

// init sends what a session host of the tests writes to its standard error to a file that
// outlives its session: a data race or a panic there must not vanish with the session's
// folder. One without PSS_HOME is on a computer that a test made.
func init() {
	if len(os.Args) < 2 || os.Args[1] != "session-host" {
		return
	}
	file := filepath.Join("/run/crashes", strconv.Itoa(os.Getpid()))
	if home := os.Getenv("PSS_HOME"); home != "" {
		file = filepath.Join(home, "host", "session-hosts.log")
	}
	f, err := os.OpenFile(file, os.O_WRONLY|os.O_APPEND|os.O_CREATE, 0o600)
	if err != nil {
		return
	}
	_ = unix.Dup3(int(f.Fd()), 2, 0)
	f.Close()
}
