package verbs

import "context"

func init() { register("Disable-PSSessionConfiguration", nil, newDisablePSSessionConfiguration) }

func newDisablePSSessionConfiguration() *command {
	return &command{
		name:     "Disable-PSSessionConfiguration",
		synopsis: "Makes session configurations of this computer refuse new sessions.",
		notes: "Only the host's own user can. Nobody can make a session with it then, from here or from elsewhere; those that are there go on, and can be disconnected and connected. " +
			"One that is disabled already stays so, without an error.",
		should: true, params: enablingParams(), positional: [][]string{{"Name"}},
		examples: []example{{command: "pss disable-pssessionconfiguration Microsoft.PowerShell", says: "sessions must name another configuration"}},
		run: func(ctx context.Context, rt *Runtime, in *input) error {
			return enableConfigurations(ctx, rt, in, false)
		},
	}
}
