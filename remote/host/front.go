package host

import (
	"context"
	"net"
	"net/http"
	"slices"
	"strings"
	"sync"
	"time"

	"pss/remote/api"
	"pss/remote/client"
	"pss/remote/identity"
	"pss/remote/planted"
	"pss/remote/platform"
	"pss/remote/worker"
)

// front is what a daemon that runs as root does for the users of its computer: it passes
// their requests on to their own hosts. Everything that is a user's is touched by that
// user's processes alone. What belongs to root itself, it has in its own process.
type front struct {
	h        *Host
	workers  *worker.Pool
	registry *registry

	mu   sync.Mutex // guards pool
	pool map[string]*pooled
}

// pooled is a way to a user's host on behalf of somebody.
type pooled struct {
	*client.Client
	used time.Time
}

// poolLife is how long a way is kept that nobody uses.
const poolLife = 2 * time.Minute

func newFront(h *Host) (*front, error) {
	reg, err := openRegistry(h.o.Paths.HostDir()+"/registry", h.log)
	if err != nil {
		return nil, err
	}
	return &front{h: h, registry: reg, pool: map[string]*pooled{}, workers: worker.NewPool(h.log, func(u *identity.Account) ([]platform.UserLimit, int) {
		_, groups, _ := h.accounts.find(context.Background(), u.Name) // a moment ago it was found
		return platform.UserLimits(u.Name, groups), h.tasksOf(u)
	})}, nil
}

// tasksOf is how many tasks a user may have in the sessions that we make; 0: no limit.
func (h *Host) tasksOf(u *identity.Account) int {
	switch most := h.conf().MaxProcesses; {
	case u.UID == 0:
		return 0
	case most != nil:
		return *most
	}
	return platform.TaskShare()
}

// within reports whether what this user keeps is in our own process.
func (f *front) within(user string) bool { return user == f.h.owner && !f.h.o.Paths.IsSystem() }

// host returns the client of the keeper's host, on behalf of who asks in r.
func (f *front) host(r *http.Request, keeper string) (*client.Client, error) {
	u, _, err := f.h.accounts.find(r.Context(), keeper)
	if err != nil {
		return nil, err
	}
	who := f.h.principalOf(r)
	line := client.OnBehalf(who.Name, who.Method, r.RemoteAddr)
	f.mu.Lock()
	defer f.mu.Unlock()
	now := time.Now()
	for k, p := range f.pool {
		if now.Sub(p.used) > poolLife {
			p.CloseIdle()
			delete(f.pool, k)
		}
	}
	key := keeper + "\x00" + line
	p := f.pool[key]
	if p == nil {
		dial := func(ctx context.Context) (net.Conn, error) { return f.workers.Dial(ctx, u, line) }
		p = &pooled{Client: f.newClient(keeper, dial)}
		f.pool[key] = p
	}
	p.used = now
	return p.Client, nil
}

// newClient speaks with the host of a user, which may say anything: what it sends has
// bounds, and takes from that user's share of our memory.
func (f *front) newClient(keeper string, dial client.Dialer) *client.Client {
	return &client.Client{
		Dial: dial, Host: "pss-host",
		Memory: func(n int64) (func(), error) { return f.h.limits.memory(keeper, n) },
	}
}

// headers are what a user's host is told with each request: State means something for the
// client that asks alone.
func headers(r *http.Request) http.Header {
	h := http.Header{api.HeaderClient: {r.Header.Get(api.HeaderClient)}}
	if id := r.Header.Get(api.HeaderRequestID); id != "" {
		h.Set(api.HeaderRequestID, id)
	}
	return h
}

// pass passes the request on to the keeper's host.
func (f *front) pass(w http.ResponseWriter, r *http.Request, keeper string, body []byte) error {
	cl, err := f.host(r, keeper)
	if err != nil {
		return err
	}
	return f.broken(keeper, cl.ForwardBody(w, r, headers(r), body))
}

// broken turns a failure between us and a user's host into an answer.
func (f *front) broken(keeper string, err error) error {
	return noAnswer(err, "the host of user "+keeper, keeper, "try again")
}

// mine serves what concerns the asker's own host as a whole.
func (f *front) mine(own client.Handler) client.Handler {
	return func(w http.ResponseWriter, r *http.Request) (any, error) {
		who := f.h.principalOf(r).Name
		if f.within(who) {
			return own(w, r)
		}
		var body []byte
		if err := client.ReadBody(w, r, &body); err != nil {
			return nil, err
		}
		return nil, f.pass(w, r, who, body)
	}
}

