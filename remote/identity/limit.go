package identity

import (
	"net/netip"
	"sync"
	"time"

	"golang.org/x/time/rate"
)

// maxCounted bounds how many addresses or names are counted at a time.
const maxCounted = 10000

// Limiter counts attempts by a key: so many in a minute, and no more.
type Limiter struct {
	mu        sync.Mutex // guards both
	perMinute int
	counts    map[string]*rate.Limiter
}

// NewLimiter allows n attempts in a minute for each key.
func NewLimiter(n int) *Limiter {
	return &Limiter{perMinute: n, counts: map[string]*rate.Limiter{}}
}

// Limit allows n attempts in a minute from now on. Nobody gets those back that were counted.
func (l *Limiter) Limit(n int) {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.perMinute = n
	for _, c := range l.counts {
		c.SetLimit(l.pace())
		c.SetBurst(n)
	}
}

// pace is how fast attempts come back.
func (l *Limiter) pace() rate.Limit { return rate.Every(time.Minute / time.Duration(l.perMinute)) }

// Allow counts an attempt, and reports whether it is within the limit.
func (l *Limiter) Allow(key string) bool {
	l.mu.Lock()
	defer l.mu.Unlock()
	c, ok := l.counts[key]
	if !ok {
		if len(l.counts) >= maxCounted {
			l.forget()
		}
		c = rate.NewLimiter(l.pace(), l.perMinute)
		l.counts[key] = c
	}
	return c.Allow()
}

// forget drops whoever has all attempts left, and others until a quarter is free: it is
// not to be done again for the next one.
func (l *Limiter) forget() {
	for k, c := range l.counts {
		if c.Tokens() >= float64(l.perMinute) {
			delete(l.counts, k)
		}
	}
	for k := range l.counts {
		if len(l.counts) <= maxCounted*3/4 {
			return
		}
		delete(l.counts, k)
	}
}

// AddressKey is what attempts from an address are counted by: an IPv6 client has a whole
// network of 64 bits.
func AddressKey(a netip.Addr) string {
	a = a.Unmap().WithZone("")
	if a.Is6() {
		if p, err := a.Prefix(64); err == nil {
			return p.String()
		}
	}
	return a.String()
}
