//go:build linux

package main_test

import (
	"context"
	"fmt"
	"math/rand/v2"
	"net/http"
	"os"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/google/uuid"
	"github.com/stretchr/testify/require"

	"pss/config"
	"pss/remote/api"
	"pss/remote/client"
)

// cutting ends connections at random moments, before some bytes arrive or right behind
// them, and counts the answers to requests that are lost so.
func cutting(rng *rand.Rand, share float64, answers *int) func(up bool, chunk int) verdict {
	return func(up bool, chunk int) verdict {
		if rng.Float64() >= share {
			return pass
		}
		v := cutBefore + verdict(rng.IntN(2))
		// The first two of the host are of the handshake.
		if !up && chunk > 2 && v == cutBefore {
			*answers++
		}
		return v
	}
}

// through returns a client that speaks with w's host itself, over the network.
func (n *network) through(t *testing.T, w *world, as string) *client.Client {
	t.Helper()
	c := hostAt(t, w, n.l.Addr().String(), as)
	c.Retry = patience
	return c
}

// hostAt returns a client that speaks with w's host, which is reached at address.
func hostAt(t *testing.T, w *world, address, as string) *client.Client {
	t.Helper()
	var info config.HostInfo
	require.NoError(t, config.ReadJSON(w.path("host", "info.json"), &info))
	token, err := os.ReadFile(w.path("host", "token"))
	require.NoError(t, err)
	at := client.Endpoint{Address: address, Fingerprint: info.Fingerprint}
	c := &client.Client{
		Dial:   client.DialTLS(func(context.Context) (client.Endpoint, error) { return at, nil }),
		Token:  func() (string, error) { return strings.TrimSpace(string(token)), nil },
		Header: http.Header{api.HeaderClient: {as}}, Host: "pss-host",
	}
	t.Cleanup(c.CloseIdle)
	return c
}

// again makes a request until it is answered: one that cannot be made at all is the
// caller's to repeat.
func again(ctx context.Context, f func() error) error {
	for {
		err := f()
		if !client.IsBroken(err) || ctx.Err() != nil {
			return err
		}
	}
}

// taker counts what a delivery brings.
type taker struct {
	out  strings.Builder
	ends int
}

// Hello is of no interest.
func (k *taker) Hello(*api.StreamHello) {}

// Record keeps the output.
func (k *taker) Record(rec api.Record) error {
	switch rec.Kind {
	case api.KindOutput:
		k.out.Write(rec.Data)
	case api.KindEnd:
		k.ends++
	}
	return nil
}

// Flush has nothing to do.
func (k *taker) Flush() error { return nil }

// Thousands of commands are submitted over a network that cuts connections at random
// moments, above all between a request and its answer. Each is asked for until it is
// acknowledged and runs exactly once, whether by an attachment or by plain requests,
// and its output comes exactly once.
func TestSubmitsOverACuttingNetworkRunOnce(t *testing.T) {
	t.Parallel()
	rng := random(t)
	submits := 400
	if long() {
		submits = 10_000
	}
	submits = rounds(submits)
	const parallel = 4
	w := newWorld(t, thisPSS, nil)
	w.must("get-pssession", "--computer-name", "localhost")
	n := newNetwork(t, w)
	lost := 0
	n.unreliable(cutting(rng, 0.1, &lost))
	var wg sync.WaitGroup
	for k := range parallel {
		wg.Add(1)
		go func() {
			defer wg.Done()
			ctx, cancel := context.WithTimeout(t.Context(), time.Duration(submits)*time.Second/20+patience)
			defer cancel()
			s := submitter{t: t, w: w, c: n.through(t, w, fmt.Sprintf("test/%d", k)), file: w.path(fmt.Sprintf("runs.%d", k))}
			s.run(ctx, k, submits/parallel)
		}()
	}
	wg.Wait()
	require.False(t, t.Failed())
	n.unreliable(nil)
	made, cuts := n.counts()
	t.Logf("%d submits, %d answers lost, %d connections, %d cut", submits, lost, made, cuts)
	require.Greater(t, cuts, submits/4, "the network was too good")
	require.Greater(t, lost, submits/20, "too few answers were lost")
	for k := range parallel {
		b, err := os.ReadFile(w.path(fmt.Sprintf("runs.%d", k)))
		require.NoError(t, err)
		require.Len(t, strings.Fields(string(b)), submits/parallel)
		seen := map[string]int{}
		for _, id := range strings.Fields(string(b)) {
			seen[id]++
		}
		require.Len(t, seen, submits/parallel, "some ran twice")
	}
}

