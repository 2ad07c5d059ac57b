package host

import (
	"context"
	"crypto/sha256"
	"crypto/subtle"
	"net"
	"net/http"
	"strings"

	"pss/remote/api"
	"pss/remote/client"
	"pss/remote/planted"
)

// principal is who asks, and how they proved it.
type principal struct {
	Name   string // of the user
	Method string // api.MethodToken …
}

type (
	connKey      struct{}
	principalKey struct{}
)

// knowConn is for http.Server's ConnContext: what a connection tells of its peer.
func knowConn(ctx context.Context, c net.Conn) context.Context {
	return context.WithValue(ctx, connKey{}, c)
}

// connOf returns the connection that the request came by.
func connOf(r *http.Request) net.Conn {
	c, _ := r.Context().Value(connKey{}).(net.Conn)
	return c
}

// guard authenticates, and refuses what a browser sends.
func (h *Host) guard(f client.Handler) client.Handler {
	return func(w http.ResponseWriter, r *http.Request) (any, error) {
		if r.Header.Get("Origin") != "" {
			return nil, api.Errorf(api.CodeAccessDenied, "requests of web pages are refused")
		}
		who, ok := h.whoAsks(r)
		if !ok && !planted.On("no-token-check") {
			w.Header().Set("Connection", "close") // at once, without waiting for a body
			return nil, api.Errorf(api.CodeAccessDenied, "access is denied").WithID("AccessDenied").
				Hint("check that the token_file in config.toml is the host's own (PSS_HOME/host/token)")
		}
		return h.admitted(f, w, r.WithContext(context.WithValue(r.Context(), principalKey{}, who)))
	}
}

// whoAsks finds out who the request comes from; false: a stranger.
func (h *Host) whoAsks(r *http.Request) (principal, bool) {
	owner := principal{Name: h.owner, Method: api.MethodToken}
	if o, ok := client.OriginOf(connOf(r)); ok {
		if o.User != "" {
			return principal{Name: o.User, Method: o.Method}, true
		}
		return owner, true
	}
	given, ok := strings.CutPrefix(r.Header.Get("Authorization"), "Bearer ")
	// Hashed first, so that the comparison takes the same time for any length.
	a, b := sha256.Sum256([]byte(given)), sha256.Sum256([]byte(h.token))
	return owner, ok && subtle.ConstantTimeCompare(a[:], b[:]) == 1
}

// principalOf returns who asks; a request that passed the guard has one.
func (h *Host) principalOf(r *http.Request) principal {
	who, _ := r.Context().Value(principalKey{}).(principal)
	return who
}

// asker is the client session that asks, in the name of who asks.
func (h *Host) asker(r *http.Request) api.ClientID {
	return api.ClientID{Principal: h.principalOf(r).Name, ID: r.Header.Get(api.HeaderClient)}
}
