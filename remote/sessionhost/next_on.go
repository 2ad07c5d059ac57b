//go:build pss_next

package sessionhost

import (
	"net/http"

	"pss/remote/api"
	"pss/remote/client"
)

// The build tag pss_next stands for a later version with an added route, field
// and record kind, so that the tests can run both versions together.

func registerNext(handle func(method, path string, h client.Handler)) {
	handle(http.MethodGet, "/v1/sessions/{session}/next", func(http.ResponseWriter, *http.Request) (any, error) {
		return map[string]string{"Next": "yes"}, nil
	})
}

func fillNext(info *api.RunspaceInfo) { info.Next = "yes" }

// beginNext opens each pipeline's output with a record of the added kind.
func (p *pipeline) beginNext() error {
	_, err := p.spool.AppendControl(api.KindNext, []byte(`{"Next":"yes"}`))
	return err
}
