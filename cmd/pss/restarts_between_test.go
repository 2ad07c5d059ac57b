//go:build linux

package main_test

import (
	"net"
	"os"
	"testing"

	"github.com/stretchr/testify/require"

	"pss/config"
	"pss/remote/platform"
)

// A cmdlet that comes while the user's own host is ending, and listens no more, waits
// for the next one, which it starts; it neither fails nor waits for what never comes.
func TestHostBetweenTwoLives(t *testing.T) {
	t.Parallel()
	for name, told := range map[string]bool{"StillTold": true, "ToldNoMore": false} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			w := newWorld(t, racePSS, nil)
			w.must("get-pssession") // starts the agent alone
			require.Zero(t, w.host())
			// We are the host that ends.
			l, err := net.Listen("tcp", "127.0.0.1:0")
			require.NoError(t, err)
			port := l.Addr().(*net.TCPAddr).Port
			require.NoError(t, l.Close())
			lock, err := platform.TakeLock(w.path("host", "lock"))
			require.NoError(t, err)
			info := w.path("host", "info.json")
			if told {
				require.NoError(t, config.WriteJSON(info, &config.HostInfo{Address: "127.0.0.1", Port: port, Pid: os.Getpid()}))
			}
			r := w.start("get-pssession", "--computer-name", "localhost", "--output", "json")
			// By then the agent has had the time to look at it.
			for range 5 {
				w.must("get-pssession")
			}
			select {
			case <-r.done:
				require.Fail(t, "it did not wait", "%d %s", r.cmd.ProcessState.ExitCode(), r.errs)
			default:
			}
			_ = os.Remove(info)
			require.NoError(t, lock.Unlock())
			require.Zero(t, r.wait(t), r.errs.String())
			require.Equal(t, "[]\n", r.out.String())
			require.NotZero(t, w.host())
		})
	}
}
