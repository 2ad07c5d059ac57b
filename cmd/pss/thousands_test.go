//go:build linux

package main_test

import (
	"os"
	"slices"
	"strconv"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
)

// processorTime is what a process has used in clock ticks.
func processorTime(t *testing.T, pid int) int {
	t.Helper()
	text, err := os.ReadFile("/proc/" + strconv.Itoa(pid) + "/stat")
	require.NoError(t, err)
	f := strings.Fields(string(text[strings.LastIndexByte(string(text), ')')+1:]))
	user, err := strconv.Atoi(f[11])
	require.NoError(t, err)
	system, err := strconv.Atoi(f[12])
	require.NoError(t, err)
	return user + system
}

// Two thousand idle sessions (forty in the short tier) are made, held with flat memory
// and next to no processor time, listed and removed.
func TestManyIdleSessions(t *testing.T) {
	n, hold := 40, 2*time.Second
	if long() {
		n, hold = 2000, time.Minute
	}
	w := newWorld(t, thisPSS, nil)
	began := time.Now()
	w.must("new-pssession", "--computer-name", strings.Repeat("localhost,", n-1)+"localhost", "--output", "id")
	made := time.Since(began)
	all := w.facts()
	require.Len(t, all, n)
	began = time.Now()
	require.Len(t, w.list("localhost"), n)
	listed := time.Since(began)
	pids := []int{w.agent(), w.host()}
	for _, f := range all {
		pids = append(pids, f.info.Pid)
	}
	use := func() (kib, ticks int) {
		for _, pid := range pids {
			kib += resident(t, pid)
			ticks += processorTime(t, pid)
		}
		return kib, ticks
	}
	time.Sleep(time.Second) // what came with making them is over
	before, busy := use()
	time.Sleep(hold) // the measurement itself
	after, total := use()
	share := float64(total-busy) / 100 / hold.Seconds()
	t.Logf("%d sessions made in %v (%.0f/s), listed in %v; %d KiB each, %+d KiB in all after %v, %.1f %% of a processor",
		n, made, float64(n)/made.Seconds(), listed, before/n, after-before, hold, 100*share)
	require.Less(t, after, before+before/10)
	require.Less(t, share, 0.25)
	began = time.Now()
	w.must("remove-pssession", "--computer-name", "localhost", "--force")
	t.Logf("removed in %v", time.Since(began))
	require.Empty(t, w.list("localhost"))
}

// Many clients that start the same job at once start it once: forty of them in a
// script, a thousand here.
func TestThousandStartsRunOnce(t *testing.T) {
	if !slow() {
		t.Skip("the slow tier does it; new-pssession/if-absent does it with forty")
	}
	const n, atOnce = 1000, 50
	w := newWorld(t, thisPSS, nil)
	log := w.path("ran")
	ids := make([]string, n)
	var wg sync.WaitGroup
	slots := make(chan struct{}, atOnce)
	for i := range n {
		slots <- struct{}{}
		wg.Add(1)
		go func() {
			defer wg.Done()
			defer func() { <-slots }()
			r := w.as("c"+strconv.Itoa(i%100)).pss("invoke-command", "--computer-name", "localhost", "--in-disconnected-session", "--session-name", "nightly",
				"--if-absent", "-n", "--output", "instance-id", "--script-block", "echo run >>"+log)
			if r.code != 0 {
				t.Errorf("start %d: %d %s", i, r.code, r.err)
			}
			ids[i] = r.out
		}()
	}
	wg.Wait()
	slices.Sort(ids)
	require.Len(t, slices.Compact(ids), 1)
	require.Equal(t, 0, w.pss("receive-pssession", "--computer-name", "localhost", "--name", "nightly").code)
	data, err := os.ReadFile(log)
	require.NoError(t, err)
	require.Equal(t, "run\n", string(data))
	t.Logf("%d starts, 1 run", n)
}
