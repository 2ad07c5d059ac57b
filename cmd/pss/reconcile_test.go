//go:build linux

package main_test

import (
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"pss/remote/api"
	"pss/remote/platform"
)

// offspring is a bash script that leaves processes of every kind behind, writes
// their pids to file and goes on printing.
const offspring = `
sleep 1000 & echo $! >> %[1]s
(trap '' INT TERM HUP; while :; do sleep 0.2; done) & echo $! >> %[1]s
setsid sleep 1000 & echo $! >> %[1]s
(env -i sleep 1000; :) & echo $! >> %[1]s
setsid -f sh -c 'trap "" HUP; sleep 1000 & echo $$ >> %[1]s; echo $! >> %[1]s; echo all >> %[1]s; wait'
i=0; while :; do i=$((i+1)); echo "line $i"; sleep 0.05; done`

// leftBy waits until the script of a session has started everything and returns its
// lasting processes.
func (w *world) leftBy(file string, f folder) []int {
	w.t.Helper()
	eventually(w.t, "the processes run", func() bool {
		b, _ := os.ReadFile(w.path(file))
		return strings.HasSuffix(string(b), "all\n")
	})
	b, err := os.ReadFile(w.path(file))
	require.NoError(w.t, err)
	var pids []int
	for l := range strings.Lines(string(b)) {
		if pid, err := strconv.Atoi(strings.TrimSpace(l)); err == nil {
			pids = append(pids, pid)
		}
	}
	require.Len(w.t, pids, 6)
	for _, pid := range pids {
		require.True(w.t, alive(pid))
	}
	return pids
}

func (f folder) engine() string { return filepath.Join(f.dir, api.EngineDir) }

// What a killed session host leaves running is ended, by the host that is there or
// by the next one, and nothing of any other session is.
func TestOrphansOfAKilledSessionHost(t *testing.T) {
	t.Parallel()
	for name, idle := range map[string]bool{"HostThere": false, "HostStartsAgain": true} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			w := newWorld(t, racePSS, map[string]string{"host.toml": shortLease})
			run := func(session, file string) {
				w.must("invoke-command", "--computer-name", "localhost", "--in-disconnected-session", "--session-name", session,
					"--script-block", fmt.Sprintf(offspring, w.path(file)))
			}
			run("dead", "dead")
			run("living", "living")
			dead, living := w.facts()["dead"], w.facts()["living"]
			orphans, others := w.leftBy("dead", dead), w.leftBy("living", living)
			eventually(t, "two lines are kept", func() bool {
				return strings.Contains(w.pss("receive-pssession", "--computer-name", "localhost", "--name", "dead", "--peek", "--no-wait").out, "line 2\n")
			})
			// Like a process of the session in everything but its environment.
			stranger := exec.Command("sleep", "1000")
			stranger.Env = []string{platform.Marker + "=" + dead.dir, platform.Marker + "_=" + dead.engine()}
			require.NoError(t, stranger.Start())
			ended := make(chan struct{})
			go func() { _ = stranger.Wait(); close(ended) }()
			t.Cleanup(func() { _ = stranger.Process.Kill(); <-ended })
			if idle {
				agent, host := w.agent(), w.host()
				require.NoError(t, syscall.Kill(agent, syscall.SIGTERM))
				require.NoError(t, syscall.Kill(host, syscall.SIGTERM))
				eventually(t, "the daemons end", func() bool { return !alive(agent) && !alive(host) })
			}
			kill(t, dead.info.Pid)
			if idle {
				for _, pid := range orphans {
					require.True(t, alive(pid), "nobody is there who could end it")
				}
			}
			require.Equal(t, "Broken/None/Lost", w.session("dead").status())
			began := time.Now()
			for _, pid := range orphans {
				eventually(t, fmt.Sprintf("end of %d %q", pid, proc(pid, "cmdline")), func() bool { return !alive(pid) })
			}
			require.Less(t, time.Since(began), patience/2)
			require.Contains(t, w.session("dead").Reason, "session host")
			r := w.pss("receive-pssession", "--computer-name", "localhost", "--name", "dead")
			require.Equal(t, 243, r.code, r.err)
			require.True(t, strings.HasPrefix(r.out, "line 1\nline 2\n"), r.out)
			for _, pid := range others {
				require.True(t, alive(pid), "of another session: %d %q", pid, proc(pid, "cmdline"))
			}
			require.True(t, alive(stranger.Process.Pid))
			require.Equal(t, "Disconnected/None/Running", w.session("living").status())
			eventually(t, "the engine's folder is gone", func() bool {
				_, err := os.Stat(dead.engine())
				return os.IsNotExist(err)
			})
			w.must("remove-pssession", "--computer-name", "localhost", "--name", "living")
			for _, pid := range others {
				require.False(t, alive(pid), "%d %q", pid, proc(pid, "cmdline"))
			}
		})
	}
}

