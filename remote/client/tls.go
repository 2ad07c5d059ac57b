package client

import (
	"context"
	"crypto/tls"
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"net"
	"sync"
	"syscall"
	"time"

	"pss/remote/planted"
	"pss/remote/platform"
)

// handshakeTimeout bounds connecting and the TLS handshake where nothing else does.
const handshakeTimeout = 15 * time.Second

// Endpoint is where a host listens and the key that it must show.
type Endpoint struct {
	Address     string
	Fingerprint string // "sha256:…", several with commas between: the keys that decide alone; empty: Trust decides
	Trust       Trust
	Socket      string // of the own user's host, which listens on no port; the others count for nothing then
	// Certificate is shown to the host; nil: none.
	Certificate *tls.Certificate
}

// DialTLS returns a Dialer to the endpoint that find returns at each call. It
// accepts only a host that the endpoint's Trust does. TLS 1.3 always, but for a socket.
func DialTLS(find func(context.Context) (Endpoint, error)) Dialer {
	sessions := tls.NewLRUClientSessionCache(4)
	return func(ctx context.Context) (net.Conn, error) {
		if _, ok := ctx.Deadline(); !ok {
			var cancel context.CancelFunc
			ctx, cancel = context.WithTimeout(ctx, handshakeTimeout)
			defer cancel()
		}
		at, err := find(ctx)
		if err != nil {
			return nil, err
		}
		if at.Socket != "" {
			return introduced(func(ctx context.Context) (net.Conn, error) { return platform.Dial(ctx, at.Socket) }, FromHere)(ctx)
		}
		if at.Fingerprint != "" {
			at.Trust.Explicit, at.Trust.From = Fingerprints(at.Fingerprint), "config.toml"
		}
		var verdict *Verdict // of the latest handshake
		conf := &tls.Config{
			MinVersion: tls.VersionTLS13, NextProtos: []string{"http/1.1"}, ServerName: serverName(at.Address),
			InsecureSkipVerify: true, // Trust decides, also of resumed connections
			ClientSessionCache: sessions,
			VerifyConnection: func(cs tls.ConnectionState) (err error) {
				verdict, err = at.Trust.Judge(at.Address, cs.PeerCertificates)
				if err == nil && verdict.By == ByAccepting && planted.On("pinned-before-proof") {
					err = at.Trust.Accept(verdict.Fingerprint)
				}
				return err
			},
		}
		if at.Certificate != nil {
			// Whatever authorities the host names: ours is known by its key.
			conf.GetClientCertificate = func(*tls.CertificateRequestInfo) (*tls.Certificate, error) { return at.Certificate, nil }
		}
		for try := 0; ; try++ {
			c, err := dialOnce(ctx, at.Address, conf)
			if err == nil {
				return at.trusted(c, verdict)
			}
			if !errors.Is(err, errHandshakeCut) || try == handshakeTries {
				return nil, recognised(ctx, at.Address, err)
			}
			select {
			case <-ctx.Done():
				return nil, err
			case <-time.After(firstRetry << try):
			}
		}
	}
}

// handshakeTries is how often a connection is tried again that broke before anything
// was said on it; PowerShell's MaxConnectionRetryCount.
const handshakeTries = 5

// errHandshakeCut is the end of a connection in the middle of the handshake.
var errHandshakeCut = errors.New("the connection ended")

func dialOnce(ctx context.Context, address string, conf *tls.Config) (*tlsConn, error) {
	var d net.Dialer
	c, err := d.DialContext(ctx, "tcp", address)
	if errors.Is(err, syscall.ECONNRESET) { // so early that it was not even seen to be made
		err = fmt.Errorf("%w as soon as it was made: %w", errHandshakeCut, err)
	}
	if err != nil {
		return nil, err
	}
	t := tls.Client(newBulkConn(c), conf)
	if err := t.HandshakeContext(ctx); err != nil {
		c.Close()
		if ctx.Err() == nil && cutOff(err) {
			return nil, fmt.Errorf("%w in its handshake: %w", errHandshakeCut, err)
		}
		return nil, err
	}
	return newTLSConn(t), nil
}

// cutOff reports whether a handshake ended because the connection did: not because one of
// the two said no, which crypto/tls tells as an OpError too.
func cutOff(err error) bool {
	var broken *net.OpError
	if errors.As(err, &broken) {
		return broken.Op != "remote error" && broken.Op != "local error"
	}
	return errors.Is(err, io.EOF) || errors.Is(err, io.ErrUnexpectedEOF)
}

// trusted completes a connection whose host has proved that it has the key.
func (at *Endpoint) trusted(c *tlsConn, v *Verdict) (net.Conn, error) {
	if v.By == ByAccepting {
		if err := at.Trust.Accept(v.Fingerprint); err != nil {
			c.Close()
			return nil, err
		}
	}
	c.verdict = v
	return c, nil
}

// ListenTLS serves TLS 1.3 on l with the certificate that current returns for each
// handshake.
func ListenTLS(l net.Listener, current func() *tls.Certificate) net.Listener {
	return &tlsListener{Listener: l, current: current}
}

type tlsListener struct {
	net.Listener
	current func() *tls.Certificate

	mu    sync.Mutex // guards what follows
	shown *tls.Certificate
	with  *tls.Config
}

