package client

import (
	"context"
	"errors"
	"log/slog"
	"net"
	"net/http"
	"os"
	"strings"
	"sync"
	"sync/atomic"
	"time"

	"pss/remote/platform"
)

// A connection to a host's socket begins with one line: how whoever is behind it came
// to this computer. From then on it is HTTP.
const (
	// FromHere is the line of a process on the same computer.
	FromHere = "local"
	// fromSSH begins the line of the far end of an ssh; behind it stands the address
	// that sshd saw.
	fromSSH = "ssh "
	// fromHTTPS begins the line of a client of the computer's own daemon.
	fromHTTPS = "https "
	// onBehalf begins the line of the computer's daemon: behind it stand the user who
	// asks, how they proved that, and the line of how they came.
	onBehalf = "as "
	// handed is the line with which an open file comes: that is the connection, and
	// begins with a line of its own.
	handed = "handed"
	// maxFrom and fromTime bound the line.
	maxFrom  = 512
	fromTime = 10 * time.Second
)

// FromSSH is the line of the far end of an ssh, whose sshd told it connection: the
// variable SSH_CONNECTION.
func FromSSH(connection string) string {
	address, _, _ := strings.Cut(connection, " ")
	if len(address) > maxFrom/4 || strings.ContainsAny(address, "\r\n") {
		address = ""
	}
	return strings.TrimSpace(fromSSH + address)
}

// OnBehalf is the line of the computer's daemon, for a user who proved by method who
// they are and whose request came from there: FromHere, what FromSSH returned, or an
// address of the network.
func OnBehalf(user, method, from string) string {
	if from != FromHere && !strings.HasPrefix(from, strings.TrimSpace(fromSSH)) {
		if address, _, err := net.SplitHostPort(from); err == nil {
			from = address // one line for all connections of a computer
		}
		from = fromHTTPS + from
	}
	return onBehalf + user + " " + method + " " + from
}

// DialOwner returns a Dialer to the socket of the own user's host, which is started by
// start when nobody listens there. from is the line that begins the connection.
func DialOwner(socket, from string, start func(context.Context) error) Dialer {
	return introduced(OnDemand(socket, start), from)
}

// HandOwner gives f, an open connection, to the own user's host. It returns once that
// has it.
func HandOwner(ctx context.Context, dial Dialer, f *os.File) error {
	c, err := dial(ctx)
	if err != nil {
		return err
	}
	defer c.Close()
	u, ok := c.(*net.UnixConn)
	if !ok {
		return errors.New("not a unix socket")
	}
	return platform.PassFile(u, f, []byte(handed+"\n"))
}

// introduced begins each connection to a host's socket with the line from.
func introduced(dial Dialer, from string) Dialer {
	return func(ctx context.Context) (net.Conn, error) {
		c, err := dial(ctx)
		if err != nil {
			return nil, err
		}
		if err := Introduce(c, from); err != nil {
			c.Close()
			return nil, err
		}
		return c, nil
	}
}

// Introduce writes the line that begins a connection to a host's socket.
func Introduce(c net.Conn, line string) error {
	_, err := c.Write([]byte(line + "\n"))
	return err
}

// Origin is what a host knows of a connection that came by a socket.
type Origin struct {
	UID          int    // of whoever connected
	User, Method string // on whose behalf; empty: their own
}

// OriginOf returns the origin of c; false: it did not come by a socket.
func OriginOf(c net.Conn) (Origin, bool) {
	o, ok := c.(*ownerConn)
	if !ok {
		return Origin{}, false
	}
	return o.origin, true
}

// ListenOwner is the other end of DialOwner: it refuses every user but its own and
// root, whatever the mode of the socket's folder let through. The RemoteAddr of its
// connections is the line with which they begin.
func ListenOwner(socket string) (net.Listener, error) {
	l, err := platform.Listen(socket)
	if err != nil {
		return nil, err
	}
	return newOwnerListener(l, func(uid int) bool { return uid == os.Geteuid() || uid == 0 }), nil
}

// ListenUsers takes the connections of every user of the computer to the socket that l
// listens on. Nobody there speaks on another's behalf.
func ListenUsers(l net.Listener) net.Listener {
	o := newOwnerListener(l, func(int) bool { return true })
	return o
}

func newOwnerListener(l net.Listener, admits func(uid int) bool) net.Listener {
	return NewRecycler(&ownerListener{
		Listener: l, admits: admits, ready: make(chan net.Conn), done: make(chan struct{}), pending: make(chan struct{}, maxPending),
	})
}

// maxPending is how many connections may be about to say their line.
const maxPending = 256

type ownerListener struct {
	net.Listener
	admits  func(uid int) bool
	begin   sync.Once
	ready   chan net.Conn
	done    chan struct{}
	err     error // of the listener, once done is closed
	pending chan struct{}
}

// Accept returns the next connection that is admitted and has said its line. One that
// is slow with that holds up nobody else.
func (l *ownerListener) Accept() (net.Conn, error) {
	l.begin.Do(func() { go l.accept() })
	select {
	case c := <-l.ready:
		return c, nil
	case <-l.done:
		return nil, l.err
	}
}

