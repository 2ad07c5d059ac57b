package verbs

import (
	"math"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"

	"pss/remote/api"
)

// configurationParams are those of the cmdlets that make and change a session
// configuration, in the order of PowerShell's documentation and then ours.
func configurationParams() []param {
	return slices.Concat([]param{
		value("Name", "of the session configuration").takes(notEmpty("NAME")),
		value("AccessMode", "Disabled: makes no sessions; Local: for clients on this computer; Remote: for all").
			takes(oneOfThese(accessDisabled, api.AccessLocal, api.AccessRemote)).byDefault("Remote"),
		value("StartupScript", "a local file whose text runs in each session's shell before anybody can use it; if it does not end with exit code 0, no session is made").
			takes(valueKind{shows: "FILE"}),
		value("TransportOption", "the object that pss new-pstransportoption prints, or part of it").takes(valueKind{shows: "JSON"}),
		value("Engine", "the shell").takes(orEmpty(oneOfThese("bash", "sh"))).byDefault("the first of them that the computer has"),
		list("Environment", "variables of the sessions").takes(orEmpty(environment())),
		value("WorkingDirectory", "where a session starts").takes(valueKind{shows: "FOLDER"}).byDefault("the home folder"),
		list("AllowedUsers", "who may make sessions: users, and groups as @GROUP").takes(valueKind{shows: "USER"}).byDefault("all whom the host serves; of run-as sessions, the run-as user"),
		value("RunAsCredential", "the user whom sessions run as and belong to, whoever makes them; who may use the configuration may list and connect them. It needs the computer's own daemon, and no password").
			takes(valueKind{shows: "USER"}).byDefault("whoever makes the session"),
		value("OutputBufferSize", "bytes of unread output per command; 0: output_buffer_size of host.toml").takes(wholeNumber(0, math.MaxInt64)),
		value("IdleClockWhileBusy", "False: the idle clock stands still while a command runs").takes(oneOfThese("True", "False")).byDefault("True"),
		flag("NoServiceRestart", "").ignored("a change counts for the next session, without any restart"),
	}, refusedConfigurationParams())
}

// refusedConfigurationParams are those that a POSIX host has no use for.
func refusedConfigurationParams() []param {
	const pwsh = "it belongs to PowerShell's own engine; --startup-script and --environment prepare a shell"
	const stream = "what a client sends is a stream, which is taken no faster than the command reads it"
	const users = "--allowed-users says who may make sessions"
	return []param{
		value("AssemblyName", "").refused(pwsh), value("ApplicationBase", "").refused(pwsh), value("ConfigurationTypeName", "").refused(pwsh),
		list("ModulesToImport", "").refused(pwsh), value("SessionTypeOption", "").refused(pwsh), value("Path", "").refused(pwsh),
		value("PSVersion", "").alias("PowerShellVersion").refused(pwsh), value("ThreadOptions", "").refused(pwsh), value("ThreadApartmentState", "").refused(pwsh),
		flag("UseSharedProcess", "").refused(sharedProcess),
		value("MaximumReceivedDataSizePerCommandMB", "").refused(stream), value("MaximumReceivedObjectSizeMB", "").refused(stream),
		value("SecurityDescriptorSddl", "").refused(users), flag("ShowSecurityDescriptorUI", "").refused(users),
	}
}

// orEmpty takes also the empty text, which resets a property.
func orEmpty(kind valueKind) valueKind {
	check := kind.check
	kind.check = func(text string) (string, *api.Error) {
		if text == "" {
			return "", nil
		}
		return check(text)
	}
	return kind
}

// readConfiguration reads what of a configuration the command line gives; an empty
// value resets its property.
func readConfiguration(in *input) (*api.ConfigurationChange, error) {
	c := &api.ConfigurationChange{}
	s := &c.Set
	for _, t := range []struct {
		flag, property string
		to             *string
	}{
		{"engine", "Engine", &s.Engine}, {"working-directory", "WorkingDirectory", &s.WorkingDirectory}, {"startup-script", "StartupScript", &s.StartupScript},
		{"run-as-credential", "RunAsUser", &s.RunAsUser},
	} {
		if *t.to = in.String(t.flag); in.given(t.flag) && *t.to == "" {
			c.Reset = append(c.Reset, t.property)
		}
	}
	if in.given("startup-script") {
		if err := readStartupScript(s, c); err != nil {
			return nil, err
		}
	}
	for _, name := range in.StringSlice("allowed-users") {
		if name != "" {
			s.AllowedUsers = append(s.AllowedUsers, name)
		}
	}
	if in.given("allowed-users") && s.AllowedUsers == nil {
		c.Reset = append(c.Reset, "AllowedUsers")
	}
	for _, pair := range in.StringSlice("environment") {
		if name, text, ok := strings.Cut(pair, "="); ok {
			if s.Environment == nil {
				s.Environment = map[string]string{}
			}
			s.Environment[name] = text
		}
	}
	if in.given("environment") && s.Environment == nil {
		c.Reset = append(c.Reset, "Environment")
	}
	readSwitches(in, c)
	if text := in.String("transport-option"); text != "" {
		o, err := parseTransportOption(text, "--transport-option")
		if err != nil {
			return nil, err
		}
		o.apply(s)
	}
	return c, nil
}

// readStartupScript reads the script here: the host may be another process, and the
// file may change or go.
func readStartupScript(s *api.SessionConfiguration, c *api.ConfigurationChange) error {
	if s.StartupScript == "" {
		c.Reset = append(c.Reset, "StartupScriptText")
		return nil
	}
	data, err := os.ReadFile(s.StartupScript)
	if err != nil {
		return usage("FileReadError", "the start-up script could not be read: %v", err)
	}
	if len(data) == 0 {
		return usage("FileReadError", "the start-up script %s is empty", s.StartupScript).Hint("--startup-script '' takes a start-up script away")
	}
	if s.StartupScript, err = filepath.Abs(s.StartupScript); err != nil {
		return err
	}
	s.StartupScriptText = string(data)
	return nil
}

// readSwitches reads access mode, idle clock and buffer size.
func readSwitches(in *input, c *api.ConfigurationChange) {
	s := &c.Set
	if mode := in.String("access-mode"); mode != "" {
		enabled := mode != accessDisabled
		s.Enabled = &enabled
		switch mode {
		case api.AccessLocal:
			s.AccessMode = mode
		case api.AccessRemote:
			c.Reset = append(c.Reset, "AccessMode")
		}
	}
	if text := in.String("idle-clock-while-busy"); text != "" {
		busy := text == "True"
		s.IdleClockWhileBusy = &busy
	}
	if text := in.String("output-buffer-size"); text != "" {
		if s.OutputBufferSize, _ = strconv.ParseInt(text, 10, 64); s.OutputBufferSize == 0 {
			c.Reset = append(c.Reset, "OutputBufferSize")
		}
	}
}

// agreedTo reports whether a configuration may be changed: --force asks nothing.
func agreedTo(rt *Runtime, in *input, name string) (bool, error) {
	if in.Bool("force") && !rt.whatIf {
		return true, nil
	}
	return rt.should(in.cmd.name, "Name: "+name)
}
