//go:build unix

package platform

import (
	"fmt"
	"os"
	"os/exec"
	"strings"
	"syscall"

	"pss/remote/planted"
)

// Role is a process of ours that must not depend on whoever starts it.
type Role struct {
	Args  []string // the role and its arguments
	Stdin *os.File // nil: /dev/null
	Ready *os.File // becomes descriptor 3: the role tells there that it is ready
	Log   string   // file that takes standard output and standard error, appended; empty: /dev/null
	Env   []string // added to the whitelisted environment
}

// ReadyFD is the descriptor on which a role tells that it is ready.
const ReadyFD = 3

// keptVariables are all that a role takes from its caller's environment: the
// secrets of a shell or of a CI job must not live on in a daemon.
var keptVariables = []string{
	"PSS_HOME", "HOME", "USER", "LOGNAME", "PATH", "TMPDIR", "XDG_CONFIG_HOME", "XDG_CACHE_HOME", "XDG_STATE_HOME",
	"GODEBUG", "GORACE", "GOTRACEBACK", "GOCOVERDIR", "PSS_TEST_FAULT", "PSS_TEST_POINT",
}

// StartDetached starts this very binary in a session of its own with cwd /,
// standard descriptors of its own, no other descriptor of the caller's and a
// whitelisted environment. The binary is found by its open file, so that a
// deleted or replaced one still starts the code that runs now.
func StartDetached(r Role) (*exec.Cmd, error) {
	self, err := selfPath()
	if err != nil {
		return nil, err
	}
	cmd := exec.Command(self, r.Args...)
	cmd.Args[0] = "pss"
	cmd.Dir = "/"
	cmd.Env = append(roleEnvironment(), r.Env...)
	cmd.Stdin = r.Stdin
	if r.Log != "" {
		log, err := os.OpenFile(r.Log, os.O_WRONLY|os.O_APPEND|os.O_CREATE, 0o600)
		if err != nil {
			return nil, err
		}
		defer log.Close()
		cmd.Stdout, cmd.Stderr = log, log
	}
	if r.Ready != nil {
		cmd.ExtraFiles = []*os.File{r.Ready}
	}
	cmd.SysProcAttr = &syscall.SysProcAttr{Setsid: !planted.On("role-of-the-login")}
	if !planted.On("agent-inherits-descriptors") {
		closeOnExecFrom(3)
	}
	inOwnScope(cmd)
	if err := cmd.Start(); err != nil {
		return nil, fmt.Errorf("start pss %s: %w", strings.Join(r.Args, " "), err)
	}
	return cmd, nil
}

// OwnSession makes cmd, when it is started, the leader of a session of its own.
func OwnSession(cmd *exec.Cmd) { cmd.SysProcAttr = &syscall.SysProcAttr{Setsid: true} }

// EndSession asks a process that OwnSession made a leader to end, with all that it has
// started and that has not left it, stopped ones too; hard kills them.
func EndSession(leader *os.Process, hard bool) {
	if hard {
		_ = syscall.Kill(-leader.Pid, syscall.SIGKILL)
		return
	}
	_ = syscall.Kill(-leader.Pid, syscall.SIGTERM)
	_ = syscall.Kill(-leader.Pid, syscall.SIGCONT)
}

func roleEnvironment() []string {
	// A role mostly waits, and passes one thing on at a time: with one processor
	// to begin with it wakes fewer threads, and a command is answered sooner. The
	// attachments under way raise it (client.Splice).
	env := []string{"GOMAXPROCS=1"}
	if planted.On("environment-not-scrubbed") {
		return os.Environ()
	}
	for _, name := range keptVariables {
		if v, ok := os.LookupEnv(name); ok {
			env = append(env, name+"="+v)
		}
	}
	return env
}
