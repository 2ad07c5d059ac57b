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

	left bool          // its places are given up; guarded by the session's mutex
	gone chan struct{} // closed when the connection is served no more
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
	st := &stream{s: s, req: req, final: make(chan struct{}), gone: make(chan struct{})}
	if req.Start != nil {
		if _, err := s.start(req.Epoch, req.Pipeline, req.Start); err != nil {
			return nil, err
		}
	}
	ctx, stop := context.WithCancelCause(context.Background())
	st.stop = stop
	defer stop(nil)
	s.awaitRival(r.Context(), st)
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

// said reports whether the client has had its last word.
func (st *stream) said() bool {
	select {
	case <-st.final:
		return true
	default:
		return false
	}
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
func (st *stream) beats(ctx context.Context) { client.Beat(ctx, st.s.heartbeat(), st.send) }

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
	if st.left {
		return nil, nil // it was ended before it began
	}
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
	h := &api.StreamHello{Version: api.Version, HeartbeatMs: s.heartbeat().Milliseconds(), SkipLines: st.skip, Connection: s.info.Connection}
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
