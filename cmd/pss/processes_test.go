//go:build linux

package main

import (
	"bytes"
	"context"
	"io"
	"os"
	"regexp"
	"strconv"
	"strings"
	"sync"
	"syscall"
	"time"

	"github.com/creack/pty"
	"github.com/rogpeppe/go-internal/testscript"
	"golang.org/x/sys/unix"
)

// child is a process that a script left running. Its streams are files of the
// script's folder, NAME.out and NAME.err, and its standard input stays open
// until eof.
type child struct {
	cmd    *Process
	in     io.WriteCloser
	cancel func()
	done   chan struct{} // closed once it has ended
}

// cmdBg starts a process: bg NAME [-null] command…
func cmdBg(ts *testscript.TestScript, neg bool, args []string) {
	null := len(args) > 1 && args[1] == "-null"
	if null {
		args = append(args[:1:1], args[2:]...)
	}
	if neg || len(args) < 2 {
		ts.Fatalf("usage: bg NAME [-null] command…")
	}
	ctx, cancel := context.WithCancel(context.Background())
	c := &child{cmd: command(ctx, ts, args[1:]), cancel: cancel, done: make(chan struct{})}
	out, err := os.Create(ts.MkAbs(args[0] + ".out"))
	ts.Check(err)
	defer out.Close()
	errs, err := os.Create(ts.MkAbs(args[0] + ".err"))
	ts.Check(err)
	defer errs.Close()
	c.cmd.Stdout, c.cmd.Stderr = out, errs
	if !null {
		c.in, err = c.cmd.StdinPipe()
		ts.Check(err)
	}
	ts.Check(c.cmd.Start())
	go func() {
		_ = c.cmd.Wait()
		close(c.done)
	}()
	sceneOf(ts).children[args[0]] = c
	ts.Setenv(args[0]+"_pid", strconv.Itoa(c.cmd.Process.Pid))
}

func (c *child) stop() {
	_ = c.cmd.Process.Signal(syscall.SIGTERM)
	select {
	case <-c.done:
	case <-time.After(5 * time.Second):
		c.cancel()
		<-c.done
	}
}

func childOf(ts *testscript.TestScript, args []string, n int) *child {
	if len(args) < n {
		ts.Fatalf("too few arguments")
	}
	c := sceneOf(ts).children[args[0]]
	if c == nil {
		ts.Fatalf("no process %q was started", args[0])
	}
	return c
}

// cmdSend writes lines to a process: send NAME line…
func cmdSend(ts *testscript.TestScript, _ bool, args []string) {
	c := childOf(ts, args, 2)
	_, err := io.WriteString(c.in, strings.Join(args[1:], "\n")+"\n")
	ts.Check(err)
}

// cmdFeed writes a file to a process, which must take all of it: feed NAME FILE
func cmdFeed(ts *testscript.TestScript, _ bool, args []string) {
	c := childOf(ts, args, 2)
	_, err := io.WriteString(c.in, ts.ReadFile(args[1]))
	ts.Check(err)
}

// cmdEOF ends a process's standard input: eof NAME
func cmdEOF(ts *testscript.TestScript, _ bool, args []string) {
	ts.Check(childOf(ts, args, 1).in.Close())
}

// cmdSignal sends a signal to a process of the script, or to a pid: signal NAME INT
func cmdSignal(ts *testscript.TestScript, _ bool, args []string) {
	if len(args) != 2 {
		ts.Fatalf("usage: signal NAME|PID SIGNAL")
	}
	sig := unix.SignalNum("SIG" + args[1])
	if sig == 0 {
		ts.Fatalf("unknown signal %q", args[1])
	}
	pid, err := strconv.Atoi(args[0])
	if err != nil {
		pid = childOf(ts, args, 1).cmd.Process.Pid
	}
	ts.Check(syscall.Kill(pid, sig))
}

// cmdAwait waits for the end of a process and demands its exit code, -1 for one
// that a signal ended: await NAME CODE
func cmdAwait(ts *testscript.TestScript, _ bool, args []string) {
	c := childOf(ts, args, 2)
	want, err := strconv.Atoi(args[1])
	ts.Check(err)
	select {
	case <-c.done:
	case <-time.After(stepTime):
		ts.Fatalf("%s still runs after %v", args[0], stepTime)
	}
	for _, f := range []struct {
		name string
		to   io.Writer
	}{{args[0] + ".out", ts.Stdout()}, {args[0] + ".err", ts.Stderr()}} {
		data, err := os.ReadFile(ts.MkAbs(f.name))
		ts.Check(err)
		_, _ = f.to.Write(data[:min(len(data), 1<<20)])
	}
	if got := c.cmd.ProcessState.ExitCode(); got != want {
		ts.Fatalf("%s: exit code %d, want %d", args[0], got, want)
	}
}

