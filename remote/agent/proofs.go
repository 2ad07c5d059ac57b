package agent

import (
	"context"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/tls"
	"crypto/x509"
	"crypto/x509/pkix"
	"errors"
	"math/big"
	"net"
	"sync"
	"time"

	"pss/config"
	"pss/remote/api"
	"pss/remote/client"
	"pss/remote/planted"
)

// proofs is who the user is for the host of a computer: a TLS key that lives in memory, and
// until when the host takes it for the user. It outlives changes of config.toml.
type proofs struct {
	mu      sync.Mutex // guards what follows
	shown   *tls.Certificate
	own     bool      // shown is a certificate of the user's, and may be proof enough
	denied  bool      // it was not
	until   time.Time // the host takes shown's key for the user
	proof   int       // counts
	flight  *flight   // somebody proves just now
	made    net.Conn  // on which it was proved; the next request's
	discard *time.Timer
}

// flight is one attempt to prove, on which everybody waits.
type flight struct {
	done chan struct{}
	err  error
	asks bool // somebody can be asked meanwhile
}

const (
	// madeLife is how long the connection of a proof waits for a request.
	madeLife = 20 * time.Second
	// tlsKeyLife is longer than an agent lives.
	tlsKeyLife = 10 * 365 * 24 * time.Hour
)

// proofsLocked returns what is known of the user at the computer, in the way in which the
// computer's ref wants to be known there.
func (a *Agent) proofsLocked(k *computer) *proofs {
	key := api.KeyOf(k.name) + " " + k.user() + " " + k.conf.Address + " " + k.conf.Certificate
	p := a.proofs[key]
	if p == nil {
		p = &proofs{}
		a.proofs[key] = p
	}
	return p
}

// user is as whom the user wants to be known on the computer.
func (k *computer) user() string {
	switch {
	case k.target.User != "":
		return k.target.User
	case k.conf.User != "":
		return k.conf.User
	}
	return k.a.user
}

// identity is what makes the computer know who asks, or nil.
func (k *computer) identity() client.Identity {
	if k.proofs == nil {
		return nil
	}
	return k
}

// take returns the connection on which it was proved who asks, once.
func (p *proofs) take() net.Conn {
	if p == nil {
		return nil
	}
	p.mu.Lock()
	defer p.mu.Unlock()
	c := p.made
	if p.made = nil; c != nil {
		p.discard.Stop()
	}
	return c
}

// number is that of the newest proof.
func (p *proofs) number() int {
	p.mu.Lock()
	defer p.mu.Unlock()
	return p.proof
}

// enrolled notes that the host takes our TLS key for the user.
func (p *proofs) enrolled(e *api.Enrolment, c net.Conn, now time.Time) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.until, p.denied = e.Until, false
	p.proof++
	if latest := now.Add(api.MaxEnrolment); p.until.After(latest) { // another clock
		p.until = latest
	}
	if p.made != nil {
		p.discard.Stop()
		p.made.Close()
	}
	if p.made = c; c == nil {
		return
	}
	p.discard = time.AfterFunc(madeLife, func() {
		p.mu.Lock()
		defer p.mu.Unlock()
		if p.made == c {
			p.made = nil
			c.Close()
		}
	})
}

// certificate is what is shown to the host in each handshake: the user's own, where one is
// named, or a new one of this agent's, which says nothing but its key.
func (k *computer) certificate() (*tls.Certificate, error) {
	if k.proofs == nil {
		return nil, nil
	}
	k.proofs.mu.Lock()
	defer k.proofs.mu.Unlock()
	if k.proofs.shown != nil {
		return k.proofs.shown, nil
	}
	own, err := k.ownCertificate()
	switch {
	case err != nil:
		return nil, err
	case own != nil:
		k.proofs.shown, k.proofs.own = &own.Certificate, true
	default:
		if k.proofs.shown, err = newTLSKey(); err != nil {
			return nil, err
		}
	}
	return k.proofs.shown, nil
}

// ownCertificate is the certificate that the command line or config.toml names, or nil.
func (k *computer) ownCertificate() (*config.ClientCertificate, error) {
	switch {
	case k.target.Thumbprint != "":
		return k.a.paths.FindCertificate(k.target.Thumbprint, time.Now())
	case k.conf.Certificate != "":
		c, err := config.ReadCertificate(k.conf.Certificate)
		if err != nil {
			return nil, api.Errorf(api.CodeAccessDenied, "the client certificate for %s cannot be read: %v", k.shown(), err).
				WithID("CertificateNotFound").On(k.shown()).Hint("correct certificate_file of [computers.%s] in config.toml", k.shown())
		}
		return c, nil
	case k.target.Authentication == api.MethodCertificate:
		return nil, api.Errorf(api.CodeInvalidArgument, "no client certificate is named for %s", k.shown()).WithID("CertificateNotFound").On(k.shown()).
			Hint("give --certificate-thumbprint, or write certificate_file into [computers.%s] of config.toml", k.shown())
	}
	return nil, nil
}

