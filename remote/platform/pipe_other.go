//go:build !linux

package platform

import "os"

// WidenPipe does nothing: the system decides what a pipe holds.
func WidenPipe(*os.File) {}
