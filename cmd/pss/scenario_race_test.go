//go:build linux

package main_test

import (
	"context"
	"fmt"
	"net"
	"net/http"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"pss/remote/api"
	"pss/remote/client"
	"pss/remote/platform"
)

// asCmdlet speaks with w's agent as a cmdlet of that client session does.
func (w *world) asCmdlet(session string) *client.Client {
	return &client.Client{
		Dial:   func(ctx context.Context) (net.Conn, error) { return platform.Dial(ctx, w.path("agent", "sock")) },
		Header: http.Header{api.HeaderClientSession: {session}},
	}
}

// rival is one of two clients that want the same session.
type rival struct {
	*client.Client
	computer string
}

// Scenario 41: of two clients that connect a free session at the same instant
// exactly one gets it, whether they are two computers' or one agent's, and the
// other one is told that it is in use, by whom, from where and since when.
func TestScenario41TwoConnectAtOnce(t *testing.T) {
	t.Parallel()
	a := newWorld(t, thisPSS, nil)
	a.must("new-pssession", "--name", "s", "--output", "id")
	a.must("disconnect-pssession", "--name", "s")
	b := newWorld(t, thisPSS, map[string]string{"config.toml": computerOf(t, a)})
	require.Equal(t, "Disconnected/None/None", b.list("x")["s"].status())
	require.Equal(t, "Disconnected/None/None", a.as("two").session("s").status())

	one, two, other := rival{a.asCmdlet("one"), "localhost"}, rival{a.asCmdlet("two"), "localhost"}, rival{b.asCmdlet("one"), "x"}
	for range rounds(100) {
		raceForSession(t, a, one, other)
		raceForSession(t, a, one, two)
	}
	raceOfCmdlets(t, a, b)
}

// raceForSession lets both connect session s of w at once.
func raceForSession(t *testing.T, w *world, rivals ...rival) {
	t.Helper()
	ctx, cancel := context.WithTimeout(context.Background(), patience)
	defer cancel()
	id := w.facts()["s"].info.InstanceID
	type outcome struct {
		got *api.Session
		err error
	}
	start, outcomes := make(chan struct{}), make([]chan outcome, len(rivals))
	for i, r := range rivals {
		outcomes[i] = make(chan outcome, 1)
		go func() {
			<-start
			got, err := r.Attach(ctx, id, &api.AttachRequest{})
			outcomes[i] <- outcome{got, err}
		}()
	}
	close(start)
	winner, refused := -1, []error{}
	for i := range rivals {
		o := <-outcomes[i]
		if o.err != nil {
			refused = append(refused, o.err)
			continue
		}
		require.Equal(t, -1, winner, "both have it")
		require.Equal(t, "Opened/Available", string(o.got.State)+"/"+string(o.got.Availability))
		winner = i
	}
	require.NotEqual(t, -1, winner, "nobody has it: %v", refused)
	held := w.facts()["s"].info.Attached
	require.NotNil(t, held)
	for _, err := range refused {
		require.True(t, api.IsCode(err, api.CodeBusy), "%v", err)
		e := api.AsError(err)
		require.Equal(t, fmt.Sprintf("%s, from %s, since %s", held.Client.Principal, held.From, held.Since.Format(time.RFC3339)), e.Holder)
		require.Contains(t, e.Message, "session s is connected to another client: "+e.Holder)
		require.Equal(t, "PSSessionConnectFailed", e.FullyQualifiedErrorID)
	}
	left, err := rivals[winner].Detach(ctx, id, &api.DetachRequest{})
	require.NoError(t, err)
	require.Equal(t, "Disconnected/None", string(left.State)+"/"+string(left.Availability))
}

// raceOfCmdlets is the same with the cmdlets themselves.
func raceOfCmdlets(t *testing.T, a, b *world) {
	t.Helper()
	first := a.start("connect-pssession", "--computer-name", "localhost", "--name", "s", "--output", "name")
	second := b.start("connect-pssession", "--computer-name", "x", "--name", "s", "--output", "name")
	codes := map[int]*running{first.wait(t): first, second.wait(t): second}
	require.Contains(t, codes, 0)
	require.Contains(t, codes, 242)
	require.Equal(t, "s\n", codes[0].out.String())
	require.Empty(t, codes[242].out.String())
	require.Regexp(t, `session s is connected to another client: \S+, from \S+@\S+, since 20\d\d-`, codes[242].errs.String())
}
