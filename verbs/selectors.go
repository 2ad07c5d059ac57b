package verbs

import (
	"context"
	"fmt"
	"io"
	"slices"
	"strconv"
	"strings"

	"pss/remote/api"
	"pss/remote/client"
)

// selector says which sessions a cmdlet is about.
type selector struct {
	refs      []string // --session, one text each
	ids       []int
	names     []string
	instances []string
	computers []string
	patterns  []string // of computers that this client session has sessions on
	all       bool     // every computer that the user has used
	throttle  int      // how many of them are asked at once; 0: the default
	conf      string
	stdin     bool         // --session -
	piped     []SessionRef // what standard input named, once it was read
	listing   bool         // the sessions are only shown
	literal   bool         // names are no patterns
	elsewhere int          // what the user's other client sessions hold, where this one has nothing
}

// sessionSets are the parameter sets of a cmdlet that selects sessions. query adds
// those that ask a computer; local is true where nothing named means what this
// client session has.
func sessionSets(query, local bool) []paramSet {
	sets := []paramSet{
		{setSession, []string{"Session"}}, {setID, []string{"Id"}}, {setName, []string{"Name"}}, {setInstance, []string{"InstanceId"}},
	}
	if local {
		sets = append([]paramSet{{setName, nil}}, slices.DeleteFunc(sets, func(s paramSet) bool { return s.name == setName })...)
	}
	if query {
		sets = append(sets,
			paramSet{setComputer, []string{"ComputerName"}}, paramSet{setComputerInstance, []string{"ComputerName", "InstanceId"}},
			paramSet{setURI, []string{"ConnectionUri"}}, paramSet{setURIInstance, []string{"ConnectionUri", "InstanceId"}},
			paramSet{setHost, []string{"HostName"}}, paramSet{setHostInstance, []string{"HostName", "InstanceId"}})
	}
	return sets
}

// selectorParams are the parameters that readSelector reads, in the sets of
// sessionSets.
func selectorParams(query bool) []param {
	session := list("Session", "an Id, a GUID, JSON or the table's text; - reads them from standard input").in(setSession).takes(sessionText())
	session.Objects = true
	params := []param{
		session,
		list("Id", "Ids of this client session").in(setID).takes(idNumber()),
		list("Name", "names; * ? [a-z] are wildcards").in(setName).takes(notEmpty("NAME")),
		list("InstanceId", "GUIDs").in(setInstance).takes(guid()),
	}
	if !query {
		return params
	}
	params[2] = params[2].in(setComputer, setURI, setHost)
	params[3] = params[3].in(setComputerInstance, setURIInstance, setHostInstance)
	byName, byURI, bySSH := []string{setComputer, setComputerInstance}, []string{setURI, setURIInstance}, []string{setHost, setHostInstance}
	params = append(params, computerParams("computers to ask", "", byName, byURI, bySSH)...)
	return append(params, value("ConfigurationName", "only sessions of this configuration").in(slices.Concat(byName, byURI, bySSH)...).byDefault("all"))
}

// withComputerPatterns lets the computers be named by wildcards.
func withComputerPatterns(params []param) []param {
	for i := range params {
		if params[i].Name == "ComputerName" {
			params[i] = params[i].takes(computerPattern())
		}
	}
	return params
}

// readSelector reads the selecting parameters, whose values were checked.
func readSelector(rt *Runtime, in *input) (selector, error) {
	s := selector{names: in.StringSlice("name"), instances: in.StringSlice("instance-id"), conf: in.String("configuration-name")}
	for _, text := range in.StringSlice("session") {
		if text == "-" {
			s.stdin = true
			continue
		}
		s.refs = append(s.refs, text)
	}
	for _, text := range in.StringSlice("id") {
		id, _ := parseID(text)
		s.ids = append(s.ids, id)
	}
	var err error
	if s.computers, err = readComputers(rt, in); in.cmd.asks() {
		s.computers = once(s.computers)
	}
	s.patterns = slices.DeleteFunc(slices.Clone(s.computers), func(c string) bool { return !isComputerPattern(c) })
	s.computers = slices.DeleteFunc(s.computers, isComputerPattern)
	return s, err
}

// isComputerPattern reports whether computers are meant that match. The question mark
// and the brackets of a URI, as --host-name becomes one, are no wildcards.
func isComputerPattern(computer string) bool {
	return !strings.Contains(computer, "://") && HasWildcard(computer)
}

// empty reports whether nothing was selected.
func (s *selector) empty() bool {
	return !s.stdin && !s.all && len(s.patterns)+len(s.refs)+len(s.ids)+len(s.names)+len(s.instances)+len(s.computers) == 0
}

