//go:build linux

package main_test

import (
	"bytes"
	"os"
	"strings"
	"syscall"
	"testing"

	"github.com/stretchr/testify/require"

	cmd "pss/cmd/pss"
)

// hastyLink notices within a second that a link hangs.
const hastyLink = "[agent]\nopen_timeout = \"3s\"\nheartbeat = \"300ms\"\n"

// relays are the far ends of ssh on a computer.
func (w *world) relays() (pids []int) {
	for _, pid := range w.processes() {
		if bytes.Contains(proc(pid, "cmdline"), []byte("--stdio")) {
			pids = append(pids, pid)
		}
	}
	return pids
}

// sshOutage is one way to lose a computer. What has no end of its own is noticed, and
// mended, by the agent.
type sshOutage struct {
	name  string
	begin func(c *sshComputers)
	end   func(c *sshComputers)
}

func (c *sshComputers) signal(pids []int, sig syscall.Signal) {
	c.t.Helper()
	require.NotEmpty(c.t, pids)
	require.NoError(c.t, cmd.SignalAll(pids, sig))
}

func sshOutages(jump bool) []sshOutage {
	to := func(sig syscall.Signal, pids func(*sshComputers) []int) func(*sshComputers) {
		return func(c *sshComputers) { c.signal(pids(c), sig) }
	}
	var held []int // what was stopped, and is not the agent's to end
	stopped := func(pids func(*sshComputers) []int) func(*sshComputers) {
		return func(c *sshComputers) {
			held = pids(c)
			c.signal(held, syscall.SIGSTOP)
		}
	}
	goOn := func(c *sshComputers) { c.signal(held, syscall.SIGCONT) }
	client := func(c *sshComputers) []int { return c.servers.Clients("x") }
	inner := func(c *sshComputers) []int { return c.servers.Clients("gate") }
	server := func(c *sshComputers) []int { return c.server.Connections(false) }
	relay := func(c *sshComputers) []int { return c.far.relays() }
	all := []sshOutage{
		{"the network is cut", func(c *sshComputers) { c.set(down) }, func(c *sshComputers) { c.set(fair) }},
		{"the network stalls", func(c *sshComputers) { c.set(hole) }, func(c *sshComputers) { c.server.Net.Flow() }},
		{"ssh is killed", to(syscall.SIGKILL, client), nil},
		{"ssh is stopped", to(syscall.SIGSTOP, client), nil},
	}
	if jump {
		return append(all,
			sshOutage{"the inner ssh is killed", to(syscall.SIGKILL, inner), nil},
			sshOutage{"the inner ssh is stopped", to(syscall.SIGSTOP, inner), nil})
	}
	return append(all,
		sshOutage{"the server's process is killed", to(syscall.SIGKILL, server), nil},
		sshOutage{"the server's process is stopped", stopped(server), goOn},
		sshOutage{"the relay is killed", to(syscall.SIGKILL, relay), nil},
		sshOutage{"the relay is stopped", stopped(relay), goOn},
		sshOutage{"the host is killed", func(c *sshComputers) { kill(c.t, c.daemon()) }, nil},
		sshOutage{"the agent is killed", func(c *sshComputers) { kill(c.t, c.near.agent()) }, nil},
		sshOutage{"the agent and ssh are lost in a hole", func(c *sshComputers) {
			c.set(hole)
			kill(c.t, c.near.agent())
		}, func(c *sshComputers) { c.set(fair) }},
	)
}

// daemon is the far host, which is no relay.
func (c *sshComputers) daemon() int {
	for _, pid := range c.far.role("host") {
		if !bytes.Contains(proc(pid, "cmdline"), []byte("--stdio")) {
			return pid
		}
	}
	return 0
}

