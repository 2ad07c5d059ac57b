package verbs

import (
	"context"

	"pss/remote/api"
)

func init() {
	register("Register-PSSessionConfiguration", nil, newRegisterPSSessionConfiguration)
}

func newRegisterPSSessionConfiguration() *command {
	return &command{
		name:     "Register-PSSessionConfiguration",
		synopsis: "Makes a session configuration on this computer.",
		notes: "Only the host's own user can. It is the file configurations/NAME.toml (pss help about_Configuration) and counts at once: nothing is restarted. " +
			"What is not given is built in. A name that is there already needs --force, which replaces all of it.",
		sets: []paramSet{{"NameParameterSet", []string{"Name"}}}, should: true,
		params:     append(configurationParams(), flag("Force", "replace a configuration of that name, and ask nothing"), value("ProcessorArchitecture", "").alias("PA").refused("the sessions run the computer's own shells")),
		positional: [][]string{{"Name"}},
		examples: []example{
			{command: "o=$(pss new-pstransportoption --idle-timeout-sec 172800 --max-idle-timeout-sec 259200)\npss register-pssessionconfiguration --name Test --transport-option \"$o\"",
				says: "for sessions that are kept for two days", output: "Type      Keys         Name\n----      ----         ----\nContainer {Name=Test}  Test"},
			{command: "pss register-pssessionconfiguration --name build --engine bash --working-directory /srv/build --environment CI=1 --startup-script prepare.sh", says: "with a prepared shell"},
		},
		prints: configurationContainer{},
		run:    runRegisterPSSessionConfiguration,
	}
}

// configurationContainer is what PowerShell shows of a new configuration, and the rest
// of it for programs.
type configurationContainer struct {
	Type string   `table:"Type"` // Container
	Keys []string `table:"Keys"`
	Name string   `table:"Name"`
	PSSessionConfiguration
}

func runRegisterPSSessionConfiguration(ctx context.Context, rt *Runtime, in *input) error {
	c, err := readConfiguration(in)
	if err != nil {
		return err
	}
	c.Set.Name = in.String("name")
	if ok, err := agreedTo(rt, in, c.Set.Name); err != nil || !ok {
		return err
	}
	agent, err := rt.Agent()
	if err != nil {
		return err
	}
	made, err := agent.RegisterConfiguration(ctx, &api.ConfigurationRequest{Configuration: c.Set, Force: in.Bool("force")})
	if err != nil {
		return err
	}
	return rt.write(&configurationContainer{
		Type: "Container", Keys: []string{"Name=" + made.Name}, Name: made.Name, PSSessionConfiguration: newPSSessionConfiguration(made),
	})
}
