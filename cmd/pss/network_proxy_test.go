//go:build linux

package main_test

import (
	"io"
	"math/rand/v2"
	"net"
	"strconv"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"pss/config"
)

// network stands between an agent and its host and does to their connections what
// networks do.
type network struct {
	l  net.Listener
	to string

	mu    sync.Mutex // guards what follows
	wires map[*wire]struct{}
	state weather
	lag   time.Duration // one way
	stall time.Duration // at most, now and then, on top of lag
	judge func(up bool, chunk int) verdict
	made  int // connections so far
	cuts  int // connections that judge ended
}

// weather is the state of the whole network.
type weather int

const (
	fair weather = iota
	// down refuses new connections; the old ones are reset when it begins.
	down
	// hole takes everything and passes nothing on: no end, no reset. What was open or
	// is opened meanwhile stays dead for ever.
	hole
)

// verdict is what becomes of some bytes and their connection.
type verdict int

const (
	pass verdict = iota
	cutBefore
	cutAfter
)

// wire is one connection through the network.
type wire struct {
	n    *network
	near *net.TCPConn // the agent's side
	over chan struct{}
	once sync.Once

	// guarded by n.mu:
	far   *net.TCPConn // the host's side, or nil
	dead  bool         // lost in a hole
	ended int          // directions that have ended
}

// newNetwork makes a network in front of w's host.
func newNetwork(t *testing.T, w *world) *network {
	t.Helper()
	var info config.HostInfo
	require.NoError(t, config.ReadJSON(w.path("host", "info.json"), &info))
	l, err := net.Listen("tcp", "127.0.0.1:0")
	require.NoError(t, err)
	n := &network{l: l, to: net.JoinHostPort(info.Address, strconv.Itoa(info.Port)), wires: map[*wire]struct{}{}}
	go n.serve()
	t.Cleanup(n.close)
	return n
}

// as returns the config.toml of a client to whom w's host, through n, is the
// computer x.
func (n *network) as(t *testing.T, w *world) string {
	t.Helper()
	var lines []string
	for line := range strings.Lines(computerOf(t, w)) {
		if strings.HasPrefix(line, "address") {
			line = "address = \"" + n.l.Addr().String() + "\"\n"
		}
		lines = append(lines, line)
	}
	return strings.Join(lines, "")
}

func (n *network) close() {
	n.l.Close()
	n.mu.Lock()
	var all []*wire
	for w := range n.wires {
		all = append(all, w)
	}
	n.mu.Unlock()
	for _, w := range all {
		w.cut()
	}
}

// set changes the weather. Connections that it ends are gone when it returns.
func (n *network) set(s weather) {
	n.mu.Lock()
	n.state = s
	var ended []*wire
	for w := range n.wires {
		if s == down {
			ended = append(ended, w)
		}
		w.dead = w.dead || s == hole
	}
	n.mu.Unlock()
	for _, w := range ended {
		w.cut()
	}
}

// slow makes every byte take lag one way, and now and then up to stall more.
func (n *network) slow(lag, stall time.Duration) {
	n.mu.Lock()
	defer n.mu.Unlock()
	n.lag, n.stall = lag, stall
}

// unreliable ends connections where judge says so; nil ends that.
func (n *network) unreliable(judge func(up bool, chunk int) verdict) {
	n.mu.Lock()
	defer n.mu.Unlock()
	n.judge = judge
}

// counts returns how many connections were made and how many judge has ended.
func (n *network) counts() (made, cuts int) {
	n.mu.Lock()
	defer n.mu.Unlock()
	return n.made, n.cuts
}

func (n *network) serve() {
	for {
		c, err := n.l.Accept()
		if err != nil {
			return
		}
		w := &wire{n: n, near: c.(*net.TCPConn), over: make(chan struct{})}
		n.mu.Lock()
		n.made++
		state := n.state
		w.dead = state == hole
		n.wires[w] = struct{}{}
		n.mu.Unlock()
		if state == down {
			w.cut()
			continue
		}
		go w.run()
	}
}

// run carries the connection. In a hole it never reaches the other side.
func (w *wire) run() {
	if !w.isDead() {
		far, err := net.DialTimeout("tcp", w.n.to, patience)
		if err != nil {
			w.cut()
			return
		}
		w.n.mu.Lock()
		w.far = far.(*net.TCPConn)
		w.n.mu.Unlock()
		go w.carry(w.near, far.(*net.TCPConn), false)
		w.carry(far.(*net.TCPConn), w.near, true)
		return
	}
	_, _ = io.Copy(io.Discard, w.near)
	<-w.over
}

func (w *wire) isDead() bool {
	w.n.mu.Lock()
	defer w.n.mu.Unlock()
	return w.dead
}

// cut resets both sides.
func (w *wire) cut() { w.close(true) }

func (w *wire) close(reset bool) {
	w.once.Do(func() {
		close(w.over)
		w.n.mu.Lock()
		delete(w.n.wires, w)
		far := w.far
		w.n.mu.Unlock()
		for _, c := range []*net.TCPConn{w.near, far} {
			if c != nil {
				if reset {
					_ = c.SetLinger(0)
				}
				c.Close()
			}
		}
	})
}

// end ends one direction.
func (w *wire) end(dst *net.TCPConn) {
	_ = dst.CloseWrite()
	w.n.mu.Lock()
	w.ended++
	both := w.ended == 2
	w.n.mu.Unlock()
	if both {
		w.close(false)
	}
}

// chunk is what was read at once, and when it arrives.
type chunk struct {
	data []byte
	due  time.Time
	end  bool // of this direction
}

// carry copies one direction; up is towards the host.
func (w *wire) carry(dst, src *net.TCPConn, up bool) {
	queue := make(chan chunk, 256)
	go w.arrive(dst, queue, up)
	defer func() {
		select {
		case queue <- chunk{end: true, due: time.Now().Add(w.n.pace())}:
		case <-w.over:
		}
	}()
	for {
		buf := make([]byte, 32<<10)
		n, err := src.Read(buf)
		if n > 0 {
			select {
			case queue <- chunk{data: buf[:n], due: time.Now().Add(w.n.pace())}:
			case <-w.over:
				return
			}
		}
		if err != nil {
			return
		}
	}
}

func (n *network) pace() time.Duration {
	n.mu.Lock()
	defer n.mu.Unlock()
	d := n.lag
	if n.stall > 0 && rand.IntN(8) == 0 {
		d += rand.N(n.stall)
	}
	return d
}

// arrive delivers one direction, in order.
func (w *wire) arrive(dst *net.TCPConn, queue <-chan chunk, up bool) {
	for i := 1; ; i++ {
		var c chunk
		select {
		case c = <-queue:
		case <-w.over:
			return
		}
		select {
		case <-time.After(time.Until(c.due)):
		case <-w.over:
			return
		}
		if w.isDead() {
			continue // nothing arrives any more, an end neither
		}
		if c.end {
			w.end(dst)
			return
		}
		v := w.n.judgeOf(up, i)
		if v != cutBefore {
			if _, err := dst.Write(c.data); err != nil {
				w.cut()
				return
			}
		}
		if v != pass {
			w.cut()
			return
		}
	}
}

func (n *network) judgeOf(up bool, chunk int) verdict {
	n.mu.Lock()
	defer n.mu.Unlock()
	if n.judge == nil {
		return pass
	}
	v := n.judge(up, chunk)
	if v != pass {
		n.cuts++
	}
	return v
}
