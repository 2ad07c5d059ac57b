//go:build linux

package main_test

import (
	"crypto/ed25519"
	"crypto/rand"
	"encoding/pem"
	"fmt"
	"net"
	"os"
	"slices"
	"strconv"
	"syscall"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
	"golang.org/x/crypto/ssh"
)

// newKeyFile is a private key in a file of w, and its line in authorized_keys.
func (w *world) newKeyFile(name string) (path, line string) {
	w.t.Helper()
	public, key, err := ed25519.GenerateKey(rand.Reader)
	require.NoError(w.t, err)
	block, err := ssh.MarshalPrivateKey(key, "")
	require.NoError(w.t, err)
	path = w.path(name)
	require.NoError(w.t, os.WriteFile(path, pem.EncodeToMemory(block), 0o600))
	k, err := ssh.NewPublicKey(public)
	require.NoError(w.t, err)
	return path, string(ssh.MarshalAuthorizedKey(k))
}

// keyed is w with one key.
func (w *world) keyed(path string) *world {
	c := *w
	c.env = append(slices.Clone(w.env), "PSS_KEY_FILE="+path)
	return &c
}

// The host of many users sees each of them by the key that is theirs, two from one computer
// at once; and a new agent has to prove it again.
func TestHostSeesWhoAsks(t *testing.T) {
	t.Parallel()
	p := newPeople(t, "auth_attempts = 1000\n")
	near := newWorld(t, racePSS, map[string]string{"config.toml": fmt.Sprintf("[computers.far]\naddress = %q\nfingerprint = %q\nuser = \"alice\"\n",
		net.JoinHostPort(p.info.Address, strconv.Itoa(p.info.Port)), p.info.Fingerprint)})
	alices, line := near.newKeyFile("alices")
	p.lets("alice", line)
	bobs, line := near.newKeyFile("bobs")
	p.lets("bob", line)
	alice, bob := near.keyed(alices), near.keyed(bobs)

	look := []string{"test-pssession", "--computer-name", "far", "--property", "User,AuthenticatedBy", "--output", "csv"}
	as := func(user string) []string { return append(slices.Clone(look), "--credential", user) }
	assert.Contains(t, alice.must(look...), "\nalice,PublicKey", "user of config.toml")
	assert.Contains(t, bob.must(as("bob")...), "\nbob,PublicKey")
	assert.Contains(t, near.must(look...), "\nalice,Enrolment", "no key is needed any more")
	assert.Contains(t, near.must(as("bob")...), "\nbob,Enrolment")

	r := bob.pss(as("carol")...)
	require.Equal(t, 241, r.code)
	assert.Contains(t, r.err, "access is denied to carol. Tried: no ssh-agent")
	r = bob.pss("new-pssession", "--computer-name", "far", "--credential", "root")
	require.Equal(t, 241, r.code)
	assert.Contains(t, r.err, "AccessDenied,PSSessionOpenFailed")

	require.NoError(t, syscall.Kill(near.agent(), syscall.SIGKILL))
	r = near.pss(look...)
	require.Equal(t, 241, r.code, "the TLS key was in memory only")
	assert.Contains(t, alice.must(look...), "\nalice,PublicKey")
}
