//go:build linux

package main_test

import (
	"os/exec"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"pss/config"
	"pss/remote/api"
)

// A session whose shell was killed is Broken and says so; what was printed until
// then is received, by who was following and by who comes later.
func TestKilledEngine(t *testing.T) {
	t.Parallel()
	w := newWorld(t, racePSS, nil)
	w.must("new-pssession", "--name", "followed", "--output", "id")
	follower := w.start("invoke-command", "--name", "followed", "--script-block", numbered(w.home, 1, 1, "sleep 0.02"))
	w.must("invoke-command", "--computer-name", "localhost", "--in-disconnected-session", "--session-name", "left",
		"--script-block", numbered(w.home, 2, 2, "sleep 0.02"))
	eventually(t, "output", func() bool { return strings.Contains(follower.out.String(), "o 20 ") && count(w.home, 2) > 20 })
	all := w.facts()
	kill(t, append(children(all["followed"].info.Pid), children(all["left"].info.Pid)...)...)
	require.Equal(t, 243, follower.wait(t), follower.errs.String())
	other := w.as("two")
	for name, status := range map[string]string{"followed": "Broken/None/Lost", "left": "Broken/None/Lost"} {
		l := other.await(name, status)
		require.Contains(t, l.Reason, "the shell was ended by signal 9 (killed)")
		require.True(t, alive(all[name].info.Pid), "its session host serves what was printed")
	}
	out, errs := splitOurs("Invoke-Command", result{follower.out.String(), follower.errs.String(), 0})
	requirePrefix(t, 1, out, errs)
	require.Contains(t, out, "o 20 ")
	got := other.pss("receive-pssession", "--computer-name", "localhost", "--name", "left")
	require.Equal(t, 243, got.code, got.err)
	require.Contains(t, got.err, "PSSessionStateBroken")
	out, errs = splitOurs("Receive-PSSession", got)
	requirePrefix(t, 2, out, errs)
	require.Contains(t, out, "o 20 ")
	require.Contains(t, errs, "e 20 ")
}

// Scenario 72: after a restart of the computer every session is listed as Broken,
// with the reason, and its output is there, whether its command had ended or not;
// a process id that is used again is nobody of ours.
func TestRestartedComputer(t *testing.T) {
	t.Parallel()
	w := newWorld(t, racePSS, map[string]string{"host.toml": "spare_session_hosts = 0\n"})
	w.must("new-pssession", "--name", "held", "--output", "id")
	w.must("invoke-command", "--name", "held", "--script-block", "echo seen")
	for name, script := range map[string]string{"runs": numbered(w.home, 1, 1, "sleep 0.02"), "over": "echo out; echo err >&2; exit 9"} {
		w.must("invoke-command", "--computer-name", "localhost", "--in-disconnected-session", "--session-name", name, "--script-block", script)
	}
	w.await("over", "Disconnected/None/Finished")
	eventually(t, "output", func() bool { return count(w.home, 1) > 20 })
	before := w.list("")
	w.crash()

	// A stranger has the process ids now.
	stranger := exec.Command("sleep", "1000")
	require.NoError(t, stranger.Start())
	t.Cleanup(func() { _ = stranger.Process.Kill(); _ = stranger.Wait() })
	for _, f := range w.facts() {
		f.info.BootID, f.info.Pid = "11111111-2222-4333-8444-555555555555", stranger.Process.Pid
		facts, err := api.OpenFacts(filepath.Join(f.dir, api.FactsFile))
		require.NoError(t, err)
		require.NoError(t, facts.Write(&f.info))
		require.NoError(t, facts.Close())
	}
	var info config.HostInfo
	require.NoError(t, config.ReadJSON(w.path("host", "info.json"), &info))
	info.Pid = stranger.Process.Pid
	require.NoError(t, config.WriteJSON(w.path("host", "info.json"), &info))

	all := w.list("localhost")
	require.Len(t, all, 3)
	for name, l := range all {
		require.Equal(t, "Broken/None", l.State+"/"+l.Availability, name)
		require.Equal(t, "the computer restarted", l.Reason, name)
	}
	require.Equal(t, before["held"].ID, all["held"].ID, "an Id that was shown stays valid")
	require.Equal(t, 243, w.pss("invoke-command", "--name", "held", "--script-block", "echo no").code)
	other := w.as("two")
	got := other.pss("receive-pssession", "--computer-name", "localhost", "--name", "runs")
	require.Equal(t, 243, got.code, got.err)
	out, errs := splitOurs("Receive-PSSession", got)
	requirePrefix(t, 1, out, errs)
	require.Contains(t, out, "o 20 ")
	require.Contains(t, got.err, "the computer restarted")
	require.Equal(t, result{"out\n", "err\n", 9}, other.pss("receive-pssession", "--computer-name", "localhost", "--name", "over"))
	w.must("remove-pssession", "--computer-name", "localhost", "--name", "*")
	require.Empty(t, w.list("localhost"))
	require.True(t, alive(stranger.Process.Pid), "nobody touched the stranger")
}

// A host that is stopped just as it prepares for its next session leaves nothing of
// that behind.
func TestStoppedHostLeavesNoSpare(t *testing.T) {
	t.Parallel()
	w := newWorld(t, racePSS, nil)
	folders := func() int {
		all, err := filepath.Glob(w.path("s", "*"))
		require.NoError(t, err)
		return len(all)
	}
	for range rounds(3) {
		host := w.startHost("this")
		// Disconnected, so that the agent has no reason to start another host.
		w.must("invoke-command", "--computer-name", "localhost", "--in-disconnected-session", "--session-name", "s", "--script-block", "true")
		for end := time.Now().Add(patience); folders() < 2; {
			require.True(t, time.Now().Before(end), "no spare")
		}
		require.NoError(t, host.cmd.Process.Signal(syscall.SIGTERM))
		require.Zero(t, host.wait(t))
		f := w.facts()["s"]
		eventually(t, "the spare is gone", func() bool { return len(w.role("session-host")) == 1 })
		require.Equal(t, 1, folders())
		require.NoError(t, sessionHost(f, api.ClientID{}).Remove(t.Context(), f.info.InstanceID, 0, true))
		eventually(t, "the session is gone", func() bool { return folders() == 0 })
	}
}

// splitOurs takes the error block of cmdlet off the end of what a command printed.
func splitOurs(cmdlet string, r result) (out, errs string) {
	errs, _, _ = strings.Cut(r.err, cmdlet+": ")
	return r.out, errs
}
