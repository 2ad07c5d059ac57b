//go:build linux

package main_test

import (
	"fmt"
	"math/rand/v2"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"sync"
	"sync/atomic"
	"syscall"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"pss/remote/platform"
)

// place is a planted.Point of the product.
type place struct {
	name    string
	passes  int    // how often about a story passes it: the pass that counts is drawn from these
	actions string // K: SIGKILL, S: SIGSTOP past the lease, E: the engine's shell is killed
}

// places are all points. Those of cmdlet, agent and host must cost no session.
var places = []place{
	{"config-probe", 3, "KS"}, {"config-write", 6, "KS"},
	{"agent-create", 3, "KS"}, {"agent-recorded", 3, "KS"}, {"agent-made", 3, "KS"},
	{"agent-detached", 1, "KS"}, {"agent-removed", 2, "KS"},
	{"host-create", 3, "KS"}, {"host-made", 3, "KS"}, {"host-known", 3, "KS"}, {"host-removed", 2, "KS"},
	{"forward", 36, "KS"}, {"forward-switched", 32, "KS"},
	{"client-made", 2, "KS"}, {"client-temporary", 1, "KS"}, {"client-flushed", 40, "KS"},
	{"client-input", 40, "KS"}, {"client-last-ack", 14, "KS"}, {"client-remove", 1, "KS"},
	{"session-open", 3, "KSE"}, {"session-opened", 3, "KSE"}, {"session-attach", 1, "KSE"}, {"session-detach", 1, "KSE"},
	{"session-start-saved", 13, "KSE"}, {"session-started", 13, "KSE"}, {"session-end", 13, "KSE"}, {"session-ended", 13, "KSE"},
	{"session-end-unsaved", 13, "KSE"}, {"session-done", 14, "KSE"}, {"session-done-saved", 14, "KSE"},
	{"session-input", 40, "KSE"}, {"session-input-end", 2, "KSE"},
	{"session-removed", 2, "KS"}, {"session-recover", 1, "KS"},
	{"spool-append", 250, "KSE"}, {"spool-appended", 150, "KSE"}, {"spool-ack", 18, "KSE"},
	{"spool-segment", 16, "KSE"}, {"spool-free", 30, "KSE"}, {"spool-recycle", 2, "KSE"},
}

var actionNames = map[rune]string{'K': "KILL", 'S': "STOP", 'E': "ENGINE"}

// fate is one run of the story: a point, what happens there, and a seed that
// everything else follows from.
type fate struct {
	place  place
	action string
	seed   uint64
}

func (f fate) name() string { return fmt.Sprintf("%s/%s/%d", f.place.name, f.action, f.seed) }

// mayLose reports whether a session may be lost by it.
func (f fate) mayLose() bool {
	ofSession := strings.HasPrefix(f.place.name, "session-") || strings.HasPrefix(f.place.name, "spool-")
	return ofSession && f.action != "STOP"
}

// fates are the runs: a random sample, with PSS_TEST_LONG all points and actions
// with six seeds each. PSS_TEST_SEED gives every case that one seed, for -run to
// choose from.
func fates(t *testing.T) []fate {
	var all []fate
	for _, p := range places {
		for _, a := range p.actions {
			all = append(all, fate{place: p, action: actionNames[a]})
		}
	}
	if s, err := strconv.ParseUint(os.Getenv("PSS_TEST_SEED"), 10, 64); err == nil {
		for i := range all {
			all[i].seed = s
		}
		return all
	}
	rng := random(t)
	var list []fate
	n := rounds(6)
	if !long() {
		rng.Shuffle(len(all), func(i, j int) { all[i], all[j] = all[j], all[i] })
		all, n = all[:min(rounds(7), len(all))], 1
	}
	for range n {
		for _, f := range all {
			f.seed = uint64(rng.Uint32())
			list = append(list, f)
		}
	}
	return list
}

// matrixSettings make everything that waits for time wait for little.
var matrixSettings = map[string]string{
	"host.toml":   "lease = \"1s\"\nlinger = \"600ms\"\n",
	"config.toml": "[agent]\nheartbeat = \"200ms\"\nlinger = \"600ms\"\n",
}

const matrixLease = time.Second

