//go:build unix

package platform

import (
	"errors"
	"net"
)

// PeerOf returns the peer of a unix socket connection.
func PeerOf(c net.Conn) (Peer, error) {
	u, ok := c.(*net.UnixConn)
	if !ok {
		return Peer{}, errors.New("not a unix socket")
	}
	raw, err := u.SyscallConn()
	if err != nil {
		return Peer{}, err
	}
	var peer Peer
	var credErr error
	if err := raw.Control(func(fd uintptr) { peer, credErr = peerOf(int(fd)) }); err != nil {
		return Peer{}, err
	}
	return peer, credErr
}