// terminal is a shell in a terminal of its own: a client session with a leader.
type terminal struct {
	cmd    *Process
	master *os.File
	done   chan struct{}

	mu   sync.Mutex // guards seen
	seen bytes.Buffer
}

// cmdTerminal opens a terminal with sh in it: terminal A, or terminal A on server01
func cmdTerminal(ts *testscript.TestScript, neg bool, args []string) {
	if neg || len(args) == 0 || len(args) > 1 && args[1] != "on" {
		ts.Fatalf("usage: terminal NAME [on COMPUTER [-user USER]]")
	}
	t := &terminal{cmd: command(context.Background(), ts, append(args[1:len(args):len(args)], "sh")), done: make(chan struct{})}
	env := t.cmd.Env[:0]
	for _, v := range t.cmd.Env {
		// Its client session is the terminal's own.
		if !strings.HasPrefix(v, "PSS_CLIENT_SESSION=") {
			env = append(env, v)
		}
	}
	t.cmd.Env = append(env, "PS1=$ ", "TERM=dumb")
	var master *os.File
	ts.Check(t.cmd.where(func() (err error) {
		master, err = pty.StartWithSize(t.cmd.Cmd, &pty.Winsize{Rows: 50, Cols: 200})
		return err
	}))
	// The library has made it blocking, and no Close would end a Read.
	fd, err := unix.FcntlInt(master.Fd(), unix.F_DUPFD_CLOEXEC, 0)
	ts.Check(err)
	master.Close()
	ts.Check(unix.SetNonblock(fd, true))
	t.master = os.NewFile(uintptr(fd), "terminal")
	go func() {
		buf := make([]byte, 4096)
		for {
			n, err := t.master.Read(buf)
			t.mu.Lock()
			t.seen.Write(buf[:n])
			t.mu.Unlock()
			if err != nil {
				return
			}
		}
	}()
	go func() {
		_ = t.cmd.Wait()
		close(t.done)
	}()
	sceneOf(ts).terminals[args[0]] = t
	// What is typed before the prompt would be echoed in front of it.
	cmdScreen(ts, false, []string{args[0], "10s", `\$ $`})
}

func (t *terminal) close() {
	_ = t.cmd.Process.Kill()
	<-t.done
	t.master.Close()
}

func terminalOf(ts *testscript.TestScript, args []string, n int) *terminal {
	if len(args) < n {
		ts.Fatalf("too few arguments")
	}
	t := sceneOf(ts).terminals[args[0]]
	if t == nil {
		ts.Fatalf("no terminal %q was opened", args[0])
	}
	return t
}

// cmdType types lines into a terminal; ^C is a key: type A 'pss gsn'
func cmdType(ts *testscript.TestScript, _ bool, args []string) {
	t := terminalOf(ts, args, 2)
	for _, line := range args[1:] {
		keys := line + "\r"
		if line == "^C" {
			keys = "\x03"
		}
		_, err := io.WriteString(t.master, keys)
		ts.Check(err)
	}
}

// cmdScreen waits until what a terminal has shown matches: screen A 5s 'Opened'
func cmdScreen(ts *testscript.TestScript, neg bool, args []string) {
	t := terminalOf(ts, args, 3)
	limit, err := time.ParseDuration(args[1])
	ts.Check(err)
	want, err := regexp.Compile("(?m)" + args[2])
	ts.Check(err)
	for end := time.Now().Add(limit); ; time.Sleep(20 * time.Millisecond) {
		t.mu.Lock()
		text := strings.ReplaceAll(t.seen.String(), "\r\n", "\n")
		t.mu.Unlock()
		if want.MatchString(text) {
			_, _ = io.WriteString(ts.Stdout(), text)
			return
		}
		if time.Now().After(end) {
			ts.Fatalf("the terminal shows:\n%s", text)
		}
	}
}

// cmdHangup closes a terminal, as a lost ssh connection does: hangup A
func cmdHangup(ts *testscript.TestScript, _ bool, args []string) {
	t := terminalOf(ts, args, 1)
	t.master.Close()
	select {
	case <-t.done:
	case <-time.After(5 * time.Second):
		ts.Fatalf("the shell of terminal %s outlives it", args[0])
	}
	delete(sceneOf(ts).terminals, args[0])
}

// cmdWaitEnded waits until a terminal's shell has ended: waitended A
func cmdWaitEnded(ts *testscript.TestScript, _ bool, args []string) {
	t := terminalOf(ts, args, 1)
	select {
	case <-t.done:
	case <-time.After(5 * time.Second):
		ts.Fatalf("the shell of terminal %s still runs", args[0])
	}
	t.close()
	delete(sceneOf(ts).terminals, args[0])
}
