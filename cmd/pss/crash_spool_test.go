//go:build linux

package main_test

import (
	"fmt"
	"math/rand/v2"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"pss/remote/api"
)

// With its session host killed a session is Broken; everything that was spooled
// can still be received, more than once with --replay, and nothing is invented.
func TestKilledSessionHost(t *testing.T) {
	t.Parallel()
	w := newWorld(t, racePSS, nil)
	w.must("new-pssession", "--name", "s", "--output", "id")
	require.Equal(t, 4, w.pss("invoke-command", "--name", "s", "--script-block", "echo first; exit 4").code)
	r := w.start("invoke-command", "--name", "s", "--output", "ndjson", "--script-block", numbered(w.home, 3, 1, "sleep 0.02"))
	eventually(t, "output", func() bool { return strings.Contains(r.out.String(), `o 20 `) })
	kill(t, r.cmd.Process.Pid)
	<-r.done
	n := count(w.home, 3)
	eventually(t, "unread output", func() bool { return count(w.home, 3) > n+20 })
	var listed uint64
	eventually(t, "unread output is listed", func() bool {
		listed = w.session("s").UnreadRecords
		return listed > 10
	})
	kill(t, w.facts()["s"].info.Pid)
	l := w.session("s")
	require.Equal(t, "Broken/None/Lost", l.status())
	require.Contains(t, l.Reason, "session host")
	c := newCollector(t)
	recs, _ := records(t, r.out.String())
	c.take(recs)
	got := w.as("two").pss("receive-pssession", "--computer-name", "localhost", "--name", "s", "--output", "ndjson")
	require.Equal(t, 243, got.code, got.err)
	recs, last := records(t, got.out)
	c.take(recs)
	require.Equal(t, "Lost/pss", last.Outcome+"/"+last.ErrorSource)
	requirePrefix(t, 3, c.text["Output"].String(), c.text["Error"].String())
	require.GreaterOrEqual(t, len(recs), int(listed), "what was listed as unread is there")
	again := w.as("two").pss("receive-pssession", "--computer-name", "localhost", "--name", "s")
	require.Equal(t, 243, again.code)
	require.Empty(t, again.out)
	replay := w.pss("receive-pssession", "--computer-name", "localhost", "--name", "s", "--replay", "--output", "ndjson")
	require.Equal(t, 243, replay.code)
	all, _ := records(t, replay.out)
	require.Equal(t, []uint32{1, 2}, pipelinesOf(all))
	whole := newCollector(t)
	whole.take(all)
	require.Equal(t, "first\n"+c.text["Output"].String(), whole.text["Output"].String())
	// Nothing but its output is left of it.
	require.Equal(t, 243, w.pss("invoke-command", "--name", "s", "--script-block", "echo no").code)
	require.Equal(t, 243, w.pss("connect-pssession", "--name", "s").code)
	w.must("remove-pssession", "--computer-name", "localhost", "--name", "s")
	require.Empty(t, w.list("localhost"))
}

// requirePrefix proves that both streams are the beginnings of what command k
// printed.
func requirePrefix(t *testing.T, k int, out, errs string) {
	t.Helper()
	n := strings.Count(out, "\n") + strings.Count(errs, "\n") + 1
	var wantOut, wantErr strings.Builder
	for i := 1; i <= n; i++ {
		c := (i*7919 + k*104729) % 1000003
		fmt.Fprintf(&wantOut, "o %d %d\n", i, c)
		fmt.Fprintf(&wantErr, "e %d %d\n", i, c)
	}
	require.True(t, strings.HasPrefix(wantOut.String(), out), "output was invented: …%q", out[max(0, len(out)-200):])
	require.True(t, strings.HasPrefix(wantErr.String(), errs), "errors were invented: …%q", errs[max(0, len(errs)-200):])
}

// A session host that ended between the end of a command and its next save of
// the facts has lost nothing: the command's own end is in its spool.
func TestEndInTheSpoolCounts(t *testing.T) {
	t.Parallel()
	w := newWorld(t, racePSS, nil)
	w.must("invoke-command", "--computer-name", "localhost", "--in-disconnected-session", "--session-name", "s", "--script-block", "echo out; exit 6")
	w.await("s", "Disconnected/None/Finished")
	f := w.facts()["s"]
	kill(t, f.info.Pid)
	// As the facts were just before the save.
	p := &f.info.Pipelines[0]
	p.State, p.Ended, p.ExitCode, p.Outcome = api.PipelineRunning, nil, nil, ""
	facts, err := api.OpenFacts(filepath.Join(f.dir, api.FactsFile))
	require.NoError(t, err)
	require.NoError(t, facts.Write(&f.info))
	require.NoError(t, facts.Close())
	on := []string{"receive-pssession", "--computer-name", "localhost", "--name", "s"}
	require.Equal(t, result{"out\n", "", 6}, w.pss(on...))
	require.Equal(t, result{"", "", 6}, w.pss(on...))
	require.Equal(t, "Broken", w.session("s").State)
}

