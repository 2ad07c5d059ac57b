package host

import (
	"net"
	"sync"
	"sync/atomic"
	"time"

	"pss/config"
	"pss/remote/planted"
)

// gate is the listener's limits: how many connections there are in all, of one address,
// and of strangers. A stranger too many costs another stranger his connection, the one
// of the address that has the most that waits longest: so whoever proves at once who he
// is gets in, however many do not.
type gate struct {
	net.Listener
	conf  func() config.HostOperations
	most  func() int // connections in all
	count *metrics

	mu        sync.Mutex // guards what follows
	conns     map[*peer]struct{}
	strangers int // without those in their handshake
	shaking   int
	each      map[string]int // connections by address
}

// The states of a peer, in this order.
const (
	peerShaking int32 = iota // in its handshake
	peerStranger
	peerKnown
)

func newGate(l net.Listener, h *Host) *gate {
	return &gate{
		Listener: l, conf: func() config.HostOperations { return h.conf().Complete() }, most: h.mostConnections, count: h.metrics,
		conns: map[*peer]struct{}{}, each: map[string]int{},
	}
}

// Accept returns the next connection that is within the limits.
func (g *gate) Accept() (net.Conn, error) {
	for {
		c, err := g.Listener.Accept()
		if err != nil {
			return nil, err
		}
		if p := g.admit(c); p != nil {
			return p, nil
		}
		g.count.refused.Add(1)
		c.Close()
	}
}

// admit makes room for c where there is none, and returns nil where that is impossible.
func (g *gate) admit(c net.Conn) *peer {
	conf := g.conf()
	p := &peer{Conn: c, gate: g, address: addressOf(c.RemoteAddr().String()), began: time.Now(), write: conf.WriteTimeout.Or(0)}
	var gone []*peer
	g.mu.Lock()
	if planted.On("connections-not-bounded") {
		conf.MaxHandshakes, conf.MaxUnauthenticated, conf.MaxConnectionsPerAddress = 1<<30, 1<<30, 1<<30
	}
	room := true
	drop := func(over bool, which func(*peer) bool) {
		if !over || !room {
			return
		}
		old := g.oldest(which)
		if room = old != nil; room {
			g.forget(old)
			gone = append(gone, old)
		}
	}
	unknown := func(p *peer) bool { return p.state.Load() != peerKnown }
	drop(g.each[p.address] >= conf.MaxConnectionsPerAddress, func(o *peer) bool { return o.address == p.address && unknown(o) })
	drop(g.shaking >= conf.MaxHandshakes, func(o *peer) bool { return o.state.Load() == peerShaking })
	drop(len(g.conns) >= g.most(), unknown)
	if room {
		g.conns[p] = struct{}{}
		g.each[p.address]++
		g.shaking++
		p.grace = time.AfterFunc(conf.HandshakeTimeout.Or(0), func() { p.endIf(peerShaking) })
	}
	g.mu.Unlock()
	for _, o := range gone { // not under the lock: closing takes it
		g.count.evicted.Add(1)
		o.Close()
	}
	if !room {
		return nil
	}
	return p
}

// oldest returns the connection of which that waits longest, of the address that has the
// most connections, or nil.
func (g *gate) oldest(which func(*peer) bool) *peer {
	var found *peer
	for p := range g.conns {
		if !which(p) {
			continue
		}
		if found == nil || g.each[p.address] > g.each[found.address] ||
			g.each[p.address] == g.each[found.address] && p.began.Before(found.began) {
			found = p
		}
	}
	return found
}

// forget gives the place of p free, once.
func (g *gate) forget(p *peer) {
	if _, ok := g.conns[p]; !ok {
		return
	}
	delete(g.conns, p)
	if g.each[p.address]--; g.each[p.address] == 0 {
		delete(g.each, p.address)
	}
	g.leave(p.state.Load())
}

func (g *gate) leave(state int32) {
	switch state {
	case peerShaking:
		g.shaking--
	case peerStranger:
		g.strangers--
	}
}

// becomes moves p on to a later state. It makes room among the strangers for one more.
func (g *gate) becomes(p *peer, state int32) {
	conf := g.conf()
	var old *peer
	g.mu.Lock()
	if _, ok := g.conns[p]; !ok || p.state.Load() >= state {
		g.mu.Unlock()
		return
	}
	if state == peerStranger {
		if g.strangers >= conf.MaxUnauthenticated && !planted.On("connections-not-bounded") {
			if old = g.oldest(func(o *peer) bool { return o.state.Load() == peerStranger }); old != nil {
				g.forget(old)
			}
		}
		g.strangers++
	}
	g.leave(p.state.Load())
	p.state.Store(state)
	p.grace.Stop()
	if state == peerStranger {
		p.grace = time.AfterFunc(conf.LoginGrace.Or(0), func() { p.endIf(peerStranger) })
	}
	g.mu.Unlock()
	if old != nil {
		g.count.evicted.Add(1)
		old.Close()
	}
}

// open returns how many connections there are, and how many of them are of strangers.
func (g *gate) open() (all, strangers int) {
	g.mu.Lock()
	defer g.mu.Unlock()
	return len(g.conns), g.strangers + g.shaking
}

// peer is a connection that came by the port. Each of its writes has a time of its own: a
// peer that takes nothing loses its connection.
type peer struct {
	net.Conn
	gate    *gate
	address string
	began   time.Time
	grace   *time.Timer // guarded by gate.mu
	write   time.Duration
	state   atomic.Int32
	stall   atomic.Int64 // of an attachment, in the place of write; 0: it is none
	once    sync.Once
}

// writePiece is what must be taken within the time of a write.
const writePiece = 64 << 10

// Read counts what comes.
func (p *peer) Read(b []byte) (int, error) {
	n, err := p.Conn.Read(b)
	p.gate.count.received.Add(int64(n))
	return n, err
}

// Write writes b in pieces, each of which must be taken in time.
func (p *peer) Write(b []byte) (done int, err error) {
	limit := p.write
	if stall := time.Duration(p.stall.Load()); stall > 0 {
		limit = stall
	}
	if planted.On("writes-not-bounded") {
		limit = 24 * time.Hour
	}
	for err == nil && done < len(b) {
		_ = p.Conn.SetWriteDeadline(time.Now().Add(limit))
		var n int
		n, err = p.Conn.Write(b[done:min(len(b), done+writePiece)])
		done += n
	}
	p.gate.count.sent.Add(int64(done))
	return done, err
}

// Close gives the place free, once.
func (p *peer) Close() error {
	p.once.Do(func() {
		p.gate.mu.Lock()
		p.grace.Stop()
		p.gate.forget(p)
		p.gate.mu.Unlock()
	})
	return p.Conn.Close()
}

// endIf closes the connection if it has not come further than state.
func (p *peer) endIf(state int32) {
	if p.state.Load() <= state {
		p.gate.count.evicted.Add(1)
		p.Close()
	}
}
