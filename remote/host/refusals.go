package host

import (
	"sync"
	"time"

	"pss/remote/planted"
)

const (
	// refusalsEach is how many refusals of one address get a line of their own in a
	// minute, refusalsAll how many of all addresses: a stranger must not fill the disk.
	refusalsEach = 10
	refusalsAll  = 300
	// refusalAddresses bounds how many addresses are told apart in a minute.
	refusalAddresses = 1024
	// otherAddresses stands for all the rest.
	otherAddresses = "others"
)

// refusals counts who was refused in this minute.
type refusals struct {
	mu    sync.Mutex // guards what follows
	began time.Time
	all   int
	seen  map[string]*refusalCount
}

type refusalCount struct{ lines, counted int }

func (f *refusals) init() { f.seen = map[string]*refusalCount{} }

// count reports whether this refusal gets a line; otherwise over tells it.
func (f *refusals) count(address string, now time.Time) bool {
	f.mu.Lock()
	defer f.mu.Unlock()
	if len(f.seen) == 0 {
		f.began, f.all = now, 0
	}
	c := f.seen[address]
	if c == nil && len(f.seen) >= refusalAddresses {
		address = otherAddresses
		c = f.seen[address]
	}
	if c == nil {
		c = &refusalCount{}
		f.seen[address] = c
	}
	if (c.lines < refusalsEach && f.all < refusalsAll) || planted.On("refusals-not-bounded") {
		c.lines++
		f.all++
		return true
	}
	c.counted++
	return false
}

// over returns how many refusals of each address got no line, if the minute is over or
// all are wanted now, and begins another one.
func (f *refusals) over(now time.Time, all bool) map[string]int {
	f.mu.Lock()
	defer f.mu.Unlock()
	if len(f.seen) == 0 || !all && now.Sub(f.began) < time.Minute {
		return nil
	}
	counts, rest := map[string]int{}, 0
	for address, c := range f.seen {
		switch {
		case c.counted == 0:
		case len(counts) < refusalsAll:
			counts[address] = c.counted
		default:
			rest += c.counted
		}
	}
	if rest > 0 {
		counts[otherAddresses] += rest
	}
	f.seen, f.all = map[string]*refusalCount{}, 0
	return counts
}
