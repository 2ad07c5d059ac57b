package client

import (
	"bufio"
	"bytes"
	"context"
	"crypto/tls"
	"math/rand/v2"
	"net"
	"syscall"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
	"pgregory.net/rapid"
	"pss/remote/api"
)

func frames(recs ...api.Record) []byte {
	var b []byte
	for i := range recs {
		b = api.AppendFrame(b, &recs[i])
	}
	return b
}

// However the bytes are cut into reads, the end is seen with the last byte of the
// last frame and not before.
func TestScannerFindsTheLastFrame(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		var stream []byte
		for range rapid.IntRange(0, 5).Draw(t, "frames") {
			data := make([]byte, rapid.IntRange(0, 200).Draw(t, "size"))
			stream = append(stream, frames(api.Record{Kind: api.KindOutput, Data: data, Time: time.Unix(0, 1)})...)
		}
		tail := make([]byte, rapid.SampledFrom([]int{0, 40}).Draw(t, "tail"))
		stream = append(stream, frames(api.Record{Kind: api.KindAcked, Data: tail, Time: time.Unix(0, 1)})...)
		scan := frameScanner{last: api.KindAcked}
		for len(stream) > 0 {
			n := rapid.IntRange(1, len(stream)).Draw(t, "cut")
			assert.Equal(t, n == len(stream), scan.pass(stream[:n]))
			stream = stream[n:]
		}
	})
}

func pipe(t *testing.T) (*Stream, *Stream) {
	a, b := net.Pipe()
	t.Cleanup(func() { a.Close(); b.Close() })
	return newStream(a, bufio.NewReader(a)), newStream(b, bufio.NewReader(b))
}

func TestSpliceGivesBothConnectionsBackAfterTheLastWords(t *testing.T) {
	client, down := pipe(t)
	up, host := pipe(t)
	clean := make(chan bool, 1)
	go func() { clean <- Splice(down, up) }()

	output := frames(api.Record{Kind: api.KindOutput, Seq: 1, Data: bytes.Repeat([]byte("x"), 100_000)}, api.Record{Kind: api.KindDone})
	go host.Write(output)
	got := make([]byte, len(output))
	_, err := readFull(client, got)
	require.NoError(t, err)
	assert.Equal(t, output, got)

	go client.Write(frames(api.Record{Kind: api.KindAck, Seq: 1}, api.Record{Kind: api.KindDone}))
	acks := make([]byte, 2*api.FrameHeaderSize)
	_, err = readFull(host, acks)
	require.NoError(t, err)
	go host.Write(frames(api.Record{Kind: api.KindAcked}))
	_, err = readFull(client, make([]byte, api.FrameHeaderSize))
	require.NoError(t, err)
	assert.True(t, <-clean)

	// The connections are still open: they may carry the next request.
	go up.Write([]byte("next"))
	next := make([]byte, 4)
	_, err = readFull(host, next)
	require.NoError(t, err)
	assert.Equal(t, "next", string(next))
}

func TestSpliceEndsBothWhenOneSideIsLost(t *testing.T) {
	client, down := pipe(t)
	up, host := pipe(t)
	clean := make(chan bool, 1)
	go func() { clean <- Splice(down, up) }()
	client.Close()
	_, err := host.Read(make([]byte, 1))
	require.Error(t, err)
	host.Close()
	assert.False(t, <-clean)
}

// goneConn is a session host that has said its last words and closed: what it is
// sent fails, and what it said can be read only then.
type goneConn struct {
	net.Conn
	failed chan struct{}
	words  *bytes.Reader
}

func (g *goneConn) Write([]byte) (int, error) {
	close(g.failed)
	return 0, syscall.EPIPE
}

func (g *goneConn) Read(b []byte) (int, error) {
	<-g.failed
	time.Sleep(time.Millisecond) // whoever closes too early has done so by now
	return g.words.Read(b)
}

func (g *goneConn) Close() error                    { return nil }
func (g *goneConn) SetReadDeadline(time.Time) error { return nil }

// Why a session host left reaches the client although the client was sending.
func TestSpliceDeliversLastWordsToASendingClient(t *testing.T) {
	client, down := pipe(t)
	fault := frames(api.Record{Kind: api.KindFault, Data: []byte(`{}`), Time: time.Unix(0, 1)})
	gone := &goneConn{failed: make(chan struct{}), words: bytes.NewReader(fault)}
	clean := make(chan bool, 1)
	go func() { clean <- Splice(down, newStream(gone, bufio.NewReader(gone))) }()
	_, err := client.Write(frames(api.Record{Kind: api.KindAck, Seq: 1}))
	require.NoError(t, err)
	got := make([]byte, len(fault))
	_, err = readFull(client, got)
	require.NoError(t, err)
	assert.Equal(t, fault, got)
	client.Close()
	assert.False(t, <-clean)
}

func readFull(s *Stream, b []byte) (int, error) {
	for n := 0; n < len(b); {
		k, err := s.Read(b[n:])
		if err != nil {
			return n, err
		}
		n += k
	}
	return len(b), nil
}

// Bytes come through a TLS connection as they were sent, whatever the sizes of
// writes and reads.
func TestBulkTLSKeepsEveryByte(t *testing.T) {
	cert := testCertificate(t)
	l, err := net.Listen("tcp", "127.0.0.1:0")
	require.NoError(t, err)
	tl := ListenTLS(l, func() *tls.Certificate { return &cert })
	defer tl.Close()
	sent := make([]byte, 3<<20)
	rng := rand.NewChaCha8([32]byte{7})
	rng.Read(sent)
	go func() {
		c, err := tl.Accept()
		if err != nil {
			return
		}
		defer c.Close()
		for rest, size := sent, 1; len(rest) > 0; size = (size*7 + 13) % 300_000 {
			n := min(len(rest), size+1)
			if _, err := c.Write(rest[:n]); err != nil {
				return
			}
			rest = rest[n:]
		}
	}()
	dial := DialTLS(func(context.Context) (Endpoint, error) {
		return Endpoint{Address: l.Addr().String(), Fingerprint: Fingerprint(cert.Leaf)}, nil
	})
	c, err := dial(t.Context())
	require.NoError(t, err)
	defer c.Close()
	s := newStream(c, bufio.NewReader(c))
	got := make([]byte, len(sent))
	_, err = readFull(s, got)
	require.NoError(t, err)
	assert.True(t, bytes.Equal(sent, got))
	s.relax()
}

func TestAnotherKeyIsRefused(t *testing.T) {
	cert := testCertificate(t)
	l, err := net.Listen("tcp", "127.0.0.1:0")
	require.NoError(t, err)
	tl := ListenTLS(l, func() *tls.Certificate { return &cert })
	defer tl.Close()
	go func() {
		for {
			c, err := tl.Accept()
			if err != nil {
				return
			}
			c.Read(make([]byte, 1)) // the handshake
			c.Close()
		}
	}()
	for _, pin := range []string{"", "sha256:AAAA"} {
		_, err := DialTLS(func(context.Context) (Endpoint, error) {
			return Endpoint{Address: l.Addr().String(), Fingerprint: pin}, nil
		})(t.Context())
		var e *api.Error
		require.ErrorAs(t, err, &e)
		assert.Equal(t, "ServerNotTrusted", e.FullyQualifiedErrorID)
		assert.Contains(t, e.Message+e.RecommendedAction, Fingerprint(cert.Leaf))
	}
}
