package host

import (
	"context"
	"errors"
	"net/http"
	"os"
	"slices"
	"strings"
	"time"

	"pss/remote/api"
	"pss/remote/client"
	"pss/remote/planted"
	"pss/remote/platform"
)

// handler serves the protocol to agents, scripts and curl.
func (h *Host) handler() http.Handler {
	mux := http.NewServeMux()
	fronts := h.frontFor()
	handle := func(method, path string, f client.Handler, front func(own client.Handler) client.Handler) {
		mux.HandleFunc(method+" "+path, h.serveRoute(path, front(f)))
	}
	handle(http.MethodGet, api.RouteVersion, h.handleVersion, fronts.none)
	handle(http.MethodPost, api.RouteHeartbeat, h.handleHeartbeat, fronts.heartbeat)
	handle(http.MethodGet, api.RouteSessions, h.handleList, fronts.list)
	handle(http.MethodPut, api.RouteSession, h.handleCreate, fronts.create)
	handle(http.MethodGet, api.RouteSession, h.handleGet, fronts.session)
	handle(http.MethodDelete, api.RouteSession, h.handleRemove, fronts.session)
	handle(http.MethodPost, api.RouteAttach, h.handleAttach, fronts.session)
	handle(http.MethodGet, api.RouteConfigurations, h.handleConfigurations, fronts.configurations)
	handle(http.MethodPost, api.RouteConfigurations, h.handleRegister, fronts.ownOnly)
	handle(http.MethodPatch, api.RouteConfiguration, h.handleConfigure, fronts.ownOnly)
	handle(http.MethodDelete, api.RouteConfiguration, h.handleUnregister, fronts.ownOnly)
	handle(http.MethodDelete, api.RouteCopies, h.handlePurge, fronts.mine)
	handle(http.MethodPost, api.RouteLeave, h.auth.handleLeave, fronts.none)
	for path, f := range map[string]client.Handler{
		api.RouteChallenge: h.auth.handleChallenge, api.RouteProof: h.auth.handleProof, api.RoutePassword: h.auth.handlePassword,
	} {
		mux.HandleFunc(http.MethodPost+" "+path, client.Serve(h.handleAuth(f)))
	}
	for _, r := range [][2]string{
		{http.MethodPost, api.RouteDetach}, {http.MethodPost, api.RouteStream}, {http.MethodPut, api.RoutePipeline},
		{http.MethodGet, api.RouteRecords}, {http.MethodPost, api.RouteAck}, {http.MethodPost, api.RouteSignal},
	} {
		handle(r[0], r[1], h.handleForward, fronts.session)
	}
	// What a later version adds below a session passes through to session hosts
	// of that version.
	mux.HandleFunc(laterRoutes, h.serveRoute(laterRoutes, fronts.session(h.handleForward)))
	for _, path := range []string{routeWSMan, routeWSMan + "/", routeIdentify} {
		mux.HandleFunc(path, h.handleWSMan)
	}
	mux.HandleFunc("/", client.Serve(func(w http.ResponseWriter, r *http.Request) (any, error) {
		w.Header().Set("Connection", "close")
		return nil, api.Errorf(api.CodeVersion, "this host (version %s) does not know %s %s", api.Version, r.Method, r.URL.Path).
			Hint("update the older of client and host")
	}))
	return h.observed(mux)
}

// serveRoute serves a route to whoever passes the guard, and keeps a record of who does not.
func (h *Host) serveRoute(route string, f client.Handler) http.HandlerFunc {
	f = h.guard(h.bounded(route, f))
	return client.Serve(func(w http.ResponseWriter, r *http.Request) (any, error) {
		v, err := f(w, r)
		h.outcome(r, route, err)
		return v, err
	})
}

