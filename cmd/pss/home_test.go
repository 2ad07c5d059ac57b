//go:build linux

package main

import (
	"bytes"
	"context"
	"fmt"
	"io/fs"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strings"
	"syscall"
	"time"

	"github.com/rogpeppe/go-internal/testscript"
	"golang.org/x/sys/unix"
)

// home is one PSS_HOME. Its path is short, because sockets stand in it.
type home struct {
	dir string
}

// crashLog takes the standard error of a home's session hosts.
const crashLog = "session-hosts.log"

const quickClient = `[agent]
linger = "1s"
client_exit_grace = "1s"
`

const quickHost = `linger = "1s"
lease = "3s"
min_idle_timeout = "1s"
`

func newHome(parent string) (*home, error) {
	dir, err := os.MkdirTemp(parent, "pss")
	if err != nil {
		return nil, err
	}
	h := &home{dir: dir}
	if err := os.WriteFile(filepath.Join(dir, "config.toml"), []byte(quickClient), 0o600); err != nil {
		return nil, err
	}
	return h, os.WriteFile(filepath.Join(dir, "host.toml"), []byte(quickHost), 0o600)
}

// staying are the files that a home keeps for good.
var staying = regexp.MustCompile(`^(config\.toml|host\.toml|configurations/.*\.toml|(agent|host)/(lock|log|id)|agent/(table\.ndjson|computers\.json|pins\.json)|host/(cert\.pem|cert-next\.pem|cert-past\.json|cert-lock|token|passwords(\.lock)?|enrolments\.json|audit\.ndjson|registry|remote-disabled|installed\.json|` + crashLog + `))$`)

// trouble is what no log of ours may hold.
var trouble = regexp.MustCompile(`(?m)^WARNING: DATA RACE|^panic: |^fatal error: `)

// end removes the home's sessions, waits until its processes have gone, and
// returns what is wrong then. What does not go by itself is killed.
func (h *home) end() (bad []string) {
	if _, err := os.Stat(h.dir); err != nil {
		return nil
	}
	bad = h.removeSessions()
	for pid, what := range awaitNone(h.dir, 20*time.Second, func(string) bool { return true }) {
		bad = append(bad, fmt.Sprintf("process %d: %s", pid, what))
		_ = syscall.Kill(pid, syscall.SIGKILL)
	}
	for _, name := range filesOf(h.dir) {
		if !staying.MatchString(name) {
			bad = append(bad, "file "+name)
		}
	}
	return append(bad, Troubles(h.dir)...)
}

// Troubles returns the logs of a home that tell of a crash or of a data race.
func Troubles(dir string) (bad []string) {
	for _, name := range []string{"agent/log", "host/log", "host/" + crashLog} {
		log, err := os.ReadFile(filepath.Join(dir, name))
		if err == nil && trouble.Match(log) {
			bad = append(bad, name+":\n"+string(log))
		}
	}
	return bad
}

// removeSessions removes, by the host's own protocol, what the script left. A
// session that is held by a client session needs force.
func (h *home) removeSessions() (bad []string) {
	names, err := os.ReadDir(filepath.Join(h.dir, "s"))
	if err != nil || len(names) == 0 {
		return nil
	}
	pss, err := ScriptedPSS()
	if err != nil {
		return []string{err.Error()}
	}
	ctx, cancel := context.WithTimeout(context.Background(), stepTime)
	defer cancel()
	for range 3 {
		// The listing starts the host if it does not run.
		cmd := exec.CommandContext(ctx, pss, "get-pssession", "--computer-name", "localhost", "--output", "instance-id")
		cmd.Env = append(os.Environ(), "PSS_HOME="+h.dir, "PSS_CLIENT_SESSION=end", "PSS_OUTPUT=", "GORACE="+raceOptions)
		var stderr bytes.Buffer
		cmd.Stderr = &stderr
		out, err := cmd.Output()
		if err != nil {
			return []string{fmt.Sprintf("listing the sessions: %v %s", err, stderr.String())}
		}
		ids := strings.Fields(string(out))
		if len(ids) == 0 {
			return nil
		}
		bad = nil
		for _, id := range ids {
			r, err := request(h.dir, "", "DELETE", "/v1/sessions/"+id+"?force=true", nil)
			if err != nil || r.StatusCode >= 300 && r.StatusCode != 404 {
				bad = append(bad, fmt.Sprintf("session %s is not removed: %v", id, err))
			}
		}
	}
	return bad
}

