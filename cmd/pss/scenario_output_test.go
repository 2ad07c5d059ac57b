//go:build linux

package main_test

import (
	"context"
	"fmt"
	"io"
	"os"
	"strings"
	"testing"

	"github.com/google/uuid"
	"github.com/stretchr/testify/require"

	"pss/remote/api"
)

// Scenario 33: an object in whose middle a client's connection was cut is
// delivered whole to the next client, and the objects before it not again.
func TestScenario33CutInTheMiddle(t *testing.T) {
	t.Parallel()
	w := newWorld(t, racePSS, nil)
	w.must("new-pssession", "--name", "s", "--output", "id")
	f := w.facts()["s"]
	ctx, cancel := context.WithTimeout(context.Background(), patience)
	defer cancel()
	sh := sessionHost(f, f.info.Attached.Client)
	// Pieces of 50 kB with a pause between them: an object each.
	script := `for i in 1 2 3 4; do head -c 50000 /dev/zero | tr '\0' $i; sleep 0.1; done; exit 6`
	s, err := sh.Stream(ctx, f.info.InstanceID, &api.StreamRequest{
		Stream: uuid.NewString(), Epoch: f.info.Epoch, Pipeline: uuid.NewString(), Start: &api.Command{Script: script},
	})
	require.NoError(t, err)
	defer s.Close()
	var whole strings.Builder // what this client took before the cut
	var last uint64
	for {
		head, err := s.Reader.Peek(api.FrameHeaderSize)
		require.NoError(t, err)
		n, err := api.FrameLength(head)
		require.NoError(t, err)
		if whole.Len() >= 50_000 && n > 2*api.FrameHeaderSize {
			_, err = io.ReadFull(s.Reader, make([]byte, n/2))
			require.NoError(t, err)
			break
		}
		frame := make([]byte, n)
		_, err = io.ReadFull(s.Reader, frame)
		require.NoError(t, err)
		rec, _, err := api.ParseFrame(frame)
		require.NoError(t, err)
		if rec.Kind != api.KindOutput {
			continue
		}
		whole.Write(rec.Data)
		last = rec.Seq
		require.NoError(t, api.WriteFrame(s, &api.Record{Kind: api.KindAck, Pipeline: rec.Pipeline, Seq: rec.Seq}))
	}
	eventually(t, "the acknowledgement", func() bool {
		got, err := sh.Session(ctx, f.info.InstanceID)
		return err == nil && got.Runspace.Pipelines[0].Acked == last
	})
	s.Close()
	w.must("disconnect-pssession", "--name", "s")

	r := w.as("two").pss("receive-pssession", "--computer-name", "localhost", "--name", "s", "--output", "ndjson")
	require.Equal(t, 6, r.code, r.err)
	recs, _ := records(t, r.out)
	require.Equal(t, last+1, recs[0].Seq, "the object of the cut is the first one")
	for _, rec := range recs {
		whole.WriteString(rec.Data)
	}
	want := strings.Repeat("1", 50_000) + strings.Repeat("2", 50_000) + strings.Repeat("3", 50_000) + strings.Repeat("4", 50_000)
	require.True(t, want == whole.String(), "%d bytes", whole.Len())
}

// Scenario 39: what a command printed around an orderly disconnect is with the
// client that left or there for the next one.
func TestScenario39DisconnectWithPendingOutput(t *testing.T) {
	t.Parallel()
	rng := random(t)
	w := newWorld(t, racePSS, nil)
	for round := range rounds(3) {
		name, k := fmt.Sprintf("s%d", round), 20+round
		w.must("new-pssession", "--name", name, "--output", "id")
		left := w.start("invoke-command", "--name", name, "--output", "ndjson", "--script-block", numbered(w.home, k, 9, "sleep 0.001"))
		moment := rng.IntN(500)
		eventually(t, "a random moment", func() bool { return count(w.home, k) > moment })
		w.must("disconnect-pssession", "--name", name)
		require.Equal(t, 247, left.wait(t), left.errs.String())
		c := newCollector(t)
		recs, _ := records(t, left.out.String())
		c.take(recs)
		require.Zero(t, c.ends, "it was left before its end")
		require.NoError(t, os.WriteFile(w.path("stop"), nil, 0o600))
		r := w.as("two").pss("receive-pssession", "--computer-name", "localhost", "--name", name, "--output", "ndjson")
		require.Equal(t, 9, r.code, r.err)
		recs, _ = records(t, r.out)
		c.take(recs)
		checkNumbered(t, k, c.text["Output"].String(), c.text["Error"].String())
		require.NoError(t, os.Remove(w.path("stop")))
	}
}
