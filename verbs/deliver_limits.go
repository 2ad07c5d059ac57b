package verbs

import (
	"sync"
	"time"

	"pss/remote/api"
)

// receiveLimits is what the client's session option allows a session to send, and how
// long it waits for a command that it stops.
type receiveLimits struct {
	mu  sync.Mutex // guards set; Ctrl-C asks while the delivery runs
	own *api.ConnectionOption

	pipeline uint32 // whose output is counted
	counted  uint64 // its newest record that was
	taken    int64  // bytes of it
}

// set takes the limits that the session host tells.
func (l *receiveLimits) set(c *api.ConnectionOption) {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.own = c
}

func (l *receiveLimits) get() api.ConnectionOption {
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.own == nil {
		return api.ConnectionOption{}
	}
	return *l.own
}

// take counts a record, and refuses the one with which a command has sent more than is
// allowed: it is neither written nor acknowledged, and stays in the session.
func (l *receiveLimits) take(rec *api.Record, s *api.Session) error {
	if !rec.Kind.IsStream() {
		return nil
	}
	own := l.get()
	if rec.Pipeline != l.pipeline {
		l.pipeline, l.counted, l.taken = rec.Pipeline, 0, 0
	}
	if rec.Seq > l.counted { // one that comes once more after an outage counts once
		l.counted, l.taken = rec.Seq, l.taken+int64(len(rec.Data))
	}
	exceeded := func(what string, n, most int64) error {
		return api.Errorf(api.CodeTooLarge, "the session sent %d bytes, and the session option allows %s of %d", n, what, most).
			WithID(what).On(s.Runspace.Name).
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

// cancelTimeout is how long a command that was stopped is waited for; 0: until it ends.
func (d *delivery) cancelTimeout() time.Duration {
	if ms := d.limits.get().CancelTimeout; ms != nil {
		return time.Duration(*ms) * time.Millisecond
	}
	return 0
}
