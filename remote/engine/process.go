//go:build unix

package engine

import (
	"os"
	"os/signal"
	"sync"
	"syscall"
	"time"
)

// process is one process as we know it again: a pid alone may be used anew.
type process struct {
	pid     int
	started uint64 // as the kernel counts
}

// family knows the processes of one runspace.
type family struct {
	id string // the value of platform.Marker

	mu    sync.Mutex
	sids  map[int]bool          // the sessions of our shells
	seen  map[process]bool      // found to be ours once
	other map[process]bool      // found not to be ours once
	shell map[process]string    // direct children, reaped by os/exec
	dead  map[process]time.Time // children of which only this is known, and since when
}

func newFamily(id string) *family {
	return &family{id: id, sids: map[int]bool{}, seen: map[process]bool{}, other: map[process]bool{}, shell: map[process]string{}}
}

// signal sends sig to each process.
func signalAll(ps []process, sig syscall.Signal) {
	for _, p := range ps {
		if same(p) {
			_ = syscall.Kill(p.pid, sig)
		}
	}
}

// without returns the processes of all that are not in old.
func without(all []process, old map[process]bool) []process {
	var fresh []process
	for _, p := range all {
		if !old[p] {
			fresh = append(fresh, p)
		}
	}
	return fresh
}

// households are the open runspaces. While there is one, orphans that came to us
// are reaped when they end.
var households struct {
	sync.Mutex
	open map[*family]bool
	stop chan struct{}
	kept chan os.Signal
}

// enroll makes this process ready to have f's processes as children.
func enroll(f *family) {
	adopt()
	households.Lock()
	defer households.Unlock()
	keepInterruptible()
	if households.open == nil {
		households.open = map[*family]bool{}
	}
	households.open[f] = true
	if len(households.open) == 1 {
		households.stop = make(chan struct{})
		go reapOrphans(households.stop)
	}
}

// dismiss undoes enroll.
func dismiss(f *family) {
	households.Lock()
	defer households.Unlock()
	delete(households.open, f)
	if len(households.open) == 0 && households.stop != nil {
		close(households.stop)
		households.stop = nil
	}
}

// keepInterruptible undoes, for our children, that this process was started with
// signals ignored: a child inherits that, and Ctrl-C and broken pipes would have
// no effect on any command. A handler becomes the default action at exec. Signals
// that are not ignored need nothing and are left to whoever handles them.
func keepInterruptible() {
	for _, s := range []os.Signal{syscall.SIGINT, syscall.SIGQUIT, syscall.SIGTERM, syscall.SIGHUP, syscall.SIGPIPE} {
		if !signal.Ignored(s) {
			continue
		}
		if households.kept == nil {
			households.kept = make(chan os.Signal, 1)
		}
		signal.Notify(households.kept, s)
	}
}

// nobodys is how long a dead child stays before it counts as an orphan's that nobody had
// seen alive: who waits for a child of its own takes it at once.
const nobodys = time.Second

// reapOrphans reaps dead processes that were re-parented to us, and nobody else's.
func reapOrphans(stop chan struct{}) {
	died := make(chan os.Signal, 1)
	signal.Notify(died, syscall.SIGCHLD)
	defer signal.Stop(died)
	var again <-chan time.Time
	for {
		select {
		case <-died:
		case <-again:
		case <-stop:
			return
		}
		again = nil
		households.Lock()
		for f := range households.open {
			if f.reap() {
				again = time.After(nobodys)
			}
		}
		households.Unlock()
	}
}

// killAll ends every process of f: politely first, within limit.
func (f *family) killAll(limit time.Duration) []process {
	const patience = 400 * time.Millisecond
	start := time.Now()
	polite := f.members()
	signalAll(polite, syscall.SIGHUP)
	signalAll(polite, syscall.SIGTERM)
	signalAll(polite, syscall.SIGCONT)
	empty := 0
	for pause := time.Millisecond; ; pause = min(2*pause, 20*time.Millisecond) {
		left := f.members()
		f.reap()
		// A child whose parent ends while we look is seen at neither place.
		if empty++; len(left) > 0 {
			empty = 0
		}
		if empty == 2 || time.Since(start) > limit {
			return left
		}
		if time.Since(start) > patience {
			signalAll(left, syscall.SIGKILL)
		}
		time.Sleep(pause)
	}
}
