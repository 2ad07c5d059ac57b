package client

import (
	"sync"
	"time"
)

// Activity tells how long a role has had nothing to do. NewActivity makes one; it is
// safe for concurrent use.
type Activity struct {
	mu   sync.Mutex // guards what follows
	busy int        // requests under way, attachments included, and what else keeps the role
	idle time.Time  // since when there is none
}

// NewActivity returns an Activity that is idle from now on.
func NewActivity() *Activity { return &Activity{idle: time.Now()} }

// Enter notes that a request or other work has begun; each needs a Leave at its end.
func (a *Activity) Enter() {
	a.mu.Lock()
	defer a.mu.Unlock()
	a.busy++
}

// Leave notes that it has ended.
func (a *Activity) Leave() {
	a.mu.Lock()
	defer a.mu.Unlock()
	a.busy--
	a.idle = time.Now()
}

// Idle returns how long there has been none, 0 while there is one.
func (a *Activity) Idle() time.Duration {
	a.mu.Lock()
	defer a.mu.Unlock()
	if a.busy > 0 {
		return 0
	}
	return time.Since(a.idle)
}
