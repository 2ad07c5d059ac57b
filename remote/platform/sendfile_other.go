//go:build !linux

package platform

import (
	"net"
	"os"
)

// SendFile is not available here: ok is false, and nothing was sent.
func SendFile(net.Conn, *os.File, int64, int64) (ok bool, err error) { return false, nil }
