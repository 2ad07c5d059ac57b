package verbs

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"maps"
	"net/http"
	"os"
	"slices"
	"strconv"
	"strings"

	"pss/format"
	"pss/remote/api"
	"pss/remote/client"
)

// source is where the values of a parameter come from.
type source uint8

const (
	fromNowhere source = iota
	fromFiles
	fromDirectories
	fromComputers
	fromURIs
	fromHosts
	fromConfigurations
	fromSessionIDs
	fromSessionNames
	fromInstanceIDs
	fromJobIDs
	fromJobNames
	fromJobInstanceIDs
	fromCertificates
)

// sourceOf says where values of the cmdlet's parameter are found. Names of what is
// only being made are found nowhere.
func sourceOf(cmd *command, p *param) source {
	verb, noun, _ := strings.Cut(cmd.name, "-")
	switch p.Name {
	case "FilePath", "StartupScript":
		return fromFiles
	case "ComputerName":
		return fromComputers
	case "ConnectionUri":
		return fromURIs
	case "HostName":
		return fromHosts
	case "KeyFilePath":
		return fromFiles
	case "CertificateThumbprint":
		return fromCertificates
	case "ConfigurationName":
		return fromConfigurations
	case "Session":
		return fromSessionIDs
	case "Job":
		return fromJobIDs
	}
	switch {
	case cmd.name == "Install-Links" && p.Name == "Path":
		return fromDirectories
	case noun == "PSSessionConfiguration" && p.Name == "Name" && verb != "Register":
		return fromConfigurations
	case noun == "Job":
		return map[string]source{"Id": fromJobIDs, "Name": fromJobNames, "InstanceId": fromJobInstanceIDs}[p.Name]
	case noun != "PSSession" && noun != "PSSessionInput" && cmd.name != "Invoke-Command" || verb == "New":
		return fromNowhere
	}
	return map[string]source{"Id": fromSessionIDs, "Name": fromSessionNames, "InstanceId": fromInstanceIDs}[p.Name]
}

// values lists what the parameter may be given.
func (p *prompt) values(ctx context.Context, rt *Runtime, q *param) []candidate {
	var list []candidate
	for _, v := range fixedValues(q) {
		list = append(list, candidate{v, ""})
	}
	from := sourceOf(p.cmd, q)
	find := map[source]finder{
		fromComputers: findComputers, fromURIs: findComputers, fromHosts: findHosts, fromConfigurations: findConfigurations,
		fromSessionIDs: p.findSessions, fromSessionNames: p.findSessions, fromInstanceIDs: p.findSessions,
		fromJobIDs: findJobs, fromJobNames: findJobs, fromJobInstanceIDs: findJobs, fromCertificates: findCertificates,
	}[from]
	if find == nil {
		return list
	}
	// A folder on a network that is down must not hold up the prompt either: what has
	// been found by then is shown.
	found := make(chan candidate)
	go func() {
		defer close(found)
		find(ctx, rt, from, func(text, says string) {
			select {
			case found <- candidate{text, says}:
			case <-ctx.Done():
			}
		})
	}()
	for {
		select {
		case c, more := <-found:
			if !more {
				return list
			}
			list = append(list, c)
		case <-ctx.Done():
			return list
		}
	}
}

// finder finds values that live, and adds each with what it is as soon as it is found:
// those first that nobody has to be asked for.
type finder func(ctx context.Context, rt *Runtime, from source, add func(text, says string))

// fixedValues are those of an enumeration, and of a switch that is set to one.
func fixedValues(q *param) []string {
	switch {
	case q.Kind == KindSwitch:
		return []string{"true", "false"}
	case q.Name == "Output":
		var modes []string
		for _, m := range format.Modes() {
			modes = append(modes, string(m))
		}
		return modes
	}
	return q.kind.one
}

// runningAgent returns the agent, if there is one: completion starts none.
func runningAgent(rt *Runtime) (*client.Client, error) {
	paths, err := rt.paths()
	if err != nil {
		return nil, err
	}
	if err := paths.Check(); err != nil {
		return nil, err
	}
	refuse := func(context.Context) error { return errors.New("no agent runs") }
	agent := &client.Client{Dial: client.OnDemand(paths.AgentSocket(), refuse), Host: "pss-agent"}
	if name := rt.Getenv("PSS_CLIENT_SESSION"); name != "" {
		agent.Header = http.Header{api.HeaderClientSession: {name}}
	}
	return agent, nil
}

