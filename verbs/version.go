package verbs

import (
	"context"
	"fmt"

	"pss/remote/api"
)

func init() { register("Version", nil, newVersion) }

func newVersion() *command {
	return &command{
		name: "Version", synopsis: "Prints the version of pss.",
		examples: []example{{command: "pss version"}},
		prints:   versionObject{},
		run: func(_ context.Context, rt *Runtime, _ *input) error {
			if rt.machine() {
				return rt.write([]versionObject{{Version: api.Version, Protocol: api.ProtocolVersion}})
			}
			_, err := fmt.Fprintf(rt.Stdout, "pss %s\n", api.Version)
			return err
		},
	}
}

// versionObject is the version as scripts read it (pss help about_JSON_Output).
type versionObject struct {
	Version  string
	Protocol int
}
