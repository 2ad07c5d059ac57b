//go:build linux

package main_test

import (
	"bufio"
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"math/rand/v2"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"pss/remote/api"
	"pss/remote/client"
	"pss/remote/platform"
)

// patience bounds every wait of these tests; they wait for states, never for time.
// PSS_TEST_PATIENCE shortens that where a test is expected to fail.
var patience = func() time.Duration {
	if d, err := time.ParseDuration(os.Getenv("PSS_TEST_PATIENCE")); err == nil {
		return d
	}
	return 30 * time.Second
}()

// buildFolder is where the binaries under test lie. A shell that waits for our
// end deletes it, however that comes.
var buildFolder = sync.OnceValues(func() (string, error) {
	dir, err := os.MkdirTemp("", "pss-build-")
	if err != nil {
		return "", err
	}
	r, w, err := os.Pipe()
	if err != nil {
		return "", err
	}
	cmd := exec.Command("/bin/sh", "-c", `read x; rm -rf "$1"`, "sh", dir)
	cmd.Stdin = r
	cmd.SysProcAttr = &syscall.SysProcAttr{Setsid: true}
	err = cmd.Start()
	r.Close()
	keepOpen = w
	return dir, err
})

var keepOpen *os.File

// buildPSS builds cmd/pss. PSS_TEST_TAGS adds build tags: scripts/planted runs
// the tests on a binary with faults built in.
func buildPSS(name string, args ...string) (string, error) {
	dir, err := buildFolder()
	if err != nil {
		return "", err
	}
	bin := filepath.Join(dir, name)
	out, err := exec.Command("go", append([]string{"build", "-o", bin}, append(args, "pss/cmd/pss")...)...).CombinedOutput()
	if err != nil {
		return "", fmt.Errorf("go build: %w\n%s", err, out)
	}
	return bin, nil
}

func withTags(tags ...string) string {
	if extra := os.Getenv("PSS_TEST_TAGS"); extra != "" {
		tags = append(tags, extra)
	}
	return "-tags=" + strings.Join(tags, ",")
}

var (
	racePSS = sync.OnceValues(func() (string, error) { return buildPSS("pss-race", "-race", withTags()) })
	thisPSS = sync.OnceValues(func() (string, error) { return buildPSS("pss", withTags()) })
	nextPSS = sync.OnceValues(func() (string, error) { return buildPSS("pss-next", withTags("pss_next")) })
)

// rounds multiplies the random part of a test by PSS_TEST_ROUNDS.
func rounds(n int) int {
	if k, err := strconv.Atoi(os.Getenv("PSS_TEST_ROUNDS")); err == nil && k > 0 {
		n *= k
	}
	return n
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
	env  []string // added to every cmdlet's environment
}

