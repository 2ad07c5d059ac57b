package sessionhost

import (
	"fmt"
	"time"

	"pss/remote/api"
	"pss/remote/planted"
	"pss/remote/platform"
)

// This file is the state machine: the only place where Life, Epoch, Attached,
// and the two options change.

// open makes a prepared session this one, with its first command if it has one.
func (s *Session) open(info *api.RunspaceInfo, first *api.Attachment, start *api.FirstCommand) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	engineName := s.info.Engine
	s.info = *info
	s.info.Format, s.info.Life, s.info.Created = 1, api.LifeOpen, time.Now()
	s.signLocked()
	s.info.Engine = engineName
	fillNext(&s.info)
	if first != nil {
		s.attachLocked(*first)
	} else {
		s.detachLocked(api.DetachedByClient)
	}
	if err := s.introduce(); err != nil {
		return err
	}
	planted.Point("session-open")
	if start != nil {
		_, err := s.startLocked(start.Pipeline, &start.Command)
		return err
	}
	return s.saveLocked()
}

func (s *Session) attachLocked(a api.Attachment) {
	s.info.Epoch++
	a.Epoch, a.Since = s.info.Epoch, time.Now()
	s.info.Attached, s.info.Detached = &a, ""
	s.info.DisconnectedOn, s.info.ExpiresOn = nil, nil
	s.hostLost = 0
}

// attach gives the session to client, or says who holds it.
func (s *Session) attach(client api.ClientID, req *api.AttachRequest) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	if err := s.openLocked(); err != nil {
		return err
	}
	if req.IfEpoch != 0 && req.IfEpoch != s.info.Epoch {
		return s.staleLocked()
	}
	if err := req.Options.OutputBufferingMode.Check(); err != nil {
		return err
	}
	next := api.Attachment{Client: client, Agent: req.Agent, From: req.From}
	reason := api.Errorf(api.CodeStaleEpoch, "the session was connected again")
	if a := s.info.Attached; a != nil && a.Client != client && !planted.On("attach-takes-over") {
		if !req.Force || a.Client.Principal != client.Principal {
			return s.busyLocked()
		}
		if reason = s.takenOver(&next); planted.On("takeover-untold") {
			reason = nil
		}
	}
	s.endStreamsLocked(reason)
	s.attachLocked(next)
	s.bufferingLocked(req.Options.OutputBufferingMode)
	if req.Connection != nil {
		s.info.Connection = req.Connection
	}
	planted.Point("session-attach")
	return s.saveLocked()
}

// detach ends the attachment with this epoch. Ending one that has ended already
// changes nothing.
func (s *Session) detach(req *api.DetachRequest) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	if err := s.openLocked(); err != nil {
		return err
	}
	if s.info.Attached == nil && req.Epoch == s.info.Epoch {
		return nil
	}
	if err := s.epochLocked(req.Epoch); err != nil {
		return err
	}
	if err := s.optionsLocked(&req.Options); err != nil {
		return err
	}
	s.bufferingLocked(req.Options.OutputBufferingMode)
	by := req.By
	if by == "" {
		by = api.DetachedByClient
	}
	s.detachLocked(by)
	planted.Point("session-detach")
	s.syncLocked()
	return s.saveLocked()
}

func (s *Session) detachLocked(by string) {
	now := time.Now()
	s.info.Attached, s.info.Detached = nil, by
	s.info.DisconnectedOn = &now
	if s.idleFrom == 0 || !planted.On("idle-clock-goes-on") {
		s.idleFrom = platform.BootTime()
	}
	s.expiryLocked(now)
	s.hurryLocked()
	if by == api.DetachedByOutage {
		// To the client this is part of the outage: it tries again, and gets the
		// session back if nobody else holds it by then.
		s.endStreamsLocked(nil)
		return
	}
	s.endStreamsLocked(api.Errorf(api.CodeInterrupted, "the session was disconnected").WithID("SessionDisconnected"))
}

// expiryLocked derives ExpiresOn for an idle clock that begins at from, by the wall
// clock: for people. The clock itself is idleFrom.
func (s *Session) expiryLocked(from time.Time) {
	s.info.ExpiresOn = nil
	if s.info.Attached == nil && s.clockRunsLocked() {
		t := from.Add(time.Duration(s.info.IdleTimeoutMs) * time.Millisecond)
		s.info.ExpiresOn = &t
	}
}

// clockRunsLocked reports whether the idle clock of a session that nobody holds
// runs now.
func (s *Session) clockRunsLocked() bool {
	return s.info.IdleTimeoutMs > 0 && (!s.info.IdleClockStopsWhileBusy || s.runningLocked() == nil || planted.On("clock-runs-while-busy"))
}