// submitter submits commands to one session, one after the other.
type submitter struct {
	t    *testing.T
	w    *world
	c    *client.Client
	file string
}

func (s *submitter) run(ctx context.Context, k, submits int) {
	id := uuid.NewString()
	var made *api.Session
	if err := again(ctx, func() (err error) {
		made, err = s.c.Create(ctx, id, &api.CreateRequest{Name: fmt.Sprintf("s%d", k), Attach: &api.AttachRequest{ID: "x", Agent: "test"}})
		return err
	}); err != nil {
		s.t.Errorf("create: %v", err)
		return
	}
	for i := range submits {
		submit := s.drive
		if i%4 == 3 {
			submit = s.plain
		}
		if err := submit(ctx, made, uuid.NewString()); err != nil {
			s.t.Errorf("submit %d: %v", i, err)
			return
		}
	}
}

func (s *submitter) command(pipeline string) api.Command {
	return api.Command{Script: "echo " + pipeline + " >> " + s.file + "; echo " + pipeline}
}

// drive submits as a cmdlet does.
func (s *submitter) drive(ctx context.Context, made *api.Session, pipeline string) error {
	cmd := s.command(pipeline)
	got := &taker{}
	drive := &client.Drive{
		Client: s.c, Session: made.Runspace.InstanceID, Consumer: got, RetryWindow: patience,
		Request: api.StreamRequest{Stream: uuid.NewString(), Epoch: made.Runspace.Epoch, Pipeline: pipeline, Start: &cmd},
	}
	// A peer that was never reached is an error that the caller sees.
	err := again(ctx, func() error { return drive.Run(ctx) })
	if err == nil && (got.ends != 1 || got.out.String() != pipeline+"\n") {
		err = fmt.Errorf("%d ends, output %q", got.ends, got.out.String())
	}
	return err
}

// plain submits as a script with an HTTP client does: start, wait for the end,
// acknowledge.
func (s *submitter) plain(ctx context.Context, made *api.Session, pipeline string) error {
	id := made.Runspace.InstanceID
	start := api.StartRequest{Epoch: made.Runspace.Epoch, Command: s.command(pipeline)}
	do := func(method, path string, in, out any) error {
		return again(ctx, func() error {
			return s.c.Do(ctx, client.Request{Method: method, Path: path, In: in, Out: out})
		})
	}
	var p api.Pipeline
	if err := do(http.MethodPut, api.PipelinePath(id, pipeline, ""), &start, &p); err != nil {
		return fmt.Errorf("start: %w", err)
	}
	var recs []byte
	for after := uint64(0); ; {
		path := fmt.Sprintf("%s?after=%d&wait=10", api.PipelinePath(id, pipeline, "/records"), after)
		if err := again(ctx, func() error {
			return s.c.Do(ctx, client.Request{Method: http.MethodGet, Path: path, Out: &recs, Header: http.Header{"Accept": {api.TypeFrames}}})
		}); err != nil {
			return fmt.Errorf("records: %w", err)
		}
		for len(recs) > 0 {
			rec, n, err := api.ParseFrame(recs)
			if err != nil {
				return err
			}
			recs, after = recs[n:], rec.Seq
			if rec.Kind == api.KindEnd {
				return do(http.MethodPost, api.PipelinePath(id, pipeline, "/ack"), &api.AckRequest{Epoch: made.Runspace.Epoch, Seq: rec.Seq}, nil)
			}
		}
	}
}

