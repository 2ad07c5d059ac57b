//go:build linux

package main_test

import (
	"encoding/json"
	"os"
	"regexp"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
)

// long reports whether the long variants of the tests are asked for.
func long() bool { return os.Getenv("PSS_TEST_LONG") != "" }

// outageTime is how long the network is out in the tests: 10 s in the long ones.
func outageTime() time.Duration {
	if long() {
		return 10 * time.Second
	}
	return 1500 * time.Millisecond
}

// hasty is the agent's part of a config.toml that does not wait long for a computer.
const hasty = "[agent]\nopen_timeout = \"3s\"\n"

// twoComputers makes a host with a session s, which the other world made and holds
// through the network between them. Both get these settings.
func twoComputers(t *testing.T, host, agent string) (far, near *world, n *network) {
	t.Helper()
	far = newWorld(t, racePSS, map[string]string{"host.toml": host})
	far.must("get-pssession", "--computer-name", "localhost") // starts the host
	n = newNetwork(t, far)
	near = newWorld(t, racePSS, map[string]string{"config.toml": agent + n.as(t, far)})
	near.must("new-pssession", "--computer-name", "x", "--name", "s", "--output", "id")
	return far, near, n
}

var (
	interrupted = regexp.MustCompile(`(?m)^WARNING: The network connection to x has been interrupted\. Attempting to reconnect for up to \d+:\d\d \.\.\.$`)
	restored    = regexp.MustCompile(`(?m)^WARNING: The network connection to x has been restored\.$`)
)

// Scenario 68: the network drops and returns. The client resumes by itself, nothing is
// lost or doubled, and two lines tell of it: whether connections are reset or swallowed,
// and whether the host has given the client up meanwhile or not.
func TestScenario68NetworkReturns(t *testing.T) {
	t.Parallel()
	for name, c := range map[string]struct {
		host string
		how  weather
		by   route
	}{
		"Reset":             {"", down, byTLS},
		"ResetPastTheLease": {shortLease, down, byTLS},
		"Swallowed":         {shortLease, hole, byTLS},
		"SSHReset":          {"", down, bySSH},
		"SSHSwallowed":      {shortLease, hole, bySSH},
		"JumpReset":         {shortLease, down, byJump},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			far, near, n := c.by(t, c.host, hasty)
			before := far.facts()["s"].info.Epoch
			text := near.start("invoke-command", "--session", "1", "--script-block", numbered(far.home, 1, 4, "sleep 0.05"))
			eventually(t, "output", func() bool { return strings.Contains(text.out.String(), "o 5 ") })
			n.set(c.how)
			began := time.Now()
			eventually(t, "the outage is told", func() bool { return interrupted.MatchString(text.errs.String()) })
			if c.host == shortLease {
				eventually(t, "the lease lapses", func() bool { return far.facts()["s"].info.Attached == nil })
			}
			here := count(far.home, 1)
			eventually(t, "the command goes on", func() bool {
				return time.Since(began) > outageTime() && count(far.home, 1) > here
			})
			seen := len(text.out.String())
			n.set(fair)
			eventually(t, "output comes again", func() bool { return len(text.out.String()) > seen })
			eventually(t, "the end is told", func() bool { return restored.MatchString(text.errs.String()) })
			require.NoError(t, os.WriteFile(far.path("stop"), nil, 0o600))
			require.Equal(t, 4, text.wait(t), text.errs.String())
			errs := text.errs.String()
			require.Len(t, interrupted.FindAllString(errs, -1), 1, errs)
			require.Len(t, restored.FindAllString(errs, -1), 1)
			checkNumbered(t, 1, text.out.String(), withoutWarnings(errs))
			require.Equal(t, c.host == shortLease, far.facts()["s"].info.Epoch > before, "a new attachment only if the old one was given up")
			// Nothing was acknowledged wrongly, and nothing is left.
			require.Equal(t, result{"", "", 4}, near.pss("receive-pssession", "--session", "1"))
		})
	}
}