// admitted answers a request of somebody who may ask.
func (h *Host) admitted(f client.Handler, w http.ResponseWriter, r *http.Request) (any, error) {
	h.active.Enter()
	defer h.active.Leave()
	who := h.principalOf(r)
	if s := sightOf(r); s != nil {
		s.user, s.inner = who.Name, r
	}
	client.LogRequest(h.log, r, "user", who.Name)
	h.arrived(r)
	if err := h.audit.demand(); err != nil {
		return nil, err
	}
	agent, _, _ := strings.Cut(r.Header.Get(api.HeaderClient), "/")
	h.leases.renew(agent)
	h.certs.announce(w.Header())
	return f(w, r)
}

func (h *Host) handleVersion(_ http.ResponseWriter, r *http.Request) (any, error) {
	return &api.VersionInfo{
		Version: api.Version, Protocol: api.ProtocolVersion, Role: "host", Pid: os.Getpid(), HostID: h.hostID,
		User: h.principalOf(r).Name, Method: h.principalOf(r).Method, Time: time.Now(), Fingerprints: h.certs.announced(),
	}, nil
}

func (h *Host) handleHeartbeat(w http.ResponseWriter, r *http.Request) (any, error) {
	var hb api.Heartbeat
	if err := client.ReadBody(w, r, &hb); err != nil {
		return nil, err
	}
	h.leases.renew(hb.Agent)
	return &api.HeartbeatReply{Version: api.Version, HostID: h.hostID, LeaseMs: h.leases.length.Milliseconds(), Fingerprints: h.certs.announced()}, nil
}

// handleList reads every session's facts and wakes none.
func (h *Host) handleList(_ http.ResponseWriter, r *http.Request) (any, error) {
	list := &api.SessionList{Version: api.Version, Sessions: []api.Session{}}
	asker := h.asker(r)
	for _, e := range h.dir.all() {
		info, err := e.facts()
		if os.IsNotExist(err) {
			continue // removed just now
		}
		if err != nil {
			list.Errors = append(list.Errors, api.AsError(err))
			continue
		}
		list.Sessions = append(list.Sessions, *h.brief(info, asker))
	}
	slices.SortFunc(list.Sessions, func(a, b api.Session) int { return a.Runspace.Created.Compare(b.Runspace.Created) })
	return list, nil
}

func (h *Host) view(info *api.RunspaceInfo, asker api.ClientID) *api.Session {
	s := &api.Session{Runspace: *info, CommandState: api.CommandStateOf(info)}
	s.State, s.Availability = api.View(info, asker, true)
	if planted.On("running-shown-available") && s.State == api.StateOpened {
		s.Availability = api.AvailabilityAvailable
	}
	if info.Attached != nil {
		s.LastSeen = h.leases.lastSeen(info.Attached.Agent)
	}
	return s
}

// brief is view as a listing shows it.
func (h *Host) brief(info *api.RunspaceInfo, asker api.ClientID) *api.Session {
	s := h.view(info, asker)
	s.Runspace = *info.Brief()
	return s
}

func (h *Host) handleGet(_ http.ResponseWriter, r *http.Request) (any, error) {
	e, err := h.dir.find(r.PathValue("session"))
	if err != nil {
		return nil, err
	}
	info, err := e.facts()
	if err != nil {
		return nil, err
	}
	return h.view(info, h.asker(r)), nil
}

// handleAttach passes the wish on and keeps a record of it: who held the session
// before is gone from its facts afterwards.
func (h *Host) handleAttach(w http.ResponseWriter, r *http.Request) (any, error) {
	e, err := h.dir.find(r.PathValue("session"))
	if err != nil {
		return nil, err
	}
	line := &auditLine{Action: "Connect", Session: e.id}
	if info, err := e.facts(); err == nil {
		line.Name = info.Name
		if a := info.Attached; a != nil && a.Client != h.asker(r) {
			line.TakenFrom = a.Client.Principal + ", " + a.From
		}
	}
	v, err := h.handleForward(w, r)
	line.refused(err)
	h.audit.note(r, line)
	return v, err
}

