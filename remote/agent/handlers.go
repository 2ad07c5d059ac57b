package agent

import (
	"context"
	"net/http"
	"os"
	"strings"
	"time"

	"pss/remote/api"
	"pss/remote/client"
	"pss/remote/planted"
)

// makeTimeout bounds making and removing a session, which may take a computer longer
// than a mere answer.
const makeTimeout = 50 * time.Second

// serve answers a cmdlet of a client session, as client.Handler does.
type serve func(http.ResponseWriter, *http.Request, *clientSession) (any, error)

// handler serves the cmdlets: the host's own routes, with Ids beside InstanceIds.
func (a *Agent) handler() http.Handler {
	mux := http.NewServeMux()
	handle := func(method, path string, f serve) {
		mux.HandleFunc(strings.TrimSpace(method+" "+path), client.Serve(func(w http.ResponseWriter, r *http.Request) (any, error) {
			c, _, err := a.clientOf(r)
			if err != nil {
				return nil, err
			}
			a.begin(c)
			defer a.done(c)
			r = withCaller(r)
			noted := withNotes(w, r)
			v, err := f(noted, r, c)
			noted.Header() // which the answer is written with
			return v, err
		}))
	}
	handle(http.MethodGet, api.RouteVersion, a.handleVersion)
	a.questionRoutes(handle)
	handle(http.MethodGet, api.RouteKnown, a.handleKnown)
	handle(http.MethodGet, api.RouteTest, a.handleTest)
	handle(http.MethodDelete, api.RouteKeys, a.handleForgetKey)
	handle(http.MethodGet, api.RouteSessions, a.handleList)
	handle(http.MethodPut, api.RouteSession, a.handleCreate)
	handle(http.MethodGet, api.RouteSession, a.handleGet)
	handle(http.MethodDelete, api.RouteSession, a.handleRemove)
	handle(http.MethodPost, api.RouteAttach, a.handleAttach)
	handle(http.MethodPost, api.RouteDetach, a.handleDetach)
	handle(http.MethodPost, api.RouteStream, a.handleStream)
	for _, route := range configurationRoutes {
		handle("", route, a.handleConfigurations)
	}
	handle(http.MethodDelete, api.RouteCopies, a.handlePurge)
	a.jobRoutes(handle)
	// Everything else below a session passes through, also what a later version adds.
	handle("", api.RouteSession+"/", a.handleForward)
	return mux
}

func (a *Agent) begin(c *clientSession) {
	a.active.Enter()
	a.mu.Lock()
	defer a.mu.Unlock()
	c.open++
}

func (a *Agent) done(c *clientSession) {
	a.mu.Lock()
	c.open--
	c.touch()
	a.mu.Unlock()
	a.active.Leave()
}

func (a *Agent) handleVersion(http.ResponseWriter, *http.Request, *clientSession) (any, error) {
	return &api.VersionInfo{Version: api.Version, Protocol: api.ProtocolVersion, Role: "agent", Pid: os.Getpid()}, nil
}

// target finds the session that the path names, and its host.
func (a *Agent) target(r *http.Request, c *clientSession) (*entry, *client.Client, error) {
	a.mu.Lock()
	e, err := c.findLocked(r.PathValue("session"))
	a.mu.Unlock()
	if err != nil {
		return nil, nil, err
	}
	return e, a.hostOfEntry(c, e), nil
}

// shown completes the host's answer with what is ours, and remembers it.
func (a *Agent) shown(c *clientSession, e *entry, s *api.Session) *api.Session {
	a.mu.Lock()
	defer a.mu.Unlock()
	e.making, e.asked = false, time.Now()
	if a.learnLocked(e, s) {
		a.record(change{Client: c.key, Entry: e.saved()})
	}
	if e.attached {
		a.computerLocked(e.computer).beatLocked()
	}
	s.ID = e.id
	a.placeLocked(s, e)
	return s
}

func (a *Agent) handleGet(_ http.ResponseWriter, r *http.Request, c *clientSession) (any, error) {
	e, host, err := a.target(r, c)
	if err != nil {
		return nil, err
	}
	s, err := host.Session(r.Context(), e.instance)
	if err != nil {
		return nil, err
	}
	return a.shown(c, e, s), nil
}

// forget drops an entry whose session is gone or was never made.
func (a *Agent) forget(c *clientSession, e *entry) {
	a.mu.Lock()
	defer a.mu.Unlock()
	delete(c.entries, e.instance)
	e.temporary, e.attached = false, false
	a.record(change{Client: c.key, Entry: e.saved(), Gone: true})
}

// gone drops what our other client sessions know of a session that was removed: none
// of them holds it any more.
func (a *Agent) gone(instance string) {
	a.mu.Lock()
	defer a.mu.Unlock()
	for _, c := range a.clients {
		if e := c.entries[instance]; e != nil {
			delete(c.entries, instance)
			e.temporary, e.attached = false, false
			a.record(change{Client: c.key, Entry: e.saved(), Gone: true})
		}
	}
}

