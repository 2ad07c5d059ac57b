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
	slowTier(t)
	t.Parallel()
	if !cmd.HaveSSHD() {
		t.Skip("no ssh server and client are installed")
	}
	checkTranscript(t, "readme-ssh")
}

// What the README shows of a host for many users is what happens.
func TestREADMEShowsHTTPS(t *testing.T) {
	slowTier(t)
	t.Parallel()
	_, keygen := exec.LookPath("ssh-keygen")
	_, script := exec.LookPath("script")
	if keygen != nil || script != nil || !cmd.HaveComputers() {
		t.Skip("its computers are namespaces: they need root, ip, nsenter, script and ssh-keygen")
	}
	checkTranscript(t, "readme-https")
}

// checkTranscript makes a transcript of the README anew and compares it.
func checkTranscript(t *testing.T, name string) {
	t.Helper()
	bin, err := racePSS()
	require.NoError(t, err)
	ctx, cancel := context.WithTimeout(context.Background(), 2*patience)
	defer cancel()
	script := exec.CommandContext(ctx, filepath.Join("..", "..", "scripts", name), "--check")
	script.Env = append(os.Environ(), "PSS="+bin)
	// The script ends what it has started, also when it is late.
	script.Cancel = func() error { return script.Process.Signal(os.Interrupt) }
	out, err := script.CombinedOutput()
	require.NoError(t, err, "%s", out)
}
