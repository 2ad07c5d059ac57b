//go:build linux

package main_test

import (
	"testing"

	"github.com/stretchr/testify/require"

	cmd "pss/cmd/pss"
)

// route makes two computers as twoComputers does, and what changes the weather between
// them.
type route func(t *testing.T, host, agent string) (far, near *world, n forecast)

type forecast interface{ set(w weather) }

// byEachWay runs a test once for each way to a computer.
func byEachWay(t *testing.T, test func(*testing.T, route)) {
	for name, by := range map[string]route{"TLS": byTLS, "SSH": bySSH, "Jump": byJump} {
		if name == "Jump" && !long() {
			continue // to the agent one ssh is like another
		}
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			test(t, by)
		})
	}
}

func byTLS(t *testing.T, host, agent string) (far, near *world, n forecast) {
	t.Helper()
	return twoComputers(t, host, agent)
}

func bySSH(t *testing.T, host, agent string) (far, near *world, n forecast) {
	t.Helper()
	c := computersOverSSH(t, host, agent, false)
	return c.far, c.near, c
}

func byJump(t *testing.T, host, agent string) (far, near *world, n forecast) {
	t.Helper()
	c := computersOverSSH(t, host, agent, true)
	return c.far, c.near, c
}

// sshComputers are two computers as those of twoComputers, with ssh between them, and
// another computer between them where there is one to jump over.
type sshComputers struct {
	t         *testing.T
	far, near *world
	servers   *cmd.SSHServers
	server    *cmd.SSHServer
	jump      bool
	swallows  bool
}

func computersOverSSH(t *testing.T, host, agent string, jump bool) *sshComputers {
	t.Helper()
	c := &sshComputers{t: t, servers: newSSHServers(t), jump: jump}
	c.far = newWorld(t, racePSS, map[string]string{"host.toml": host})
	c.near = newWorld(t, racePSS, map[string]string{"config.toml": agent + "[computers.x]\nssh = \"x\"\n"})
	o := cmd.SSHOptions{Name: "x"}
	if jump {
		overSSH(t, c.servers, c.near, newWorld(t, racePSS, nil), cmd.SSHOptions{Name: "gate"})
		o.Jump = "gate"
	}
	c.server = overSSH(t, c.servers, c.near, c.far, o)
	c.near.must("new-pssession", "--computer-name", "x", "--name", "s", "--output", "id")
	return c
}

// set changes the weather. Connections that were lost in a hole stay lost.
func (c *sshComputers) set(w weather) {
	switch w {
	case down:
		c.server.Net.Cut()
	case hole:
		c.server.Net.Stall()
		c.swallows = true
	default:
		if c.swallows {
			c.server.Net.Cut()
			c.server.Net.Flow()
			c.swallows = false
		}
		require.NoError(c.t, c.server.Net.Restore())
	}
}
