//go:build linux

package main_test

import (
	"net"
	"os"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"pss/config"
	"pss/remote/api"
)

// Scenarios 19, 20: when a client's computer is gone, its sessions read Busy until
// the lease lapses, and None from then on; a command never notices, and what is
// idle stays until its own idle timeout.
func TestScenario19And20LostComputer(t *testing.T) {
	t.Parallel()
	const lease = 2 * time.Second // of shortLease
	host := newWorld(t, racePSS, map[string]string{"host.toml": shortLease + "min_idle_timeout = \"1s\"\n"})
	host.must("get-pssession", "--computer-name", "localhost")
	a := newWorld(t, racePSS, map[string]string{"config.toml": quickBeat + computerOf(t, host)})
	a.must("new-pssession", "--computer-name", "x", "--name", "idle", "--output", "id", "--session-option", `{"IdleTimeout":3000}`)
	a.must("new-pssession", "--computer-name", "x", "--name", "busy", "--output", "id")
	follower := a.start("invoke-command", "--name", "busy", "--script-block", numbered(host.home, 1, 8, "sleep 0.05"))
	eventually(t, "output", func() bool { return strings.Contains(follower.out.String(), "o 5 ") })

	lost := time.Now()
	a.crash()
	all := host.list("localhost")
	if time.Since(lost) < lease/2 {
		require.Equal(t, "Disconnected/Busy/Running", all["busy"].status())
		require.Equal(t, "Disconnected/Busy/None", all["idle"].status())
	}
	n := count(host.home, 1)
	host.await("busy", "Disconnected/None/Running")
	host.await("idle", "Disconnected/None/None")
	for name, f := range host.facts() {
		require.Equal(t, api.DetachedByOutage, f.info.Detached, name)
		require.WithinRange(t, *f.info.DisconnectedOn, lost.Add(lease/2), lost.Add(patience), name)
	}
	require.Greater(t, count(host.home, 1), n, "the command went on")
	idle := host.facts()["idle"].info
	require.Equal(t, 3*time.Second, idle.ExpiresOn.Sub(*idle.DisconnectedOn))
	eventually(t, "the idle timeout", func() bool {
		l := host.session("idle")
		if time.Now().Before(*idle.ExpiresOn) {
			require.Equal(t, "Disconnected/None/None", l.status())
		}
		return l.State == "Closed" && l.Reason == "Expired"
	})

	n = count(host.home, 1)
	eventually(t, "the command goes on", func() bool { return count(host.home, 1) > n })
	require.NoError(t, os.WriteFile(host.path("stop"), nil, 0o600))
	host.await("busy", "Disconnected/None/Finished")
	r := host.pss("receive-pssession", "--computer-name", "localhost", "--name", "busy", "--replay")
	require.Equal(t, 8, r.code, r.err)
	checkNumbered(t, 1, r.out, r.err)
}

// Scenario 73: a client whose host was killed and started again finds its sessions
// Opened as before, or Disconnected if the lease lapsed meanwhile, and no cmdlet
// ever hangs.
func TestScenario73HostStartedAgain(t *testing.T) {
	t.Parallel()
	host := newWorld(t, racePSS, map[string]string{"host.toml": shortLease})
	first := host.startHost("this")
	var info config.HostInfo
	require.NoError(t, config.ReadJSON(host.path("host", "info.json"), &info))
	again := func() *running {
		r := host.start("host", "--listen", net.JoinHostPort(info.Address, strconv.Itoa(info.Port)))
		eventually(t, "the host listens", func() bool { return strings.Contains(r.out.String(), "\n") })
		return r
	}
	a := newWorld(t, racePSS, map[string]string{"config.toml": quickBeat + computerOf(t, host)})
	a.must("new-pssession", "--computer-name", "x", "--name", "s", "--output", "id")
	a.must("invoke-command", "--name", "s", "--script-block", "v=kept")

	kill(t, first.cmd.Process.Pid)
	second := again()
	l := a.list("x")["s"]
	require.Equal(t, "Opened/Available/None", l.status(), "as before")
	require.Equal(t, "kept", a.must("invoke-command", "--name", "s", "--script-block", "echo $v"))

	kill(t, second.cmd.Process.Pid)
	eventually(t, "the lease lapses", func() bool {
		info := host.facts()["s"].info
		return info.Attached == nil && info.Detached == api.DetachedByOutage
	})
	began := time.Now()
	for _, args := range [][]string{
		{"invoke-command", "--name", "s", "--script-block", "echo never"}, {"receive-pssession", "--name", "s"},
		{"connect-pssession", "--name", "s"}, {"disconnect-pssession", "--name", "s"},
		{"get-pssession"}, {"get-pssession", "--computer-name", "x"},
	} {
		r := a.pss(args...)
		require.Equal(t, 240, r.code, "%q: %s", args, r.err)
	}
	require.Less(t, time.Since(began), patience, "nothing hangs")
	again()
	require.Equal(t, "Disconnected/None/None", a.list("x")["s"].status())
	require.Equal(t, "kept", a.must("invoke-command", "--name", "s", "--script-block", "echo $v"), "the next command connects it again")
	require.Equal(t, "Opened/Available/None", a.list("x")["s"].status())
}

// Scenario 72: with the daemons and one of two session hosts killed at once, the
// one session is what it was and the other one Broken, with a reason and all of
// its output.
func TestScenario72KilledTogether(t *testing.T) {
	t.Parallel()
	w := newWorld(t, racePSS, nil)
	for i, name := range []string{"kept", "lost"} {
		w.must("invoke-command", "--computer-name", "localhost", "--in-disconnected-session", "--session-name", name,
			"--script-block", numbered(w.home, i, 5+i, "sleep 0.02"))
	}
	eventually(t, "unread output", func() bool { return count(w.home, 0) > 20 && count(w.home, 1) > 20 })
	kill(t, w.agent(), w.host(), w.facts()["lost"].info.Pid)
	all := w.as("two").list("localhost")
	require.Equal(t, "Disconnected/None/Running", all["kept"].status())
	require.Equal(t, "Broken/None/Lost", all["lost"].status())
	require.Contains(t, all["lost"].Reason, "session host ended")
	got := w.as("two").pss("receive-pssession", "--computer-name", "localhost", "--name", "lost")
	require.Equal(t, 243, got.code)
	out, errs := splitOurs("Receive-PSSession", got)
	requirePrefix(t, 1, out, errs)
	require.Greater(t, strings.Count(out, "\n"), 20)
	require.NoError(t, os.WriteFile(w.path("stop"), nil, 0o600))
	got = w.as("two").pss("receive-pssession", "--computer-name", "localhost", "--name", "kept")
	require.Equal(t, 5, got.code)
	checkNumbered(t, 0, got.out, got.err)
}
