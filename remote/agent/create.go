package agent

import (
	"context"
	"fmt"
	"net/http"
	"time"

	"pss/remote/api"
	"pss/remote/client"
	"pss/remote/planted"
)

func (a *Agent) handleCreate(w http.ResponseWriter, r *http.Request, c *clientSession) (any, error) {
	var req api.CreateRequest
	if err := client.ReadBody(w, r, &req); err != nil {
		return nil, err
	}
	id, err := client.PathGUID(r, "session")
	if err != nil {
		return nil, err
	}
	p, _ := r.Context().Value(peerKey{}).(*peer)
	e := a.enlist(c, id, p, &req)
	planted.Point("agent-recorded")
	if req.Attach != nil {
		req.Attach.ID, req.Attach.Agent, req.Attach.From = a.clientID(c), a.id, a.from
	}
	// A cmdlet that is gone ends the wait, not the making: the session is known here.
	made := make(chan answerTo, 1)
	go func() {
		s, err := a.create(sameCaller(client.ForRequest(a.ctx, r.Context()), r.Context()), c, e, &req)
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
func (a *Agent) create(ctx context.Context, c *clientSession, e *entry, req *api.CreateRequest) (*api.Session, error) {
	limit := openLimit(&req.Options, makeTimeout)
	host := a.hostFor(c, req.ComputerName)
	// Somebody may be asked, which takes longer than a session may take to be made. A
	// computer out of reach is tried again below.
	if _, err := host.Introduce(meetWithin(ctx, limit)); api.IsCode(err, api.CodeAccessDenied) || api.IsCode(err, api.CodeInvalidArgument) {
		a.forget(c, e)
		return nil, err
	}
	ctx, cancel := context.WithTimeout(ctx, limit)
	defer cancel()
	a.lend(ctx, req)
	s, err := tryCreate(ctx, host, e.instance, req)
	switch {
	case api.IsCode(err, api.CodeOutcomeUnknown):
		go a.unmake(c, e)
		return nil, openedLate(ctx, err, e.computer, limit, makeTimeout)
	case err != nil:
		a.forget(c, e)
		return nil, openedLate(ctx, err, e.computer, limit, makeTimeout)
	}
	planted.Point("agent-made")
	a.use(req.ComputerName)
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

// retryPause is how long a computer that is out of reach is left alone before it is
// asked again, if a session option says so.
const retryPause = time.Second

// openLimit is how long a session may take to be made or connected: what a session
// option says, if that is less than our own limit.
func openLimit(o *api.SessionOption, own time.Duration) time.Duration {
	if o.OpenTimeout <= 0 || o.OpenTimeout >= own.Milliseconds() {
		return own
	}
	return time.Duration(o.OpenTimeout) * time.Millisecond
}

// openedLate is the error of a session that was not open within the limit of a session
// option, and err for every other reason.
func openedLate(ctx context.Context, err error, computer string, limit, own time.Duration) error {
	if limit == own || ctx.Err() == nil || api.IsCode(err, api.CodeUnreachable) {
		return err
	}
	return api.Errorf(api.CodeTimedOut, "[%s] the session was not open within the OpenTimeout of %v", computer, limit).
		WithID("WinRMOperationTimeout").On(computer).Hint("give a longer OpenTimeout, or none")
}

// tryCreate makes the session, and tries again as often as its options say while the
// computer is out of reach.
func tryCreate(ctx context.Context, host *client.Client, instance string, req *api.CreateRequest) (*api.Session, error) {
	s, err := host.Create(ctx, instance, req)
	for left := req.Options.MaxConnectionRetryCount; left > 0 && api.IsCode(err, api.CodeUnreachable) && ctx.Err() == nil; left-- {
		select {
		case <-ctx.Done():
		case <-time.After(retryPause):
			s, err = host.Create(ctx, instance, req)
		}
	}
	return s, err
}
