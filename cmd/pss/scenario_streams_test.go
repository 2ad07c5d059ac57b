//go:build linux

package main_test

import (
	"fmt"
	"os"
	"slices"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
)

// scriptedWorld has the engine that gives records of every kind, as a session
// configuration.
func scriptedWorld(t *testing.T, host string) *world {
	return newWorld(t, racePSS, map[string]string{
		"configurations/Scripted.toml": "Engine = \"scripted\"\n",
		"host.toml":                    host,
	})
}

var inDisconnectedScript = []string{"invoke-command", "--computer-name", "localhost", "--configuration-name", "Scripted", "--in-disconnected-session"}

// Scenario 34: records of every kind, printed in an interleaving, reach another
// client, all of them and in the order of their arrival.
func TestScenario34EveryKindArrives(t *testing.T) {
	t.Parallel()
	w := scriptedWorld(t, "")
	rng := random(t)
	words := []string{"output", "error", "warning", "verbose", "debug", "information", "progress"}
	var script strings.Builder
	var want, texts []string
	for i := range 200 {
		word := words[rng.IntN(len(words))]
		fmt.Fprintf(&script, "%s line %d\n", word, i)
		want = append(want, fmt.Sprintf("%s%s line %d", strings.ToUpper(word[:1]), word[1:], i))
		switch word {
		case "error":
			texts = append(texts, fmt.Sprintf("line %d", i))
		case "warning", "verbose", "debug":
			texts = append(texts, fmt.Sprintf("%s: line %d", strings.ToUpper(word), i))
		case "information":
			texts = append(texts, fmt.Sprintf("INFO: line %d", i))
		}
	}
	script.WriteString("exit 5\n")
	for _, name := range []string{"records", "text"} {
		w.must(append(slices.Clone(inDisconnectedScript), "--session-name", name, "--script-block", script.String())...)
		w.await(name, "Disconnected/None/Finished")
	}
	other := w.as("two")
	r := other.pss("receive-pssession", "--computer-name", "localhost", "--name", "records", "--output", "ndjson")
	require.Equal(t, 5, r.code, r.err)
	recs, last := records(t, r.out)
	var got []string
	for i, rec := range recs[:len(recs)-1] {
		require.Equal(t, uint64(i+1), rec.Seq)
		got = append(got, rec.Kind+" "+strings.TrimSuffix(rec.Data, "\n"))
	}
	require.Equal(t, want, got)
	require.Equal(t, "End", recs[len(recs)-1].Kind)
	require.Equal(t, "remote", last.ErrorSource)

	// As text: standard output has the output alone, standard error the rest.
	r = other.pss("receive-pssession", "--computer-name", "localhost", "--name", "text")
	require.Equal(t, 5, r.code, r.err)
	var output []string
	for _, line := range want {
		if text, ok := strings.CutPrefix(line, "Output "); ok {
			output = append(output, text)
		}
	}
	require.Equal(t, strings.Join(output, "\n")+"\n", r.out)
	require.Equal(t, strings.Join(texts, "\n")+"\n", r.err)
}

// Scenario 35: of an engine that can tell that its command failed, a receiver gets
// the earlier output, then the error, and then the failure as the command's end.
func TestScenario35FailureComesLast(t *testing.T) {
	t.Parallel()
	w := scriptedWorld(t, "")
	script := "output before\nverbose more\nerror it is broken\nfail the command gave up\noutput never\n"
	w.must(append(slices.Clone(inDisconnectedScript), "--session-name", "s", "--script-block", script)...)
	w.await("s", "Disconnected/None/Finished")
	r := w.as("two").pss("receive-pssession", "--computer-name", "localhost", "--name", "s", "--output", "ndjson")
	require.Equal(t, 246, r.code, r.err)
	recs, last := records(t, r.out)
	require.Equal(t, []string{"Output", "Verbose", "Error", "End"}, kindsOf(recs))
	require.Contains(t, string(recs[3].Value), `"Outcome":"Failed"`)
	require.Contains(t, string(recs[3].Value), "the command gave up")
	require.Equal(t, "Failed/pss", last.Outcome+"/"+last.ErrorSource)
	require.Contains(t, r.err, "the command gave up")
}

// A command waits in its next write of any stream once the buffer is full, not only
// of output, and goes on when somebody receives.
func TestEveryStreamWaitsAtTheLimit(t *testing.T) {
	t.Parallel()
	w := scriptedWorld(t, "output_buffer_size = 10000\n")
	var script strings.Builder
	for i := range 100 {
		fmt.Fprintf(&script, "verbose %04d%s\n", i, strings.Repeat("x", 996))
	}
	script.WriteString("exit 3\n")
	require.NoError(t, os.WriteFile(w.path("script"), []byte(script.String()), 0o600))
	w.must(append(slices.Clone(inDisconnectedScript), "--session-name", "s", "--file-path", w.path("script"))...)
	l := w.await("s", "Disconnected/None/Blocked")
	require.Less(t, l.UnreadRecords, uint64(15))
	r := w.as("two").pss("receive-pssession", "--computer-name", "localhost", "--name", "s", "--output", "ndjson")
	require.Equal(t, 3, r.code, r.err)
	recs, _ := records(t, r.out)
	next := 0
	for _, rec := range recs {
		if rec.Kind == "Verbose" {
			require.Equal(t, fmt.Sprintf("%04d", next), rec.Data[:4])
			next++
		}
	}
	require.Equal(t, 100, next)
}
