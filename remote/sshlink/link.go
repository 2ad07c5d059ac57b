package sshlink

import (
	"bufio"
	"bytes"
	"cmp"
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net"
	"sync"
	"time"

	"pss/remote/api"
)

// Settings say which computer a Link leads to, and how long it waits.
type Settings struct {
	Target    api.SSHTarget
	Name      string        // of the computer, for people
	Connect   time.Duration // how long ssh may take to connect, without the time in which somebody is asked
	Idle      time.Duration // the ssh is ended when nothing was said on it for so long
	Heartbeat time.Duration // the pace of signs of life; without one for three times as long the ssh is ended
	Log       *slog.Logger
}

// aliveTime is how long the far end may take to answer a new connection on a link that
// is there: a link that does not is given up.
const aliveTime = 5 * time.Second

// patience is aliveTime, or less where signs of life come faster.
func (s *Settings) patience() time.Duration { return min(aliveTime, 3*s.Heartbeat) }

// Caller is on whose behalf a connection is made: in what environment ssh runs, and
// who can be asked.
type Caller struct {
	Env  []string // PATH, SSH_AUTH_SOCK and the like, as the person's shell has them
	Copy bool     // this binary is wanted there, if it is not there yet
	// Background is set where nobody waits: ssh is not started so soon again then when
	// it was refused.
	Background bool
	Connect    time.Duration // how long ssh may take instead of Settings.Connect; 0: as there
	// Prompt prepares asking on behalf of an ssh: what its environment needs for that,
	// and what ends it. Nil: nobody can be asked.
	Prompt func() (env []string, end func())
	// Confirm asks a yes-or-no question; nil: nobody can be asked.
	Confirm func(ctx context.Context, question string) bool
	// Asking reports whether somebody is being asked right now, or is nil.
	Asking func() bool
	// Tell says what takes its time, or is nil.
	Tell func(text string)
}

// Link is the way to one computer. NewLink makes one; it is safe for concurrent use.
type Link struct {
	s   Settings
	ctx context.Context // ends with whoever has the link

	mu       sync.Mutex // guards what follows
	running  *process
	starting *attempt
	refused  int       // starts in a row that ended with access denied
	last     time.Time // of them
	alone    bool      // the next ssh shares no connection with others: the last one led nowhere
}

// attempt is a start of ssh that is under way.
type attempt struct {
	caller *Caller
	over   chan struct{}
	p      *process
	err    error
}

// NewLink returns a Link that has no ssh yet. Its ssh ends with ctx.
func NewLink(ctx context.Context, s Settings) *Link { return &Link{s: s, ctx: ctx} }

// Ready makes sure that there is an ssh, as far as is known. It fails with the errors
// of a start: AccessDenied, Unreachable, VersionMismatch, or that pss is not there.
func (l *Link) Ready(ctx context.Context, c *Caller) error {
	_, err := l.process(ctx, c)
	return err
}

// Dial makes a connection to the user's host on the computer.
func (l *Link) Dial(ctx context.Context, c *Caller) (net.Conn, error) {
	for first := true; ; first = false {
		p, err := l.process(ctx, c)
		if err != nil {
			return nil, err
		}
		conn, err := l.dial(ctx, p)
		var lost *lostError
		if !errors.As(err, &lost) || !first || ctx.Err() != nil {
			return conn, err
		}
	}
}

// dial makes a connection on an ssh. An error that is a lostError is the link's, which
// is given up then.
func (l *Link) dial(ctx context.Context, p *process) (net.Conn, error) {
	type opened struct {
		s   *stream
		err error
	}
	alive := make(chan opened, 1)
	// Whether the link lives is found out also for a caller that does not wait for it:
	// it may be one of many that wait too short a time.
	go func() {
		silence := time.AfterFunc(l.s.patience(), func() { l.drop(p, errSilent) })
		defer silence.Stop()
		s, err := p.open()
		if err != nil {
			l.drop(p, err)
		}
		alive <- opened{s, err}
	}()
	select {
	case <-ctx.Done():
		go func() {
			if o := <-alive; o.err == nil {
				o.s.Close()
			}
		}()
		return nil, ctx.Err()
	case o := <-alive:
		if o.err != nil {
			return nil, &lostError{p.why(o.err)}
		}
		err := o.s.join(ctx)
		if err == nil {
			return o.s, nil
		}
		o.s.Close()
		var refused *api.Error
		if errors.As(err, &refused) {
			refused.Message = "[" + l.s.Name + "] " + refused.Message
			return nil, refused.On(l.s.Name)
		}
		if ctx.Err() != nil {
			return nil, err
		}
		l.drop(p, err)
		return nil, &lostError{p.why(err)}
	}
}

// Close ends the ssh, if there is one.
func (l *Link) Close() {
	l.mu.Lock()
	p := l.running
	l.running = nil
	l.mu.Unlock()
	if p != nil {
		p.end(net.ErrClosed)
	}
}

// drop gives up an ssh that leads nowhere.
func (l *Link) drop(p *process, why error) {
	l.mu.Lock()
	if l.running == p {
		l.running = nil
	}
	l.alone = l.alone || errors.Is(why, errSilent)
	l.mu.Unlock()
	p.end(why)
}

