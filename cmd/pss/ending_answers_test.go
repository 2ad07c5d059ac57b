//go:build linux

package main_test

import (
	"fmt"
	"os"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/google/uuid"
	"github.com/stretchr/testify/require"

	"pss/config"
	"pss/remote/api"
	"pss/remote/client"
	"pss/remote/platform"
)

// hostOf speaks with w's host itself.
func hostOf(t *testing.T, w *world) *client.Client {
	t.Helper()
	var info config.HostInfo
	require.NoError(t, config.ReadJSON(w.path("host", "info.json"), &info))
	return hostAt(t, w, fmt.Sprintf("127.0.0.1:%d", info.Port), "tester")
}

// A role that is told to end answers what it was asked before, and then is gone at
// once: what was kept open, and what an attachment gave back, holds nothing up.
func TestEndingRoleAnswersFirst(t *testing.T) {
	t.Parallel()
	for role, asker := range map[string]func(*world) *client.Client{
		"agent": func(w *world) *client.Client { return w.asCmdlet("one") },
		"host":  func(w *world) *client.Client { return hostOf(t, w) },
	} {
		t.Run(role, func(t *testing.T) {
			t.Parallel()
			w := newWorld(t, killPSS, nil)
			traps := w.path("traps")
			require.NoError(t, os.Mkdir(traps, 0o700))
			w.env = []string{fmt.Sprintf("PSS_TEST_POINT=%s %s-create 2 STOP", traps, role)}
			w.must("new-pssession", "--name", "first", "--output", "id")
			require.Equal(t, "said", w.must("invoke-command", "--name", "first", "--script-block", "echo said"))
			cl, answer := asker(w), make(chan error, 1)
			t.Cleanup(cl.CloseIdle)
			go func() {
				_, err := cl.Create(t.Context(), uuid.NewString(), &api.CreateRequest{Name: "s", ComputerName: "localhost"})
				answer <- err
			}()
			var pid int
			eventually(t, "the request is under way", func() bool {
				b, _ := os.ReadFile(traps + "/fired")
				if n, _ := fmt.Sscan(string(b), &pid); n == 0 {
					return false
				}
				st, err := platform.StatProcess(pid)
				return err == nil && st.State == 'T'
			})
			require.NoError(t, syscall.Kill(pid, syscall.SIGTERM))
			goOn(t, pid)
			require.NoError(t, <-answer)
			began := time.Now()
			eventually(t, "the end", func() bool { return !alive(pid) })
			require.Less(t, time.Since(began), client.DrainTime/2)
			require.Contains(t, w.list("localhost"), "s")
		})
	}
}

// An agent that is told to end while a computer does not answer leaves what it had to
// tell that to the next agent: a killed cmdlet does not keep its session for ever.
func TestEndingAgentLeavesPartings(t *testing.T) {
	t.Parallel()
	w := newWorld(t, racePSS, nil)
	r := w.start("invoke-command", "--computer-name", "localhost", "--script-block", "while :; do echo on; sleep 0.1; done")
	eventually(t, "output", func() bool { return strings.Contains(r.out.String(), "on\n") })
	host, agent := w.host(), w.agent()
	stop(t, host)
	require.NoError(t, r.cmd.Process.Kill())
	eventually(t, "the agent has seen it", func() bool {
		b, _ := os.ReadFile(w.path("agent", "table.ndjson"))
		return strings.Contains(string(b), `"Mine":true`)
	})
	require.NoError(t, syscall.Kill(agent, syscall.SIGTERM))
	eventually(t, "the agent ends", func() bool { return !alive(agent) })
	goOn(t, host)
	for name := range w.facts() {
		if strings.HasPrefix(name, "Temporary-") {
			w.await(name, "Disconnected/None/Running")
			return
		}
	}
	t.Error("the session is gone")
}
