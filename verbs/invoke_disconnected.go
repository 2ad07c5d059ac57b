package verbs

import (
	"context"
	"io"
	"strconv"
	"strings"
	"time"

	"github.com/google/uuid"
	"pss/remote/api"
	"pss/remote/client"
)

// invokeDisconnected starts the command in a new session on each computer and
// leaves it there.
func invokeDisconnected(ctx context.Context, rt *Runtime, in *input, o *invokeOptions) error {
	agent, err := rt.Agent()
	if err != nil {
		return err
	}
	base, err := creation(rt, in)
	if err != nil {
		return err
	}
	base.IfAbsent = o.ifAbsent
	tell := func(s *api.Session) {
		if s.Existed {
			rt.tellExisted(s)
		} else {
			rt.tellExpiry(s)
		}
	}
	return createEach(rt, in, placesOn(o.sel.computers), &base, o.sessionNames, func(req *api.CreateRequest) (*api.Session, error) {
		return startAndLeave(ctx, rt, agent, req, o)
	}, tell)
}

// inputPatience is how long storing standard input may take in silence.
const inputPatience = 3 * time.Second

// startAndLeave makes the session with its command, stores standard input on the
// host and disconnects. A command that did not start leaves no session.
func startAndLeave(ctx context.Context, rt *Runtime, agent *client.Client, req *api.CreateRequest, o *invokeOptions) (*api.Session, error) {
	cmd := o.cmd
	var input io.Reader
	if !o.noStdin && len(o.sel.computers) == 1 {
		input = rt.stdinData()
	}
	if input == nil && o.keepInput {
		input = strings.NewReader("")
	}
	if input != nil {
		cmd.Input = api.InputModeStored
	}
	start := &api.FirstCommand{Pipeline: uuid.NewString(), Command: cmd}
	req.Start = start
	s, err := agent.Create(ctx, uuid.NewString(), req)
	switch {
	case err != nil:
		return nil, err
	case s.Existed:
		return s, nil
	}
	// A host of an older version makes the session and does not know Start.
	if input != nil || !hasPipeline(s, start.Pipeline) {
		if err := startAndStore(ctx, rt, agent, s, start, input, o); err != nil {
			return nil, err
		}
	}
	return agent.Detach(ctx, s.Runspace.InstanceID, &api.DetachRequest{})
}

// startAndStore sends standard input to the command, which it starts if it does not
// run already.
func startAndStore(ctx context.Context, rt *Runtime, agent *client.Client, s *api.Session, start *api.FirstCommand, input io.Reader, o *invokeOptions) error {
	d := newDelivery(alone(rt), s)
	drive := d.drive(agent, s.Runspace.InstanceID, api.StreamRequest{
		Pipeline: start.Pipeline, Start: &start.Command, InputOnly: true, KeepInput: o.keepInput,
	}, o.window)
	if drive.Input = input; input != nil {
		defer time.AfterFunc(inputPatience, func() {
			rt.tell("Standard input is being stored on the host until its end; -n starts without it.")
		}).Stop()
	}
	err := d.run(ctx, drive)
	if err != nil && !client.IsBroken(err) && !api.IsCode(err, api.CodeOutcomeUnknown) {
		_ = agent.Remove(context.WithoutCancel(ctx), s.Runspace.InstanceID, 0, false)
	}
	return err
}

func hasPipeline(s *api.Session, id string) bool {
	for i := range s.Runspace.Pipelines {
		if s.Runspace.Pipelines[i].ID == id {
			return true
		}
	}
	return false
}

// tellExisted says that --if-absent found the session.
func (rt *Runtime) tellExisted(s *api.Session) {
	rt.tell("Session %s on %s is there already; nothing was started.", strconv.Quote(s.Runspace.Name), s.ComputerName)
}