// handleRemove passes the removal on, or deletes what a dead session left.
func (h *Host) handleRemove(w http.ResponseWriter, r *http.Request) (any, error) {
	// One that is being made is waited for: whoever gave up making it removes it.
	defer h.creating.lock(strings.ToLower(r.PathValue("session")))()
	e, err := h.dir.find(r.PathValue("session"))
	if err != nil {
		return nil, err
	}
	line := &auditLine{Action: "Remove", Session: e.id}
	if info, err := e.facts(); err == nil {
		line.Name = info.Name
	}
	defer func() { h.audit.note(r, line) }()
	if held, err := platform.LockHeld(e.lock()); err == nil && !held {
		e.endOrphans(h.log)
		if err := h.dir.remove(e); err != nil {
			return nil, err
		}
		h.tidy()
		return struct{}{}, nil
	}
	err = e.client().ForwardBody(w, r, h.identity(r), nil)
	if err != nil && e.exists() {
		line.refused(err)
		return nil, h.unreachable(e, err)
	}
	planted.Point("host-removed")
	if rerr := h.dir.drop(e); rerr != nil {
		h.log.Warn("session not deleted", "session", e.id, "error", rerr)
	}
	h.tidy()
	if err != nil { // its process ended before it could say so
		return struct{}{}, nil
	}
	return nil, nil
}

// tidy ends the spare when the last session is gone.
func (h *Host) tidy() {
	if len(h.dir.all()) == 0 {
		h.launcher.dropSpare()
	}
}

// identity is what the session host is told about the asker.
func (h *Host) identity(r *http.Request) http.Header {
	id := h.asker(r)
	return http.Header{api.HeaderPrincipal: {id.Principal}, api.HeaderClient: {id.ID}}
}

// handleForward passes a request on to its session host, which is started again
// without an engine if only its folder is left.
func (h *Host) handleForward(w http.ResponseWriter, r *http.Request) (any, error) {
	e, err := h.dir.find(r.PathValue("session"))
	if err != nil {
		return nil, err
	}
	if err := h.reaches(r, e); err != nil {
		return nil, err
	}
	var body []byte
	if err := client.ReadBody(w, r, &body); err != nil {
		return nil, err
	}
	if err := h.quota.admitStart(r, body); err != nil {
		return nil, err
	}
	return nil, h.passes(r, e, body, func() error {
		err := e.client().ForwardBody(w, r, h.identity(r), body)
		if err == nil || !platform.NotListening(err) {
			return h.unreachable(e, err)
		}
		if err := h.revive(r.Context(), e); err != nil {
			return err
		}
		return h.unreachable(e, e.client().ForwardBody(w, r, h.identity(r), body))
	})
}

// unreachable turns a failure between host and session host into an answer.
func (h *Host) unreachable(e *entry, err error) error {
	return noAnswer(err, "session "+e.id, e.id, "try again; if it stays so, remove the session")
}

// noAnswer turns a failure between us and another process, which people know as what,
// into an answer. What that process refused by itself stays as it is.
func noAnswer(err error, what, target, next string) error {
	var known *api.Error
	if err == nil || errors.As(err, &known) {
		return err
	}
	code := api.CodeUnreachable
	if client.IsLost(err) {
		code = api.CodeOutcomeUnknown
	}
	return api.Errorf(code, "%s does not answer: %v", what, err).On(target).Hint("%s", next)
}

// revive starts a session host for a dead session's folder.
func (h *Host) revive(ctx context.Context, e *entry) error {
	unlock := h.creating.lock(e.id)
	defer unlock()
	if held, err := platform.LockHeld(e.lock()); err != nil || held {
		return err // somebody was faster, or it makes its socket again
	}
	ctx, cancel := context.WithTimeout(ctx, startTimeout)
	defer cancel()
	return h.launcher.recover(ctx, e.dir, &api.Bootstrap{
		Format: 1, HostLock: h.o.Paths.HostLock(), LeaseMs: h.leases.length.Milliseconds(), RetainMs: h.retainMs(),
		Environment: h.env(), WorkingDir: folderOf(h.env()),
	})
}
