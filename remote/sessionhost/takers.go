package sessionhost

import (
	"context"
	"time"

	"pss/remote/api"
	"pss/remote/planted"
)

// This file says who of the connections takes a pipeline's output and sends its input.

// addStream makes st the taker of what it asked for, or says who that is.
func (s *Session) addStream(st *stream) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.info.Life == api.LifeOpen && !st.req.Peek {
		if err := s.epochLocked(st.req.Epoch); err != nil {
			return err
		}
	}
	named := s.findLocked(st.req.Pipeline)
	if st.req.Pipeline != "" && named == nil {
		return api.Errorf(api.CodePipelineNotFound, "session %s has no pipeline %s", s.info.Name, st.req.Pipeline)
	}
	for old := range s.streams {
		switch {
		case st.req.Stream != "" && old.req.Stream == st.req.Stream:
			s.replaceLocked(old)
		case st.takes() && old.takes() && !old.left && (named != nil && named.taker == old || st.req.Pipeline == "" && old.req.Pipeline == ""):
			return api.Errorf(api.CodeInvalidAvail, "the output of session %s is being received by another command", s.info.Name).
				WithID("ReceivePSSessionCannotConnectSession").On(s.info.Name).Hint("end that command, or wait for it; --peek looks at it meanwhile")
		}
	}
	if st.req.InputOnly && st.req.Start == nil {
		if err := named.inputErrorLocked(); err != nil {
			return err
		}
	}
	s.streams[st] = struct{}{}
	return nil
}

// handoverTime bounds how long a delivery waits for an older one of the same output to
// end: its cmdlet may have been killed a moment ago, and the news be still on its way.
const handoverTime = time.Second

// awaitRival waits until nobody else takes what st asks for, or for handoverTime.
func (s *Session) awaitRival(ctx context.Context, st *stream) {
	ctx, cancel := context.WithTimeout(ctx, handoverTime)
	defer cancel()
	for ctx.Err() == nil {
		s.mu.Lock()
		old := s.rivalLocked(st)
		s.mu.Unlock()
		if old == nil {
			return
		}
		select {
		case <-old.gone:
		case <-ctx.Done():
		}
	}
}

// rivalLocked returns another delivery of the same attachment that takes what st asks
// for, or nil.
func (s *Session) rivalLocked(st *stream) *stream {
	if !st.takes() || planted.On("receive-overtakes") {
		return nil
	}
	named := s.findLocked(st.req.Pipeline)
	for old := range s.streams {
		if !old.takes() || old.left || old.req.Epoch != st.req.Epoch {
			continue
		}
		resumed := st.req.Stream != "" && old.req.Stream == st.req.Stream
		if !resumed && (st.req.Pipeline == "" || named != nil && named.taker == old) {
			return old
		}
	}
	return nil
}

// takes reports whether st takes output for good, rather than only sending input or
// looking.
func (st *stream) takes() bool { return !st.req.InputOnly && !st.req.Peek }

// replaceLocked ends the broken connection of a delivery that was resumed on
// another one, which takes its places at once.
func (s *Session) replaceLocked(old *stream) {
	old.left = true
	for _, p := range s.pipelines {
		p.feed.CompareAndSwap(old, nil)
		if p.taker == old {
			p.taker = nil
		}
	}
	old.end(api.Errorf(api.CodeStaleEpoch, "the delivery was resumed on another connection"))
}

func (s *Session) removeStream(st *stream) {
	s.mu.Lock()
	defer s.mu.Unlock()
	delete(s.streams, st)
	s.idleSince = time.Now()
	s.leaveLocked(st)
	close(st.gone)
	if s.dirty {
		s.noteLocked()
	}
}

// leaveLocked gives up what st delivers and feeds.
func (s *Session) leaveLocked(st *stream) {
	st.left = true
	for _, p := range s.pipelines {
		if p.taker == st {
			p.taker = nil
		}
		if p.feed.CompareAndSwap(st, nil) {
			if planted.On("eof-on-lost-client") {
				_ = p.input.end(uint64(p.input.received()))
			}
			if p.input.open() && !(st.req.KeepInput && st.said()) && !planted.On("interrupted-input-unseen") {
				p.facts.InputState = api.InputInterrupted
				s.dirty = true
			}
		}
	}
}

// endStreamsLocked ends the connections of the attachment with the reason. A client
// that does not read may hold up its own for a moment, but not the next client.
func (s *Session) endStreamsLocked(reason *api.Error) {
	for st := range s.streams {
		if !st.req.Peek {
			if !planted.On("stuck-client-keeps") {
				s.leaveLocked(st)
			}
			st.end(reason)
		}
	}
}

// end makes the connection end, with a fault unless reason is nil; it does not wait.
func (st *stream) end(reason *api.Error) {
	if reason == nil {
		st.stop(nil)
		return
	}
	st.stop(reason)
}
