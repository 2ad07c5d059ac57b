package client

import (
	"context"
	"errors"
	"net"
	"net/http"
	"sync"
	"time"
)

// DrainTime bounds how long a role that ends waits for the requests under way.
const DrainTime = 3 * time.Second

// ServeUntil serves on all listeners until ctx ends, and returns when the requests under way then
// are answered, at the latest after DrainTime; attachments are not waited for. It sets
// srv's BaseContext and ConnState: requests have the values of ctx, and their context
// ends when ServeUntil returns.
func ServeUntil(ctx context.Context, srv *http.Server, listeners ...net.Listener) error {
	base, cut := context.WithCancel(context.WithoutCancel(ctx))
	defer cut()
	srv.BaseContext = func(l net.Listener) context.Context {
		if r, ok := l.(*Recycler); ok {
			return r.Context(base)
		}
		return base
	}
	working := &underWay{conns: map[net.Conn]struct{}{}}
	srv.ConnState = working.note
	serving, stop := context.WithCancel(ctx)
	defer stop()
	over := make(chan struct{})
	go func() {
		defer close(over)
		<-serving.Done()
		// Shutdown alone would also wait for connections that have not asked for
		// anything yet, as one is that an attachment gave back.
		shut, enough := context.WithTimeout(context.Background(), DrainTime)
		defer enough()
		working.whenNone(enough)
		if srv.Shutdown(shut) != nil {
			srv.Close()
		}
	}()
	ended := make(chan error, len(listeners))
	for _, l := range listeners {
		go func() { ended <- srv.Serve(l) }()
	}
	for range listeners {
		if err := <-ended; !errors.Is(err, http.ErrServerClosed) {
			return err
		}
	}
	<-over
	return nil
}

// underWay knows the connections of a server on which a request is under way.
type underWay struct {
	mu    sync.Mutex // guards what follows
	conns map[net.Conn]struct{}
	none  func() // is called when there is none; nil until somebody waits for that
}

// note is for http.Server's ConnState.
func (u *underWay) note(c net.Conn, state http.ConnState) {
	u.mu.Lock()
	defer u.mu.Unlock()
	if state == http.StateActive {
		u.conns[c] = struct{}{}
		return
	}
	delete(u.conns, c)
	u.tellLocked()
}

func (u *underWay) whenNone(f func()) {
	u.mu.Lock()
	defer u.mu.Unlock()
	u.none = f
	u.tellLocked()
}

func (u *underWay) tellLocked() {
	if u.none != nil && len(u.conns) == 0 {
		u.none()
	}
}