// config returns the settings for the present certificate. Another one gets others, so
// that no connection is resumed that began with the one before.
func (l *tlsListener) config() *tls.Config {
	cert := l.current()
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.shown != cert {
		l.shown = cert
		l.with = &tls.Config{
			MinVersion: tls.VersionTLS13, Certificates: []tls.Certificate{*cert}, NextProtos: []string{"http/1.1"},
			ClientAuth: tls.RequestClientCert, // whether it means anything is the host's business
		}
	}
	return l.with
}

// Accept returns a connection whose handshake happens with its first read, so
// that a slow client holds up nobody else.
func (l *tlsListener) Accept() (net.Conn, error) {
	c, err := l.Listener.Accept()
	if err != nil {
		return nil, err
	}
	return newTLSConn(tls.Server(newBulkConn(c), l.config())), nil
}

// bulkConn makes few large system calls out of the many small ones that
// crypto/tls makes: it gathers the records of one large write, and reads as much
// as there is. It hands out one TLS record at a time, so that it can tell whether
// the next one is here already.
type bulkConn struct {
	net.Conn

	in   []byte // what was read; bytes from r to w are unused
	r, w int
	left int // bytes of the present record still to hand out

	mu   sync.Mutex // guards out and hold
	out  []byte
	hold bool
}

func newBulkConn(c net.Conn) *bulkConn { return &bulkConn{Conn: c} }

const (
	// bulkSize is how much is gathered or read at once while much data flows.
	bulkSize   = 256 << 10
	smallRead  = 4 << 10
	tlsHeader  = 5
	tlsLengthI = 3 // of the length in a TLS record's header
)

// Read hands out bytes of one record.
func (b *bulkConn) Read(p []byte) (int, error) {
	if b.left == 0 {
		for b.w-b.r < tlsHeader {
			if err := b.fill(); err != nil {
				return 0, err
			}
		}
		b.left = tlsHeader + int(binary.BigEndian.Uint16(b.in[b.r+tlsLengthI:]))
	}
	if b.r == b.w {
		if err := b.fill(); err != nil {
			return 0, err
		}
	}
	n := copy(p[:min(len(p), b.left)], b.in[b.r:b.w])
	b.r += n
	b.left -= n
	return n, nil
}

// fill reads what there is, with a buffer that grows while it is filled.
func (b *bulkConn) fill() error {
	if b.r > 0 {
		b.w = copy(b.in, b.in[b.r:b.w])
		b.r = 0
	}
	switch {
	case b.in == nil:
		b.in = make([]byte, smallRead)
	case b.w == len(b.in):
		b.in = append(b.in, make([]byte, 3*len(b.in))...)
	}
	n, err := b.Conn.Read(b.in[b.w:])
	b.w += n
	if b.w == len(b.in) && len(b.in) < bulkSize {
		grown := make([]byte, bulkSize)
		copy(grown, b.in)
		b.in = grown
	}
	if n > 0 {
		return nil
	}
	return err
}

// more reports whether a whole record waits, so that a read will not block.
func (b *bulkConn) more() bool {
	have := b.w - b.r
	return b.left == 0 && have >= tlsHeader &&
		have >= tlsHeader+int(binary.BigEndian.Uint16(b.in[b.r+tlsLengthI:]))
}

// relax lets go of what only a large transfer needs.
func (b *bulkConn) relax() {
	if b.r == b.w && len(b.in) > smallRead {
		b.in, b.r, b.w = nil, 0, 0
	}
	b.mu.Lock()
	defer b.mu.Unlock()
	if len(b.out) == 0 {
		b.out = nil
	}
}

// Write writes at once, or gathers while hold is set.
func (b *bulkConn) Write(p []byte) (int, error) {
	b.mu.Lock()
	defer b.mu.Unlock()
	if !b.hold {
		return b.Conn.Write(p)
	}
	b.out = append(b.out, p...)
	if len(b.out) >= bulkSize {
		return len(p), b.flushLocked()
	}
	return len(p), nil
}

func (b *bulkConn) flushLocked() error {
	if len(b.out) == 0 {
		return nil
	}
	_, err := b.Conn.Write(b.out)
	b.out = b.out[:0]
	return err
}

// tlsConn is a TLS connection over a bulkConn.
type tlsConn struct {
	*tls.Conn
	bulk    *bulkConn
	verdict *Verdict   // of the host, where we dialled
	mu      sync.Mutex // one large write at a time
}

func newTLSConn(c *tls.Conn) *tlsConn {
	return &tlsConn{Conn: c, bulk: c.NetConn().(*bulkConn)}
}

// TLSState returns what TLS knows of c, whose handshake is over once something was read
// from it; nil: c is no TLS connection.
func TLSState(c net.Conn) *tls.ConnectionState {
	t, ok := c.(*tlsConn)
	if !ok {
		return nil
	}
	state := t.Conn.ConnectionState()
	return &state
}

// Write writes p, in few system calls if it is large.
func (t *tlsConn) Write(p []byte) (int, error) {
	if len(p) <= 16<<10 {
		return t.Conn.Write(p)
	}
	t.mu.Lock()
	defer t.mu.Unlock()
	t.bulk.mu.Lock()
	t.bulk.hold = true
	t.bulk.mu.Unlock()
	n, err := t.Conn.Write(p)
	t.bulk.mu.Lock()
	t.bulk.hold = false
	ferr := t.bulk.flushLocked()
	t.bulk.mu.Unlock()
	return n, errors.Join(err, ferr)
}
