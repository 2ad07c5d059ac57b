//go:build linux

package main_test

import (
	"crypto/tls"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/pem"
	"fmt"
	"net/http"
	"net/url"
	"os"
	"slices"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"pss/config"
	"pss/remote/api"
	"pss/remote/client"
)

// quick lets a test try often, and be told soon.
const quick = "auth_failure_time = \"50ms\"\nauth_attempts = 100000\n"

// A proof is good for one user, one connection and one time.
func TestProofIsGoodOnceAndHere(t *testing.T) {
	t.Parallel()
	p := newPeople(t, quick)
	signer, line := newSigner(t)
	p.lets("alice", line)
	p.lets("bob", line)
	refused := func(what string, r *reply) {
		t.Helper()
		assert.Equal(t, http.StatusForbidden, r.StatusCode, what)
	}
	post := func(c *caller, r *api.ProofRequest) *reply { return c.ask(http.MethodPost, api.RouteProof, r) }

	c := p.call(nil)
	done := proof(t, c.binding("alice", c.nonce("alice")), signer)
	require.Equal(t, http.StatusOK, post(c, done).StatusCode)
	refused("a second time", post(c, done))

	a, b := p.call(nil), p.call(nil)
	nonce := b.nonce("alice")
	refused("made for another connection, with the nonce of this one", post(b, proof(t, a.binding("alice", nonce), signer)))
	refused("with the nonce of another connection", post(a, proof(t, a.binding("alice", b.nonce("alice")), signer)))
	assert.Equal(t, "AuthenticationRequired", b.user())

	for what, change := range map[string]func(*api.ProofRequest){
		"another user":   func(r *api.ProofRequest) { r.User = "bob" },
		"another host":   func(r *api.ProofRequest) { r.Host = "server02" },
		"another expiry": func(r *api.ProofRequest) { r.Expiry = r.Expiry.Add(time.Hour) },
		"no proof":       func(r *api.ProofRequest) { r.Proofs = nil },
		"seven proofs":   func(r *api.ProofRequest) { r.Proofs = slices.Repeat(r.Proofs, 7) },
	} {
		c := p.call(nil)
		r := proof(t, c.binding("alice", c.nonce("alice")), signer)
		change(r)
		refused(what, post(c, r))
	}
	c = p.call(nil)
	past := c.binding("alice", c.nonce("alice"))
	past.Expiry = time.Now().Add(-time.Minute).UTC().Truncate(time.Second)
	refused("expired", post(c, proof(t, past, signer)))

	// The client's TLS key is in the proof: nobody enrols theirs with a proof of mine.
	mine, theirs := newClientKey(t, nil, nil), newClientKey(t, nil, nil)
	c = p.call(&theirs)
	c.key = &mine
	refused("another TLS key", c.prove("alice", signer))

	// At most so many challenges wait on a connection.
	c = p.call(nil)
	codes := map[int]int{}
	for range 6 {
		codes[c.ask(http.MethodPost, api.RouteChallenge, &api.ChallengeRequest{User: "alice"}).StatusCode]++
	}
	assert.Equal(t, map[int]int{http.StatusOK: 4, http.StatusTooManyRequests: 2}, codes)
}

// What counts in authorized_keys, and who may log in, is what sshd would say.
func TestRulesOfOpenSSH(t *testing.T) {
	t.Parallel()
	p := newPeople(t, quick+"allow_users = [\"*\", \"!carol\"]\n")
	signer, line := newSigner(t)
	for _, c := range []struct {
		options string
		ok      bool
	}{
		{"", true}, {`from="127.0.0.0/8" `, true}, {`from="192.0.2.0/24" `, false}, {`from="*,!127.*" `, false}, {`command="id" `, false},
		{`expiry-time="20200101" `, false}, {"restrict ", true}, {"cert-authority ", false}, {"unknown ", false},
	} {
		p.lets("alice", c.options+line)
		assert.Equal(t, c.ok, p.call(nil).prove("alice", signer).StatusCode == http.StatusOK, c.options)
	}
	p.lets("alice", line)
	for path, mode := range map[string]os.FileMode{"people/alice": 0o770, "people/alice/.ssh": 0o702, "people/alice/.ssh/authorized_keys": 0o620} {
		before, err := os.Stat(p.path(path))
		require.NoError(t, err)
		require.NoError(t, os.Chmod(p.path(path), mode))
		assert.Equal(t, http.StatusForbidden, p.call(nil).prove("alice", signer).StatusCode, path)
		require.NoError(t, os.Chmod(p.path(path), before.Mode().Perm()))
	}
	for _, a := range accounts {
		p.lets(a.name, line)
		want := http.StatusForbidden
		if a.name == "alice" || a.name == "bob" {
			want = http.StatusOK
		}
		assert.Equal(t, want, p.call(nil).prove(a.name, signer).StatusCode, a.name)
	}
	for _, name := range []string{"root", "nobody", "4001", "", "-x", "../alice", "alice\n", strings.Repeat("a", 5000)} {
		assert.Equal(t, http.StatusForbidden, p.call(nil).prove(name, signer).StatusCode, "%.20q", name)
	}
}

