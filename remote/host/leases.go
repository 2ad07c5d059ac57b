package host

import (
	"sync"
	"time"

	"pss/remote/planted"
	"pss/remote/platform"
)

// leases tells which agents are alive. They are kept in memory alone: a new host
// bears every agent it finds in the facts for one whole lease.
type leases struct {
	length time.Duration

	mu   sync.Mutex // guards seen
	seen map[string]time.Duration
}

func newLeases(length time.Duration) *leases {
	return &leases{length: length, seen: map[string]time.Duration{}}
}

// renew notes a sign of life of an agent.
func (l *leases) renew(agent string) {
	if agent == "" {
		return
	}
	l.mu.Lock()
	defer l.mu.Unlock()
	if _, ok := l.seen[agent]; !ok && (len(l.seen) >= maxLeases || len(agent) > maxClientID) {
		return // of no client of ours; the memory is
	}
	l.seen[agent] = platform.BootTime()
}

// maxLeases is how many clients are told apart.
const maxLeases = 1 << 14

// count returns how many clients give signs of life.
func (l *leases) count() int {
	l.mu.Lock()
	defer l.mu.Unlock()
	return len(l.seen)
}

// expect gives an agent that was attached before this host started its whole
// lease to come back.
func (l *leases) expect(agent string) {
	l.mu.Lock()
	defer l.mu.Unlock()
	if _, ok := l.seen[agent]; !ok && agent != "" {
		l.seen[agent] = platform.BootTime()
	}
}

// lastSeen returns when the agent gave a sign of life, or nil if it never did.
func (l *leases) lastSeen(agent string) *time.Time {
	l.mu.Lock()
	defer l.mu.Unlock()
	seen, ok := l.seen[agent]
	if !ok {
		return nil
	}
	t := time.Now().Add(seen - platform.BootTime())
	return &t
}

// lapsed returns, once each, the agents whose silence has lasted the lease.
func (l *leases) lapsed() []string {
	l.mu.Lock()
	defer l.mu.Unlock()
	now := platform.BootTime()
	var gone []string
	for agent, seen := range l.seen {
		if now-seen > l.length && !planted.On("lease-never-lapses") {
			gone = append(gone, agent)
			delete(l.seen, agent)
		}
	}
	return gone
}
