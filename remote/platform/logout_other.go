//go:build !linux

package platform

// AtLogout says that they go on: no login manager ends what has a session of its own.
func AtLogout() Logout { return Logout{} }