// Whatever becomes of the ssh to a computer, of those that it goes through, and of what
// stands at its ends, is an outage: the command goes on, and its output comes without
// loss. There is one ssh for all, and none that is of no use any more.
func TestSSHOutages(t *testing.T) {
	t.Parallel()
	for name, jump := range map[string]bool{"Direct": false, "Jump": true} {
		t.Run(name, func(t *testing.T) {
			if jump {
				slowTier(t)
			}
			t.Parallel()
			c := computersOverSSH(t, shortLease, hastyLink, jump)
			r := c.near.start("invoke-command", "--session", "1", "--retry-window", "60s", "--script-block", numbered(c.far.home, 1, 4, "sleep 0.05"))
			// What came before an outage may still be on its way to us: what is printed after
			// it is not, and comes by what has taken the place of the link.
			grows := func(what string) {
				next := count(c.far.home, 1) + 6 // told of every fifth line
				eventually(t, what, func() bool { return strings.Count(r.out.String(), "\n") >= next })
			}
			c.near.must("invoke-command", "--computer-name", "x", "--as-job", "--job-name", "j", "--output", "id",
				"--script-block", numbered(c.far.home, 2, 5, "sleep 0.1"))
			grows("output")
			for _, o := range sshOutages(jump) {
				before := c.servers.Clients("x")
				require.Len(t, before, 1, o.name)
				o.begin(c)
				if o.end != nil {
					here := count(c.far.home, 1)
					eventually(t, "the command goes on while "+o.name, func() bool { return count(c.far.home, 1) > here+10 })
					o.end(c)
				}
				grows("output after " + o.name)
				eventually(t, "one ssh after "+o.name, func() bool { return len(c.servers.Clients("x")) == 1 && len(c.far.relays()) == 1 })
				if jump {
					eventually(t, "one inner ssh after "+o.name, func() bool { return len(c.servers.Clients("gate")) == 1 })
				}
			}
			require.NoError(t, os.WriteFile(c.far.path("stop"), nil, 0o600))
			require.Equal(t, 4, r.wait(t), r.errs.String())
			checkNumbered(t, 1, r.out.String(), withoutWarnings(r.errs.String()))
			job := c.near.pss("receive-job", "--name", "j", "--wait", "--auto-remove-job")
			require.Equal(t, 1, job.code, "a command of it failed")
			checkNumbered(t, 2, job.out, withoutWarnings(job.err))
			require.Equal(t, result{"", "", 4}, c.near.pss("receive-pssession", "--session", "1"))
		})
	}
}

// However many commands run on a computer at once, there is one ssh to it; it ends when
// nobody needs it, and comes again. A socket that was deleted there does as well.
func TestOneSSHForAll(t *testing.T) {
	t.Parallel()
	c := computersOverSSH(t, shortLease, hasty+"linger = \"1s\"\n", false)
	var all []*running
	for range 12 {
		all = append(all, c.near.start("invoke-command", "--computer-name", "x", "--script-block", "echo begun; while [ ! -e "+c.far.path("stop")+" ]; do sleep 0.05; done; echo over"))
	}
	for _, r := range all {
		eventually(t, "it begins", func() bool { return strings.Contains(r.out.String(), "begun") })
	}
	require.Len(t, c.servers.Clients(""), 1)
	require.Len(t, c.far.relays(), 1)
	require.NoError(t, os.WriteFile(c.far.path("stop"), nil, 0o600))
	for _, r := range all {
		require.Zero(t, r.wait(t), r.errs.String())
		require.Equal(t, "begun\nover\n", r.out.String())
	}
	require.NoError(t, os.Remove(c.far.path("host", "sock")))
	require.Equal(t, "fine", c.near.must("invoke-command", "--session", "1", "--script-block", "echo fine"))
	c.near.must("disconnect-pssession", "--id", "1")
	eventually(t, "ssh ends", func() bool { return len(c.servers.Clients("")) == 0 && len(c.far.relays()) == 0 })
	c.near.must("connect-pssession", "--id", "1")
	require.Len(t, c.servers.Clients(""), 1)
	// The agent's end is the ssh's, whatever stands in the way of its last words.
	c.set(hole)
	kill(t, c.near.agent())
	// Scenario 74: what is removed while it is out of reach goes here, and stays there.
	gone := c.near.pss("remove-pssession", "--id", "1")
	require.Equal(t, 240, gone.code, gone.err)
	require.Contains(t, gone.err, "RemoveSessionCannotConnectToServer")
	require.Contains(t, gone.err, "may still exist")
	c.set(fair)
	require.Contains(t, c.near.list("x"), "s")
	c.near.must("remove-pssession", "--computer-name", "x", "--name", "s")
	eventually(t, "ssh ends", func() bool { return len(c.servers.Clients("")) == 0 })
}
