package api

import (
	"fmt"
	"reflect"
	"slices"
	"strconv"
	"time"
)

// SessionConfiguration is a session configuration with PowerShell's names of the
// properties: as its file has it, where what is not given is built in, and as a host
// tells it, with what is built in filled in. A limit of 0 is none.
type SessionConfiguration struct {
	Name    string `toml:"-"`
	File    string `toml:"-" json:",omitempty"` // that it stands in; none: it is built in
	BuiltIn bool   `toml:"-" json:",omitempty"` // there is one of that name without a file

	Enabled      *bool    `toml:",omitempty" json:",omitempty"` // false: makes no sessions; default true
	AccessMode   string   `toml:",omitempty" json:",omitempty"` // Remote (default), or Local: for clients on its computer only
	AllowedUsers []string `toml:",omitempty" json:",omitempty"` // who may make sessions: users, and groups as @GROUP; default all whom the host serves
	RunAsUser    string   `toml:",omitempty" json:",omitempty"` // whom its sessions run as and belong to; default whoever makes them

	Engine            string            `toml:",omitempty" json:",omitempty"` // bash, sh; default the first that the computer has
	WorkingDirectory  string            `toml:",omitempty" json:",omitempty"` // where a session starts; default the home folder
	StartupScript     string            `toml:",omitempty" json:",omitempty"` // the file that StartupScriptText was read from, or is to be read from
	StartupScriptText string            `toml:",omitempty,multiline" json:",omitempty"`
	Environment       map[string]string `toml:",omitempty" json:",omitempty"` // of the sessions

	IdleTimeoutMs       *Milliseconds       `toml:",omitempty" json:",omitempty"` // default 7 days
	MaxIdleTimeoutMs    *Milliseconds       `toml:",omitempty" json:",omitempty"` // default 2147483647
	IdleClockWhileBusy  *bool               `toml:",omitempty" json:",omitempty"` // false: the idle clock stands still while a command runs; default true
	OutputBufferingMode OutputBufferingMode `toml:",omitempty" json:",omitempty"` // default Block
	OutputBufferSize    int64               `toml:",omitzero" json:",omitempty"`  // bytes; default host.toml's

	MaxShells                     int   `toml:",omitzero" json:",omitempty"` // sessions that it has at a time
	MaxShellsPerUser              int   `toml:",omitzero" json:",omitempty"`
	MaxConcurrentUsers            int   `toml:",omitzero" json:",omitempty"` // who have them
	MaxConcurrentCommandsPerShell int   `toml:",omitzero" json:",omitempty"` // whose output is kept; default 1000
	MaxMemoryPerShellMB           int64 `toml:",omitzero" json:",omitempty"`
	MaxProcessesPerShell          int   `toml:",omitzero" json:",omitempty"`
}

// The access modes.
const (
	AccessLocal  = "Local"
	AccessRemote = "Remote"
)

// ConfigurationRequest registers a configuration; Force replaces one of that name.
type ConfigurationRequest struct {
	Configuration SessionConfiguration
	Force         bool `json:",omitempty"`
}

// ConfigurationChange changes a configuration: the members of Set that are given
// (Name is not one), and those named in Reset, which become what is built in.
type ConfigurationChange struct {
	Set   SessionConfiguration
	Reset []string `json:",omitempty"`
}

// ConfigurationList answers GET configurations. Errors are the files that could not be
// read: one never hides the others.
type ConfigurationList struct {
	Version        string
	Configurations []SessionConfiguration
	Errors         []*Error `json:",omitempty"`
}

// identity are the members that no change touches.
var identity = []string{"Name", "File", "BuiltIn"}

// Apply makes the change. It fails on a member that there is not.
func (s *SessionConfiguration) Apply(c *ConfigurationChange) error {
	to, from := reflect.ValueOf(s).Elem(), reflect.ValueOf(&c.Set).Elem()
	for i := range from.NumField() {
		if name := to.Type().Field(i).Name; !from.Field(i).IsZero() && !slices.Contains(identity, name) {
			to.Field(i).Set(from.Field(i))
		}
	}
	for _, name := range c.Reset {
		f := to.FieldByName(name)
		if !f.IsValid() || slices.Contains(identity, name) {
			return Errorf(CodeInvalidArgument, "a session configuration has no property %q that could be reset", name)
		}
		f.SetZero()
	}
	return nil
}

// IsEnabled reports whether the configuration makes sessions.
func (s *SessionConfiguration) IsEnabled() bool { return s.Enabled == nil || *s.Enabled }

// Idle returns the idle timeout and its maximum in milliseconds; 0 is never.
func (s *SessionConfiguration) Idle() (timeout, longest int64) {
	longest, timeout = MaxIdleTimeoutMs, DefaultIdleTimeoutMs
	if s.MaxIdleTimeoutMs != nil {
		longest = int64(*s.MaxIdleTimeoutMs)
	}
	if longest > 0 {
		timeout = min(timeout, longest)
	}
	if s.IdleTimeoutMs != nil {
		timeout = int64(*s.IdleTimeoutMs)
	}
	return timeout, longest
}

// Engines are the names of the engines that may serve the session; the first one
// that the computer has does.
func (s *SessionConfiguration) Engines() []string {
	if s.Engine != "" {
		return []string{s.Engine}
	}
	return []string{"bash", "sh"}
}

// Milliseconds is a time of a session configuration; 0 is never. Its file has a
// number, a text with a unit ("48h"), or "never".
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
		ms, err := ParseIdleTimeout(v, time.Millisecond)
		*m = Milliseconds(max(ms, 0))
		return err
	}
	return fmt.Errorf("%v is neither a number of milliseconds nor a text such as \"48h\"", v)
}

// MarshalTOML writes the number, or "never".
func (m Milliseconds) MarshalTOML() ([]byte, error) {
	if m == 0 {
		return []byte(`"never"`), nil
	}
	return strconv.AppendInt(nil, int64(m), 10), nil
}