// Whatever a crash did to the end of the spool: opening it repairs it, and what
// is received is what was printed, with a gap where something is missing.
func TestDamagedSpoolTail(t *testing.T) {
	t.Parallel()
	rng := random(t)
	w := newWorld(t, thisPSS, nil)
	require.NoError(t, os.Mkdir(w.path("never"), 0o700))
	damage := map[string]func(b []byte) []byte{
		"cut":  func(b []byte) []byte { return b[:len(b)-1-rng.IntN(200)] },
		"torn": func(b []byte) []byte { clear(b[len(b)-1-rng.IntN(200):]); return b },
		"flipped": func(b []byte) []byte {
			b[len(b)-1-rng.IntN(400)] ^= 1 << rng.IntN(8)
			return b
		},
		"garbage": func(b []byte) []byte { return append(b, randomBytes(rng, 300)...) },
		"twice":   func(b []byte) []byte { return append(b, b[len(b)-100-rng.IntN(500):]...) },
	}
	for name, f := range damage {
		t.Run(name, func(t *testing.T) {
			w := *w
			w.t = t
			w.must("invoke-command", "--computer-name", "localhost", "--in-disconnected-session", "--session-name", name,
				"--script-block", numbered(w.path("never"), 8, 0, "sleep 0.01"))
			eventually(t, "output", func() bool { return w.session(name).UnreadRecords > 40 })
			s := w.facts()[name]
			kill(t, s.info.Pid)
			files, err := filepath.Glob(filepath.Join(s.dir, "p", "1", "*.seg"))
			require.NoError(t, err)
			require.NotEmpty(t, files)
			path := files[len(files)-1]
			b, err := os.ReadFile(path)
			require.NoError(t, err)
			intact := len(regexp.MustCompile(`[oe] \d+ \d+\n`).FindAll(b, -1))
			require.NoError(t, os.WriteFile(path, f(b), 0o600))
			r := w.pss("receive-pssession", "--computer-name", "localhost", "--name", name, "--output", "ndjson")
			require.Equal(t, 243, r.code, r.err)
			recs, _ := records(t, r.out)
			lines := requireHonest(t, 8, recs)
			if name == "garbage" || name == "twice" {
				require.Equal(t, intact, lines, "behind the end only")
			} else {
				require.Greater(t, lines, intact-40, "no more is lost than was damaged")
			}
			again := w.pss("receive-pssession", "--computer-name", "localhost", "--name", name, "--replay", "--output", "ndjson")
			all, _ := records(t, again.out)
			require.Equal(t, lines, requireHonest(t, 8, all))
		})
	}
}

// requireHonest proves that every line is one that command k printed, in order,
// and returns how many there are.
func requireHonest(t *testing.T, k int, recs []record) (lines int) {
	t.Helper()
	last := map[string]int{}
	var seq uint64
	for _, r := range recs {
		require.Greater(t, r.Seq, seq)
		if r.Kind != "Gap" {
			require.Equal(t, seq+1, r.Seq, "missing without a gap")
		}
		seq = r.Seq
		if r.Kind != "Output" && r.Kind != "Error" {
			continue
		}
		for l := range strings.Lines(r.Data) {
			var stream string
			var i, c int
			_, err := fmt.Sscanf(l, "%s %d %d\n", &stream, &i, &c)
			require.NoError(t, err, "%q", l)
			require.Equal(t, map[string]string{"Output": "o", "Error": "e"}[r.Kind], stream)
			require.Equal(t, (i*7919+k*104729)%1000003, c, "%q", l)
			require.Greater(t, i, last[stream])
			last[stream] = i
			lines++
		}
	}
	return lines
}

func randomBytes(rng *rand.Rand, n int) []byte {
	b := make([]byte, n)
	for i := range b {
		b[i] = byte(rng.Uint32())
	}
	return b
}
