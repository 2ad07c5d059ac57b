//go:build linux

package main_test

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"syscall"
	"testing"

	"github.com/stretchr/testify/require"
)

// groups makes control groups for a login, whose name is that of a login's unit, and for
// what is started out of it.
func groups(t *testing.T, unit string) (login, outside string) {
	t.Helper()
	for _, root := range []string{"/sys/fs/cgroup/systemd", "/sys/fs/cgroup/unified", "/sys/fs/cgroup"} {
		base, err := os.MkdirTemp(root, "pss-test-")
		if err != nil {
			continue
		}
		login, outside = filepath.Join(base, unit), filepath.Join(base, "out.scope")
		err = errors.Join(os.Mkdir(login, 0o700), os.Mkdir(outside, 0o700))
		t.Cleanup(func() {
			eventually(t, "the groups are empty", func() bool {
				for _, dir := range []string{login, outside, base} {
					_ = os.Remove(dir)
				}
				_, err := os.Stat(base)
				return errors.Is(err, os.ErrNotExist)
			})
		})
		if _, serr := os.Stat(filepath.Join(login, "cgroup.procs")); err == nil && serr == nil {
			return login, outside
		}
	}
	t.Skip("control groups cannot be made here")
	return "", ""
}

// members returns the processes in a control group.
func members(t *testing.T, group string) (pids []int) {
	t.Helper()
	text, err := os.ReadFile(filepath.Join(group, "cgroup.procs"))
	require.NoError(t, err)
	for _, f := range strings.Fields(string(text)) {
		pid, err := strconv.Atoi(f)
		require.NoError(t, err)
		pids = append(pids, pid)
	}
	return pids
}

// standIn is a systemd-run that does what counts of --scope: the command runs in
// another control group.
const standIn = `#!/bin/sh
while :; do case $1 in --) shift; break ;; -*) shift ;; *) break ;; esac; done
echo $$ >%s/cgroup.procs || exit 1
exec "$@"
`

// A login manager that ends everything in a login's scope, whatever session it made
// for itself, does not reach the sessions that were made in that login.
func TestLogoutEndsTheScope(t *testing.T) {
	t.Parallel()
	login, outside := groups(t, "session-99.scope")
	w := newWorld(t, thisPSS, nil)
	tools := w.path("tools")
	require.NoError(t, os.Mkdir(tools, 0o700))
	require.NoError(t, os.WriteFile(filepath.Join(tools, "systemd-run"), fmt.Appendf(nil, standIn, outside), 0o700))
	in := *w
	in.env = append(in.env, "PATH="+tools+":"+os.Getenv("PATH"))
	in.within = []string{"/bin/sh", "-c", "echo $$ >" + login + `/cgroup.procs && exec "$@"`, "sh"}
	in.must("invoke-command", "--computer-name", "localhost", "--in-disconnected-session", "--session-name", "left", "-n", "--script-block", numbered(w.home, 1, 7, "sleep 0.02"))
	follower := in.start("invoke-command", "--computer-name", "localhost", "--script-block", "sleep 1000")
	eventually(t, "the follower's command runs", func() bool { return len(w.list("localhost")) == 2 })
	roles := []int{w.agent(), w.host(), w.facts()["left"].info.Pid}
	for _, pid := range roles {
		require.Contains(t, members(t, outside), pid)
	}
	gone := members(t, login)
	require.Equal(t, []int{follower.cmd.Process.Pid}, gone, "only the cmdlet is in the login")
	for _, pid := range gone {
		require.NoError(t, syscall.Kill(pid, syscall.SIGKILL))
	}
	follower.wait(t)
	n := count(w.home, 1)
	eventually(t, "the command goes on", func() bool { return count(w.home, 1) > n })
	require.NoError(t, os.WriteFile(w.path("stop"), nil, 0o600))
	r := w.as("next").pss("receive-pssession", "--computer-name", "localhost", "--name", "left")
	require.Equal(t, 7, r.code, r.err)
	checkNumbered(t, 1, r.out, r.err)
}
