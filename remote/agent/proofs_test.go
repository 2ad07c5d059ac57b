package agent

import (
	"context"
	"crypto/ecdsa"
	"crypto/ed25519"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/sha256"
	"crypto/tls"
	"crypto/x509"
	"encoding/json"
	"io"
	"log/slog"
	"math/big"
	"net"
	"net/http"
	"path/filepath"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
	"golang.org/x/crypto/ssh"
	sshagent "golang.org/x/crypto/ssh/agent"

	"pss/config"
	"pss/remote/api"
	"pss/remote/client"
	"pss/remote/identity"
)

// door is a host of which nobody comes further than its door: it takes proofs, and tells
// who asks.
type door struct {
	t         *testing.T
	address   string
	cert      *x509.Certificate
	proofs    atomic.Int32 // that were offered
	passwords atomic.Int32
	refuses   atomic.Bool // every proof
	mu        sync.Mutex  // guards what follows
	keys      map[string]string
	enrolled  map[string]string
	nonces    map[string]bool
}

// ownTLS is a key and a certificate for a server of a test.
func ownTLS(t *testing.T) tls.Certificate {
	t.Helper()
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	require.NoError(t, err)
	c := &x509.Certificate{SerialNumber: big.NewInt(1), NotBefore: time.Now().Add(-time.Hour), NotAfter: time.Now().Add(time.Hour)}
	der, err := x509.CreateCertificate(rand.Reader, c, c, &key.PublicKey, key)
	require.NoError(t, err)
	leaf, err := x509.ParseCertificate(der)
	require.NoError(t, err)
	return tls.Certificate{Certificate: [][]byte{der}, PrivateKey: key, Leaf: leaf}
}

type doorConn struct{}

func newDoor(t *testing.T) *door {
	t.Helper()
	cert := ownTLS(t)
	d := &door{t: t, cert: cert.Leaf, keys: map[string]string{}, enrolled: map[string]string{}, nonces: map[string]bool{}}
	l, err := net.Listen("tcp", "127.0.0.1:0")
	require.NoError(t, err)
	d.address = l.Addr().String()
	mux := http.NewServeMux()
	mux.HandleFunc("POST "+api.RouteChallenge, client.Serve(d.challenge))
	mux.HandleFunc("POST "+api.RouteProof, client.Serve(d.proof))
	mux.HandleFunc("POST "+api.RoutePassword, client.Serve(func(http.ResponseWriter, *http.Request) (any, error) {
		d.passwords.Add(1)
		return nil, api.Errorf(api.CodeAccessDenied, "access is denied")
	}))
	mux.HandleFunc("GET "+api.RouteVersion, client.Serve(func(_ http.ResponseWriter, r *http.Request) (any, error) {
		d.mu.Lock()
		defer d.mu.Unlock()
		if user := d.enrolled[d.shown(r)]; user != "" {
			return &api.VersionInfo{Version: api.Version, User: user}, nil
		}
		return nil, api.Errorf(api.CodeAccessDenied, "nobody").WithID(api.IDNobody)
	}))
	s := client.NewServer(mux, slog.New(slog.DiscardHandler))
	s.ConnContext = func(ctx context.Context, c net.Conn) context.Context { return context.WithValue(ctx, doorConn{}, c) }
	go s.Serve(client.ListenTLS(l, func() *tls.Certificate { return &cert }))
	t.Cleanup(func() { s.Close() })
	return d
}

func (d *door) state(r *http.Request) *tls.ConnectionState {
	return client.TLSState(r.Context().Value(doorConn{}).(net.Conn))
}

// shown is the TLS key of the client.
func (d *door) shown(r *http.Request) string {
	state := d.state(r)
	if len(state.PeerCertificates) == 0 {
		return ""
	}
	sum := sha256.Sum256(state.PeerCertificates[0].RawSubjectPublicKeyInfo)
	return string(sum[:])
}

func (d *door) challenge(_ http.ResponseWriter, _ *http.Request) (any, error) {
	nonce := make([]byte, identity.NonceSize)
	rand.Read(nonce)
	d.mu.Lock()
	defer d.mu.Unlock()
	d.nonces[string(nonce)] = true
	return &api.Challenge{Nonce: nonce, Methods: []string{api.MethodPublicKey, api.MethodPassword}}, nil
}

func (d *door) proof(w http.ResponseWriter, r *http.Request) (any, error) {
	var in api.ProofRequest
	if err := client.ReadBody(w, r, &in); err != nil {
		return nil, err
	}
	d.proofs.Add(1)
	state := d.state(r)
	exported, err := identity.Export(state, in.Nonce)
	if err != nil {
		return nil, err
	}
	server := sha256.Sum256(d.cert.RawSubjectPublicKeyInfo)
	b := identity.Binding{Exported: exported, Nonce: in.Nonce, ServerKey: server[:], Host: in.Host, User: in.User, ClientKey: []byte(d.shown(r)), Expiry: in.Expiry}
	d.mu.Lock()
	defer d.mu.Unlock()
	fresh := d.nonces[string(in.Nonce)]
	delete(d.nonces, string(in.Nonce))
	for _, p := range in.Proofs {
		key, err := identity.Verify(p, b.Message())
		if err == nil && fresh && !d.refuses.Load() && d.keys[string(key.Marshal())] == in.User {
			d.enrolled[d.shown(r)] = in.User
			return &api.Enrolment{User: in.User, Method: api.MethodPublicKey, Until: time.Now().Add(time.Hour)}, nil
		}
	}
	return nil, api.Errorf(api.CodeAccessDenied, "access is denied").WithID("AccessDenied")
}

