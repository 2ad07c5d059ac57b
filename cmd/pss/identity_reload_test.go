//go:build linux

package main_test

import (
	"encoding/pem"
	"fmt"
	"net/http"
	"os"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"pss/remote/api"
	"pss/remote/client"
)

// reload gives the host other settings, and returns what its audit log says of them.
func (p *people) reload(settings string) string {
	p.t.Helper()
	reloads := func() []string {
		text, err := os.ReadFile(p.path("host", "audit.ndjson"))
		require.NoError(p.t, err)
		var found []string
		for line := range strings.Lines(string(text)) {
			if strings.Contains(line, `"Action":"Reload"`) {
				found = append(found, line)
			}
		}
		return found
	}
	before := len(reloads())
	require.NoError(p.t, os.WriteFile(p.path("host.toml"), []byte(shortLease+settings), 0o600))
	require.NoError(p.t, syscall.Kill(p.info.Pid, syscall.SIGHUP))
	eventually(p.t, "host.toml is read anew", func() bool { return len(reloads()) > before })
	return reloads()[before]
}

// Who may come in changes with SIGHUP for the next request: of those who are in, too. Nobody
// loses an enrolment by that.
func TestReloadOfWhoIsLetIn(t *testing.T) {
	t.Parallel()
	p := newPeople(t, quick)
	signer, line := newSigner(t)
	p.lets("alice", line)
	p.lets("bob", line)
	key := newClientKey(t, nil, nil)
	require.Equal(t, http.StatusOK, p.call(&key).prove("alice", signer).StatusCode)
	sees := func(want, when string) {
		t.Helper()
		assert.Equal(t, want, p.call(&key).user(), when)
	}
	sees("alice", "enrolled")
	bound := p.call(nil)
	require.Equal(t, http.StatusOK, bound.prove("alice", signer).StatusCode)
	require.Equal(t, "alice", bound.user())
	const nobody = "AuthenticationRequired"

	assert.Contains(t, p.reload(quick+"deny_users = [\"alice\"]\n"), `"Detail":"deny_users"`)
	assert.Equal(t, nobody, bound.user(), "the connection that alice has proved")
	sees(nobody, "denied")
	assert.Equal(t, http.StatusForbidden, p.call(nil).prove("alice", signer).StatusCode)
	assert.Contains(t, p.reload(quick+"client_ca_file = \"/none/of/that\"\n"), `"Result":"Refused"`)
	sees(nobody, "settings that are no good change nothing")
	p.reload(quick)
	sees("alice", "the enrolment stayed")
	p.reload(quick + "allow_users = [\"b*\"]\n")
	sees(nobody, "not among those allowed")
	assert.Equal(t, http.StatusOK, p.call(nil).prove("bob", signer).StatusCode)
	p.reload(quick + "allow_groups = [\"staff\"]\n")
	sees("alice", "in the group")
	assert.Equal(t, http.StatusForbidden, p.call(nil).prove("bob", signer).StatusCode)

	// The account is looked at again even where the settings are the same.
	shadow, err := os.ReadFile(p.path("etc", "shadow"))
	require.NoError(t, err)
	require.NoError(t, os.WriteFile(p.path("etc", "shadow"), []byte(strings.Replace(string(shadow), "alice:*", "alice:!", 1)), 0o600))
	p.reload(quick + "allow_groups = [\"staff\"]\n")
	sees(nobody, "locked")
}

