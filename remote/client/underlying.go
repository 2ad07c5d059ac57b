package client

import "net"

// Underlying returns the connection that a listener below ListenTLS accepted, of which c
// was made; c itself where there is none.
func Underlying(c net.Conn) net.Conn {
	if t, ok := c.(*tlsConn); ok {
		return t.bulk.Conn
	}
	return c
}
