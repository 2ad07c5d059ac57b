package config

import (
	"os"
	"path/filepath"
	"reflect"
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
	"pss/remote/api"
)

// full is a configuration with every member that a file can hold.
func full(t *testing.T) *api.SessionConfiguration {
	no, hour, never := false, api.Milliseconds(3_600_000), api.Milliseconds(0)
	s := &api.SessionConfiguration{
		Name: "Every thing", Enabled: &no, AccessMode: api.AccessLocal, AllowedUsers: []string{"ann", "bob"},
		Engine: "sh", WorkingDirectory: "/srv", StartupScript: "/x/start.sh", StartupScriptText: "cd /\nx='''1'''\n\techo \"\\t\"\n",
		Environment:   map[string]string{"A": "1", "LÄNGE": "a\nb"},
		IdleTimeoutMs: &hour, MaxIdleTimeoutMs: &never, IdleClockWhileBusy: &no, OutputBufferingMode: api.BufferingDrop, OutputBufferSize: 1 << 20,
		RunAsUser: "deploy", MaxShells: 1, MaxShellsPerUser: 2, MaxConcurrentUsers: 3, MaxConcurrentCommandsPerShell: 4, MaxMemoryPerShellMB: 5, MaxProcessesPerShell: 6,
	}
	v := reflect.ValueOf(s).Elem()
	for i := range v.NumField() {
		if name := v.Type().Field(i).Name; name != "File" && name != "BuiltIn" {
			require.False(t, v.Field(i).IsZero(), "%s is missing here", name)
		}
	}
	return s
}

func TestAWrittenConfigurationIsReadAsItWas(t *testing.T) {
	const minIdle = 60_000
	p := Paths{Config: t.TempDir()}
	want := full(t)
	require.NoError(t, p.WriteSession(want, minIdle))
	got, err := p.LoadSession("every THING", minIdle)
	require.NoError(t, err)
	assert.Equal(t, want, got)
	st, err := os.Stat(got.File)
	require.NoError(t, err)
	assert.Equal(t, os.FileMode(0o600), st.Mode().Perm())

	// Another spelling is the same configuration, not a second file.
	small := &api.SessionConfiguration{Name: "EVERY thing", MaxShells: 9}
	require.NoError(t, p.WriteSession(small, minIdle))
	files, err := os.ReadDir(p.Configurations())
	require.NoError(t, err)
	assert.Len(t, files, 1)

	// What cannot be is refused before the file is touched.
	for _, bad := range []*api.SessionConfiguration{
		{Name: "Every thing", IdleTimeoutMs: new(api.Milliseconds(1))},
		{Name: "Every thing", MaxShells: -1},
		{Name: "Every thing", OutputBufferingMode: "Lose"},
		{Name: "Every thing", AccessMode: "Nowhere"},
		{Name: "Every thing", Environment: map[string]string{"A=B": "1"}},
		{Name: "../x"}, {Name: ""}, {Name: ".hidden"}, {Name: "a*"}, {Name: " a"}, {Name: strings.Repeat("x", 201)},
	} {
		require.Error(t, p.WriteSession(bad, minIdle), "%+v", bad)
	}
	got, err = p.LoadSession("Every thing", minIdle)
	require.NoError(t, err)
	assert.Equal(t, 9, got.MaxShells)

	had, err := p.RemoveSession("every thing")
	require.NoError(t, err)
	assert.True(t, had)
	had, err = p.RemoveSession("every thing")
	require.NoError(t, err)
	assert.False(t, had)
}

func TestSessionNames(t *testing.T) {
	p := Paths{Config: t.TempDir()}
	require.NoError(t, p.WriteSession(&api.SessionConfiguration{Name: "Test"}, 1))
	require.NoError(t, p.WriteSession(&api.SessionConfiguration{Name: "BASH"}, 1))
	require.NoError(t, os.WriteFile(filepath.Join(p.Configurations(), "Broken.toml"), []byte("x = 1"), 0o600))
	names, err := p.SessionNames()
	require.NoError(t, err)
	assert.Equal(t, []string{"bash", "Broken", "Microsoft.PowerShell", "sh", "Test"}, names)
	_, err = p.LoadSession("broken", 1)
	assert.ErrorContains(t, err, "unknown key")
	for name, want := range map[string][2]bool{"Bash": {true, true}, "sh": {true, false}, "broken": {true, true}, "none": {false, false}} {
		known, hasFile, err := p.SessionKnown(name)
		require.NoError(t, err)
		assert.Equal(t, want, [2]bool{known, hasFile}, name)
	}
}

func TestChangesOfAConfiguration(t *testing.T) {
	yes := true
	s := full(t)
	require.NoError(t, s.Apply(&api.ConfigurationChange{
		Set:   api.SessionConfiguration{Name: "other", Enabled: &yes, MaxShells: 7},
		Reset: []string{"StartupScript", "IdleTimeoutMs"},
	}))
	want := full(t)
	want.Enabled, want.MaxShells, want.StartupScript, want.IdleTimeoutMs = &yes, 7, "", nil
	assert.Equal(t, want, s)
	assert.Error(t, s.Apply(&api.ConfigurationChange{Reset: []string{"Nothing"}}))
	assert.Error(t, s.Apply(&api.ConfigurationChange{Reset: []string{"Name"}}))
}

func FuzzWriteSession(f *testing.F) {
	f.Add("N", "text'''\n", "K", "V", int64(5))
	f.Fuzz(func(t *testing.T, name, script, key, value string, n int64) {
		p := Paths{Config: t.TempDir()}
		want := &api.SessionConfiguration{Name: name, StartupScriptText: script, Environment: map[string]string{key: value}, OutputBufferSize: n}
		if p.WriteSession(want, 1) != nil {
			return
		}
		got, err := p.LoadSession(name, 1)
		require.NoError(t, err)
		got.BuiltIn, got.Engine = false, ""
		got.Name, want.Engine = name, ""
		assert.Equal(t, want, got)
	})
}
