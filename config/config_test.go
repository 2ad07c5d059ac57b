package config

import (
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
	"pss/remote/api"
)

func TestAnUnknownKeyIsRefusedWithLineAndNearestKey(t *testing.T) {
	dir := t.TempDir()
	p := Paths{Config: dir, State: dir}
	for text, want := range map[string]string{
		"[defaults]\noutput = \"json\"\noutptu = 1\n":    `line 3: unknown key "defaults.outptu"; did you mean "output"?`,
		"[computers.a]\naddres = \"x:1\"\n":              `line 2: unknown key "computers.a.addres"; did you mean "address"?`,
		"[agnet]\nlinger = \"1s\"\n":                     `unknown key "agnet"`,
		"[agent]\nlinger = 5\n":                          "line 2: 5 has no unit",
		"[agent\n":                                       "line 2",
		"[agent]\nlinger = \"1s\"\nlinger = \"2s\"\n":    "line 3",
		"[agent]\nheartbeat = \"soon\"\nlinger=\"1s\"\n": "line 2",
	} {
		require.NoError(t, os.WriteFile(p.ClientFile(), []byte(text), 0o600))
		_, err := p.LoadClient()
		require.Error(t, err, text)
		assert.Contains(t, err.Error(), want)
		assert.Contains(t, err.Error(), "config.toml")
		assert.Equal(t, "InvalidConfigurationFile", api.AsError(err).FullyQualifiedErrorID)
	}
}

func TestDurationsHaveTheirUnit(t *testing.T) {
	dir := t.TempDir()
	p := Paths{Config: dir, State: dir}
	require.NoError(t, os.WriteFile(p.HostFile(), []byte("lease = \"90s\"\nretain_output = \"7d\"\n"), 0o600))
	h, err := p.LoadHost()
	require.NoError(t, err)
	assert.Equal(t, 90*time.Second, h.Lease.Or(0))
	assert.Equal(t, 7*24*time.Hour, h.RetainOutput.Or(0))
	assert.Equal(t, DefaultLinger, h.Linger.Or(DefaultLinger))
}

func TestWriteFileReplacesInOneStepAndLeavesNoRest(t *testing.T) {
	dir := t.TempDir()
	path := filepath.Join(dir, "f")
	require.NoError(t, WriteFile(path, []byte("one")))
	require.NoError(t, WriteFile(path, []byte("two")))
	require.Error(t, WriteFile(filepath.Join(dir, "missing", "f"), nil))
	data, err := os.ReadFile(path)
	require.NoError(t, err)
	assert.Equal(t, "two", string(data))
	st, err := os.Stat(path)
	require.NoError(t, err)
	assert.Equal(t, os.FileMode(0o600), st.Mode().Perm())
	entries, err := os.ReadDir(dir)
	require.NoError(t, err)
	assert.Len(t, entries, 1)
}

func TestPathsDoNotDependOnHowTheProcessStarted(t *testing.T) {
	t.Setenv("PSS_HOME", "")
	t.Setenv("XDG_STATE_HOME", "")
	t.Setenv("XDG_CONFIG_HOME", "")
	want, err := Find()
	require.NoError(t, err)
	t.Setenv("HOME", "/nonexistent")
	got, err := Find()
	require.NoError(t, err)
	assert.Equal(t, want, got, "sudo and cron change HOME")
	t.Setenv("PSS_HOME", "/x/y")
	got, err = Find()
	require.NoError(t, err)
	assert.Equal(t, Paths{Config: "/x/y", State: "/x/y"}, got)
}

func FuzzConfig(f *testing.F) {
	f.Add("[agent]\nlinger = \"1s\"\n[computers.a]\naddress = \"b:1\"\n")
	f.Add("x = [{y = 1}]")
	f.Fuzz(func(t *testing.T, text string) {
		if err := decode("f", text, &Client{}); err != nil {
			assert.True(t, strings.HasPrefix(err.Error(), "f: "))
		}
	})
}
