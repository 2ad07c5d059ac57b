//go:build !pss_planted || !linux

package planted

// Point is a place where a test may let this process be killed or stopped: nothing.
func Point(string) {}

// Engine tells whose death the action ENGINE is: nothing.
func Engine(func() int) {}
