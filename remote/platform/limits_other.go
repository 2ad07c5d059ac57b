//go:build !linux

package platform

// TaskLimits knows none here.
func TaskLimits(int) []Limit { return nil }
