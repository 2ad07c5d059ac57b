//go:build linux

package main_test

import (
	"fmt"
	"syscall"
	"testing"

	"github.com/stretchr/testify/require"
)

// A session that expires while its command is printing has ended once, and as Expired:
// what the shell still says before it is gone changes nothing.
func TestExpiredWhilePrinting(t *testing.T) {
	t.Parallel()
	w := newWorld(t, racePSS, map[string]string{"host.toml": "min_idle_timeout = \"100ms\"\n"})
	require.NoError(t, syscall.Mkfifo(w.path("never"), 0o600))
	script := fmt.Sprintf("for ((i = 1; ; i++)); do echo $i; read -t 0.001 <> %s; done", w.path("never"))
	w.must("invoke-command", "--computer-name", "localhost", "--in-disconnected-session", "--session-name", "s",
		"--session-option", `{"IdleTimeout":300}`, "--script-block", script)
	w.await("s", "Closed/None/Lost")
	for _, replay := range [][]string{nil, {"--replay"}} {
		r := w.pss(append([]string{"receive-pssession", "--computer-name", "localhost", "--name", "s", "--output", "ndjson"}, replay...)...)
		require.Equal(t, 243, r.code, r.err)
		recs, last := records(t, r.out)
		ends := 0
		for i, rec := range recs {
			require.Equal(t, uint64(i+1), rec.Seq)
			if rec.Kind == "End" {
				ends++
			}
		}
		require.Equal(t, 1, ends)
		require.Equal(t, "End", recs[len(recs)-1].Kind)
		require.Equal(t, "Lost/pss", last.Outcome+"/"+last.ErrorSource)
	}
	require.Equal(t, 243, w.pss("receive-pssession", "--computer-name", "localhost", "--name", "s").code, "again")
}
