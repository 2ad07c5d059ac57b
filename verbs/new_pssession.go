package verbs

import (
	"context"
	"strings"

	"github.com/google/uuid"
	"pss/remote/api"
	"pss/remote/planted"
)

func init() { register("New-PSSession", []string{"nsn"}, newNewPSSession) }

func newNewPSSession() *command {
	return &command{
		name: "New-PSSession", aliases: []string{"nsn"},
		synopsis: "Makes a session on a computer and connects it.",
		notes: "The session keeps its shell, with working directory, variables and functions, until it is removed or its idle timeout runs out while it is disconnected. " +
			"Without --name it is called Session1, Session2 and so on. One name with several computers names all of them.",
		params: append([]param{computerParam("localhost"), {Parameter{Name: "Name", Kind: KindList}, "names, one per computer", "Session<N>"},
			ifAbsentParam("where a session of that name is there, make none and print it"), throttleParam()}, creationParams()...),
		positional: []string{"ComputerName"},
		examples: []example{
			{"pss new-pssession --computer-name server01 --name build", "a session named build"},
			{"s=$(pss new-pssession --output id); pss invoke-command --session $s --script-block 'cd /srv; pwd'", "in a script"},
		},
		run: runNewPSSession,
	}
}

func ifAbsentParam(help string) param {
	return param{Parameter{Name: "IfAbsent", Kind: KindSwitch}, help, "off"}
}

func computerParam(def string) param {
	return param{Parameter{Name: "ComputerName", Aliases: []string{"Cn"}, Kind: KindList}, "computers", def}
}

// creationParams are those of every cmdlet that makes sessions.
func creationParams() []param {
	return []param{
		{Parameter{Name: "ConfigurationName", Kind: KindValue}, "session configuration: Microsoft.PowerShell, bash, sh, or one of the host's own", "Microsoft.PowerShell"},
		{Parameter{Name: "Environment", Kind: KindList}, "variables for the session, NAME=VALUE", ""},
		{Parameter{Name: "WorkingDirectory", Kind: KindValue}, "where the session starts, on its computer", "the home folder"},
		sessionOptionParam("options as JSON: IdleTimeout in milliseconds, OutputBufferingMode"),
		{Parameter{Name: "OnFinish", Kind: KindValue}, "shell command that the host runs once after each command; PSS_SESSION_NAME, PSS_OUTCOME and PSS_EXIT_CODE tell it which and how", ""},
	}
}

// creation reads what is common to all sessions that one command makes.
func creation(rt *Runtime, in *input) (api.CreateRequest, error) {
	req := api.CreateRequest{
		ConfigurationName: in.String("configuration-name"), WorkingDirectory: in.String("working-directory"),
		Locale: rt.locale(), Attach: &api.AttachRequest{}, OnFinish: in.String("on-finish"),
	}
	var err error
	if req.Options, err = sessionOption(rt, in); err != nil {
		return req, err
	}
	for _, kv := range in.StringSlice("environment") {
		name, value, ok := strings.Cut(kv, "=")
		if !ok || name == "" {
			return req, usage("CannotConvertArgument", "--environment takes NAME=VALUE, not %q", kv)
		}
		if req.Environment == nil {
			req.Environment = map[string]string{}
		}
		req.Environment[name] = value
	}
	return req, nil
}

// checkComputers refuses what can be no computer's name, before anything is made.
func checkComputers(names []string) error {
	for _, n := range names {
		if n == "" || strings.ContainsAny(n, " \t*?/\\\"'<>|;&$(){}") {
			return usage("PSSessionInvalidComputerName", "%q is no computer name", n).Hint("give a DNS name or an address")
		}
	}
	return nil
}

func runNewPSSession(ctx context.Context, rt *Runtime, in *input) error {
	computers := in.StringSlice("computer-name")
	if len(computers) == 0 {
		computers = []string{"localhost"}
	}
	if err := checkComputers(computers); err != nil {
		return err
	}
	base, err := creation(rt, in)
	if err != nil {
		return err
	}
	limit, err := throttle(in)
	if err != nil {
		return err
	}
	agent, err := rt.Agent()
	if err != nil {
		return err
	}
	names := in.StringSlice("name")
	if base.IfAbsent = in.Bool("if-absent"); base.IfAbsent && len(names) == 0 {
		return usage("MissingMandatoryParameter", "--if-absent needs a name").Hint("give --name NAME")
	}
	f := &failures{rt: rt, cmd: in.cmd}
	var made []*api.Session
	batch := uuid.NewString()
	for i, o := range each(computers, limit, func(i int, computer string) (*api.Session, error) {
		req := base
		req.ComputerName, req.Name, req.Turn = computer, nameFor(names, i), api.Turn{Batch: batch, Index: i}
		return agent.Create(ctx, uuid.NewString(), &req)
	}) {
		if o.err != nil {
			f.add(openFailed(o.err, computers[i]))
			continue
		}
		planted.Point("client-made")
		if o.value.Existed {
			rt.tellExisted(o.value)
		}
		made = append(made, o.value)
	}
	if err := rt.write(newPSSessions(made)); err != nil {
		return err
	}
	return f.result(len(computers))
}

// nameFor gives the i-th computer its name; a single name is everybody's.
func nameFor(names []string, i int) string {
	switch {
	case len(names) == 1:
		return names[0]
	case i < len(names):
		return names[i]
	}
	return ""
}

// openFailed gives a failure to open a session PowerShell's error id.
func openFailed(err error, computer string) error {
	e := toError(err)
	if strings.Contains(e.FullyQualifiedErrorID, ",") || e.Code == api.CodeUsage {
		return e.On(computer)
	}
	return e.WithID(e.FullyQualifiedErrorID + ",PSSessionOpenFailed").On(computer)
}