// The file of a user is read as the user: a link to what only root may read gives no key.
func TestKeysOfALinkToRootsFile(t *testing.T) {
	t.Parallel()
	p := newPeople(t, quick)
	signer, line := newSigner(t)
	require.NoError(t, os.WriteFile(p.path("people", "secret"), []byte(line), 0o600))
	require.NoError(t, os.Symlink("/home/secret", p.path("people", "alice", ".ssh", "authorized_keys")))
	assert.Equal(t, http.StatusForbidden, p.call(nil).prove("alice", signer).StatusCode)
}

// An enrolment outlives the host, and neither its user's account nor its end.
func TestEnrolmentEnds(t *testing.T) {
	t.Parallel()
	p := newPeople(t, quick)
	signer, line := newSigner(t)
	p.lets("alice", line)
	key := newClientKey(t, nil, nil)
	require.Equal(t, http.StatusOK, p.call(&key).prove("alice", signer).StatusCode)
	host := p.serveAgain(nil)
	require.Equal(t, "alice", p.call(&key).user(), "after a restart")

	passwd, err := os.ReadFile(p.path("etc", "shadow"))
	require.NoError(t, err)
	p.serveAgain(host)
	require.NoError(t, os.WriteFile(p.path("etc", "shadow"), []byte(strings.Replace(string(passwd), "alice:*", "alice:!", 1)), 0o600))
	assert.Equal(t, "AuthenticationRequired", p.call(&key).user(), "locked meanwhile")
	require.NoError(t, os.WriteFile(p.path("etc", "shadow"), passwd, 0o600))

	short := newClientKey(t, nil, nil)
	c := p.call(&short)
	b := c.binding("bob", c.nonce("bob"))
	b.Expiry = time.Now().Add(2 * time.Second).UTC().Truncate(time.Second)
	p.lets("bob", line)
	require.Equal(t, http.StatusOK, c.ask(http.MethodPost, api.RouteProof, proof(t, b, signer)).StatusCode)
	eventually(t, "the enrolment is over", func() bool {
		return p.call(&short).user() == "AuthenticationRequired" && c.user() == "AuthenticationRequired"
	})

	left := newClientKey(t, nil, nil)
	c = p.call(&left)
	require.Equal(t, http.StatusOK, c.prove("bob", signer).StatusCode)
	require.Equal(t, http.StatusOK, c.ask(http.MethodPost, api.RouteLeave, nil).StatusCode)
	assert.Equal(t, "AuthenticationRequired", p.call(&left).user())
}

// serveAgain kills the host and starts another.
func (p *people) serveAgain(r *running) *running {
	p.t.Helper()
	require.NoError(p.t, syscall.Kill(p.info.Pid, syscall.SIGKILL))
	if r != nil {
		<-r.done
	}
	eventually(p.t, "it has ended", func() bool { return syscall.Kill(p.info.Pid, 0) != nil })
	return p.serve()
}

// A host that is not root's lets its own user in and nobody else, whatever keys and
// passwords others have.
func TestHostOfAUserLetsItsOwnerIn(t *testing.T) {
	t.Parallel()
	p := newPeople(t, quick)
	signer, line := newSigner(t)
	p.lets("alice", line)
	p.lets("bob", line)
	bin, err := os.ReadFile(p.bin)
	require.NoError(t, err)
	require.NoError(t, os.WriteFile(p.path("people", "pss"), bin, 0o755)) //nolint:gosec // everybody runs it
	bob := *p.world
	bob.bin = "/home/pss"
	bob.within = append(slices.Clone(p.within), "setpriv", "--reuid=bob", "--regid=bob", "--init-groups")
	bob.env = append(bob.env, "PSS_HOME=/home/bob/pss", "HOME=/home/bob")
	q := &people{world: &bob}
	bob.start("host", "--listen", "127.0.0.1:0")
	eventually(t, "bob's host listens", func() bool {
		return config.ReadJSON(p.path("people", "bob", "pss", "host", "info.json"), &q.info) == nil && q.info.Port != 0
	})
	assert.Equal(t, "bob", q.info.Serves)
	assert.Equal(t, config.ServesAll, p.info.Serves)
	assert.Equal(t, http.StatusForbidden, q.call(nil).prove("alice", signer).StatusCode)
	assert.Equal(t, http.StatusForbidden, q.call(nil).prove("root", signer).StatusCode)
	c := q.call(nil)
	require.Equal(t, http.StatusOK, c.prove("bob", signer).StatusCode)
	assert.Equal(t, "bob", c.user())
	assert.Equal(t, http.StatusOK, c.ask(http.MethodGet, api.RouteSessions, nil).StatusCode, "they are bob's")
}

