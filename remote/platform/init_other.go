//go:build !linux

package platform

import "log/slog"

// IsInit reports whether this process is the first of its process namespace; only Linux
// has such ones.
func IsInit() bool { return false }

// RunInit is not available here.
func RunInit(*Lock, *slog.Logger) (code int) { return 1 }

// InheritedLock returns nil: nothing inherits a lock here.
func InheritedLock(string) *Lock { return nil }

func initStart() uint64 { return 0 }
