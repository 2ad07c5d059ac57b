package agent

import (
	"cmp"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"os"
	"strings"
	"time"

	"github.com/google/uuid"
	"pss/remote/api"
	"pss/remote/client"
	"pss/remote/planted"
)

// makeTimeout bounds making and removing a session, which may take a computer longer
// than a mere answer.
const makeTimeout = 50 * time.Second

// handler serves the cmdlets: the host's own routes, with Ids beside InstanceIds.
func (a *Agent) handler() http.Handler {
	mux := http.NewServeMux()
	type serve func(http.ResponseWriter, *http.Request, *clientSession) (any, error)
	handle := func(method, path string, f serve) {
		mux.HandleFunc(strings.TrimSpace(method+" "+path), client.Serve(func(w http.ResponseWriter, r *http.Request) (any, error) {
			c, _, err := a.clientOf(r)
			if err != nil {
				return nil, err
			}
			a.begin(c)
			defer a.done(c)
			return f(w, r, c)
		}))
	}
	handle(http.MethodGet, api.RouteVersion, a.handleVersion)
	handle(http.MethodGet, api.RouteSessions, a.handleList)
	handle(http.MethodPut, api.RouteSession, a.handleCreate)
	handle(http.MethodGet, api.RouteSession, a.handleGet)
	handle(http.MethodDelete, api.RouteSession, a.handleRemove)
	handle(http.MethodPost, api.RouteAttach, a.handleAttach)
	handle(http.MethodPost, api.RouteDetach, a.handleDetach)
	handle(http.MethodPost, api.RouteStream, a.handleStream)
	// Everything else below a session passes through, also what a later version adds.
	handle("", api.RouteSession+"/", a.handleForward)
	return mux
}

func (a *Agent) begin(c *clientSession) {
	a.enter()
	a.mu.Lock()
	defer a.mu.Unlock()
	c.open++
}

func (a *Agent) done(c *clientSession) {
	a.mu.Lock()
	c.open--
	c.touch()
	a.mu.Unlock()
	a.leave()
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
	return e, a.hostFor(c, e.computer), nil
}

