package verbs

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"strconv"
	"time"

	"pss/remote/api"
	"pss/remote/client"
	"pss/remote/planted"
)

func init() { register("Receive-PSSession", []string{"rcsn"}, newReceivePSSession) }

func newReceivePSSession() *command {
	return &command{
		name: "Receive-PSSession", aliases: []string{"rcsn"},
		synopsis: "Delivers what a session's commands printed and nobody has received, then follows until they end.",
		notes: "A disconnected session is connected first. Every unread command is delivered in order, and the exit code is that of the last one; " +
			"received again it prints nothing and returns that code again. Ctrl-C disconnects and the command goes on (PowerShell stops it). " +
			"A name that is not there is an error. --peek, --tail and --since only look: nothing counts as received, the session is not connected, " +
			"and it does not matter who holds it. --no-wait returns 0 while the command runs; it and --timeout leave the session as they found it. " +
			"A session whose command is an unfinished job here gives that job, taken up again if it was Disconnected; --out-target Host delivers it here instead.",
		sets: sessionSets(true, false), pipeline: true, should: true,
		exact: true, // as in PowerShell: what was received by mistake is gone
		params: append(append(selectorParams(true), outTargetParams()...),
			flag("Replay", "deliver again what was received and is still kept"),
			flag("Peek", "show the unread output and leave it unread"),
			value("Tail", "look at the last N lines that are kept, received or not").takes(wholeNumber(1, maxInt32)),
			value("Since", "look at what was printed since a time (RFC 3339, or 15:04) or for a duration (90s, 15m, 2h)").takes(valueKind{shows: "TIME"}),
			flag("Timestamps", "begin each line with the time at which the host took it"),
			flag("NoWait", "deliver what is there and do not wait for the command's end"),
			value("Timeout", "stop waiting then, with exit code 244").alias("TimeoutSec").takes(duration("SECONDS", time.Second, 1, maxInt32*time.Second, false)).byDefault("none"),
			flag("StopOnInterrupt", "Ctrl-C stops the command, as in PowerShell; twice leaves it"),
			hideParam(), throttleParam(),
			sessionOptionParam("the object that pss new-pssessionoption prints, or part of it; IdleTimeout and the cultures stay as they are"),
			retryParam()),
		positional: [][]string{{"Id", "Session", "ConnectionUri", "ComputerName"}},
		examples: []example{
			{command: "pss receive-pssession --computer-name server01 --name nightly", says: "next morning, from another computer", output: "1\n2\n3"},
			{command: "pss receive-pssession --computer-name server01 --name nightly --tail 20 --no-wait", says: "how far is it?"},
			{command: "pss receive-pssession --id 1 --timeout 10m || test $? -ne 244", says: "in CI: wait, but not for ever"},
		},
		prints: PSJob{},
		run:    runReceivePSSession,
	}
}

// receiveOptions are what the parameters of Receive-PSSession mean.
type receiveOptions struct {
	req     api.StreamRequest
	attach  sessionOptions
	window  time.Duration
	timeout time.Duration // 0: none
	stops   bool          // Ctrl-C stops the command
	stamps  bool
}

func readReceive(rt *Runtime, in *input) (o receiveOptions, err error) {
	o.window = retryWindow(in)
	if o.attach, err = sessionOption(rt, in); err != nil {
		return o, err
	}
	o.req = api.StreamRequest{Replay: in.Bool("replay"), Peek: in.Bool("peek"), NoWait: in.Bool("no-wait")}
	o.stops, o.stamps = in.Bool("stop-on-interrupt"), in.Bool("timestamps")
	if n, err := strconv.Atoi(in.String("tail")); err == nil {
		o.req.Tail, o.req.Peek = n, true
	}
	if text := in.String("since"); text != "" {
		t, err := parseSince(text, time.Now())
		if err != nil {
			return o, usage("CannotConvertArgument", "--since: %v", err)
		}
		o.req.Since, o.req.Peek = &t, true
	}
	if text := in.String("timeout"); text != "" {
		if o.timeout, err = api.ParseDuration(text, time.Second); err != nil {
			return o, err
		}
	}
	switch {
	case o.req.Replay && (o.req.Tail > 0 || o.req.Since != nil):
		err = usage("AmbiguousParameterSet", "--tail and --since look at all that is kept; --replay cannot stand with them")
	case o.stops && o.req.Peek:
		err = usage("AmbiguousParameterSet", "--peek, --tail and --since only look; --stop-on-interrupt cannot stand with them")
	}
	return o, err
}