// Creations and removals over such a network: each session is made once, under the id
// that the client chose, and each is removed.
func TestSessionsOverACuttingNetworkAreMadeOnce(t *testing.T) {
	t.Parallel()
	const parallel = 3
	each := rounds(8)
	if long() {
		each *= 10
	}
	w := newWorld(t, racePSS, nil)
	w.must("get-pssession", "--computer-name", "localhost")
	n := newNetwork(t, w)
	lost := 0
	n.unreliable(cutting(random(t), 0.15, &lost))
	c := n.through(t, w, "test/0")
	ctx, cancel := context.WithTimeout(t.Context(), 4*patience)
	defer cancel()
	var ids []string
	for range parallel * each {
		ids = append(ids, uuid.NewString())
	}
	all := func(f func(id string) error) {
		t.Helper()
		var wg sync.WaitGroup
		for k := range parallel {
			wg.Add(1)
			go func() {
				defer wg.Done()
				for _, id := range ids[k*each : (k+1)*each] {
					if err := again(ctx, func() error { return f(id) }); err != nil {
						t.Errorf("%s: %v", id, err)
					}
				}
			}()
		}
		wg.Wait()
		require.False(t, t.Failed())
	}
	pids := map[string]int{}
	var mu sync.Mutex
	create := func(id string) error {
		s, err := c.Create(ctx, id, &api.CreateRequest{Name: "s-" + id, Attach: &api.AttachRequest{Agent: "test"}})
		if err == nil {
			mu.Lock()
			defer mu.Unlock()
			if old := pids[id]; s.Runspace.InstanceID != id || old != 0 && old != s.Runspace.Pid {
				return api.Errorf(api.CodeInternal, "session %s in process %d, first in %d", s.Runspace.InstanceID, s.Runspace.Pid, old)
			}
			pids[id] = s.Runspace.Pid
		}
		return err
	}
	all(create)
	all(create) // asked for again it is the same one
	require.Len(t, w.facts(), len(ids))
	all(func(id string) error { return c.Remove(ctx, id, 0, false) })
	require.Empty(t, w.facts())
	// A creation that was under way all the time comes too late.
	for _, id := range ids[:parallel] {
		err := again(ctx, func() error { return create(id) })
		require.True(t, api.IsCode(err, api.CodeLost), "%v", err)
	}
	n.unreliable(nil)
	_, cuts := n.counts()
	t.Logf("%d sessions, %d answers lost, %d connections cut", len(ids), lost, cuts)
	require.Greater(t, cuts, len(ids)/2, "the network was too good")
}

// The same for cmdlets: each invocation runs once and prints its output once, and so
// does one that makes its session. Its script is small: what counts is the network.
func TestCmdletsOverACuttingNetworkRunOnce(t *testing.T) {
	t.Parallel()
	rng := random(t)
	runs := rounds(12)
	if long() {
		runs *= 10
	}
	far, near, n := twoComputers(t, "", "")
	lost := 0
	n.unreliable(cutting(rng, 0.1, &lost))
	for i := range runs {
		id := fmt.Sprint("run", i)
		script := fmt.Sprintf("echo %s >> %s; cat; exit %d", id, far.path("runs"), i%5)
		args := []string{"invoke-command", "--session", "1", "--script-block", script}
		if i%4 == 3 {
			args = []string{"invoke-command", "--computer-name", "x", "--script-block", script}
		}
		r := near.feed(strings.NewReader(id), args...)
		require.Equal(t, id, r.out, "%d %s", r.code, r.err)
		require.Equal(t, i%5, r.code, r.err)
	}
	b, err := os.ReadFile(far.path("runs"))
	require.NoError(t, err)
	seen := map[string]int{}
	for _, id := range strings.Fields(string(b)) {
		seen[id]++
		require.Equal(t, 1, seen[id], id)
	}
	require.Len(t, seen, runs)
	n.unreliable(nil)
	_, cuts := n.counts()
	t.Logf("%d runs, %d answers lost, %d connections cut", runs, lost, cuts)
	require.NotZero(t, cuts)
	require.Equal(t, "s", near.must("get-pssession", "--computer-name", "x", "--output", "name"), "the temporary sessions are gone")
}
