//go:build linux

package main

import (
	"context"
	"flag"
	"fmt"
	"io/fs"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/rogpeppe/go-internal/testscript"
)

// TestMain runs the tests, or makes this process the first one of a test computer.
func TestMain(m *testing.M) {
	if filepath.Base(os.Args[0]) == computerInit {
		os.Exit(runComputerInit())
	}
	bareAccount()
	flag.Parse()
	// Scripts mostly wait: more of them than processors may run at once.
	if f := flag.Lookup("test.parallel"); f.Value.String() == f.DefValue {
		_ = f.Value.Set("8")
	}
	m.Run()
}

// raceOptions make a data race the exit code of the cmdlet that has it, and take
// away the second for which every process of a race build sleeps in the end.
const raceOptions = "atexit_sleep_ms=0 exitcode=66"

// TestScripts runs every script below testdata/script: its folder is the verb
// that it is about.
func TestScripts(t *testing.T) {
	t.Parallel()
	folders := map[string]bool{}
	err := filepath.WalkDir(filepath.Join(root, "testdata", "script"), func(path string, d fs.DirEntry, err error) error {
		if err == nil && !d.IsDir() && filepath.Ext(path) == ".txtar" {
			folders[filepath.Dir(path)] = true
		}
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
	if len(folders) == 0 {
		t.Fatal("no script found")
	}
	for dir := range folders {
		t.Run(filepath.Base(dir), func(t *testing.T) {
			t.Parallel()
			testscript.Run(t, testscript.Params{
				Dir: dir, Setup: setup, Cmds: commands, Condition: condition,
				RequireExplicitExec: true, RequireUniqueNames: true,
			})
		})
	}
}

// sceneKey is where a script's scene stands among its values.
type sceneKey struct{}

// scene is what one script has outside of its folder.
type scene struct {
	t         testscript.T
	work      string
	homes     []*home
	children  map[string]*child
	holds     []func() // releases what is held until the end
	terminals map[string]*terminal
	unmount   []string
	computers []string // that the script made
	ssh       *SSHServers
	net       *Net
}

func sceneOf(ts *testscript.TestScript) *scene { return ts.Value(sceneKey{}).(*scene) }

// setup gives a script a PSS_HOME of its own, with times that suit a test, and
// an environment that depends on nothing of the caller's but PATH.
func setup(env *testscript.Env) error {
	w := &scene{t: env.T(), work: env.WorkDir, children: map[string]*child{}, terminals: map[string]*terminal{}}
	h, err := newHome(os.TempDir())
	if err != nil {
		return err
	}
	bin, err := ScriptedPSS()
	if err != nil {
		return err
	}
	env.Setenv("PATH", filepath.Dir(bin)+string(filepath.ListSeparator)+env.Getenv("PATH"))
	w.homes = append(w.homes, h)
	env.Values[sceneKey{}] = w
	env.Vars = append(env.Vars, "PSS_HOME="+h.dir, "PSS_CLIENT_SESSION=one", "LC_ALL=C.UTF-8", "TZ=UTC",
		"GORACE="+raceOptions, "PSS_TEST_FAULT="+os.Getenv("PSS_TEST_FAULT"), "UID="+strconv.Itoa(os.Geteuid()))
	env.Defer(w.end)
	return nil
}

// end stops what the script left running, and fails it for every process and
// file that is left then.
func (w *scene) end() {
	for _, t := range w.terminals {
		t.close()
	}
	for _, release := range w.holds {
		release()
	}
	if w.ssh != nil {
		w.ssh.Calm()
	}
	w.leaveComputers()
	for _, c := range w.children {
		c.stop()
	}
	wrong := make([][]string, len(w.homes))
	var wg sync.WaitGroup
	for i, h := range w.homes {
		wg.Go(func() { wrong[i] = h.end() }) // each waits for its own processes
	}
	wg.Wait()
	bad := slices.Concat(wrong...)
	if w.ssh != nil {
		bad = append(bad, w.ssh.End()...)
	}
	if w.net != nil {
		bad = append(bad, w.net.End()...)
	}
	for _, dir := range w.unmount {
		if err := unmount(dir); err != nil {
			bad = append(bad, fmt.Sprintf("unmount %s: %v", dir, err))
		}
	}
	for _, h := range w.homes {
		os.RemoveAll(h.dir)
	}
	if len(bad) > 0 {
		w.t.Fatal("left over:\n  " + strings.Join(bad, "\n  "))
	}
}

// condition knows, beside testscript's own: [mount], whether a small file system
// can be mounted, [foreign], whether a folder can be given away, [sshd], whether ssh
// servers can be started, [container], whether a process namespace can be made, and
// [computers], whether whole computers can.
func condition(name string) (bool, error) {
	switch name {
	case "mount":
		return canMount(), nil
	case "foreign":
		return os.Geteuid() == 0, nil
	case "sshd":
		return HaveSSHD(), nil
	case "container":
		return canContain(), nil
	case "computers":
		return HaveComputers(), nil
	}
	return false, fmt.Errorf("unknown condition %q", name)
}

// stepTime bounds every single command of a script.
const stepTime = 30 * time.Second

// commands are the words of our scripts. None sleeps for a fixed time.
var commands = map[string]func(*testscript.TestScript, bool, []string){
	"code":      cmdCode,
	"appears":   cmdAppears,
	"waitfor":   cmdWaitFor,
	"var":       cmdVar,
	"bg":        cmdBg,
	"send":      cmdSend,
	"eof":       cmdEOF,
	"signal":    cmdSignal,
	"await":     cmdAwait,
	"home":      cmdHome,
	"computers": cmdComputers,
	"computer":  cmdComputer,
	"on":        cmdOn,
	"cut":       cmdCut,
	"restore":   cmdRestore,
	"container": cmdContainer,
	"gone":      cmdGone,
	"tmpfs":     cmdTmpfs,
	"terminal":  cmdTerminal,
	"type":      cmdType,
	"screen":    cmdScreen,
	"hangup":    cmdHangup,
	"waitended": cmdWaitEnded,
	"feed":      cmdFeed,
	"jsonfield": cmdJSONField,
	"jsontypes": cmdJSONTypes,
	"api":       cmdAPI,
	"raw":       cmdRaw,
	"none":      cmdNone,
	"files":     cmdFiles,
	"sshd":      cmdSSHD,
	"sshnet":    cmdSSHNet,
	"sshproc":   cmdSSHProc,
	"listener":  cmdListener,
	"issue":     cmdIssue,
}

// cmdCode runs a command and demands its exit code, or any other: code 3 pss …
func cmdCode(ts *testscript.TestScript, neg bool, args []string) {
	if len(args) < 2 {
		ts.Fatalf("usage: [!] code CODE command…")
	}
	want, err := strconv.Atoi(args[0])
	ts.Check(err)
	got := execute(ts, args[1:])
	if got == want == neg {
		ts.Fatalf("%s: exit code %d", args[1], got)
	}
}

// execute runs a command without standard input, passes its streams on and
// returns its exit code.
func execute(ts *testscript.TestScript, args []string) int {
	ctx, cancel := context.WithTimeout(context.Background(), stepTime)
	defer cancel()
	cmd := command(ctx, ts, args)
	cmd.Stdout, cmd.Stderr = ts.Stdout(), ts.Stderr()
	err := cmd.Run()
	if ctx.Err() != nil {
		ts.Fatalf("%s took longer than %v", strings.Join(args, " "), stepTime)
	}
	if cmd.ProcessState == nil {
		ts.Fatalf("%s: %v", args[0], err)
	}
	return cmd.ProcessState.ExitCode()
}

// command is a process in the script's environment, or behind the word on one of a
// computer.
func command(ctx context.Context, ts *testscript.TestScript, args []string) *Process {
	if args[0] == "on" {
		return onComputer(ctx, ts, args[1:])
	}
	path, err := lookPath(ts, args[0])
	ts.Check(err)
	cmd := exec.CommandContext(ctx, path, args[1:]...)
	cmd.Args[0] = args[0]
	cmd.Dir = ts.MkAbs(".")
	cmd.Env = environment(ts)
	cmd.WaitDelay = 5 * time.Second
	return &Process{Cmd: cmd}
}

// lookPath finds a program in the script's PATH.
func lookPath(ts *testscript.TestScript, name string) (string, error) {
	if !strings.Contains(name, "/") {
		for _, dir := range filepath.SplitList(ts.Getenv("PATH")) {
			if path, err := exec.LookPath(filepath.Join(dir, name)); err == nil {
				return path, nil
			}
		}
	}
	return exec.LookPath(name)
}

// passed are the variables of a script that its processes get.
var passed = []string{
	"PATH", "HOME", "TMPDIR", "PSS_FINGERPRINT", "WORK", "PSS_HOME", "PSS_CLIENT_SESSION", "PSS_OUTPUT", "PSS_NO_INPUT", "PSSessionOption", "PSSessionConfigurationName", "NO_COLOR", "TERM", "LANG", "LC_ALL", "TZ", "GORACE", "PSS_TEST_FAULT",
	"DISPLAY", "SSH_ASKPASS", "SSH_ASKPASS_REQUIRE", "SSH_AUTH_SOCK",
}

func environment(ts *testscript.TestScript) []string {
	var env []string
	for _, name := range passed {
		if v := ts.Getenv(name); v != "" {
			env = append(env, name+"="+v)
		}
	}
	return env
}

// cmdWaitFor repeats a command until its output matches: waitfor 5s 'Finished' pss gsn …
func cmdWaitFor(ts *testscript.TestScript, neg bool, args []string) {
	if len(args) < 3 {
		ts.Fatalf("usage: [!] waitfor TIMEOUT REGEXP command…")
	}
	limit, err := time.ParseDuration(args[0])
	ts.Check(err)
	want, err := regexp.Compile("(?m)" + args[1])
	ts.Check(err)
	begun := time.Now()
	for {
		ctx, cancel := context.WithTimeout(context.Background(), stepTime)
		out, _ := command(ctx, ts, args[2:]).CombinedOutput()
		cancel()
		if want.Match(out) != neg {
			_, _ = ts.Stdout().Write(out)
			return
		}
		waited := time.Since(begun)
		if waited > limit {
			ts.Fatalf("after %v the output does not do as wanted:\n%s", limit, out)
		}
		// Each look is a process: what takes long is looked at less often.
		time.Sleep(min(max(waited/4, 30*time.Millisecond), 300*time.Millisecond))
	}
}

// cmdAppears waits until files exist: appears first second
func cmdAppears(ts *testscript.TestScript, neg bool, args []string) {
	end := time.Now().Add(stepTime)
	for _, name := range args {
		for {
			if _, err := os.Stat(ts.MkAbs(name)); (err == nil) != neg {
				break
			}
			if time.Now().After(end) {
				ts.Fatalf("%s: not as wanted after %v", name, stepTime)
			}
			time.Sleep(10 * time.Millisecond)
		}
	}
}

// cmdVar keeps a command's output in a variable:
// var s pss new-pssession -o id
func cmdVar(ts *testscript.TestScript, neg bool, args []string) {
	if neg || len(args) < 2 {
		ts.Fatalf("usage: var NAME command…")
	}
	ctx, cancel := context.WithTimeout(context.Background(), stepTime)
	defer cancel()
	cmd := command(ctx, ts, args[1:])
	cmd.Stderr = ts.Stderr()
	out, err := cmd.Output()
	if err != nil {
		ts.Fatalf("%s: %v", strings.Join(args[1:], " "), err)
	}
	ts.Setenv(args[0], strings.TrimRight(string(out), "\n"))
}
