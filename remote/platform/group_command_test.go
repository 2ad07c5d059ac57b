//go:build unix

package platform_test

import (
	"context"
	"os"
	"os/exec"
	"path/filepath"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
	"pss/remote/platform"
)

// A command that is given up leaves nothing, and its children may clean up.
func TestInGroupEndsTheChildrenToo(t *testing.T) {
	dir := t.TempDir()
	ctx, cancel := context.WithCancel(context.Background())
	cmd := exec.CommandContext(ctx, "sh", "-c", `(trap 'touch cleaned; exit' TERM; touch begun; while :; do sleep .02; done) & wait`)
	cmd.Dir = dir
	over := platform.InGroup(cmd, 5*time.Second)
	require.NoError(t, cmd.Start())
	require.Eventually(t, func() bool { return exists(dir, "begun") }, 5*time.Second, 5*time.Millisecond)
	cancel()
	require.Error(t, cmd.Wait())
	over()
	assert.True(t, exists(dir, "cleaned"))
}

func exists(dir, name string) bool {
	_, err := os.Stat(filepath.Join(dir, name))
	return err == nil
}
