package verbs

// PSRemoting is what Enable-PSRemoting prints: the service that runs.
type PSRemoting struct {
	ComputerName  string   `list:""` // by which others reach it
	Address       string   `list:""` // that it listens on
	Port          int      `list:"" align:"left"`
	Fingerprint   string   `list:""` // of its key, to be pinned by clients
	Service       string   `list:""` // manager: systemd, systemd of the user, or OpenRC
	Serves        string   `list:""` // a user, or all
	Binary        string   // that the service runs
	Unit          string   // file of the service manager
	Configuration string   // host.toml
	Pid           int      `align:"left"`
	Changes       []string // what was done; empty: everything was there
	Command       string   `list:""` // to type on a client
}

// RemotingSettings are the parameters of Enable-PSRemoting and Disable-PSRemoting, and
// how they talk.
type RemotingSettings struct {
	Listen, Binary string
	Force, Purge   bool

	Should     func(action, target string) (bool, error) // whether a step is to be done
	Ask        func(question string) (bool, error)       // before what cannot be taken back
	Note, Warn func(text string)
}

func (rt *Runtime) remotingSettings(in *input) RemotingSettings {
	force := in.Bool("force")
	return RemotingSettings{
		Listen: in.String("listen"), Binary: in.String("binary"), Force: force,
		Should: func(action, target string) (bool, error) {
			if force && !rt.whatIf {
				return true, nil
			}
			return rt.should(action, target)
		},
		Ask: func(question string) (bool, error) {
			switch {
			case rt.whatIf:
				return true, nil
			case !rt.canAsk():
				return false, usage("ConfirmationRequired", "--purge asks first, and nobody is there to answer").Hint("run it in a terminal, or with --force")
			}
			return rt.ask(question), nil
		},
		Note: func(text string) { rt.tell("%s", text) },
		Warn: func(text string) { rt.warn("RemotingWarning", text, "") },
	}
}
