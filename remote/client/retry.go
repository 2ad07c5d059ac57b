package client

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"strings"
	"time"

	"pss/remote/api"
)

// lostError is a connection that broke, or stayed silent, between a request and
// its answer: whether the request took effect is not known.
type lostError struct {
	err  error
	kept bool // the connection had been kept, and was probably closed long ago
}

// Error says how the connection broke.
func (e *lostError) Error() string { return e.err.Error() }

// Unwrap returns the cause.
func (e *lostError) Unwrap() error { return e.err }

// broken is the error of a request whose answer did not come; the end of ctx is
// its own reason.
func (r *Request) broken(ctx context.Context, err error, kept bool) error {
	if ctx.Err() != nil {
		err, kept = ctx.Err(), false
	}
	return &lostError{fmt.Errorf("%s %s: %w", r.Method, r.Path, err), kept}
}

// wasKept reports whether err is no more than the end of a kept connection: a new one
// is tried at once, and there are few kept ones.
func wasKept(err error) bool {
	var l *lostError
	return errors.As(err, &l) && l.kept
}

// IsLost reports whether err is a lost answer: the request may have taken effect.
func IsLost(err error) bool {
	var l *lostError
	return errors.As(err, &l)
}

// IsBroken reports whether err means that the connection was lost before an
// answer came: whether the request took effect is not known.
func IsBroken(err error) bool {
	var e *api.Error
	return err != nil && !errors.As(err, &e)
}

// repeatable reports whether a request may be made again when its answer was lost.
// Ids are chosen by the client and epochs tell an old request from a new one, so all
// of ours may; of a later version's only those that HTTP says it of.
func repeatable(method, path string) bool {
	if method != http.MethodPost {
		return true
	}
	path, _, _ = strings.Cut(path, "?")
	for _, route := range []string{api.RouteAttach, api.RouteDetach, api.RouteAck, api.RouteSignal, api.RouteHeartbeat, api.RouteJobStop, api.RouteJobConnect} {
		if path[strings.LastIndexByte(path, '/'):] == route[strings.LastIndexByte(route, '/'):] {
			return true
		}
	}
	return false
}

// repeat makes the request, and makes it again while its answer is lost. Once one
// was, a peer out of reach is no answer either, unless nothing is to be changed.
func (c *Client) repeat(ctx context.Context, r Request) error {
	began, lost, wait := time.Now(), false, firstRetry
	for {
		err := c.do(ctx, r)
		if wasKept(err) {
			lost = true
			continue
		}
		switch {
		case lost && r.Method == http.MethodDelete && isGone(err):
			return nil // the one whose answer was lost has done it
		case IsLost(err), api.IsCode(err, api.CodeOutcomeUnknown):
		case lost && r.Method != http.MethodGet && (api.IsCode(err, api.CodeUnreachable) || IsBroken(err)):
			err = &lostError{err: err}
		default:
			return err
		}
		if ctx.Err() != nil || !repeatable(r.Method, r.Path) || time.Since(began) >= c.Retry {
			return err
		}
		lost = true
		select {
		case <-ctx.Done():
			return err
		case <-time.After(wait):
			wait = min(2*wait, maxRetry)
		}
	}
}

// isGone reports whether err says that there is no such thing.
func isGone(err error) bool {
	return api.IsCode(err, api.CodeNotFound) || api.IsCode(err, api.CodeNoConfiguration) || api.IsCode(err, api.CodeJobNotFound)
}

// lost gives a lost answer the error of this client. A caller that gave up knows why.
func (c *Client) lost(method string, err error) error {
	if c.Lost == nil || !IsLost(err) || errors.Is(err, context.Canceled) {
		return err
	}
	return c.Lost(method, err)
}