// rewindLocked begins the idle time of a session whose clock stood still for the
// command that has just ended.
func (s *Session) rewindLocked() {
	if s.info.Life == api.LifeOpen && s.info.Attached == nil && s.info.IdleClockStopsWhileBusy {
		s.idleFrom = platform.BootTime()
		s.expiryLocked(time.Now())
		s.hurryLocked()
	}
}

// idleTimeoutLocked checks a wanted idle timeout and keeps it.
func (s *Session) idleTimeoutLocked(ms *int64) error {
	if ms == nil && planted.On("idle-timeout-forgotten") {
		s.info.IdleTimeoutMs = api.DefaultIdleTimeoutMs
	}
	wanted, ok := api.CheckIdleTimeout(ms, s.info.IdleTimeoutMs, s.boot.MinIdleMs, s.info.MaxIdleTimeoutMs)
	if !ok {
		return api.Errorf(api.CodeInvalidArgument, "session %s: the idle timeout of %s is outside the allowed range, %s to %s",
			s.info.Name, api.IdleTimeoutText(*ms), api.IdleTimeoutText(s.boot.MinIdleMs), api.IdleTimeoutText(s.info.MaxIdleTimeoutMs)).
			WithID("CannotDisconnectSessionWithInvalidIdleTimeout").On(s.info.Name).
			Hint("give a value within the range; the session stays connected")
	}
	s.info.IdleTimeoutMs = wanted
	return nil
}

// optionsLocked fails, and changes nothing, if one of the options cannot be.
func (s *Session) optionsLocked(o *api.SessionOption) error {
	if err := o.OutputBufferingMode.Check(); err != nil {
		return err
	}
	return s.idleTimeoutLocked(o.IdleTimeout)
}

// bufferingLocked changes the output buffering mode, at once also for a command
// that waits.
func (s *Session) bufferingLocked(mode api.OutputBufferingMode) {
	if mode.Given() {
		s.info.OutputBufferingMode = mode
		s.setModeLocked(mode)
	}
}

// setModeLocked tells the mode, and how much unread output is allowed now, to the
// command that runs; api.BufferingNone leaves its mode.
func (s *Session) setModeLocked(mode api.OutputBufferingMode) {
	if p := s.runningLocked(); p != nil {
		p.spool.SetMode(mode, s.limitLocked())
	}
}

// epochLocked refuses a request of an attachment that is not the present one.
func (s *Session) epochLocked(epoch uint64) error {
	switch {
	case planted.On("no-epoch-check"):
		return nil
	case s.info.Attached == nil:
		return api.Errorf(api.CodeInvalidState, "session %s (%s) is not connected; its state is Disconnected", s.info.Name, s.info.InstanceID).
			WithID("InvokeCommandCommandInvalidSessionState").On(s.info.Name).
			Hint("connect it: pss connect-pssession --instance-id %s", s.info.InstanceID)
	case s.info.Attached.Epoch != epoch:
		return s.staleLocked()
	}
	return nil
}

// openLocked refuses what only a living session can do.
func (s *Session) openLocked() error {
	if s.info.Life == api.LifeOpen {
		return nil
	}
	return api.Errorf(api.CodeLost, "session %s is %s: %s", s.info.Name, s.info.Life, s.info.Reason).
		WithID("PSSessionConnectFailed").On(s.info.Name).
		Hint("receive what it printed: pss receive-pssession --instance-id %s; then remove it", s.info.InstanceID)
}

func (s *Session) busyLocked() *api.Error {
	return Busy(&s.info)
}

func (s *Session) staleLocked() *api.Error {
	e := api.Errorf(api.CodeStaleEpoch, "session %s was connected by somebody else meanwhile", s.info.Name)
	if s.info.Attached != nil {
		e = Busy(&s.info)
		e.Code = api.CodeStaleEpoch
	}
	return e.WithID("StaleEpoch").On(s.info.Name).Hint("ask for its state: pss get-pssession --computer-name COMPUTER")
}

// Busy is the error for a session that its Attached holds.
func Busy(info *api.RunspaceInfo) *api.Error {
	a := info.Attached
	holder := fmt.Sprintf("%s, from %s, since %s", a.Client.Principal, a.From, a.Since.Format(time.RFC3339))
	e := api.Errorf(api.CodeBusy, "session %s is connected to another client: %s", info.Name, holder).
		WithID("PSSessionConnectFailed").On(info.Name).
		Hint("disconnect it there, or take it over: pss connect-pssession --force --instance-id %s", info.InstanceID)
	e.Holder = holder
	return e
}

