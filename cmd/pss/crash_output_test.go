//go:build linux

package main_test

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"net/http"
	"os"
	"strings"
	"testing"
	"time"

	"github.com/google/uuid"
	"github.com/stretchr/testify/require"

	"pss/remote/api"
	"pss/remote/client"
)

// receiveUntil receives as NDJSON and kills the receiver once it has written
// about limit bytes. It returns everything that the receiver wrote.
func receiveUntil(w *world, limit int, args ...string) string {
	t := w.t
	t.Helper()
	ctx, cancel := context.WithTimeout(context.Background(), 2*patience)
	defer cancel()
	cmd := w.command(ctx, append([]string{"receive-pssession", "--output", "ndjson"}, args...)...)
	out, err := cmd.StdoutPipe()
	require.NoError(t, err)
	var errs bytes.Buffer
	cmd.Stderr = &errs
	require.NoError(t, cmd.Start())
	var got bytes.Buffer
	n, err := io.CopyN(&got, out, int64(limit))
	if err != nil {
		_ = cmd.Wait() // only then standard error is complete
		require.NoError(t, err, "ended after %d bytes: %s", n, errs.String())
	}
	require.NoError(t, cmd.Process.Kill())
	_, err = io.Copy(&got, out)
	require.NoError(t, err)
	require.Error(t, cmd.Wait())
	return got.String()
}

// A receiver that is killed in the middle of 100 MB, again and again, costs
// nothing: the next one goes on from the last acknowledged record.
func TestKilledReceiverOf100MB(t *testing.T) {
	t.Parallel()
	rng := random(t)
	w := newWorld(t, thisPSS, nil)
	last := 4_500_000 // lines: about 40 MB
	if slow() {
		last = 12_700_000 // about 100 MB
	}
	// A start offset makes all lines equally long: 10000000 … 22700000.
	size := (last + 1) * 9
	script := fmt.Sprintf("seq 10000000 %d; exit 7", 10_000_000+last)
	w.must("invoke-command", "--computer-name", "localhost", "--in-disconnected-session", "--session-name", "big", "--script-block", script)
	c := newCollector(t)
	on := []string{"--computer-name", "localhost", "--name", "big"}
	for i := range rounds(4) {
		limit := max(size/20, 4<<20) + rng.IntN(size/10) // more than one acknowledgement
		recs, end := records(t, receiveUntil(w, limit, on...))
		require.Nil(t, end)
		require.NotEmpty(t, recs)
		if i > 0 {
			require.Greater(t, recs[0].Seq, uint64(1), "goes on, does not begin again")
		}
		repeated := c.take(recs)
		// What is shown twice is bounded by what a client acknowledges at once.
		var bytes int
		for _, r := range recs[:repeated] {
			bytes += len(r.Data)
		}
		require.Less(t, bytes, 8<<20, "round %d", i)
		require.Less(t, c.text["Output"].Len(), size)
	}
	r := w.pss(append([]string{"receive-pssession", "--output", "ndjson"}, on...)...)
	require.Equal(t, 7, r.code, r.err)
	recs, end := records(t, r.out)
	c.take(recs)
	require.NotNil(t, end)
	require.Equal(t, 7, *end.ExitCode)
	require.Equal(t, 1, c.ends)
	got := c.text["Output"].String()
	require.Len(t, got, size)
	for i := 0; i <= last; i++ {
		if line := got[i*9 : i*9+9]; line != fmt.Sprintf("%d\n", 10_000_000+i) {
			require.Failf(t, "wrong line", "%d: %q", i, line)
		}
	}
	// Received again it prints nothing and returns its code again; --replay prints
	// what is still kept, to its end.
	r = w.pss(append([]string{"receive-pssession"}, on...)...)
	require.Equal(t, result{"", "", 7}, r)
	r = w.pss(append([]string{"receive-pssession", "--replay"}, on...)...)
	require.Equal(t, 7, r.code)
	require.True(t, strings.HasSuffix(got, r.out))
	require.Greater(t, len(r.out), 32<<20)
}

