package sessionhost

import (
	"context"
	"encoding/json"
	"errors"
	"io"
	"net/http"
	"sync"
	"time"

	"pss/remote/api"
	"pss/remote/client"
	"pss/remote/planted"
)

// heartbeat is the longest silence on an attachment's connection: short enough for
// the client to miss it within the lease.
func (s *Session) heartbeat() time.Duration {
	return min(10*time.Second, max(s.lease/3, 100*time.Millisecond))
}

// stream is one attachment's connection.
type stream struct {
	s    *Session
	req  api.StreamRequest
	conn *client.Stream
	stop context.CancelCauseFunc

	mu    sync.Mutex    // guards writing to conn
	last  bool          // the last frame is out: nothing may follow it
	final chan struct{} // closed when the client has said that it has everything
	once  sync.Once
	skip  int // lines that a reader of Tail leaves out
}

// smallBuffer is enough for most commands; only one that prints much gets more.
const smallBuffer = 8 << 10

var streamBuffers = sync.Pool{New: func() any { b := make([]byte, 256<<10+4096); return &b }}

func (s *Session) handleStream(w http.ResponseWriter, r *http.Request) (any, error) {
	var req api.StreamRequest
	if err := client.ReadBody(w, r, &req); err != nil {
		return nil, err
	}
	if err := client.RequireUpgrade(r); err != nil {
		return nil, err
	}
	st := &stream{s: s, req: req, final: make(chan struct{})}
	if req.Start != nil {
		if _, err := s.start(req.Epoch, req.Pipeline, req.Start); err != nil {
			return nil, err
		}
	}
	ctx, stop := context.WithCancelCause(context.Background())
	st.stop = stop
	defer stop(nil)
	if err := s.addStream(st); err != nil {
		return nil, err
	}
	defer s.removeStream(st)
	conn, err := client.Accept(w, r)
	if err != nil {
		return nil, err
	}
	st.conn = conn
	if st.run(ctx) {
		client.Recycle(r, conn)
	} else {
		conn.Close()
	}
	return nil, nil
}

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
		case st.takes() && old.takes() && (named != nil && named.taker == old || st.req.Pipeline == "" && old.req.Pipeline == ""):
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

// takes reports whether st takes output for good, rather than only sending input or
// looking.
func (st *stream) takes() bool { return !st.req.InputOnly && !st.req.Peek }

// replaceLocked ends the broken connection of a delivery that was resumed on
// another one, which takes its places at once.
func (s *Session) replaceLocked(old *stream) {
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
	if s.dirty {
		s.noteLocked()
	}
}