// Scenario 68: for a program that reads, each record has its Seq, none is missing or
// doubled, and the warnings are objects with PowerShell's names.
func TestScenario68RecordsAndWarnings(t *testing.T) {
	t.Parallel()
	far, near, n := twoComputers(t, shortLease, hasty)
	near.must("invoke-command", "--computer-name", "x", "--in-disconnected-session", "--session-name", "d",
		"--script-block", numbered(far.home, 2, 5, "sleep 0.02"))
	r := near.start("receive-pssession", "--name", "d", "--output", "ndjson")
	eventually(t, "output", func() bool { return strings.Contains(r.out.String(), "o 5 ") })
	ways := []weather{hole, down}
	if !long() {
		ways = ways[:1]
	}
	for _, how := range ways {
		told := strings.Count(r.errs.String(), "PowerShellConnectionRetrySucceeded")
		n.set(how)
		eventually(t, "the outage is told", func() bool {
			return strings.Count(r.errs.String(), "PowerShellNetworkFailureDetected") > told
		})
		n.set(fair)
		eventually(t, "the end is told", func() bool {
			return strings.Count(r.errs.String(), "PowerShellConnectionRetrySucceeded") > told
		})
	}
	require.NoError(t, os.WriteFile(far.path("stop"), nil, 0o600))
	require.Equal(t, 5, r.wait(t), r.errs.String())
	c := newCollector(t)
	recs, last := records(t, r.out.String())
	require.Zero(t, c.take(recs), "doubled")
	require.NotNil(t, last)
	checkNumbered(t, 2, c.text["Output"].String(), c.text["Error"].String())
	for line := range strings.Lines(r.errs.String()) {
		var w struct {
			Warning struct{ Message, FullyQualifiedErrorID, Target string }
		}
		require.NoError(t, json.Unmarshal([]byte(strings.ReplaceAll(line, "ErrorId", "ErrorID")), &w), line)
		require.Equal(t, "x", w.Warning.Target)
	}
}

// Scenarios 69, 70: the network is out for longer than the retry window. The
// invocation ends with 245 and the line that gets the results; the session is
// Disconnected, not Broken, and listed, the temporary one of --computer-name too; when
// the network is back the line brings the rest.
func TestScenario69RetryWindowPasses(t *testing.T) {
	t.Parallel()
	byEachWay(t, retryWindowPasses)
}

func retryWindowPasses(t *testing.T, by route) {
	far, near, n := by(t, "", hasty)
	named := near.start("invoke-command", "--session", "1", "--retry-window", "2s", "--script-block", numbered(far.home, 1, 4, "sleep 0.05"))
	temporary := near.start("invoke-command", "--computer-name", "x", "--retry-window", "2s", "--script-block", numbered(far.home, 2, 5, "sleep 0.05"))
	all := []*running{named, temporary}
	eventually(t, "output", func() bool {
		return strings.Contains(named.out.String(), "o 5 ") && strings.Contains(temporary.out.String(), "o 5 ")
	})
	n.set(down)
	for _, r := range all {
		require.Equal(t, 245, r.wait(t), r.errs.String())
		require.Contains(t, r.errs.String(), "PowerShellNetworkFailedStartDisconnect")
		require.Len(t, interrupted.FindAllString(r.errs.String(), -1), 1)
		require.Empty(t, restored.FindAllString(r.errs.String(), -1))
	}
	// While the computer is out of reach its sessions are listed all the same.
	gone := near.pss("get-pssession", "--output", "json")
	require.Equal(t, 240, gone.code, gone.err)
	var lines []line
	require.NoError(t, json.Unmarshal([]byte(gone.out), &lines), gone.out)
	require.Len(t, lines, 2)
	for i, l := range lines {
		require.Equal(t, "Disconnected/None/None", l.status())
		require.Equal(t, i+1, l.ID)
	}
	from := [2]int{count(far.home, 1), count(far.home, 2)}
	n.set(fair)
	eventually(t, "both are disconnected", func() bool {
		list := near.list("x")
		for _, l := range list {
			if l.status() != "Disconnected/None/Running" {
				return false
			}
		}
		return len(list) == 2
	})
	eventually(t, "the commands go on", func() bool { return count(far.home, 1) > from[0] && count(far.home, 2) > from[1] })
	require.NoError(t, os.WriteFile(far.path("stop"), nil, 0o600))
	for k, r := range all {
		got := resume(t, near, r)
		require.Equal(t, 4+k, got.code, got.err)
		checkNumbered(t, k+1, joined(r.out.String(), got.out), joined(linesOf("e ", r.errs.String()), linesOf("e ", got.err)))
	}
}

