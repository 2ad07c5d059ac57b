//go:build linux

package main_test

import (
	"bufio"
	"bytes"
	"crypto/ecdsa"
	"crypto/ed25519"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/sha256"
	"crypto/tls"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/json"
	"fmt"
	"io"
	"math/big"
	"net"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	"golang.org/x/crypto/ssh"

	"pss/config"
	"pss/remote/api"
	"pss/remote/identity"
)

// people are users of a host whose /etc and /home are its own.
type people struct {
	*world
	info config.HostInfo
}

// accounts are the users: what their shadow line begins with, how it goes on, their shell.
var accounts = []struct {
	name, password, aging, shell string
}{
	{"alice", "*", "20000:0:99999:7:::", "/bin/sh"},
	{"bob", "*", "20000:0:99999:7:::", "/bin/sh"},
	{"locked", "!x", "20000:0:99999:7:::", "/bin/sh"},
	{"expired", "*", "20000:0:99999:7::100:", "/bin/sh"},
	{"mustchange", "*", "0:0:99999:7:::", "/bin/sh"},
	{"noshell", "*", "20000:0:99999:7:::", "/usr/sbin/nologin"},
}

const firstUID = 4001

// newPeople starts a host of root's, or skips the test where that cannot be.
func newPeople(t *testing.T, settings string) *people {
	t.Helper()
	return newPeopleOf(t, racePSS, settings)
}

func newPeopleOf(t *testing.T, bin func() (string, error), settings string) *people {
	t.Helper()
	if os.Geteuid() != 0 || exec.Command("unshare", "--mount", "true").Run() != nil {
		t.Skip("a host of many users needs root and a mount namespace")
	}
	passwd, group, shadow := "root:x:0:0:root:/root:/bin/sh\nnobody:x:65534:65534::/nonexistent:/usr/sbin/nologin\n", "root:x:0:\nstaff:x:5000:alice\n", "root:*:20000:0:99999:7:::\nnobody:*:20000:0:99999:7:::\n"
	for i, a := range accounts {
		passwd += fmt.Sprintf("%s:x:%d:%d::/home/%s:%s\n", a.name, firstUID+i, firstUID+i, a.name, a.shell)
		group += fmt.Sprintf("%s:x:%d:\n", a.name, firstUID+i)
		shadow += fmt.Sprintf("%s:%s:%s\n", a.name, a.password, a.aging)
	}
	w := newWorld(t, bin, map[string]string{
		"host.toml": shortLease + settings, "etc/passwd": passwd, "etc/group": group, "etc/shadow": shadow,
	})
	for _, name := range []string{"etc/passwd", "etc/group"} {
		require.NoError(t, os.Chmod(w.path(name), 0o644)) // everybody looks there
	}
	require.NoError(t, os.Mkdir(w.path("people"), 0o755))
	for i, a := range accounts {
		dir := w.path("people", a.name)
		require.NoError(t, os.MkdirAll(filepath.Join(dir, ".ssh"), 0o700))
		for _, d := range []string{dir, filepath.Join(dir, ".ssh")} {
			require.NoError(t, os.Chown(d, firstUID+i, firstUID+i))
		}
	}
	mount := `for f in passwd group shadow; do mount --bind "$0/etc/$f" /etc/$f; done; mount --bind "$0/people" /home; exec "$@"`
	w.within = []string{"unshare", "--mount", "sh", "-ec", mount, w.home}
	p := &people{world: w}
	p.serve()
	return p
}

// serve starts the host.
func (p *people) serve() *running {
	p.t.Helper()
	_ = os.Remove(p.path("host", "info.json"))
	r := p.start("host", "--listen", "127.0.0.1:0")
	eventually(p.t, "the host listens", func() bool {
		return config.ReadJSON(p.path("host", "info.json"), &p.info) == nil && p.info.Port != 0
	})
	return r
}

// lets writes a user's authorized_keys.
func (p *people) lets(user, text string) {
	p.t.Helper()
	path := p.path("people", user, ".ssh", "authorized_keys")
	require.NoError(p.t, os.WriteFile(path, []byte(text), 0o600))
	uid := int(p.uid(user))
	require.NoError(p.t, os.Chown(path, uid, uid))
}

func (p *people) uid(user string) uint32 {
	for i, a := range accounts {
		if a.name == user {
			return uint32(firstUID + i)
		}
	}
	return 0
}

// newSigner is a key of ed25519, and its line in authorized_keys.
func newSigner(t *testing.T) (ssh.Signer, string) {
	t.Helper()
	_, key, err := ed25519.GenerateKey(rand.Reader)
	require.NoError(t, err)
	s, err := ssh.NewSignerFromKey(key)
	require.NoError(t, err)
	return s, string(ssh.MarshalAuthorizedKey(s.PublicKey()))
}

