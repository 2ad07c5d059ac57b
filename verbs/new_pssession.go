package verbs

import (
	"cmp"
	"context"
	"slices"
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
		sets: []paramSet{{setComputer, nil}, {setURI, []string{"ConnectionUri"}}, {setHost, []string{"HostName"}}, {setSession, []string{"Session"}}},
		params: slices.Concat(
			computerParams("where the sessions are to live", "localhost", []string{setComputer}, []string{setURI}, []string{setHost}),
			[]param{
				list("Session", "sessions whose computer and configuration the new ones get").in(setSession).takes(sessionText()),
				list("Name", "names, one per computer").byDefault("Session<N>").takes(notEmpty("NAME")),
				ifAbsentParam("where a session of that name is there, make none and print it"), throttleParam(),
			}, creationParams([]string{setComputer, setURI, setHost}, setSession), machineParams(),
			[]param{flag("UseWindowsPowerShell", "").refused("sessions run the engine of their configuration: --configuration-name")}),
		positional: [][]string{{"Session", "ConnectionUri", "ComputerName"}},
		examples: []example{
			{command: "pss new-pssession --computer-name server01 --name build", says: "a session named build",
				output: "Id Name   ComputerName  State   ConfigurationName     Availability\n-- ----   ------------  -----   -----------------     ------------\n 1 build  server01      Opened  Microsoft.PowerShell     Available"},
			{command: "s=$(pss new-pssession --output id); pss invoke-command --session $s --script-block 'cd /srv; pwd'", says: "in a script", output: "/srv"},
		},
		prints: PSSession{},
		run:    runNewPSSession,
	}
}

func ifAbsentParam(help string) param {
	return flag("IfAbsent", help)
}

// creationParams are those of every cmdlet that makes sessions, in the sets in which
// it does; in the cloning ones another session tells the rest.
func creationParams(sets []string, cloning ...string) []param {
	return []param{
		value("ConfigurationName", "session configuration: Microsoft.PowerShell, bash, sh, or one of the host's own").in(sets...).
			takes(notEmpty("NAME")).byDefault("$PSSessionConfigurationName, else Microsoft.PowerShell"),
		list("Environment", "variables for the session").in(sets...).in(cloning...).takes(environment()),
		value("WorkingDirectory", "where the session starts, on its computer").in(sets...).in(cloning...).byDefault("the home folder"),
		sessionOptionParam("the object that pss new-pssessionoption prints, or part of it").in(sets...),
		value("OnFinish", "shell command that the host runs once after each command; PSS_SESSION_NAME, PSS_OUTCOME and PSS_EXIT_CODE tell it which and how").takes(valueKind{shows: "SCRIPT"}),
		networkAccessParam().in(setComputer, setURI).in(cloning...),
	}
}

// environment takes NAME=VALUE.
func environment() valueKind {
	return valueKind{shows: "NAME=VALUE", check: func(text string) (string, *api.Error) {
		if name, _, ok := strings.Cut(text, "="); !ok || name == "" {
			return "", conversion("cannot be %q: it takes NAME=VALUE", text)
		}
		return text, nil
	}}
}

// creation reads what is common to all sessions that one command makes.
func creation(rt *Runtime, in *input) (api.CreateRequest, error) {
	req := api.CreateRequest{
		ConfigurationName: cmp.Or(in.String("configuration-name"), rt.Getenv("PSSessionConfigurationName")), WorkingDirectory: in.String("working-directory"),
		Locale: rt.locale(), Attach: &api.AttachRequest{}, OnFinish: in.String("on-finish"),
		NetworkAccess: in.Bool("enable-network-access"),
	}
	options, err := sessionOption(rt, in)
	if err == nil {
		err = options.create(&req)
	}
	if err != nil {
		return req, err
	}
	for _, kv := range in.StringSlice("environment") {
		name, value, _ := strings.Cut(kv, "=")
		if req.Environment == nil {
			req.Environment = map[string]string{}
		}
		req.Environment[name] = value
	}
	return req, nil
}

func runNewPSSession(ctx context.Context, rt *Runtime, in *input) error {
	base, err := creation(rt, in)
	if err != nil {
		return err
	}
	places, err := readPlaces(ctx, rt, in)
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
	tell := func(s *api.Session) {
		planted.Point("client-made")
		if s.Existed {
			rt.tellExisted(s)
		}
	}
	return createEach(rt, in, places, &base, names, func(req *api.CreateRequest) (*api.Session, error) {
		return agent.Create(ctx, uuid.NewString(), req)
	}, tell)
}

// createEach makes a session in each place, as base says, and prints it.
func createEach(rt *Runtime, in *input, places []place, base *api.CreateRequest, names []string,
	create func(*api.CreateRequest) (*api.Session, error), tell func(*api.Session),
) error {
	f := &failures{rt: rt, cmd: in.cmd}
	batch := uuid.NewString()
	name := func(p place) string { return api.ComputerOf(p.computer) }
	err := printEach(f, places, throttle(in), name, func(i int, at place) (*api.Session, error) {
		req := *base
		req.ComputerName, req.Name, req.Turn = at.computer, nameFor(names, i), api.Turn{Batch: batch, Index: i}
		req.ConfigurationName = cmp.Or(at.configuration, req.ConfigurationName)
		s, err := create(&req)
		if err != nil {
			return nil, openFailed(err, name(at))
		}
		return s, nil
	}, func(s *api.Session) {
		rt.tellNoNetworkAccess(base, s)
		tell(s)
	})
	if err != nil {
		return err
	}
	return f.result(len(places))
}

// place is where a new session is to live.
type place struct {
	computer, configuration string // "": as the command line says
}

// readPlaces returns the computers that are named, or those of the sessions that are
// to be cloned, each of which may be given once.
func readPlaces(ctx context.Context, rt *Runtime, in *input) ([]place, error) {
	if in.set != setSession {
		computers, err := readComputers(rt, in)
		if len(computers) == 0 {
			computers = []string{"localhost"}
		}
		return placesOn(computers), err
	}
	sel, f := selector{refs: in.StringSlice("session")}, &failures{rt: rt, cmd: in.cmd} // --name is theirs that will be made
	sessions, err := sel.find(ctx, rt, in, f)
	if err == nil {
		err = noDuplicates(sessions)
	}
	if err != nil {
		return nil, err
	}
	if f.count > 0 {
		return nil, f.result(len(sessions) + f.count)
	}
	places := make([]place, len(sessions))
	for i, s := range sessions {
		places[i] = place{computer: s.Computer(), configuration: s.Runspace.ConfigurationName}
	}
	return places, nil
}

func placesOn(computers []string) []place {
	places := make([]place, len(computers))
	for i, name := range computers {
		places[i].computer = name
	}
	return places
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
