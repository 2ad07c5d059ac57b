//go:build !linux

package platform

// Group is a control group; there are none here.
type Group struct{}

// NewGroup fails with ErrNoGroup.
func NewGroup(string, int64, int) (*Group, error) { return nil, ErrNoGroup }

// Add does nothing.
func (*Group) Add(int) error { return ErrNoGroup }

// Exceeded reports that no limit was.
func (*Group) Exceeded() (memory, processes bool) { return false, false }

// Remove does nothing.
func (*Group) Remove() error { return nil }
