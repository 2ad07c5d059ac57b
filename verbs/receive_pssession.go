package verbs

import (
	"context"
	"errors"
	"time"

	"pss/remote/api"
	"pss/remote/client"
)

func init() { register("Receive-PSSession", []string{"rcsn"}, newReceivePSSession) }

func newReceivePSSession() *command {
	return &command{
		name: "Receive-PSSession", aliases: []string{"rcsn"},
		synopsis: "Delivers what a session's commands printed and nobody has received, then follows until they end.",
		notes: "A disconnected session is connected first. Every unread command is delivered in order, and the exit code is that of the last one; " +
			"received again it prints nothing and returns that code again. Ctrl-C disconnects and the command goes on (PowerShell stops it). " +
			"A name that is not there is an error.",
		params: append(selectorParams(true),
			param{Parameter{Name: "Replay", Kind: KindSwitch}, "deliver again what was received and is still kept", "off"},
			retryParam()),
		positional: []string{"Session"},
		examples: []example{
			{"pss receive-pssession --computer-name server01 --name nightly", "next morning, from another computer"},
		},
		run: runReceivePSSession,
	}
}

func runReceivePSSession(ctx context.Context, rt *Runtime, in *input) error {
	window, err := retryWindow(in)
	if err != nil {
		return err
	}
	t, err := readTargets(ctx, rt, in)
	if err != nil {
		return err
	}
	return eachTarget(t.failures, t.count(), t.sessions, func(s *api.Session) error {
		return receiveOne(ctx, rt, t.agent, s, api.StreamRequest{Replay: in.Bool("replay")}, window)
	})
}

// receiveOne connects the session if need be and delivers its output.
func receiveOne(ctx context.Context, rt *Runtime, agent *client.Client, s *api.Session, req api.StreamRequest, window time.Duration) error {
	if s.State == api.StateDisconnected {
		got, err := agent.Attach(ctx, s.Runspace.InstanceID, &api.AttachRequest{})
		if err != nil {
			e := toError(err)
			if e.Code == api.CodeBusy {
				e = e.WithID("ReceivePSSessionCannotConnectSession")
			}
			return e
		}
		s = got
	}
	d := newDelivery(rt, s)
	ctx, cancel := context.WithCancelCause(ctx)
	defer cancel(nil)
	interrupts, stop := rt.interrupts()
	defer stop()
	go func() {
		select {
		case <-interrupts:
			cancel(errDetached)
		case <-ctx.Done():
		}
	}()
	err := d.drive(agent, s.Runspace.InstanceID, req, window).Run(ctx)
	if context.Cause(ctx) == errDetached {
		if err := d.Flush(); err != nil {
			return err
		}
		rt.detach(agent, s)
		rt.resumeLine(s)
		return exitCode(247)
	}
	return d.result(err)
}

// errDetached is the cause of a delivery that Ctrl-C ended.
var errDetached = errors.New("detached")
