package host

import (
	"errors"
	"net"
	"net/http"
	"os"

	"pss/remote/api"
	"pss/remote/client"
	"pss/remote/platform"
)

// listenTLS takes the requests of everybody who can reach addr.
func (h *Host) listenTLS(addr string) (net.Listener, error) {
	l, err := net.Listen("tcp", addr)
	if err != nil {
		return nil, api.Errorf(api.CodeInvalidArgument, "cannot listen on %s: %v", addr, err).WithID("ListenFailed").
			Hint("choose another address with --listen HOST:PORT (port 0 picks a free one)").On(addr)
	}
	g := newGate(l, h)
	h.gate.Store(g)
	return client.NewRecycler(newShaker(client.ListenTLS(g, h.certs.current), h.metrics)), nil
}

// listenOwn takes the requests of the host's own user on this computer, and of the same
// user's ssh: who can connect to the socket has proved who they are.
// The daemon of all users takes those of every user there.
func (h *Host) listenOwn() (net.Listener, error) {
	path := h.o.Paths.HostSocket()
	if h.o.Paths.Runtime == "" || h.front == nil {
		return client.ListenOwner(path)
	}
	l, err := platform.Listen(path)
	if err != nil {
		return nil, err
	}
	if err := os.Chmod(path, 0o666); err != nil { // who connects is told by the kernel
		l.Close()
		return nil, err
	}
	return client.ListenUsers(l), nil
}

// keepSocket makes the socket again if somebody deleted it.
func (h *Host) keepSocket(srv *http.Server) {
	if _, err := os.Lstat(h.o.Paths.HostSocket()); !errors.Is(err, os.ErrNotExist) || h.lock.Gone() {
		return
	}
	l, err := h.listenOwn()
	if err != nil {
		h.log.Warn("socket not made again", "error", err)
		return
	}
	go func() { _ = srv.Serve(l) }() // it ends with the server
}
