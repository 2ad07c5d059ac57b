//go:build linux

package main

import (
	"context"
	"fmt"
	"io"
	"net"
	"os"
	"sync"
	"syscall"

	"golang.org/x/sys/unix"
)

// SSHNet stands between the ssh clients and one server. A network that was cut is
// refused until it is restored; one that is stalled passes nothing, and what it took
// goes on when it flows again.
type SSHNet struct {
	port int
	to   string
	// hold is bound to port and never listens: while the network is cut, the port
	// refuses connections and still belongs to us.
	hold *os.File

	mu     sync.Mutex        // guards what follows
	l      net.Listener      // nil while the network is cut
	wires  map[*sshWire]bool // that are open
	gate   chan struct{}     // closed while bytes pass
	passes bool
}

// sshWire is one connection through the network.
type sshWire struct {
	n    *SSHNet
	near *net.TCPConn
	over chan struct{} // closed once it has ended
	once sync.Once

	mu  sync.Mutex // guards far
	far *net.TCPConn
}

func newSSHNet(to int) (*SSHNet, error) {
	fd, err := unix.Socket(unix.AF_INET, unix.SOCK_STREAM|unix.SOCK_CLOEXEC, 0)
	if err != nil {
		return nil, err
	}
	n := &SSHNet{
		to: fmt.Sprintf("127.0.0.1:%d", to), hold: os.NewFile(uintptr(fd), "port"),
		wires: map[*sshWire]bool{}, gate: make(chan struct{}), passes: true,
	}
	close(n.gate)
	if err := shared(fd); err != nil {
		return nil, err
	}
	if err := unix.Bind(fd, &unix.SockaddrInet4{Addr: [4]byte{127, 0, 0, 1}}); err != nil {
		return nil, err
	}
	addr, err := unix.Getsockname(fd)
	if err != nil {
		return nil, err
	}
	n.port = addr.(*unix.SockaddrInet4).Port
	return n, n.Restore()
}

// shared lets the socket that holds the port and the one that listens stand side by
// side.
func shared(fd int) error { return unix.SetsockoptInt(fd, unix.SOL_SOCKET, unix.SO_REUSEPORT, 1) }

// Restore takes connections.
func (n *SSHNet) Restore() error {
	n.mu.Lock()
	defer n.mu.Unlock()
	if n.l != nil {
		return nil
	}
	conf := net.ListenConfig{Control: func(_, _ string, c syscall.RawConn) (err error) {
		if cerr := c.Control(func(fd uintptr) { err = shared(int(fd)) }); cerr != nil {
			return cerr
		}
		return err
	}}
	l, err := conf.Listen(context.Background(), "tcp", fmt.Sprintf("127.0.0.1:%d", n.port))
	if err != nil {
		return err
	}
	n.l = l
	go n.serve(l)
	return nil
}

// Cut resets all connections and refuses new ones. They are gone when it returns.
func (n *SSHNet) Cut() {
	n.mu.Lock()
	if n.l != nil {
		n.l.Close()
		n.l = nil
	}
	var all []*sshWire
	for w := range n.wires {
		all = append(all, w)
	}
	n.mu.Unlock()
	for _, w := range all {
		w.end(true)
	}
}

// Stall keeps back every byte and every end of a connection, until Flow.
func (n *SSHNet) Stall() {
	n.mu.Lock()
	defer n.mu.Unlock()
	if n.passes {
		n.gate, n.passes = make(chan struct{}), false
	}
}

// Flow lets everything pass again.
func (n *SSHNet) Flow() {
	n.mu.Lock()
	defer n.mu.Unlock()
	if !n.passes {
		close(n.gate)
		n.passes = true
	}
}

// close ends the network for good.
func (n *SSHNet) close() {
	n.Cut()
	n.hold.Close()
}

func (n *SSHNet) serve(l net.Listener) {
	for {
		c, err := l.Accept()
		if err != nil {
			return
		}
		w := &sshWire{n: n, near: c.(*net.TCPConn), over: make(chan struct{})}
		n.mu.Lock()
		late := n.l != l
		if !late {
			n.wires[w] = true
		}
		n.mu.Unlock()
		if late {
			w.end(true)
			return
		}
		go w.run()
	}
}

// run carries the connection. In a stalled network nothing of it reaches the server.
func (w *sshWire) run() {
	if !w.passes() {
		return
	}
	c, err := net.Dial("tcp", w.n.to)
	if err != nil {
		w.end(true)
		return
	}
	w.mu.Lock()
	w.far = c.(*net.TCPConn)
	w.mu.Unlock()
	select {
	case <-w.over: // it was ended before far was known
		c.Close()
		return
	default:
	}
	var both sync.WaitGroup
	both.Go(func() { w.carry(w.far, w.near) })
	both.Go(func() { w.carry(w.near, w.far) })
	both.Wait()
	w.end(false)
}

// carry copies one direction, and then its end.
func (w *sshWire) carry(dst, src *net.TCPConn) {
	buf := make([]byte, 32<<10)
	for {
		k, err := src.Read(buf)
		if !w.passes() {
			return
		}
		if _, werr := dst.Write(buf[:k]); werr != nil {
			w.end(true)
			return
		}
		if err == io.EOF {
			_ = dst.CloseWrite()
			return
		}
		if err != nil {
			w.end(true)
			return
		}
	}
}

// passes waits until the network lets bytes pass; false says that the connection has
// ended meanwhile.
func (w *sshWire) passes() bool {
	for {
		w.n.mu.Lock()
		gate, passes := w.n.gate, w.n.passes
		w.n.mu.Unlock()
		if passes {
			return true
		}
		select {
		case <-gate:
		case <-w.over:
			return false
		}
	}
}

// end closes both sides, with a reset or without.
func (w *sshWire) end(reset bool) {
	w.once.Do(func() {
		close(w.over)
		w.n.mu.Lock()
		delete(w.n.wires, w)
		w.n.mu.Unlock()
		w.mu.Lock()
		far := w.far
		w.mu.Unlock()
		for _, c := range []*net.TCPConn{w.near, far} {
			if c != nil {
				if reset {
					_ = c.SetLinger(0)
				}
				c.Close()
			}
		}
	})
}
