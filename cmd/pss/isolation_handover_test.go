//go:build linux

package main_test

import (
	"encoding/json"
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

// The hand-over: alice starts work as the user deploy, bob goes on with it the next
// morning, and carol, who may not use that configuration, sees nothing of it. The record
// names who did it and as whom.
func TestIsolationHandOver(t *testing.T) {
	t.Parallel()
	s := newSite(t, map[string]string{siteFolder + "/configurations/ops.toml": "RunAsUser = \"deploy\"\nAllowedUsers = [\"alice\", \"bob\"]\n"})
	id := s.must("alice", "invoke-command", "--computer-name", "server01", "--configuration-name", "ops", "--session-name", "release",
		"--in-disconnected-session", "--script-block", "id -un; id -G; pwd; cat", "--output", "instance-id")
	own := s.open("bob", "bobs")
	assert.Equal(t, "release\nbobs", s.must("bob", "get-pssession", "--computer-name", "server01", "--output", "name"))
	assert.Empty(t, s.must("carol", "get-pssession", "--computer-name", "server01", "--output", "name"))
	assert.NotZero(t, s.pss("carol", "connect-pssession", "--computer-name", "server01", "--instance-id", id).code)
	r := s.pss("carol", "new-pssession", "--computer-name", "server01", "--configuration-name", "ops")
	assert.Equal(t, 241, r.code, r.err)
	group := strings.TrimSpace(s.server.must("root", "id", "-G", "deploy"))
	assert.Equal(t, "deploy\n"+group+"\n/home/deploy", s.must("bob", "receive-pssession", "--computer-name", "server01", "--name", "release"))
	s.must("bob", "remove-pssession", "--computer-name", "server01", "--instance-id", id, "--force")
	assert.Equal(t, own, s.must("bob", "get-pssession", "--computer-name", "server01", "--output", "instance-id"))
	assert.Empty(t, s.must("alice", "get-pssession", "--computer-name", "server01", "--output", "name"))

	type line struct{ Action, Result, User, RunAs, Session string }
	said := map[line]bool{}
	for text := range strings.Lines(s.server.must("root", "sh", "-c", "cat "+siteState+"/host/audit.ndjson")) {
		var l line
		require.NoError(t, json.Unmarshal([]byte(text), &l))
		if l.Session == id {
			said[l] = true
		}
	}
	for _, want := range []line{
		{"New", "Done", "alice", "deploy", id}, {"Connect", "Done", "bob", "deploy", id}, {"Remove", "Done", "bob", "deploy", id},
	} {
		assert.Contains(t, said, want)
	}
}

// A daemon that dies loses nothing: whoever works goes on, with the next one, without a
// new proof of who they are.
func TestIsolationSurvivesTheDaemon(t *testing.T) {
	t.Parallel()
	s := newSite(t, nil)
	s.open("alice", "s")
	work := s.client.start("alice", "pss", "invoke-command", "--name", "s", "--script-block",
		"echo begun; until [ -e go ]; do sleep 0.05; done; echo ended; exit 5")
	eventually(t, "it begins", func() bool { return work.out.String() == "begun\n" })
	s.kill()
	s.client.must("alice", "mv", ".ssh/id_ed25519", ".ssh/away")
	s.server.must("alice", "touch", "go")
	s.start()
	assert.Equal(t, 5, work.wait(), work.errs.String())
	assert.Equal(t, "begun\nended\n", work.out.String())
	assert.Equal(t, "s", s.must("alice", "get-pssession", "--computer-name", "server01", "--output", "name"))
}