// takenOver is what the client is told that loses the session to next.
func (s *Session) takenOver(next *api.Attachment) *api.Error {
	holder := fmt.Sprintf("%s, from %s", next.Client.Principal, next.From)
	e := api.Errorf(api.CodeStaleEpoch, "session %s was taken over by another client: %s", s.info.Name, holder).
		WithID("PSSessionTakenOver").On(s.info.Name).
		Hint("its command goes on there; what you have received stays received")
	e.Holder = holder
	return e
}

// lastWords bounds how long it takes to get what a command printed before its
// engine ended.
const lastWords = 2 * time.Second

// breakUp makes the session Broken, whose engine ended by itself, and ends what its
// commands started: nobody can reach that any more.
func (s *Session) breakUp(reason string) {
	s.mu.Lock()
	if p := s.runningLocked(); p != nil && p.live != nil && !planted.On("shell-words-lost") {
		p.spool.Unblock()
		s.mu.Unlock()
		select {
		case <-p.live.Done():
		case <-time.After(lastWords):
		}
		s.mu.Lock()
	}
	s.breakLocked(reason)
	s.mu.Unlock()
	s.closeEngine()
}

// breakLocked makes a session that is Open Broken.
func (s *Session) breakLocked(reason string) {
	if s.info.Life == api.LifeOpen {
		s.loseLocked(reason)
		s.noteLocked()
	}
}

// closeEngine ends the engine, if there is one, and what its commands started.
func (s *Session) closeEngine() {
	if s.rs == nil {
		return
	}
	if err := s.rs.Close(); err != nil {
		s.log.Warn("engine did not close", "error", err)
	}
}

// toldToEnd is why a session is Broken whose process got SIGTERM or SIGINT.
const toldToEnd = "its session host was told to end, as when a computer or container stops"

// leave ends the session whose process was told to end. All that its command has printed
// is kept, and what becomes of the command is told by whoever serves that next.
func (s *Session) leave() {
	s.mu.Lock()
	open := s.info.Life == api.LifeOpen
	if open {
		s.leaving = true
		s.brokenLocked(toldToEnd) // nothing begins any more
	}
	for _, p := range s.pipelines {
		p.spool.Unblock()
	}
	s.mu.Unlock()
	s.closeEngine()
	s.mu.Lock()
	defer s.mu.Unlock()
	if open {
		s.loseLocked(toldToEnd)
		s.noteLocked()
	}
	s.syncLocked()
	if s.factsFile != nil {
		if err := s.factsFile.Sync(); err != nil {
			s.log.Warn("facts not synced", "error", err)
		}
	}
}

// brokenLocked turns the session Broken.
func (s *Session) brokenLocked(reason string) {
	s.info.Life, s.info.Reason = api.LifeBroken, reason
	s.info.Attached = nil
	s.idleSince = time.Now()
}

// loseLocked turns the session Broken and what still ran into Lost.
func (s *Session) loseLocked(reason string) {
	s.brokenLocked(reason)
	for _, p := range s.pipelines {
		if p.facts.Running() {
			p.finishLocked(&api.PipelineEnd{Outcome: api.OutcomeLost, Error: s.lostError(reason)})
		}
	}
}

func (s *Session) lostError(reason string) *api.Error {
	return api.Errorf(api.CodeLost, "session %s was lost: %s", s.info.Name, reason).
		WithID("PSSessionStateBroken").On(s.info.Name).
		Hint("what was printed until then has been received; remove the session: pss remove-pssession --instance-id %s", s.info.InstanceID)
}

// expire closes the session at the end of its idle clock; what it printed stays.
func (s *Session) expire() {
	s.mu.Lock()
	if s.info.Life != api.LifeOpen || s.info.Attached != nil {
		s.mu.Unlock()
		return
	}
	s.loseLocked("Expired")
	s.info.Life = api.LifeClosed
	s.noteLocked()
	s.mu.Unlock()
	s.closeEngine()
}

// remove ends the session and deletes its folder.
func (s *Session) remove(epoch uint64, client api.ClientID, force bool) error {
	s.mu.Lock()
	if a := s.info.Attached; s.info.Life == api.LifeOpen && a != nil && a.Client != client && !force {
		defer s.mu.Unlock()
		return s.busyLocked()
	}
	if a := s.info.Attached; a != nil && a.Client == client && epoch != 0 && epoch != a.Epoch {
		defer s.mu.Unlock()
		return s.staleLocked()
	}
	s.info.Life, s.info.Reason, s.info.Attached = api.LifeClosed, "Removed", nil
	s.endStreamsLocked(api.Errorf(api.CodeLost, "session %s was removed", s.info.Name).WithID("PSSessionStateClosed"))
	for _, p := range s.pipelines {
		p.spool.Unblock()
	}
	s.mu.Unlock()
	s.closeEngine()
	for _, p := range s.pipelines {
		p.spool.Close()
	}
	return s.deleteFolder()
}