// find returns the selected sessions; what is not there goes to f. With no
// selector, sessions come from standard input.
func (s *selector) find(ctx context.Context, rt *Runtime, in *input, f *failures) ([]*api.Session, error) {
	if s.empty() {
		if !in.cmd.pipeline || rt.stdinTerminal() {
			return nil, usage("MissingMandatoryParameter", "no session was named").
				Hint("give --id, --name, --session or --computer-name, or pipe sessions in; pss help %s", strings.ToLower(in.cmd.name))
		}
		s.stdin = true
	}
	agent, err := rt.Agent()
	if err != nil {
		return nil, err
	}
	var onComputers []*api.Session
	if len(s.patterns) > 0 {
		if onComputers, err = s.matching(ctx, rt, f); err != nil || len(s.computers) == 0 {
			return onComputers, err
		}
	}
	if len(s.computers) > 0 || s.all {
		asked, err := s.query(ctx, rt, f)
		return append(onComputers, asked...), err
	}
	refs, err := s.references(rt.Stdin)
	if err != nil {
		return nil, err
	}
	var found []*api.Session
	for _, ref := range refs {
		sessions, err := lookUp(ctx, agent, ref)
		if err != nil && f.instead != nil {
			err = f.instead(ref, err)
		}
		if err != nil && s.stdin && ref.Line > 0 {
			e := *toError(err)
			e.Message = fmt.Sprintf("line %d of standard input: %s", ref.Line, e.Message)
			err = &e
		}
		if err != nil {
			f.add(err)
		}
		found = append(found, sessions...)
	}
	if len(s.names) > 0 {
		named, err := s.local(ctx, rt, f)
		if err != nil {
			return nil, err
		}
		found = append(found, named...)
	}
	return found, nil
}

// lookUp returns the sessions that ref means: one, or all of a name.
func lookUp(ctx context.Context, agent *client.Client, ref SessionRef) ([]*api.Session, error) {
	if ref.ID == 0 && ref.InstanceID == "" {
		return named(ctx, agent, ref)
	}
	s, err := agent.Session(ctx, ref.text())
	if api.IsCode(err, api.CodeNotFound) && ref.ComputerName != "" && ref.InstanceID != "" {
		// Printed in another client session: once its computer was asked, it has an Id here.
		if _, qerr := agent.Sessions(ctx, ref.ComputerName); qerr == nil {
			s, err = agent.Session(ctx, ref.InstanceID)
		}
	}
	if err != nil {
		return nil, err
	}
	return []*api.Session{s}, nil
}

// named returns the sessions of that name: on the computer that ref names, or else of
// this client session.
func named(ctx context.Context, agent *client.Client, ref SessionRef) ([]*api.Session, error) {
	var computers []string
	if ref.ComputerName != "" {
		computers = append(computers, ref.ComputerName)
	}
	list, err := agent.Sessions(ctx, computers...)
	if err != nil {
		return nil, err
	}
	var found []*api.Session
	for i := range list.Sessions {
		if strings.EqualFold(list.Sessions[i].Runspace.Name, ref.Name) {
			found = append(found, &list.Sessions[i])
		}
	}
	switch {
	case len(found) > 0:
		return found, nil
	case len(list.Errors) > 0:
		return nil, list.Errors[0]
	}
	return nil, api.Errorf(api.CodeNotFound, "there is no session named %q", ref.Name).WithID("RemoteRunspaceNotAvailableForSpecifiedName").On(ref.Name).
		Hint("pss get-pssession --computer-name COMPUTER lists what is there")
}

// text is what the agent finds the session by.
func (r SessionRef) text() string {
	if r.InstanceID != "" {
		return r.InstanceID
	}
	return strconv.Itoa(r.ID)
}

// references gathers everything that names a session by identity.
func (s *selector) references(stdin io.Reader) ([]SessionRef, error) {
	var refs []SessionRef
	for _, text := range s.refs {
		more, err := ParseSessionRefText(text)
		if err != nil {
			return nil, err
		}
		refs = append(refs, more...)
	}
	if s.stdin && s.piped == nil {
		var err error
		if s.piped, err = ParseSessionRefs(stdin); err != nil {
			return nil, err
		}
	}
	refs = append(refs, s.piped...)
	for _, id := range s.ids {
		refs = append(refs, SessionRef{ID: id})
	}
	for _, id := range s.instances {
		refs = append(refs, SessionRef{InstanceID: id})
	}
	return refs, nil
}

// ownSessions lists what this client session has.
func (rt *Runtime) ownSessions(ctx context.Context) (*api.SessionList, error) {
	agent, err := rt.Agent()
	if err != nil {
		return nil, err
	}
	return agent.Sessions(ctx)
}

