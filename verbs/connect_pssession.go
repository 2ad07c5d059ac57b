package verbs

import (
	"context"

	"pss/remote/api"
)

func init() { register("Connect-PSSession", []string{"cnsn"}, newConnectPSSession) }

func newConnectPSSession() *command {
	return &command{
		name: "Connect-PSSession", aliases: []string{"cnsn"},
		synopsis: "Connects disconnected sessions to this client session.",
		notes: "With --computer-name and no name it connects every session of yours there that nobody holds. " +
			"It brings no output: pss receive-pssession does. A session that is connected here already is returned unchanged; one that another client holds is refused.",
		params:     selectorParams(true),
		positional: []string{"ComputerName"},
		examples: []example{
			{"pss connect-pssession --computer-name server01 --name build", "take the session up again, from any computer"},
		},
		run: runConnectPSSession,
	}
}

func runConnectPSSession(ctx context.Context, rt *Runtime, in *input) error {
	sel, err := readSelector(in)
	if err != nil {
		return err
	}
	f := &failures{rt: rt, cmd: in.cmd}
	found, err := sel.find(ctx, rt, in, f)
	if err != nil {
		return err
	}
	agent, err := rt.Agent()
	if err != nil {
		return err
	}
	// All that can be connected, when the computer alone was named.
	everything := len(sel.computers) > 0 && len(sel.names)+len(sel.instances) == 0
	var done []*api.Session
	for _, s := range found {
		if everything && (s.State != api.StateDisconnected || s.Availability != api.AvailabilityNone) {
			continue
		}
		got, err := agent.Attach(ctx, s.Runspace.InstanceID, &api.AttachRequest{})
		if err != nil {
			f.add(connectFailed(err))
			continue
		}
		done = append(done, got)
	}
	if err := rt.write(newPSSessions(done)); err != nil {
		return err
	}
	return f.result(max(len(found), f.count))
}

// connectFailed gives a failure to connect PowerShell's error id.
func connectFailed(err error) error {
	e := toError(err)
	if e.Code == api.CodeBusy || e.Code == api.CodeLost || e.Code == api.CodeStaleEpoch {
		return e.WithID("PSSessionConnectFailed")
	}
	return e
}
