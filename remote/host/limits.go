package host

import (
	"io"
	"net/http"
	"strconv"
	"sync"
	"time"

	"pss/config"
	"pss/remote/api"
	"pss/remote/client"
	"pss/remote/planted"
)

const (
	maxClientID = 512
	// maxVariables is how many variables a client may give a session.
	maxVariables = 4096
)

// limits bound what users have under way at the same time.
type limits struct {
	conf func() config.HostOperations

	mu    sync.Mutex // guards what follows
	all   use
	users map[string]*use
}

// use is what is under way.
type use struct {
	requests, waits int
	bytes           int64
}

func newLimits(conf func() config.HostOperations) *limits {
	return &limits{conf: conf, users: map[string]*use{}}
}

// take adds to what the user has under way, if that is within the limits, and returns how
// it ends.
func (l *limits) take(user string, more use) (release func(), err error) {
	conf := l.conf()
	l.mu.Lock()
	defer l.mu.Unlock()
	u := l.users[user]
	if u == nil {
		u = &use{}
	}
	if !planted.On("in-flight-not-bounded") {
		for _, c := range []struct {
			key       string
			more      int64
			now, most int64
		}{
			{"max_requests", int64(more.requests), int64(l.all.requests), int64(conf.MaxRequests)},
			{"max_requests_per_user", int64(more.requests), int64(u.requests), int64(conf.MaxRequestsPerUser)},
			{"max_waits_per_user", int64(more.waits), int64(u.waits), int64(conf.MaxWaitsPerUser)},
			{"max_memory_bytes", more.bytes, l.all.bytes, conf.MaxMemoryBytes},
			// Nobody has all of it, so that there is some for the others.
			{"max_memory_bytes", more.bytes, u.bytes, max(conf.MaxMemoryBytes/2, 2*client.MaxBody)},
		} {
			if c.more > 0 && c.now+c.more > c.most {
				return nil, api.Errorf(api.CodeQuota, "too much is under way on this host: %s is %d", c.key, c.most).
					WithID("TooManyRequests").Hint("try again when some of it has ended, or have %s raised in its host.toml", c.key)
			}
		}
	}
	l.users[user] = u
	u.add(more, 1)
	l.all.add(more, 1)
	return sync.OnceFunc(func() {
		l.mu.Lock()
		defer l.mu.Unlock()
		u.add(more, -1)
		l.all.add(more, -1)
		if *u == (use{}) {
			delete(l.users, user)
		}
	}), nil
}

func (u *use) add(more use, sign int) {
	u.requests += sign * more.requests
	u.waits += sign * more.waits
	u.bytes += int64(sign) * more.bytes
}

// memory is take for the bytes of a large body or reply.
func (l *limits) memory(user string, n int64) (release func(), err error) {
	return l.take(user, use{bytes: n})
}

func contentLength(h http.Header) int64 {
	n, err := strconv.ParseInt(h.Get("Content-Length"), 10, 64)
	if err != nil {
		return 0
	}
	return n
}

// carriesScript reports whether the body of a request may be as large as a script.
func carriesScript(r *http.Request, route string) bool {
	switch route {
	case api.RouteSession:
		return r.Method == http.MethodPut
	case api.RouteStream, api.RouteConfigurations, api.RouteConfiguration:
		return true
	case api.RoutePipeline:
		return r.Method == http.MethodPut
	}
	return route == laterRoutes // whatever a later version has there
}

// laterRoutes are below a session and not known to this version.
const laterRoutes = api.RouteSession + "/"

// bounded serves a request within the limits of who asks.
func (h *Host) bounded(route string, f client.Handler) client.Handler {
	return func(w http.ResponseWriter, r *http.Request) (any, error) {
		conf := h.operations()
		user := h.principalOf(r).Name
		more := use{requests: 1}
		if r.URL.Query().Has(api.QueryWait) {
			more.waits = 1
		}
		most := conf.MaxControlBytes
		if carriesScript(r, route) {
			if most = client.MaxBody; r.ContentLength != 0 {
				more.bytes = most
				if r.ContentLength > 0 {
					more.bytes = min(most, r.ContentLength)
				}
			}
			if more.bytes <= conf.MaxControlBytes {
				more.bytes = 0
			}
		}
		if planted.On("bodies-not-bounded") {
			most = 1 << 40
		}
		release, err := h.limits.take(user, more)
		if err != nil {
			w.Header().Set("Connection", "close")
			return nil, err
		}
		defer release()
		whole := r.Body
		r.Body = http.MaxBytesReader(w, whole, most)
		r = r.WithContext(client.WithBodyTime(r.Context(), conf.BodyTimeout.Or(client.DefaultTimeout)))
		if p := peerOf(r); p != nil && client.WantsUpgrade(r) {
			p.stall.Store(int64(conf.StreamStall))
		}
		v, err := f(w, r)
		takeRest(w, whole, err, 2*client.MaxBody)
		return v, err
	}
}

// tooLargeTime bounds how long the rest of a body is taken that is too large.
const tooLargeTime = 2 * time.Second

// takeRest takes up to n bytes more of a body that was refused as too large: a client
// reads its answer when it has sent everything; cut off before, it sees nothing but that.
func takeRest(w http.ResponseWriter, body io.Reader, err error, n int64) {
	if !api.IsCode(err, api.CodeTooLarge) {
		return
	}
	_ = http.NewResponseController(w).SetReadDeadline(time.Now().Add(tooLargeTime))
	_, _ = io.CopyN(io.Discard, body, n)
}

// peerOf returns the connection to the port that the request came by, or nil.
func peerOf(r *http.Request) *peer {
	c := connOf(r)
	if c == nil {
		return nil
	}
	p, _ := client.Underlying(c).(*peer)
	return p
}

// arrived notes the first request of a connection on which somebody proved who he is.
func (h *Host) arrived(r *http.Request) {
	p := peerOf(r)
	switch {
	case p != nil && p.state.Load() != peerKnown:
		p.gate.becomes(p, peerKnown)
	case p == nil && connOf(r) != nil && client.FirstOf(connOf(r)):
	default:
		return
	}
	s := sightOf(r)
	h.audit.note(r, &auditLine{Action: "Authenticate"})
	if s != nil {
		s.audited = false // the request itself is another matter
	}
}
