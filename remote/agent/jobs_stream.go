package agent

import (
	"context"
	"encoding/json"
	"errors"
	"net/http"
	"sync"
	"time"

	"pss/remote/api"
	"pss/remote/client"
	"pss/remote/planted"
)

// jobBeat is the longest silence on a connection that delivers a job's output.
const jobBeat = 5 * time.Second

// jobStream is a connection on which a job's output is delivered: it speaks as a session
// host does, so that cmdlets read both alike.
type jobStream struct {
	a        *Agent
	j        *job
	children []*child
	req      api.JobStreamRequest
	conn     *client.Stream
	stop     context.CancelCauseFunc
	left     chan struct{} // closed when it takes nothing any more

	mu    sync.Mutex    // guards writing to conn, and what follows
	last  bool          // the last frame is out
	final chan struct{} // closed when the client has said that it has everything
	once  sync.Once
}

func (a *Agent) handleJobStream(w http.ResponseWriter, r *http.Request, c *clientSession) (any, error) {
	var req api.JobStreamRequest
	if err := client.ReadBody(w, r, &req); err != nil {
		return nil, err
	}
	if err := client.RequireUpgrade(r); err != nil {
		return nil, err
	}
	j, children, err := a.jobOf(r, c)
	if err != nil {
		return nil, err
	}
	st := &jobStream{a: a, j: j, children: children, req: req, final: make(chan struct{}), left: make(chan struct{})}
	ctx, stop := context.WithCancelCause(a.ctx)
	defer stop(nil)
	st.stop = stop
	if err := st.take(r.Context()); err != nil {
		return nil, err
	}
	defer st.leave()
	if st.conn, err = client.Accept(w, r); err != nil {
		return nil, err
	}
	defer st.conn.Close()
	st.run(ctx)
	return nil, nil
}

// takerPatience is how long a delivery waits for the one before it to end: its cmdlet may
// have been killed just now.
const takerPatience = time.Second

// take makes st the one that takes the job's output, or says that there is one.
func (st *jobStream) take(ctx context.Context) error {
	if st.req.Keep {
		return nil
	}
	patience := time.After(takerPatience)
	for {
		st.a.mu.Lock()
		old := st.j.taker
		resumes := old != nil && old.req.Stream == st.req.Stream && st.req.Stream != ""
		if old == nil || resumes {
			st.j.taker = st
		}
		st.a.mu.Unlock()
		switch {
		case resumes:
			old.end(api.Errorf(api.CodeStaleEpoch, "the delivery was resumed on another connection"))
			return nil
		case old == nil:
			return nil
		}
		select {
		case <-old.left:
			continue
		case <-ctx.Done():
			return ctx.Err()
		case <-patience:
		}
		return api.Errorf(api.CodeInvalidAvail, "the output of job %s is being received by another command", st.j.facts.Name).
			WithID("JobOutputIsBeingReceived").On(st.j.facts.Name).Hint("end that command, or wait for it; --keep looks at it meanwhile")
	}
}

func (st *jobStream) leave() {
	st.a.mu.Lock()
	defer st.a.mu.Unlock()
	if st.j.taker == st {
		st.j.taker = nil
	}
	close(st.left)
}

// end makes the connection end with a fault; it does not wait.
func (st *jobStream) end(reason *api.Error) { st.stop(reason) }

func (st *jobStream) run(ctx context.Context) {
	// A client that does not read must not hold up whoever ends this.
	defer context.AfterFunc(ctx, func() { st.conn.SetDeadline(time.Now().Add(time.Second)) })()
	if st.sendJSON(api.KindHello, &api.StreamHello{Version: api.Version, HeartbeatMs: jobBeat.Milliseconds()}) != nil {
		return
	}
	delivering, enough := context.WithCancel(ctx)
	defer enough()
	go func() {
		defer enough()
		st.receive()
	}()
	go st.beats(delivering)
	err := st.deliver(delivering)
	var fault *api.Error
	if errors.As(context.Cause(ctx), &fault) {
		_ = st.sendJSON(api.KindFault, fault)
		return
	}
	if err != nil && delivering.Err() == nil {
		_ = st.sendJSON(api.KindFault, api.AsError(err))
		return
	}
	select {
	case <-st.final:
	case <-delivering.Done():
	}
}

