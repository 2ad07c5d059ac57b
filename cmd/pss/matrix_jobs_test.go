//go:build linux

package main_test

import (
	"encoding/json"
	"fmt"
	"os"
	"strconv"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
)

// jobPlaces are the points that the story of a job passes.
var jobPlaces = []place{
	{"job-folder", 1, "K"}, {"job-saved", 1, "K"}, {"job-append", 12, "K"}, {"job-synced", 12, "K"},
	{"job-deliver", 12, "K"}, {"job-unlisted", 1, "K"},
	{"client-flushed", 15, "K"}, {"client-last-ack", 2, "K"}, {"config-write", 8, "K"},
	{"session-done", 1, "K"}, {"host-made", 1, "K"}, {"host-removed", 1, "K"},
}

// A process is killed at one exact place of the story of a job: it is made with a session
// of its own, prints, is received and removed. Whatever the place, its command runs once,
// every line is received, none twice but by a receiver that was killed itself, and neither
// a session nor a file of the job is left.
//
//	PSS_TEST_SEED=7 go test ./cmd/pss -run 'TestJobKillMatrix/job-synced'
func TestJobKillMatrix(t *testing.T) {
	t.Parallel()
	rng := random(t)
	for _, p := range jobPlaces {
		pass := 1 + rng.IntN(p.passes)
		t.Run(p.name, func(t *testing.T) {
			t.Parallel()
			tellJobStory(t, p.name, pass)
		})
	}
}

const jobLines = 60

func tellJobStory(t *testing.T, point string, pass int) {
	w := newWorld(t, killPSS, matrixSettings)
	traps := w.path("traps")
	require.NoError(t, os.Mkdir(traps, 0o700))
	w.env = []string{fmt.Sprintf("PSS_TEST_POINT=%s %s %d KILL", traps, point, pass)}
	script := fmt.Sprintf("echo x >>%s; i=0; while [ $i -lt %d ]; do i=$((i+1)); echo line $i; sleep .01; done; exit 5", w.path("ran"), jobLines)
	w.pss("invoke-command", "--computer-name", "localhost", "--job-name", "j", "--script-block", script)
	if len(w.jobs()) == 0 { // its cmdlet or agent died before anything was on disk
		require.NoFileExists(t, w.path("ran"))
		w.must("invoke-command", "--computer-name", "localhost", "--job-name", "j", "--script-block", script, "--output", "id")
	}
	seen := map[uint64]string{}
	receive := func() result {
		r := w.pss("receive-job", "--name", "j", "--wait", "--output", "ndjson")
		for l := range strings.Lines(r.out) {
			var rec struct {
				Kind, Data string
				Seq        uint64
			}
			if json.Unmarshal([]byte(l), &rec) != nil || rec.Seq == 0 || rec.Kind != "Output" {
				continue // cut, in a receiver that was killed
			}
			if before, ok := seen[rec.Seq]; ok {
				require.Equal(t, before, rec.Data)
				require.NotEmpty(t, w.fired(traps), "repeated, and nobody was killed")
			}
			seen[rec.Seq] = rec.Data
		}
		return r
	}
	r := receive()
	if r.code < 0 {
		r = receive()
	}
	require.Equal(t, 1, r.code, r.err)
	require.Contains(t, r.out, `"ExitCode":5`)
	var text, want strings.Builder
	for seq, n := uint64(1), 0; n < len(seen); seq++ {
		if data, ok := seen[seq]; ok {
			text.WriteString(data)
			n++
		}
		require.Less(t, seq, uint64(10*jobLines))
	}
	for i := range jobLines {
		want.WriteString("line " + strconv.Itoa(i+1) + "\n")
	}
	require.Equal(t, want.String(), text.String())
	ran, err := os.ReadFile(w.path("ran"))
	require.NoError(t, err)
	require.Equal(t, "x\n", string(ran), "the command ran once")
	if r := w.pss("remove-job", "--name", "j"); r.code != 0 {
		require.NotEmpty(t, w.fired(traps), r.err)
	}
	eventually(t, "the job is gone", func() bool {
		if len(w.jobs()) > 0 {
			w.pss("remove-job", "--name", "j")
		}
		files, err := os.ReadDir(w.path("agent", "jobs"))
		return err == nil && len(files) == 0
	})
	eventually(t, "its session is gone", func() bool { return len(w.list("localhost")) == 0 })
	if w.fired(traps) == "" {
		t.Logf("not fired at pass %d", pass)
	}
}

// fired tells who was killed at the trap.
func (w *world) fired(traps string) string {
	b, _ := os.ReadFile(traps + "/fired")
	return string(b)
}

func (w *world) jobs() (jobs []jobLine) {
	w.t.Helper()
	r := w.pss("get-job", "--output", "json")
	if r.code >= 0 {
		require.NoError(w.t, json.Unmarshal([]byte(r.out), &jobs), r.err)
		return jobs
	}
	return w.jobs()
}
