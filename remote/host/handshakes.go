package host

import (
	"context"
	"net"
	"sync"

	"pss/remote/client"
)

// shaker is a listener whose connections have their handshake behind them. Each handshake
// runs by itself, so that a slow one holds up nobody; the gate bounds how many, and their
// time.
type shaker struct {
	net.Listener
	count *metrics
	ready chan net.Conn
	done  chan struct{}
	once  sync.Once
	err   error // of the listener, once done is closed
}

// newShaker starts accepting on l, whose connections are of TLS over a peer.
func newShaker(l net.Listener, count *metrics) *shaker {
	s := &shaker{Listener: l, count: count, ready: make(chan net.Conn), done: make(chan struct{})}
	go s.run()
	return s
}

func (s *shaker) run() {
	for {
		c, err := s.Listener.Accept()
		if err != nil {
			s.err = err
			s.once.Do(func() { close(s.done) })
			return
		}
		go s.shake(c)
	}
}

func (s *shaker) shake(c net.Conn) {
	t, ok := c.(interface{ HandshakeContext(context.Context) error })
	if ok && t.HandshakeContext(context.Background()) != nil { // #nosec G118 -- the gate ends it in time
		s.count.handshakesFailed.Add(1)
		c.Close()
		return
	}
	s.count.handshakes.Add(1)
	if p, ok := client.Underlying(c).(*peer); ok {
		p.gate.becomes(p, peerStranger)
	}
	select {
	case s.ready <- c:
	case <-s.done:
		c.Close()
	}
}

// Accept returns the next connection that is ready.
func (s *shaker) Accept() (net.Conn, error) {
	select {
	case c := <-s.ready:
		return c, nil
	case <-s.done:
		return nil, s.err
	}
}

// Close stops accepting, and ends the handshakes under way by and by.
func (s *shaker) Close() error {
	err := s.Listener.Close()
	<-s.done
	return err
}
