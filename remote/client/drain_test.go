package client

import (
	"context"
	"log/slog"
	"net"
	"net/http"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

// serveSlowly serves requests that wait for release, until end is called. began gets
// one value a request, ended what ServeUntil returned.
func serveSlowly(t *testing.T, release chan struct{}) (c *Client, addr string, began chan struct{}, end func(), ended chan error) {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	require.NoError(t, err)
	ctx, cancel := context.WithCancel(t.Context())
	began, ended = make(chan struct{}), make(chan error, 1)
	srv := NewServer(Serve(func(_ http.ResponseWriter, r *http.Request) (any, error) {
		began <- struct{}{}
		select {
		case <-release:
			return "done", r.Context().Err()
		case <-r.Context().Done():
			return nil, r.Context().Err()
		}
	}), slog.New(slog.DiscardHandler))
	go func() { ended <- ServeUntil(ctx, srv, NewRecycler(l)) }()
	addr = l.Addr().String()
	c = &Client{Dial: func(ctx context.Context) (net.Conn, error) {
		return (&net.Dialer{}).DialContext(ctx, "tcp", addr)
	}}
	return c, addr, began, cancel, ended
}

// A request under way is answered although its server shall end; a connection that has
// asked for nothing is not waited for.
func TestServeUntilAnswersWhatIsUnderWay(t *testing.T) {
	release := make(chan struct{})
	c, addr, began, end, ended := serveSlowly(t, release)
	silent, err := net.Dial("tcp", addr)
	require.NoError(t, err)
	defer silent.Close()
	answer := make(chan error, 1)
	go func() { answer <- c.Do(t.Context(), Request{Method: http.MethodPost, Path: "/"}) }()
	<-began
	end()
	assert.Eventually(t, func() bool {
		n, err := net.Dial("tcp", addr)
		if err == nil {
			n.Close()
		}
		return err != nil
	}, DrainTime, time.Millisecond, "nothing new is accepted")
	select {
	case err := <-ended:
		t.Fatalf("ended before the answer: %v", err)
	default:
	}
	at := time.Now()
	close(release)
	require.NoError(t, <-answer)
	require.NoError(t, <-ended)
	assert.Less(t, time.Since(at), DrainTime/2)
}

// One that is not answered in time is cut off.
func TestServeUntilIsBounded(t *testing.T) {
	t.Parallel()
	c, _, began, end, ended := serveSlowly(t, nil)
	answer := make(chan error, 1)
	go func() { answer <- c.Do(t.Context(), Request{Method: http.MethodPost, Path: "/"}) }()
	<-began
	at := time.Now()
	end()
	require.NoError(t, <-ended)
	assert.InDelta(t, DrainTime.Seconds(), time.Since(at).Seconds(), 1)
	require.Error(t, <-answer)
}
