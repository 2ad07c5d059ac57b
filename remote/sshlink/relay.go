package sshlink

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net"
	"os"
	"sync"
	"time"

	"github.com/xtaci/smux"
	"pss/remote/api"
	"pss/remote/platform"
)

// Relay is the far end of a Link: it joins each connection to the host that Dial
// reaches, until its input ends or nothing has come for six heartbeats.
type Relay struct {
	In, Out   *os.File
	Hello     string // the number that the Link waits for
	Heartbeat time.Duration
	Dial      func(context.Context) (net.Conn, error)

	first <-chan dialled // yields the connection that was dialled ahead, once
}

// dialled is a connection to the host, or why there is none.
type dialled struct {
	conn net.Conn
	err  error
}

// ahead dials while the two ends still greet each other: the host may have to start.
func ahead(ctx context.Context, dial func(context.Context) (net.Conn, error)) <-chan dialled {
	made := make(chan dialled, 1)
	go func() {
		conn, err := dial(ctx)
		if err == nil {
			context.AfterFunc(ctx, func() { conn.Close() })
		}
		made <- dialled{conn, err}
		close(made)
	}()
	return made
}

// dial connects to the host, for the first time with what was dialled ahead.
func (r *Relay) dial(ctx context.Context) (net.Conn, error) {
	select {
	case d, ok := <-r.first:
		if ok {
			return d.conn, d.err
		}
	case <-ctx.Done():
		return nil, ctx.Err()
	}
	return r.Dial(ctx)
}

// Run serves the link.
func (r *Relay) Run(ctx context.Context) error {
	line, err := json.Marshal(&hello{Version: api.Version})
	if err != nil {
		return err
	}
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	r.first = ahead(ctx, r.Dial)
	if _, err := fmt.Fprintf(r.Out, "%s%s %s\n", mark, r.Hello, line); err != nil {
		return err
	}
	platform.WidenPipe(r.In)
	platform.WidenPipe(r.Out)
	p := newPipes(r.In, r.Out)
	mux, err := smux.Server(p, muxConfig(r.Heartbeat, 6*r.Heartbeat))
	if err != nil {
		return err
	}
	defer context.AfterFunc(ctx, func() { mux.Close() })()
	var joins sync.WaitGroup
	for {
		s, err := mux.AcceptStream()
		if err != nil {
			mux.Close()
			cancel()
			joins.Wait()
			if errors.Is(err, io.EOF) || errors.Is(err, io.ErrClosedPipe) {
				return nil
			}
			return err
		}
		joins.Go(func() { r.join(ctx, s) })
	}
}

// join makes one connection that of the host.
func (r *Relay) join(ctx context.Context, s *smux.Stream) {
	defer s.Close()
	if _, err := s.Write([]byte{alive}); err != nil {
		return
	}
	conn, err := r.dial(ctx)
	if err != nil {
		var known *api.Error
		if !errors.As(err, &known) {
			known = api.Errorf(api.CodeUnreachable, "the host there cannot be reached: %v", err).WithID("CannotConnect").
				Hint("see that 'pss get-pssession --computer-name localhost' works there")
		}
		text, _ := json.Marshal(known) // our own type
		_, _ = s.Write(append([]byte{failed}, text...))
		return
	}
	defer conn.Close()
	defer context.AfterFunc(ctx, func() { conn.Close() })()
	if _, err := s.Write([]byte{joined}); err != nil {
		return
	}
	both(func() error {
		_, err := s.WriteTo(conn)
		if err == nil {
			closeWrite(conn)
		}
		return err
	}, func() error {
		_, err := io.CopyBuffer(onlyWriter{s}, onlyReader{conn}, make([]byte, 256<<10))
		if err == nil {
			err = s.CloseWrite()
		}
		return err
	})
}

// both runs the two directions of a connection until they have ended, or one has failed,
// or has outlived the other by partTime: whoever has left altogether says no more than
// that its own direction has ended.
func both(directions ...func() error) {
	over := make(chan error, len(directions))
	for _, d := range directions {
		go func() { over <- d() }()
	}
	if <-over != nil {
		return
	}
	select {
	case <-over:
	case <-time.After(partTime):
	}
}

// partTime bounds how long one direction may outlive the other.
const partTime = 30 * time.Second

func closeWrite(c net.Conn) {
	if cw, ok := c.(interface{ CloseWrite() error }); ok {
		_ = cw.CloseWrite()
		return
	}
	c.Close()
}

// onlyReader and onlyWriter keep io.Copy from choosing another way than through our
// buffer.
type (
	onlyReader struct{ io.Reader }
	onlyWriter struct{ io.Writer }
)
