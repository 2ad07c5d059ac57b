package verbs

import (
	"context"
	"strings"

	"pss/remote/api"
)

// PSSessionConfiguration is a session configuration as users and scripts see it. Its
// JSON is a contract (pss help about_JSON_Output). Times are milliseconds; 0 is never.
// Of limits, null is none.
type PSSessionConfiguration struct {
	Name                          string            `list:""`
	PSVersion                     *string           `list:""` // of PowerShell engines; the shells have none
	StartupScript                 string            `list:""`
	RunAsUser                     *string           `list:""` // null: whoever makes the session
	Permission                    string            `list:""`
	Enabled                       bool              // false: makes no sessions
	AccessMode                    string            // Disabled, Local or Remote
	AllowedUsers                  []string          // who may make sessions
	Engine                        string            // bash or sh
	WorkingDirectory              string            // empty: the home folder
	Environment                   map[string]string // variables of the sessions
	IdleTimeoutMs                 int64             `align:"left"`
	MaxIdleTimeoutMs              int64             `align:"left"`
	IdleClockWhileBusy            bool
	OutputBufferingMode           string // Block or Drop
	OutputBufferSize              int64  `align:"left"` // bytes
	MaxShells                     *int   `align:"left"`
	MaxShellsPerUser              *int   `align:"left"`
	MaxConcurrentUsers            *int   `align:"left"`
	MaxConcurrentCommandsPerShell *int   `align:"left"`
	MaxMemoryPerShellMB           *int64 `align:"left"`
	MaxProcessesPerShell          *int   `align:"left"`
	StartupScriptText             string
	BuiltIn                       bool   // there is one of that name without a file
	Filename                      string // empty: as it is built in
}

// newPSSessionConfiguration is the only mapping between wire and output.
func newPSSessionConfiguration(c *api.SessionConfiguration) PSSessionConfiguration {
	o := PSSessionConfiguration{
		Name: c.Name, StartupScript: c.StartupScript, Permission: permission(c), Enabled: c.IsEnabled(),
		AccessMode: c.AccessMode, AllowedUsers: c.AllowedUsers, Engine: c.Engine, WorkingDirectory: c.WorkingDirectory, Environment: c.Environment,
		IdleClockWhileBusy: c.IdleClockWhileBusy == nil || *c.IdleClockWhileBusy, OutputBufferingMode: string(c.OutputBufferingMode),
		OutputBufferSize: c.OutputBufferSize, MaxShells: limit(c.MaxShells), MaxShellsPerUser: limit(c.MaxShellsPerUser),
		MaxConcurrentUsers: limit(c.MaxConcurrentUsers), MaxConcurrentCommandsPerShell: limit(c.MaxConcurrentCommandsPerShell),
		MaxMemoryPerShellMB: limit(c.MaxMemoryPerShellMB), MaxProcessesPerShell: limit(c.MaxProcessesPerShell),
		StartupScriptText: c.StartupScriptText, BuiltIn: c.BuiltIn, Filename: c.File,
	}
	if c.RunAsUser != "" {
		o.RunAsUser = &c.RunAsUser
	}
	o.IdleTimeoutMs, o.MaxIdleTimeoutMs = c.Idle()
	if !o.Enabled {
		o.AccessMode = accessDisabled
	}
	if o.Environment == nil {
		o.Environment = map[string]string{}
	}
	return o
}

// accessDisabled is PowerShell's name for a configuration that makes no sessions.
const accessDisabled = "Disabled"

// permission says who may make sessions, as PowerShell writes it.
func permission(c *api.SessionConfiguration) string {
	var list []string
	if !c.IsEnabled() {
		list = append(list, "Everyone AccessDenied")
	}
	for _, u := range c.AllowedUsers {
		list = append(list, u+" AccessAllowed")
	}
	return strings.Join(list, ", ")
}

func limit[T int | int64](n T) *T {
	if n == 0 {
		return nil
	}
	return &n
}

func newPSSessionConfigurations(list []api.SessionConfiguration) []PSSessionConfiguration {
	out := make([]PSSessionConfiguration, len(list))
	for i := range list {
		out[i] = newPSSessionConfiguration(&list[i])
	}
	return out
}

// unknownConfigurationID is the FullyQualifiedErrorId of a name that there is not.
const unknownConfigurationID = "CSCmdsShellNotFound"

// configurationsNamed returns the configurations of this computer that match one of
// the names, which may be patterns; no names are all. What a name does not find is
// reported, of a pattern only where patterns must match, too.
func configurationsNamed(ctx context.Context, rt *Runtime, f *failures, names []string, patternsToo bool) ([]api.SessionConfiguration, error) {
	agent, err := rt.Agent()
	if err != nil {
		return nil, err
	}
	list, err := agent.Configurations(ctx)
	if err != nil {
		return nil, err
	}
	hit := make([]bool, len(names))
	var found []api.SessionConfiguration
	for _, c := range list.Configurations {
		keep := len(names) == 0
		for i, n := range names {
			if strings.EqualFold(n, c.Name) || MatchWildcard(n, c.Name) {
				keep, hit[i] = true, true
			}
		}
		if keep {
			found = append(found, c)
		}
	}
	for _, e := range list.Errors {
		mentioned := len(names) == 0
		for i, n := range names {
			if name := strings.TrimSuffix(e.Target[strings.LastIndexByte(e.Target, '/')+1:], ".toml"); MatchWildcard(n, name) {
				mentioned, hit[i] = true, true
			}
		}
		if mentioned {
			f.add(e)
		}
	}
	for i, n := range names {
		if !hit[i] && (patternsToo || !HasWildcard(n)) {
			f.add(api.Errorf(api.CodeNoConfiguration, "no session configuration matches %q", n).WithID(unknownConfigurationID).On(n).
				Hint("pss get-pssessionconfiguration lists what is there"))
		}
	}
	return found, nil
}
