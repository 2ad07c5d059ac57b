//go:build linux

package main_test

import (
	"encoding/json"
	"fmt"
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	cmd "pss/cmd/pss"
	"pss/config"
)

// enrolFor gives a user of another computer a key that this one knows, and the pin of its
// daemon.
func (l *lab) enrolFor(from *lab, user string) {
	l.t.Helper()
	var info config.SystemHostInfo
	require.NoError(l.t, json.Unmarshal([]byte(l.must(user, "cat", "/run/pss/host.json")), &info))
	from.must(user, "sh", "-c", "mkdir -m 700 .ssh && ssh-keygen -q -t ed25519 -N '' -f .ssh/id_ed25519")
	l.must(user, "mkdir", "-m", "700", ".ssh")
	l.write(user, ".ssh/authorized_keys", from.must(user, "cat", ".ssh/id_ed25519.pub"))
	from.write(user, ".config/pss/config.toml", fmt.Sprintf("[computers.%s]\nfingerprint = %q\n", l.Name, info.Fingerprint))
}

// What sshd and ssh do, without them: the far end runs on this computer.
const standInSSH = `#!/bin/sh
while [ $# -gt 1 ]; do shift; done
SSH_CONNECTION='10.0.0.9 4321 10.0.0.1 22' exec sh -c "$1"
`

// Credentials go by the daemon to a session of its own computer, and such a session is
// connected from there alone: not by HTTPS and not by ssh. All three lead to the same host.
func TestLocalhostNetworkAccess(t *testing.T) {
	t.Parallel()
	all := computers(t, cmd.ComputerOptions{Name: "server01", Users: []string{"alice"}}, cmd.ComputerOptions{Name: "client01", Users: []string{"alice"}})
	server, client := all[0], all[1]
	server.serve()
	server.enrolFor(client, "alice")
	server.must("alice", "env", "SSH_AUTH_SOCK=/there", "pss", "new-pssession", "--name", "lent", "--enable-network-access")
	assert.Equal(t, "/there", server.pss("alice", "invoke-command", "--name", "lent", "--script-block", "echo $SSH_AUTH_SOCK"))
	server.pss("alice", on("new-pssession", "--name", "plain")...)
	server.pss("alice", "disconnect-pssession", "--name", "plain,lent")

	assert.Equal(t, "lent\nplain", client.pss("alice", "get-pssession", "--computer-name", "server01", "--output", "name"))
	r := client.run("alice", "pss", "connect-pssession", "--computer-name", "server01", "--name", "lent")
	assert.Equal(t, 241, r.code, r.err)
	assert.Contains(t, r.err, "only clients on its own computer can connect it")
	client.pss("alice", "connect-pssession", "--computer-name", "server01", "--name", "plain")
	client.pss("alice", "disconnect-pssession", "--name", "plain")
	client.must("alice", "env", "SSH_AUTH_SOCK=/mine", "pss", "new-pssession", "--computer-name", "server01", "--name", "far", "--enable-network-access")
	assert.Equal(t, "none", client.pss("alice", "invoke-command", "--name", "far", "--script-block", "echo ${SSH_AUTH_SOCK-none}"))

	server.must("alice", "mkdir", "bin")
	r = server.feed(standInSSH, "alice", "install", "-m", "755", "/dev/stdin", "bin/ssh")
	require.Zero(t, r.code)
	ssh := func(args ...string) result {
		return server.run("alice", append([]string{"env", "PATH=/home/alice/bin:/usr/local/bin:/usr/bin:/bin", "pss"}, args...)...)
	}
	r = ssh("get-pssession", "--host-name", "elsewhere", "--output", "name")
	assert.Equal(t, "lent\nplain\nfar\n", r.out, r.err)
	assert.Equal(t, 241, ssh("connect-pssession", "--host-name", "elsewhere", "--name", "lent").code)
	assert.Zero(t, ssh("connect-pssession", "--host-name", "elsewhere", "--name", "plain").code)
	assert.Contains(t, server.heard(), heard{"Connect", "Done", "alice", "", "ssh 10.0.0.9", "plain"})

	server.pss("alice", on("connect-pssession", "--name", "lent")...)
	assert.Equal(t, "/there", server.pss("alice", "invoke-command", "--name", "lent", "--script-block", "echo $SSH_AUTH_SOCK"))
}

// The limits of root's host hold for a user, whatever the user says in files of their own,
// and cost nobody else anything.
func TestLimitsOfTheDaemonHold(t *testing.T) {
	t.Parallel()
	l := computers(t, cmd.ComputerOptions{Name: "server01", Users: []string{"alice", "bob"}})[0]
	l.write("root", "/etc/pss/host.toml", "max_sessions = 2\nmax_spool_bytes = 2000000\n")
	l.serve()
	l.write("alice", ".config/pss/host.toml", "max_sessions = 100\nmax_spool_bytes = 1000000000\n")
	l.pss("alice", on("new-pssession", "--name", "one")...)
	l.pss("alice", on("invoke-command", "--in-disconnected-session", "--session-name", "prints", "--script-block",
		"yes 0123456789 | head -c 50000000; touch printed")...)
	refused := func(when string) {
		t.Helper()
		r := l.run("alice", append([]string{"pss"}, on("new-pssession", "--name", "three")...)...)
		assert.Equal(t, 1, r.code, when)
		assert.Contains(t, r.err, "QuotaLimit", when)
	}
	refused("two are there")
	eventually(t, "its output stops at the limit", func() bool {
		n := bytesOf(l.must("root", "sh", "-c", "du -s --block-size=1 /home/alice/.local/state/pss/*/s | cut -f1"))
		return n > 1000000
	})
	assert.False(t, l.exists("/home/alice/printed"))
	assert.Less(t, bytesOf(l.must("root", "sh", "-c", "du -s --block-size=1 /home/alice/.local/state/pss/*/s | cut -f1")), 10000000)

	// What she deletes or replaces of her own makes no room.
	l.must("alice", "sh", "-c", "pkill -9 -u alice pss; rm -rf .local/state/pss; exit 0")
	refused("her state is deleted")
	l.must("root", "pkill", "-HUP", "-f", "pss host --system")
	refused("the daemon reads its file")
	l.pss("bob", on("new-pssession", "--name", "bobs")...)
}

func bytesOf(s string) (n int) {
	_, _ = fmt.Sscan(strings.TrimSpace(s), &n)
	return n
}
