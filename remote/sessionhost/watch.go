package sessionhost

import (
	"context"
	"net/http"
	"os"
	"time"

	"pss/remote/api"
	"pss/remote/planted"
	"pss/remote/platform"
)

const (
	// longestWatch is the pace of an idle session: it makes its socket again
	// within this time.
	longestWatch = 10 * time.Second
	// lingerDead is how long a process without an engine serves its output
	// after the last request; the host starts another when one is needed.
	lingerDead = 30 * time.Second
)

// watch does what no request triggers, until the session is over.
func (s *Session) watch(ctx context.Context, srv *http.Server) {
	t := time.NewTimer(longestWatch)
	defer t.Stop()
	s.mu.Lock()
	s.timer = t
	s.rearmLocked()
	s.mu.Unlock()
	for {
		select {
		case <-ctx.Done():
			return
		case <-s.quit:
			return
		case <-t.C:
		}
		if s.lock.Gone() {
			return // somebody deleted the session's folder: nobody can reach it any more
		}
		s.keepSocket(srv)
		if s.expired() {
			s.expire()
		}
		s.tick()
		s.mu.Lock()
		s.rearmLocked()
		s.mu.Unlock()
	}
}

// rearmLocked sets the time of the next look.
func (s *Session) rearmLocked() {
	p := s.paceLocked()
	s.slow = p > time.Second
	s.timer.Reset(p)
}

// hurryLocked brings the next look forward, if it is far and something began
// that must not wait for it.
func (s *Session) hurryLocked() {
	if s.slow {
		s.rearmLocked()
	}
}

// paceLocked is the time until the next look: a second while there is something to
// save or sync, else as long as the clocks allow.
func (s *Session) paceLocked() time.Duration {
	p := min(longestWatch, s.lease/3)
	if s.runningLocked() != nil || s.dirty {
		p = min(p, time.Second)
	}
	if s.info.Attached == nil && s.info.Life == api.LifeOpen && s.clockRunsLocked() {
		left := s.idleFrom + time.Duration(s.info.IdleTimeoutMs)*time.Millisecond - platform.BootTime()
		p = min(p, max(left, 10*time.Millisecond))
	}
	return p
}

// tick saves and syncs what has changed, notices a host that is gone and ends a
// process that only served a dead session's output.
func (s *Session) tick() {
	s.mu.Lock()
	defer s.mu.Unlock()
	running := s.runningLocked()
	if running != nil && s.info.Attached == nil {
		running.sync()
	}
	if running != nil || s.dirty {
		s.noteLocked()
	}
	if s.info.Attached != nil {
		s.checkHostLocked()
	}
	if s.info.Life != api.LifeOpen && len(s.streams) == 0 && time.Since(s.idleSince) > lingerDead {
		s.end()
	}
}

// checkHostLocked detaches the client when the host has been gone for the lease:
// nobody else could tell that the client is lost. Silence alone is no proof, a
// lock that nobody holds is.
func (s *Session) checkHostLocked() {
	held, err := platform.LockHeld(s.boot.HostLock)
	switch {
	case err != nil || held || planted.On("host-loss-unnoticed"):
		s.hostLost = 0
	case s.hostLost == 0:
		s.hostLost = platform.BootTime()
	case platform.BootTime()-s.hostLost >= s.lease:
		s.detachLocked(api.DetachedByOutage)
		s.syncLocked()
		s.noteLocked()
	}
}

// expired reports whether the idle clock has run out. It counts suspend.
func (s *Session) expired() bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.info.Life == api.LifeOpen && s.info.Attached == nil && s.clockRunsLocked() &&
		platform.BootTime()-s.idleFrom >= time.Duration(s.info.IdleTimeoutMs)*time.Millisecond
}

// keepSocket makes the socket again if somebody deleted it.
func (s *Session) keepSocket(srv *http.Server) {
	if _, err := os.Lstat(s.socket()); !os.IsNotExist(err) {
		return
	}
	l, err := platform.Listen(s.socket())
	if err != nil {
		s.log.Warn("socket not made again", "error", err)
		return
	}
	old := s.listener
	s.listener = l
	go s.serveOn(srv, l)
	old.Close()
}
