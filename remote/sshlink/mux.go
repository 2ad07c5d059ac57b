package sshlink

import (
	"bufio"
	"io"
	"net"
	"os"
	"sync"
	"sync/atomic"
	"time"

	"github.com/xtaci/smux"
)

const (
	// window is what one connection may have under way: enough for a fast network that
	// is far away.
	window = 2 << 20
	// windows is what all together may have: past it a connection that nobody reads
	// would hold up the others.
	windows = 256 << 20
	// frameSize is the largest piece of a connection's data.
	frameSize = 32 << 10
)

// muxConfig is what both ends agree upon. Without a sign of life for silence the link
// is given up.
func muxConfig(heartbeat, silence time.Duration) *smux.Config {
	return &smux.Config{
		Version: 2, KeepAliveInterval: heartbeat, KeepAliveTimeout: max(silence, heartbeat),
		MaxFrameSize: frameSize, MaxReceiveBuffer: windows, MaxStreamBuffer: window,
	}
}

// pipes are the two directions of a link.
type pipes struct {
	r    *bufio.Reader
	in   *os.File // under r
	out  *os.File
	once sync.Once
}

func newPipes(in, out *os.File) *pipes {
	return &pipes{r: bufio.NewReaderSize(in, 256<<10), in: in, out: out}
}

// Read reads what came from the far end.
func (p *pipes) Read(b []byte) (int, error) { return p.r.Read(b) }

// Write sends to the far end.
func (p *pipes) Write(b []byte) (int, error) { return p.out.Write(b) }

// Close ends both directions, once.
func (p *pipes) Close() error {
	p.once.Do(func() {
		p.out.Close()
		p.in.Close()
	})
	return nil
}

// clock tells how long nobody has needed a link: nothing was said on it, apart from its
// signs of life, and nobody waits for an answer.
type clock struct {
	last    atomic.Int64 // when something was said, in Unix nanoseconds
	waiting atomic.Int32 // reads and writes that are under way
}

func newClock() *clock {
	c := &clock{}
	c.last.Store(time.Now().UnixNano())
	return c
}

func (c *clock) enter() { c.waiting.Add(1) }

func (c *clock) leave() {
	c.last.Store(time.Now().UnixNano())
	c.waiting.Add(-1)
}

// quiet is how long that has been so, 0 while it is not.
func (c *clock) quiet() time.Duration {
	if c.waiting.Load() > 0 {
		return 0
	}
	return time.Since(time.Unix(0, c.last.Load()))
}

// stream is one connection of a link.
type stream struct {
	*smux.Stream
	said *clock
	once sync.Once
}

var _ net.Conn = (*stream)(nil)

// Read reads what the host sent.
func (s *stream) Read(b []byte) (int, error) {
	s.said.enter()
	defer s.said.leave()
	return s.Stream.Read(b)
}

// Write sends to the host.
func (s *stream) Write(b []byte) (int, error) {
	s.said.enter()
	defer s.said.leave()
	return s.Stream.Write(b)
}

// Close ends the connection. It does not wait for a link that hangs.
func (s *stream) Close() error {
	s.once.Do(func() { go s.Stream.Close() })
	return nil
}

// The bytes with which the far end begins each connection.
const (
	alive  = '.' // it lives
	joined = '+' // what follows is the host's
	failed = '-' // what follows is an api.Error, as JSON, in one line
)

var _ io.ReadWriteCloser = (*pipes)(nil)
