//go:build unix

package platform

import (
	"context"
	"os"
	"os/exec"
	"syscall"
)

// testVariables are what a process of another user takes from us: nothing that is set
// outside of tests.
var testVariables = []string{"GODEBUG", "GORACE", "GOTRACEBACK", "GOCOVERDIR", "PSS_TEST_FAULT", "PSS_TEST_POINT"}

// bare makes cmd one that runs this binary in the folder /, in a session of its own and
// with nothing of our environment that is not for the tests, but with env.
func bare(cmd *exec.Cmd, env ...string) {
	cmd.Args[0], cmd.Dir, cmd.Env = "pss", "/", append([]string{"GOMAXPROCS=1"}, env...)
	for _, name := range testVariables {
		if v, ok := os.LookupEnv(name); ok {
			cmd.Env = append(cmd.Env, name+"="+v)
		}
	}
	cmd.SysProcAttr = &syscall.SysProcAttr{Setsid: true}
}

// CommandAs is a command that runs this very binary with args as another user, with
// nothing of our environment. Only root can start it for somebody else; for the own user
// nothing is changed.
func CommandAs(ctx context.Context, uid, gid uint32, groups []uint32, args ...string) (*exec.Cmd, error) {
	path, err := selfPath()
	if err != nil {
		return nil, err
	}
	cmd := exec.CommandContext(ctx, path, args...)
	bare(cmd)
	if os.Geteuid() == 0 {
		cmd.SysProcAttr.Credential = &syscall.Credential{Uid: uid, Gid: gid, Groups: groups}
	}
	return cmd, nil
}