// shown completes the host's answer with what is ours, and remembers it.
func (a *Agent) shown(c *clientSession, e *entry, s *api.Session) *api.Session {
	a.mu.Lock()
	defer a.mu.Unlock()
	e.making, e.asked = false, time.Now()
	if e.learn(s) {
		a.record(change{Client: c.key, Entry: e.saved()})
	}
	if e.attached {
		a.computerLocked(e.computer).beatLocked()
	}
	s.ID, s.ComputerName = e.id, e.computer
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

func (a *Agent) handleCreate(w http.ResponseWriter, r *http.Request, c *clientSession) (any, error) {
	var req api.CreateRequest
	if err := client.ReadBody(w, r, &req); err != nil {
		return nil, err
	}
	id, err := uuid.Parse(r.PathValue("session"))
	if err != nil {
		return nil, api.Errorf(api.CodeInvalidArgument, "%q is no GUID", r.PathValue("session"))
	}
	p, _ := r.Context().Value(peerKey{}).(*peer)
	e := a.enlist(c, id.String(), p, &req)
	planted.Point("agent-recorded")
	if req.Attach != nil {
		req.Attach.ID, req.Attach.Agent, req.Attach.From = a.clientID(c), a.id, a.from
	}
	// A cmdlet that is gone ends the wait, not the making: the session is known here.
	made := make(chan answerTo, 1)
	go func() {
		s, err := a.create(c, e, &req)
		made <- answerTo{s, err}
	}()
	select {
	case m := <-made:
		return m.session, m.err
	case <-r.Context().Done():
		return nil, r.Context().Err()
	}
}

// answerTo is how a request about one session ended.
type answerTo struct {
	session *api.Session
	err     error
}

// create makes the session of an entry.
func (a *Agent) create(c *clientSession, e *entry, req *api.CreateRequest) (*api.Session, error) {
	ctx, cancel := context.WithTimeout(a.ctx, makeTimeout)
	defer cancel()
	s, err := a.hostFor(c, req.ComputerName).Create(ctx, e.instance, req)
	switch {
	case api.IsCode(err, api.CodeOutcomeUnknown):
		go a.unmake(c, e)
		return nil, err
	case err != nil:
		a.forget(c, e)
		return nil, err
	}
	planted.Point("agent-made")
	if s.Existed {
		a.forget(c, e)
		return a.adopt(c, req.ComputerName, s), nil
	}
	if req.Temporary {
		a.watchOwner(c, e)
	}
	return a.shown(c, e, s), nil
}

// enlist notes the session that is about to be made, and gives it a name if it has
// none: known on disk before it exists, so that no crash leaves a session that we made
// and do not know.
func (a *Agent) enlist(c *clientSession, id string, p *peer, req *api.CreateRequest) *entry {
	defer a.turns.take(&req.Turn)()
	a.mu.Lock()
	defer a.mu.Unlock()
	e := c.entries[id]
	if e != nil {
		if req.Name == "" {
			req.Name = e.name
		}
		return e
	}
	e = c.newEntry(id, req.ComputerName)
	e.temporary, e.mine, e.making = req.Temporary, !req.Temporary, true
	e.owner, e.ownerFrom = p.PID, p.start
	switch {
	case req.Temporary:
		req.Name = "Temporary-" + e.instance[:8]
	case req.Name == "":
		c.nextName++
		req.Name = fmt.Sprintf("Session%d", c.nextName)
	}
	if !req.Temporary {
		c.number(e)
	}
	e.name = req.Name
	planted.Point("agent-create")
	a.record(change{Client: c.key, Entry: e.saved(), NextName: c.nextName})
	return e
}

// adopt makes a session that the host had already one of this client session's own.
func (a *Agent) adopt(c *clientSession, computer string, s *api.Session) *api.Session {
	a.mu.Lock()
	e := c.entries[s.Runspace.InstanceID]
	if e == nil {
		e = c.newEntry(s.Runspace.InstanceID, computer)
	}
	c.number(e)
	e.mine = true
	a.record(change{Client: c.key, Entry: e.saved()})
	a.mu.Unlock()
	return a.shown(c, e, s)
}

// forget drops an entry whose session is gone or was never made.
func (a *Agent) forget(c *clientSession, e *entry) {
	a.mu.Lock()
	defer a.mu.Unlock()
	delete(c.entries, e.instance)
	e.temporary, e.attached = false, false
	a.record(change{Client: c.key, Entry: e.saved(), Gone: true})
}

func (a *Agent) handleRemove(_ http.ResponseWriter, r *http.Request, c *clientSession) (any, error) {
	e, host, err := a.target(r, c)
	if err != nil {
		return nil, err
	}
	if r.URL.Query().Get(api.QueryForget) == "true" {
		a.forget(c, e)
		return nil, forgotten(api.Errorf(api.CodeUnreachable, "[%s] the computer does not answer", e.computer).On(e.computer))
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
	a.forget(c, e)
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
	s, err := host.Session(r.Context(), e.instance)
	if err == nil && (s.State != api.StateOpened || changesBuffering(s, &req)) {
		s, err = a.attach(r.Context(), c, e, host, &req)
	}
	if err != nil {
		return nil, err
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
	return mode != "" && mode != api.BufferingNone && mode != s.Runspace.OutputBufferingMode
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
	if s, err = host.Detach(r.Context(), e.instance, &req); err != nil {
		if api.IsCode(err, api.CodeVersion) {
			err = api.Errorf(api.CodeVersion, "session %s stays connected: the endpoint on %s does not support disconnect (%v)", e.name, e.computer, err).
				WithID("EndpointDoesNotSupportDisconnect").On(e.name).Hint("update pss on %s", e.computer)
		}
		return nil, err
	}
	planted.Point("agent-detached")
	return a.shown(c, e, s), nil
}

// handleStream passes an attachment's connection on, with the epoch that we
// hold. A session that an outage detached, and that nobody holds, is attached
// again first.
func (a *Agent) handleStream(w http.ResponseWriter, r *http.Request, c *clientSession) (any, error) {
	var req api.StreamRequest
	if err := client.ReadBody(w, r, &req); err != nil {
		return nil, err
	}
	e, host, err := a.target(r, c)
	if err != nil {
		return nil, err
	}
	if err := client.RequireUpgrade(r); err != nil {
		return nil, err
	}
	a.stay(e)
	r.URL.Path = api.SessionPath(e.instance, "/stream")
	w.Header().Set(api.HeaderComputer, e.computer)
	w.Header().Set(api.HeaderSession, e.instance)
	for again := false; ; again = true {
		a.mu.Lock()
		req.Epoch = e.epoch
		a.mu.Unlock()
		body, err := json.Marshal(&req)
		if err != nil {
			return nil, err
		}
		err = host.ForwardBody(w, r, nil, body)
		if again || !isDetached(err) {
			return nil, err
		}
		if ok, rerr := a.reattach(r.Context(), c, e, host); !ok {
			return nil, cmp.Or(rerr, err)
		}
	}
}

func isDetached(err error) bool {
	var e *api.Error
	return errors.As(err, &e) && (e.Code == api.CodeInvalidState || e.Code == api.CodeStaleEpoch)
}

// reattach takes a session up again that we lost by an outage: only while the
// epoch that we had is still the newest one. An error says that this is not known.
func (a *Agent) reattach(ctx context.Context, c *clientSession, e *entry, host *client.Client) (bool, error) {
	for range 3 {
		s, err := host.Session(ctx, e.instance)
		if err != nil {
			return false, err
		}
		a.mu.Lock()
		epoch := e.epoch
		a.mu.Unlock()
		if s.State == api.StateOpened && s.Runspace.Attached.Epoch != epoch {
			// Ours all the same: a killed agent's attachment, or one whose answer was lost.
			a.shown(c, e, s)
			return true, nil
		}
		if s.State != api.StateDisconnected || s.Runspace.Attached != nil || s.Runspace.Detached != api.DetachedByOutage && !planted.On("reattach-after-disconnect") || s.Runspace.Epoch != epoch {
			return false, nil
		}
		if s, err = a.attach(ctx, c, e, host, &api.AttachRequest{IfEpoch: epoch}); err == nil {
			a.shown(c, e, s)
			return true, nil
		}
		if !api.IsCode(err, api.CodeStaleEpoch) && !api.IsCode(err, api.CodeBusy) {
			return false, err
		}
		// Somebody was faster: another client, or our own request. The session says who.
	}
	return false, nil
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