// parseSince reads a point in time: RFC 3339, a date and time or a time of today in
// the local zone, or a duration before now.
func parseSince(text string, now time.Time) (time.Time, error) {
	if d, err := api.ParseDuration(text, time.Second); err == nil {
		return now.Add(-d), nil
	}
	if t, err := time.Parse(time.RFC3339Nano, text); err == nil {
		return t, nil
	}
	for _, layout := range []string{"2006-01-02T15:04:05", "2006-01-02 15:04:05", "2006-01-02 15:04", "2006-01-02"} {
		if t, err := time.ParseInLocation(layout, text, now.Location()); err == nil {
			return t, nil
		}
	}
	for _, layout := range []string{"15:04:05", "15:04"} {
		if t, err := time.ParseInLocation(layout, text, now.Location()); err == nil {
			return time.Date(now.Year(), now.Month(), now.Day(), t.Hour(), t.Minute(), t.Second(), 0, now.Location()), nil
		}
	}
	return now, fmt.Errorf("%q is neither a time (2006-01-02T15:04:05Z, 15:04) nor a duration (90s, 15m, 2h)", text)
}

func runReceivePSSession(ctx context.Context, rt *Runtime, in *input) error {
	o, err := readReceive(rt, in)
	if err != nil {
		return err
	}
	asking, cancel := o.attach.answering(ctx)
	defer cancel()
	t, err := readTargets(asking, rt, in)
	if err != nil {
		return o.attach.late(err)
	}
	if err := t.agreed("Receive"); err != nil {
		return err
	}
	n := t.count()
	g := newTogether(rt, in, n, t.sessions)
	out, err := readOutTarget(ctx, g, t.agent, in, &o)
	if err != nil {
		return err
	}
	out.deliver = func(s *api.Session) error { return receiveOne(ctx, g, t.agent, s, &o) }
	return out.end(eachTarget(t.failures, g, n, t.throttle, t.sessions, func(s *api.Session) error { return out.receive(ctx, s) }))
}

// receiveOne connects the session if need be and delivers its output.
func receiveOne(ctx context.Context, g *together, agent *client.Client, s *api.Session, o *receiveOptions) error {
	rt := g.rt
	interrupts, stop := rt.interrupts() // before anything is ours to leave
	defer stop()
	found := s.State
	s, err := connectToReceive(ctx, agent, s, o)
	if err != nil {
		return err
	}
	d := newDelivery(g, s)
	d.stamps = o.stamps
	ctx, cancel := context.WithCancelCause(ctx)
	defer cancel(nil)
	drive := d.drive(agent, s.Runspace.InstanceID, o.req, o.window)
	drive.Signals = passInterrupts(ctx, interrupts, drive, o.stops, d.cancelTimeout, cancel)
	if o.timeout > 0 {
		defer time.AfterFunc(o.timeout, func() { cancel(errTimedOut) }).Stop()
	}
	err = d.run(ctx, drive)
	switch cause := context.Cause(ctx); {
	case cause == errDetached && o.req.Peek:
		return cmp.Or(d.Flush(), error(leftCode))
	case cause == errDetached:
		rt.behindKey()
		if err := d.Flush(); err != nil {
			return err
		}
		d.leave(agent, api.DetachedByClient)
		d.resumeLine()
		return leftCode
	case cause == errTimedOut:
		err = timedOut(s, o.timeout)
	}
	if found == api.StateDisconnected && !o.req.Peek && !planted.On("timeout-stays-attached") && d.unfinished() && (err == nil || api.IsCode(err, api.CodeTimedOut)) {
		d.leave(agent, api.DetachedByClient)
	}
	return d.result(err)
}

// connectToReceive makes the session ours, unless we only look.
func connectToReceive(ctx context.Context, agent *client.Client, s *api.Session, o *receiveOptions) (*api.Session, error) {
	mode := o.attach.OutputBufferingMode
	changes := s.State == api.StateOpened && mode.Given()
	if o.req.Peek || s.State != api.StateDisconnected && !changes {
		return s, nil
	}
	ctx, cancel := o.attach.answering(ctx)
	defer cancel()
	got, err := agent.Attach(ctx, s.Runspace.InstanceID, o.attach.attach())
	if err != nil {
		e := toError(o.attach.late(err))
		if e.Code == api.CodeBusy {
			e = e.WithID("ReceivePSSessionCannotConnectSession").
				Hint("disconnect it there, look at it with --peek, or take it over: pss connect-pssession --force --instance-id %s", s.Runspace.InstanceID)
		}
		return nil, e
	}
	return got, nil
}

func timedOut(s *api.Session, after time.Duration) *api.Error {
	return api.Errorf(api.CodeTimedOut, "the command in session %s did not end within %v; it goes on", s.Runspace.Name, after).
		WithID("ReceivePSSessionTimeout").On(s.Runspace.Name).
		Hint("receive the rest: pss receive-pssession %s", whereIs(s))
}

// The causes of a delivery that ended before its command.
var (
	errDetached = errors.New("detached") // by Ctrl-C
	errTimedOut = errors.New("timed out")
)
