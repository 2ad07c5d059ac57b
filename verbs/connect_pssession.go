package verbs

import (
	"context"
	"slices"

	"pss/remote/api"
)

func init() { register("Connect-PSSession", []string{"cnsn"}, newConnectPSSession) }

func newConnectPSSession() *command {
	return &command{
		name: "Connect-PSSession", aliases: []string{"cnsn"},
		synopsis: "Connects disconnected sessions to this client session.",
		notes: "With --computer-name and no name it connects every session of yours there that nobody holds. " +
			"It brings no output: pss receive-pssession does. A session that is connected here already is returned unchanged; one that another client holds is refused, " +
			"unless --force takes it from your other client: that one is told, keeps what it has received, and its command goes on here.",
		sets: sessionSets(true, false), pipeline: true, should: true,
		params: append(selectorParams(true),
			flag("Force", "take the session over from your other client (PowerShell has no such parameter)"),
			throttleParam(),
			sessionOptionParam("the object that pss new-pssessionoption prints, or part of it; IdleTimeout and the cultures stay as they are")),
		positional: [][]string{{"Id", "Session", "ConnectionUri", "ComputerName"}},
		examples: []example{
			{command: "pss connect-pssession --computer-name server01 --name build", says: "take the session up again, from any computer",
				output: "Id Name   ComputerName  State   ConfigurationName     Availability\n-- ----   ------------  -----   -----------------     ------------\n 1 build  server01      Opened  Microsoft.PowerShell     Available"},
		},
		prints: PSSession{},
		run:    runConnectPSSession,
	}
}

func runConnectPSSession(ctx context.Context, rt *Runtime, in *input) error {
	options, err := sessionOption(rt, in)
	if err != nil {
		return err
	}
	asking, cancel := options.answering(ctx)
	defer cancel()
	t, err := readTargets(asking, rt, in)
	if err != nil {
		return options.late(err)
	}
	// The computer alone means everything there that can be connected.
	if sel := &t.selector; len(sel.computers) > 0 && len(sel.names)+len(sel.instances) == 0 {
		t.sessions = slices.DeleteFunc(t.sessions, func(s *api.Session) bool {
			return s.State != api.StateDisconnected || s.Availability != api.AvailabilityNone && !in.Bool("force")
		})
	}
	if err := t.agreed("Connect"); err != nil {
		return err
	}
	return t.print(func(s *api.Session) (*api.Session, error) {
		req := options.attach()
		req.Force = in.Bool("force")
		got, err := t.agent.Attach(asking, s.Runspace.InstanceID, req)
		if err != nil {
			return nil, connectFailed(options.late(err))
		}
		return got, nil
	}, nil)
}

// connectFailed gives a failure to connect PowerShell's error id.
func connectFailed(err error) error {
	e := toError(err)
	if e.Code == api.CodeBusy || e.Code == api.CodeLost || e.Code == api.CodeStaleEpoch {
		return e.WithID("PSSessionConnectFailed")
	}
	return e
}
