package client

import (
	"context"
	"net"
	"os"
	"strings"
	"sync"
	"time"

	"pss/remote/platform"
)

// A connection to a host's own socket begins with one line: how whoever is behind it
// came to this computer. From then on it is HTTP.
const (
	// FromHere is the line of a process on the same computer.
	FromHere = "local"
	// fromSSH begins the line of the far end of an ssh; behind it stands the address
	// that sshd saw.
	fromSSH = "ssh "
	// maxFrom and fromTime bound the line.
	maxFrom  = 128
	fromTime = 10 * time.Second
)

// FromSSH is the line of the far end of an ssh, whose sshd told it connection: the
// variable SSH_CONNECTION.
func FromSSH(connection string) string {
	address, _, _ := strings.Cut(connection, " ")
	if len(address) > maxFrom/2 || strings.ContainsAny(address, "\r\n") {
		address = ""
	}
	return strings.TrimSpace(fromSSH + address)
}

// DialOwner returns a Dialer to the socket of the own user's host, which is started by
// start when nobody listens there. from is the line that begins the connection.
func DialOwner(socket, from string, start func(context.Context) error) Dialer {
	return introduced(OnDemand(socket, start), from)
}

// introduced begins each connection to a host's own socket with the line from.
func introduced(dial Dialer, from string) Dialer {
	return func(ctx context.Context) (net.Conn, error) {
		c, err := dial(ctx)
		if err != nil {
			return nil, err
		}
		if _, err := c.Write([]byte(from + "\n")); err != nil {
			c.Close()
			return nil, err
		}
		return c, nil
	}
}

// ListenOwner is the other end of DialOwner: it refuses every user but its own and
// root, whatever the mode of the socket's folder let through. The RemoteAddr of its
// connections is the line with which they begin.
func ListenOwner(socket string) (net.Listener, error) {
	l, err := platform.Listen(socket)
	if err != nil {
		return nil, err
	}
	return NewRecycler(&ownerListener{l}), nil
}

type ownerListener struct{ net.Listener }

// Accept returns the next connection of the own user or of root.
func (l *ownerListener) Accept() (net.Conn, error) {
	for {
		c, err := l.Listener.Accept()
		if err != nil {
			return nil, err
		}
		if p, err := platform.PeerOf(c); err == nil && (p.UID == os.Geteuid() || p.UID == 0) {
			return &ownerConn{Conn: c}, nil
		}
		c.Close()
	}
}

// ownerConn is a connection of the own user.
type ownerConn struct {
	net.Conn
	once sync.Once
	from string
}

// Read reads behind the line.
func (c *ownerConn) Read(p []byte) (int, error) {
	c.once.Do(c.begin)
	return c.Conn.Read(p)
}

// begin reads the line. Without one the connection is closed.
func (c *ownerConn) begin() {
	_ = c.Conn.SetReadDeadline(time.Now().Add(fromTime))
	var line []byte
	for b := make([]byte, 1); len(line) <= maxFrom; line = append(line, b[0]) {
		if _, err := c.Conn.Read(b); err != nil {
			break
		}
		if b[0] == '\n' {
			c.from = string(line)
			_ = c.Conn.SetReadDeadline(time.Time{})
			return
		}
	}
	c.Conn.Close()
}

// RemoteAddr is how the peer came to this computer.
func (c *ownerConn) RemoteAddr() net.Addr {
	c.once.Do(c.begin)
	return ownerAddr(c.from)
}

// CloseWrite ends our direction only.
func (c *ownerConn) CloseWrite() error {
	if cw, ok := c.Conn.(interface{ CloseWrite() error }); ok {
		return cw.CloseWrite()
	}
	return c.Conn.Close()
}

// SetWriteBuffer sizes what may be under way.
func (c *ownerConn) SetWriteBuffer(n int) error {
	if w, ok := c.Conn.(interface{ SetWriteBuffer(int) error }); ok {
		return w.SetWriteBuffer(n)
	}
	return nil
}

type ownerAddr string

// Network tells these from all other connections.
func (a ownerAddr) Network() string { return "owner" }

// String is FromHere, or what FromSSH returned.
func (a ownerAddr) String() string { return string(a) }

// IsOwner reports whether c came by ListenOwner; it does not wait for its line.
func IsOwner(c net.Conn) bool {
	_, ok := c.(*ownerConn)
	return ok
}
