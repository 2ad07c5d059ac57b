package client

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"sync"
	"time"

	"pss/remote/api"
	"pss/remote/planted"
)

const (
	// ackBytes and ackDelay bound what is shown twice after a crash of the client.
	ackBytes = 1 << 20
	ackDelay = 50 * time.Millisecond
	// finalAckTimeout bounds the wait for the answer to the last acknowledgement.
	finalAckTimeout = 10 * time.Second
	// leaveTimeout is the same for a delivery that a person has cut short.
	leaveTimeout = 2 * time.Second
	firstRetry   = 20 * time.Millisecond
	maxRetry     = time.Second
	// usualBeat is the pace of a session host that does not tell its own.
	usualBeat = 10 * time.Second
)

// patience is the silence after which the peer counts as lost, within the lease: a
// beat is a third of that.
func patience(beat time.Duration) time.Duration { return 5 * beat / 2 }

// Consumer takes what an attachment delivers.
type Consumer interface {
	// Hello comes first, and again after each resumption.
	Hello(*api.StreamHello)
	// Record takes one record; Data is valid during the call only.
	Record(api.Record) error
	// Flush returns once everything that Record took is with its final
	// reader. Only then it is acknowledged.
	Flush() error
}

// Drive is one delivery: an attachment's connection from its start to the end
// of what was asked for, resumed where it breaks.
type Drive struct {
	Client   *Client
	Session  string
	Request  api.StreamRequest
	Consumer Consumer
	// Open opens the connection instead of the session's own stream, or is nil.
	Open        func(context.Context, *api.StreamRequest) (*Stream, error)
	Input       io.Reader     // standard input of the command, or nil
	AppendInput bool          // Input follows what other cmdlets have sent
	Signals     <-chan string // signals to pass to the command ("INT")
	RetryWindow time.Duration // how long a broken connection is tried again
	// Retrying is told every second while the connection is lost how long it will
	// still be tried again, and Retried that this is over; each may be nil.
	Retrying func(left time.Duration)
	Retried  func(restored bool)

	input    *inputSource
	outage   outage
	known    bool // the peer may know the request: it has answered, or an answer was lost
	complete bool // the consumer has everything

	mu                 sync.Mutex // guards what follows
	computer, instance string
}

// Lost reports whether the connection is lost just now and tried again.
func (d *Drive) Lost() bool { return d.outage.on.Load() }

// Where names the session's computer and its InstanceId, empty until the agent has
// said them.
func (d *Drive) Where() (computer, instance string) {
	d.mu.Lock()
	defer d.mu.Unlock()
	return d.computer, d.instance
}

// Run delivers until everything asked for has arrived and is acknowledged. It
// returns the peer's fault as *api.Error, CodeOutcomeUnknown when the
// connection stayed broken for RetryWindow, or the consumer's own error.
func (d *Drive) Run(ctx context.Context) error {
	if d.Request.After == nil {
		d.Request.After = map[uint32]uint64{}
	}
	if d.Input != nil {
		d.input = newInputSource(d.Input, d.AppendInput, d.Request.KeepInput)
		defer d.input.stop()
	}
	defer d.outage.end(d, false)
	wait, attempt := firstRetry, firstAttempt
	for {
		err := d.once(ctx, attempt, func() {
			d.known = true
			d.outage.end(d, true)
			wait, attempt = firstRetry, firstAttempt
		})
		var broken *brokenError
		if !errors.As(err, &broken) {
			return err
		}
		if errors.Is(broken.err, context.DeadlineExceeded) {
			attempt = min(2*attempt, maxAttempt)
		}
		left := d.outage.begin(d)
		if left <= 0 {
			return d.gaveUp(broken.err)
		}
		select {
		case <-ctx.Done():
			return ctx.Err()
		case <-time.After(min(wait, left)):
			wait = min(2*wait, maxRetry)
		}
	}
}

