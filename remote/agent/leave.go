package agent

import (
	"context"
	"time"

	"pss/remote/api"
	"pss/remote/planted"
)

const (
	// leaveTries bounds how often a host that does not answer is asked.
	leaveTries = 30
	// leaveTimeout bounds one such question.
	leaveTimeout = 10 * time.Second
	// laterPatience is how long a cmdlet that leaves waits for the disconnect.
	laterPatience = time.Second
)

// parting is a disconnect that goes on until the computer has answered.
type parting struct {
	done chan struct{} // closed when it is over, unless the agent ends first
	// Set by then:
	idle bool         // the session ran nothing
	left *api.Session // as it was left; nil if that is not known
}

// part disconnects the session, however long its computer does not answer, unless
// somebody takes it up again meanwhile (stay). It does not wait.
func (a *Agent) part(c *clientSession, e *entry, by string) *parting {
	a.mu.Lock()
	defer a.mu.Unlock()
	if e.parting == nil {
		e.parting = &parting{done: make(chan struct{})}
		go a.leaveBehind(c, e, e.parting, by)
	}
	return e.parting
}

// stay ends the parting: the session is used again.
func (a *Agent) stay(e *entry) {
	a.mu.Lock()
	defer a.mu.Unlock()
	e.parting = nil
}

func (a *Agent) leaveBehind(c *clientSession, e *entry, p *parting, by string) {
	over := a.insist(e, "not disconnected", func(ctx context.Context) error { return a.detachOnce(ctx, c, e, p, by) })
	if !over {
		return // without a word to those who wait: what they would do now is the next agent's
	}
	defer close(p.done)
	a.mu.Lock()
	defer a.mu.Unlock()
	if e.parting == p {
		e.parting = nil
		e.attached = false // if the host stayed silent, our heartbeat's end lets the lease lapse
	}
}

// insist asks the computer of e until that has worked or the session is gone, at most
// leaveTries times; failed says what has not worked. It is false if the agent ends first.
func (a *Agent) insist(e *entry, failed string, ask func(context.Context) error) bool {
	for range leaveTries {
		ctx, cancel := context.WithTimeout(a.ctx, leaveTimeout)
		err := ask(ctx)
		cancel()
		if err == nil || api.IsCode(err, api.CodeNotFound) {
			break
		}
		a.log.Warn(failed, "session", e.instance, "error", err)
		select {
		case <-a.ctx.Done():
			return false
		case <-time.After(time.Second):
		}
	}
	return true
}

// detachOnce disconnects the session if c holds it and still means to leave it.
func (a *Agent) detachOnce(ctx context.Context, c *clientSession, e *entry, p *parting, by string) error {
	cl := a.hostOfEntry(c, e)
	s, err := cl.Session(ctx, e.instance)
	if err != nil {
		return err
	}
	a.mu.Lock()
	leaves := e.parting == p
	a.mu.Unlock()
	if leaves && !planted.On("left-session-stays-open") && s.State == api.StateOpened {
		a.pauseJobs(e)
		s, err = cl.Detach(ctx, e.instance, &api.DetachRequest{Epoch: s.Runspace.Attached.Epoch, By: by})
	}
	if err == nil {
		p.idle, p.left = leaves && s.CommandState == api.CommandNone, s
	}
	return err
}

// detachLater disconnects the session and answers in a moment, whether or not the
// computer has; until it does, the session reads as Disconnected here.
func (a *Agent) detachLater(ctx context.Context, c *clientSession, e *entry, by string) *api.Session {
	if by == "" {
		by = api.DetachedByClient
	}
	p := a.part(c, e, by)
	a.mu.Lock()
	a.showLocked(c, e)
	a.mu.Unlock()
	select {
	case <-p.done:
		if p.left != nil {
			return a.shown(c, e, p.left)
		}
	case <-ctx.Done():
	case <-time.After(laterPatience):
	}
	a.mu.Lock()
	defer a.mu.Unlock()
	return e.remembered()
}

// showLocked lists a session from now on as one of c's own.
func (a *Agent) showLocked(c *clientSession, e *entry) {
	if fresh := c.number(e); !fresh && e.mine {
		return
	}
	e.mine = true
	a.record(change{Client: c.key, Entry: e.saved()})
}

// remembered is what is known of a session whose computer does not answer.
func (e *entry) remembered() *api.Session {
	s := &api.Session{ID: e.id, Unreachable: true, CommandState: api.CommandNone, Runspace: api.RunspaceInfo{
		InstanceID: e.instance, Name: e.name, ConfigurationName: e.conf, Life: api.LifeOpen,
	}}
	s.At(e.computer)
	s.State, s.Availability = api.View(&s.Runspace, api.ClientID{}, false)
	return s
}

// removePatience bounds how long a cmdlet that has everything waits for the end of its
// temporary session.
const removePatience = 5 * time.Second

// removeTemporary removes a temporary session, later if its computer does not answer:
// its command has ended, and that this comes to nothing is no failure of it.
func (a *Agent) removeTemporary(ctx context.Context, c *clientSession, e *entry) {
	done := make(chan struct{})
	go func() {
		defer close(done)
		a.unmake(c, e)
	}()
	select {
	case <-done:
	case <-ctx.Done():
	case <-time.After(removePatience):
	}
}

// unmake removes a session that nobody wants, as soon as its computer answers.
func (a *Agent) unmake(c *clientSession, e *entry) {
	a.active.Enter() // the agent must not end before
	defer a.active.Leave()
	const failed = "not removed"
	over := a.insist(e, failed, func(ctx context.Context) error {
		err := a.hostOfEntry(c, e).Remove(ctx, e.instance, 0, false)
		if err == nil || api.IsCode(err, api.CodeNotFound) || api.IsCode(err, api.CodeUnreachable) || api.IsCode(err, api.CodeOutcomeUnknown) {
			return err
		}
		a.log.Warn(failed, "session", e.instance, "error", err)
		return nil // it is no longer ours
	})
	if over {
		a.forget(c, e)
	}
}
