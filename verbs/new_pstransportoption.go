package verbs

import (
	"context"
	"encoding/json"
	"time"
)

func init() { register("New-PSTransportOption", nil, newNewPSTransportOption) }

func newNewPSTransportOption() *command {
	number := func(name, help string) param {
		bounds := transportRanges[name]
		return value(name, help).takes(wholeNumber(bounds[0], bounds[1])).byDefault("unchanged")
	}
	idle := duration("SECONDS", time.Second, 60*time.Second, maxIdleSec*time.Second, true)
	return &command{
		name:     "New-PSTransportOption",
		synopsis: "Makes a transport option for Register- and Set-PSSessionConfiguration.",
		notes: "It prints the object as JSON text whatever PSS_OUTPUT says, so that a shell can keep it in a variable; --output list shows PowerShell's view. " +
			"What is not given is null, which leaves what the session configuration has. Times are seconds, or values with a unit; a session configuration shows them in milliseconds.",
		params: []param{
			value("MaxIdleTimeoutSec", "the longest idle timeout that a session may ask for; never: it may be kept until it is removed").takes(idle).byDefault("unchanged"),
			value("ProcessIdleTimeoutSec", "").refused(sharedProcess),
			number("MaxSessions", "sessions that the configuration has at a time"),
			number("MaxConcurrentCommandsPerSession", "commands of a session whose unread output is kept"),
			number("MaxSessionsPerUser", "sessions of one user"),
			number("MaxMemoryPerSessionMB", "of all processes of a session; one that exceeds it is ended"),
			number("MaxProcessesPerSession", "likewise"),
			number("MaxConcurrentUsers", "users who have sessions at a time"),
			value("IdleTimeoutSec", "how long a disconnected session is kept").takes(idle).byDefault("unchanged"),
			value("OutputBufferingMode", "what happens when the output buffer of a disconnected session is full; None: unchanged").takes(oneOfThese(bufferingModes...)).byDefault("unchanged"),
		},
		examples: []example{
			{command: "o=$(pss new-pstransportoption --idle-timeout-sec 172800 --max-idle-timeout-sec 259200)\npss register-pssessionconfiguration --name Test --transport-option \"$o\"", says: "sessions that are kept for two days, or three if asked for"},
		},
		prints: PSTransportOption{},
		run:    runNewPSTransportOption,
	}
}

func runNewPSTransportOption(_ context.Context, rt *Runtime, in *input) error {
	members := map[string]any{}
	for i := range in.cmd.params {
		p := &in.cmd.params[i]
		if p.Common || !in.given(p.FlagName()) {
			continue
		}
		members[p.Name] = in.String(p.FlagName())
		if text := in.String(p.FlagName()); isNumber(text) {
			members[p.Name] = json.Number(text)
		}
	}
	data, err := json.Marshal(members)
	if err != nil {
		return err
	}
	o, err := parseTransportOption(string(data), in.cmd.name)
	if err != nil {
		return err
	}
	return rt.writeOption(in, o)
}