// A dead session is removed with what it left running, at once; and a session whose
// shell was killed does not leave its commands' processes behind either.
func TestNothingOutlivesABrokenSession(t *testing.T) {
	t.Parallel()
	w := newWorld(t, racePSS, map[string]string{"host.toml": "lease = \"60s\"\n"}) // so the host looks every 5 s only
	for _, s := range []string{"removed", "engine"} {
		w.must("invoke-command", "--computer-name", "localhost", "--in-disconnected-session", "--session-name", s,
			"--script-block", fmt.Sprintf(offspring, w.path(s)))
	}
	removed, engine := w.facts()["removed"], w.facts()["engine"]
	first, second := w.leftBy("removed", removed), w.leftBy("engine", engine)
	kill(t, removed.info.Pid)
	w.must("remove-pssession", "--computer-name", "localhost", "--name", "removed")
	for _, pid := range first {
		require.False(t, alive(pid), "%d %q", pid, proc(pid, "cmdline"))
	}
	kill(t, w.shell(engine))
	w.await("engine", "Broken/None/Lost")
	for _, pid := range second {
		eventually(t, fmt.Sprintf("end of %d %q", pid, proc(pid, "cmdline")), func() bool { return !alive(pid) })
	}
}

// What a command printed before its shell was killed is received, also what waited
// for room then; and then and again the command counts as lost.
func TestLastWordsOfAKilledShell(t *testing.T) {
	t.Parallel()
	w := newWorld(t, racePSS, map[string]string{"host.toml": "output_buffer_size = 50000\n"})
	for i := range rounds(2) {
		name := fmt.Sprintf("s%d", i)
		w.must("new-pssession", "--name", name)
		r := w.pss("invoke-command", "--name", name, "--script-block", "seq 1 20000; kill -9 $$")
		require.Equal(t, 243, r.code, r.err)
		require.Contains(t, r.err, "signal 9")
		require.Equal(t, 20000, requireCounted(t, r.out))
		w.await(name, "Broken/None/Lost")
		require.Contains(t, w.session(name).Reason, "signal 9")
		require.Equal(t, 243, w.pss("receive-pssession", "--computer-name", "localhost", "--name", name).code)
	}
	w.must("invoke-command", "--computer-name", "localhost", "--in-disconnected-session", "--session-name", "blocked",
		"--script-block", `i=0; while :; do echo $((++i)); done`)
	w.await("blocked", "Disconnected/None/Blocked")
	f := w.facts()["blocked"]
	shell := w.shell(f)
	eventually(t, "the pipe is full", func() bool { return strings.Contains(string(proc(shell, "wchan")), "pipe_write") })
	kill(t, shell)
	w.await("blocked", "Broken/None/Lost")
	r := w.pss("receive-pssession", "--computer-name", "localhost", "--name", "blocked")
	require.Equal(t, 243, r.code, r.err)
	requireCounted(t, r.out)
	require.Greater(t, len(r.out), int(f.info.Pipelines[0].Bytes), "what stood in the pipe")
}

// requireCounted proves that out is the numbers from 1 on, and returns the last one.
func requireCounted(t *testing.T, out string) (n int) {
	for l := range strings.Lines(out) {
		n++
		require.Equal(t, strconv.Itoa(n), strings.TrimSuffix(l, "\n"))
	}
	return n
}

// A dead session whose output cannot be served now keeps it until it can be.
func TestFailedRecoveryKeepsTheOutput(t *testing.T) {
	t.Parallel()
	w := newWorld(t, racePSS, nil)
	w.must("invoke-command", "--computer-name", "localhost", "--in-disconnected-session", "--session-name", "s", "--script-block", "echo kept; exit 3")
	w.await("s", "Disconnected/None/Finished")
	f := w.facts()["s"]
	kill(t, f.info.Pid)
	sock := filepath.Join(f.dir, "sock")
	require.NoError(t, os.Remove(sock))
	require.NoError(t, os.MkdirAll(filepath.Join(sock, "in the way"), 0o700))
	on := []string{"receive-pssession", "--computer-name", "localhost", "--name", "s"}
	r := w.pss(on...)
	require.Equal(t, 246, r.code, r.err)
	require.Empty(t, r.out)
	// The recovery that failed may still be ending.
	eventually(t, "Broken", func() bool { return w.session("s").State == "Broken" })
	require.NoError(t, os.RemoveAll(sock))
	require.Equal(t, result{"kept\n", "", 3}, w.pss(on...))
}

// shell is the pid of a session's shell.
func (w *world) shell(f folder) int {
	for _, pid := range w.processes() {
		st, err := platform.StatProcess(pid)
		if err == nil && st.PPID == f.info.Pid && st.Session == pid && string(proc(pid, "comm")) == "bash\n" {
			return pid
		}
	}
	require.FailNow(w.t, "no shell")
	return 0
}