// A pipeline that nobody has read neither holds up nor is acknowledged by a
// later one that is read live, and each has its own position.
func TestUnreadPipelineStaysUnread(t *testing.T) {
	t.Parallel()
	w := newWorld(t, racePSS, map[string]string{"host.toml": "output_buffer_size = 1000000\n"})
	w.must("new-pssession", "--name", "s", "--output", "id")
	// The first is read to its end: its position is far ahead of the next ones'.
	require.Equal(t, strings.Repeat("line\n", 300), w.pss("invoke-command", "--name", "s", "--script-block",
		`for i in {1..300}; do echo line; sleep 0.001; done`).out)
	// The second loses its client, and runs to its end unread.
	r := w.start("invoke-command", "--name", "s", "--output", "ndjson", "--script-block", `
		echo begin; until [ -e `+w.home+`/go ]; do sleep 0.05; done
		for i in {1..20000}; do printf '%040d\n' $i; done; exit 11`)
	eventually(t, "output", func() bool { return strings.Contains(r.out.String(), "begin") })
	kill(t, r.cmd.Process.Pid)
	<-r.done
	c := newCollector(t)
	recs, _ := records(t, r.out.String())
	c.take(recs)
	require.NoError(t, os.WriteFile(w.path("go"), nil, 0o600))
	w.await("s", "Opened/Available/Finished")
	unread := w.session("s").UnreadRecords
	require.Greater(t, unread, uint64(1))
	// The third is read live, and is larger than the buffer.
	live := w.pss("invoke-command", "--name", "s", "--script-block", "seq 1 300000; exit 12")
	require.Equal(t, 12, live.code, live.err)
	require.Equal(t, fmt.Sprintln(300000), live.out[strings.LastIndex(strings.TrimSuffix(live.out, "\n"), "\n")+1:])
	require.Equal(t, unread, w.session("s").UnreadRecords)
	require.Equal(t, "Finished", w.session("s").CommandState)
	got := w.pss("receive-pssession", "--name", "s", "--output", "ndjson")
	require.Equal(t, 11, got.code, got.err)
	recs, _ = records(t, got.out)
	c.take(recs)
	var want strings.Builder
	want.WriteString("begin\n")
	for i := 1; i <= 20000; i++ {
		fmt.Fprintf(&want, "%040d\n", i)
	}
	require.True(t, want.String() == c.text["Output"].String(), "the unread pipeline is complete")
	require.Equal(t, []uint32{2}, pipelinesOf(recs), "the third was not delivered again")
	require.Zero(t, w.session("s").UnreadRecords)
}

func pipelinesOf(recs []record) (list []uint32) {
	for _, r := range recs {
		if len(list) == 0 || list[len(list)-1] != r.Pipeline {
			list = append(list, r.Pipeline)
		}
	}
	return list
}

// A cmdlet that is killed with output taken but not yet written out has not
// acknowledged it: its reader gets the rest from the next receive.
func TestUnwrittenOutputIsNotAcknowledged(t *testing.T) {
	t.Parallel()
	w := newWorld(t, thisPSS, nil)
	w.must("invoke-command", "--computer-name", "localhost", "--in-disconnected-session", "--session-name", "s",
		"--script-block", "seq 100000 400000; exit 5")
	w.await("s", "Disconnected/None/Finished")
	// Nobody reads the pipe: what does not fit in it is never written.
	ctx, cancel := context.WithTimeout(context.Background(), patience)
	defer cancel()
	cmd := w.command(ctx, "receive-pssession", "--computer-name", "localhost", "--name", "s")
	r, pw, err := os.Pipe()
	require.NoError(t, err)
	cmd.Stdout = pw
	require.NoError(t, cmd.Start())
	pw.Close()
	var f folder
	eventually(t, "the receiver takes the output", func() bool {
		f = w.facts()["s"]
		return f.info.Attached != nil
	})
	eventually(t, "the pipe is full", func() bool { return pipeFull(r) })
	require.NoError(t, cmd.Process.Kill())
	require.Error(t, cmd.Wait())
	head, err := io.ReadAll(r)
	require.NoError(t, err)
	r.Close()
	rest := w.pss("receive-pssession", "--name", "s")
	require.Equal(t, 5, rest.code, rest.err)
	var want strings.Builder
	for i := 100000; i <= 400000; i++ {
		fmt.Fprintln(&want, i)
	}
	require.True(t, strings.HasPrefix(want.String(), string(head)))
	at := strings.Index(want.String(), rest.out)
	require.GreaterOrEqual(t, at, 0)
	require.True(t, strings.HasSuffix(want.String(), rest.out))
	require.LessOrEqual(t, at, len(head), "nothing is missing between the two")
}

