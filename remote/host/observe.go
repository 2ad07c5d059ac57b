package host

import (
	"context"
	"log/slog"
	"net"
	"net/http"
	"runtime/debug"
	"strings"

	"pss/remote/api"
	"pss/remote/client"
	"pss/remote/planted"
)

type sightKey struct{}

// sight is what is known of a request on its way through the host.
type sight struct {
	user    string
	inner   *http.Request // the same request, with who asks
	audited bool          // a line of the audit log is about it
}

// sightOf returns what is known of the request; nil: it is none of a client.
func sightOf(r *http.Request) *sight {
	s, _ := r.Context().Value(sightKey{}).(*sight)
	return s
}

// knowPeer is for http.Server's ConnContext. A connection that an attachment gave back
// comes by here again, and is no attachment any more.
func knowPeer(ctx context.Context, c net.Conn) context.Context {
	if p, ok := client.Underlying(c).(*peer); ok {
		p.stall.Store(0)
	}
	return client.LogLater(knowConn(ctx, c))
}

// observed stands before everything else that a client can reach.
func (h *Host) observed(next http.Handler) http.Handler {
	return http.HandlerFunc(func(to http.ResponseWriter, r *http.Request) {
		s := &sight{}
		w := &answer{ResponseWriter: to, h: h, s: s}
		r = r.WithContext(context.WithValue(r.Context(), sightKey{}, s))
		h.metrics.inFlight.Add(1)
		defer func() {
			h.metrics.inFlight.Add(-1)
			w.release()
			if v := recover(); v != nil {
				h.panicked(w, r, v)
			}
			h.metrics.request(routeOf(r), w.code(r))
		}()
		if err := h.wellMeant(r); err != nil {
			to.Header().Set("Connection", "close")
			client.Serve(func(http.ResponseWriter, *http.Request) (any, error) { return nil, err })(w, r)
			h.outcome(r, r.URL.Path, err)
			return
		}
		next.ServeHTTP(w, r)
	})
}

// panicked answers a request that met a defect, if nothing was answered yet.
func (h *Host) panicked(w *answer, r *http.Request, v any) {
	if v == http.ErrAbortHandler {
		panic(v)
	}
	h.metrics.panics.Add(1)
	h.log.Error("defect", "route", routeOf(r), "panic", v, "stack", string(debug.Stack()))
	if w.status == 0 {
		w.Header().Set("Connection", "close")
		client.WriteError(w, api.Errorf(api.CodeInternal, "the host met a defect of its own; its log says where"))
	}
}

// routeOf names the route of a request that went through the mux: one of few words.
func routeOf(r *http.Request) string {
	route := r.Pattern
	if _, path, ok := strings.Cut(route, " "); ok {
		route = path
	}
	if route == "" {
		return "none"
	}
	return route
}

// isBrowsers reports whether a browser sent the request for a page. A page of anywhere may
// make a browser ask any address; none of ours is meant to be asked so.
func isBrowsers(r *http.Request) bool {
	if planted.On("browsers-let-in") {
		return false
	}
	for name := range r.Header {
		if name == "Origin" || strings.HasPrefix(name, "Sec-Fetch-") || strings.HasPrefix(name, "Access-Control-Request-") {
			return true
		}
	}
	return false
}

// formTypes are what a form of any page can send without asking first.
var formTypes = []string{"application/x-www-form-urlencoded", "multipart/form-data", "text/plain"}

// wellMeant refuses what no client of ours sends, whoever it comes from.
func (h *Host) wellMeant(r *http.Request) error {
	if isBrowsers(r) {
		return api.Errorf(api.CodeAccessDenied, "requests of web pages are refused")
	}
	if enc := r.Header.Get("Content-Encoding"); enc != "" && !strings.EqualFold(enc, "identity") {
		return api.Errorf(api.CodeInvalidArgument, "a compressed request is not taken").Hint("send it as it is, without Content-Encoding")
	}
	// Whoever can set Authorization is no form.
	kind := r.Header.Get("Content-Type")
	if kind != "" && r.Header.Get("Authorization") == "" {
		kind, _, _ = strings.Cut(strings.ToLower(kind), ";")
		for _, form := range formTypes {
			if strings.TrimSpace(kind) == form {
				return api.Errorf(api.CodeAccessDenied, "what a web page's form can send is refused").Hint("send it as application/json")
			}
		}
	}
	return checkLabel("the header "+api.HeaderClient, r.Header.Get(api.HeaderClient), maxClientID)
}

// outcome counts a request that was refused, and audits it unless that was done. The
// refusals of a stranger are bounded in the audit log and in this one.
func (h *Host) outcome(r *http.Request, route string, err error) {
	if err == nil {
		return
	}
	code := api.AsError(err).Code
	switch code {
	case api.CodeAccessDenied, api.CodeQuota, api.CodeTooLarge, api.CodeNotFound, api.CodeDiskFull:
	default:
		return
	}
	h.metrics.refusal(code)
	s := sightOf(r)
	if s != nil && s.audited {
		return
	}
	if s != nil && s.inner != nil {
		r = s.inner
	}
	if h.audit.refusal(r, code, r.Method+" "+route) {
		level := slog.LevelWarn
		if code == api.CodeNotFound {
			level = slog.LevelInfo
		}
		h.log.Log(r.Context(), level, "refused", "from", r.RemoteAddr, "user", h.principalOf(r).Name, "route", route, "code", code)
	}
}

// answer is the reply. A large one counts against what may be under way.
type answer struct {
	http.ResponseWriter
	h      *Host
	s      *sight
	status int
	lost   bool // its body is not sent: there was no room for it
	held   []func()
}

// largeReply is from which size on a reply counts.
const largeReply = 64 << 10

// Unwrap is for http.ResponseController.
func (w *answer) Unwrap() http.ResponseWriter { return w.ResponseWriter }

// code is the status for the numbers.
func (w *answer) code(r *http.Request) int {
	switch {
	case w.status != 0:
		return w.status
	case client.WantsUpgrade(r):
		return http.StatusSwitchingProtocols
	}
	return http.StatusOK
}

func (w *answer) release() {
	for _, f := range w.held {
		f()
	}
	w.held = nil
}

// WriteHeader refuses a large reply where too much is under way already.
func (w *answer) WriteHeader(status int) {
	if w.status = status; status < http.StatusOK {
		w.ResponseWriter.WriteHeader(status)
		return
	}
	size := contentLength(w.Header())
	if size <= largeReply {
		w.ResponseWriter.WriteHeader(status)
		return
	}
	release, err := w.h.limits.memory(w.s.user, size)
	if err == nil {
		w.held = append(w.held, release)
		w.ResponseWriter.WriteHeader(status)
		return
	}
	w.lost = true
	w.h.metrics.refusal(api.CodeQuota)
	w.status = api.AsError(err).Status()
	client.WriteError(w.ResponseWriter, err)
}

// Write passes the body on, unless it was refused.
func (w *answer) Write(p []byte) (int, error) {
	if w.lost {
		return len(p), nil
	}
	if w.status == 0 {
		w.status = http.StatusOK
	}
	return w.ResponseWriter.Write(p)
}