// receive takes what the client sends until it ends.
func (st *jobStream) receive() {
	frames := api.NewFrameReader(st.conn.Reader)
	for {
		rec, err := frames.Next()
		if err != nil {
			return
		}
		switch rec.Kind {
		case api.KindAck:
			err = st.ack(&rec)
		case api.KindDone:
			st.mu.Lock()
			err = st.writeLocked(&api.Record{Kind: api.KindAcked, Time: time.Now()})
			st.last = true
			st.mu.Unlock()
			st.once.Do(func() { close(st.final) })
		}
		if err != nil || rec.Kind == api.KindDone {
			return
		}
	}
}

// ack forgets what the client has.
func (st *jobStream) ack(rec *api.Record) error {
	if st.req.Keep {
		return nil
	}
	for _, ch := range st.children {
		if ch.number != rec.Pipeline {
			continue
		}
		store, release, err := ch.open()
		if err != nil {
			return err
		}
		defer release()
		return store.Take(rec.Seq)
	}
	return nil
}

func (st *jobStream) beats(ctx context.Context) { client.Beat(ctx, jobBeat, st.send) }

// deliver sends what is there, child by child, or with Wait everything as it comes until
// the job's state lasts, and then KindDone.
func (st *jobStream) deliver(ctx context.Context) error {
	if err := st.tell(); err != nil {
		return err
	}
	if st.req.Wait {
		watched := make(chan struct{})
		over, end := context.WithCancel(ctx)
		go func() {
			defer close(watched)
			st.watch(over)
		}()
		err := eachChild(st.children, func(ch *child) error { return st.deliverChild(ctx, ch) })
		end()
		<-watched
		if err != nil {
			return err
		}
		if err := st.tell(); err != nil {
			return err
		}
	} else {
		for _, ch := range st.children {
			if err := st.deliverChild(ctx, ch); err != nil {
				return err
			}
		}
	}
	return st.send(&api.Record{Kind: api.KindDone, Time: time.Now()})
}

// tell sends the job's state.
func (st *jobStream) tell() error {
	st.a.mu.Lock()
	f := st.j.shownLocked()
	st.a.mu.Unlock()
	return st.sendJSON(api.KindJobState, f)
}

// watch tells each change of the state until ctx ends.
func (st *jobStream) watch(ctx context.Context) {
	_, wake := st.a.jobsChanged()
	for {
		select {
		case <-ctx.Done():
			return
		case <-wake:
		}
		_, wake = st.a.jobsChanged()
		if st.tell() != nil {
			return
		}
	}
}

// deliverChild sends what the child keeps, and with Wait what it gets until its state lasts.
func (st *jobStream) deliverChild(ctx context.Context, ch *child) error {
	store, release, err := ch.open()
	if err != nil {
		return err
	}
	defer release()
	rd := store.NewReader(st.req.After[ch.number])
	defer rd.Close()
	for {
		// In this order: what is stored before the state lasts is delivered.
		st.a.mu.Lock()
		state, wake := ch.facts.State, st.a.jobWake
		st.a.mu.Unlock()
		more := store.Changed()
		for {
			rec, pos, ok, err := rd.Next()
			if err != nil {
				return err
			}
			if !ok {
				break
			}
			rec.Pipeline, rec.Seq = ch.number, pos
			planted.Point("job-deliver")
			if err := st.send(&rec); err != nil {
				return err
			}
		}
		if !st.req.Wait || state.Finished() || state.Persistent() && !st.req.Force {
			return nil
		}
		select {
		case <-ctx.Done():
			return ctx.Err()
		case <-more:
		case <-wake:
		}
	}
}

func (st *jobStream) writeLocked(rec *api.Record) error {
	if st.last {
		return nil
	}
	_, err := st.conn.Write(api.AppendFrame(nil, rec))
	return err
}

func (st *jobStream) send(rec *api.Record) error {
	st.mu.Lock()
	defer st.mu.Unlock()
	return st.writeLocked(rec)
}

func (st *jobStream) sendJSON(kind api.Kind, v any) error {
	data, err := json.Marshal(v)
	if err != nil {
		return err
	}
	return st.send(&api.Record{Kind: kind, Data: data, Time: time.Now()})
}
