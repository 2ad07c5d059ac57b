//go:build linux

package main_test

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"io"
	"math/rand/v2"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	cmd "pss/cmd/pss"
)

// patience bounds every wait of these tests; they wait for states, never for time.
// PSS_TEST_PATIENCE shortens that where a test is expected to fail.
var patience = func() time.Duration {
	if d, err := time.ParseDuration(os.Getenv("PSS_TEST_PATIENCE")); err == nil {
		return d
	}
	return 30 * time.Second
}()

var racePSS, thisPSS, nextPSS, killPSS = cmd.ScriptedPSS, cmd.ThisPSS, cmd.NextPSS, cmd.PlantedPSS

// rounds multiplies the random part of a test by PSS_TEST_ROUNDS.
func rounds(n int) int {
	if k, err := strconv.Atoi(os.Getenv("PSS_TEST_ROUNDS")); err == nil && k > 0 {
		n *= k
	}
	return n
}

// slow reports whether the slow tier runs: with PSS_TEST_ROUNDS above 1, or
// PSS_TEST_LONG.
func slow() bool { return rounds(1) > 1 || long() }

// slowTier skips a test that is not for every run: it takes long, or another build.
// PSS_TEST_SLOW asks for such a test without more rounds of it.
func slowTier(t *testing.T) {
	t.Helper()
	if !slow() && os.Getenv("PSS_TEST_SLOW") == "" {
		t.Skip("of the slow tier: PSS_TEST_SLOW is not set")
	}
}

// random returns a generator whose seed is printed; PSS_TEST_SEED sets it.
func random(t *testing.T) *rand.Rand {
	seed := uint64(time.Now().UnixNano())
	if s, err := strconv.ParseUint(os.Getenv("PSS_TEST_SEED"), 10, 64); err == nil {
		seed = s
	}
	t.Logf("PSS_TEST_SEED=%d", seed)
	return rand.New(rand.NewPCG(seed, 0))
}

// world is one PSS_HOME and the processes that live on it.
type world struct {
	t    *testing.T
	home string
	bin  string
	mark string   // the variable by which its processes are known
	env  []string // added to every cmdlet's environment
	// within is a command that runs each cmdlet, to put it somewhere.
	within []string
}

// newWorld makes a PSS_HOME with these files. At the end of the test its
// sessions are removed, its daemons ended, and nothing may be left.
func newWorld(t *testing.T, bin func() (string, error), files map[string]string) *world {
	t.Helper()
	path, err := bin()
	require.NoError(t, err)
	home, err := os.MkdirTemp("/tmp", "pc")
	require.NoError(t, err)
	w := &world{t: t, home: home, bin: path, mark: "PSS_HOME=" + home}
	writeFiles(t, home, files)
	t.Cleanup(w.close)
	return w
}

func writeFiles(t *testing.T, dir string, files map[string]string) {
	t.Helper()
	for name, text := range files {
		path := filepath.Join(dir, name)
		require.NoError(t, os.MkdirAll(filepath.Dir(path), 0o700))
		require.NoError(t, os.WriteFile(path, []byte(text), 0o600))
	}
}

// as returns the same world seen from another client session.
func (w *world) as(name string) *world {
	c := *w
	c.env = append(slices.Clone(w.env), "PSS_CLIENT_SESSION="+name)
	return &c
}

// with returns the same world with another binary for its cmdlets.
func (w *world) with(bin string) *world {
	c := *w
	c.bin = bin
	return &c
}

func (w *world) path(parts ...string) string {
	return filepath.Join(append([]string{w.home}, parts...)...)
}

// command is a cmdlet that is not started yet, with no standard input.
func (w *world) command(ctx context.Context, args ...string) *exec.Cmd {
	argv := append(append(slices.Clone(w.within), w.bin), args...)
	cmd := exec.CommandContext(ctx, argv[0], argv[1:]...)
	cmd.Env = append([]string{"PATH=" + os.Getenv("PATH"), w.mark, "PSS_CLIENT_SESSION=one", "GORACE=atexit_sleep_ms=0"}, w.env...)
	if f := os.Getenv("PSS_TEST_FAULT"); f != "" {
		cmd.Env = append(cmd.Env, "PSS_TEST_FAULT="+f)
	}
	cmd.Dir = w.home
	cmd.WaitDelay = 5 * time.Second
	return cmd
}

// result is what a cmdlet left.
type result struct {
	out, err string
	code     int
}

// pss runs a cmdlet to its end.
func (w *world) pss(args ...string) result {
	w.t.Helper()
	return w.feed(nil, args...)
}

