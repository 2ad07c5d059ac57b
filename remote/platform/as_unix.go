//go:build unix

package platform

import (
	"context"
	"os"
	"os/exec"
	"syscall"
)

// CommandAs is a command that runs this very binary with args as another user, in the
// folder / and with nothing of our environment that is not for the tests. Only root can start it for somebody
// else; for the own user nothing is changed.
func CommandAs(ctx context.Context, uid, gid uint32, groups []uint32, args ...string) (*exec.Cmd, error) {
	path, err := selfPath()
	if err != nil {
		return nil, err
	}
	cmd := exec.CommandContext(ctx, path, args...)
	cmd.Args[0], cmd.Dir, cmd.Env = "pss", "/", []string{"GOMAXPROCS=1"}
	for _, name := range []string{"GORACE", "PSS_TEST_FAULT"} { // what the tests of this binary set
		if v, ok := os.LookupEnv(name); ok {
			cmd.Env = append(cmd.Env, name+"="+v)
		}
	}
	cmd.SysProcAttr = &syscall.SysProcAttr{Setsid: true}
	if os.Geteuid() == 0 {
		cmd.SysProcAttr.Credential = &syscall.Credential{Uid: uid, Gid: gid, Groups: groups}
	}
	return cmd, nil
}
