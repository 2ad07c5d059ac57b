package platform

import (
	"context"
	"crypto/rand"
	"errors"
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
// that user below pss.slice, which has at most so many tasks for everything that is
// started so for that user (0: no limit): what one user starts is counted apart from the
// daemon and from everybody else, and neither a stop nor a restart of the service reaches
// it. systemd makes the group as a scope in a slice of the user's; without systemd one is
// made by hand where control groups count tasks, and else cmd stays where we are. Only
// root can do this. started releases what the start needed, after it.
func InUserScope(cmd *exec.Cmd, uid, tasks int) (started func()) {
	if run, err := systemManager(); err == nil {
		limitSlice(uid, tasks)
		cmd.Path, cmd.Args = run, slices.Concat(scopeCommand(run, uid), []string{"--", cmd.Path}, cmd.Args[1:])
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

// TaskShare is how many tasks one user may have where nothing else is said: a third of
// what the computer has, as logind gives to a login; 0 if that cannot be told.
func TaskShare() int {
	share := int64(0)
	for _, file := range []string{"/proc/sys/kernel/pid_max", "/proc/sys/kernel/threads-max"} {
		if n, ok := readNumber(file); ok && (share == 0 || n/3 < share) {
			share = n / 3
		}
	}
	return int(share)
}

// userSlice is the group of all that is started for a user. Its name puts it into
// pss.slice.
func userSlice(uid int) string { return fmt.Sprintf("pss-%d.slice", uid) }

// limitSlice lets the slice of a user have so many tasks from now on.
func limitSlice(uid, tasks int) {
	ctx, cancel := context.WithTimeout(context.Background(), scopeTimeout)
	defer cancel()
	// Without the limit the user works all the same.
	_ = exec.CommandContext(ctx, "systemctl", "set-property", "--runtime", userSlice(uid), "TasksMax="+taskText(tasks, "infinity")).Run()
}

func taskText(tasks int, none string) string {
	if tasks > 0 {
		return strconv.Itoa(tasks)
	}
	return none
}

// scopeCommand starts a program in a scope of the user's. Each has a name of its own,
// because what an earlier daemon started still runs in that one's; they share the slice,
// which has the limit.
func scopeCommand(run string, uid int) []string {
	return []string{
		run, "--quiet", "--collect", "--scope", "--slice=" + userSlice(uid),
		fmt.Sprintf("--unit=pss-user-%d-%s.scope", uid, strings.ToLower(rand.Text()[:8])), "--property=TasksMax=infinity",
	}
}

// userGroup makes the control group of a user below root, and returns its folder. It
// fails where tasks are not counted.
func userGroup(root string, uid, tasks int) (string, error) {
	controllers, err := os.ReadFile(filepath.Join(root, "cgroup.controllers"))
	if err != nil {
		return "", err // of the first version, or none
	}
	if !slices.Contains(strings.Fields(string(controllers)), "pids") {
		return "", errors.New("another hierarchy counts tasks")
	}
	slice := filepath.Join(root, "pss.slice")
	dir := filepath.Join(slice, userSlice(uid))
	if err := os.MkdirAll(dir, 0o755); err != nil {
		return "", err
	}
	for _, above := range []string{root, slice} {
		if err := os.WriteFile(filepath.Join(above, "cgroup.subtree_control"), []byte("+pids"), 0); err != nil {
			return "", err
		}
	}
	return dir, os.WriteFile(filepath.Join(dir, "pids.max"), []byte(taskText(tasks, "max")), 0)
}