func (a *Agent) handleRemove(_ http.ResponseWriter, r *http.Request, c *clientSession) (any, error) {
	e, host, err := a.target(r, c)
	if err != nil {
		return nil, err
	}
	if r.URL.Query().Get(api.QueryForget) == "true" {
		a.forget(c, e)
		return nil, forgotten(api.Errorf(api.CodeUnreachable, "[%s] the computer does not answer", api.ComputerOf(e.computer)).On(api.ComputerOf(e.computer)))
	}
	a.mu.Lock()
	epoch := uint64(0)
	if e.attached {
		epoch = e.epoch
	}
	temporary := e.temporary
	e.leaving = e.leaving || temporary // its cmdlet does not leave it behind
	a.mu.Unlock()
	if temporary {
		a.removeTemporary(r.Context(), c, e)
		return struct{}{}, nil
	}
	ctx, cancel := context.WithTimeout(r.Context(), makeTimeout)
	defer cancel()
	err = host.Remove(ctx, e.instance, epoch, r.URL.Query().Get(api.QueryForce) == "true")
	switch {
	case api.IsCode(err, api.CodeNotFound):
		err = nil // it is gone, which is what was wanted
	case api.IsCode(err, api.CodeUnreachable), api.IsCode(err, api.CodeOutcomeUnknown):
		// As PowerShell: the local entry goes, the session's own idle clock decides.
		err = forgotten(err)
	case err != nil:
		return nil, err
	}
	planted.Point("agent-removed")
	a.settleJobs(r.Context(), e)
	a.forget(c, e)
	if err == nil {
		a.gone(e.instance)
	}
	return struct{}{}, err
}

// forgotten is the error of a removal that only we know of.
func forgotten(err error) error {
	return api.AsError(err).WithID("RemoveSessionCannotConnectToServer").
		Hint("the session may still exist there; it ends at its idle timeout, or when you remove it once the computer answers")
}

// handleAttach connects; a session that is ours already is returned as it is.
func (a *Agent) handleAttach(w http.ResponseWriter, r *http.Request, c *clientSession) (any, error) {
	var req api.AttachRequest
	if err := client.ReadBody(w, r, &req); err != nil {
		return nil, err
	}
	e, host, err := a.target(r, c)
	if err != nil {
		return nil, err
	}
	a.stay(e)
	own := a.openTimeout()
	limit := openLimit(&req.Options, own)
	ctx, cancel := r.Context(), context.CancelFunc(func() {})
	if limit != own { // else it is each request's own
		ctx, cancel = context.WithTimeout(ctx, limit)
	}
	defer cancel()
	s, err := host.Session(ctx, e.instance)
	if err == nil && (s.State != api.StateOpened || changesBuffering(s, &req)) {
		s, err = a.attach(ctx, c, e, host, &req)
	}
	if err != nil {
		return nil, openedLate(ctx, err, e.computer, limit, own)
	}
	a.mu.Lock()
	e.mine = true
	a.record(change{Client: c.key, Entry: e.saved()})
	a.mu.Unlock()
	return a.shown(c, e, s), nil
}

// changesBuffering reports whether the session, which is ours, is to get another
// output buffering mode.
func changesBuffering(s *api.Session, req *api.AttachRequest) bool {
	mode := req.Options.OutputBufferingMode
	return mode.Given() && mode != s.Runspace.OutputBufferingMode
}

func (a *Agent) attach(ctx context.Context, c *clientSession, e *entry, host *client.Client, req *api.AttachRequest) (*api.Session, error) {
	req.ID, req.Agent, req.From = a.clientID(c), a.id, a.from
	return host.Attach(ctx, e.instance, req)
}

// handleDetach disconnects; one that is Disconnected already, or another
// client's, is returned as it is, as PowerShell does.
func (a *Agent) handleDetach(w http.ResponseWriter, r *http.Request, c *clientSession) (any, error) {
	var req api.DetachRequest
	if err := client.ReadBody(w, r, &req); err != nil {
		return nil, err
	}
	e, host, err := a.target(r, c)
	if err != nil {
		return nil, err
	}
	if req.Later {
		return a.detachLater(r.Context(), c, e, req.By), nil
	}
	s, err := host.Session(r.Context(), e.instance)
	switch {
	case err != nil:
		return nil, err
	case s.State == api.StateDisconnected:
		return a.shown(c, e, s), nil
	case s.State != api.StateOpened:
		return nil, api.Errorf(api.CodeLost, "session %s is %s: only an Opened session can be disconnected", s.Runspace.Name, s.State).
			WithID("CannotDisconnectSessionWhenNotOpened").On(s.Runspace.Name)
	}
	if req.Epoch == 0 {
		req.Epoch = s.Runspace.Attached.Epoch
	}
	paused := a.pauseJobs(e)
	if s, err = host.Detach(r.Context(), e.instance, &req); err != nil {
		a.goOn(paused)
		if api.IsCode(err, api.CodeVersion) {
			err = api.Errorf(api.CodeVersion, "session %s stays connected: the endpoint on %s does not support disconnect (%v)", e.name, api.ComputerOf(e.computer), err).
				WithID("EndpointDoesNotSupportDisconnect").On(e.name).Hint("update pss on %s", api.ComputerOf(e.computer))
		}
		return nil, err
	}
	planted.Point("agent-detached")
	return a.shown(c, e, s), nil
}

// handleForward passes everything else on as it is.
func (a *Agent) handleForward(w http.ResponseWriter, r *http.Request, c *clientSession) (any, error) {
	e, host, err := a.target(r, c)
	if err != nil {
		return nil, err
	}
	rest := strings.TrimPrefix(r.URL.Path, api.RouteSessions+"/"+r.PathValue("session"))
	r.URL.Path = api.SessionPath(e.instance, rest)
	return nil, host.Forward(w, r, nil)
}