// A process is killed, stopped past its lease or bereft of its shell at one exact
// place of a story of sessions that are made, used, left, taken up and removed.
// Whatever the place: no output is lost, repeated without cause or altered, no
// command runs twice, no session disappears, and nothing is left behind.
//
//	PSS_TEST_LONG=1 go test ./cmd/pss -run TestKillMatrix -timeout 60m
//	PSS_TEST_SEED=7 go test ./cmd/pss -run 'TestKillMatrix/spool-ack/KILL'
func TestKillMatrix(t *testing.T) {
	t.Parallel()
	var mu sync.Mutex
	runs, fired, failed, lost := 0, 0, 0, 0
	began := time.Now()
	t.Cleanup(func() {
		t.Logf("%d runs, %d faults fired, %d lossy or otherwise wrong, %d sessions ended by their fault, %v", runs, fired, failed, lost, time.Since(began).Round(time.Second))
	})
	for _, f := range fates(t) {
		t.Run(f.name(), func(t *testing.T) {
			t.Parallel()
			s := newStory(t, f)
			t.Cleanup(func() {
				mu.Lock()
				defer mu.Unlock()
				runs++
				lost += len(s.lost)
				if s.hasFired() {
					fired++
				} else {
					t.Logf("not fired: %s passes only %d times, not %d", s.place.name, s.passed, s.pass)
				}
				if t.Failed() {
					failed++
					t.Logf("PSS_TEST_SEED=%d go test ./cmd/pss -run 'TestKillMatrix/%s/%s'   pass %d", f.seed, f.place.name, f.action, s.pass)
				}
			})
			s.tell()
			s.check()
		})
	}
}

// story is one run.
type story struct {
	fate
	t      *testing.T
	w      *world
	rng    *rand.Rand
	traps  string       // the folder of PSS_TEST_POINT
	pass   int          // the one that counts
	passed int          // how many there were, at most that one
	did    atomic.Value // pid and role that it happened to

	names   map[string]bool   // of sessions that were asked for
	made    map[string]string // names by InstanceId, of those that were reported as made
	ending  map[string]bool   // by InstanceId: to be removed; true once that was reported
	lost    map[string]bool   // by InstanceId: a cmdlet said so
	orders  []*order
	cmdlets int
	got     []*delivery
	stops   sync.WaitGroup // who waits for a stop
	over    chan struct{}
	once    sync.Once                 // of disarm
	fds     map[string]map[string]int // of agent and host at the start, by kind
	leak    string                    // what is more than that
}

func newStory(t *testing.T, f fate) *story {
	s := &story{
		fate: f, t: t, rng: rand.New(rand.NewPCG(f.seed, 1)), names: map[string]bool{}, made: map[string]string{},
		ending: map[string]bool{}, lost: map[string]bool{}, over: make(chan struct{}), fds: map[string]map[string]int{},
	}
	s.w = newWorld(t, killPSS, matrixSettings)
	s.traps = s.w.path("traps")
	require.NoError(t, os.Mkdir(s.traps, 0o700))
	s.pass = 1 + s.rng.IntN(f.place.passes)
	s.w.env = []string{
		fmt.Sprintf("PSS_TEST_POINT=%s %s %d %s", s.traps, f.place.name, s.pass, f.action),
		"PSS_TEST_FAULT=small-segments," + os.Getenv("PSS_TEST_FAULT"),
		"GORACE=atexit_sleep_ms=0 log_path=" + s.w.path("race"), // which is found in the end
	}
	if f.action == "STOP" {
		s.stops.Add(1)
		go s.wakeStopped()
	}
	t.Cleanup(s.disarm)
	return s
}

// fired reads who did it, if it has happened.
func (s *story) fired() (pid int, ok bool) {
	for _, dir := range []string{s.traps, s.traps + ".over"} {
		if b, err := os.ReadFile(filepath.Join(dir, "fired")); err == nil {
			s.did.Store(string(b))
			first, _, _ := strings.Cut(string(b), " ")
			pid, err = strconv.Atoi(first)
			return pid, err == nil
		}
	}
	return 0, false
}

// wakeStopped continues the process that stops, behind the end of its lease.
func (s *story) wakeStopped() {
	defer s.stops.Done()
	for over := false; ; {
		pid, ok := s.fired()
		switch {
		case ok:
			for st, err := platform.StatProcess(pid); err == nil && st.State != 'T'; st, err = platform.StatProcess(pid) {
				time.Sleep(time.Millisecond)
			}
			time.Sleep(matrixLease + matrixLease/4) // the outage itself
			_ = syscall.Kill(pid, syscall.SIGCONT)
			return
		case over:
			return
		}
		select {
		case <-s.over:
			over = true
		case <-time.After(2 * time.Millisecond):
		}
	}
}

// disarm ends the time of faults; what is stopped goes on first.
func (s *story) disarm() {
	s.once.Do(func() {
		require.NoError(s.t, os.Rename(s.traps, s.traps+".over"))
		s.fired()
		close(s.over)
		files, _ := filepath.Glob(filepath.Join(s.traps+".over", "[0-9]*"))
		s.passed = len(files)
		s.stops.Wait()
		require.NoError(s.t, os.RemoveAll(s.traps+".over"))
	})
}

// hasFired reports whether the fault has happened.
func (s *story) hasFired() bool { return s.did.Load() != nil }
