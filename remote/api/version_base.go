//go:build !pss_next

package api

const versionSuffix = ""

// NextFields is what a later version adds to RunspaceInfo: nothing, but in the
// build with which the tests stand for one.
type NextFields struct{}
