//go:build linux

package main_test

import (
	"bytes"
	"context"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"strconv"
	"syscall"
	"testing"
	"time"

	"github.com/google/uuid"
	"github.com/stretchr/testify/require"

	cmd "pss/cmd/pss"
	"pss/remote/api"
	"pss/remote/client"
	"pss/remote/platform"
)

// usage is what a process holds.
type usage struct {
	descriptors int
	kilobytes   int // resident
}

func usageOf(t *testing.T, pid int) (u usage) {
	t.Helper()
	fds, err := os.ReadDir(fmt.Sprintf("/proc/%d/fd", pid))
	require.NoError(t, err)
	u.descriptors = len(fds)
	for line := range bytes.Lines(proc(pid, "status")) {
		if f := bytes.Fields(line); len(f) > 1 && string(f[0]) == "VmRSS:" {
			u.kilobytes, err = strconv.Atoi(string(f[1]))
			require.NoError(t, err)
		}
	}
	require.NotZero(t, u.kilobytes)
	return u
}

// filesBelow returns the number of the files below dir and the disk that they take.
func filesBelow(t *testing.T, dir string) (files int, kilobytes int64) {
	t.Helper()
	require.NoError(t, filepath.WalkDir(dir, func(path string, d fs.DirEntry, err error) error {
		if err != nil || d.IsDir() {
			return nil //nolint:nilerr // a file that has just gone
		}
		var st syscall.Stat_t
		if syscall.Stat(path, &st) == nil {
			files++
			kilobytes += st.Blocks / 2
		}
		return nil
	}))
	return files, kilobytes
}

// children are the processes that pid started and that live.
func children(pid int) (pids []int) {
	for _, child := range cmd.Pids() {
		if st, err := platform.StatProcess(child); err == nil && st.PPID == pid {
			pids = append(pids, child)
		}
	}
	return pids
}

// oneCommand takes what a command prints.
type oneCommand struct {
	out bytes.Buffer
	end bool
}

// Hello has nothing to tell.
func (o *oneCommand) Hello(*api.StreamHello) {}

// Record takes one record.
func (o *oneCommand) Record(r api.Record) error {
	if r.Kind == api.KindOutput {
		o.out.Write(r.Data)
	}
	o.end = o.end || r.Kind == api.KindEnd
	return nil
}

// Flush has everything already.
func (o *oneCommand) Flush() error { return nil }

// Scenario 78: a thousand commands in one session, one after the other, meet no
// quota; agent, host, session host and shell hold no more after the last than
// after the first two hundred, nor does the session's folder.
func TestScenario78ManyCommands(t *testing.T) {
	t.Parallel()
	w := newWorld(t, thisPSS, map[string]string{"host.toml": "spare_session_hosts = 0\n"})
	w.must("new-pssession", "--name", "s", "--output", "id")
	f := w.facts()["s"]
	agent := w.asCmdlet("one")
	ctx, cancel := context.WithTimeout(context.Background(), 10*time.Minute)
	defer cancel()
	run := func(from, to int) {
		for i := from; i < to; i++ {
			o := &oneCommand{}
			drive := &client.Drive{Client: agent, Session: f.info.InstanceID, Consumer: o, RetryWindow: time.Second, Request: api.StreamRequest{
				Stream: uuid.NewString(), Pipeline: uuid.NewString(), Start: &api.Command{Script: fmt.Sprintf("n=$((n+1)); echo $n %d", i)},
			}}
			require.NoError(t, drive.Run(ctx), "command %d", i)
			require.True(t, o.end)
			require.Equal(t, fmt.Sprintf("%d %d\n", i, i), o.out.String(), "the shell is the same one")
		}
	}
	shells := children(f.info.Pid)
	require.Len(t, shells, 1)
	who := map[string]int{"agent": w.agent(), "host": w.host(), "session host": f.info.Pid, "shell": shells[0]}
	measure := func() (map[string]usage, int, int64) {
		all := map[string]usage{}
		for name, pid := range who {
			all[name] = usageOf(t, pid)
		}
		files, kilobytes := filesBelow(t, f.dir)
		return all, files, kilobytes
	}
	run(1, 201)
	early, earlyFiles, earlyDisk := measure()
	run(201, 1000*rounds(1)+1)
	late, lateFiles, lateDisk := measure()
	t.Logf("after 200: %+v, %d files, %d kB; at the end: %+v, %d files, %d kB", early, earlyFiles, earlyDisk, late, lateFiles, lateDisk)
	for name := range who {
		require.LessOrEqual(t, late[name].descriptors, early[name].descriptors+2, name)
		require.LessOrEqual(t, late[name].kilobytes, early[name].kilobytes+4096, name)
	}
	require.LessOrEqual(t, lateFiles, earlyFiles+2)
	require.LessOrEqual(t, lateDisk, earlyDisk+64)
	require.Equal(t, "Opened/Available/None", w.session("s").status())
	require.Equal(t, shells, children(f.info.Pid), "the shell is the same one")
}
