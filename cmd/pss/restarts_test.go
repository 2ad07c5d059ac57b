//go:build linux

package main_test

import (
	"encoding/json"
	"fmt"
	"math/rand/v2"
	"net"
	"os"
	"sync"
	"sync/atomic"
	"syscall"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"pss/config"
)

// restarts is how often the host is restarted: 50 times in the long variant.
func restarts() int {
	if long() {
		return rounds(50)
	}
	return rounds(5)
}

// A hundred sessions in every state, with commands and deliveries under way and new
// commands all the time, and a host that is killed or told to end again and again, at
// random moments: each time every session is listed as it was, by whoever holds it
// and by another client, commands and deliveries go on by themselves, and in the end
// nothing is lost and nothing has come twice.
func TestRestartsUnderLoad(t *testing.T) {
	if !slow() {
		t.Skip("one of the slow suites: PSS_TEST_ROUNDS is not set")
	}
	t.Parallel()
	rng := random(t)
	began := time.Now()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	require.NoError(t, err)
	w := newWorld(t, thisPSS, map[string]string{
		"host.toml":                 fmt.Sprintf("listen = %q\nlease = \"120s\"\nmin_idle_timeout = \"1s\"\n", l.Addr()),
		"configurations/small.toml": "OutputBufferSize = 2000\n",
	})
	require.NoError(t, l.Close())
	w.must("get-pssession", "--computer-name", "localhost")
	far := newWorld(t, thisPSS, map[string]string{"config.toml": computerOf(t, w)})
	far.must("get-pssession", "--computer-name", "x")
	c := newCrowd(t, w, far)
	made := time.Now()
	load := c.newLoad(2)
	before := c.snapshots()
	var ends [2]int // by how the host ended
	for round := range restarts() {
		how := rng.IntN(2)
		ends[how]++
		before = c.restart(rng, load, []syscall.Signal{syscall.SIGKILL, syscall.SIGTERM}[how], before, fmt.Sprintf("restart %d", round+1))
	}
	done := time.Now()
	commands := load.end()
	require.NoError(t, os.WriteFile(w.path("stop"), nil, 0o600))
	for _, m := range c.members {
		m.check(c, m)
	}
	t.Logf("%d sessions made in %v; %d hosts killed and %d told to end in %v, while %d commands ran; all is there after %v", len(c.members),
		made.Sub(began).Round(time.Millisecond), ends[0], ends[1], done.Sub(made).Round(time.Millisecond), commands, time.Since(done).Round(time.Millisecond))
	c.remove()
}

// restart ends the host at a random moment and compares what it finds then.
func (c *crowd) restart(rng *rand.Rand, load *load, sig syscall.Signal, before [2]listing, what string) [2]listing {
	t := c.t
	t.Helper()
	moment := load.done.Load() + rng.Int64N(10)
	eventually(t, what+": a random moment", func() bool { return load.done.Load() >= moment })
	here := c.progress()
	old := c.hostPid()
	require.NoError(t, syscall.Kill(old, sig), what)
	var after [2]listing
	for first := true; first || c.hostPid() == old; first = false {
		after = c.snapshots() // the first one also while the old host still ends
		c.compare(what, before, after)
		before = after
	}
	eventually(t, what+": everything goes on", func() bool {
		now := c.progress()
		for name, n := range here {
			if now[name] <= n {
				return false
			}
		}
		return true
	})
	return after
}

// hostPid is the process that serves, or served last.
func (c *crowd) hostPid() int {
	var info config.HostInfo
	eventually(c.t, "the host", func() bool { return config.ReadJSON(c.w.path("host", "info.json"), &info) == nil })
	return info.Pid
}

// progress is how far each command and delivery has come.
func (c *crowd) progress() map[string]int {
	all := map[string]int{}
	for name, m := range c.members {
		if m.takes || m.grows {
			all[name] = count(c.w.home, m.k)
		}
		if m.takes {
			all[name+", received"] = len(m.follower.records())
		}
	}
	return all
}