// process returns the running ssh, or starts one: of all that want it at once, one
// starts it.
func (l *Link) process(ctx context.Context, c *Caller) (*process, error) {
	for {
		l.mu.Lock()
		if p := l.running; p != nil && !p.over() {
			l.mu.Unlock()
			return p, nil
		} else if p != nil && p.hung() {
			l.alone = true
		}
		a := l.starting
		if a == nil {
			if err := l.tooSoonLocked(c); err != nil {
				l.mu.Unlock()
				return nil, err
			}
			a = &attempt{caller: c, over: make(chan struct{})}
			l.starting = a
			go l.start(context.WithoutCancel(ctx), a)
		}
		l.mu.Unlock()
		select {
		case <-ctx.Done():
			return nil, ctx.Err()
		case <-a.over:
		}
		// Who can be asked gets what somebody else could not be asked for, and who has
		// more time takes it.
		if a.err != nil && a.caller.Prompt == nil && c.Prompt != nil || a.err != nil && c.Copy && !a.caller.Copy ||
			isLate(a.err) && l.limit(a.caller) < l.limit(c) {
			continue
		}
		return a.p, a.err
	}
}

// limit is how long ssh may take to connect for this caller.
func (l *Link) limit(c *Caller) time.Duration { return cmp.Or(c.Connect, l.s.Connect) }

// Starts on nobody's behalf are not repeated at once when access was denied: the far
// side might take it for an attack, and lock the user out.
const (
	firstPause = 10 * time.Second
	maxPause   = 10 * time.Minute
)

func (l *Link) tooSoonLocked(c *Caller) error {
	if !c.Background || l.refused == 0 {
		return nil
	}
	pause := min(firstPause<<min(l.refused-1, 10), maxPause)
	if time.Since(l.last) > pause {
		return nil
	}
	return api.Errorf(api.CodeUnreachable, "[%s] ssh was refused a moment ago; it is not tried again by itself yet", l.s.Name).On(l.s.Name)
}

func (l *Link) start(ctx context.Context, a *attempt) {
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	stop := context.AfterFunc(l.ctx, cancel)
	defer stop()
	l.mu.Lock()
	alone := l.alone
	l.mu.Unlock()
	p, alone, err := l.openShared(ctx, a.caller, alone)
	if alone && api.IsCode(err, api.CodeAccessDenied) {
		alone = false // who shares a connection may need no password
		p, err = l.open(ctx, a.caller, alone)
	}
	l.mu.Lock()
	a.p, a.err, l.starting = p, err, nil
	l.running = p
	l.alone = isLate(err) && !alone
	if api.IsCode(err, api.CodeAccessDenied) {
		l.refused, l.last = l.refused+1, time.Now()
	} else if err == nil {
		l.refused = 0
	}
	l.mu.Unlock()
	close(a.over)
	if err != nil {
		return
	}
	stop = context.AfterFunc(l.ctx, func() { p.end(net.ErrClosed) })
	defer stop()
	l.drop(p, p.watch(l.s.Idle))
}

// open starts ssh until the far side has said its line; where pss is not there, it is
// copied if that is wanted.
func (l *Link) open(ctx context.Context, c *Caller, alone bool) (*process, error) {
	p, h, err := l.launch(ctx, c, alone)
	if err != nil {
		return nil, err
	}
	if h.Missing {
		err = l.install(ctx, c, p, h)
	}
	if err == nil {
		err = p.join(l.s.Heartbeat)
	}
	if err != nil {
		p.end(err)
		return nil, err
	}
	return p, nil
}

// hello is what the far side says first.
type hello struct {
	Version string // of the pss that answers; the rest is of the script, which found none
	Missing bool   `json:"-"`
	Failed  bool   `json:"-"` // the copy cannot be used
	System  string `json:"-"` // uname -s
	Machine string `json:"-"` // uname -m
}

// mark begins the line of the far side, behind it a number and the hello as JSON.
const mark = "pss-ssh "

// maxNoise bounds what is read before the line.
const maxNoise = 1 << 20

// readHello reads up to the line with our number, and returns what came before it. The
// line may follow something that was printed without a line end.
func readHello(r *bufio.Reader, nonce string) (h hello, noise string, err error) {
	var before, line []byte
	for begin := []byte(mark + nonce + " "); ; {
		part, err := r.ReadSlice('\n')
		line = append(line, part...)
		switch {
		case err == nil:
			if head, text, ok := bytes.Cut(line, begin); ok {
				h, err = parseHello(text)
				return h, string(append(before, head...)), err
			}
			before, line = append(before, line...), line[:0]
		case !errors.Is(err, bufio.ErrBufferFull):
			return h, string(append(before, line...)), err
		}
		if len(before)+len(line) > maxNoise {
			return h, "", fmt.Errorf("the far side printed more than %d bytes and did not start pss", maxNoise)
		}
	}
}

// lostError says that the link leads nowhere any more.
type lostError struct{ err error }

func (e *lostError) Error() string { return e.err.Error() }
func (e *lostError) Unwrap() error { return e.err }
