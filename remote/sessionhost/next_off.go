//go:build !pss_next

package sessionhost

import "pss/remote/client"

// registerNext adds the routes of the version after this one: none here.
func registerNext(func(method, path string, h client.Handler)) {}
