//go:build linux

package main_test

import (
	"bytes"
	"context"
	"fmt"
	"net"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/google/uuid"
	"github.com/stretchr/testify/require"

	"pss/config"
	"pss/remote/api"
	"pss/remote/client"
	"pss/remote/platform"
)

const (
	shortLease = "lease = \"2s\"\n"
	quickBeat  = "[agent]\nheartbeat = \"300ms\"\n"
)

// computerOf is the part of another client's config.toml that makes w's host the
// computer x.
func computerOf(t *testing.T, w *world) string {
	t.Helper()
	var info config.HostInfo
	require.NoError(t, config.ReadJSON(w.path("host", "info.json"), &info))
	require.Equal(t, "127.0.0.1", info.Address)
	return fmt.Sprintf("[computers.x]\naddress = \"%s:%d\"\nfingerprint = %q\ntoken_file = %q\n",
		info.Address, info.Port, info.Fingerprint, w.path("host", "token"))
}

// sessionHost speaks with a session host as the host does, on behalf of client.
func sessionHost(f folder, as api.ClientID) *client.Client {
	return &client.Client{
		Dial:   func(ctx context.Context) (net.Conn, error) { return platform.Dial(ctx, filepath.Join(f.dir, "sock")) },
		Header: http.Header{api.HeaderPrincipal: {as.Principal}, api.HeaderClient: {as.ID}},
	}
}

func stop(t *testing.T, pid int) {
	t.Helper()
	require.NoError(t, syscall.Kill(pid, syscall.SIGSTOP))
}

func goOn(t *testing.T, pid int) {
	t.Helper()
	require.NoError(t, syscall.Kill(pid, syscall.SIGCONT))
}

// An agent that was stopped past its lease and comes back cannot disturb the
// session's new holder in any way.
func TestStoppedAgentCannotDisturbTheNewHolder(t *testing.T) {
	t.Parallel()
	a := newWorld(t, racePSS, map[string]string{"host.toml": shortLease, "config.toml": quickBeat})
	a.must("new-pssession", "--name", "s", "--output", "id")
	a.must("invoke-command", "--name", "s", "--script-block", "v=kept")
	b := newWorld(t, racePSS, map[string]string{"config.toml": quickBeat + computerOf(t, a)})
	on := []string{"--computer-name", "x", "--name", "s"}
	r := b.pss(append([]string{"connect-pssession"}, on...)...)
	require.Equal(t, 242, r.code, r.err)
	require.Contains(t, r.err, "PSSessionConnectFailed")
	require.Equal(t, "Disconnected/Busy/None", b.list("x")["s"].status())

	before := a.facts()["s"].info
	old := a.agent()
	stop(t, old)
	eventually(t, "the lease lapses", func() bool { return b.list("x")["s"].status() == "Disconnected/None/None" })
	require.Equal(t, api.DetachedByOutage, a.facts()["s"].info.Detached)
	b.must(append([]string{"connect-pssession"}, on...)...)
	follower := b.start("invoke-command", "--name", "s", "--script-block", "echo $v\n"+numbered(a.home, 1, 6, "sleep 0.1"))
	eventually(t, "output", func() bool { return strings.Contains(follower.out.String(), "o 5 ") })
	holder := a.facts()["s"].info
	require.Greater(t, holder.Epoch, before.Epoch)

	goOn(t, old)
	require.Equal(t, old, a.agent(), "the old agent is back")
	refused := func(what string, r result) {
		t.Helper()
		require.Equal(t, 242, r.code, "%s: %s%s", what, r.out, r.err)
		require.Empty(t, r.out, what)
	}
	refused("invoke", a.pss("invoke-command", "--session", "1", "--script-block", "echo stolen"))
	refused("invoke by name", a.pss("invoke-command", "--name", "s", "--script-block", "echo stolen"))
	refused("receive", a.pss("receive-pssession", "--id", "1"))
	refused("connect", a.pss("connect-pssession", "--id", "1"))
	refused("remove", a.pss("remove-pssession", "--id", "1"))
	// As PowerShell: to disconnect what another client holds changes nothing.
	a.pss("disconnect-pssession", "--id", "1")
	require.Equal(t, "Disconnected/Busy/Running", a.session("s").status())
	// What the old agent may have had under way when it was stopped.
	sh := sessionHost(a.facts()["s"], before.Attached.Client)
	ctx, cancel := context.WithTimeout(context.Background(), patience)
	defer cancel()
	id, pipeline := before.InstanceID, holderPipeline(t, a)
	_, err := sh.Detach(ctx, id, &api.DetachRequest{Epoch: before.Epoch})
	require.True(t, api.IsCode(err, api.CodeStaleEpoch), "detach: %v", err)
	_, err = sh.Attach(ctx, id, &api.AttachRequest{IfEpoch: before.Epoch})
	require.True(t, api.IsCode(err, api.CodeStaleEpoch), "attach: %v", err)
	_, err = sh.Stream(ctx, id, &api.StreamRequest{Epoch: before.Epoch, Pipeline: uuid.NewString(), Start: &api.Command{Script: "echo stolen"}})
	require.True(t, api.IsCode(err, api.CodeStaleEpoch), "start: %v", err)
	_, err = sh.Stream(ctx, id, &api.StreamRequest{Epoch: before.Epoch, Stream: "mine"})
	require.True(t, api.IsCode(err, api.CodeStaleEpoch), "stream: %v", err)
	err = sh.Signal(ctx, id, pipeline, &api.SignalRequest{Epoch: before.Epoch, Signal: "INT"})
	require.True(t, api.IsCode(err, api.CodeStaleEpoch), "signal: %v", err)
	err = sh.Do(ctx, client.Request{Method: http.MethodPost, Path: api.PipelinePath(id, pipeline, "/ack"), In: &api.AckRequest{Epoch: before.Epoch, Seq: 1}})
	require.True(t, api.IsCode(err, api.CodeStaleEpoch), "ack: %v", err)
	err = sh.Remove(ctx, id, before.Epoch, false)
	require.True(t, api.IsCode(err, api.CodeBusy), "remove: %v", err)

	require.NoError(t, os.WriteFile(a.path("stop"), nil, 0o600))
	require.Equal(t, 6, follower.wait(t), follower.errs.String())
	out, ok := strings.CutPrefix(follower.out.String(), "kept\n")
	require.True(t, ok, "the shell kept its state")
	checkNumbered(t, 1, out, follower.errs.String())
	after := a.facts()["s"].info
	require.Equal(t, holder.Attached, after.Attached)
	require.Equal(t, holder.Epoch, after.Epoch)
	b.must(append([]string{"disconnect-pssession"}, "--name", "s")...)
	a.must("connect-pssession", "--id", "1")
	require.Equal(t, "kept", a.must("invoke-command", "--session", "1", "--script-block", "echo $v"))
}