func (l *ownerListener) accept() {
	for {
		c, err := l.Listener.Accept()
		if err != nil {
			l.err = err
			close(l.done)
			return
		}
		u, ok := c.(*net.UnixConn)
		p, err := platform.PeerOf(c)
		if !ok || err != nil || !l.admits(p.UID) {
			c.Close()
			continue
		}
		select {
		case l.pending <- struct{}{}:
			go l.introduce(u, p.UID)
		default:
			c.Close()
		}
	}
}

// introduce reads the line of a connection. Without one it is closed.
func (l *ownerListener) introduce(u *net.UnixConn, uid int) {
	defer func() { <-l.pending }()
	c, err := newOwnerConn(u, uid)
	if err != nil {
		return
	}
	select {
	case l.ready <- c:
	case <-l.done:
		c.Close()
	}
}

func newOwnerConn(u *net.UnixConn, uid int) (*ownerConn, error) {
	line, f, err := readLine(u)
	own := uid == os.Geteuid() || uid == 0
	if err == nil && line == handed && f != nil && own {
		u.Close()
		if u, err = platform.ConnOf(f); err != nil {
			return nil, err
		}
		var p platform.Peer
		if p, err = platform.PeerOf(u); err == nil {
			uid = p.UID
			line, f, err = readLine(u)
		}
	}
	if f != nil {
		f.Close()
	}
	c := &ownerConn{UnixConn: u, origin: Origin{UID: uid}, from: line}
	if rest, ok := strings.CutPrefix(line, onBehalf); ok && err == nil {
		words := strings.SplitN(rest, " ", 3)
		if len(words) != 3 || !own {
			err = errors.New("nobody may speak on another's behalf")
		} else {
			c.origin.User, c.origin.Method, c.from = words[0], words[1], words[2]
		}
	}
	if strings.HasPrefix(line, fromHTTPS) { // that is for a daemon to say
		err = errors.Join(err, errors.New("nobody comes by HTTPS to a socket"))
	}
	if err != nil || c.from == handed {
		u.Close()
		return nil, errors.Join(err, net.ErrClosed)
	}
	return c, nil
}

// readLine reads the line byte by byte: what follows is not ours.
func readLine(u *net.UnixConn) (line string, f *os.File, err error) {
	_ = u.SetReadDeadline(time.Now().Add(fromTime))
	var text []byte
	for b := make([]byte, 1); len(text) <= maxFrom; text = append(text, b[0]) {
		n, came, rerr := platform.TakeFile(u, b)
		if came != nil && f != nil {
			came.Close()
		} else if came != nil {
			f = came
		}
		if rerr != nil || n == 0 {
			return "", f, errors.Join(rerr, net.ErrClosed)
		}
		if b[0] == '\n' {
			return string(text), f, u.SetReadDeadline(time.Time{})
		}
	}
	return "", f, errors.New("the line is too long")
}

// ownerConn is a connection that said its line.
type ownerConn struct {
	*net.UnixConn
	origin Origin
	from   string
	met    atomic.Bool
}

// RemoteAddr is how the peer came to this computer.
func (c *ownerConn) RemoteAddr() net.Addr { return ownerAddr(c.from) }

type ownerAddr string

// Network tells these from all other connections.
func (a ownerAddr) Network() string { return "owner" }

// String is FromHere, what FromSSH returned, or "https " and an address.
func (a ownerAddr) String() string { return string(a) }

// FirstOf reports, once for each connection of ListenOwner, that it was not asked about
// before; false for every other.
func FirstOf(c net.Conn) bool {
	o, ok := c.(*ownerConn)
	return ok && !o.met.Swap(true)
}

// FromLocal reports whether a request whose RemoteAddr is addr comes from this computer.
func FromLocal(addr string) bool {
	if addr == FromHere {
		return true
	}
	addr = strings.TrimPrefix(addr, fromHTTPS)
	if host, _, err := net.SplitHostPort(addr); err == nil {
		addr = host
	}
	ip := net.ParseIP(addr)
	return ip != nil && ip.IsLoopback()
}

// ServeOne answers the requests of the one connection c, which begins with a line, by h.
func ServeOne(c *net.UnixConn, h http.HandlerFunc, log *slog.Logger) {
	p, err := platform.PeerOf(c)
	if err != nil {
		c.Close()
		return
	}
	own, err := newOwnerConn(c, p.UID)
	if err != nil {
		return
	}
	only := make(chan net.Conn, 1)
	only <- own
	srv := NewServer(h, log)
	srv.IdleTimeout = time.Second
	done := make(chan struct{})
	srv.ConnState = func(_ net.Conn, s http.ConnState) {
		if s == http.StateClosed || s == http.StateHijacked {
			close(done)
		}
	}
	_ = srv.Serve(&oneListener{only, done})
}

// oneListener accepts one connection, and ends with it.
type oneListener struct {
	only chan net.Conn
	done chan struct{}
}

// Accept returns the connection once.
func (l *oneListener) Accept() (net.Conn, error) {
	select {
	case c := <-l.only:
		return c, nil
	case <-l.done:
		return nil, net.ErrClosed
	}
}

// Close does nothing: the connection's end is ours.
func (l *oneListener) Close() error { return nil }

// Addr is of no use to anybody.
func (l *oneListener) Addr() net.Addr { return ownerAddr("") }
