//go:build linux

package main_test

import (
	"bytes"
	"fmt"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
)

// writer prints 64 KiB at a time for some seconds and then writes into a file how
// long the longest write took, in milliseconds, and how many there were.
const writer = `perl -MTime::HiRes=time -e '
	my ($block, $end, $max, $n) = ("x" x 65535 . "\n", time + %d, 0, 0);
	while (time < $end) { my $t = time; syswrite(STDOUT, $block) or exit 9; $t = time - $t; $max = $t if $t > $max; $n++ }
	open F, ">%s.new"; printf F "%%d %%d", 1000 * $max, $n; close F; rename "%[2]s.new", "%[2]s"'`

// lateness sleeps for milliseconds and writes how late it was woken at most: what the
// computer itself did to everybody meanwhile.
const lateness = `perl -MTime::HiRes=time,sleep -e '
	my ($end, $max) = (time + %d, 0);
	while (time < $end) { my $t = time; sleep 0.001; $t = time - $t; $max = $t if $t > $max }
	open F, ">%s.new"; printf F "%%d 0", 1000 * $max; close F; rename "%[2]s.new", "%[2]s"' >/dev/null &
`

// figures reads what writer and lateness left.
func figures(t *testing.T, path string) (ms, n int) {
	t.Helper()
	eventually(t, path, func() bool { _, err := os.Stat(path); return err == nil })
	data, err := os.ReadFile(path)
	require.NoError(t, err)
	_, err = fmt.Sscan(string(data), &ms, &n)
	require.NoError(t, err)
	return ms, n
}

// seconds is how long a load lasts: short, or what the issue names.
func seconds(short, whole int) int {
	if long() {
		return whole
	}
	return short
}

// configured is a world whose session configuration small has a buffer of this size.
func configured(t *testing.T, size int) *world {
	w := newWorld(t, thisPSS, nil)
	require.NoError(t, os.Mkdir(w.path("configurations"), 0o700))
	require.NoError(t, os.WriteFile(w.path("configurations", "small.toml"), fmt.Appendf(nil, "OutputBufferSize = %d\n", size), 0o600))
	return w
}

// Drop never stalls the command for more than 100 ms, however much is discarded.
func TestDropNeverStalls(t *testing.T) {
	w := configured(t, 4<<20)
	for how, lasts := 0, seconds(2, 60); how < 2; how++ {
		out, ref := w.path(fmt.Sprintf("stall%d", how)), w.path(fmt.Sprintf("late%d", how))
		name := fmt.Sprintf("drop%d", how)
		w.must("invoke-command", "--computer-name", "localhost", "--in-disconnected-session", "--session-name", name, "--configuration-name", "small",
			"--session-option", `{"OutputBufferingMode":"Drop"}`, "-n", "--script-block", fmt.Sprintf(lateness, lasts, ref)+fmt.Sprintf(writer, lasts, out))
		if how == 1 { // a reader that comes and goes does not stall it either
			for end := time.Now().Add(time.Duration(lasts) * time.Second / 2); time.Now().Before(end); {
				w.pss("receive-pssession", "--computer-name", "localhost", "--name", name, "--no-wait", "--output", "ndjson")
			}
		}
		stall, n := figures(t, out)
		late, _ := figures(t, ref)
		t.Logf("longest write %d ms of %d in %d s (%d MB/s); the computer's own lateness %d ms", stall, n, lasts, n/16/lasts, late)
		require.Less(t, stall, 100+late)
		require.Greater(t, n/16, 4*lasts, "the command was throttled")
		w.must("remove-pssession", "--computer-name", "localhost", "--name", name)
	}
}

// resident is the memory of a process in KiB that is no file's.
func resident(t *testing.T, pid int) (kib int) {
	t.Helper()
	status, err := os.ReadFile(fmt.Sprintf("/proc/%d/status", pid))
	require.NoError(t, err)
	_, rest, ok := bytes.Cut(status, []byte("RssAnon:"))
	require.True(t, ok)
	kib, err = strconv.Atoi(string(bytes.Fields(rest)[0]))
	require.NoError(t, err)
	return kib
}

// Memory stays flat while a command prints without end: blocked, dropping, and with a
// reader that keeps up or is slow.
func TestMemoryStaysFlat(t *testing.T) {
	const most = 48 << 10 // KiB
	w := configured(t, 8<<20)
	var follower *running
	for _, c := range []struct{ name, mode string }{{"block", "Block"}, {"drop", "Drop"}, {"read", "Block"}} {
		w.must("new-pssession", "--name", c.name, "--configuration-name", "small", "--session-option", fmt.Sprintf(`{"OutputBufferingMode":%q}`, c.mode))
		if c.name == "read" {
			follower = w.toNull("invoke-command", "--name", c.name, "-n", "--script-block", "yes")
			continue
		}
		run := w.toNull("invoke-command", "--name", c.name, "-n", "--script-block", "yes")
		w.await(c.name, "Opened/Busy/Running")
		w.must("disconnect-pssession", "--name", c.name)
		run.wait(t)
	}
	w.await("block", "Disconnected/None/Blocked")
	w.await("drop", "Disconnected/None/Dropping")
	w.await("read", "Opened/Busy/Running")
	pids := map[string]int{"agent": w.agent(), "host": w.host(), "cmdlet": follower.cmd.Process.Pid}
	for name, f := range w.facts() {
		pids[name] = f.info.Pid
	}
	peak := map[string]int{}
	for end := time.Now().Add(time.Duration(seconds(3, 60)) * time.Second); time.Now().Before(end); time.Sleep(50 * time.Millisecond) {
		for name, pid := range pids {
			peak[name] = max(peak[name], resident(t, pid))
		}
	}
	t.Logf("peak memory in KiB: %v", peak)
	for name, kib := range peak {
		require.Less(t, kib, most, name)
	}
	require.LessOrEqual(t, diskOf(t, w.facts()["drop"].dir), 8<<20+3*(8<<20), "Drop keeps its buffer, and segments that are being reused")
	for name := range w.facts() {
		w.must("remove-pssession", "--name", name, "--computer-name", "localhost", "--force")
	}
	follower.wait(t)
}

// toNull starts a cmdlet whose output nobody keeps.
func (w *world) toNull(args ...string) *running {
	w.t.Helper()
	null, err := os.OpenFile(os.DevNull, os.O_WRONLY, 0)
	require.NoError(w.t, err)
	defer null.Close()
	return w.startTo(null, args...)
}

// diskOf is the size of the files below dir in bytes.
func diskOf(t *testing.T, dir string) (size int) {
	t.Helper()
	require.NoError(t, filepath.Walk(dir, func(path string, st os.FileInfo, err error) error {
		if err == nil && st.Mode().IsRegular() && strings.HasSuffix(path, ".seg") {
			size += int(st.Size())
		}
		return nil
	}))
	return size
}