// local returns this client session's sessions with the wanted names.
func (s *selector) local(ctx context.Context, rt *Runtime, f *failures) ([]*api.Session, error) {
	list, err := rt.ownSessions(ctx)
	if err != nil {
		return nil, err
	}
	if s.elsewhere = list.Elsewhere; len(list.Errors) > 0 {
		s.elsewhere = 0
	}
	found := s.filter(list.Sessions, f, "RemoteRunspaceNotAvailableForSpecifiedName", "in this client session")
	for _, e := range list.Errors {
		// What is done with a session that is out of reach says so itself.
		said := slices.ContainsFunc(found, func(s *api.Session) bool { return s.Unreachable && s.ComputerName == e.Target })
		if !said || s.listing {
			f.add(e)
		}
	}
	return found, nil
}

// matching returns this client session's sessions on computers that match the
// patterns; nobody is asked which other ones there are.
func (s *selector) matching(ctx context.Context, rt *Runtime, f *failures) ([]*api.Session, error) {
	list, err := rt.ownSessions(ctx)
	if err != nil {
		return nil, err
	}
	var found []api.Session
	for _, pattern := range s.patterns {
		before := len(found)
		for _, sess := range list.Sessions {
			if MatchWildcard(pattern, sess.ComputerName) {
				found = append(found, sess)
			}
		}
		if len(found) == before {
			f.add(api.Errorf(api.CodeNotFound, "this client session has no session on a computer like %q", pattern).
				WithID("RemoteRunspaceNotAvailableForSpecifiedComputer").On(pattern).Hint("pss get-pssession lists what it has"))
		}
	}
	return s.filter(found, f, "RemoteRunspaceNotAvailableForSpecifiedName", "on computers like "+strings.Join(s.patterns, ", ")), nil
}

// query asks the computers.
func (s *selector) query(ctx context.Context, rt *Runtime, f *failures) ([]*api.Session, error) {
	agent, err := rt.Agent()
	if err != nil {
		return nil, err
	}
	list, err := agent.Ask(ctx, client.Query{Computers: s.computers, All: s.all, Throttle: s.throttle})
	if err != nil {
		return nil, err
	}
	for _, e := range list.Errors {
		f.add(e)
	}
	if len(list.Errors) == len(s.computers) && !s.all {
		return nil, nil
	}
	sessions := list.Sessions
	if s.conf != "" {
		kept := sessions[:0]
		for _, sess := range sessions {
			if strings.EqualFold(sess.Runspace.ConfigurationName, s.conf) {
				kept = append(kept, sess)
			}
		}
		sessions = kept
	}
	return s.filter(sessions, f, "PSSessionNameMatchFail", s.where()), nil
}

// matches reports whether a session's name is meant by a wanted one.
func (s *selector) matches(wanted, name string) bool {
	if s.literal {
		return strings.EqualFold(wanted, name)
	}
	return MatchWildcard(wanted, name)
}

// where names the computers for people.
func (s *selector) where() string {
	if s.all {
		return "on the computers that you have used"
	}
	names := make([]string, len(s.computers))
	for i, c := range s.computers {
		names[i] = api.ComputerOf(c)
	}
	return "on " + strings.Join(names, ", ")
}

// whereIs names the session on a command line, for every client.
func whereIs(s *api.Session) string {
	if t, ok := api.ParseSSHRef(s.ConnectionURI); ok {
		return sshArguments(t) + " --instance-id " + s.Runspace.InstanceID
	}
	if t, ok := api.ParseHTTPSRef(s.ConnectionURI); ok {
		return t.Arguments() + " --instance-id " + s.Runspace.InstanceID
	}
	return "--computer-name " + s.ComputerName + " --instance-id " + s.Runspace.InstanceID
}

// filter keeps the sessions that match the names or InstanceIds, in their order,
// and reports what matched nothing.
func (s *selector) filter(sessions []api.Session, f *failures, id, where string) []*api.Session {
	nameHit, idHit := make([]bool, len(s.names)), make([]bool, len(s.instances))
	var out []*api.Session
	for i := range sessions {
		keep := len(s.names) == 0 && (len(s.instances) == 0 || len(s.computers) == 0)
		for j, n := range s.names {
			if s.matches(n, sessions[i].Runspace.Name) {
				keep, nameHit[j] = true, true
			}
		}
		for j, g := range s.instances {
			if g == sessions[i].Runspace.InstanceID {
				keep, idHit[j] = true, true
			}
		}
		if keep {
			out = append(out, &sessions[i])
		}
	}
	for j, n := range s.names {
		if !nameHit[j] && (s.literal || !HasWildcard(n)) {
			f.add(api.Errorf(api.CodeNotFound, "there is no session named %q %s", n, where).WithID(id).On(n).
				Hint("pss get-pssession --computer-name COMPUTER lists what is there"))
		}
	}
	for j, g := range s.instances {
		if len(s.computers) > 0 && !idHit[j] {
			f.add(api.Errorf(api.CodeNotFound, "there is no session %s %s", g, where).WithID("PSSessionIdMatchFail").On(g).
				Hint("pss get-pssession --computer-name COMPUTER lists what is there"))
		}
	}
	return out
}