// forget is a host whose enrolments are lost.
func (d *door) forget() {
	d.mu.Lock()
	defer d.mu.Unlock()
	clear(d.enrolled)
}

// newKeys is an ssh-agent with a key, which counts for user at the door.
func (d *door) newKeys(user string) (socket string) {
	d.t.Helper()
	public, key, err := ed25519.GenerateKey(rand.Reader)
	require.NoError(d.t, err)
	ring := sshagent.NewKeyring()
	require.NoError(d.t, ring.Add(sshagent.AddedKey{PrivateKey: key}))
	k, err := ssh.NewPublicKey(public)
	require.NoError(d.t, err)
	d.mu.Lock()
	d.keys[string(k.Marshal())] = user
	d.mu.Unlock()
	socket = filepath.Join(d.t.TempDir(), "s")
	l, err := net.Listen("unix", socket)
	require.NoError(d.t, err)
	d.t.Cleanup(func() { l.Close() })
	go func() {
		for {
			c, err := l.Accept()
			if err != nil {
				return
			}
			go func() {
				defer c.Close()
				_ = sshagent.ServeAgent(ring, c)
			}()
		}
	}()
	return socket
}

// agentOf is an agent whose computer far is that door, as address shows it.
func agentOf(t *testing.T, address string, cert *x509.Certificate) *Agent {
	t.Helper()
	home := t.TempDir()
	t.Setenv("HOME", filepath.Join(home, "nobody"))
	paths := config.Paths{Config: home, State: home}
	require.NoError(t, paths.Prepare())
	text := "[computers.far]\naddress = \"" + address + "\"\nuser = \"alice\"\nfingerprint = \"" + client.Fingerprint(cert) + "\"\n"
	require.NoError(t, config.WriteFile(paths.ClientFile(), []byte(text)))
	a, err := newAgent(paths, slog.New(slog.DiscardHandler))
	require.NoError(t, err)
	var cut context.CancelFunc
	a.ctx, cut = context.WithCancel(context.Background())
	t.Cleanup(func() { cut(); a.journal.close() })
	return a
}

// onBehalf is the context of a request of a cmdlet that has this ssh-agent.
func onBehalf(t *testing.T, socket string) context.Context {
	t.Helper()
	raw, err := json.Marshal(&api.Caller{Env: map[string]string{"SSH_AUTH_SOCK": socket}})
	require.NoError(t, err)
	return context.WithValue(t.Context(), callerKey{}, &caller{raw: string(raw), gone: t.Context().Done()})
}

func (a *Agent) whoAmI(ctx context.Context, computer string) (string, error) {
	v, err := a.hostFor(newClientSession("batch"), computer).Version(ctx)
	return v.User, err
}

// However many requests there are, one proof serves all; and none is asked for in the
// background.
func TestOneProofForAll(t *testing.T) {
	d := newDoor(t)
	socket := d.newKeys("alice")
	a := agentOf(t, d.address, d.cert)
	_, err := a.whoAmI(t.Context(), "far")
	require.Equal(t, api.IDNobody, api.AsError(err).FullyQualifiedErrorID, "work in the background proves nothing")
	require.Zero(t, d.proofs.Load())
	var all sync.WaitGroup
	for range 20 {
		all.Go(func() {
			user, err := a.whoAmI(onBehalf(t, socket), "far")
			assert.NoError(t, err)
			assert.Equal(t, "alice", user)
		})
	}
	all.Wait()
	require.EqualValues(t, 1, d.proofs.Load())
	user, err := a.whoAmI(t.Context(), "far")
	require.NoError(t, err, "what a cmdlet has proved serves the background")
	require.Equal(t, "alice", user)

	// A host that has forgotten it is told again, once for all, and only by a cmdlet.
	d.forget()
	_, err = a.whoAmI(t.Context(), "far")
	require.Equal(t, api.IDNobody, api.AsError(err).FullyQualifiedErrorID)
	for range 20 {
		all.Go(func() {
			_, err := a.whoAmI(onBehalf(t, socket), "far")
			assert.NoError(t, err)
		})
	}
	all.Wait()
	require.EqualValues(t, 2, d.proofs.Load())
}

