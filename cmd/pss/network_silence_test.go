//go:build linux

package main_test

import (
	"context"
	"fmt"
	"io"
	"net"
	"os"
	"strings"
	"testing"
	"time"

	"github.com/creack/pty"
	"github.com/google/uuid"
	"github.com/stretchr/testify/require"

	"pss/remote/api"
)

// Scenarios 19, 20: the client's computer is gone without a word, because it lost the
// network or stands still. To others its sessions are Busy until the lease lapses, then
// free; the command never notices, and the idle session stays. Both sides notice it
// within the lease: the client's cmdlet tries again, and the host lets go.
func TestScenario19ClientOutOfReach(t *testing.T) {
	t.Parallel()
	for name, stopped := range map[string]bool{"NetworkLost": false, "StandsStill": true} {
		if stopped && !long() {
			continue // much of it is shown by TestOutageEndsByItself
		}
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			const lease = 2 * time.Second
			far, near, n := twoComputers(t, fmt.Sprintf("lease = %q\n", lease), hasty)
			near.must("new-pssession", "--computer-name", "x", "--name", "idle", "--output", "id")
			near.must("invoke-command", "--name", "idle", "--script-block", "v=kept")
			r := near.start("invoke-command", "--session", "1", "--script-block", numbered(far.home, 1, 4, "sleep 0.05"))
			eventually(t, "output", func() bool { return strings.Contains(r.out.String(), "o 5 ") })
			// Only the agent's own heartbeat, which suits the lease, keeps it.
			first := far.facts()["s"].info
			eventually(t, "the lease has passed", func() bool {
				require.Equal(t, first.Attached, far.facts()["s"].info.Attached)
				return time.Since(first.Attached.Since) > lease+lease/2
			})
			other := far.as("two")
			began, agent := time.Now(), near.agent()
			if stopped {
				stop(t, agent)
			} else {
				n.set(hole)
			}
			made, _ := n.counts()
			var tried, let time.Duration
			for end := time.Now().Add(patience); (let == 0 || tried == 0 && !stopped) && time.Now().Before(end); {
				now, _ := n.counts()
				if tried == 0 && now > made+1 { // one more than the heartbeat
					tried = time.Since(began)
				}
				busy, free := 0, 0
				for _, f := range far.facts() {
					if f.info.Attached == nil {
						free++
						require.Equal(t, api.DetachedByOutage, f.info.Detached)
					} else {
						busy++
					}
				}
				if free == 2 && let == 0 {
					let = time.Since(began)
				}
				if busy == 2 && time.Since(began) < lease/2 {
					list := other.list("localhost")
					if time.Since(began) < lease/2 {
						require.Equal(t, "Disconnected/Busy/None", list["idle"].status())
						require.Equal(t, "Disconnected/Busy/Running", list["s"].status())
					}
				}
				time.Sleep(10 * time.Millisecond)
			}
			require.NotZero(t, let, "the host never let go")
			require.Less(t, let, 2*lease, "the lease, one beat and a busy machine")
			if !stopped {
				require.NotZero(t, tried, "the client never tried again")
				require.Less(t, tried, 2*lease)
			}
			list := other.list("localhost")
			require.Equal(t, "Disconnected/None/None", list["idle"].status())
			require.Equal(t, "Disconnected/None/Running", list["s"].status())
			from := count(far.home, 1)
			eventually(t, "the command goes on", func() bool { return count(far.home, 1) > from })
			// Another client takes the idle one, with its state; the lost client is told so.
			other.must("connect-pssession", "--computer-name", "localhost", "--name", "idle")
			require.Equal(t, "kept", other.must("invoke-command", "--name", "idle", "--script-block", "echo $v"))
			n.set(fair)
			goOn(t, agent)
			require.Equal(t, 242, near.pss("invoke-command", "--name", "idle", "--script-block", "echo stolen").code)
			require.NoError(t, os.WriteFile(far.path("stop"), nil, 0o600))
			require.Equal(t, 4, r.wait(t), r.errs.String())
			checkNumbered(t, 1, r.out.String(), withoutWarnings(r.errs.String()))
		})
	}
}

