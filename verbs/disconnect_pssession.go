package verbs

import (
	"context"
	"fmt"
	"strconv"
	"time"

	"pss/remote/api"
)

func init() { register("Disconnect-PSSession", []string{"dnsn"}, newDisconnectPSSession) }

func newDisconnectPSSession() *command {
	return &command{
		name: "Disconnect-PSSession", aliases: []string{"dnsn"},
		synopsis: "Disconnects sessions; their commands go on.",
		notes: "The idle clock starts, also while a command runs, and standard error says when the session expires. An option that is not given stays as it is. " +
			"A session that is disconnected already is returned unchanged.",
		params: append(selectorParams(false),
			param{Parameter{Name: "IdleTimeoutSec", Kind: KindValue}, "seconds, or a value with a unit: 48h, 7d", "unchanged"},
			param{Parameter{Name: "OutputBufferingMode", Kind: KindValue}, "None (unchanged), Drop or Block", "unchanged"}),
		positional: []string{"Session"},
		examples: []example{
			{"pss get-pssession --computer-name server01 | pss disconnect-pssession", "everything that you hold there"},
			{"pss disconnect-pssession --id 1 --idle-timeout-sec 48h", "for two days"},
		},
		run: runDisconnectPSSession,
	}
}

func runDisconnectPSSession(ctx context.Context, rt *Runtime, in *input) error {
	sel, err := readSelector(in)
	if err != nil {
		return err
	}
	var req api.DetachRequest
	if text := in.String("idle-timeout-sec"); text != "" {
		d, err := api.ParseDuration(text, time.Second)
		if err != nil {
			return usage("CannotConvertArgument", "--idle-timeout-sec: %v", err)
		}
		ms := d.Milliseconds()
		req.Options.IdleTimeout = &ms
	}
	mode, err := oneOf("OutputBufferingMode", in.String("output-buffering-mode"), []string{"None", "Drop", "Block"})
	if err != nil {
		return err
	}
	req.Options.OutputBufferingMode = api.OutputBufferingMode(mode)
	f := &failures{rt: rt, cmd: in.cmd}
	found, err := sel.find(ctx, rt, in, f)
	if err != nil {
		return err
	}
	agent, err := rt.Agent()
	if err != nil {
		return err
	}
	var done []*api.Session
	for _, s := range found {
		r := req
		left, err := agent.Detach(ctx, s.Runspace.InstanceID, &r)
		if err != nil {
			f.add(err)
			continue
		}
		done = append(done, left)
		rt.tellExpiry(left)
	}
	if err := rt.write(newPSSessions(done)); err != nil {
		return err
	}
	return f.result(max(len(found), f.count))
}

// tellExpiry says on standard error when a session that is left behind ends.
func (rt *Runtime) tellExpiry(s *api.Session) {
	if s.State != api.StateDisconnected || s.Runspace.ExpiresOn == nil || rt.machine() {
		return
	}
	fmt.Fprintf(rt.Stderr, "Session %s on %s is kept until %s.\n", strconv.Quote(s.Runspace.Name), s.ComputerName,
		s.Runspace.ExpiresOn.Local().Format("2006-01-02 15:04 MST"))
}
