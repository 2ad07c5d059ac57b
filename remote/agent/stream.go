package agent

import (
	"cmp"
	"context"
	"encoding/json"
	"errors"
	"net/http"

	"pss/remote/api"
	"pss/remote/client"
	"pss/remote/planted"
)

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