// newClientKey is a TLS certificate as a client makes one for itself, or what change
// makes of it; ca signs it if there is one.
func newClientKey(t *testing.T, ca *tls.Certificate, change func(*x509.Certificate)) tls.Certificate {
	t.Helper()
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	require.NoError(t, err)
	c := &x509.Certificate{
		SerialNumber: big.NewInt(time.Now().UnixNano()), Subject: pkix.Name{CommonName: "client"},
		NotBefore: time.Now().Add(-time.Hour), NotAfter: time.Now().Add(time.Hour),
		KeyUsage: x509.KeyUsageDigitalSignature, ExtKeyUsage: []x509.ExtKeyUsage{x509.ExtKeyUsageClientAuth},
	}
	if change != nil {
		change(c)
	}
	parent, signer := c, any(key)
	if ca != nil {
		parent, signer = ca.Leaf, ca.PrivateKey
	}
	der, err := x509.CreateCertificate(rand.Reader, c, parent, &key.PublicKey, signer)
	require.NoError(t, err)
	leaf, err := x509.ParseCertificate(der)
	require.NoError(t, err)
	return tls.Certificate{Certificate: [][]byte{der}, PrivateKey: key, Leaf: leaf}
}

// caller is one connection to the host.
type caller struct {
	t    *testing.T
	conn *tls.Conn
	br   *bufio.Reader
	key  *tls.Certificate
}

// call connects, with a client certificate if key is not nil.
func (p *people) call(key *tls.Certificate) *caller {
	p.t.Helper()
	conf := &tls.Config{InsecureSkipVerify: true, MinVersion: tls.VersionTLS13} //nolint:gosec // whose key it is stands in the proof
	if key != nil {
		conf.Certificates = []tls.Certificate{*key}
	}
	conn, err := tls.Dial("tcp", net.JoinHostPort(p.info.Address, strconv.Itoa(p.info.Port)), conf)
	require.NoError(p.t, err)
	p.t.Cleanup(func() { conn.Close() })
	return &caller{t: p.t, conn: conn, br: bufio.NewReader(conn), key: key}
}

// reply is what the host answered.
type reply struct {
	*http.Response
	body []byte
	took time.Duration
}

func (r *reply) error(t *testing.T) *api.Error {
	t.Helper()
	e := &api.Error{}
	require.NoError(t, json.Unmarshal(r.body, e), "%s", r.body)
	return e
}

// ask makes one request on the connection.
func (c *caller) ask(method, path string, in any, change ...func(*http.Request)) *reply {
	c.t.Helper()
	body, err := json.Marshal(in)
	require.NoError(c.t, err)
	if in == nil {
		body = nil
	}
	req, err := http.NewRequest(method, "https://host"+path, bytes.NewReader(body))
	require.NoError(c.t, err)
	for _, f := range change {
		f(req)
	}
	require.NoError(c.t, c.conn.SetDeadline(time.Now().Add(patience)))
	start := time.Now()
	require.NoError(c.t, req.Write(c.conn))
	r, err := http.ReadResponse(c.br, req)
	require.NoError(c.t, err)
	data, err := io.ReadAll(r.Body)
	require.NoError(c.t, err)
	return &reply{Response: r, body: data, took: time.Since(start)}
}

// nonce asks for a challenge.
func (c *caller) nonce(user string) []byte {
	c.t.Helper()
	r := c.ask(http.MethodPost, api.RouteChallenge, &api.ChallengeRequest{User: user})
	require.Equal(c.t, http.StatusOK, r.StatusCode, "%s", r.body)
	var out api.Challenge
	require.NoError(c.t, json.Unmarshal(r.body, &out))
	return out.Nonce
}

// binding is what a client signs on this connection.
func (c *caller) binding(user string, nonce []byte) *identity.Binding {
	c.t.Helper()
	state := c.conn.ConnectionState()
	e, err := identity.Export(&state, nonce)
	require.NoError(c.t, err)
	server := sha256.Sum256(state.PeerCertificates[0].RawSubjectPublicKeyInfo)
	b := &identity.Binding{
		Exported: e, Nonce: nonce, ServerKey: server[:], Host: "host", User: user, Expiry: time.Now().Add(time.Hour).UTC().Truncate(time.Second),
	}
	if c.key != nil {
		b.ClientKey = identity.KeySum(c.key.Leaf)
	}
	return b
}

// proof is the request that goes with a binding; signers sign its message.
func proof(t *testing.T, b *identity.Binding, signers ...ssh.Signer) *api.ProofRequest {
	t.Helper()
	out := &api.ProofRequest{User: b.User, Host: b.Host, Nonce: b.Nonce, Expiry: b.Expiry}
	for _, s := range signers {
		p, err := identity.Sign(s, b.Message())
		require.NoError(t, err)
		out.Proofs = append(out.Proofs, p)
	}
	return out
}

// prove is challenge and proof.
func (c *caller) prove(user string, signers ...ssh.Signer) *reply {
	c.t.Helper()
	return c.ask(http.MethodPost, api.RouteProof, proof(c.t, c.binding(user, c.nonce(user)), signers...))
}

// user is as whom the host takes the connection, or the id of its refusal.
func (c *caller) user() string {
	c.t.Helper()
	r := c.ask(http.MethodGet, api.RouteVersion, nil)
	if r.StatusCode != http.StatusOK {
		return r.error(c.t).FullyQualifiedErrorID
	}
	var v api.VersionInfo
	require.NoError(c.t, json.Unmarshal(r.body, &v))
	return v.User
}
