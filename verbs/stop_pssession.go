package verbs

import (
	"context"

	"pss/remote/api"
)

func init() { register("Stop-PSSession", []string{"spsn"}, newStopPSSession) }

func newStopPSSession() *command {
	return &command{
		name: "Stop-PSSession", aliases: []string{"spsn"},
		synopsis: "Stops the command that runs in a session and keeps the session.",
		notes: "It is Ctrl-C from anywhere: what the command printed stays receivable, and its exit code is its own, usually 130. " +
			"The session must be connected here; one that runs nothing is left as it is. PowerShell has no such cmdlet.",
		sets: sessionSets(true, false), pipeline: true, should: true,
		params:     selectorParams(true),
		positional: [][]string{{"Id", "Session", "ConnectionUri", "ComputerName"}},
		examples: []example{
			{command: "pss connect-pssession --computer-name server01 --name nightly | pss stop-pssession", says: "a command that another client started"},
		},
		run: runStopPSSession,
	}
}

func runStopPSSession(ctx context.Context, rt *Runtime, in *input) error {
	t, err := readTargets(ctx, rt, in)
	if err != nil {
		return err
	}
	if err := t.agreed("Stop"); err != nil {
		return err
	}
	n := t.count()
	for _, s := range t.sessions {
		t.add(stopOne(ctx, t, s))
	}
	return t.result(n)
}

func stopOne(ctx context.Context, t *targets, s *api.Session) error {
	p := s.Runspace.Running()
	switch {
	case p == nil:
		return nil
	case s.State != api.StateOpened:
		return notConnected(s)
	}
	return t.agent.Signal(ctx, s.Runspace.InstanceID, p.ID, &api.SignalRequest{Epoch: s.Runspace.Attached.Epoch, Signal: "INT"})
}
