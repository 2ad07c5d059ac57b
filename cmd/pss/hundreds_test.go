//go:build linux

package main_test

import (
	"bufio"
	"encoding/json"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	"golang.org/x/sync/errgroup"
	"pss/config"
)

// farHost is a host with a folder of its own.
type farHost struct {
	name, home string
	cmd        *exec.Cmd
	info       config.HostInfo
}

// startFar starts a host and waits until it takes requests.
func (w *world) startFar(name string) (*farHost, error) {
	h := &farHost{name: name, home: w.path("far", name)}
	if err := os.MkdirAll(h.home, 0o700); err != nil {
		return nil, err
	}
	// No session host in waiting: these hosts are asked, not used.
	if err := os.WriteFile(filepath.Join(h.home, "host.toml"), []byte("spare_session_hosts = 0\n"), 0o600); err != nil {
		return nil, err
	}
	h.cmd = exec.Command(w.bin, "host")
	h.cmd.Env = []string{"PATH=" + os.Getenv("PATH"), "PSS_HOME=" + h.home}
	out, err := h.cmd.StdoutPipe()
	if err != nil {
		return nil, err
	}
	if err := h.cmd.Start(); err != nil {
		return nil, err
	}
	line, err := bufio.NewReader(out).ReadBytes('\n')
	if err == nil {
		err = json.Unmarshal(line, &h.info)
	}
	return h, err
}

func (h *farHost) stop() {
	_ = h.cmd.Process.Signal(syscall.SIGTERM)
	_ = h.cmd.Wait()
}

// Two hundred computers (twenty in the short tier) are asked for their sessions within
// two seconds, and one that is not there is one error among them.
func TestTwoHundredComputers(t *testing.T) {
	n := 20
	if slow() {
		n = 200
	}
	w := newWorld(t, thisPSS, nil)
	hosts := make([]*farHost, n)
	var starts errgroup.Group
	starts.SetLimit(8)
	t.Cleanup(func() {
		var ends errgroup.Group
		for _, h := range hosts {
			if h != nil && h.cmd.Process != nil {
				ends.Go(func() error { h.stop(); return nil })
			}
		}
		_ = ends.Wait()
	})
	for i := range hosts {
		starts.Go(func() (err error) {
			hosts[i], err = w.startFar(fmt.Sprintf("h%03d", i))
			return err
		})
	}
	require.NoError(t, starts.Wait())
	var conf, names strings.Builder
	for _, h := range hosts {
		fmt.Fprintf(&conf, "[computers.%s]\naddress = \"%s:%d\"\nfingerprint = %q\ntoken_file = %q\n",
			h.name, h.info.Address, h.info.Port, h.info.Fingerprint, filepath.Join(h.home, "host", "token"))
		names.WriteString(h.name + "\n")
	}
	fmt.Fprint(&conf, "[computers.gone]\naddress = \"127.0.0.1:1\"\n")
	names.WriteString("gone\n")
	writeFiles(t, w.home, map[string]string{"config.toml": conf.String(), "all": names.String()})
	// On a computer of its own no other host reads its user's profile just then.
	eventually(t, "the profiles are read", func() bool {
		return !slices.ContainsFunc(hosts, func(h *farHost) bool { return len(children(h.cmd.Process.Pid)) > 0 })
	})
	for _, round := range []string{"cold", "warm"} {
		began := time.Now()
		r := w.pss("get-pssession", "--computer-name", "@file:"+w.path("all"), "--output", "name")
		took := time.Since(began)
		require.Equal(t, 1, r.code, r.err)
		require.Equal(t, 1, strings.Count(r.err, "FullyQualifiedErrorId"), r.err)
		require.Empty(t, r.out)
		t.Logf("%d computers asked in %v (%s)", n, took, round)
		require.Less(t, took, 2*time.Second)
	}
}
