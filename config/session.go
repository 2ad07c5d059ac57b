package config

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"time"

	"pss/remote/api"
)

// DefaultConfiguration is the name of the session configuration that is used when
// none is named.
const DefaultConfiguration = "Microsoft.PowerShell"

// DefaultMaxCommands is how many commands' output one session keeps for a receiver
// (PowerShell's MaxConcurrentCommandsPerShell).
const DefaultMaxCommands = 1000

// Session is a session configuration, configurations/NAME.toml. Its keys are
// PowerShell's names of the properties. What a file does not give is built in; a
// session keeps what it was made with.
type Session struct {
	Name string `toml:"-"`

	Engine                        string                  // bash, sh; default: the first of them that the computer has
	OutputBufferSize              int64                   // bytes; default: host.toml's
	OutputBufferingMode           api.OutputBufferingMode // default Block
	IdleTimeoutMs                 *Milliseconds           // default 7 days
	MaxIdleTimeoutMs              *Milliseconds           // default 2147483647; never: no limit
	IdleClockWhileBusy            *bool                   // false: the idle clock stands still while a command runs; default true
	MaxConcurrentCommandsPerShell int                     // whose output is kept; default 1000
	MaxMemoryPerShellMB           int64                   // of the session's processes; default none
	MaxProcessesPerShell          int                     // default none
}

// Milliseconds is a time in a session configuration: a number, a text with a unit
// ("48h"), or "never".
type Milliseconds int64

// UnmarshalTOML reads the three forms.
func (m *Milliseconds) UnmarshalTOML(v any) error {
	switch v := v.(type) {
	case int64:
		if v < 0 {
			return fmt.Errorf("%d is negative; write \"never\" for no limit", v)
		}
		*m = Milliseconds(v)
		return nil
	case string:
		ms, err := api.ParseIdleTimeout(v, time.Millisecond)
		*m = Milliseconds(ms)
		return err
	}
	return fmt.Errorf("%v is neither a number of milliseconds nor a text such as \"48h\"", v)
}

// value is the time as session facts hold it, def where the file gives none.
func (m *Milliseconds) value(def int64) int64 {
	switch {
	case m == nil:
		return def
	case int64(*m) == api.IdleTimeoutNever:
		return 0
	}
	return int64(*m)
}

// Idle returns the idle timeout and its maximum in milliseconds; 0 is never.
func (s *Session) Idle() (timeout, longest int64) {
	longest = s.MaxIdleTimeoutMs.value(api.MaxIdleTimeoutMs)
	def := api.DefaultIdleTimeoutMs
	if longest > 0 {
		def = min(def, longest)
	}
	return s.IdleTimeoutMs.value(def), longest
}

// Engines are the names of the engines that may serve the session; the first one
// that the computer has does.
func (s *Session) Engines() []string {
	if s.Engine != "" {
		return []string{s.Engine}
	}
	return []string{"bash", "sh"}
}

// Configurations is the folder of the session configurations.
func (p Paths) Configurations() string { return filepath.Join(p.Config, "configurations") }

// builtIn are the configurations that need no file.
var builtIn = map[string]Session{
	strings.ToLower(DefaultConfiguration): {Name: DefaultConfiguration},
	"bash":                                {Name: "bash", Engine: "bash"},
	"sh":                                  {Name: "sh", Engine: "sh"},
}

// LoadSession returns the session configuration of that name, which is found in any
// case; "" is the default one. A file goes before what is built in. minIdle is the
// host's shortest idle timeout in milliseconds.
func (p Paths) LoadSession(name string, minIdle int64) (*Session, error) {
	if name == "" {
		name = DefaultConfiguration
	}
	s, known := builtIn[strings.ToLower(name)]
	file, err := p.sessionFile(name)
	if err != nil {
		return nil, err
	}
	if file == "" {
		if !known {
			return nil, api.Errorf(api.CodeInvalidArgument, "this computer has no session configuration %q", name).
				WithID("InvalidResourceUri,PSSessionOpenFailed").On(name).
				Hint("use Microsoft.PowerShell (the default), bash or sh, or make the file %s", filepath.Join(p.Configurations(), "NAME.toml"))
		}
		return &s, nil
	}
	path := filepath.Join(p.Configurations(), file)
	if err := load(path, &s); err != nil {
		return nil, err
	}
	s.Name = strings.TrimSuffix(file, ".toml")
	if known {
		s.Name = builtIn[strings.ToLower(name)].Name
	}
	return &s, s.check(path, minIdle)
}

// sessionFile returns the name of the file for a configuration, "" if there is none.
func (p Paths) sessionFile(name string) (string, error) {
	files, err := os.ReadDir(p.Configurations())
	if err != nil && !errors.Is(err, fs.ErrNotExist) {
		return "", fileError(p.Configurations(), err)
	}
	for _, f := range files {
		if strings.EqualFold(f.Name(), name+".toml") {
			return f.Name(), nil
		}
	}
	return "", nil
}

// check refuses values that no session could be made with.
func (s *Session) check(path string, minIdle int64) error {
	timeout, longest := s.Idle()
	mode, err := api.ParseOutputBufferingMode(string(s.OutputBufferingMode))
	switch {
	case s.OutputBufferingMode == "":
	case err != nil:
		return fileError(path, err)
	default:
		s.OutputBufferingMode = mode
	}
	wanted := timeout
	if wanted == 0 {
		wanted = api.IdleTimeoutNever
	}
	if longest > 0 && longest < minIdle {
		return fileError(path, fmt.Errorf("MaxIdleTimeoutMs %d is below the host's minimum, %d", longest, minIdle))
	}
	if _, ok := api.CheckIdleTimeout(&wanted, 0, minIdle, longest); !ok {
		return fileError(path, fmt.Errorf("IdleTimeoutMs %s is outside the allowed range, %s to %s",
			api.IdleTimeoutText(timeout), api.IdleTimeoutText(minIdle), api.IdleTimeoutText(longest)))
	}
	for _, n := range []struct {
		key   string
		value int64
	}{
		{"OutputBufferSize", s.OutputBufferSize}, {"MaxMemoryPerShellMB", s.MaxMemoryPerShellMB},
		{"MaxProcessesPerShell", int64(s.MaxProcessesPerShell)}, {"MaxConcurrentCommandsPerShell", int64(s.MaxConcurrentCommandsPerShell)},
	} {
		if n.value < 0 {
			return fileError(path, fmt.Errorf("%s cannot be negative", n.key))
		}
	}
	return nil
}