// resume runs the line that r's standard error ends with.
func resume(t *testing.T, w *world, r *running) result {
	t.Helper()
	line := regexp.MustCompile(`pss (receive-pssession --computer-name x --instance-id [0-9a-f-]{36})\n`).FindStringSubmatch(r.errs.String())
	require.NotNil(t, line, r.errs.String())
	return w.pss(strings.Fields(line[1])...)
}

// joined puts two deliveries together: what the first had written and could not
// acknowledge any more comes again.
func joined(first, second string) string {
	for i := range len(first) {
		if (i == 0 || first[i-1] == '\n') && strings.HasPrefix(second, first[i:]) {
			return first[:i] + second
		}
	}
	return first + second
}

// linesOf keeps the lines that begin with prefix.
func linesOf(prefix, text string) string {
	var b strings.Builder
	for l := range strings.Lines(text) {
		if strings.HasPrefix(l, prefix) {
			b.WriteString(l)
		}
	}
	return b.String()
}

// Scenario 71: Ctrl-C while the connection is tried again leaves at once, with 247 and
// the line that takes it up again, and the command goes on. The network swallows
// everything here, so that whoever waits for an answer waits for long.
func TestScenario71InterruptWhileRetrying(t *testing.T) {
	t.Parallel()
	byEachWay(t, interruptWhileRetrying)
}

func interruptWhileRetrying(t *testing.T, by route) {
	far, near, n := by(t, shortLease, hasty)
	near.must("invoke-command", "--computer-name", "x", "--in-disconnected-session", "--session-name", "d",
		"--script-block", numbered(far.home, 2, 5, "sleep 0.05"))
	all := []*running{
		near.start("receive-pssession", "--computer-name", "x", "--name", "d"),
		near.start("invoke-command", "--session", "1", "--script-block", numbered(far.home, 1, 4, "sleep 0.05")),
	}
	eventually(t, "output", func() bool {
		return strings.Contains(all[0].out.String(), "o ") && strings.Contains(all[1].out.String(), "o 5 ")
	})
	n.set(hole)
	for _, r := range all {
		eventually(t, "the outage is told", func() bool { return interrupted.MatchString(r.errs.String()) })
		require.NoError(t, r.cmd.Process.Signal(syscall.SIGINT))
		began := time.Now()
		require.Equal(t, 247, r.wait(t), r.errs.String())
		require.Less(t, time.Since(began), 2*time.Second)
	}
	from := [2]int{count(far.home, 1), count(far.home, 2)}
	eventually(t, "the commands go on", func() bool { return count(far.home, 1) > from[0] && count(far.home, 2) > from[1] })
	n.set(fair)
	for _, s := range []string{"d", "s"} {
		eventually(t, "disconnected: "+s, func() bool { return near.list("x")[s].status() == "Disconnected/None/Running" })
	}
	require.NoError(t, os.WriteFile(far.path("stop"), nil, 0o600))
	got := resume(t, near, all[1])
	require.Equal(t, 4, got.code, got.err)
	checkNumbered(t, 1, joined(all[1].out.String(), got.out), joined(linesOf("e ", all[1].errs.String()), linesOf("e ", got.err)))
	require.Equal(t, 5, resume(t, near, all[0]).code)
}
