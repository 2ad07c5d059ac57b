//go:build !linux

package platform

import "time"

// endMarked finds nothing here: only Linux shows a process's environment.
func endMarked(string, time.Duration, time.Duration) (found int, left []processID) { return 0, nil }
