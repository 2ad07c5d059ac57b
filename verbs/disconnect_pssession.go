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
		sets: sessionSets(false, false), pipeline: true, should: true,
		params: append(selectorParams(false),
			throttleParam(),
			value("IdleTimeoutSec", "how long the session is kept; never where its configuration allows it").takes(duration("SECONDS", time.Second, 0, maxInt32*time.Second, true)).byDefault("unchanged"),
			value("OutputBufferingMode", "what a full output buffer does; None changes nothing").takes(oneOfThese("None", "Drop", "Block")).byDefault("unchanged")),
		positional: [][]string{{"Id", "Session"}},
		examples: []example{
			{command: "pss get-pssession --computer-name server01 | pss disconnect-pssession", says: "everything that you hold there",
				output: "Id Name   ComputerName  State         ConfigurationName     Availability\n-- ----   ------------  -----         -----------------     ------------\n 1 build  server01      Disconnected  Microsoft.PowerShell          None"},
			{command: "pss disconnect-pssession --id 1 --idle-timeout-sec 48h", says: "for two days"},
		},
		prints: PSSession{},
		run:    runDisconnectPSSession,
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
	if err := t.agreed("Disconnect"); err != nil {
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
	o.OutputBufferingMode = api.OutputBufferingMode(in.String("output-buffering-mode"))
	return o, nil
}

// tellExpiry says on standard error when a session that is left behind ends.
func (rt *Runtime) tellExpiry(s *api.Session) {
	if s.State != api.StateDisconnected {
		return
	}
	name := strconv.Quote(s.Runspace.Name)
	if s.Runspace.NetworkAccess {
		rt.warn("EnableNetworkAccessWarning", fmt.Sprintf("Session %s on %s was made with --enable-network-access: it can be connected again from this computer only.", name, s.ComputerName), s.Runspace.Name)
	}
	switch idle := time.Duration(s.Runspace.IdleTimeoutMs) * time.Millisecond; {
	case s.Runspace.ExpiresOn != nil:
		rt.tell("Session %s on %s is kept until %s.", name, s.ComputerName, s.Runspace.ExpiresOn.Local().Format("2006-01-02 15:04 MST"))
	case idle == 0:
		rt.tell("Session %s on %s is kept until it is removed.", name, s.ComputerName)
	default:
		rt.tell("Session %s on %s is kept while its command runs, and %s longer.", name, s.ComputerName, idle)
	}
}