// A computer that never answers is an error within open_timeout, and never holds up
// what is asked of others. A session that is removed goes from the list all the same.
func TestSilentComputer(t *testing.T) {
	slowTier(t)
	t.Parallel()
	far, near, n := twoComputers(t, "", hasty)
	near.must("new-pssession", "--computer-name", "x", "--name", "gone", "--output", "id")
	near.must("new-pssession", "--name", "local", "--output", "id")
	// One more that has a port and nobody behind it.
	l, err := net.Listen("tcp", "127.0.0.1:0")
	require.NoError(t, err)
	t.Cleanup(func() { l.Close() })
	conf, err := os.ReadFile(near.path("config.toml"))
	require.NoError(t, err)
	conf = fmt.Appendf(conf, "[computers.mute]\naddress = %q\n", l.Addr().String())
	require.NoError(t, os.WriteFile(near.path("config.toml"), conf, 0o600))
	n.set(hole)
	began := time.Now()
	asked := map[string]*running{}
	for what, args := range map[string]string{
		"list x":     "get-pssession --computer-name x",
		"list mute":  "get-pssession --computer-name mute",
		"list all":   "get-pssession --computer-name x,mute,localhost --output name",
		"list mine":  "get-pssession --output name",
		"make":       "new-pssession --computer-name mute",
		"disconnect": "disconnect-pssession --id 1",
		"invoke":     "invoke-command --session 1 --script-block echo",
		"run":        "invoke-command --computer-name mute --script-block echo",
	} {
		asked[what] = near.start(strings.Fields(args)...)
	}
	for what, r := range asked {
		code := r.wait(t)
		require.Less(t, time.Since(began), 10*time.Second, "open_timeout is 3 s, and the machine busy")
		require.Contains(t, r.errs.String(), "CannotConnect", what)
		require.Contains(t, r.errs.String(), "it does not answer", what)
		switch what {
		case "list all":
			require.Equal(t, 1, code)
			require.Equal(t, "local\n", r.out.String())
			require.Equal(t, 2, strings.Count(r.errs.String(), "CannotConnect"))
		case "list mine":
			require.Equal(t, "s\ngone\nlocal\n", r.out.String())
		default:
			require.Equal(t, 240, code, what)
			require.Empty(t, r.out.String(), what)
		}
	}
	// Scenario 74: the local entry goes, the error says that the session may not.
	began = time.Now()
	r := near.pss("remove-pssession", "--id", "2")
	require.Equal(t, 240, r.code, r.err)
	require.Contains(t, r.err, "RemoveSessionCannotConnectToServer")
	require.Contains(t, r.err, "may still exist")
	require.Less(t, time.Since(began), 10*time.Second)
	r = near.pss("get-pssession", "--output", "name")
	require.Equal(t, "s\nlocal\n", r.out, r.err)
	n.set(fair)
	eventually(t, "it answers", func() bool { return near.pss("get-pssession", "--computer-name", "x").code == 0 })
	require.Equal(t, "fine", near.must("invoke-command", "--session", "1", "--script-block", "echo fine"))
	require.Contains(t, far.facts(), "gone")
	near.must("remove-pssession", "--computer-name", "x", "--name", "gone")
}

// While the network is out a terminal shows one line that counts the retry window down
// once a second, written over itself, and takes it away at the end.
func TestOutageCountsDownInATerminal(t *testing.T) {
	t.Parallel()
	byEachWay(t, countsDownInATerminal)
}

func countsDownInATerminal(t *testing.T, by route) {
	far, near, n := by(t, "", hasty)
	cmd := near.command(t.Context(), "invoke-command", "--session", "1", "--script-block", numbered(far.home, 1, 4, "sleep 0.05"))
	master, slave, err := pty.Open()
	require.NoError(t, err)
	defer master.Close()
	require.NoError(t, pty.Setsize(master, &pty.Winsize{Rows: 24, Cols: 90}))
	var out, screen safeBuffer
	cmd.Stdout, cmd.Stderr = &out, slave
	go func() { _, _ = io.Copy(&screen, master) }()
	require.NoError(t, cmd.Start())
	slave.Close()
	eventually(t, "output", func() bool { return strings.Contains(out.String(), "o 5 ") })
	n.set(down)
	const line = "\r\x1b[KWARNING: The network connection to x has been interrupted. "
	eventually(t, "three seconds are counted", func() bool { return strings.Count(screen.String(), line) >= 3 })
	shown := screen.String()
	require.NotContains(t, shown[strings.Index(shown, "\r\x1b[K"):], "\n", "it stays on its line")
	n.set(fair)
	eventually(t, "the end is told", func() bool { return strings.Contains(screen.String(), "has been restored") })
	require.Contains(t, screen.String(), "\r\x1b[K\x1b[33;1mWARNING: The network connection to x has been restored.\x1b[0m\r\n")
	require.NoError(t, os.WriteFile(far.path("stop"), nil, 0o600))
	var exit interface{ ExitCode() int }
	require.ErrorAs(t, cmd.Wait(), &exit)
	require.Equal(t, 4, exit.ExitCode())
}

