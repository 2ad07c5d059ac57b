package sessionhost

import (
	"errors"
	"time"

	"pss/remote/api"
	"pss/remote/planted"
	"pss/remote/spool"
)

// receive takes what the client sends until it ends, and reports whether that was
// the client's last word (KindDone).
func (st *stream) receive() (done bool) {
	frames := api.NewFrameReader(st.conn.Reader)
	for {
		rec, err := frames.Next()
		if err != nil {
			return false
		}
		if err := st.handle(&rec); err != nil {
			st.stop(api.AsError(err))
			return false
		}
		if rec.Kind == api.KindDone {
			return true // nothing follows on this connection but another request
		}
	}
}

func (st *stream) handle(rec *api.Record) error {
	switch rec.Kind {
	case api.KindAck:
		return st.ack(rec)
	case api.KindInput, api.KindInputEnd:
		return st.takeInput(rec)
	case api.KindSignal:
		if p := st.running(); p != nil {
			p.stop()
		}
	case api.KindDone:
		return st.finish()
	}
	return nil
}

func (st *stream) ack(rec *api.Record) error {
	st.s.mu.Lock()
	var p *pipeline
	for _, q := range st.s.pipelines {
		if q.facts.Number == rec.Pipeline {
			p = q
		} else if planted.On("ack-all-pipelines") {
			_ = q.spool.Ack(min(rec.Seq, q.spool.Stats().Last))
		}
	}
	st.s.mu.Unlock()
	if p == nil {
		return nil
	}
	if err := p.spool.Ack(rec.Seq); err != nil && !errors.Is(err, spool.ErrClosed) {
		return api.Errorf(api.CodeInvalidArgument, "%v", err)
	}
	return nil
}

// finish is the client's word that it has everything: its acknowledgements are
// saved before it is answered.
func (st *stream) finish() error {
	planted.Point("session-done")
	st.s.mu.Lock()
	var err error
	if st.s.info.Life != api.LifeClosed || st.s.info.Reason != "Removed" {
		st.s.pruneLocked()
		err = st.s.saveLocked()
	}
	st.s.mu.Unlock()
	if err != nil {
		st.s.log.Warn("facts not saved", "error", err)
	}
	planted.Point("session-done-saved")
	st.mu.Lock()
	err = st.writeLocked(api.AppendFrame(nil, &api.Record{Kind: api.KindAcked, Time: time.Now()}))
	st.last = true
	st.mu.Unlock()
	st.once.Do(func() { close(st.final) })
	return err
}

// running is the pipeline that the client's signals are for.
func (st *stream) running() *pipeline {
	st.s.mu.Lock()
	defer st.s.mu.Unlock()
	if st.req.Pipeline != "" {
		return st.s.findLocked(st.req.Pipeline)
	}
	return st.s.runningLocked()
}

func (st *stream) takeInput(rec *api.Record) error {
	st.s.mu.Lock()
	var p *pipeline
	for _, q := range st.s.pipelines {
		if q.feed.Load() == st {
			p = q
		}
	}
	st.s.mu.Unlock()
	if p == nil {
		return nil // the command has ended
	}
	planted.Point("session-input")
	if rec.Kind == api.KindInput {
		err := p.input.put(rec.Seq, rec.Data)
		if err == nil && st.req.InputOnly {
			err = st.send(&api.Record{Kind: api.KindInputWindow, Pipeline: p.facts.Number, Seq: p.input.limit(), Time: time.Now()})
		}
		return err
	}
	if err := p.input.end(rec.Seq); err != nil {
		return err
	}
	planted.Point("session-input-end")
	st.s.mu.Lock()
	if p.facts.Running() {
		p.facts.InputState = api.InputClosed
	}
	st.s.noteLocked()
	st.s.mu.Unlock()
	if st.req.InputOnly {
		return st.send(&api.Record{Kind: api.KindDone, Time: time.Now()})
	}
	return nil
}