// once runs one connection. established is called when the peer has said hello.
func (d *Drive) once(ctx context.Context, bound time.Duration, established func()) error {
	s, err := d.open(ctx, bound)
	if err == errComplete {
		return nil
	}
	if err != nil {
		return err
	}
	defer s.Close()
	cut := make(chan struct{})
	defer context.AfterFunc(ctx, func() {
		s.SetDeadline(time.Unix(1, 0))
		close(cut)
	})()
	link := &link{
		ctx: ctx, s: s, from: api.NewFrameReader(s.Reader), drive: d, quiet: patience(usualBeat), quit: make(chan struct{}),
		pending: map[uint32]uint64{}, flushed: map[uint32]uint64{}, acked: map[uint32]uint64{},
	}
	defer link.stop()
	err = link.run(established)
	if ctx.Err() != nil {
		<-cut // the last words have a deadline of their own
		link.leave()
		return ctx.Err()
	}
	return err
}

// link is one connection of a Drive.
type link struct {
	ctx   context.Context // of the delivery
	s     *Stream
	from  *api.FrameReader // of s
	drive *Drive
	quiet time.Duration // silence after which the peer counts as lost

	mu      sync.Mutex        // guards what follows, and writing to s
	pending map[uint32]uint64 // the consumer has them
	flushed map[uint32]uint64 // they are with its reader
	acked   map[uint32]uint64
	bytes   int
	timer   *time.Timer
	closed  bool
	leaving bool // ctx is over, and only the last words are said
	quit    chan struct{}
}

func (l *link) run(established func()) error {
	if l.drive.Signals != nil {
		go l.passSignals()
	}
	for {
		if l.s.Reader.Buffered() == 0 {
			if err := l.flush(false); err != nil {
				return err
			}
		}
		if !planted.On("silence-unnoticed") {
			l.s.SetReadDeadline(time.Now().Add(l.quiet))
		}
		if err := l.ctx.Err(); err != nil {
			return err // asked for behind the deadline, so that none outlives the end of ctx
		}
		rec, err := l.from.Next()
		if err != nil {
			return &brokenError{fmt.Errorf("read: %w", err)}
		}
		done, err := l.handle(rec, established)
		if err != nil || done {
			return err
		}
	}
}

// handle takes one record; done says that the delivery is complete.
func (l *link) handle(rec api.Record, established func()) (done bool, err error) {
	switch rec.Kind {
	case api.KindHello:
		var hello api.StreamHello
		if err := json.Unmarshal(rec.Data, &hello); err != nil {
			return false, &brokenError{err}
		}
		established()
		if hello.HeartbeatMs > 0 {
			l.quiet = patience(time.Duration(hello.HeartbeatMs) * time.Millisecond)
		}
		l.drive.Consumer.Hello(&hello)
		if l.drive.input != nil {
			l.drive.input.attach(l.send, hello.Input)
		}
	case api.KindInputWindow:
		if l.drive.input != nil {
			l.drive.input.grant(rec.Seq)
		}
	case api.KindAcked: // of the input that stays open
		return true, nil
	case api.KindHeartbeat:
	case api.KindFault:
		var e api.Error
		if err := json.Unmarshal(rec.Data, &e); err != nil {
			return false, &brokenError{err}
		}
		if err := l.flush(true); err != nil {
			return false, err
		}
		if e.Code == api.CodeStaleEpoch && e.Holder == "" {
			// Nobody else has the session: a request of ours that was under way for
			// long took this connection's place. To ask again settles it.
			return false, &brokenError{&e}
		}
		return false, &e
	case api.KindDone:
		if err := l.flush(true); err != nil {
			return false, err
		}
		l.drive.complete = true
		return true, l.finish(min(finalAckTimeout, l.quiet))
	default:
		if rec.Seq <= l.drive.Request.After[rec.Pipeline] && rec.Seq > 0 {
			return false, nil // delivered before the connection broke
		}
		if err := l.drive.Consumer.Record(rec); err != nil {
			return false, err
		}
		l.took(rec)
	}
	return false, nil
}

// took notes that the consumer has rec.
func (l *link) took(rec api.Record) {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.drive.Request.After[rec.Pipeline] = rec.Seq
	l.pending[rec.Pipeline] = rec.Seq
	l.bytes += len(rec.Data)
}

