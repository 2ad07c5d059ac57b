package platform

import (
	"errors"
	"net"

	"golang.org/x/sys/unix"
)

const procFD = false

// Peer is who stands at the other end of a unix socket.
type Peer struct {
	UID int
	PID int // when it connected; 0 where the system does not say
}

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
	if err := raw.Control(func(fd uintptr) {
		var cred *unix.Xucred
		if cred, credErr = unix.GetsockoptXucred(int(fd), unix.SOL_LOCAL, unix.LOCAL_PEERCRED); credErr == nil {
			peer.UID = int(cred.Uid)
			peer.PID, _ = unix.GetsockoptInt(int(fd), unix.SOL_LOCAL, unix.LOCAL_PEERPID)
		}
	}); err != nil {
		return Peer{}, err
	}
	return peer, credErr
}