// newTLSKey makes a key that is never written anywhere, and a certificate that carries it.
func newTLSKey() (*tls.Certificate, error) {
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		return nil, err
	}
	now := time.Now()
	t := &x509.Certificate{
		SerialNumber: big.NewInt(now.UnixNano()), Subject: pkix.Name{CommonName: "pss"},
		NotBefore: now.Add(-24 * time.Hour), NotAfter: now.Add(tlsKeyLife),
		KeyUsage: x509.KeyUsageDigitalSignature, ExtKeyUsage: []x509.ExtKeyUsage{x509.ExtKeyUsageClientAuth},
	}
	der, err := x509.CreateCertificate(rand.Reader, t, t, &key.PublicKey, key)
	if err != nil {
		return nil, err
	}
	leaf, err := x509.ParseCertificate(der)
	return &tls.Certificate{Certificate: [][]byte{der}, PrivateKey: key, Leaf: leaf}, err
}

// Ready returns when the host should know who asks, which may need a proof: several
// requests wait for one. Nobody is asked on behalf of work in the background.
func (k *computer) Ready(ctx context.Context) (int, error) {
	if _, err := k.certificate(); err != nil {
		return 0, err
	}
	who := k.person(ctx)
	for {
		p := k.proofs
		p.mu.Lock()
		if proof := p.proof; k.usesToken() || k.provedLocked(time.Now()) {
			p.mu.Unlock()
			return proof, nil
		}
		if who == nil {
			p.mu.Unlock()
			return 0, k.unproved()
		}
		f, mine := p.flight, false
		if f == nil {
			f, mine = &flight{done: make(chan struct{}), asks: who.asker != nil}, true
			p.flight = f
		}
		p.mu.Unlock()
		if mine {
			f.err = k.prove(ctx, who)
			p.mu.Lock()
			p.flight = nil
			p.mu.Unlock()
			close(f.done)
		} else {
			select {
			case <-f.done:
			case <-ctx.Done():
				return 0, ctx.Err()
			}
		}
		switch {
		case f.err == nil && mine: // what was enrolled for a moment only is good for this request
			return p.number(), nil
		case f.err == nil:
		case !mine && (errors.Is(f.err, context.Canceled) || who.asker != nil && !f.asks):
			// It was somebody's who has left, or could not be asked as we can.
		default:
			return 0, f.err
		}
	}
}

// provedLocked reports whether the host should know who we are. A certificate of the
// user's own is thought to be enough until the host says otherwise.
func (k *computer) provedLocked(now time.Time) bool {
	p := k.proofs
	if now.Before(p.until) {
		return true
	}
	return p.own && !p.denied && (k.target.Authentication == "" || k.target.Authentication == api.MethodCertificate)
}

// Denied forgets a proof that the host does not know, or not any more.
func (k *computer) Denied(proof int, err *api.Error) error {
	p := k.proofs
	p.mu.Lock()
	defer p.mu.Unlock()
	switch {
	case k.usesToken():
		return err
	case p.own && k.target.Authentication == api.MethodCertificate:
		return api.Errorf(api.CodeAccessDenied, "[%s] access is denied: the host knows nobody by the certificate %s", k.shown(), p.shown.Leaf.Subject).
			WithID("AccessDenied").On(k.shown()).Hint("have its authority, and your name, entered in host.toml there")
	case p.proof != proof:
		return nil // somebody has proved it since
	}
	if !planted.On("enrolment-kept-when-denied") {
		p.until, p.denied = time.Time{}, true
	}
	return nil
}

// unproved is the error of work in the background: the next cmdlet that uses the computer
// proves it.
func (k *computer) unproved() error {
	return api.Errorf(api.CodeAccessDenied, "[%s] it has yet to be proved that you are %s", k.shown(), k.user()).
		WithID(api.IDNobody).On(k.shown()).Hint("pss get-pssession %s proves it", k.asked())
}

// otherWay is the dialer of a computer that config.toml reaches through ssh, where ssh
// alone knows who one is.
func (k *computer) otherWay(context.Context) (net.Conn, error) {
	return nil, api.Errorf(api.CodeInvalidArgument, "%s is reached through ssh, which proves who you are", k.shown()).WithID("AmbiguousAuthentication").
		On(k.shown()).Hint("name the user there: --host-name %s@%s", k.user(), k.conf.SSH)
}
