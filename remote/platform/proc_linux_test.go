package platform

import (
	"fmt"
	"os"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

// BootTime is the uptime as the system tells it, which counts suspend.
func TestBootTimeIsTheUptime(t *testing.T) {
	text, err := os.ReadFile("/proc/uptime")
	require.NoError(t, err)
	var seconds float64
	_, err = fmt.Sscan(string(text), &seconds)
	require.NoError(t, err)
	assert.InDelta(t, seconds, BootTime().Seconds(), 1)
	from := BootTime()
	assert.Eventually(t, func() bool { return BootTime() > from }, time.Second, time.Millisecond)
}
