package agent

import (
	"os"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

func TestUsed(t *testing.T) {
	dir, now := t.TempDir(), time.Now()
	u, err := openUsed(dir)
	require.NoError(t, err)
	require.NoError(t, u.note("Server01", now))
	require.NoError(t, u.note("", now))
	before, err := os.Stat(u.path)
	require.NoError(t, err)
	require.NoError(t, u.note("SERVER01", now.Add(time.Hour)))
	after, err := os.Stat(u.path)
	require.NoError(t, err)
	assert.True(t, os.SameFile(before, after), "a computer in constant use costs no writing")

	u, err = openUsed(dir)
	require.NoError(t, err)
	assert.Equal(t, []string{"Server01", "localhost"}, u.names())
	require.NoError(t, u.note("https://far:443", now.Add(usedLife)))
	require.NoError(t, u.note("localhost", now.Add(usedLife+time.Minute)))
	assert.Equal(t, []string{"https://far:443", "localhost"}, u.names(), "what was not used for long is forgotten")

	require.NoError(t, os.WriteFile(u.path, []byte("{"), 0o600))
	u, err = openUsed(dir)
	require.NoError(t, err)
	assert.Empty(t, u.names())
}