// known returns what the agent has in memory: nothing, if it does not answer.
func known(ctx context.Context, rt *Runtime) *api.Known {
	agent, err := runningAgent(rt)
	if err != nil {
		return &api.Known{}
	}
	k, err := agent.Known(ctx)
	if err != nil {
		return &api.Known{}
	}
	return k
}

// findSessions finds the sessions that were shown in this client session: those on the
// computers that the command line names, or else those that it holds.
func (p *prompt) findSessions(ctx context.Context, rt *Runtime, from source, add func(text, says string)) {
	computers := slices.Concat(p.given["ComputerName"], p.given["ConnectionUri"], hostsOf(p.given["HostName"]))
	for _, s := range known(ctx, rt).Sessions {
		there := contains(computers, s.ComputerName) || s.ComputerName == "localhost" && slices.Contains(computers, ".")
		if !there && !(len(computers) == 0 && s.Mine) {
			continue
		}
		where := " on " + api.ComputerOf(s.ComputerName)
		switch from {
		case fromSessionNames:
			add(s.Name, fmt.Sprintf("session %d%s", s.ID, where))
		case fromInstanceIDs:
			add(s.InstanceID, s.Name+where)
		default:
			add(strconv.Itoa(s.ID), s.Name+where)
		}
	}
}

// findJobs finds the jobs of this client session.
func findJobs(ctx context.Context, rt *Runtime, from source, add func(text, says string)) {
	agent, err := runningAgent(rt)
	if err != nil {
		return
	}
	list, err := agent.Jobs(ctx, 0, 0)
	if err != nil {
		return
	}
	for _, j := range list.Jobs {
		says := fmt.Sprintf("%s on %s", j.State, strings.Join(j.Location(), ", "))
		switch from {
		case fromJobNames:
			add(j.Name, fmt.Sprintf("job %d, %s", j.ID, says))
		case fromJobInstanceIDs:
			add(j.InstanceID, j.Name+", "+says)
		default:
			add(strconv.Itoa(j.ID), j.Name+", "+says)
		}
	}
}

// listFile begins a list of computers in a file.
const listFile = "@file:"

// findComputers finds the computers and groups of config.toml, and the computers that
// were used before: by name, or those that were given by their URI.
func findComputers(ctx context.Context, rt *Runtime, from source, add func(text, says string)) {
	seen := map[string]bool{}
	fitting := func(name, says string) {
		key, uri := strings.ToLower(name), api.ComputerOf(name) != name
		if !api.IsSSHRef(name) && !seen[key] && uri == (from == fromURIs) {
			seen[key] = true
			add(name, says)
		}
	}
	fitting("localhost", "this computer")
	if paths, err := rt.paths(); err == nil {
		if conf, err := paths.LoadClient(); err == nil {
			for _, name := range slices.Sorted(maps.Keys(conf.Computers)) {
				fitting(name, cmp.Or(conf.Computers[name].Address, conf.Computers[name].SSH))
			}
			for _, name := range slices.Sorted(maps.Keys(conf.Groups)) {
				fitting("@"+name, strings.Join(conf.Groups[name], ", "))
			}
		}
	}
	fitting(listFile, "the computers that a file lists")
	for _, name := range known(ctx, rt).Computers {
		fitting(name, "used before")
	}
}

// findConfigurations finds those of this computer's own host.
func findConfigurations(_ context.Context, rt *Runtime, _ source, add func(text, says string)) {
	seen := map[string]bool{}
	once := func(name, says string) {
		if key := strings.ToLower(name); !seen[key] {
			seen[key] = true
			add(name, says)
		}
	}
	once("Microsoft.PowerShell", "the default")
	once("bash", "")
	once("sh", "")
	paths, err := rt.paths()
	if err != nil {
		return
	}
	entries, err := os.ReadDir(paths.Configurations())
	if err != nil {
		return // there are none
	}
	for _, e := range entries {
		if name, ok := strings.CutSuffix(e.Name(), ".toml"); ok {
			once(name, "of this computer")
		}
	}
}
