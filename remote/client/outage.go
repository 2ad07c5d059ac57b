package client

import (
	"context"
	"errors"
	"sync"
	"sync/atomic"
	"time"

	"pss/remote/api"
)

const (
	// firstAttempt and maxAttempt bound one attempt to get a lost connection back: the
	// first ones end soon, because the network may return while they wait in vain.
	firstAttempt = 4 * time.Second
	maxAttempt   = 16 * time.Second
)

// tellEvery is the pace at which a Drive tells that its connection is lost. What is
// mended sooner is not told at all.
const tellEvery = time.Second

// outage is the time during which a Drive has no connection.
type outage struct {
	on    atomic.Bool // the connection is lost now
	since time.Time
	told  bool
	quit  chan struct{}
	done  sync.WaitGroup
}

// begin starts the outage if there is none, and returns how long it may still last.
func (o *outage) begin(d *Drive) time.Duration {
	if !o.on.Load() {
		o.since, o.told, o.quit = time.Now(), false, make(chan struct{})
		o.on.Store(true)
		if d.Retrying != nil {
			o.done.Add(1)
			go o.tell(d)
		}
	}
	return o.left(d)
}

func (o *outage) left(d *Drive) time.Duration { return d.RetryWindow - time.Since(o.since) }

// tell counts down until the end of the outage.
func (o *outage) tell(d *Drive) {
	defer o.done.Done()
	t := time.NewTicker(tellEvery)
	defer t.Stop()
	for {
		select {
		case <-o.quit:
			return
		case <-t.C:
			o.told = true
			d.Retrying(max(o.left(d), 0))
		}
	}
}

// end ends the outage, if there is one, and tells how.
func (o *outage) end(d *Drive, restored bool) {
	if !o.on.Load() {
		return
	}
	close(o.quit)
	o.done.Wait()
	o.on.Store(false)
	if o.told && d.Retried != nil {
		d.Retried(restored)
	}
}

// gaveUp is the error of a connection that stayed lost for RetryWindow.
func (d *Drive) gaveUp(cause error) error {
	computer, _ := d.Where()
	if computer == "" {
		computer = "the computer"
	}
	if errors.Is(cause, context.DeadlineExceeded) {
		cause = errors.New("no answer")
	}
	return api.Errorf(api.CodeOutcomeUnknown, "the network connection to %s was lost and could not be restored within %v: %v",
		computer, d.RetryWindow, cause).WithID("PowerShellNetworkFailedStartDisconnect").On(computer)
}

// brokenError says that trying again may help.
type brokenError struct{ err error }

func (e *brokenError) Error() string { return e.err.Error() }

// open makes one attempt to get a connection.
func (d *Drive) open(ctx context.Context, bound time.Duration) (*Stream, error) {
	limit := DefaultTimeout // the agent and the host may have to start first
	if d.Client != nil && d.Client.Timeout > limit {
		limit = d.Client.Timeout // and somebody be asked for a passphrase
	}
	if d.Lost() {
		limit = max(min(bound, d.outage.left(d)), firstRetry)
	}
	attempt, cancel := context.WithTimeout(ctx, limit)
	defer cancel()
	s, err := d.stream(attempt)
	var e *api.Error
	switch {
	case err == nil:
		d.mu.Lock()
		d.computer, d.instance = s.Header.Get(api.HeaderComputer), s.Header.Get(api.HeaderSession)
		d.mu.Unlock()
		return s, nil
	case ctx.Err() != nil:
		return nil, err
	case IsLost(err), api.IsCode(err, api.CodeOutcomeUnknown):
		d.known = true
		return nil, &brokenError{err}
	case api.IsCode(err, api.CodePipelineNotFound) && d.complete:
		return nil, errComplete // only the answer to the last acknowledgement was missing
	case api.IsCode(err, api.CodeUnreachable), !errors.As(err, &e):
		// A peer that never answered is an error; one that did is out of reach.
		if d.known {
			return nil, &brokenError{err}
		}
	}
	return nil, err
}

func (d *Drive) stream(ctx context.Context) (*Stream, error) {
	if d.Open != nil {
		return d.Open(ctx, &d.Request)
	}
	return d.Client.Stream(ctx, d.Session, &d.Request)
}

// errComplete says that nothing is left to be delivered.
var errComplete = errors.New("complete")
