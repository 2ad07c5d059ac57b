//go:build linux

package main_test

import (
	"encoding/json"
	"fmt"
	"os"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
)

// jobReader puts together what receive-job delivered of a job, child by child.
type jobReader struct {
	t    *testing.T
	seq  map[string]uint64 // by RunspaceId
	text map[string]map[string]*strings.Builder
	ends map[string]int
}

func newJobReader(t *testing.T) *jobReader {
	return &jobReader{t: t, seq: map[string]uint64{}, text: map[string]map[string]*strings.Builder{}, ends: map[string]int{}}
}

// take reads NDJSON. Nothing may be missing in it, and nothing come twice.
func (r *jobReader) take(out string) {
	r.t.Helper()
	for l := range strings.Lines(out) {
		var rec struct {
			Type, RunspaceID, Kind, Data string
			Seq                          uint64
		}
		require.NoError(r.t, json.Unmarshal([]byte(l), &rec), l)
		if rec.Type != "Record" {
			continue
		}
		require.Equal(r.t, r.seq[rec.RunspaceID]+1, rec.Seq, "of session %s", rec.RunspaceID)
		r.seq[rec.RunspaceID] = rec.Seq
		if r.text[rec.RunspaceID] == nil {
			r.text[rec.RunspaceID] = map[string]*strings.Builder{"Output": {}, "Error": {}}
		}
		switch b := r.text[rec.RunspaceID][rec.Kind]; {
		case b != nil:
			b.WriteString(rec.Data)
		case rec.Kind == "End":
			r.ends[rec.RunspaceID]++
		default:
			r.t.Errorf("a job has a record of kind %s: %s", rec.Kind, l)
		}
	}
}

// jobLine is the part of a job's JSON that the tests look at.
type jobLine struct {
	ID          int `json:"Id"`
	Name        string
	State       string
	HasMoreData bool
	RunspaceID  string `json:"RunspaceId"`
	ChildJobs   []jobLine
}

func (w *world) job(name string) jobLine {
	w.t.Helper()
	var jobs []jobLine
	require.NoError(w.t, json.Unmarshal([]byte(w.must("get-job", "--name", name, "--output", "json")), &jobs))
	require.Len(w.t, jobs, 1)
	return jobs[0]
}

// The agent is killed, again and again, and the host with it, while a job of two children
// prints numbered lines and is read. The next cmdlet finds the job as it was, and in the end
// every line was received once.
func TestKilledAgentLosesNothingOfAJob(t *testing.T) {
	t.Parallel()
	rng := random(t)
	w := newWorld(t, thisPSS, map[string]string{"host.toml": "lease = \"60s\"\n"})
	for k := range 2 {
		name := fmt.Sprintf("s%d", k)
		w.must("new-pssession", "--name", name, "--output", "id")
		w.must("invoke-command", "--name", name, "--script-block", "numbered() {\n"+numbered(w.home, k, 10+k, "sleep 0.1")+"\n}")
	}
	w.must("invoke-command", "--name", "s0,s1", "--job-name", "both", "--script-block", "numbered", "--output", "id")
	before := w.job("both")
	reader := newJobReader(t)
	progress := func(lines int) {
		t.Helper()
		for k := range 2 {
			from := count(w.home, k)
			eventually(t, "the job's commands go on", func() bool { return count(w.home, k) >= from+lines })
		}
	}
	progress(5)
	for round := range rounds(5) {
		progress(rng.IntN(20))
		if round%2 == 1 {
			r := w.pss("receive-job", "--name", "both", "--output", "ndjson")
			require.Zero(t, r.code, r.err)
			reader.take(r.out)
			progress(1)
		}
		victims := []int{w.agent()}
		if round%3 == 2 {
			victims = append(victims, w.host())
		}
		kill(t, victims...)
		if round%2 == 0 {
			progress(5) // with nobody there
		}
		j := w.job("both")
		require.Equal(t, "Running", j.State, "round %d", round)
		require.Equal(t, before.ID, j.ID)
		require.Equal(t, before.ChildJobs[1].ID, j.ChildJobs[1].ID)
	}
	// One that follows notices nothing but a pause.
	follower := w.start("receive-job", "--name", "both", "--wait", "--output", "ndjson")
	for range 2 {
		seen := len(follower.out.String())
		eventually(t, "the follower goes on", func() bool { return len(follower.out.String()) > seen })
		kill(t, w.agent())
		w.job("both")
	}
	require.NoError(t, os.WriteFile(w.path("stop"), nil, 0o600))
	require.Equal(t, 1, follower.wait(t), follower.errs.String())
	reader.take(follower.out.String())
	j := w.job("both")
	require.Equal(t, "Completed", j.State)
	require.False(t, j.HasMoreData)
	for k, child := range j.ChildJobs {
		require.Equal(t, 1, reader.ends[child.RunspaceID])
		text := reader.text[child.RunspaceID]
		checkNumbered(t, k, text["Output"].String(), text["Error"].String())
	}
	w.must("remove-job", "--name", "both")
	left, err := os.ReadDir(w.path("agent", "jobs"))
	require.NoError(t, err)
	require.Empty(t, left)
}

// An agent that is killed while it makes the session of a job leaves one that the next
// agent knows; in the end there is no session and no job.
func TestKilledAgentKeepsAJobThatBegins(t *testing.T) {
	t.Parallel()
	w := newWorld(t, thisPSS, nil)
	w.must("new-pssession", "--name", "warm", "--output", "id")
	for range rounds(3) {
		r := w.start("invoke-command", "--computer-name", "localhost", "--job-name", "new", "--script-block", "echo made")
		eventually(t, "the job is on disk", func() bool {
			files, err := os.ReadDir(w.path("agent", "jobs"))
			return err == nil && len(files) > 0
		})
		kill(t, w.agent())
		r.wait(t)
		w.must("wait-job", "--name", "new")
		require.Equal(t, "made", w.must("receive-job", "--name", "new", "--wait", "--auto-remove-job"))
		eventually(t, "its session is gone", func() bool { return len(w.list("localhost")) == 1 })
	}
	w.must("remove-pssession", "--name", "warm")
}
