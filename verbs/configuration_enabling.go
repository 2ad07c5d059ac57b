package verbs

import (
	"context"

	"pss/config"
	"pss/remote/api"
	"pss/remote/client"
)

// enablingParams are those that enabling and disabling have in common.
func enablingParams() []param {
	return []param{
		list("Name", "names; * ? [a-z] are wildcards; -: those on standard input").takes(notEmpty("NAME")).byDefault(config.DefaultConfiguration),
		flag("Force", "ask nothing"),
		flag("NoServiceRestart", "").ignored("a change counts for the next session, without any restart"),
	}
}

// enableConfigurations enables or disables what is named.
func enableConfigurations(ctx context.Context, rt *Runtime, in *input, enabled bool) error {
	wanted := in.StringSlice("name")
	if len(wanted) == 0 {
		wanted = []string{config.DefaultConfiguration}
	}
	f := &failures{rt: rt, cmd: in.cmd}
	names, err := changeableNames(ctx, rt, f, wanted, false)
	if err != nil {
		return err
	}
	return eachConfiguration(rt, in, f, names, func(agent *client.Client, name string) error {
		_, err := agent.SetConfiguration(ctx, name, &api.ConfigurationChange{Set: api.SessionConfiguration{Enabled: &enabled}})
		return err
	})
}
