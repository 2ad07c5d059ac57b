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
			throttleParam(),
			param{Parameter{Name: "IdleTimeoutSec", Kind: KindValue}, "seconds, a value with a unit (48h, 7d), or never where the session configuration allows it", "unchanged"},
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
	options, err := disconnectOptions(in)
	if err != nil {
		return err
	}
	t, err := readTargets(ctx, rt, in)
	if err != nil {
		return err
	}
	return t.print(func(s *api.Session) (*api.Session, error) {
		return t.agent.Detach(ctx, s.Runspace.InstanceID, &api.DetachRequest{Options: options})
	}, rt.tellExpiry)
}

// disconnectOptions reads the options that can change on disconnect.
func disconnectOptions(in *input) (o api.SessionOption, err error) {
	if text := in.String("idle-timeout-sec"); text != "" {
		ms, err := api.ParseIdleTimeout(text, time.Second)
		if err != nil {
			return o, usage("CannotConvertArgument", "--idle-timeout-sec: %v", err)
		}
		o.IdleTimeout = &ms
	}
	mode, err := oneOf("OutputBufferingMode", in.String("output-buffering-mode"), []string{"None", "Drop", "Block"})
	o.OutputBufferingMode = api.OutputBufferingMode(mode)
	return o, err
}

// tellExpiry says on standard error when a session that is left behind ends.
func (rt *Runtime) tellExpiry(s *api.Session) {
	if s.State != api.StateDisconnected || rt.machine() {
		return
	}
	switch {
	case s.Runspace.ExpiresOn != nil:
	case s.Runspace.IdleTimeoutMs == 0:
		fmt.Fprintf(rt.Stderr, "Session %s on %s is kept until it is removed.\n", strconv.Quote(s.Runspace.Name), s.ComputerName)
		return
	default:
		fmt.Fprintf(rt.Stderr, "Session %s on %s is kept while its command runs, and %s longer.\n", strconv.Quote(s.Runspace.Name), s.ComputerName,
			time.Duration(s.Runspace.IdleTimeoutMs)*time.Millisecond)
		return
	}
	fmt.Fprintf(rt.Stderr, "Session %s on %s is kept until %s.\n", strconv.Quote(s.Runspace.Name), s.ComputerName,
		s.Runspace.ExpiresOn.Local().Format("2006-01-02 15:04 MST"))
}