// ownOnly serves what only root changes.
func (f *front) ownOnly(own client.Handler) client.Handler {
	return func(w http.ResponseWriter, r *http.Request) (any, error) {
		who := f.h.principalOf(r)
		if who.Name == f.h.owner {
			return own(w, r)
		}
		err := api.Errorf(api.CodeAccessDenied, "user %s may not change this computer's session configurations", who.Name).
			WithID("AccessDenied").On(who.Name).Hint("only root may, on the computer itself: sudo pss …")
		line := &auditLine{Action: "Configuration", Name: r.PathValue("configuration")}
		line.refused(err)
		f.h.audit.note(r, line)
		return nil, err
	}
}

// heartbeat keeps the leases of the asker's agent at every host that has sessions for it.
func (f *front) heartbeat(own client.Handler) client.Handler {
	return func(w http.ResponseWriter, r *http.Request) (any, error) {
		var hb api.Heartbeat
		if err := client.ReadBody(w, r, &hb); err != nil {
			return nil, err
		}
		who := f.h.principalOf(r)
		for _, keeper := range f.sharers(who.Name) {
			go func() { // nobody waits for one that does not answer
				ctx, cancel := context.WithTimeout(context.WithoutCancel(r.Context()), 10*time.Second)
				defer cancel()
				if cl, err := f.host(r.WithContext(ctx), keeper); err == nil {
					_, _ = cl.Heartbeat(ctx, &hb)
				}
			}()
		}
		f.h.leases.renew(hb.Agent)
		if f.within(who.Name) {
			return &api.HeartbeatReply{Version: api.Version, HostID: f.h.hostID, LeaseMs: f.h.leases.length.Milliseconds()}, nil
		}
		cl, err := f.host(r, who.Name)
		if err != nil {
			return nil, err
		}
		reply, err := cl.Heartbeat(r.Context(), &hb)
		return reply, f.broken(who.Name, err)
	}
}

// sharers are the run-as users who keep sessions that this user may use.
func (f *front) sharers(user string) (keepers []string) {
	may := f.sharing(user)
	for _, s := range f.registry.shared("") {
		if !slices.Contains(keepers, s.Keeper) && may(s) {
			keepers = append(keepers, s.Keeper)
		}
	}
	slices.Sort(keepers)
	return keepers
}

// mayShare reports whether the user may use the session of a run-as configuration: as
// that says now.
func (f *front) mayShare(user string, s *registered) bool {
	conf, err := f.h.o.Paths.LoadSession(s.Configuration, f.h.minIdleMs())
	if err != nil || !strings.EqualFold(conf.RunAsUser, s.Keeper) || !conf.IsEnabled() {
		return false
	}
	return f.h.allows(conf, user) || planted.On("shared-with-everybody")
}

// sharing is mayShare for many sessions: each configuration is read once.
func (f *front) sharing(user string) func(s *registered) bool {
	known := map[[2]string]bool{}
	return func(s *registered) bool {
		of := [2]string{s.Keeper, s.Configuration}
		may, ok := known[of]
		if !ok {
			may = f.mayShare(user, s)
			known[of] = may
		}
		return may
	}
}

// keeperOf returns whose host has the session that the request names, for who asks: their
// own, unless it is one that they share.
func (f *front) keeperOf(r *http.Request) (keeper string, s *registered) {
	who, id := f.h.principalOf(r).Name, r.PathValue("session")
	if s := f.registry.find(who, id); s != nil {
		return who, s
	}
	for _, s := range f.registry.shared(id) {
		if f.mayShare(who, s) {
			return s.Keeper, s
		}
	}
	return who, nil
}

// session serves the requests about one session.
func (f *front) session(own client.Handler) client.Handler {
	return func(w http.ResponseWriter, r *http.Request) (any, error) {
		keeper, s := f.keeperOf(r)
		if f.within(keeper) {
			return own(w, r)
		}
		var body []byte
		if err := client.ReadBody(w, r, &body); err != nil {
			return nil, err
		}
		err := f.h.audited(r, f.lineFor(r, keeper, s, body), func() error { return f.pass(w, r, keeper, body) })
		if r.Method == http.MethodDelete && r.PathValue("pipeline") == "" && (err == nil || api.IsCode(err, api.CodeNotFound)) {
			f.registry.drop(sessionKey{keeper: keeper, id: strings.ToLower(r.PathValue("session"))})
		}
		return nil, err
	}
}

// lineFor is the line of the audit log for a request about a session, or nil.
func (f *front) lineFor(r *http.Request, keeper string, s *registered, body []byte) *auditLine {
	id := strings.ToLower(r.PathValue("session"))
	line := f.h.forwarded(r, id, body)
	switch {
	case r.Method == http.MethodDelete && r.PathValue("pipeline") == "":
		line = &auditLine{Action: "Remove", Session: id}
	case strings.HasSuffix(r.URL.Path, "/attach"):
		line = &auditLine{Action: "Connect", Session: id}
	case line == nil:
		return nil
	}
	if s != nil {
		line.Name = s.Name
	}
	if keeper != f.h.principalOf(r).Name {
		line.RunAs = keeper
	}
	return line
}
