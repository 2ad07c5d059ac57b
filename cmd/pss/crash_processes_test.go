//go:build linux

package main_test

import (
	"bytes"
	"context"
	"fmt"
	"net"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	cmd "pss/cmd/pss"
	"pss/remote/api"
	"pss/remote/client"
	"pss/remote/platform"
)

// role is one of our processes, found by its arguments and its PSS_HOME.
func (w *world) role(name string) []int {
	var pids []int
	for _, pid := range w.processes() {
		if argv := strings.Split(string(proc(pid, "cmdline")), "\x00"); len(argv) > 1 && argv[1] == name {
			pids = append(pids, pid)
		}
	}
	return pids
}

// agent and host are the pids of the daemons, 0 when they do not run.
func (w *world) agent() int { return first(w.role("agent")) }
func (w *world) host() int  { return first(w.role("host")) }

func first(pids []int) int {
	if len(pids) == 0 {
		return 0
	}
	return pids[0]
}

// processes are all that carry our mark in their environment.
func (w *world) processes() []int {
	var pids []int
	for _, pid := range cmd.Pids() {
		if pid != os.Getpid() && hasVariable(proc(pid, "environ"), w.mark) {
			pids = append(pids, pid)
		}
	}
	return pids
}

func hasVariable(environ []byte, kv string) bool {
	return slices.Contains(strings.Split(string(environ), "\x00"), kv)
}

func proc(pid int, file string) []byte {
	b, _ := os.ReadFile(filepath.Join("/proc", strconv.Itoa(pid), file))
	return b
}

// alive reports whether the process runs; a zombie does not.
func alive(pid int) bool {
	state := processState(pid)
	return state != 0 && state != 'Z'
}

// stopped reports whether the process was stopped by a signal.
func stopped(pid int) bool { return processState(pid) == 'T' }

// processState is the letter that proc(5) names, 0 of a process that is gone.
func processState(pid int) byte {
	st := proc(pid, "stat")
	if i := bytes.LastIndexByte(st, ')'); i > 0 && len(st) > i+2 {
		return st[i+2]
	}
	return 0
}

// kill ends processes the hard way and waits until they are gone.
func kill(t *testing.T, pids ...int) {
	t.Helper()
	for _, pid := range pids {
		if pid > 1 {
			_ = syscall.Kill(pid, syscall.SIGKILL)
		}
	}
	for _, pid := range pids {
		eventually(t, fmt.Sprintf("end of %d", pid), func() bool { return pid <= 1 || !alive(pid) })
	}
}

// crash ends all that runs here as a computer does that loses its power: at once.
// They are stopped first, so that none lives to see another one's end.
func (w *world) crash() {
	w.t.Helper()
	pids := w.processes()
	for _, pid := range pids {
		_ = syscall.Kill(pid, syscall.SIGSTOP)
	}
	for _, pid := range pids {
		eventually(w.t, fmt.Sprintf("stop of %d", pid), func() bool { return !alive(pid) || stopped(pid) })
	}
	kill(w.t, pids...)
}

// facts reads what the sessions' own files say, by name.
func (w *world) facts() map[string]folder {
	w.t.Helper()
	all := map[string]folder{}
	files, err := filepath.Glob(w.path("s", "*", api.FactsFile))
	require.NoError(w.t, err)
	for _, f := range files {
		if info, err := api.ReadFacts(f); err == nil {
			all[info.Name] = folder{filepath.Dir(f), *info}
		}
	}
	return all
}

type folder struct {
	dir  string
	info api.RunspaceInfo
}

// close removes what the test left and proves that nothing outlives it.
func (w *world) close() {
	t := w.t
	if t.Failed() {
		w.logs()
	}
	races, _ := filepath.Glob(w.path("*", "log"))
	more, _ := filepath.Glob(w.path("s", "*", "log"))
	for _, f := range append(races, more...) {
		if b, err := os.ReadFile(f); err == nil && (bytes.Contains(b, []byte("DATA RACE")) || bytes.Contains(b, []byte("panic:"))) {
			t.Errorf("%s:\n%s", f, b)
		}
	}
	for _, pid := range w.processes() {
		_ = syscall.Kill(pid, syscall.SIGCONT)
	}
	var dead []string
	for _, f := range w.facts() {
		if f.info.Life != api.LifeOpen || !alive(f.info.Pid) {
			kill(t, w.holders(f)...)
			dead = append(dead, f.dir)
			continue
		}
		cl := &client.Client{Dial: func(ctx context.Context) (net.Conn, error) { return platform.Dial(ctx, filepath.Join(f.dir, "sock")) }}
		ctx, cancel := context.WithTimeout(context.Background(), patience)
		if err := cl.Remove(ctx, f.info.InstanceID, 0, true); err != nil {
			t.Errorf("session %s was not removed: %v", f.info.Name, err)
		}
		cancel()
	}
	// The agent first: it starts a host that it misses.
	for _, name := range []string{"agent", "host"} {
		for _, pid := range w.role(name) {
			_ = syscall.Kill(pid, syscall.SIGTERM)
		}
		until := time.Now().Add(patience)
		for len(w.role(name)) > 0 && time.Now().Before(until) {
			time.Sleep(5 * time.Millisecond)
		}
	}
	end := time.Now().Add(patience)
	left := w.processes()
	for len(left) > 0 && time.Now().Before(end) {
		time.Sleep(10 * time.Millisecond)
		if left = slices.DeleteFunc(left, func(pid int) bool { return !alive(pid) }); len(left) == 0 {
			left = w.processes()
		}
	}
	for _, pid := range left {
		t.Errorf("left: %d %q", pid, proc(pid, "cmdline"))
		_ = syscall.Kill(pid, syscall.SIGKILL)
	}
	// What serves a dead session may be started again as long as the host lives.
	for _, dir := range dead {
		_ = os.RemoveAll(dir)
	}
	sessions, _ := filepath.Glob(w.path("s", "*"))
	sessions = slices.DeleteFunc(sessions, halfMade)
	if len(sessions) > 0 && !t.Failed() {
		t.Errorf("left: %q", sessions)
	}
	for _, said := range cmd.Troubles(w.home) {
		t.Error(said)
	}
	if err := os.RemoveAll(w.home); err != nil {
		t.Error(err)
	}
}

// halfMade reports whether dir never became a session: whoever made it was killed. The
// next host removes it when it is a minute old.
func halfMade(dir string) bool {
	_, facts := os.Stat(filepath.Join(dir, api.FactsFile))
	_, commands := os.Stat(filepath.Join(dir, api.PipelinesDir, "1"))
	return os.IsNotExist(facts) && os.IsNotExist(commands)
}

// holders are the processes that a session without an engine may still have.
func (w *world) holders(f folder) []int {
	var pids []int
	for _, pid := range w.processes() {
		if pid == f.info.Pid || strings.HasPrefix(cwdOf(pid), f.dir) {
			pids = append(pids, pid)
		}
	}
	return pids
}

func cwdOf(pid int) string {
	dir, _ := os.Readlink(filepath.Join("/proc", strconv.Itoa(pid), "cwd"))
	return dir
}

// logs shows the daemons' logs of a failed test.
func (w *world) logs() {
	files, _ := filepath.Glob(w.path("*", "log"))
	more, _ := filepath.Glob(w.path("s", "*", "log"))
	for _, f := range append(files, more...) {
		if b, err := os.ReadFile(f); err == nil && len(b) > 0 {
			w.t.Logf("%s:\n%s", f, b[max(0, len(b)-3000):])
		}
	}
}
