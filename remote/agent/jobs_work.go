package agent

import (
	"context"
	"strings"
	"time"

	"pss/remote/api"
	"pss/remote/client"
	"pss/remote/planted"
)

// workLocked lets a child work, from where it stands, until it has everything or its
// session is not ours any more.
func (a *Agent) workLocked(ch *child) {
	if ch.run != nil || !ch.facts.State.Live() {
		return
	}
	r := &run{done: make(chan struct{})}
	r.begin, r.quit = context.WithCancel(a.ctx)
	r.following, r.pause = context.WithCancel(a.ctx)
	ch.run = r
	a.active.Enter()
	go func() {
		defer a.active.Leave()
		defer close(r.done)
		defer r.quit()
		defer r.pause()
		a.work(ch, r)
		a.mu.Lock()
		defer a.mu.Unlock()
		ch.run = nil
	}()
}

func (a *Agent) work(ch *child, r *run) {
	a.mu.Lock()
	begins := ch.facts.State == api.JobNotStarted
	a.mu.Unlock()
	if begins {
		select {
		case ch.j.slots <- struct{}{}:
			defer func() { <-ch.j.slots }()
		case <-r.begin.Done():
			a.notBegun(ch, r, r.begin.Err())
			return
		}
		if err := a.beginChild(ch, r); err != nil {
			a.notBegun(ch, r, err)
			return
		}
		if r.begin.Err() != nil && a.ctx.Err() == nil { // told to stop while it began
			if err := a.signalChild(a.ctx, ch); err != nil {
				a.log.Warn("command not stopped", "job", ch.facts.InstanceID, "error", err)
			}
		}
	}
	a.follow(ch, r)
}

// beginChild makes the child's session and starts its command there. Whatever is repeated finds what the first time did.
func (a *Agent) beginChild(ch *child, r *run) error {
	create, cmd := ch.create, ch.command
	c, e, host := a.hostOf(ch)
	if create != nil {
		if err := a.makeSession(ch, r, c, e, host); err != nil {
			return err
		}
	} else if cmd != nil {
		if err := a.startIn(ch, r, c, e, host); err != nil {
			return err
		}
	}
	a.mu.Lock()
	defer a.mu.Unlock()
	ch.create, ch.command = nil, nil
	ch.facts.State, ch.facts.Began = api.JobRunning, time.Now()
	a.changedLocked(ch.j)
	if c.ending || a.clients[c.key] != c {
		go a.part(c, e, api.DetachedByClient) // it came too late for the end of its client session
	}
	return nil
}

// makeSession makes the child's own session, together with its command.
func (a *Agent) makeSession(ch *child, r *run, c *clientSession, e *entry, host *client.Client) error {
	req := *ch.create
	req.Name = ch.j.facts.Name
	attach := api.AttachRequest{}
	if req.Attach != nil {
		attach = *req.Attach
	}
	attach.ID, attach.Agent, attach.From = a.clientID(c), a.id, a.from
	req.Attach = &attach
	req.Start = &api.FirstCommand{Pipeline: ch.pipeline, Command: *ch.command}
	a.mu.Lock()
	e.making, e.name = true, req.Name
	a.record(change{Client: c.key, Entry: e.saved()}) // known before it exists
	a.mu.Unlock()
	var s *api.Session
	limit := openLimit(&req.Options, makeTimeout)
	err := a.settled(ch, r, limit, func(ctx context.Context) (err error) {
		s, err = tryCreate(ctx, host, e.instance, &req)
		ch.made = err != nil && (client.IsBroken(err) || api.IsCode(err, api.CodeOutcomeUnknown) || r.begin.Err() != nil)
		return openedLate(ctx, err, e.computer, limit, makeTimeout)
	})
	if err != nil {
		if !ch.made {
			a.forget(c, e)
		}
		return err
	}
	a.use(req.ComputerName)
	a.shown(c, e, s)
	for i := range s.Runspace.Pipelines {
		if s.Runspace.Pipelines[i].ID == ch.pipeline {
			return nil
		}
	}
	return a.startIn(ch, r, c, e, host) // a host of an older version does not know Start
}