// What a killed cmdlet had acknowledged it had written out before, also when it
// came in small pieces.
func TestAcknowledgedOutputWasWritten(t *testing.T) {
	t.Parallel()
	w := newWorld(t, thisPSS, nil)
	w.must("new-pssession", "--name", "s", "--output", "id")
	r := w.start("invoke-command", "--name", "s", "--output", "ndjson", "--script-block", numbered(w.home, 2, 5, "sleep 0.01"))
	eventually(t, "something is acknowledged", func() bool {
		f := w.facts()["s"]
		return len(f.info.Pipelines) == 1 && f.info.Pipelines[0].Acked > 20
	})
	kill(t, r.cmd.Process.Pid)
	<-r.done
	require.NoError(t, os.WriteFile(w.path("stop"), nil, 0o600))
	c := newCollector(t)
	recs, _ := records(t, r.out.String())
	c.take(recs)
	rest := w.pss("receive-pssession", "--name", "s", "--output", "ndjson")
	require.Equal(t, 5, rest.code, rest.err)
	recs, _ = records(t, rest.out)
	c.take(recs)
	checkNumbered(t, 2, c.text["Output"].String(), c.text["Error"].String())
}

// A start that is repeated, as a retry after a broken connection is, runs the
// command once; the same id with another command is refused.
func TestRepeatedStartRunsOnce(t *testing.T) {
	t.Parallel()
	w := newWorld(t, racePSS, nil)
	w.must("new-pssession", "--name", "s", "--output", "id")
	f := w.facts()["s"]
	sh := sessionHost(f, f.info.Attached.Client)
	ctx, cancel := context.WithTimeout(context.Background(), patience)
	defer cancel()
	req := &api.StreamRequest{
		Stream: uuid.NewString(), Epoch: f.info.Epoch, Pipeline: uuid.NewString(),
		Start: &api.Command{Script: "echo once >> " + w.path("runs") + "; echo out"},
	}
	for range 3 {
		s, err := sh.Stream(ctx, f.info.InstanceID, req)
		require.NoError(t, err)
		frames := api.NewFrameReader(s.Reader)
		for kind := api.Kind(0); kind != api.KindDone; {
			rec, err := frames.Next()
			require.NoError(t, err)
			kind = rec.Kind
		}
		s.Close()
	}
	b, err := os.ReadFile(w.path("runs"))
	require.NoError(t, err)
	require.Equal(t, "once\n", string(b))
	req.Start = &api.Command{Script: "echo twice >> " + w.path("runs")}
	_, err = sh.Stream(ctx, f.info.InstanceID, req)
	require.True(t, api.IsCode(err, api.CodeConflict), "%v", err)
	req.Pipeline = uuid.NewString()
	req.Start = &api.Command{Script: "echo later"}
	s, err := sh.Stream(ctx, f.info.InstanceID, req)
	require.NoError(t, err)
	s.Close()
	b, err = os.ReadFile(w.path("runs"))
	require.NoError(t, err)
	require.Equal(t, "once\n", string(b))
}

