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
	require.NoError(t, u.note(now, "Server01"))
	require.NoError(t, u.note(now, ""))
	before, err := os.Stat(u.path)
	require.NoError(t, err)
	require.NoError(t, u.note(now.Add(time.Hour), "SERVER01"))
	after, err := os.Stat(u.path)
	require.NoError(t, err)
	assert.True(t, os.SameFile(before, after), "a computer in constant use costs no writing")

	u, err = openUsed(dir)
	require.NoError(t, err)
	assert.Equal(t, []string{"Server01", "localhost"}, u.names())
	require.NoError(t, u.note(now.Add(usedLife), "https://far:443"))
	require.NoError(t, u.note(now.Add(usedLife+time.Minute), "localhost"))
	assert.Equal(t, []string{"https://far:443", "localhost"}, u.names(), "what was not used for long is forgotten")

	require.NoError(t, os.WriteFile(u.path, []byte("{"), 0o600))
	u, err = openUsed(dir)
	require.NoError(t, err)
	assert.Empty(t, u.names())
}
