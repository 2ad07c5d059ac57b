package agent

import (
	"sync"
	"time"

	"pss/remote/api"
)

const (
	// turnPatience bounds the wait for a request that came to nothing on its way here.
	turnPatience = time.Second
	// batchLife is how long a batch is remembered.
	batchLife = 2 * time.Minute
)

// turns lets the requests of a batch pass one after the other, in their order.
type turns struct {
	mu   sync.Mutex
	next map[string]int
	wake chan struct{} // closed and replaced with every step
}

// take waits for the turn and returns what gives it to the next one.
func (t *turns) take(turn *api.Turn) (pass func()) {
	if turn.Batch == "" {
		return func() {}
	}
	patience := time.NewTimer(turnPatience)
	defer patience.Stop()
	for late := false; ; {
		t.mu.Lock()
		if t.next == nil {
			t.next, t.wake = map[string]int{}, make(chan struct{})
		}
		next, known := t.next[turn.Batch]
		if !known {
			t.next[turn.Batch] = 0
			time.AfterFunc(batchLife, func() {
				t.mu.Lock()
				defer t.mu.Unlock()
				delete(t.next, turn.Batch)
			})
		}
		wake := t.wake
		t.mu.Unlock()
		if late || next >= turn.Index {
			return func() { t.step(turn) }
		}
		select {
		case <-wake:
		case <-patience.C:
			late = true
		}
	}
}

func (t *turns) step(turn *api.Turn) {
	t.mu.Lock()
	defer t.mu.Unlock()
	if _, known := t.next[turn.Batch]; known {
		t.next[turn.Batch] = max(t.next[turn.Batch], turn.Index+1)
	}
	close(t.wake)
	t.wake = make(chan struct{})
}
