package config

import (
	"os"
	"path/filepath"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
	"pss/remote/api"
)

func TestSessionConfigurations(t *testing.T) {
	const minIdle = 60_000
	p := Paths{Config: t.TempDir()}
	require.NoError(t, os.Mkdir(p.Configurations(), 0o700))
	write := func(name, text string) {
		require.NoError(t, os.WriteFile(filepath.Join(p.Configurations(), name+".toml"), []byte(text), 0o600))
	}
	s, err := p.LoadSession("", minIdle)
	require.NoError(t, err)
	assert.Equal(t, &api.SessionConfiguration{Name: "Microsoft.PowerShell", BuiltIn: true}, s)
	timeout, longest := s.Idle()
	assert.Equal(t, []int64{api.DefaultIdleTimeoutMs, api.MaxIdleTimeoutMs}, []int64{timeout, longest})
	assert.Equal(t, []string{"bash", "sh"}, s.Engines())

	write("Long", "Engine = \"sh\"\nIdleTimeoutMs = \"48h\"\nMaxIdleTimeoutMs = \"never\"\nOutputBufferingMode = \"drop\"\nIdleClockWhileBusy = false\n")
	s, err = p.LoadSession("lONG", minIdle)
	require.NoError(t, err)
	timeout, longest = s.Idle()
	assert.Equal(t, []int64{48 * 3600 * 1000, 0}, []int64{timeout, longest})
	assert.Equal(t, "Long", s.Name)
	assert.Equal(t, api.BufferingDrop, s.OutputBufferingMode)
	assert.Equal(t, []string{"sh"}, s.Engines())

	// A file goes before what is built in, and keeps the name's own spelling.
	write("microsoft.powershell", "MaxIdleTimeoutMs = 3600000\n")
	s, err = p.LoadSession("", minIdle)
	require.NoError(t, err)
	timeout, _ = s.Idle()
	assert.Equal(t, int64(3_600_000), timeout, "the built-in value is bounded by the maximum")
	assert.Equal(t, "Microsoft.PowerShell", s.Name)

	_, err = p.LoadSession("none", minIdle)
	assert.Equal(t, "InvalidResourceUri,PSSessionOpenFailed", api.AsError(err).FullyQualifiedErrorID)
	for text, want := range map[string]string{
		"IdleTimeotMs = 1\n":                       `line 1: unknown key "IdleTimeotMs"; did you mean "IdleTimeoutMs"?`,
		"IdleTimeoutMs = 1000\n":                   "IdleTimeoutMs 1 s is outside the allowed range, 60 s to 2147483647 ms",
		"IdleTimeoutMs = \"never\"\n":              "IdleTimeoutMs never is outside",
		"MaxIdleTimeoutMs = 10\n":                  "below the host's minimum",
		"IdleTimeoutMs = true\n":                   "neither a number",
		"IdleTimeoutMs = -1\n":                     "negative",
		"OutputBufferingMode = \"Lose\"\n":         "no output buffering mode",
		"MaxMemoryPerShellMB = -1\n":               "cannot be negative",
		"IdleTimeoutMs = 4000\nMaxIdleTimeoutMs=4": "below the host's minimum",
	} {
		write("bad", text)
		_, err := p.LoadSession("bad", minIdle)
		require.Error(t, err, text)
		assert.Contains(t, err.Error(), want)
		assert.Contains(t, err.Error(), "bad.toml")
	}
}
