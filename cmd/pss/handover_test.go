//go:build linux

package main_test

import (
	"strconv"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
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
