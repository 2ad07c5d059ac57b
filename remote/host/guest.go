package host

import (
	"context"
	"net"
	"net/http"
	"net/netip"
	"sync"
	"time"

	"pss/remote/planted"
)

// guest is what is known of whoever is at the other end of a connection. A connection that
// an attachment has given back is a new peer: it has to show again who it is, by the key
// that was enrolled.
type guest struct {
	conn net.Conn

	mu     sync.Mutex // guards what follows
	nonces map[string]time.Time
	who    principal // whom the connection is bound to
	until  time.Time // until when
	noted  string    // the user for whom its certificate stands in the audit log
}

const (
	// nonceLife is how long a challenge may be answered: a person may have to touch a key.
	nonceLife = 30 * time.Second
	// maxNonces bounds the challenges of a connection that wait for their answer.
	maxNonces = 4
)

// knowConn is for http.Server's ConnContext: what a connection tells of its peer.
func knowConn(ctx context.Context, c net.Conn) context.Context {
	return context.WithValue(ctx, connKey{}, &guest{conn: c, nonces: map[string]time.Time{}})
}

// guestOf returns who is at the other end of the connection that the request came by.
func guestOf(r *http.Request) *guest {
	p, ok := r.Context().Value(connKey{}).(*guest)
	if !ok {
		return &guest{nonces: map[string]time.Time{}}
	}
	return p
}

// connOf returns the connection that the request came by.
func connOf(r *http.Request) net.Conn { return guestOf(r).conn }

// ipOf is where the request comes from; not valid: from no address.
func ipOf(r *http.Request) netip.Addr {
	at, err := netip.ParseAddrPort(r.RemoteAddr)
	if err != nil {
		return netip.Addr{}
	}
	return at.Addr().Unmap()
}

// challenge remembers a nonce; false: too many wait.
func (p *guest) challenge(nonce []byte, now time.Time) bool {
	p.mu.Lock()
	defer p.mu.Unlock()
	for n, until := range p.nonces {
		if !now.Before(until) {
			delete(p.nonces, n)
		}
	}
	if len(p.nonces) >= maxNonces {
		return false
	}
	p.nonces[string(nonce)] = now.Add(nonceLife)
	return true
}

// answered takes the nonce back and reports whether it could still be answered: once.
func (p *guest) answered(nonce []byte, now time.Time) bool {
	p.mu.Lock()
	defer p.mu.Unlock()
	until, ok := p.nonces[string(nonce)]
	if !planted.On("nonce-used-twice") {
		delete(p.nonces, string(nonce))
	}
	return ok && now.Before(until)
}

// bind makes the connection the user's until then.
func (p *guest) bind(who principal, until time.Time) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.who, p.until = who, until
}

// bound returns whom the connection is bound to.
func (p *guest) bound() (principal, bool) {
	p.mu.Lock()
	defer p.mu.Unlock()
	return p.who, p.who.Name != "" && time.Now().Before(p.until)
}

// note reports whether this is the first time that the connection's certificate counts
// for the user.
func (p *guest) note(user string) bool {
	p.mu.Lock()
	defer p.mu.Unlock()
	first := p.noted != user
	p.noted = user
	return first
}
