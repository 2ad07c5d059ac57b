//go:build linux

package main_test

import (
	"context"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"syscall"
	"testing"

	"github.com/creack/pty"
	"github.com/stretchr/testify/require"

	cmd "pss/cmd/pss"
	"pss/remote/api"
	"pss/remote/platform"
)

// desk is one user's view of a computer without PSS_HOME: configuration and state
// lie in the XDG folders below base, as they do below a home folder.
func desk(t *testing.T, base, machineID string, bin func() (string, error)) *world {
	t.Helper()
	path, err := bin()
	require.NoError(t, err)
	tmp := filepath.Join(base, "tmp-"+machineID)
	w := &world{
		t: t, home: filepath.Join(base, "state", "pss", machineID), bin: path, mark: "TMPDIR=" + tmp,
		env: []string{"XDG_CONFIG_HOME=" + filepath.Join(base, "conf"), "XDG_STATE_HOME=" + filepath.Join(base, "state")},
	}
	for _, dir := range []string{tmp, w.home} {
		require.NoError(t, os.MkdirAll(dir, 0o700))
	}
	t.Cleanup(w.close)
	return w
}

func shortTemp(t *testing.T) string {
	t.Helper()
	dir, err := os.MkdirTemp("/tmp", "pc") // socket paths are short
	require.NoError(t, err)
	t.Cleanup(func() { require.NoError(t, os.RemoveAll(dir)) })
	return dir
}

// login is a shell in a terminal of its own, with a runtime folder as a login has.
type login struct {
	cmd     *exec.Cmd
	runtime string
}

func (w *world) login(script string) *login {
	w.t.Helper()
	l := &login{runtime: filepath.Join(w.home, "..", "run")}
	require.NoError(w.t, os.Mkdir(l.runtime, 0o700))
	ctx, cancel := context.WithTimeout(context.Background(), 4*patience)
	l.cmd = w.command(ctx)
	l.cmd.Path, l.cmd.Args = "/bin/bash", []string{"bash", "-c", script, "bash", w.bin}
	l.cmd.Env = append(l.cmd.Env, "XDG_RUNTIME_DIR="+l.runtime, "PSS_CLIENT_SESSION=")
	terminal, err := pty.Start(l.cmd)
	require.NoError(w.t, err)
	w.t.Cleanup(func() { cancel(); _ = l.cmd.Wait(); terminal.Close() })
	return l
}

// logout ends everything that is of the login's session and removes its folder.
func (l *login) logout(t *testing.T) {
	t.Helper()
	var members []int
	for _, pid := range cmd.Pids() {
		if st, err := platform.StatProcess(pid); err == nil && st.Session == l.cmd.Process.Pid {
			members = append(members, pid)
		}
	}
	require.Greater(t, len(members), 1, "the shell and its cmdlet")
	for _, pid := range members {
		_ = syscall.Kill(pid, syscall.SIGHUP)
	}
	kill(t, members...)
	require.NoError(t, os.RemoveAll(l.runtime))
}

// A logout ends the login's processes and takes its runtime folder away. The roles
// that its cmdlets started are none of them: they live on where the next login finds
// them, and so do a running command, unread output and a session's state.
func TestLogout(t *testing.T) {
	t.Parallel()
	w := desk(t, shortTemp(t), platform.MachineID(), racePSS)
	writeFiles(t, filepath.Join(w.home, "..", "..", "..", "conf", "pss"), map[string]string{"config.toml": "[agent]\nclient_exit_grace = \"300ms\"\n"})
	l := w.login(`
		"$1" new-pssession --name idle
		"$1" new-pssession --name busy
		"$1" invoke-command --name busy --no-stdin --script-block 'v=kept'
		"$1" invoke-command --computer-name localhost --in-disconnected-session --session-name left --script-block 'echo out; exit 6' </dev/null
		"$1" invoke-command --name busy --no-stdin --script-block ` + "'" + numbered(w.home, 1, 7, "sleep 0.02") + `' >/dev/null 2>&1
	`)
	eventually(t, "output", func() bool { return count(w.home, 1) > 5 })
	roles := append(append(w.role("agent"), w.role("host")...), w.facts()["busy"].info.Pid, w.facts()["left"].info.Pid)
	require.Len(t, roles, 4)
	l.logout(t)
	for _, pid := range roles {
		require.True(t, alive(pid), "%q", proc(pid, "cmdline"))
		require.NotContains(t, string(proc(pid, "environ")), l.runtime)
	}
	n := count(w.home, 1)
	eventually(t, "the command goes on", func() bool { return count(w.home, 1) > n })

	next := w.as("next")
	require.Equal(t, "Disconnected/None/Running", next.await("busy", "Disconnected/None/Running").status())
	eventually(t, "the idle session is closed", func() bool { return next.session("idle").Name == "" })
	require.Equal(t, result{"out\n", "", 6}, next.pss("receive-pssession", "--computer-name", "localhost", "--name", "left"))
	require.NoError(t, os.WriteFile(w.path("stop"), nil, 0o600))
	r := next.pss("receive-pssession", "--computer-name", "localhost", "--name", "busy", "--replay")
	require.Equal(t, 7, r.code, r.err)
	checkNumbered(t, 1, r.out, r.err)
	require.Equal(t, "kept", next.must("invoke-command", "--name", "busy", "--script-block", "echo $v"))
}