func holderPipeline(t *testing.T, w *world) string {
	t.Helper()
	info := w.facts()["s"].info
	p := info.Running()
	require.NotNil(t, p)
	return p.ID
}

// The outage of an agent detaches the session; when it is back and nobody holds
// the session, what it had under way goes on by itself.
func TestOutageEndsByItself(t *testing.T) {
	t.Parallel()
	for name, hostToo := range map[string]bool{"Agent": false, "AgentAndHost": true} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			w := newWorld(t, racePSS, map[string]string{"host.toml": shortLease, "config.toml": quickBeat})
			w.must("new-pssession", "--name", "idle", "--output", "id")
			w.must("invoke-command", "--name", "idle", "--script-block", "v=kept")
			w.must("new-pssession", "--name", "busy", "--output", "id")
			follower := w.start("invoke-command", "--name", "busy", "--script-block", numbered(w.home, 1, 5, "sleep 0.1"))
			eventually(t, "output", func() bool { return strings.Contains(follower.out.String(), "o 5 ") })
			agent := w.agent()
			stop(t, agent)
			if hostToo {
				// Only the session hosts themselves can notice now.
				kill(t, w.host())
			}
			for _, s := range []string{"idle", "busy"} {
				eventually(t, s+" is detached", func() bool {
					info := w.facts()[s].info
					return info.Attached == nil && info.Detached == api.DetachedByOutage
				})
			}
			n := count(w.home, 1)
			eventually(t, "the command goes on", func() bool { return count(w.home, 1) > n })
			if hostToo {
				require.Zero(t, w.host())
			}
			goOn(t, agent)
			require.Equal(t, "kept", w.must("invoke-command", "--name", "idle", "--script-block", "echo $v"))
			w.await("idle", "Opened/Available/None")
			seen := len(follower.out.String())
			eventually(t, "the follower goes on", func() bool { return len(follower.out.String()) > seen })
			require.NoError(t, os.WriteFile(w.path("stop"), nil, 0o600))
			require.Equal(t, 5, follower.wait(t), follower.errs.String())
			checkNumbered(t, 1, follower.out.String(), withoutWarnings(follower.errs.String()))

			// An explicit disconnect is not taken back.
			w.must("disconnect-pssession", "--name", "idle")
			r := w.pss("invoke-command", "--name", "idle", "--script-block", "echo no")
			require.Equal(t, 246, r.code, r.err)
			require.Empty(t, r.out)
			require.Contains(t, r.err, "InvokeCommandCommandInvalidSessionState")
			require.Contains(t, r.err, "connect-pssession")
			require.Equal(t, "Disconnected/None/None", w.session("idle").status())
		})
	}
}