// leaveLocked gives up what st delivers and feeds.
func (s *Session) leaveLocked(st *stream) {
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

// said reports whether the client has had its last word.
func (st *stream) said() bool {
	select {
	case <-st.final:
		return true
	default:
		return false
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

// run serves the connection until the client has everything (true), or it breaks.
func (st *stream) run(ctx context.Context) (clean bool) {
	// A client that does not read must not hold up whoever ends its attachment.
	keepWaiting := context.AfterFunc(ctx, func() { st.conn.SetWriteDeadline(time.Now().Add(time.Second)) })
	defer keepWaiting()
	plan, err := st.plan()
	if err != nil {
		st.stop(api.AsError(err))
	}
	if err := st.hello(plan); err != nil {
		return false
	}
	reading := make(chan struct{})
	// A client may have its last word before everything is delivered: it leaves.
	delivering, enough := context.WithCancel(ctx)
	defer enough()
	go func() {
		defer close(reading)
		if !st.receive() {
			st.stop(nil)
		}
		enough()
	}()
	beating := make(chan struct{})
	go func() {
		defer close(beating)
		st.beats(ctx)
	}()
	if err := st.deliver(delivering, plan); err != nil && delivering.Err() == nil {
		st.s.log.Warn("delivery ended", "error", err)
	}
	var fault *api.Error
	if errors.As(context.Cause(ctx), &fault) {
		_ = st.sendJSON(api.KindFault, fault)
	}
	if st.said() {
		clean = keepWaiting()
	}
	if clean {
		st.stop(nil)
		<-reading
		<-beating
		return true
	}
	st.conn.Close()
	<-reading
	return false
}

// beats sends a heartbeat whenever the pace says so.
func (st *stream) beats(ctx context.Context) {
	t := time.NewTicker(st.s.heartbeat())
	defer t.Stop()
	for {
		select {
		case <-ctx.Done():
			return
		case <-t.C:
			if st.send(&api.Record{Kind: api.KindHeartbeat, Time: time.Now()}) != nil {
				return
			}
		}
	}
}

// part is a pipeline of a delivery and the record behind which that begins.
type part struct {
	*pipeline
	after uint64
}

// plan lists what will be delivered, in order, and makes st its taker.
func (st *stream) plan() ([]part, error) {
	s := st.s
	s.mu.Lock()
	defer s.mu.Unlock()
	if st.req.Peek && (st.req.Tail > 0 || st.req.Since != nil) {
		return st.look()
	}
	var plan []part
	for _, p := range s.pipelines {
		named := st.req.Pipeline == p.facts.ID
		f := p.factsLocked()
		if named && p.input != nil && p.feed.Load() == nil && (st.req.Start != nil || st.req.InputOnly) {
			st.feedLocked(p)
		}
		// What another command of this client delivers just now is not unread.
		free := p.taker == nil || st.req.Peek
		wanted := named || st.req.Pipeline == "" && free && (f.Unread() || f.Running() || st.req.Replay || st.resumes(p))
		if !wanted || st.req.InputOnly {
			continue
		}
		if !st.req.Peek {
			p.taker = st
		}
		plan = append(plan, part{p, st.start(p)})
	}
	return plan, nil
}

// start returns the record behind which the delivery of p begins.
func (st *stream) start(p *pipeline) uint64 {
	after := p.spool.Stats().Acked
	switch {
	case planted.On("one-cursor"):
		for _, q := range st.s.pipelines {
			after = max(after, q.spool.Stats().Acked)
		}
	case st.req.Replay, planted.On("resume-from-start"):
		after = 0
	}
	return max(after, st.req.After[p.facts.Number])
}

// resumes reports whether the client had begun to receive p before it broke off.
func (st *stream) resumes(p *pipeline) bool { return st.req.After[p.facts.Number] > 0 }

// feedLocked makes st the sender of p's standard input.
func (st *stream) feedLocked(p *pipeline) {
	p.feed.Store(st)
	if p.facts.InputState == api.InputInterrupted {
		p.facts.InputState = api.InputOpen
		p.s.noteLocked()
	}
	p.input.onWindow(func() {
		if feed := p.feed.Load(); feed != nil {
			_ = feed.send(&api.Record{Kind: api.KindInputWindow, Pipeline: p.facts.Number, Seq: p.input.limit(), Time: time.Now()})
		}
	})
}

func (st *stream) hello(plan []part) error {
	s := st.s
	s.mu.Lock()
	h := &api.StreamHello{Version: api.Version, HeartbeatMs: s.heartbeat().Milliseconds(), SkipLines: st.skip}
	for _, p := range plan {
		h.Pipelines = append(h.Pipelines, p.factsLocked())
	}
	for i := len(s.pipelines) - 1; i >= 0 && h.Last == nil; i-- {
		if p := s.pipelines[i]; !p.facts.Running() {
			f := p.factsLocked()
			h.Last = &f
		}
	}
	var fed *pipeline
	for _, p := range s.pipelines {
		if p.feed.Load() == st {
			fed = p
			h.Input = p.input.received()
			if planted.On("input-appended-at-zero") {
				h.Input = 0
			}
		}
	}
	s.mu.Unlock()
	if err := st.sendJSON(api.KindHello, h); err != nil {
		return err
	}
	if fed == nil {
		return nil
	}
	return st.send(&api.Record{Kind: api.KindInputWindow, Pipeline: fed.facts.Number, Seq: fed.input.limit(), Time: time.Now()})
}

func (st *stream) write(frames []byte) error {
	st.mu.Lock()
	defer st.mu.Unlock()
	return st.writeLocked(frames)
}

func (st *stream) writeLocked(frames []byte) error {
	if st.last {
		return io.ErrClosedPipe
	}
	_, err := st.conn.Write(frames)
	return err
}

func (st *stream) send(rec *api.Record) error {
	return st.write(api.AppendFrame(nil, rec))
}

func (st *stream) sendJSON(kind api.Kind, v any) error {
	data, err := json.Marshal(v)
	if err != nil {
		return err
	}
	return st.send(&api.Record{Kind: kind, Data: data, Time: time.Now()})
}