// newWorld makes a PSS_HOME with these files. At the end of the test its
// sessions are removed, its daemons ended, and nothing may be left.
func newWorld(t *testing.T, bin func() (string, error), files map[string]string) *world {
	t.Helper()
	path, err := bin()
	require.NoError(t, err)
	home, err := os.MkdirTemp("/tmp", "pc")
	require.NoError(t, err)
	w := &world{t: t, home: home, bin: path}
	for name, text := range files {
		require.NoError(t, os.WriteFile(filepath.Join(home, name), []byte(text), 0o600))
	}
	t.Cleanup(w.close)
	return w
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
	cmd := exec.CommandContext(ctx, w.bin, args...)
	cmd.Env = append([]string{"PATH=" + os.Getenv("PATH"), "PSS_HOME=" + w.home, "PSS_CLIENT_SESSION=one", "GORACE=atexit_sleep_ms=0"}, w.env...)
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

// processes are all that carry our PSS_HOME in their environment.
func (w *world) processes() []int {
	var pids []int
	entries, _ := os.ReadDir("/proc")
	for _, e := range entries {
		pid, err := strconv.Atoi(e.Name())
		if err != nil || pid == os.Getpid() {
			continue
		}
		if hasVariable(proc(pid, "environ"), "PSS_HOME="+w.home) {
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
	st := proc(pid, "stat")
	i := bytes.LastIndexByte(st, ')')
	return i > 0 && len(st) > i+2 && st[i+2] != 'Z'
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
	for _, f := range w.facts() {
		if f.info.Life != api.LifeOpen || !alive(f.info.Pid) {
			kill(t, w.holders(f)...)
			_ = os.RemoveAll(f.dir)
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
	for len(w.processes()) > 0 && time.Now().Before(end) {
		time.Sleep(10 * time.Millisecond)
	}
	for _, pid := range w.processes() {
		t.Errorf("left: %d %q", pid, proc(pid, "cmdline"))
		_ = syscall.Kill(pid, syscall.SIGKILL)
	}
	if left, _ := filepath.Glob(w.path("s", "*")); len(left) > 0 && !t.Failed() {
		t.Errorf("left: %q", left)
	}
	if err := os.RemoveAll(w.home); err != nil {
		t.Error(err)
	}
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

// record is a line of --output ndjson.
type record struct {
	Type        string
	Pipeline    uint32
	Seq         uint64
	Kind        string
	Data        string
	Value       json.RawMessage
	Outcome     string
	ExitCode    *int
	ErrorSource string
}

// records reads NDJSON; a last line that is cut by a kill is dropped.
func records(t *testing.T, out string) (recs []record, last *record) {
	t.Helper()
	sc := bufio.NewScanner(strings.NewReader(out))
	sc.Buffer(nil, 16<<20)
	for sc.Scan() {
		var r record
		if json.Unmarshal(sc.Bytes(), &r) != nil {
			continue
		}
		if r.Type == "Result" {
			last = &r
		} else {
			recs = append(recs, r)
		}
	}
	return recs, last
}

// collector puts together what several deliveries brought: it drops what Seq
// says was there before, and fails on a hole.
type collector struct {
	t    *testing.T
	seq  map[uint32]uint64
	text map[string]*strings.Builder // by kind
	ends int
}

func newCollector(t *testing.T) *collector {
	return &collector{t: t, seq: map[uint32]uint64{}, text: map[string]*strings.Builder{"Output": {}, "Error": {}}}
}

// take adds one delivery and returns how many records were repeated.
func (c *collector) take(recs []record) (repeated int) {
	c.t.Helper()
	for _, r := range recs {
		if r.Seq <= c.seq[r.Pipeline] {
			repeated++
			continue
		}
		require.Equal(c.t, c.seq[r.Pipeline]+1, r.Seq, "a hole in pipeline %d", r.Pipeline)
		c.seq[r.Pipeline] = r.Seq
		if b := c.text[r.Kind]; b != nil {
			b.WriteString(r.Data)
		}
		if r.Kind == "End" {
			c.ends++
		}
	}
	return repeated
}

// numbered is a bash script that prints numbered lines with a checksum on both
// streams until the file "stop" appears, tells its count in a file, and exits
// with code. pause is a command between two groups of lines.
func numbered(dir string, k, code int, pause string) string {
	return fmt.Sprintf(`i=0
while [ ! -e %[1]s/stop ] && [ $i -lt 20000 ]; do
  i=$((i+1)); c=$(( (i*7919 + %[2]d*104729) %% 1000003 ))
  echo "o $i $c"; echo "e $i $c" >&2
  [ $((i %% 5)) -ne 0 ] || { echo $i > %[1]s/count.%[2]d; %[4]s; }
done
echo "end $i"
exit %[3]d`, dir, k, code, pause)
}

// count is how far the numbered command k has come.
func count(dir string, k int) int {
	b, _ := os.ReadFile(filepath.Join(dir, fmt.Sprintf("count.%d", k)))
	n, _ := strconv.Atoi(strings.TrimSpace(string(b)))
	return n
}

// checkNumbered proves that out and errs are complete, in order and unchanged.
func checkNumbered(t *testing.T, k int, out, errs string) {
	t.Helper()
	lines := strings.Split(strings.TrimSuffix(out, "\n"), "\n")
	n := len(lines) - 1
	require.Equal(t, fmt.Sprintf("end %d", n), lines[n], "command %d", k)
	var wantOut, wantErr strings.Builder
	for i := 1; i <= n; i++ {
		c := (i*7919 + k*104729) % 1000003
		fmt.Fprintf(&wantOut, "o %d %d\n", i, c)
		fmt.Fprintf(&wantErr, "e %d %d\n", i, c)
	}
	fmt.Fprintf(&wantOut, "end %d\n", n)
	require.True(t, wantOut.String() == out, "output of command %d is not what it printed", k)
	require.True(t, wantErr.String() == errs, "errors of command %d are not what it printed", k)
}

// withoutWarnings drops our own lines about lost connections.
func withoutWarnings(errs string) string {
	var b strings.Builder
	for l := range strings.Lines(errs) {
		if !strings.HasPrefix(l, "WARNING: the connection was ") {
			b.WriteString(l)
		}
	}
	return b.String()
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
	ctx, cancel := context.WithTimeout(context.Background(), 4*patience)
	r := &running{cmd: w.command(ctx, args...), out: &safeBuffer{}, errs: &safeBuffer{}, done: make(chan struct{}), cancel: cancel}
	r.cmd.Stdout, r.cmd.Stderr = r.out, r.errs
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
