package platform

import (
	"bytes"
	"context"
	"os"
	"os/exec"
	"path"
	"slices"
	"sync"
	"time"
)

// scopeTimeout bounds how long systemd may take to say that it makes scopes for us.
const scopeTimeout = 3 * time.Second

// sessionVariables are what systemd-run needs of a login, and what a role does not.
var sessionVariables = []string{"XDG_RUNTIME_DIR", "DBUS_SESSION_BUS_ADDRESS"}

// outOfLogin returns the command that starts a program in a scope of its own, or nil
// where that is not needed or not possible. A login manager may end everything in a
// login's scope when the login ends, whatever session it made for itself. It is found
// out once: whoever starts roles in a login starts many.
var outOfLogin = sync.OnceValue(func() []string {
	if groups, err := os.ReadFile("/proc/self/cgroup"); err != nil || !inLogin(groups) {
		return nil
	}
	run, err := exec.LookPath("systemd-run")
	if err != nil {
		return nil
	}
	argv := []string{run, "--quiet", "--collect", "--scope"}
	if os.Geteuid() != 0 {
		argv = append(argv, "--user")
	}
	ctx, cancel := context.WithTimeout(context.Background(), scopeTimeout)
	defer cancel()
	if exec.CommandContext(ctx, run, slices.Concat(argv[1:], []string{"--", "true"})...).Run() != nil {
		return nil
	}
	argv = append(argv, "--", "env")
	for _, name := range sessionVariables {
		argv = append(argv, "-u", name)
	}
	return argv
})

// inLogin reports whether the control groups in the text of /proc/PID/cgroup are those
// of a login: user.slice/…/session-N.scope.
func inLogin(groups []byte) bool {
	for line := range bytes.Lines(groups) {
		f := bytes.SplitN(bytes.TrimSpace(line), []byte{':'}, 3)
		if len(f) < 3 {
			continue
		}
		for dir := string(f[2]); dir != "/" && dir != "."; dir = path.Dir(dir) {
			if ok, _ := path.Match("session-*.scope", path.Base(dir)); ok {
				return true
			}
		}
	}
	return false
}

// inOwnScope makes cmd, a role that is about to start, leave the login that we run in.
func inOwnScope(cmd *exec.Cmd) {
	// A host may outlive its login, and with that the manager that makes scopes.
	if dir := os.Getenv("XDG_RUNTIME_DIR"); dir != "" {
		if _, err := os.Stat(dir); err != nil {
			return
		}
	}
	argv := outOfLogin()
	self, err := os.Readlink(cmd.Path)
	if err == nil {
		_, err = os.Stat(self) // a deleted binary has no name to start it by
	}
	if argv == nil || err != nil {
		return
	}
	cmd.Path, cmd.Args = argv[0], slices.Concat(argv, []string{self}, cmd.Args[1:])
	for _, name := range sessionVariables {
		if v := os.Getenv(name); v != "" {
			cmd.Env = append(cmd.Env, name+"="+v)
		}
	}
}
