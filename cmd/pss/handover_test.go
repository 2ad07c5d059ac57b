//go:build linux

package main_test

import (
	"encoding/json"
	"fmt"
	"net/http"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"testing"

	"github.com/google/uuid"
	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"pss/remote/api"
	"pss/remote/client"
)

// A client that is stuck in the middle of a delivery does not keep what it has not
// taken: who connects next receives it at once, and to the end.
func TestReceiveBehindAStuckClient(t *testing.T) {
	t.Parallel()
	w := newWorld(t, thisPSS, nil)
	one, two := w.as("one"), w.as("two")
	one.must("new-pssession", "--name", "s")
	const last = 3_000_000 // more than all the sockets on the way hold
	r := one.start("invoke-command", "--name", "s", "--script-block", "seq 1 3000000; exit 7")
	eventually(t, "output", func() bool { return strings.Contains(r.out.String(), "\n1000\n") })
	stop(t, r.cmd.Process.Pid)
	one.await("s", "Opened/Available/Finished")
	one.must("disconnect-pssession", "--name", "s")
	two.must("connect-pssession", "--computer-name", "localhost", "--name", "s")
	got := two.pss("receive-pssession", "--name", "s")
	require.Equal(t, 7, got.code, got.err)
	lines := strings.Split(strings.TrimSpace(got.out), "\n")
	require.Equal(t, strconv.Itoa(last), lines[len(lines)-1])
	require.Zero(t, two.session("s").UnreadRecords)
	goOn(t, r.cmd.Process.Pid)
	require.Contains(t, []int{242, 247}, r.wait(t), r.errs.String())
}

// A cmdlet that is asked for the output of one that was killed a moment ago may arrive
// before the news of that death: it gets the output all the same.
func TestReceiveOvertakesTheEndOfAKilledCmdlet(t *testing.T) {
	t.Parallel()
	w := newWorld(t, racePSS, nil)
	begun := api.StreamRequest{Pipeline: uuid.NewString(), Start: &api.Command{Script: "sleep 1000"}}
	for name, first := range map[string]api.StreamRequest{"invoked": begun, "received": {}} {
		if first.Start != nil {
			w.must("new-pssession", "--name", name)
		} else {
			w.must("invoke-command", "--computer-name", "localhost", "--in-disconnected-session", "--session-name", name, "--script-block", "sleep 1000")
			w.must("connect-pssession", "--computer-name", "localhost", "--name", name)
		}
		f := w.facts()[name]
		open := func(req api.StreamRequest) (*client.Stream, error) {
			req.Epoch = f.info.Attached.Epoch
			return sessionHost(f, f.info.Attached.Client).Upgrade(t.Context(), client.Request{
				Method: http.MethodPost, Path: api.SessionPath(f.info.InstanceID, "/stream"), In: &req,
			})
		}
		killed, err := open(first)
		require.NoError(t, err)
		require.Len(t, helloOf(t, killed).Pipelines, 1)
		before := sockets(t, f.info.Pid)
		next := make(chan *client.Stream)
		go func() {
			s, err := open(api.StreamRequest{})
			assert.NoError(t, err)
			next <- s
		}()
		eventually(t, "the next one is here", func() bool { return sockets(t, f.info.Pid) > before })
		killed.Close()
		s := <-next
		require.NotNil(t, s)
		require.Len(t, helloOf(t, s).Pipelines, 1, name)
		s.Close()
	}
}

// helloOf reads the first record of a delivery.
func helloOf(t *testing.T, s *client.Stream) (h api.StreamHello) {
	t.Helper()
	rec, err := api.NewFrameReader(s.Reader).Next()
	require.NoError(t, err)
	require.Equal(t, api.KindHello, rec.Kind)
	require.NoError(t, json.Unmarshal(rec.Data, &h))
	return h
}

// sockets counts a process's sockets.
func sockets(t *testing.T, pid int) (n int) {
	t.Helper()
	fds, err := filepath.Glob(fmt.Sprintf("/proc/%d/fd/*", pid))
	require.NoError(t, err)
	for _, fd := range fds {
		if to, _ := os.Readlink(fd); strings.HasPrefix(to, "socket:") {
			n++
		}
	}
	return n
}