// A pipe, a lock, a folder and a secret of the caller who happened to start the
// daemons stay the caller's own.
func TestColdAgentInheritsNothing(t *testing.T) {
	t.Parallel()
	w := newWorld(t, thisPSS, nil)
	lock, dir := w.path("held"), w.path("here")
	require.NoError(t, os.Mkdir(dir, 0o700))
	require.NoError(t, os.WriteFile(w.path("hostage"), []byte("x"), 0o600))
	ctx, cancel := context.WithTimeout(context.Background(), patience)
	defer cancel()
	cmd := w.command(ctx)
	cmd.Path, cmd.WaitDelay = "/bin/bash", 0
	cmd.Args = []string{"bash", "-c", `
		cd "$1/here" && exec 8<"$1/hostage" 9>"$1/held" && flock 9 && export SECRET_TOKEN=hunter2
		x=$("$2" invoke-command --computer-name localhost --in-disconnected-session --session-name c --script-block 'sleep 1000' --output name)
		echo "$? $x"`, "bash", w.home, w.bin}
	var errs bytes.Buffer
	cmd.Stderr = &errs
	began := time.Now()
	out, err := cmd.Output() // returns when nobody holds the pipe any more
	require.NoError(t, err, errs.String())
	require.NoError(t, ctx.Err())
	require.Less(t, time.Since(began), patience/2)
	require.Equal(t, "0 c\n", string(out), errs.String())
	require.NoError(t, exec.Command("flock", "-n", lock, "true").Run(), "the lock is free")
	eventually(t, "the command runs", func() bool { return len(sleepers(w)) > 0 })
	pids := append(w.processes(), sleepers(w)...)
	require.NotZero(t, w.agent())
	require.NotZero(t, w.host())
	require.NotEmpty(t, w.role("session-host"))
	require.GreaterOrEqual(t, len(pids), 5, "agent, host, session host, shell, sleep")
	me, err := platform.StatProcess(os.Getpid())
	require.NoError(t, err)
	for _, pid := range pids {
		who := fmt.Sprintf("%d %q", pid, proc(pid, "cmdline"))
		fds, err := os.ReadDir(fmt.Sprintf("/proc/%d/fd", pid))
		if err != nil {
			continue // a spare that has just gone
		}
		for _, fd := range fds {
			to, _ := os.Readlink(fmt.Sprintf("/proc/%d/fd/%s", pid, fd.Name()))
			require.NotContains(t, []string{lock, w.path("hostage"), dir}, to, "%s, descriptor %s", who, fd.Name())
		}
		require.False(t, strings.HasPrefix(cwdOf(pid), w.home), who)
		require.NotContains(t, string(proc(pid, "environ")), "SECRET_TOKEN", who)
		st, err := platform.StatProcess(pid)
		require.NoError(t, err)
		require.NotEqual(t, me.Session, st.Session, who)
		require.Zero(t, st.TTY, who)
	}
	for _, pid := range append(w.role("agent"), w.role("host")...) {
		require.Equal(t, "/", cwdOf(pid))
	}
}

// sleepers are the processes of the command that the test started.
func sleepers(w *world) []int {
	var pids []int
	for _, pid := range w.processes() {
		if string(proc(pid, "cmdline")) == "sleep\x001000\x00" {
			pids = append(pids, pid)
		}
	}
	return pids
}
