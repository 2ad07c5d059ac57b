package verbs

import (
	"context"

	"pss/remote/client"
)

func init() {
	register("Unregister-PSSessionConfiguration", nil, newUnregisterPSSessionConfiguration)
}

func newUnregisterPSSessionConfiguration() *command {
	return &command{
		name:     "Unregister-PSSessionConfiguration",
		synopsis: "Deletes session configurations of this computer.",
		notes:    "Only the host's own user can. Sessions that were made with it go on. Microsoft.PowerShell, bash and sh become what is built in again; without a change of theirs there is nothing to delete.",
		sets:     []paramSet{{"Name", []string{"Name"}}}, should: true,
		params: []param{
			value("Name", "name; * ? [a-z] are wildcards; -: those on standard input").takes(notEmpty("NAME")),
			flag("Force", "ask nothing"),
			flag("NoServiceRestart", "").ignored("a change counts for the next session, without any restart"),
		},
		positional: [][]string{{"Name"}},
		examples:   []example{{command: "pss unregister-pssessionconfiguration Test", says: "new sessions cannot use it any more"}},
		run:        runUnregisterPSSessionConfiguration,
	}
}

func runUnregisterPSSessionConfiguration(ctx context.Context, rt *Runtime, in *input) error {
	f := &failures{rt: rt, cmd: in.cmd}
	// A pattern means those that there are to delete; a name is asked for as it is, so
	// that a file with a mistake can be deleted, too.
	names, err := changeableNames(ctx, rt, f, []string{in.String("name")}, true)
	if err != nil {
		return err
	}
	return eachConfiguration(rt, in, f, names, func(agent *client.Client, name string) error {
		return agent.UnregisterConfiguration(ctx, name)
	})
}
