package verbs

import "context"

func init() { register("Disable-PSRemoting", nil, newDisablePSRemoting) }

func newDisablePSRemoting() *command {
	return &command{
		name:     "Disable-PSRemoting",
		synopsis: "Refuses new sessions for other computers, or removes the service that pss enable-psremoting installed.",
		notes: "As in PowerShell the service goes on: for this computer, and for the sessions that are there, which stay within reach of those whose they are. " +
			"What comes by ssh is sshd's to refuse. pss enable-psremoting allows new sessions again. " +
			"--purge undoes everything that pss enable-psremoting did, asks before, and leaves the sessions of other users alone.",
		should: true,
		params: []param{
			flag("Force", "ask nothing; with --purge end running sessions of root, too"),
			flag("Purge", "remove the service, its folders with certificate and configuration, and the binary that was installed"),
		},
		examples: []example{
			{command: "sudo pss disable-psremoting", says: "no new sessions for other computers"},
			{command: "sudo pss disable-psremoting --purge --what-if", says: "what would be removed"},
		},
		run: func(ctx context.Context, rt *Runtime, in *input) error {
			s := rt.remotingSettings(in)
			s.Purge = in.Bool("purge")
			return rt.DisableRemoting(ctx, s)
		},
	}
}
