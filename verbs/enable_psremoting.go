package verbs

import "context"

func init() { register("Enable-PSRemoting", nil, newEnablePSRemoting) }

func newEnablePSRemoting() *command {
	return &command{
		name:     "Enable-PSRemoting",
		synopsis: "Makes this computer a host for other computers: installs pss host as a service and starts it.",
		notes: "Root installs the service for all users, below /etc/pss, /var/lib/pss and /run/pss; anybody else one of their own, which serves that user only. " +
			"The service manager is systemd, or OpenRC for root. It makes the certificate, host.toml if there is none, and the unit; then it waits until the host takes requests. " +
			"Command is the line to type on a client. A second call repairs what is missing, starts a newer binary, and undoes pss disable-psremoting. " +
			"Sessions that are running are never touched. pss help about_Remote_Hosts.",
		should: true,
		params: []param{
			flag("Force", "ask nothing, and replace another pss in /usr/local/bin"),
			flag("SkipNetworkProfileCheck", "").ignored("a POSIX host has no network profiles"),
			value("Listen", "where requests are taken, on every address if HOST is empty; written to host.toml when that is made").takes(notEmpty("HOST:PORT")).byDefault(":5986"),
			value("Binary", "the pss that the service runs").takes(notEmpty("PATH")).byDefault("this one, which is copied to /usr/local/bin or ~/.local/bin if others could replace it where it lies"),
		},
		examples: []example{
			{command: "sudo pss enable-psremoting", says: "for all users of this computer"},
			{command: "pss enable-psremoting --listen :7001", says: "for yourself, on another port"},
			{command: "pss enable-psremoting --output json | jq -r '.[0].Command'", says: "the line for a client alone"},
		},
		prints: PSRemoting{},
		run: func(ctx context.Context, rt *Runtime, in *input) error {
			r, err := rt.EnableRemoting(ctx, rt.remotingSettings(in))
			if err != nil || r == nil {
				return err
			}
			return rt.write(r)
		},
	}
}
