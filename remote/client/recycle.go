package client

import (
	"context"
	"errors"
	"net"
	"net/http"
	"sync"
	"time"
)

// Recycler is a listener that also accepts connections again which an attachment
// has given back: the next request on them costs no handshake.
type Recycler struct {
	net.Listener
	conns chan net.Conn
	done  chan struct{}
	once  sync.Once
	err   error // of the listener, once done is closed
}

// NewRecycler starts accepting on l.
func NewRecycler(l net.Listener) *Recycler {
	r := &Recycler{Listener: l, conns: make(chan net.Conn), done: make(chan struct{})}
	go func() {
		for {
			c, err := l.Accept()
			if err != nil {
				r.err = err
				r.once.Do(func() { close(r.done) })
				return
			}
			if !r.offer(c) {
				c.Close()
			}
		}
	}()
	return r
}

func (r *Recycler) offer(c net.Conn) bool {
	select {
	case r.conns <- c:
		return true
	case <-r.done:
		return false
	}
}

// Accept returns the next new or recycled connection.
func (r *Recycler) Accept() (net.Conn, error) {
	select {
	case c := <-r.conns:
		return c, nil
	case <-r.done:
		if r.err != nil {
			return nil, r.err
		}
		return nil, net.ErrClosed
	}
}

// Close stops accepting.
func (r *Recycler) Close() error {
	err := r.Listener.Close()
	<-r.done
	if errors.Is(err, net.ErrClosed) {
		return nil
	}
	return err
}

type recyclerKey struct{}

// Context lets handlers of a server on r give connections back: it is for
// http.Server's BaseContext.
func (r *Recycler) Context(ctx context.Context) context.Context {
	return context.WithValue(ctx, recyclerKey{}, r)
}

// Recycle gives a hijacked connection, of which everything was read, back to the
// server of the request, or closes it.
func Recycle(req *http.Request, s *Stream) {
	r, ok := req.Context().Value(recyclerKey{}).(*Recycler)
	if !ok || s.Reader.Buffered() > 0 || s.Conn.SetDeadline(time.Time{}) != nil || !r.offer(s.Conn) {
		s.Close()
	}
}
