package client

import (
	"context"
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
	"pss/remote/api"
)

// clientOf returns a Client of a server with this handler.
func clientOf(t *testing.T, h http.HandlerFunc) *Client {
	srv := httptest.NewServer(h)
	t.Cleanup(srv.Close)
	c := &Client{Dial: func(ctx context.Context) (net.Conn, error) {
		var d net.Dialer
		return d.DialContext(ctx, "tcp", srv.Listener.Addr().String())
	}}
	t.Cleanup(c.CloseIdle)
	return c
}

// A forwarded request is the asker's own: what it accepts and what it gets as an
// answer pass through as they are.
func TestForwardPassesBodyAndTypesThrough(t *testing.T) {
	c := clientOf(t, func(w http.ResponseWriter, r *http.Request) {
		body, _ := io.ReadAll(r.Body)
		w.Header().Set("Content-Type", r.Header.Get("Accept"))
		io.WriteString(w, r.Method+" "+r.URL.RequestURI()+" "+r.Header.Get("X-Ours")+" "+string(body))
	})
	req := httptest.NewRequest(http.MethodPut, "/v1/sessions/a%20b?x=1", strings.NewReader("body"))
	req.Header.Set("Accept", api.TypeText)
	w := httptest.NewRecorder()
	require.NoError(t, c.Forward(w, req, http.Header{"X-Ours": {"yes"}}))
	assert.Equal(t, api.TypeText, w.Header().Get("Content-Type"))
	assert.Equal(t, "PUT /v1/sessions/a%20b?x=1 yes body", w.Body.String())
}

func TestARefusalKeepsItsCode(t *testing.T) {
	c := clientOf(t, func(w http.ResponseWriter, r *http.Request) {
		WriteError(w, api.Errorf(api.CodeBusy, "held").WithID("X").Hint("wait"))
	})
	err := c.Do(t.Context(), Request{Method: http.MethodGet, Path: "/"})
	e := api.AsError(err)
	assert.Equal(t, api.CodeBusy, e.Code)
	assert.Equal(t, "wait", e.RecommendedAction)
	assert.False(t, IsBroken(err))
}

// A kept connection that the peer has closed costs nothing but another dial.
func TestAClosedKeptConnectionIsReplaced(t *testing.T) {
	requests := 0
	c := clientOf(t, func(w http.ResponseWriter, r *http.Request) {
		requests++
		io.WriteString(w, "{}")
	})
	for range 3 {
		require.NoError(t, c.Do(t.Context(), Request{Method: http.MethodGet, Path: "/"}))
		c.mu.Lock()
		require.Len(t, c.idle, 1)
		c.idle[0].Close()
		c.mu.Unlock()
	}
	assert.Equal(t, 3, requests)
}

func TestARequestEndsWithItsContext(t *testing.T) {
	release := make(chan struct{})
	c := clientOf(t, func(w http.ResponseWriter, r *http.Request) { <-release })
	defer close(release)
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	require.ErrorIs(t, c.Do(ctx, Request{Method: http.MethodGet, Path: "/"}), context.Canceled)
}