// startIn starts the child's command in its session.
func (a *Agent) startIn(ch *child, r *run, c *clientSession, e *entry, host *client.Client) error {
	again := false
	return a.settled(ch, r, makeTimeout, func(ctx context.Context) error {
		a.mu.Lock()
		epoch := e.epoch
		a.mu.Unlock()
		_, err := host.Start(ctx, e.instance, ch.pipeline, &api.StartRequest{Epoch: epoch, Command: *ch.command})
		if again || !isDetached(err) {
			return err
		}
		again = true
		if ok, _ := a.reattach(ctx, c, e, host); !ok {
			return err
		}
		a.mu.Lock()
		epoch = e.epoch
		a.mu.Unlock()
		_, err = host.Start(ctx, e.instance, ch.pipeline, &api.StartRequest{Epoch: epoch, Command: *ch.command})
		return err
	})
}

// settled makes a request that may be repeated until it is known what became of it, or
// the job's patience is over.
func (a *Agent) settled(ch *child, r *run, limit time.Duration, do func(context.Context) error) error {
	for began := time.Now(); ; {
		ctx, cancel := context.WithTimeout(r.begin, limit)
		err := do(ctx)
		cancel()
		if !api.IsCode(err, api.CodeOutcomeUnknown) || time.Since(began) > ch.j.window {
			return err
		}
		select {
		case <-r.begin.Done():
			return err
		case <-time.After(time.Second):
		}
	}
}

// notBegun ends a child whose command did not begin, as far as that is known.
func (a *Agent) notBegun(ch *child, r *run, err error) {
	switch e := api.AsError(err); {
	case a.ctx.Err() != nil: // the next agent goes on
	case r.begin.Err() != nil:
		a.settle(ch, api.JobStopped, &api.PipelineEnd{Outcome: api.OutcomeStopped})
	case e.Code == api.CodeOutcomeUnknown && !ch.facts.Temporary:
		a.settle(ch, api.JobDisconnected, &api.PipelineEnd{Error: e})
	default:
		if ch.facts.Temporary {
			e = e.WithID(strings.TrimSuffix(e.FullyQualifiedErrorID, ",PSSessionOpenFailed") + ",PSSessionStateBroken")
		}
		a.settle(ch, api.JobFailed, &api.PipelineEnd{Outcome: api.OutcomeFailed, Error: e.On(api.ComputerOf(ch.facts.ComputerName))})
	}
}

// settle gives the child a state that lasts, and removes its own session if it has
// everything.
func (a *Agent) settle(ch *child, state api.JobState, end *api.PipelineEnd) {
	a.mu.Lock()
	defer a.mu.Unlock()
	f := &ch.facts
	f.State, f.Error = state, end.Error
	if state.Finished() {
		now := time.Now()
		f.Ended, f.Outcome, f.ExitCode = &now, end.Outcome, end.ExitCode
		begun := ch.create == nil
		ch.create, ch.command = nil, nil
		ch.unmake = f.Temporary && (begun || ch.made) && !planted.On("job-session-left")
	}
	a.changedLocked(ch.j)
	if ch.unmake {
		a.unmakeLater(ch)
	}
}

// unmakeLater removes the session of a child that has everything.
func (a *Agent) unmakeLater(ch *child) {
	a.active.Enter()
	go func() {
		defer a.active.Leave()
		a.unmakeOf(ch)
	}()
}

func (a *Agent) unmakeOf(ch *child) {
	c, e, _ := a.hostOf(ch)
	a.unmake(c, e)
	if a.ctx.Err() != nil {
		return
	}
	a.mu.Lock()
	defer a.mu.Unlock()
	ch.unmake = false
	a.changedLocked(ch.j)
}

// resumeJobs takes up the work that a killed agent left.
func (a *Agent) resumeJobs() {
	a.mu.Lock()
	defer a.mu.Unlock()
	for _, j := range a.jobs {
		gone := a.clients[j.client] == nil
		for _, ch := range j.children {
			switch {
			case ch.unmake:
				a.unmakeLater(ch)
			case gone && ch.facts.State.Live(): // its client session was over before it was told so
				ch.facts.State = api.JobDisconnected
				a.changedLocked(j)
			default:
				if ch.facts.State == api.JobStopping {
					ch.facts.State = api.JobRunning // whether it was told to stop is not known
				}
				a.workLocked(ch)
			}
		}
	}
}
