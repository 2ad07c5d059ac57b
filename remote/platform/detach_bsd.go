//go:build unix && !linux

package platform

import (
	"errors"
	"os"
	"os/exec"

	"golang.org/x/sys/unix"
)

func selfPath() (string, error) { return os.Executable() }

func closeOnExecFrom(first uint) {
	for fd := int(first); fd < 1024; fd++ {
		unix.CloseOnExec(fd)
	}
}

// inOwnScope does nothing: no login manager ends what has a session of its own.
func inOwnScope(*exec.Cmd) {}

func selfForOthers() (string, error) { return os.Executable() }

// ExecutableOf fails: this system does not tell.
func ExecutableOf(int) (string, error) { return "", errors.ErrUnsupported }