// A client that is lost in mid-upload leaves the input open: the command never
// takes a truncated input for the whole.
func TestLostClientIsNoEndOfFile(t *testing.T) {
	t.Parallel()
	w := newWorld(t, racePSS, nil)
	w.must("new-pssession", "--name", "s", "--output", "id")
	ctx, cancel := context.WithTimeout(context.Background(), 2*patience)
	defer cancel()
	cmd := w.command(ctx, "invoke-command", "--name", "s", "--script-block", "cat > "+w.path("got")+"; echo whole > "+w.path("whole"))
	in, err := cmd.StdinPipe()
	require.NoError(t, err)
	require.NoError(t, cmd.Start())
	_, err = io.WriteString(in, "first half\n")
	require.NoError(t, err)
	eventually(t, "the command has the half", func() bool {
		b, _ := os.ReadFile(w.path("got"))
		return string(b) == "first half\n"
	})
	require.NoError(t, cmd.Process.Kill())
	require.Error(t, cmd.Wait())
	in.Close()
	eventually(t, "the loss is noticed", func() bool { return w.session("s").InputState != string(api.InputOpen) })
	l := w.session("s")
	require.Equal(t, "Running/Interrupted", l.CommandState+"/"+l.InputState)
	require.NoFileExists(t, w.path("whole"))
}

// Once a client goes on with an input whose sender was lost, nobody is told any more
// that it is interrupted.
func TestInputThatGoesOnIsNotInterrupted(t *testing.T) {
	t.Parallel()
	w := newWorld(t, racePSS, nil)
	w.must("new-pssession", "--name", "s", "--output", "id")
	f := w.facts()["s"]
	sh := sessionHost(f, f.info.Attached.Client)
	ctx, cancel := context.WithTimeout(context.Background(), patience)
	defer cancel()
	req := &api.StreamRequest{Stream: uuid.NewString(), Epoch: f.info.Epoch, Pipeline: uuid.NewString(),
		Start: &api.Command{Script: "cat > /dev/null", Input: api.InputModeStream}}
	state := func() api.InputState { return w.facts()["s"].info.Pipelines[0].InputState }
	for range 2 {
		s, err := sh.Stream(ctx, f.info.InstanceID, req)
		require.NoError(t, err)
		rec, err := api.NewFrameReader(s.Reader).Next()
		require.NoError(t, err)
		require.Equal(t, api.KindHello, rec.Kind)
		require.Equal(t, api.InputOpen, state())
		s.Close()
		eventually(t, "the loss is noticed", func() bool { return state() == api.InputInterrupted })
	}
}

// A host takes requests with its own token only.
func TestWrongTokenIsRefused(t *testing.T) {
	t.Parallel()
	a := newWorld(t, racePSS, nil)
	a.must("new-pssession", "--name", "s", "--output", "id")
	conf := computerOf(t, a)
	b := newWorld(t, racePSS, map[string]string{
		"wrong":       "AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA",
		"config.toml": strings.Replace(conf, a.path("host", "token"), "/dev/null", 1),
	})
	r := b.pss("get-pssession", "--computer-name", "x")
	require.Equal(t, 241, r.code, r.err)
	require.Empty(t, r.out)
	r = b.pss("connect-pssession", "--computer-name", "x", "--name", "s")
	require.Equal(t, 241, r.code, r.err)
	require.Equal(t, "Opened/Available/None", a.session("s").status())
}

// An agent's socket of another PSS_HOME, a request without a version: old and
// new peers meet only in things that were added.
func TestUnknownRequestsAreAnswered(t *testing.T) {
	t.Parallel()
	w := newWorld(t, racePSS, nil)
	w.must("new-pssession", "--name", "s", "--output", "id")
	c := w.asCmdlet("one")
	ctx, cancel := context.WithTimeout(context.Background(), patience)
	defer cancel()
	id := w.facts()["s"].info.InstanceID
	for _, path := range []string{api.SessionPath(id, "/unheard-of"), "/v1/unheard-of", "/v2/sessions"} {
		err := c.Do(ctx, client.Request{Method: http.MethodGet, Path: path})
		var e *api.Error
		require.True(t, errors.As(err, &e), "%s: %v", path, err)
	}
	began := time.Now()
	require.Equal(t, "fine", w.must("invoke-command", "--name", "s", "--script-block", "echo fine"))
	require.Less(t, time.Since(began), patience)
}