// authority makes a certificate one that signs others.
func authority(c *x509.Certificate) {
	c.IsCA, c.BasicConstraintsValid, c.KeyUsage = true, true, x509.KeyUsageCertSign
}

// commonName gives a certificate its name.
func commonName(cn string) func(*x509.Certificate) {
	return func(c *x509.Certificate) { c.Subject = pkix.Name{CommonName: cn} }
}

// A certificate of the authority is the user's that host.toml says, and no other is.
func TestCertificatesOfUsers(t *testing.T) {
	t.Parallel()
	ca, foreign, self := newClientKey(t, nil, authority), newClientKey(t, nil, authority), newClientKey(t, nil, nil)
	file := t.TempDir() + "/ca.pem"
	require.NoError(t, os.WriteFile(file, pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: ca.Certificate[0]}), 0o600))
	p := newPeople(t, quick+fmt.Sprintf("client_ca_file = %q\n[certificates]\n%q = \"alice\"\n\"CN=bob\" = \"bob\"\n\"email:a@example.com\" = \"alice\"\n\"uri:spiffe://x/bob\" = \"bob\"\n\"CN=root\" = \"root\"\n\"CN=locked\" = \"locked\"\n",
		file, client.Fingerprint(self.Leaf)))
	for _, c := range []struct {
		what   string
		ca     *tls.Certificate
		change func(*x509.Certificate)
		want   string
	}{
		{"by CN", &ca, commonName("bob"), "bob"},
		{"by mail", &ca, func(c *x509.Certificate) { c.EmailAddresses = []string{"a@example.com"} }, "alice"},
		{"by URI", &ca, func(c *x509.Certificate) { c.URIs = []*url.URL{{Scheme: "spiffe", Host: "x", Path: "/bob"}} }, "bob"},
		{"two users", &ca, func(c *x509.Certificate) { commonName("bob")(c); c.EmailAddresses = []string{"a@example.com"} }, "AuthenticationRequired"},
		{"unknown name", &ca, commonName("carol"), "AuthenticationRequired"},
		{"another authority", &foreign, commonName("bob"), "AuthenticationRequired"},
		{"self-signed", nil, commonName("bob"), "AuthenticationRequired"},
		{"expired", &ca, func(c *x509.Certificate) { commonName("bob")(c); c.NotAfter = time.Now().Add(-time.Minute) }, "AuthenticationRequired"},
		{"for servers", &ca, func(c *x509.Certificate) {
			commonName("bob")(c)
			c.ExtKeyUsage = []x509.ExtKeyUsage{x509.ExtKeyUsageServerAuth}
		}, "AuthenticationRequired"},
		{"root", &ca, commonName("root"), "AuthenticationRequired"},
		{"locked", &ca, commonName("locked"), "AuthenticationRequired"},
	} {
		key := newClientKey(t, c.ca, c.change)
		assert.Equal(t, c.want, p.call(&key).user(), c.what)
	}
	assert.Equal(t, "alice", p.call(&self).user())
	audit, err := os.ReadFile(p.path("host", "audit.ndjson"))
	require.NoError(t, err)
	assert.Regexp(t, `"User":"bob","Method":"Certificate","Address":"127\.0\.0\.1:\d+","Key":"sha256:`, string(audit))
}

// Attempts are counted: also the right password is refused after too many wrong ones.
func TestAttemptsAreLimited(t *testing.T) {
	t.Parallel()
	p := newPeople(t, "auth_failure_time = \"50ms\"\nauth_attempts = 2\n")
	r := p.feed(strings.NewReader("right\n"), "host", "passwd", "alice")
	require.Zero(t, r.code, r.err)
	try := func(password string) int {
		return p.call(nil).ask(http.MethodPost, api.RoutePassword, &api.PasswordRequest{User: "alice", Password: password}).StatusCode
	}
	require.Equal(t, http.StatusOK, try("right"))
	require.Equal(t, http.StatusForbidden, try("wrong"))
	assert.Equal(t, http.StatusForbidden, try("right"))
}
