//go:build linux

package main_test

import (
	"fmt"
	"os"
	"strings"
	"sync"
	"testing"

	"github.com/stretchr/testify/require"
)

// Twenty sessions run commands while host, agent or both are killed: no command
// notices, every session is listed as what it is, and no output is lost.
func TestKilledDaemonsLoseNothing(t *testing.T) {
	t.Parallel()
	const n = 20
	rng := random(t)
	w := newWorld(t, racePSS, map[string]string{"host.toml": "lease = \"60s\"\n"})
	name := func(k int) string { return fmt.Sprintf("s%02d", k) }
	// Session 0 is followed by a cmdlet; the others run while nobody is attached.
	w.must("new-pssession", "--name", name(0), "--output", "id")
	w.must("new-pssession", "--name", "idle", "--output", "id")
	w.must("invoke-command", "--computer-name", "localhost", "--in-disconnected-session", "--session-name", "over", "--script-block", "echo over; exit 9")
	follower := w.start("invoke-command", "--name", name(0), "--script-block", numbered(w.home, 0, 17, "sleep 0.2"))
	var wg sync.WaitGroup
	for k := 1; k < n; k++ {
		wg.Add(1)
		go func() {
			defer wg.Done()
			r := w.pss("invoke-command", "--computer-name", "localhost", "--in-disconnected-session", "--session-name", name(k),
				"--script-block", numbered(w.home, k, 20+k, "sleep 0.4"))
			if r.code != 0 {
				t.Errorf("session %d: %s", k, r.err)
			}
		}()
	}
	wg.Wait()
	require.False(t, t.Failed())
	w.await("over", "Disconnected/None/Finished")
	progress := func() {
		t.Helper()
		from := make([]int, n)
		for k := range from {
			from[k] = count(w.home, k)
		}
		for k := range from {
			eventually(t, fmt.Sprintf("command %d goes on", k), func() bool { return count(w.home, k) > from[k] })
		}
	}
	progress()
	for round := range rounds(4) {
		// A random moment: when some command has come some lines further.
		k := rng.IntN(n)
		to := count(w.home, k) + rng.IntN(20)
		eventually(t, "a random moment", func() bool { return count(w.home, k) >= to })
		var victims []int
		if round%4 != 0 {
			victims = append(victims, w.host())
		}
		if round%4 != 1 {
			victims = append(victims, w.agent())
		}
		kill(t, victims...)
		if round == 0 || rng.IntN(2) == 0 {
			progress() // with nobody there
		}
		// Many cmdlets find the daemons gone at once.
		for range 4 {
			wg.Add(1)
			go func() {
				defer wg.Done()
				if r := w.pss("get-pssession", "--computer-name", "localhost"); r.code != 0 {
					t.Errorf("round %d: %d %s", round, r.code, r.err)
				}
			}()
		}
		wg.Wait()
		all := w.list("localhost")
		require.Len(t, all, n+2)
		for k := 1; k < n; k++ {
			require.Equal(t, "Disconnected/None/Running", all[name(k)].status(), "round %d, %s", round, name(k))
		}
		require.Equal(t, "Opened/Busy/Running", all[name(0)].status())
		require.Equal(t, "Opened/Available/None", all["idle"].status())
		require.Equal(t, "Disconnected/None/Finished", all["over"].status())
		other := w.as("two").list("localhost")
		require.Equal(t, "Disconnected/Busy/Running", other[name(0)].status())
		require.Equal(t, "Disconnected/Busy/None", other["idle"].status())
		progress()
		// The cmdlet that follows has taken it up again by itself.
		seen := len(follower.out.String())
		eventually(t, "the follower goes on", func() bool { return len(follower.out.String()) > seen })
	}
	require.NoError(t, os.WriteFile(w.path("stop"), nil, 0o600))
	require.Equal(t, 17, follower.wait(t), follower.errs.String())
	checkNumbered(t, 0, follower.out.String(), withoutWarnings(follower.errs.String()))
	other := w.as("two")
	for k := 1; k < n; k++ {
		w.await(name(k), "Disconnected/None/Finished")
		r := other.pss("receive-pssession", "--computer-name", "localhost", "--name", name(k), "--output", "ndjson")
		require.Equal(t, 20+k, r.code, r.err)
		c := newCollector(t)
		recs, last := records(t, r.out)
		require.Zero(t, c.take(recs), "repeated")
		checkNumbered(t, k, c.text["Output"].String(), c.text["Error"].String())
		require.Equal(t, 1, c.ends)
		require.Equal(t, "remote", last.ErrorSource)
	}
	r := other.pss("receive-pssession", "--computer-name", "localhost", "--name", "over")
	require.Equal(t, result{"over\n", r.err, 9}, r)
	require.Equal(t, "ok", w.must("invoke-command", "--name", "idle", "--script-block", "echo ok"))
	require.Equal(t, n+2, strings.Count(w.must("get-pssession", "--computer-name", "localhost", "--output", "instance-id")+"\n", "\n"))
}

// A temporary session whose cmdlet was killed together with the agent is listed
// and its output can be received.
func TestTemporarySessionOfAKilledCmdlet(t *testing.T) {
	t.Parallel()
	w := newWorld(t, thisPSS, nil)
	r := w.start("invoke-command", "--computer-name", "localhost", "--script-block", numbered(w.home, 1, 3, "sleep 0.05"))
	eventually(t, "output", func() bool { return strings.Contains(r.out.String(), "o 5 ") })
	kill(t, r.cmd.Process.Pid, w.agent())
	eventually(t, "the session is left behind", func() bool {
		for _, l := range w.list("localhost") {
			return l.status() == "Disconnected/None/Running"
		}
		return false
	})
	require.NoError(t, os.WriteFile(w.path("stop"), nil, 0o600))
	var id string
	for _, l := range w.list("localhost") {
		id = l.InstanceID
	}
	got := w.as("two").pss("receive-pssession", "--computer-name", "localhost", "--instance-id", id, "--replay")
	require.Equal(t, 3, got.code, got.err)
	checkNumbered(t, 1, got.out, got.err)
}
