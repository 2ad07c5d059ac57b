//go:build pss_next

package sessionhost

import (
	"net/http"

	"pss/remote/client"
)

// registerNext adds a route that today's version does not know: the build tag
// pss_next stands for a later version, so that the tests can run both together.
func registerNext(handle func(method, path string, h client.Handler)) {
	handle(http.MethodGet, "/v1/sessions/{session}/next", func(http.ResponseWriter, *http.Request) (any, error) {
		return map[string]string{"Next": "yes"}, nil
	})
}