// How somebody comes in changes with SIGHUP, too.
func TestReloadOfHowOneComesIn(t *testing.T) {
	t.Parallel()
	p := newPeople(t, quick)
	signer, line := newSigner(t)
	r := p.feed(strings.NewReader("right\n"), "host", "passwd", "root")
	require.Zero(t, r.code, r.err)
	try := func(user, password string) *reply {
		return p.call(nil).ask(http.MethodPost, api.RoutePassword, &api.PasswordRequest{User: user, Password: password})
	}
	assert.Equal(t, http.StatusForbidden, try("root", "right").StatusCode)
	p.reload(quick + "permit_root = true\n")
	assert.Equal(t, http.StatusOK, try("root", "right").StatusCode)
	p.reload(quick + "permit_root = true\npassword_authentication = false\n")
	assert.Equal(t, http.StatusForbidden, try("root", "right").StatusCode)
	methods := p.call(nil).ask(http.MethodPost, api.RouteChallenge, &api.ChallengeRequest{User: "root"})
	assert.NotContains(t, string(methods.body), api.MethodPassword)

	require.NoError(t, os.WriteFile(p.path("people", "alice", "keys"), []byte(line), 0o600))
	require.NoError(t, os.Chown(p.path("people", "alice", "keys"), int(p.uid("alice")), int(p.uid("alice"))))
	assert.Equal(t, http.StatusForbidden, p.call(nil).prove("alice", signer).StatusCode)
	p.reload(quick + "authorized_keys_file = \"keys\"\n")
	assert.Equal(t, http.StatusOK, p.call(nil).prove("alice", signer).StatusCode)

	ca, self := newClientKey(t, nil, authority), newClientKey(t, nil, nil)
	named := newClientKey(t, &ca, commonName("bob"))
	file := t.TempDir() + "/ca.pem"
	require.NoError(t, os.WriteFile(file, pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: ca.Certificate[0]}), 0o600))
	assert.Equal(t, "AuthenticationRequired", p.call(&self).user())
	p.reload(quick + fmt.Sprintf("client_ca_file = %q\n[certificates]\n%q = \"alice\"\n\"CN=bob\" = \"bob\"\n", file, client.Fingerprint(self.Leaf)))
	assert.Equal(t, "alice", p.call(&self).user())
	assert.Equal(t, "bob", p.call(&named).user())
	p.reload(quick)
	assert.Equal(t, "AuthenticationRequired", p.call(&self).user())

	p.reload("auth_failure_time = \"1s\"\nauth_attempts = 1\npermit_root = true\n")
	assert.GreaterOrEqual(t, try("root", "wrong").took, time.Second)
	assert.Equal(t, http.StatusForbidden, try("root", "right").StatusCode, "the second attempt in a minute")
}

// What somebody proved who they are with can be taken back: an enrolment and a connection
// from before count no more then, and again once it is given back.
func TestWhatIsTakenBack(t *testing.T) {
	t.Parallel()
	p := newPeople(t, quick)
	signer, line := newSigner(t)
	_, other := newSigner(t)
	p.lets("alice", other+line)
	const nobody = "AuthenticationRequired"
	key, bound := newClientKey(t, nil, nil), p.call(nil)
	require.Equal(t, http.StatusOK, p.call(&key).prove("alice", signer).StatusCode)
	require.Equal(t, http.StatusOK, bound.prove("alice", signer).StatusCode)
	sees := func(want, when string) {
		t.Helper()
		p.reload(quick) // or a minute passes
		assert.Equal(t, want, p.call(&key).user(), when)
	}
	sees("alice", "the key is there")
	require.Equal(t, "alice", bound.user())
	p.lets("alice", other)
	sees(nobody, "the key is gone")
	assert.Equal(t, nobody, bound.user(), "the connection that was bound with it")
	p.lets("alice", `expiry-time="20200101" `+line)
	sees(nobody, "the key is over")
	p.lets("alice", `from="192.0.2.1" `+line)
	sees(nobody, "the key is for somewhere else")
	p.lets("alice", `from="192.0.2.1" `+line+`from="127.0.0.1" `+line)
	sees("alice", "the key is given back")
	require.NoError(t, os.Remove(p.path("people", "alice", ".ssh", "authorized_keys")))
	sees(nobody, "there is no file")

	set := func(password string) {
		t.Helper()
		r := p.feed(strings.NewReader(password+"\n"), "host", "passwd", "bob")
		require.Zero(t, r.code, r.err)
	}
	set("first")
	key, bound = newClientKey(t, nil, nil), p.call(nil)
	for _, c := range []*caller{p.call(&key), bound} {
		require.Equal(t, http.StatusOK, c.ask(http.MethodPost, api.RoutePassword, &api.PasswordRequest{User: "bob", Password: "first"}).StatusCode)
	}
	sees("bob", "the password stands")
	require.Equal(t, "bob", bound.user())
	set("second")
	sees(nobody, "the password is another one")
	assert.Equal(t, nobody, bound.user(), "the connection that was bound with it")
	set("first")
	sees(nobody, "the same one, given anew")
}
