package platform

import (
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

func TestScopeCommand(t *testing.T) {
	argv := scopeCommand("/usr/bin/systemd-run", 1000)
	assert.Contains(t, argv, "--slice=pss-1000.slice")
	assert.Contains(t, argv, "--property=TasksMax=infinity", "all scopes of a user have one limit: the slice's")
	assert.Regexp(t, `^--unit=pss-user-1000-[a-z0-9]{8}\.scope$`, argv[5])
	assert.NotEqual(t, argv[5], scopeCommand("/usr/bin/systemd-run", 1000)[5], "an earlier one may still run")
}

// The limit is the slice's, so that it holds for all that is started for a user.
func TestLimitOfASlice(t *testing.T) {
	dir := t.TempDir()
	require.NoError(t, os.WriteFile(dir+"/systemctl", []byte("#!/bin/sh\necho \"$@\" >>"+dir+"/said\n"), 0o700))
	t.Setenv("PATH", dir+":/usr/bin:/bin")
	limitSlice(1000, 500)
	limitSlice(1001, 0)
	said, err := os.ReadFile(dir + "/said")
	require.NoError(t, err)
	assert.Equal(t, "set-property --runtime pss-1000.slice TasksMax=500\nset-property --runtime pss-1001.slice TasksMax=infinity\n", string(said))
}

func TestTaskShare(t *testing.T) {
	max, ok := readNumber("/proc/sys/kernel/pid_max")
	require.True(t, ok)
	assert.Positive(t, TaskShare())
	assert.LessOrEqual(t, TaskShare(), int(max)/3)
}

func TestUserGroupByHand(t *testing.T) {
	root := t.TempDir()
	_, err := userGroup(root, 1000, 50)
	require.Error(t, err, "no control groups of the second version")
	require.NoError(t, os.WriteFile(filepath.Join(root, "cgroup.controllers"), []byte("cpu\n"), 0o600))
	_, err = userGroup(root, 1000, 50)
	require.Error(t, err, "they count no tasks")
	require.NoError(t, os.WriteFile(filepath.Join(root, "cgroup.controllers"), []byte("cpu pids\n"), 0o600))
	dir := filepath.Join(root, "pss.slice", "pss-1000.slice")
	require.NoError(t, os.MkdirAll(dir, 0o700))
	for _, file := range []string{root + "/cgroup.subtree_control", root + "/pss.slice/cgroup.subtree_control", dir + "/pids.max"} {
		require.NoError(t, os.WriteFile(file, nil, 0o600)) // the kernel makes them
	}
	for tasks, text := range map[int]string{50: "50", 0: "max"} {
		got, err := userGroup(root, 1000, tasks)
		require.NoError(t, err)
		require.Equal(t, dir, got)
		max, err := os.ReadFile(dir + "/pids.max")
		require.NoError(t, err)
		assert.Equal(t, text, string(max))
	}
}

// A real process in a real group, where the computer lets us make one.
func TestInUserScope(t *testing.T) {
	const uid = 4242424
	root := ""
	for _, dir := range groupFolders {
		if _, err := userGroup(dir, uid, 50); err == nil {
			root = dir
			break
		}
	}
	if root == "" || os.Geteuid() != 0 {
		t.Skip("no control groups of the second version that can be written to")
	}
	if _, err := systemManager(); err == nil {
		t.Skip("systemd makes the scope here")
	}
	dir := filepath.Join(root, "pss.slice", userSlice(uid))
	cmd := exec.Command("cat", "/proc/self/cgroup")
	started := InUserScope(cmd, uid, 50)
	out, err := cmd.Output()
	started()
	require.NoError(t, err)
	assert.Contains(t, string(out), "/pss.slice/"+filepath.Base(dir)+"\n")
	// A group goes once its last process is gone, which is a moment later.
	require.Eventually(t, func() bool { return os.Remove(dir) == nil }, 5*time.Second, 10*time.Millisecond)
	if err := os.Remove(filepath.Dir(dir)); err != nil && !strings.Contains(err.Error(), "busy") {
		t.Log(err)
	}
}
