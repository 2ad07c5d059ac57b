//go:build linux

package main_test

import (
	"context"
	"encoding/json"
	"errors"
	"net/http"
	"os"
	"strings"
	"syscall"
	"testing"

	"github.com/stretchr/testify/require"

	"pss/remote/api"
	"pss/remote/client"
)

// The two builds that the tests run together; the second has another version
// and an added field, route and record kind.
var builds = map[string]func() (string, error){"this": thisPSS, "next": nextPSS}

func versionOf(build string) string {
	if build == "next" {
		return api.Version + "-next"
	}
	return api.Version
}

// startHost runs pss host of one build in the foreground.
func (w *world) startHost(build string) *running {
	w.t.Helper()
	bin, err := builds[build]()
	require.NoError(w.t, err)
	_ = os.Remove(w.path("host", "info.json"))
	r := w.with(bin).start("host")
	eventually(w.t, "the host listens", func() bool {
		_, err := os.Stat(w.path("host", "info.json"))
		return err == nil
	})
	return r
}

// get asks the agent for path and returns the bare reply.
func (w *world) get(path string) ([]byte, error) {
	c := w.asCmdlet("one")
	ctx, cancel := context.WithTimeout(context.Background(), patience)
	defer cancel()
	var out []byte
	return out, c.Do(ctx, client.Request{Method: http.MethodGet, Path: path, Out: &out})
}

// Every pairing of cmdlet, agent and host (with its session hosts) of two
// versions does the whole job.
func TestVersionsTogether(t *testing.T) {
	slowTier(t)
	t.Parallel()
	for _, host := range []string{"this", "next"} {
		for _, agent := range []string{"this", "next"} {
			w := newWorld(t, builds["this"], nil)
			w.startHost(host)
			agentBin, err := builds[agent]()
			require.NoError(t, err)
			w.with(agentBin).must("get-pssession", "--output", "id")
			for _, cmdlet := range []string{"this", "next"} {
				t.Run(cmdlet+"-"+agent+"-"+host, func(t *testing.T) {
					bin, err := builds[cmdlet]()
					require.NoError(t, err)
					c := w.with(bin)
					c.t = t
					c.pairing(agent, host)
				})
			}
		}
	}
}

func (w *world) pairing(agent, host string) {
	t := w.t
	added := host == "next"
	var hop api.VersionInfo
	b, err := w.get(api.RouteVersion)
	require.NoError(t, err)
	require.NoError(t, json.Unmarshal(b, &hop))
	require.Equal(t, versionOf(agent)+" agent", hop.Version+" "+hop.Role)

	w.must("new-pssession", "--name", "s", "--output", "id")
	require.Equal(t, "Opened/Available/None", w.session("s").status())
	require.Equal(t, versionOf(host), w.session("s").Version)
	r := w.pss("invoke-command", "--name", "s", "--script-block", "v=kept; echo out; echo err >&2; exit 3")
	require.Equal(t, result{"out\n", "err\n", 3}, r)
	r = w.pss("invoke-command", "--name", "s", "--output", "ndjson", "--script-block", "echo $v")
	require.Zero(t, r.code, r.err)
	recs, last := records(t, r.out)
	kinds := []string{"Output", "End"}
	if added {
		kinds = append([]string{"Kind(90)"}, kinds...)
		require.JSONEq(t, `{"Next":"yes"}`, string(recs[0].Value))
	}
	require.Equal(t, kinds, kindsOf(recs))
	require.Equal(t, "Exited", last.Outcome)

	// The added field and route: there where both ends know them, else no harm.
	info := w.facts()["s"].info
	b, err = w.get(api.SessionPath(info.InstanceID, ""))
	require.NoError(t, err)
	require.Equal(t, added && agent == "next", strings.Contains(string(b), `"Next":"yes"`))
	b, err = w.get(api.SessionPath(info.InstanceID, "/next"))
	if added {
		require.NoError(t, err)
		require.JSONEq(t, `{"Next":"yes"}`, string(b))
	} else {
		var e *api.Error
		require.True(t, errors.As(err, &e), "%v", err)
	}

	w.must("disconnect-pssession", "--name", "s")
	require.Equal(t, "Disconnected/None/None", w.session("s").status())
	w.must("connect-pssession", "--name", "s")
	// A background command's output, received later.
	w.must("invoke-command", "--computer-name", "localhost", "--in-disconnected-session", "--session-name", "d", "--script-block", "seq 3; exit 8")
	w.await("d", "Disconnected/None/Finished")
	require.Equal(t, result{"1\n2\n3\n", "", 8}, w.pss("receive-pssession", "--computer-name", "localhost", "--name", "d"))
	require.Equal(t, result{"", "", 8}, w.pss("receive-pssession", "--computer-name", "localhost", "--name", "d"))
	r = w.feed(strings.NewReader("input"), "invoke-command", "--computer-name", "localhost", "--script-block", "cat; exit 2")
	require.Equal(t, result{"input", "", 2}, r)
	w.must("remove-pssession", "--name", "s")
	w.must("remove-pssession", "--name", "d")
	require.Empty(t, w.list("localhost"))
}

func kindsOf(recs []record) (kinds []string) {
	for _, r := range recs {
		kinds = append(kinds, r.Kind)
	}
	return kinds
}

// A session host keeps the code it started with, and the listing shows its
// version, when the host has been replaced by another build.
func TestHostReplacedByAnotherVersion(t *testing.T) {
	slowTier(t)
	t.Parallel()
	for _, builds := range [][2]string{{"this", "next"}, {"next", "this"}} {
		t.Run(builds[0]+"-then-"+builds[1], func(t *testing.T) {
			w := newWorld(t, thisPSS, nil)
			old := w.startHost(builds[0])
			w.must("new-pssession", "--name", "old", "--output", "id")
			w.must("invoke-command", "--name", "old", "--script-block", "v=kept")
			run := w.start("invoke-command", "--name", "old", "--script-block", numbered(w.home, 1, 4, "sleep 0.05"))
			eventually(t, "output", func() bool { return strings.Contains(run.out.String(), "o 5 ") })
			// The agent would start a host of its own build at once.
			agent := w.agent()
			stop(t, agent)
			require.NoError(t, old.cmd.Process.Signal(syscall.SIGTERM))
			old.wait(t)
			w.startHost(builds[1])
			goOn(t, agent)
			w.must("new-pssession", "--name", "new", "--output", "id")
			all := w.list("localhost")
			require.Equal(t, versionOf(builds[0]), all["old"].Version)
			require.Equal(t, versionOf(builds[1]), all["new"].Version)
			require.Equal(t, "Opened/Busy/Running", all["old"].status())
			seen := len(run.out.String())
			eventually(t, "the follower goes on", func() bool { return len(run.out.String()) > seen })
			require.NoError(t, os.WriteFile(w.path("stop"), nil, 0o600))
			require.Equal(t, 4, run.wait(t), run.errs.String())
			checkNumbered(t, 1, run.out.String(), withoutWarnings(run.errs.String()))
			for _, s := range []string{"old", "new"} {
				w.must("disconnect-pssession", "--name", s)
				w.must("connect-pssession", "--name", s)
			}
			require.Equal(t, "kept", w.must("invoke-command", "--name", "old", "--script-block", "echo $v"))
			require.Equal(t, "fine", w.must("invoke-command", "--name", "new", "--script-block", "echo fine"))
		})
	}
}
