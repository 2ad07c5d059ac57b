package client

import (
	"context"
	"crypto/tls"
	"errors"
	"net"
	"net/http"
	"sync"

	"pss/remote/api"
)

// Identity makes a peer know who asks, before anything is asked of it.
type Identity interface {
	// Ready returns when the peer should know who asks, and the number of the proof on
	// which that rests; it may have to ask somebody, and takes its time for that.
	Ready(ctx context.Context) (proof int, err error)
	// Denied is told that a request was refused which rested on a proof. It returns nil
	// if it is worth to be Ready again and to repeat the request once (a request that is
	// refused so has done nothing), and else what to tell instead of err.
	Denied(proof int, err *api.Error) error
}

// IsNobody reports whether err says that the peer does not know who asks. One that knows it
// and refuses gives another error.
func IsNobody(err error) bool {
	var e *api.Error
	return errors.As(err, &e) && e.Code == api.CodeAccessDenied && e.FullyQualifiedErrorID == api.IDNobody
}

// known runs f, which makes a request, when the way to the peer is there and it knows who
// asks; and once more when it turns out that it did not.
func (c *Client) known(ctx context.Context, f func() error) error {
	if c.Prepare != nil {
		if err := c.Prepare(ctx); err != nil {
			return err
		}
	}
	if c.Identity == nil {
		return f()
	}
	for again := false; ; again = true {
		proof, err := c.Identity.Ready(ctx)
		if err != nil {
			return err
		}
		if err = f(); !IsNobody(err) || again {
			return err
		}
		if err := c.Identity.Denied(proof, api.AsError(err)); err != nil {
			return err
		}
		c.CloseIdle()
	}
}

// Introduce returns when the peer should know who asks; it may take the time of whoever is
// asked: whether the peer is the right one, too.
func (c *Client) Introduce(ctx context.Context) (proof int, err error) {
	if c.Identity == nil {
		return 0, nil
	}
	if c.Prepare != nil {
		if err := c.Prepare(ctx); err != nil {
			return 0, err
		}
	}
	return c.Identity.Ready(ctx)
}

// Line is a new connection to a host, on which somebody proves who they are.
type Line struct {
	client *Client
	state  *tls.ConnectionState
}

// OpenLine returns a Line on c, which has made its TLS handshake.
func OpenLine(c net.Conn) *Line {
	var once sync.Once
	dial := func(context.Context) (conn net.Conn, err error) {
		err = errLineEnded
		once.Do(func() { conn, err = c, nil })
		return conn, err
	}
	return &Line{client: &Client{Dial: dial, Host: "pss-host"}, state: TLSState(c)}
}

// errLineEnded says that the host has closed a Line.
var errLineEnded = errors.New("the host has ended the connection")

// IsLineEnded reports whether err says that the host has closed a Line: another one may
// serve.
func IsLineEnded(err error) bool { return errors.Is(err, errLineEnded) || wasKept(err) }

// State is what TLS knows of the connection.
func (l *Line) State() *tls.ConnectionState { return l.state }

// Challenge begins a proof.
func (l *Line) Challenge(ctx context.Context, req *api.ChallengeRequest) (*api.Challenge, error) {
	answer := &api.Challenge{}
	return answer, l.ask(ctx, api.RouteChallenge, req, answer)
}

// Prove answers a challenge of the same Line.
func (l *Line) Prove(ctx context.Context, req *api.ProofRequest) (*api.Enrolment, error) {
	answer := &api.Enrolment{}
	return answer, l.ask(ctx, api.RouteProof, req, answer)
}

// Password proves with a password.
func (l *Line) Password(ctx context.Context, req *api.PasswordRequest) (*api.Enrolment, error) {
	answer := &api.Enrolment{}
	return answer, l.ask(ctx, api.RoutePassword, req, answer)
}

func (l *Line) ask(ctx context.Context, path string, in, out any) error {
	ctx, cancel := l.client.bounded(ctx)
	defer cancel()
	return l.client.do(ctx, Request{Method: http.MethodPost, Path: path, In: in, Out: out})
}

// Take returns the connection, which is the next request's; nil: it has ended.
func (l *Line) Take() net.Conn {
	l.client.mu.Lock()
	defer l.client.mu.Unlock()
	if len(l.client.idle) == 0 {
		return nil
	}
	c := l.client.idle[0]
	l.client.idle = nil
	if c.br.Buffered() > 0 { // a host says nothing that it was not asked
		c.Close()
		return nil
	}
	return c.Conn
}

// Close ends the connection, unless it was taken.
func (l *Line) Close() {
	l.client.CloseIdle()
	if c, err := l.client.Dial(context.Background()); err == nil {
		c.Close()
	}
}