// otherMachine returns a program that runs this binary as on a computer with the
// given machine id: a mount namespace with another /etc/machine-id.
func otherMachine(t *testing.T, base, id string) func() (string, error) {
	return func() (string, error) {
		bin, err := racePSS()
		if err != nil {
			return "", err
		}
		file, wrapper := filepath.Join(base, "id-"+id), filepath.Join(base, "pss-"+id)
		if err := os.WriteFile(file, []byte(id+"\n"), 0o444); err != nil {
			return "", err
		}
		text := fmt.Sprintf("#!/bin/sh\nexec unshare --mount sh -c 'mount --bind %s /etc/machine-id && exec \"$@\"' sh %s \"$@\"\n", file, bin)
		return wrapper, os.WriteFile(wrapper, []byte(text), 0o755)
	}
}

// Two computers that share a home folder keep their sessions apart: neither lists,
// takes nor disturbs the other's, whatever happens there.
func TestSharedHome(t *testing.T) {
	t.Parallel()
	if os.Geteuid() != 0 || exec.Command("unshare", "--mount", "mount", "--bind", "/dev/null", "/etc/machine-id").Run() != nil {
		t.Skip("needs a mount namespace")
	}
	base := shortTemp(t)
	var both [2]*world
	for i := range both {
		id := strings.Repeat(fmt.Sprint(i+1), 32)
		both[i] = desk(t, base, id, otherMachine(t, base, id))
	}
	writeFiles(t, filepath.Join(base, "conf", "pss"), map[string]string{"config.toml": quickBeat, "host.toml": shortLease + "spare_session_hosts = 0\n"})
	for i, w := range both {
		w.must("new-pssession", "--name", "same", "--output", "id")
		w.must("invoke-command", "--name", "same", "--script-block", fmt.Sprintf("v=of-%d", i))
		w.must("invoke-command", "--computer-name", "localhost", "--in-disconnected-session", "--session-name", fmt.Sprintf("only%d", i), "--script-block", fmt.Sprintf("echo out %d", i))
		w.await(fmt.Sprintf("only%d", i), "Disconnected/None/Finished")
	}
	hosts := map[string]bool{}
	for i, w := range both {
		all := w.list("localhost")
		require.Len(t, all, 2)
		require.Equal(t, 1, all["same"].ID)
		require.Contains(t, all, fmt.Sprintf("only%d", i))
		require.Equal(t, fmt.Sprintf("of-%d", i), w.must("invoke-command", "--name", "same", "--script-block", "echo $v"))
		hosts[w.facts()["same"].info.HostID] = true
	}
	require.Len(t, hosts, 2, "each computer is one of its own")

	// The first computer crashes; the second one has nothing to do with it.
	agent, host := both[1].agent(), both[1].host()
	both[0].crash()
	require.Equal(t, api.LifeOpen, both[0].facts()["same"].info.Life, "as the crash left it")
	require.Len(t, both[1].list("localhost"), 2)
	require.Equal(t, "of-1", both[1].must("invoke-command", "--name", "same", "--script-block", "echo $v"))
	both[1].must("remove-pssession", "--computer-name", "localhost", "--name", "same")
	require.Equal(t, "Broken/None/None", both[0].session("same").status())
	require.Equal(t, "out 0", both[0].must("receive-pssession", "--computer-name", "localhost", "--name", "only0"))
	require.Equal(t, "out 1", both[1].must("receive-pssession", "--computer-name", "localhost", "--name", "only1"))
	require.Equal(t, []int{agent, host}, []int{both[1].agent(), both[1].host()}, "its daemons are the same ones")
}