// Two users on one computer are two enrolments, each by its own TLS key.
func TestTwoUsersAtOnce(t *testing.T) {
	d := newDoor(t)
	alice, bob := d.newKeys("alice"), d.newKeys("bob")
	a := agentOf(t, d.address, d.cert)
	far, also := "far", api.HTTPSTarget{User: "bob", Host: "far"}.Ref()
	for range 3 {
		user, err := a.whoAmI(onBehalf(t, alice), far)
		require.NoError(t, err)
		require.Equal(t, "alice", user)
		user, err = a.whoAmI(onBehalf(t, bob), also)
		require.NoError(t, err)
		require.Equal(t, "bob", user)
	}
	require.EqualValues(t, 2, d.proofs.Load())
	require.Len(t, d.enrolled, 2)

	// Another cmdlet's ssh-agent counts, not ours: carol is nobody with bob's key.
	_, err := a.whoAmI(onBehalf(t, bob), api.HTTPSTarget{User: "carol", Host: "far"}.Ref())
	require.True(t, api.IsCode(err, api.CodeAccessDenied), "%v", err)
	require.Contains(t, err.Error(), "access is denied to carol. Tried: ED25519 SHA256:")
	require.Zero(t, d.passwords.Load(), "nobody could be asked for a password")
}

// Who stands between, with a key that the client was made to accept, can pass on what it
// sees, and gets nowhere: the proof is for another connection, and another server.
func TestRelayedProofIsWorthless(t *testing.T) {
	d := newDoor(t)
	socket := d.newKeys("alice")
	cert := ownTLS(t)
	l, err := net.Listen("tcp", "127.0.0.1:0")
	require.NoError(t, err)
	t.Cleanup(func() { l.Close() })
	between := client.ListenTLS(l, func() *tls.Certificate { return &cert })
	go func() {
		for {
			c, err := between.Accept()
			if err != nil {
				return
			}
			go relay(c, d.address)
		}
	}()
	a := agentOf(t, l.Addr().String(), cert.Leaf)
	_, err = a.whoAmI(onBehalf(t, socket), "far")
	require.True(t, api.IsCode(err, api.CodeAccessDenied), "%v", err)
	require.EqualValues(t, 1, d.proofs.Load(), "the proof was passed on")
	require.Empty(t, d.enrolled)

	user, err := agentOf(t, d.address, d.cert).whoAmI(onBehalf(t, socket), "far")
	require.NoError(t, err)
	require.Equal(t, "alice", user)
}

// relay passes on what two connections say.
func relay(c net.Conn, address string) {
	defer c.Close()
	mine, err := newTLSKey()
	if err != nil {
		return
	}
	up, err := tls.Dial("tcp", address, &tls.Config{InsecureSkipVerify: true, Certificates: []tls.Certificate{*mine}})
	if err != nil {
		return
	}
	defer up.Close()
	go func() {
		_, _ = io.Copy(up, c)
		up.CloseWrite()
	}()
	_, _ = io.Copy(c, up)
}

// An enrolment never counts for longer than may be, whatever a host's clock says.
func TestEnrolmentIsBounded(t *testing.T) {
	p, now := &proofs{}, time.Now()
	p.enrolled(&api.Enrolment{Until: now.Add(1000 * time.Hour)}, nil, now)
	require.Equal(t, now.Add(api.MaxEnrolment), p.until)
	p.enrolled(&api.Enrolment{Until: now.Add(time.Hour)}, nil, now)
	require.Equal(t, now.Add(time.Hour), p.until)
	require.Equal(t, 2, p.number())
}

// What is asked while a security key waits for its touch is a notice, which goes away; and
// a key that wants a touch is tried after those that do not, alone.
func TestTouchIsAnnounced(t *testing.T) {
	d := newDoor(t)
	a := agentOf(t, d.address, d.cert)
	k := a.askers.of("me", t.Context().Done())
	_, key, err := ed25519.GenerateKey(rand.Reader)
	require.NoError(t, err)
	s, err := ssh.NewSignerFromKey(key)
	require.NoError(t, err)
	a.mu.Lock()
	far := a.computerLocked("far")
	a.mu.Unlock()
	slow := &slowSigner{Signer: s, pressed: make(chan struct{})}
	p := &prover{k: far, who: &person{asker: k}, user: "alice", expiry: time.Now().Add(time.Hour)}
	defer p.drop()
	_, err = far.certificate()
	require.NoError(t, err)
	done := make(chan error, 1)
	go func() {
		_, err := p.touched(t.Context(), &identity.Signer{Signer: slow, From: "ssh-agent", Touch: true})
		done <- err
	}()
	q := <-k.questions
	require.Equal(t, api.QuestionNotice, q.Kind)
	require.Contains(t, q.Text, "Touch your security key: ED25519 SHA256:")
	require.Contains(t, q.Text, "for alice@far")
	close(slow.pressed)
	require.NoError(t, <-done)
	<-q.over.Done() // it is taken away
}

// slowSigner signs when it is touched.
type slowSigner struct {
	ssh.Signer
	pressed chan struct{}
}

func (s *slowSigner) Sign(r io.Reader, data []byte) (*ssh.Signature, error) {
	<-s.pressed
	return s.Signer.Sign(r, data)
}

func TestKeyringOrder(t *testing.T) {
	var r keyring
	plain, touch := &identity.Signer{From: "a"}, &identity.Signer{From: "b", Touch: true}
	r.add(touch)
	r.add(plain)
	require.Equal(t, []*identity.Signer{plain}, r.plain)
	require.Equal(t, []*identity.Signer{touch}, r.touch)
}
