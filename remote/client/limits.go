package client

import (
	"sync"

	"pss/remote/api"
)

// Limits are what a client's session option allows a session to send: a Consumer asks
// them. They are safe for concurrent use.
type Limits struct {
	mu  sync.Mutex // guards own; Ctrl-C asks while the delivery runs
	own *api.ConnectionOption

	pipeline uint32 // whose output is counted
	counted  uint64 // its newest record that was
	taken    int64  // bytes of it
}

// Set takes the limits that the session host tells.
func (l *Limits) Set(c *api.ConnectionOption) {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.own = c
}

// Get returns them; what is nil is not limited.
func (l *Limits) Get() api.ConnectionOption {
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.own == nil {
		return api.ConnectionOption{}
	}
	return *l.own
}

// Take counts a record of the session, and refuses the one with which a command has sent
// more than is allowed: it is neither written nor acknowledged, and stays in the session.
// It has one user at a time.
func (l *Limits) Take(rec *api.Record, session string) error {
	if !rec.Kind.IsStream() {
		return nil
	}
	own := l.Get()
	if rec.Pipeline != l.pipeline {
		l.pipeline, l.counted, l.taken = rec.Pipeline, 0, 0
	}
	if rec.Seq > l.counted { // one that comes once more after an outage counts once
		l.counted, l.taken = rec.Seq, l.taken+int64(len(rec.Data))
	}
	exceeded := func(what string, n, most int64) error {
		return api.Errorf(api.CodeTooLarge, "the session sent %d bytes, and the session option allows %s of %d", n, what, most).
			WithID(what).On(session).
			Hint("the rest stays in the session: connect it again with another option (pss connect-pssession --session-option JSON) and receive it")
	}
	if most := own.MaximumReceivedObjectSize; most != nil && *most > 0 && int64(len(rec.Data)) > *most {
		return exceeded("MaximumReceivedObjectSize", int64(len(rec.Data)), *most)
	}
	if most := own.MaximumReceivedDataSizePerCommand; most != nil && *most > 0 && l.taken > *most {
		return exceeded("MaximumReceivedDataSizePerCommand", l.taken, *most)
	}
	return nil
}
