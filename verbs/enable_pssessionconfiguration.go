package verbs

import "context"

func init() { register("Enable-PSSessionConfiguration", nil, newEnablePSSessionConfiguration) }

func newEnablePSSessionConfiguration() *command {
	return &command{
		name:     "Enable-PSSessionConfiguration",
		synopsis: "Lets session configurations of this computer make sessions again.",
		notes:    "Only the host's own user can. One that is enabled already stays so, without an error.",
		should:   true,
		params: append(enablingParams(),
			value("SecurityDescriptorSddl", "").refused("pss set-pssessionconfiguration --allowed-users says who may make sessions"),
			flag("SkipNetworkProfileCheck", "").ignored("a POSIX host has no network profiles")),
		positional: [][]string{{"Name"}},
		examples:   []example{{command: "pss enable-pssessionconfiguration Test", says: "after pss disable-pssessionconfiguration"}},
		run: func(ctx context.Context, rt *Runtime, in *input) error {
			return enableConfigurations(ctx, rt, in, true)
		},
	}
}
