package verbs

import (
	"encoding/json"
	"errors"
	"reflect"
	"strings"
	"time"

	"pss/remote/api"
)

// PSTransportOption is PowerShell's transport option with its members in PowerShell's
// order: what a session configuration says about its sessions. null leaves what the
// configuration has.
type PSTransportOption struct {
	ProcessIdleTimeoutSec           *spanSec
	MaxIdleTimeoutSec               *spanSec
	MaxSessions                     *int
	MaxConcurrentCommandsPerSession *int
	MaxSessionsPerUser              *int
	MaxMemoryPerSessionMB           *int
	MaxProcessesPerSession          *int
	MaxConcurrentUsers              *int
	IdleTimeoutSec                  *spanSec
	OutputBufferingMode             *string
}

// spanSec is a time in seconds: a number in JSON. It is read from a number of seconds,
// a text with a unit, or "never".
type spanSec int64

// MarshalJSON writes the number, or "never".
func (s spanSec) MarshalJSON() ([]byte, error) {
	if s == spanNever {
		return []byte(`"never"`), nil
	}
	return json.Marshal(int64(s))
}

// spanNever is a time that never ends.
const spanNever = spanSec(api.IdleTimeoutNever)

// String is the number, or never.
func (s spanSec) String() string {
	b, _ := s.MarshalJSON()
	return strings.Trim(string(b), `"`)
}

// UnmarshalJSON reads the forms.
func (s *spanSec) UnmarshalJSON(data []byte) error {
	var text string
	if json.Unmarshal(data, &text) == nil {
		if strings.EqualFold(text, "never") {
			*s = spanNever
			return nil
		}
		d, err := api.ParseDuration(text, time.Second)
		*s = spanSec((d + time.Second - 1) / time.Second)
		return err
	}
	var n int64
	if json.Unmarshal(data, &n) != nil || n < 0 {
		return errors.New(`a time is a number of seconds, or a text such as "48h"`)
	}
	*s = spanSec(n)
	return nil
}

// maxIdleSec is the longest idle timeout in seconds that PowerShell can express.
const maxIdleSec = maxInt32 / 1000

// transportRanges are the bounds of the numbers, which are PowerShell's.
var transportRanges = map[string][2]int64{
	"MaxIdleTimeoutSec": {60, maxIdleSec}, "IdleTimeoutSec": {60, maxIdleSec},
	"MaxSessions": {1, maxInt32}, "MaxConcurrentCommandsPerSession": {1, maxInt32}, "MaxSessionsPerUser": {1, maxInt32},
	"MaxMemoryPerSessionMB": {5, maxInt32}, "MaxProcessesPerSession": {1, maxInt32}, "MaxConcurrentUsers": {1, 100},
}

// sharedProcess says why a member has no meaning here.
const sharedProcess = "each session has a process of its own, which ends with it"

// parseTransportOption reads a transport option; from names where it stood.
func parseTransportOption(text, from string) (*PSTransportOption, error) {
	o := &PSTransportOption{}
	if err := parseOptionObject(text, from, o, nil); err != nil {
		return nil, toError(err).Hint("write the JSON that pss new-pstransportoption prints, or part of it: '{\"IdleTimeoutSec\": 172800}'")
	}
	if p := o.ProcessIdleTimeoutSec; p != nil && *p != 0 {
		return nil, api.Errorf(api.CodeUsage, "%s: the member ProcessIdleTimeoutSec is not supported: %s", from, sharedProcess).
			WithID("InvalidOperation").Hint("leave it out")
	}
	v := reflect.ValueOf(o).Elem()
	for i := range v.NumField() {
		name := v.Type().Field(i).Name
		bounds, bounded := transportRanges[name]
		if !bounded || v.Field(i).IsNil() {
			continue
		}
		if n := v.Field(i).Elem().Int(); n != int64(spanNever) && (n < bounds[0] || n > bounds[1]) {
			return nil, outOfRange("%s: %s cannot be %d: it takes %d to %d", from, name, n, bounds[0], bounds[1])
		}
	}
	if o.OutputBufferingMode != nil {
		mode, err := oneOf("OutputBufferingMode", *o.OutputBufferingMode, bufferingModes)
		if err != nil {
			return nil, err
		}
		o.OutputBufferingMode = &mode
	}
	return o, nil
}

// apply puts the members that are given into a configuration.
func (o *PSTransportOption) apply(s *api.SessionConfiguration) {
	for _, t := range []struct {
		from *spanSec
		to   **api.Milliseconds
	}{{o.IdleTimeoutSec, &s.IdleTimeoutMs}, {o.MaxIdleTimeoutSec, &s.MaxIdleTimeoutMs}} {
		if t.from != nil {
			ms := api.Milliseconds(max(0, int64(*t.from)*1000)) // 0 is never
			*t.to = &ms
		}
	}
	for _, n := range []struct {
		from *int
		to   *int
	}{
		{o.MaxSessions, &s.MaxShells}, {o.MaxSessionsPerUser, &s.MaxShellsPerUser}, {o.MaxConcurrentUsers, &s.MaxConcurrentUsers},
		{o.MaxConcurrentCommandsPerSession, &s.MaxConcurrentCommandsPerShell}, {o.MaxProcessesPerSession, &s.MaxProcessesPerShell},
	} {
		if n.from != nil {
			*n.to = *n.from
		}
	}
	if o.MaxMemoryPerSessionMB != nil {
		s.MaxMemoryPerShellMB = int64(*o.MaxMemoryPerSessionMB)
	}
	if m := o.OutputBufferingMode; m != nil && *m != string(api.BufferingNone) {
		s.OutputBufferingMode = api.OutputBufferingMode(*m)
	}
}