// A round trip of a second (half of it in the short tests), with stalls, is slow and nothing else: standard input goes
// both ways, megabytes come complete, the exit code arrives, and nothing is taken for an
// outage.
func TestSlowNetwork(t *testing.T) {
	t.Parallel()
	lag, stall, size := 250*time.Millisecond, 500*time.Millisecond, 2<<20
	if long() {
		lag, stall, size = 500*time.Millisecond, 3*time.Second, 3<<20
	}
	far, near, n := twoComputers(t, "", "")
	near.must("invoke-command", "--computer-name", "x", "--in-disconnected-session", "--session-name", "d",
		"--script-block", fmt.Sprintf("head -c %d /dev/zero | tr '\\0' z; exit 6", size))
	far.await("d", "Disconnected/None/Finished")
	n.slow(lag, stall)
	received := near.start("receive-pssession", "--name", "d")
	data := strings.Repeat("0123456789abcde\n", size/16)
	r := near.feed(strings.NewReader(data), "invoke-command", "--session", "1", "--script-block", "cat; exit 5")
	require.Equal(t, 5, r.code, r.err)
	require.Empty(t, r.err)
	require.True(t, data == r.out, "what came back is not what was sent: %d bytes", len(r.out))
	require.Equal(t, 6, received.wait(t), received.errs.String())
	require.Empty(t, received.errs.String())
	require.True(t, strings.Repeat("z", size) == received.out.String())
}

// A command that has ended has ended, also when the network is gone before its
// temporary session is removed; that follows as soon as the computer answers. A session
// whose making was never acknowledged does not stay either, and one whose cmdlet was
// gone before it was made is known.
func TestWhatTheNetworkLeavesHalfDone(t *testing.T) {
	t.Parallel()
	far, near, n := twoComputers(t, "", hasty)
	ctx, cancel := context.WithTimeout(t.Context(), 2*patience)
	defer cancel()
	agent := near.asCmdlet("one")
	temporary, lost, kept := uuid.NewString(), uuid.NewString(), uuid.NewString()
	_, err := agent.Create(ctx, temporary, &api.CreateRequest{ComputerName: "x", Temporary: true, Attach: &api.AttachRequest{}})
	require.NoError(t, err)
	n.set(hole)
	began := time.Now()
	require.NoError(t, agent.Remove(ctx, temporary, 0, false))
	require.Less(t, time.Since(began), 10*time.Second)
	n.set(fair)
	there := func(id string) bool {
		for _, f := range far.facts() {
			if f.info.InstanceID == id {
				return true
			}
		}
		return false
	}
	eventually(t, "the temporary session goes", func() bool { return !there(temporary) })

	silenced := func(up bool, chunk int) verdict {
		if !up && chunk > 1 {
			return cutBefore // nothing arrives behind the handshake
		}
		return pass
	}
	create := func(ctx context.Context, id string) error {
		name := map[string]string{kept: "n", lost: "lost"}[id]
		_, err := agent.Create(ctx, id, &api.CreateRequest{ComputerName: "x", Name: name, Attach: &api.AttachRequest{}})
		return err
	}
	n.unreliable(silenced)
	short, leave := context.WithCancel(ctx)
	gone := make(chan error, 1)
	go func() { gone <- create(short, kept) }()
	eventually(t, "it is made", func() bool { return there(kept) })
	leave()
	require.Error(t, <-gone)
	n.unreliable(nil)
	eventually(t, "it is known", func() bool { return near.list("")["n"].InstanceID == kept })

	if !long() {
		return
	}
	n.unreliable(silenced)
	err = create(ctx, lost)
	require.True(t, api.IsCode(err, api.CodeOutcomeUnknown), "%v", err)
	require.True(t, there(lost))
	n.unreliable(nil)
	eventually(t, "it goes", func() bool { return !there(lost) })
	require.NotContains(t, near.list("x"), "lost")
}
