package config

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strings"

	"pss/remote/api"
)

// DefaultConfiguration is the name of the session configuration that is used when
// none is named.
const DefaultConfiguration = "Microsoft.PowerShell"

// DefaultMaxCommands is how many commands' output one session keeps for a receiver
// (PowerShell's MaxConcurrentCommandsPerShell).
const DefaultMaxCommands = 1000

const tomlSuffix = ".toml"

// Configurations is the folder of the session configurations.
func (p Paths) Configurations() string { return filepath.Join(p.Config, "configurations") }

// builtIn are the configurations that need no file.
var builtIn = map[string]api.SessionConfiguration{
	strings.ToLower(DefaultConfiguration): {Name: DefaultConfiguration, BuiltIn: true},
	"bash":                                {Name: "bash", BuiltIn: true, Engine: "bash"},
	"sh":                                  {Name: "sh", BuiltIn: true, Engine: "sh"},
}

// LoadSession returns the session configuration of that name, which is found in any
// case; "" is the default one. A file goes before what is built in. minIdle is the
// host's shortest idle timeout in milliseconds.
func (p Paths) LoadSession(name string, minIdle int64) (*api.SessionConfiguration, error) {
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
				Hint("use Microsoft.PowerShell (the default), bash or sh, or make one there: pss register-pssessionconfiguration --name NAME")
		}
		return &s, nil
	}
	path := filepath.Join(p.Configurations(), file)
	if err := load(path, &s); err != nil {
		return nil, err
	}
	s.File = path
	if !known {
		s.Name = strings.TrimSuffix(file, tomlSuffix)
	}
	if err := checkSession(&s, minIdle); err != nil {
		return nil, fileError(path, err)
	}
	return &s, nil
}

// SessionNames returns the names of all configurations: those with a file and those
// that are built in.
func (p Paths) SessionNames() ([]string, error) {
	files, err := os.ReadDir(p.Configurations())
	if err != nil && !errors.Is(err, fs.ErrNotExist) {
		return nil, fileError(p.Configurations(), err)
	}
	var names []string
	for _, s := range builtIn {
		names = append(names, s.Name)
	}
	for _, f := range files {
		name, ok := strings.CutSuffix(f.Name(), tomlSuffix)
		if _, known := builtIn[strings.ToLower(name)]; ok && !known {
			names = append(names, name)
		}
	}
	slices.SortFunc(names, func(a, b string) int { return strings.Compare(strings.ToLower(a), strings.ToLower(b)) })
	return names, nil
}

// sessionFile returns the name of the file for a configuration, "" if there is none.
func (p Paths) sessionFile(name string) (string, error) {
	files, err := os.ReadDir(p.Configurations())
	if err != nil && !errors.Is(err, fs.ErrNotExist) {
		return "", fileError(p.Configurations(), err)
	}
	for _, f := range files {
		if strings.EqualFold(f.Name(), name+tomlSuffix) {
			return f.Name(), nil
		}
	}
	return "", nil
}

// checkSession refuses values that no session could be made with, and brings words
// into their own spelling.
func checkSession(s *api.SessionConfiguration, minIdle int64) error {
	if err := checkWords(s); err != nil {
		return err
	}
	timeout, longest := s.Idle()
	wanted := timeout
	if wanted == 0 {
		wanted = api.IdleTimeoutNever
	}
	if longest > 0 && longest < minIdle {
		return fmt.Errorf("MaxIdleTimeoutMs %d is below the host's minimum, %d", longest, minIdle)
	}
	if _, ok := api.CheckIdleTimeout(&wanted, 0, minIdle, longest); !ok {
		return fmt.Errorf("IdleTimeoutMs %s is outside the allowed range, %s to %s",
			api.IdleTimeoutText(timeout), api.IdleTimeoutText(minIdle), api.IdleTimeoutText(longest))
	}
	for _, n := range []struct {
		key   string
		value int64
	}{
		{"OutputBufferSize", s.OutputBufferSize}, {"MaxMemoryPerShellMB", s.MaxMemoryPerShellMB},
		{"MaxProcessesPerShell", int64(s.MaxProcessesPerShell)}, {"MaxConcurrentCommandsPerShell", int64(s.MaxConcurrentCommandsPerShell)},
		{"MaxShells", int64(s.MaxShells)}, {"MaxShellsPerUser", int64(s.MaxShellsPerUser)}, {"MaxConcurrentUsers", int64(s.MaxConcurrentUsers)},
	} {
		if n.value < 0 {
			return fmt.Errorf("%s cannot be negative", n.key)
		}
	}
	return nil
}

// checkWords checks what is no number.
func checkWords(s *api.SessionConfiguration) error {
	if s.OutputBufferingMode != "" {
		mode, err := api.ParseOutputBufferingMode(string(s.OutputBufferingMode))
		if err != nil {
			return err
		}
		s.OutputBufferingMode = mode
	}
	switch {
	case strings.EqualFold(s.AccessMode, api.AccessLocal):
		s.AccessMode = api.AccessLocal
	case s.AccessMode == "" || strings.EqualFold(s.AccessMode, api.AccessRemote):
		s.AccessMode = ""
	default:
		return fmt.Errorf("AccessMode is Local or Remote, not %q", s.AccessMode)
	}
	if len(s.AllowedUsers) == 0 {
		s.AllowedUsers = nil
	}
	if len(s.Environment) == 0 {
		s.Environment = nil
	}
	for name, value := range s.Environment {
		if name == "" || strings.ContainsAny(name, "=\x00") || strings.ContainsRune(value, 0) {
			return fmt.Errorf("%q in Environment is no name of a variable, or its value has a NUL byte", name)
		}
	}
	return nil
}