// filesOf returns everything below a home that is no folder.
func filesOf(dir string) (names []string) {
	_ = filepath.WalkDir(dir, func(path string, d fs.DirEntry, err error) error {
		rel, rerr := filepath.Rel(dir, path)
		inSessions := strings.HasPrefix(rel, "s"+string(filepath.Separator))
		if err == nil && rerr == nil && (!d.IsDir() || inSessions) {
			names = append(names, rel)
		}
		return nil
	})
	return names
}

// cmdHome makes another PSS_HOME and keeps its name in a variable: home other
// ends with it being checked like the first one.
func cmdHome(ts *testscript.TestScript, neg bool, args []string) {
	if neg || len(args) < 1 || len(args) > 2 {
		ts.Fatalf("usage: home NAME [PARENT]")
	}
	parent := os.TempDir()
	if len(args) == 2 {
		parent = args[1]
	}
	h, err := newHome(parent)
	ts.Check(err)
	w := sceneOf(ts)
	w.homes = append(w.homes, h)
	ts.Setenv(args[0], h.dir)
}

// cmdTmpfs mounts a small file system: tmpfs NAME 8m
func cmdTmpfs(ts *testscript.TestScript, neg bool, args []string) {
	if neg || len(args) != 2 {
		ts.Fatalf("usage: tmpfs NAME SIZE")
	}
	dir, err := os.MkdirTemp(os.TempDir(), "psd")
	ts.Check(err)
	ts.Check(unix.Mount("tmpfs", dir, "tmpfs", 0, "mode=700,size="+args[1]))
	w := sceneOf(ts)
	w.unmount = append(w.unmount, dir)
	ts.Setenv(args[0], dir)
}

func canMount() bool {
	if os.Geteuid() != 0 {
		return false
	}
	dir, err := os.MkdirTemp(os.TempDir(), "psd")
	if err != nil {
		return false
	}
	if unix.Mount("tmpfs", dir, "tmpfs", 0, "size=64k") != nil {
		os.Remove(dir)
		return false
	}
	return unmount(dir) == nil
}

func unmount(dir string) error {
	if err := unix.Unmount(dir, unix.MNT_DETACH); err != nil {
		return err
	}
	return os.Remove(dir)
}

// cmdNone demands that within ten seconds no process of a home is left that
// matches: none "$PSS_HOME" 'session-host|bash'
func cmdNone(ts *testscript.TestScript, neg bool, args []string) {
	if neg || len(args) != 2 {
		ts.Fatalf("usage: none HOME REGEXP")
	}
	re, err := regexp.Compile(args[1])
	ts.Check(err)
	left := ""
	for pid, what := range awaitNone(args[0], 10*time.Second, re.MatchString) {
		left += fmt.Sprintf("\n%d: %s", pid, what)
	}
	if left != "" {
		ts.Fatalf("still there:%s", left)
	}
}

// cmdFiles demands that a home holds nothing, within ten seconds, but the files
// that stay and those that match: files "$PSS_HOME" '^(agent|host)/sock$'
func cmdFiles(ts *testscript.TestScript, neg bool, args []string) {
	if neg || len(args) != 2 {
		ts.Fatalf("usage: files HOME REGEXP")
	}
	re, err := regexp.Compile(args[1])
	ts.Check(err)
	deadline := time.Now().Add(10 * time.Second)
	for {
		var left []string
		for _, name := range filesOf(args[0]) {
			if !staying.MatchString(name) && !re.MatchString(name) {
				left = append(left, name)
			}
		}
		if len(left) == 0 {
			return
		}
		if time.Now().After(deadline) {
			ts.Fatalf("still there:\n%s", strings.Join(left, "\n"))
		}
		time.Sleep(20 * time.Millisecond)
	}
}
