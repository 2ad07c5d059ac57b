//go:build linux

package main_test

import (
	"context"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"syscall"
	"testing"

	"github.com/stretchr/testify/require"

	cmd "pss/cmd/pss"
)

// newSSHServers comes before the worlds that it connects: it ends after them.
func newSSHServers(t *testing.T) *cmd.SSHServers {
	t.Helper()
	if !cmd.HaveSSHD() {
		t.Skip("no ssh server and client are installed")
	}
	s, err := cmd.NewSSHServers()
	require.NoError(t, err)
	t.Cleanup(func() { require.Empty(t, s.End(), "left over") })
	return s
}

// overSSH makes far the computer that near's ssh knows by o's name.
func overSSH(t *testing.T, s *cmd.SSHServers, near, far *world, o cmd.SSHOptions) *cmd.SSHServer {
	t.Helper()
	o.Home, o.Pss = far.home, far.bin
	o.Env = append(o.Env, "GORACE=atexit_sleep_ms=0")
	if f := os.Getenv("PSS_TEST_FAULT"); f != "" {
		o.Env = append(o.Env, "PSS_TEST_FAULT="+f)
	}
	v, err := s.Start(o)
	require.NoError(t, err)
	near.env = append(near.env, "PATH="+s.Path()+string(filepath.ListSeparator)+os.Getenv("PATH"))
	t.Cleanup(s.Calm) // before the worlds close
	return v
}

// ssh is a process of w's ssh that is not started yet.
func (w *world) ssh(ctx context.Context, args ...string) *exec.Cmd {
	return w.with("env").command(ctx, append([]string{"ssh"}, args...)...)
}

// The ssh servers of the tests are computers of their own: what is done there is not
// done here, and their clients, networks and processes do what they are told.
func TestSSHServersAreComputers(t *testing.T) {
	t.Parallel()
	servers := newSSHServers(t)
	far := newWorld(t, racePSS, map[string]string{"host.toml": shortLease})
	near := newWorld(t, racePSS, map[string]string{"config.toml": hasty})
	v := overSSH(t, servers, near, far, cmd.SSHOptions{Name: "server01"})
	ctx, cancel := context.WithTimeout(context.Background(), patience)
	defer cancel()
	out, err := near.ssh(ctx, "server01", "pss new-pssession --name s --output id").CombinedOutput()
	require.NoError(t, err, "%s", out)
	require.Contains(t, far.list("localhost"), "s")
	require.Empty(t, near.list("localhost"))

	for _, end := range []func(){
		v.Net.Cut,
		func() { require.NoError(t, cmd.SignalAll(servers.Clients("server01"), syscall.SIGKILL)) },
		func() { require.NoError(t, cmd.SignalAll(v.Connections(false), syscall.SIGKILL)) },
	} {
		require.NoError(t, v.Net.Restore())
		c := near.ssh(ctx, "server01", "echo begun; cat")
		in, err := c.StdinPipe()
		require.NoError(t, err)
		stdout, err := c.StdoutPipe()
		require.NoError(t, err)
		require.NoError(t, c.Start())
		line := make([]byte, len("begun\n"))
		_, err = io.ReadFull(stdout, line)
		require.NoError(t, err)
		require.Equal(t, "begun\n", string(line))
		end()
		require.Error(t, c.Wait())
		in.Close()
	}
}
