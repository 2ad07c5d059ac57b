package verbs

import "context"

func init() { register("Get-PSSessionConfiguration", nil, newGetPSSessionConfiguration) }

func newGetPSSessionConfiguration() *command {
	return &command{
		name:     "Get-PSSessionConfiguration",
		synopsis: "Gets the session configurations of this computer.",
		notes: "Where root's host serves all users these are its own, and each user sees those that are for them; otherwise they are those of your own host. Microsoft.PowerShell is always there and is the default; bash and sh are where the computer has them. " +
			"The default view is PowerShell's list of five properties; --output list shows all. Times are milliseconds, 0 is never; an empty limit is none.",
		params: []param{
			list("Name", "names; * ? [a-z] are wildcards").takes(notEmpty("NAME")).byDefault("all"),
			flag("Force", "").ignored("nothing is asked"),
		},
		positional: [][]string{{"Name"}},
		examples: []example{
			{command: "pss get-pssessionconfiguration | pss format-table Name, IdleTimeoutMs, MaxIdleTimeoutMs", says: "how long sessions are kept",
				output: "Name                 IdleTimeoutMs  MaxIdleTimeoutMs\n----                 -------------  ----------------\nbash                 604800000      2147483647\nMicrosoft.PowerShell 604800000      2147483647\nsh                   604800000      2147483647"},
			{command: "pss get-pssessionconfiguration bash --property OutputBufferingMode --output value", says: "a bare value", output: "Block"},
		},
		prints: PSSessionConfiguration{},
		run:    runGetPSSessionConfiguration,
	}
}

func runGetPSSessionConfiguration(ctx context.Context, rt *Runtime, in *input) error {
	f := &failures{rt: rt, cmd: in.cmd}
	names := in.StringSlice("name")
	found, err := configurationsNamed(ctx, rt, f, names, false)
	if err != nil {
		return err
	}
	if err := rt.write(newPSSessionConfigurations(found)); err != nil {
		return err
	}
	return f.result(max(1, len(names)))
}
