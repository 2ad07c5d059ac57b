//go:build !linux

package platform

// SetProcessName does nothing here: the process shows under its program's name.
func SetProcessName(string) {}
