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

// clock tells when something was last said on a link, apart from its signs of life.
type clock struct{ last atomic.Int64 }

func (c *clock) touch()               { c.last.Store(time.Now().UnixNano()) }
func (c *clock) since() time.Time     { return time.Unix(0, c.last.Load()) }
func newClock() *clock                { c := &clock{}; c.touch(); return c }
func (c *clock) quiet() time.Duration { return time.Since(c.since()) }

// stream is one connection of a link.
type stream struct {
	*smux.Stream
	said *clock
	once sync.Once
}

var _ net.Conn = (*stream)(nil)

// Read reads what the host sent.
func (s *stream) Read(b []byte) (int, error) {
	n, err := s.Stream.Read(b)
	s.said.touch()
	return n, err
}

// Write sends to the host.
func (s *stream) Write(b []byte) (int, error) {
	s.said.touch()
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
