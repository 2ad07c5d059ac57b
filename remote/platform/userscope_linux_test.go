package platform

import (
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

func TestScopeCommand(t *testing.T) {
	argv := scopeCommand("/usr/bin/systemd-run", 1000, 500)
	assert.Contains(t, argv, "--slice=pss.slice")
	assert.Contains(t, argv, "--property=TasksMax=500")
	assert.Regexp(t, `^--unit=pss-user-1000-[a-z0-9]{8}\.scope$`, argv[5])
	assert.NotEqual(t, argv[5], scopeCommand("/usr/bin/systemd-run", 1000, 500)[5], "an earlier one may still run")
	assert.Contains(t, scopeCommand("x", 0, 0), "--property=TasksMax=infinity")
}

func TestUserGroupByHand(t *testing.T) {
	root := t.TempDir()
	_, err := userGroup(root, 1000, 50)
	require.Error(t, err, "no control groups of the second version")
	require.NoError(t, os.WriteFile(filepath.Join(root, "cgroup.controllers"), []byte("cpu pids\n"), 0o600))
	dir := filepath.Join(root, "pss.slice", "pss-user-1000.scope")
	require.NoError(t, os.MkdirAll(dir, 0o700))
	for _, file := range []string{root + "/cgroup.subtree_control", root + "/pss.slice/cgroup.subtree_control", dir + "/pids.max"} {
		require.NoError(t, os.WriteFile(file, nil, 0o600)) // the kernel makes them
	}
	got, err := userGroup(root, 1000, 50)
	require.NoError(t, err)
	require.Equal(t, dir, got)
	max, err := os.ReadFile(dir + "/pids.max")
	require.NoError(t, err)
	assert.Equal(t, "50", string(max))
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
	dir := filepath.Join(root, "pss.slice", "pss-user-"+strconv.Itoa(uid)+".scope")
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
