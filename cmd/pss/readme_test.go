//go:build linux

package main_test

import (
	"context"
	"os"
	"os/exec"
	"path/filepath"
	"testing"

	"github.com/stretchr/testify/require"

	cmd "pss/cmd/pss"
)

// What the README shows of a server behind a bastion is what happens.
func TestREADMEShowsSSH(t *testing.T) {
	t.Parallel()
	if !cmd.HaveSSHD() {
		t.Skip("no ssh server and client are installed")
	}
	bin, err := racePSS()
	require.NoError(t, err)
	ctx, cancel := context.WithTimeout(context.Background(), 2*patience)
	defer cancel()
	script := exec.CommandContext(ctx, filepath.Join("..", "..", "scripts", "readme-ssh"), "--check")
	script.Env = append(os.Environ(), "PSS="+bin)
	// The script ends what it has started, also when it is late.
	script.Cancel = func() error { return script.Process.Signal(os.Interrupt) }
	out, err := script.CombinedOutput()
	require.NoError(t, err, "%s", out)
}