func (w *world) feed(in io.Reader, args ...string) result {
	w.t.Helper()
	ctx, cancel := context.WithTimeout(context.Background(), 2*patience)
	defer cancel()
	cmd := w.command(ctx, args...)
	var out, errs bytes.Buffer
	cmd.Stdin, cmd.Stdout, cmd.Stderr = in, &out, &errs
	err := cmd.Run()
	var exit *exec.ExitError
	if err != nil && !errors.As(err, &exit) {
		w.t.Errorf("pss %q: %v", args, err)
	}
	return result{out.String(), errs.String(), cmd.ProcessState.ExitCode()}
}

// must is pss for a cmdlet that has to succeed; it returns its output.
func (w *world) must(args ...string) string {
	w.t.Helper()
	r := w.pss(args...)
	require.Zero(w.t, r.code, "pss %q\n%s%s", args, r.out, r.err)
	return strings.TrimSpace(r.out)
}

// line is the part of the JSON contract that the tests look at.
type line struct {
	ID            int `json:"Id"`
	Name          string
	InstanceID    string `json:"InstanceId"`
	State         string
	Availability  string
	CommandState  string
	ExitCode      *int
	UnreadRecords uint64
	Reason        string
	Version       string
	InputState    string
}

// status is State, Availability and CommandState in one word each.
func (l line) status() string { return l.State + "/" + l.Availability + "/" + l.CommandState }

// list asks a computer, or this client session when it is empty, for its sessions.
func (w *world) list(computer string) map[string]line {
	w.t.Helper()
	args := []string{"get-pssession", "--output", "json"}
	if computer != "" {
		args = append(args, "--computer-name", computer)
	}
	r := w.pss(args...)
	require.Zero(w.t, r.code, r.err)
	var lines []line
	require.NoError(w.t, json.Unmarshal([]byte(r.out), &lines), r.out)
	all := map[string]line{}
	for _, l := range lines {
		all[l.Name] = l
	}
	return all
}

// session returns one session as this client session sees it.
func (w *world) session(name string) line {
	w.t.Helper()
	return w.list("localhost")[name]
}

// eventually waits until ok.
func eventually(t *testing.T, what string, ok func() bool) {
	t.Helper()
	for end := time.Now().Add(patience); !ok(); time.Sleep(10 * time.Millisecond) {
		if time.Now().After(end) {
			require.FailNow(t, "not reached: "+what)
		}
	}
}

// await waits until the session has this status.
func (w *world) await(name, status string) line {
	w.t.Helper()
	var last line
	for end := time.Now().Add(patience); time.Now().Before(end); time.Sleep(20 * time.Millisecond) {
		if last = w.session(name); last.status() == status {
			return last
		}
	}
	require.Equal(w.t, status, last.status(), name)
	return last
}

// running is a cmdlet in the background.
type running struct {
	cmd       *exec.Cmd
	out, errs *safeBuffer
	done      chan struct{}
	cancel    context.CancelFunc
}

// start runs a cmdlet in the background until the test ends.
func (w *world) start(args ...string) *running {
	w.t.Helper()
	return w.startTo(nil, args...)
}

// startTo is start with standard output going elsewhere.
func (w *world) startTo(out io.Writer, args ...string) *running {
	w.t.Helper()
	ctx, cancel := context.WithTimeout(context.Background(), 4*patience)
	r := &running{cmd: w.command(ctx, args...), out: &safeBuffer{}, errs: &safeBuffer{}, done: make(chan struct{}), cancel: cancel}
	r.cmd.Stdout, r.cmd.Stderr = r.out, r.errs
	if out != nil {
		r.cmd.Stdout = out
	}
	require.NoError(w.t, r.cmd.Start())
	go func() {
		_ = r.cmd.Wait() // its code is read from ProcessState
		close(r.done)
	}()
	w.t.Cleanup(func() { cancel(); <-r.done })
	return r
}

// wait returns the exit code.
func (r *running) wait(t *testing.T) int {
	t.Helper()
	select {
	case <-r.done:
	case <-time.After(2 * patience):
		require.FailNow(t, "cmdlet did not end", "%q", r.cmd.Args)
	}
	return r.cmd.ProcessState.ExitCode()
}

// safeBuffer can be read while a process writes.
type safeBuffer struct {
	mu sync.Mutex // guards b
	b  bytes.Buffer
}

// Write appends.
func (s *safeBuffer) Write(p []byte) (int, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.b.Write(p)
}

// String returns what was written so far.
func (s *safeBuffer) String() string {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.b.String()
}
