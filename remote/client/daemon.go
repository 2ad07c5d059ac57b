package client

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"sync/atomic"
	"time"

	"pss/remote/api"
	"pss/remote/planted"
	"pss/remote/platform"
)

const (
	// daemonTime is how long the daemon may take to say that it is there.
	daemonTime = 2 * time.Second
	// daemonRest is how long one is left alone that did not.
	daemonRest = 5 * time.Second
	// maxGreeting bounds what it says.
	maxGreeting = 64 << 10
)

// Daemon is the way to the daemon that root runs for all users of this computer. It may
// come and go at any moment. It is safe for concurrent use.
type Daemon struct {
	Find func() (socket string, ok bool) // false: there is none
	From string                          // the line that begins a connection

	serves atomic.Bool
	rest   atomic.Int64 // the platform.BootTime until which it is not asked
}

// Serves reports whether the latest connection led to the daemon.
func (d *Daemon) Serves() bool { return d.serves.Load() }

// Dial returns a connection to the daemon that has said on it that it serves us. It fails
// if there is none, if it is not root's, or if it does not answer soon.
func (d *Daemon) Dial(ctx context.Context) (net.Conn, error) {
	c, err := d.dial(ctx)
	d.serves.Store(err == nil)
	return c, err
}

// Or returns a Dialer to the daemon, or, where that is not to be had, by own.
func (d *Daemon) Or(own Dialer) Dialer {
	return func(ctx context.Context) (net.Conn, error) {
		if c, err := d.Dial(ctx); err == nil {
			return c, nil
		}
		return own(ctx)
	}
}

// errNoDaemon is said where the computer has no daemon for all users.
var errNoDaemon = errors.New("the daemon of this computer does not run")

func (d *Daemon) dial(ctx context.Context) (net.Conn, error) {
	socket, ok := d.Find()
	if !ok {
		return nil, errNoDaemon
	}
	if int64(platform.BootTime()) < d.rest.Load() {
		return nil, errors.New("the daemon of this computer did not answer a moment ago")
	}
	c, err := platform.Dial(ctx, socket)
	if err != nil {
		return nil, err
	}
	if err = d.greet(ctx, c); err == nil {
		return c, nil
	}
	c.Close()
	var late net.Error
	if ctx.Err() == nil && errors.As(err, &late) && late.Timeout() {
		d.rest.Store(int64(platform.BootTime() + daemonRest))
	}
	return nil, err
}

// greet makes sure that root is at the other end, and takes us for somebody whom it
// serves: a daemon that was stopped takes connections as well.
func (d *Daemon) greet(ctx context.Context, c net.Conn) error {
	p, err := platform.PeerOf(c)
	if err != nil || p.UID != 0 && !planted.On("daemon-of-anybody") {
		return errors.Join(err, fmt.Errorf("the socket is user %d's, not root's", p.UID))
	}
	if err := c.SetDeadline(time.Now().Add(daemonTime)); err != nil {
		return err
	}
	stop := context.AfterFunc(ctx, func() { c.SetDeadline(time.Unix(1, 0)) })
	defer stop()
	if err := Introduce(c, d.From); err != nil {
		return err
	}
	req, err := http.NewRequestWithContext(ctx, http.MethodGet, "http://pss-host"+api.RouteVersion, http.NoBody)
	if err != nil {
		return err
	}
	req.Header.Set(api.HeaderVersion, api.Version)
	if err := req.Write(c); err != nil {
		return err
	}
	br := bufio.NewReader(io.LimitReader(c, maxGreeting))
	resp, err := http.ReadResponse(br, req)
	if err != nil {
		return err
	}
	if _, err := io.Copy(io.Discard, resp.Body); err != nil {
		return err
	}
	if resp.StatusCode != http.StatusOK || resp.Close || br.Buffered() > 0 {
		return fmt.Errorf("the daemon of this computer does not serve us: %s", resp.Status)
	}
	if !stop() {
		return ctx.Err()
	}
	return c.SetDeadline(time.Time{})
}
