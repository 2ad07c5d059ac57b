package verbs

import (
	"context"
	"slices"

	"pss/remote/api"
	"pss/remote/client"
)

// targets are the sessions that a cmdlet works on, and what went wrong with some.
type targets struct {
	*failures
	selector selector
	sessions []*api.Session
	agent    *client.Client
	throttle int // how many sessions are worked on at once
}

// readTargets finds the sessions that the command line or standard input names.
// Those that are not there are reported; the others go on.
func readTargets(ctx context.Context, rt *Runtime, in *input) (*targets, error) {
	return readTargetsOr(ctx, rt, in, nil)
}

// readTargetsOr is readTargets with something to do instead with a session that could
// not be asked for; its error counts.
func readTargetsOr(ctx context.Context, rt *Runtime, in *input, instead func(*client.Client, SessionRef, error) error) (*targets, error) {
	sel, err := readSelector(rt, in)
	if err != nil {
		return nil, err
	}
	sel.literal = in.cmd.exact && in.set != setName
	t := &targets{failures: &failures{rt: rt, cmd: in.cmd}, throttle: defaultThrottle}
	if t.cmd.throttled() {
		t.throttle = throttle(in)
	}
	if t.agent, err = rt.Agent(); err != nil {
		return nil, err
	}
	if instead != nil {
		t.instead = func(ref SessionRef, err error) error { return instead(t.agent, ref, err) }
	}
	t.sessions, err = sel.find(ctx, rt, in, t.failures)
	t.selector = sel
	return t, err
}

// notConnected is the error for a session that has to be connected here first.
func notConnected(s *api.Session) error {
	return api.Errorf(api.CodeInvalidState, "session %s is not connected here; its state is %s, %s", s.Runspace.Name, s.State, s.Availability).
		WithID("InvalidSessionState").On(s.Runspace.Name).
		Hint("connect it: pss connect-pssession --instance-id %s", s.Runspace.InstanceID)
}

// distinct leaves each session once: two names, or two lines, may mean the same one.
func distinct(sessions []*api.Session) []*api.Session {
	seen := map[string]bool{}
	return slices.DeleteFunc(sessions, func(s *api.Session) bool {
		was := seen[s.Runspace.InstanceID]
		seen[s.Runspace.InstanceID] = true
		return was
	})
}

// noDuplicates refuses a session that is named more than once, where each means
// something to do.
func noDuplicates(sessions []*api.Session) error {
	seen := map[string]bool{}
	for _, s := range sessions {
		if id := s.Runspace.InstanceID; id != "" && seen[id] {
			return usage("RemoteRunspaceInfoHasDuplicates", "session %s is named more than once", s.Runspace.Name).Hint("name each session once")
		}
		seen[s.Runspace.InstanceID] = true
	}
	return nil
}

// agreed leaves the sessions, each once, for which action was not refused by -WhatIf or
// -Confirm.
func (t *targets) agreed(action string) error {
	var kept []*api.Session
	for _, s := range distinct(t.sessions) {
		ok, err := t.rt.should(action, s.Runspace.Name)
		if err != nil {
			return err
		}
		if ok {
			kept = append(kept, s)
		}
	}
	t.sessions = kept
	return nil
}

// count is the number of targets, those that were not found included; it is asked
// before anything is done with them.
func (t *targets) count() int { return len(t.sessions) + t.failures.count }

// print does something to each session, several at a time, reports what fails and
// prints the rest, of which tell may say something first.
func (t *targets) print(do func(*api.Session) (*api.Session, error), tell func(*api.Session)) error {
	n := t.count()
	name := func(s *api.Session) string { return s.ComputerName + "/" + s.Runspace.Name }
	if err := printEach(t.failures, t.sessions, t.throttle, name, func(_ int, s *api.Session) (*api.Session, error) { return do(s) }, tell); err != nil {
		return err
	}
	return t.result(n)
}