// flush lets the consumer write out what it has and acknowledges it, at once if
// that is much or now is set, else after ackDelay.
func (l *link) flush(now bool) error {
	l.mu.Lock()
	waiting := len(l.pending) > 0
	l.mu.Unlock()
	if !waiting {
		return nil
	}
	if err := l.drive.Consumer.Flush(); err != nil {
		return err
	}
	planted.Point("client-flushed")
	l.mu.Lock()
	defer l.mu.Unlock()
	for p, seq := range l.pending {
		l.flushed[p] = seq
	}
	clear(l.pending)
	switch {
	case now || l.bytes >= ackBytes:
		l.ackLocked()
	case l.timer == nil && !l.closed:
		l.timer = time.AfterFunc(ackDelay, func() {
			l.mu.Lock()
			defer l.mu.Unlock()
			l.timer = nil
			l.ackLocked()
		})
	}
	return nil
}

// writeLocked writes one record. A peer that takes nothing is lost as one that says
// nothing, and a record that is written in part is the connection's last: the reader
// is told by its end.
func (l *link) writeLocked(rec *api.Record, limit time.Duration) error {
	l.s.SetWriteDeadline(time.Now().Add(limit))
	if l.ctx.Err() != nil && !l.leaving {
		return l.ctx.Err() // asked for behind the deadline, so that none outlives the end of ctx
	}
	n, err := l.s.Write(api.AppendFrame(nil, rec))
	if err != nil && (n > 0 || l.ctx.Err() == nil) {
		l.closed = true
		l.s.Close()
	}
	return err
}

// ackLocked acknowledges what was flushed; a failure shows at the next read.
func (l *link) ackLocked() {
	l.bytes = 0
	for p, seq := range l.flushed {
		if seq > l.acked[p] && !l.closed && !l.drive.Request.Peek {
			l.acked[p] = seq
			_ = l.writeLocked(&api.Record{Kind: api.KindAck, Pipeline: p, Seq: seq, Time: time.Now()}, l.quiet)
		}
	}
	clear(l.flushed)
}

// finish sends the last acknowledgement of every pipeline and waits until it is kept.
func (l *link) finish(timeout time.Duration) error {
	l.mu.Lock()
	planted.Point("client-last-ack")
	for p, seq := range l.drive.Request.After {
		l.flushed[p] = seq
	}
	l.ackLocked()
	err := io.ErrClosedPipe
	if !l.closed {
		err = l.writeLocked(&api.Record{Kind: api.KindDone, Time: time.Now()}, timeout)
	}
	l.closed = true // nothing may follow, no input either: the connection goes on to other uses
	l.mu.Unlock()
	if err != nil {
		return &brokenError{err}
	}
	l.s.SetReadDeadline(time.Now().Add(timeout))
	for {
		rec, err := l.from.Next() // a record may have been cut in two by the end of ctx
		if err != nil {
			return &brokenError{fmt.Errorf("last acknowledgement: %w", err)}
		}
		if rec.Kind == api.KindAcked {
			return nil
		}
	}
}

// leave ends a delivery that was cut short: what the consumer has is acknowledged,
// so that whoever takes the session up next does not get it again.
func (l *link) leave() {
	if l.drive.Consumer.Flush() != nil {
		return
	}
	l.mu.Lock()
	l.leaving = true
	l.mu.Unlock()
	_ = l.finish(leaveTimeout) // what fails here is at worst shown twice
}

// send writes one record; used by the input.
func (l *link) send(rec *api.Record) error {
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.closed {
		return io.ErrClosedPipe
	}
	return l.writeLocked(rec, l.quiet)
}

func (l *link) passSignals() {
	for {
		select {
		case sig, ok := <-l.drive.Signals:
			if !ok {
				return
			}
			_ = l.send(&api.Record{Kind: api.KindSignal, Data: []byte(sig), Time: time.Now()})
		case <-l.quit:
			return
		}
	}
}

func (l *link) stop() {
	if l.drive.input != nil {
		l.drive.input.detach()
	}
	l.s.SetWriteDeadline(time.Unix(1, 0)) // whoever is writing has the mutex
	l.mu.Lock()
	defer l.mu.Unlock()
	l.closed = true
	if l.timer != nil {
		l.timer.Stop()
	}
	close(l.quit)
}
