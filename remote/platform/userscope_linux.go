package platform

import (
	"bytes"
	"crypto/rand"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"sync"
	"syscall"
)

// groupFolders are where control groups of the second version are mounted: alone, or
// beside those of the first.
var groupFolders = []string{"/sys/fs/cgroup", "/sys/fs/cgroup/unified"}

// systemManager returns systemd-run where systemd is the computer's service manager and
// makes scopes for us. It is asked once.
var systemManager = sync.OnceValues(func() (string, error) {
	if _, err := os.Stat("/run/systemd/system"); err != nil {
		return "", err
	}
	if _, err := scopes(0); err != nil {
		return "", err
	}
	return exec.LookPath("systemd-run")
})

// InUserScope makes cmd, which is about to start as user uid, run in a control group of
// that user below pss.slice, with at most so many tasks (0: no limit): what one user
// starts is counted apart from the daemon and from everybody else, and neither a stop nor
// a restart of the service reaches it. systemd makes the group as a scope; without
// systemd one is made by hand where that is possible, and else cmd stays where we are.
// Only root can do this. started releases what the start needed, after it.
func InUserScope(cmd *exec.Cmd, uid, tasks int) (started func()) {
	if run, err := systemManager(); err == nil {
		cmd.Path, cmd.Args = run, slices.Concat(scopeCommand(run, uid, tasks), []string{"--", cmd.Path}, cmd.Args[1:])
		return func() {}
	}
	for _, root := range groupFolders {
		if dir, err := userGroup(root, uid, tasks); err == nil {
			if f, err := os.Open(dir); err == nil {
				if cmd.SysProcAttr == nil {
					cmd.SysProcAttr = &syscall.SysProcAttr{}
				}
				cmd.SysProcAttr.UseCgroupFD, cmd.SysProcAttr.CgroupFD = true, int(f.Fd())
				return func() { f.Close() }
			}
		}
	}
	return func() {}
}

// scopeCommand starts a program in a scope of the user's. Each has a name of its own,
// because what an earlier daemon started still runs in that one's.
func scopeCommand(run string, uid, tasks int) []string {
	max := "infinity"
	if tasks > 0 {
		max = strconv.Itoa(tasks)
	}
	return []string{
		run, "--quiet", "--collect", "--scope", "--slice=pss.slice",
		fmt.Sprintf("--unit=pss-user-%d-%s.scope", uid, strings.ToLower(rand.Text()[:8])), "--property=TasksMax=" + max,
	}
}

// userGroup makes the control group of a user below root, and returns its folder.
func userGroup(root string, uid, tasks int) (string, error) {
	controllers, err := os.ReadFile(filepath.Join(root, "cgroup.controllers"))
	if err != nil {
		return "", err // of the first version, or none
	}
	slice := filepath.Join(root, "pss.slice")
	dir := filepath.Join(slice, fmt.Sprintf("pss-user-%d.scope", uid))
	if err := os.MkdirAll(dir, 0o755); err != nil {
		return "", err
	}
	if !slices.Contains(strings.Fields(string(bytes.TrimSpace(controllers))), "pids") {
		return dir, nil // another hierarchy counts tasks
	}
	for _, above := range []string{root, slice} {
		if err := os.WriteFile(filepath.Join(above, "cgroup.subtree_control"), []byte("+pids"), 0); err != nil {
			return "", err
		}
	}
	max := "max"
	if tasks > 0 {
		max = strconv.Itoa(tasks)
	}
	return dir, os.WriteFile(filepath.Join(dir, "pids.max"), []byte(max), 0)
}