// listing is the JSON listing of one client, by the sessions' names.
type listing map[string]map[string]any

// snapshots are the listings of both clients.
func (c *crowd) snapshots() (both [2]listing) {
	c.t.Helper()
	for i, p := range []byAgent{c.one, c.far} {
		ask := func() (string, int) {
			return byCmdlet(p).run(nil, "get-pssession", "--computer-name", p.computer, "--output", "json")
		}
		out, code := ask()
		if p == c.far { // it cannot start the host: ours does
			eventually(c.t, "the host is back", func() bool {
				if code == 240 {
					out, code = ask()
				}
				return code != 240
			})
		}
		require.Zero(c.t, code, "client %d", i)
		var all []map[string]any
		require.NoError(c.t, json.Unmarshal([]byte(out), &all))
		require.Len(c.t, all, len(c.members)+loadSessions)
		both[i] = listing{}
		for _, s := range all {
			name := s["Name"].(string)
			require.NotContains(c.t, both[i], name, "twice")
			both[i][name] = s
		}
	}
	return both
}

// moving are the counters of a command that goes on.
var moving = []string{"UnreadBytes", "UnreadRecords"}

// compare proves that nothing has changed but what moves by itself.
func (c *crowd) compare(what string, before, after [2]listing) {
	c.t.Helper()
	for i := range before {
		for name, m := range c.members {
			was, is := clone(before[i][name]), clone(after[i][name])
			for _, counter := range moving {
				if m.grows && (counter == "UnreadRecords" || m.name[0] != 'd') { // of what is dropped the bytes go up and down
					require.LessOrEqual(c.t, was[counter], is[counter], "%s: %s of %s as client %d sees it", what, counter, name, i)
				}
				if m.grows || m.takes {
					delete(was, counter)
					delete(is, counter)
				}
			}
			require.Equal(c.t, was, is, "%s: %s as client %d sees it", what, name, i)
		}
	}
}

// clone is a session of a listing without the time of its client's last sign of life.
func clone(s map[string]any) map[string]any {
	c := map[string]any{}
	for k, v := range s {
		if k != "LastSeen" {
			c[k] = v
		}
	}
	return c
}

// loadSessions have a client each that starts one command after the other.
const loadSessions = 2

// load are those clients.
type load struct {
	done atomic.Int64 // commands so far
	quit chan struct{}
	wg   sync.WaitGroup
}

func (c *crowd) newLoad(n int) *load {
	l := &load{quit: make(chan struct{})}
	for i := range n {
		m := &member{kind: &kind{}, name: fmt.Sprintf("load-%d", i), by: c.one}
		c.makeIdle(m)
		l.wg.Go(func() {
			for k := 1; ; k++ {
				select {
				case <-l.quit:
					return
				default:
				}
				out, code := m.run(c, "n=$((n+1)); echo $n")
				if out != fmt.Sprintln(k) || code != 0 {
					c.t.Errorf("%s: command %d printed %q, exit code %d", m.name, k, out, code)
					return
				}
				l.done.Add(1)
			}
		})
	}
	c.t.Cleanup(func() { l.end() })
	return l
}

// end ends the load, once, and returns how many commands ran.
func (l *load) end() int64 {
	select {
	case <-l.quit:
	default:
		close(l.quit)
	}
	l.wg.Wait()
	return l.done.Load()
}

// remove removes all sessions, a few at a time.
func (c *crowd) remove() {
	all, err := c.one.list()
	require.NoError(c.t, err)
	var wg sync.WaitGroup
	for part := range 4 {
		wg.Go(func() {
			for i := part; i < len(all); i += 4 {
				if code := c.one.remove(all[i].InstanceID, true); code != 0 {
					c.t.Errorf("%s: not removed: %d", all[i].Name, code)
				}
			}
		})
	}
	wg.Wait()
}
