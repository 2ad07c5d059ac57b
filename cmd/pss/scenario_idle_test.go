//go:build linux

package main_test

import (
	"fmt"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
)

// Scenario 62: to connect a session and to disconnect it again starts its idle clock
// anew: it outlives the end that it had before, and meets the new one.
func TestScenario62ClockStartsAnew(t *testing.T) {
	t.Parallel()
	w := newWorld(t, thisPSS, map[string]string{"host.toml": "min_idle_timeout = \"1s\"\n"})
	// On a busy computer the look may come too late to tell anything: then the
	// next try has more time.
	for try, timeout := 1, 2*time.Second; ; try, timeout = try+1, 2*timeout {
		name := fmt.Sprintf("s%d", try)
		w.must("new-pssession", "--name", name, "--output", "id", "--session-option", fmt.Sprintf(`{"IdleTimeout":%d}`, timeout.Milliseconds()))
		w.must("disconnect-pssession", "--name", name)
		first := *w.facts()[name].info.ExpiresOn
		eventually(t, "half of the time", func() bool { return time.Until(first) < timeout/2 })
		if r := w.pss("connect-pssession", "--name", name); r.code != 0 {
			require.Less(t, try, 4, r.err)
			continue
		}
		w.must("disconnect-pssession", "--name", name)
		second := *w.facts()[name].info.ExpiresOn
		require.Greater(t, second.Sub(first), timeout/4)
		eventually(t, "the end that it had before", func() bool { return time.Now().After(first) })
		l := w.session(name)
		if late := time.Now().After(second); late {
			require.Less(t, try, 4, "too slow")
			continue
		}
		require.Equal(t, "Disconnected/None/None", l.status())
		eventually(t, "the end that it has now", func() bool { return w.session(name).State == "Closed" })
		require.True(t, time.Now().After(second))
		return
	}
}
