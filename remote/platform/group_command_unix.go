//go:build unix

package platform

import (
	"os/exec"
	"syscall"
	"time"
)

// InGroup makes a command end with everything that it started: when its context ends,
// all of its processes are asked to end, which lets them clean up, and after grace are
// killed. It is called before the command starts; the result is called when it has
// been waited for.
func InGroup(cmd *exec.Cmd, grace time.Duration) (over func()) {
	cmd.SysProcAttr = &syscall.SysProcAttr{Setpgid: true}
	cmd.Cancel = func() error { return syscall.Kill(-cmd.Process.Pid, syscall.SIGTERM) }
	cmd.WaitDelay = grace
	return func() {
		if cmd.Process == nil || cmd.ProcessState != nil && cmd.ProcessState.Success() {
			return
		}
		// The group lives as long as one of its processes does.
		for deadline := time.Now().Add(grace); syscall.Kill(-cmd.Process.Pid, 0) == nil; time.Sleep(10 * time.Millisecond) {
			if time.Now().After(deadline) {
				_ = syscall.Kill(-cmd.Process.Pid, syscall.SIGKILL)
				return
			}
		}
	}
}
