package client

import (
	"context"
	"crypto/tls"
	"errors"
	"io"
	"net"
	"net/http"
	"sync/atomic"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
	"pss/remote/api"
)

// breakOff ends the connection without an answer.
func breakOff(w http.ResponseWriter) {
	c, _, err := http.NewResponseController(w).Hijack()
	if err == nil {
		c.Close()
	}
}

func TestALostAnswerIsAskedForAgain(t *testing.T) {
	t.Parallel()
	for _, r := range []struct {
		method, path string
		again        bool
	}{
		{http.MethodGet, "/v1/sessions", true},
		{http.MethodPut, "/v1/sessions/x", true},
		{http.MethodDelete, "/v1/sessions/x?epoch=1", true},
		{http.MethodPost, "/v1/sessions/x/attach", true},
		{http.MethodPost, "/v1/sessions/x/detach", true},
		{http.MethodPost, "/v1/sessions/x/pipelines/y/ack?a=b/c", true},
		{http.MethodPost, "/v1/sessions/x/of-a-later-version", false},
	} {
		var asked atomic.Int32
		c := clientOf(t, func(w http.ResponseWriter, _ *http.Request) {
			if asked.Add(1) <= 3 {
				breakOff(w)
				return
			}
			io.WriteString(w, "{}")
		})
		require.True(t, IsLost(c.Do(t.Context(), Request{Method: r.method, Path: r.path})), "not unless it is wanted")
		require.EqualValues(t, 1, asked.Load())
		c.Retry = time.Minute
		err := c.Do(t.Context(), Request{Method: r.method, Path: r.path})
		if r.again {
			require.NoError(t, err, "%s %s", r.method, r.path)
			require.EqualValues(t, 4, asked.Load())
		} else {
			require.True(t, IsLost(err))
			require.EqualValues(t, 2, asked.Load())
		}
	}
}

// When the answer to a removal was lost, there is nothing left for the next one.
func TestARemovalThatWasDoneIsNoError(t *testing.T) {
	asked := 0
	c := clientOf(t, func(w http.ResponseWriter, _ *http.Request) {
		if asked++; asked == 1 {
			breakOff(w)
			return
		}
		WriteError(w, api.Errorf(api.CodeNotFound, "gone"))
	})
	c.Retry = time.Minute
	require.NoError(t, c.Remove(t.Context(), "x", 0, false))
	require.True(t, api.IsCode(c.Remove(t.Context(), "x", 0, false), api.CodeNotFound), "one that found nothing is")
}

// A computer that is out of reach when it is asked again has not said what became of
// the first request.
func TestOutOfReachIsNoAnswerToALostOne(t *testing.T) {
	t.Parallel()
	for _, method := range []string{http.MethodGet, http.MethodPut} {
		c := clientOf(t, func(w http.ResponseWriter, _ *http.Request) { breakOff(w) })
		dial, dials := c.Dial, 0
		c.Dial = func(ctx context.Context) (net.Conn, error) {
			if dials++; dials > 1 {
				return nil, api.Errorf(api.CodeUnreachable, "refused")
			}
			return dial(ctx)
		}
		c.Retry = 100 * time.Millisecond
		c.Lost = func(method string, err error) error { return api.Errorf(api.CodeOutcomeUnknown, "%s: %v", method, err) }
		err := c.Do(t.Context(), Request{Method: method, Path: "/"})
		if method == http.MethodGet {
			assert.True(t, api.IsCode(err, api.CodeUnreachable), "%v", err)
			assert.Equal(t, 2, dials)
		} else {
			assert.True(t, api.IsCode(err, api.CodeOutcomeUnknown), "%v", err)
			assert.Greater(t, dials, 2)
		}
	}
}

// A kept connection that leads nowhere is given up for a new one.
func TestASilentKeptConnectionIsGivenUp(t *testing.T) {
	var asked atomic.Int32
	release := make(chan struct{})
	c := clientOf(t, func(w http.ResponseWriter, r *http.Request) {
		if asked.Add(1) == 2 {
			<-release
			return
		}
		io.WriteString(w, "{}")
	})
	t.Cleanup(func() { close(release) })
	c.KeptTimeout = 50 * time.Millisecond
	for range 3 {
		require.NoError(t, c.Do(t.Context(), Request{Method: http.MethodGet, Path: "/"}))
	}
	require.EqualValues(t, 4, asked.Load())
}

// Every wait for an answer has a bound, an attachment's too.
func TestASilentPeerIsLost(t *testing.T) {
	release := make(chan struct{})
	c := clientOf(t, func(http.ResponseWriter, *http.Request) { <-release })
	t.Cleanup(func() { close(release) })
	c.Timeout = 50 * time.Millisecond
	_, err := c.Upgrade(t.Context(), Request{Path: "/"})
	require.True(t, IsLost(err), "%v", err)
	require.ErrorIs(t, err, context.DeadlineExceeded)
	require.True(t, IsLost(c.Do(t.Context(), Request{Method: http.MethodGet, Path: "/"})))
}

// A connection that ends in its handshake is tried again; one that is refused is not.
func TestACutHandshakeIsTriedAgain(t *testing.T) {
	t.Parallel()
	cert := testCertificate(t)
	l, err := net.Listen("tcp", "127.0.0.1:0")
	require.NoError(t, err)
	defer l.Close()
	go func() {
		for i := 0; ; i++ {
			c, err := l.Accept()
			if err != nil {
				return
			}
			if i < 3 {
				_ = c.(*net.TCPConn).SetLinger(i % 2) // a reset, and an end
				c.Close()
				continue
			}
			go tls.Server(c, &tls.Config{Certificates: []tls.Certificate{cert}}).Handshake()
		}
	}()
	at := Endpoint{Address: l.Addr().String(), Fingerprint: Fingerprint(cert.Leaf)}
	dial := DialTLS(func(context.Context) (Endpoint, error) { return at, nil })
	c, err := dial(t.Context())
	require.NoError(t, err)
	c.Close()
	l.Close()
	began := time.Now()
	_, err = dial(t.Context())
	require.Error(t, err)
	require.False(t, errors.Is(err, errHandshakeCut), "%v", err)
	require.Less(t, time.Since(began), firstRetry<<handshakeTries)
}
