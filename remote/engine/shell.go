//go:build unix

package engine

import (
	"bytes"
	"context"
	"crypto/rand"
	"encoding/hex"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"runtime"
	"strconv"
	"strings"
	"sync/atomic"
	"syscall"
	"time"
)

// mark is what one prompt says.
type mark struct {
	plain  bool // the variables were not expanded: the number is unknown
	number string
	code   int
	flags  string // $- and the flags that the next command sets again
	exit   bool   // an EXIT action is pending
	debug  bool   // a DEBUG trap is to be set again
	tmout  time.Duration
}

// traced returns the flags among x and v that are to be kept out of our own lines.
func (m mark) traced() string {
	f := ""
	for _, c := range []string{"x", "v"} {
		if strings.Contains(m.flags, c) {
			f += c
		}
	}
	return f
}

// parseMark reads what stands between a prompt's control characters. A code
// is taken modulo 256 as exit takes it; one that is no number is 2.
func parseMark(text, nonce string) (mark, bool) {
	f := strings.SplitN(text, " ", 6)
	if f[0] != nonce {
		return mark{}, false
	}
	if len(f) < 6 || strings.HasPrefix(f[1], "$") {
		return mark{plain: true}, true
	}
	m := mark{number: f[1], flags: f[3], exit: strings.Contains(f[4], "x"), debug: strings.Contains(f[4], "d")}
	code, err := strconv.ParseInt(strings.TrimSpace(f[2]), 10, 64)
	if err != nil {
		code = 2
	}
	m.code = int(uint8(code))
	if s, err := strconv.Atoi(strings.TrimSpace(f[5])); err == nil && s > 0 && s < 1e6 {
		m.tmout = time.Duration(s) * time.Second
	}
	return m, true
}

// shell is one process of a runspace; a restart makes a new one.
type shell struct {
	nonce   string
	cmd     *exec.Cmd
	pid     int
	control *os.File      // we write lines
	private *os.File      // its prompts and everything that is nobody's output
	pipe    string        // how /proc names the control pipe
	marks   chan mark     // the newest ones
	exited  chan struct{} // closed when the process ended; then status is valid
	status  syscall.WaitStatus
	sent    atomic.Uint64 // the signals that we sent it
	last    mark          // of the last command; of whoever owns the runspace's turn
}

// startTimeout bounds how long a shell may take to its first prompt.
const startTimeout = 15 * time.Second

// spawn starts the process and its two goroutines.
func spawn(spec Spec, d *driver, env []string, dir string) (*shell, error) {
	var raw [16]byte
	if _, err := rand.Read(raw[:]); err != nil {
		return nil, fmt.Errorf("make nonce: %w", err)
	}
	childIn, control, err := os.Pipe()
	if err != nil {
		return nil, fmt.Errorf("make control pipe: %w", err)
	}
	private, childErr, err := os.Pipe()
	if err != nil {
		_, _ = childIn.Close(), control.Close()
		return nil, fmt.Errorf("make prompt pipe: %w", err)
	}
	sh := &shell{
		nonce: hex.EncodeToString(raw[:]), control: control, private: private, pipe: pipeName(childIn),
		marks: make(chan mark, 16), exited: make(chan struct{}),
	}
	// Busybox prompts on standard output; nothing else ever comes there, since
	// every command has its own.
	sh.cmd = &exec.Cmd{
		Path: spec.Shell, Args: append([]string{spec.Shell}, d.argv...), Env: env, Dir: dir,
		Stdin: childIn, Stdout: childErr, Stderr: childErr, SysProcAttr: childAttr(),
	}
	started := make(chan error)
	go sh.live(started)
	err = <-started
	_, _ = childIn.Close(), childErr.Close()
	if err != nil {
		_, _ = control.Close(), private.Close()
		return nil, fmt.Errorf("start %s: %w", spec.Shell, err)
	}
	sh.pid = sh.cmd.Process.Pid
	go sh.listen()
	return sh, nil
}

// live starts the process and waits for its end on one thread: the kernel sends
// the parent-death signal when the thread that started a child ends.
func (sh *shell) live(started chan<- error) {
	runtime.LockOSThread()
	defer runtime.UnlockOSThread()
	err := sh.cmd.Start()
	started <- err
	if err != nil {
		return
	}
	var exit *exec.ExitError
	if err := sh.cmd.Wait(); err != nil && !errors.As(err, &exit) {
		sh.status = 0
	} else {
		sh.status, _ = sh.cmd.ProcessState.Sys().(syscall.WaitStatus)
	}
	_ = sh.control.Close()
	close(sh.exited)
}

// listen finds the prompts in what the shell writes to its own standard error.
func (sh *shell) listen() {
	defer sh.private.Close()
	go func() { // a background child may hold the pipe's other end open for ever
		<-sh.exited
		_ = sh.private.SetReadDeadline(time.Now())
	}()
	var pending []byte
	buf := make([]byte, 2048)
	for {
		n, err := sh.private.Read(buf)
		pending = sh.scan(append(pending, buf[:n]...))
		if err != nil {
			return
		}
	}
}

// maxPrompt is the longest text that is still awaited to become a prompt.
const maxPrompt = 4096

// scan sends the prompts in b and returns the rest that may be one's beginning.
func (sh *shell) scan(b []byte) []byte {
	for {
		i := bytes.IndexByte(b, 0x1f)
		if i < 0 {
			return nil
		}
		b = b[i+1:]
		j := bytes.IndexByte(b, 0x1e)
		if k := bytes.IndexByte(b, 0x1f); k >= 0 && (j < 0 || k < j) {
			continue
		}
		if j < 0 {
			if len(b) > maxPrompt {
				return nil
			}
			return append([]byte{0x1f}, b...)
		}
		if m, ok := parseMark(string(b[:j]), sh.nonce); ok {
			sh.push(m)
		}
		b = b[j+1:]
	}
}

// push keeps the newest marks; nobody reads those of an idle shell.
func (sh *shell) push(m mark) {
	for {
		select {
		case sh.marks <- m:
			return
		default:
		}
		select {
		case <-sh.marks:
		default:
		}
	}
}

// send writes a line to the shell. Its lines are short and the shell reads them
// when it is idle, so the pipe takes them at once; a shell that does not is dead.
func (sh *shell) send(line string) error {
	_ = sh.control.SetWriteDeadline(time.Now().Add(time.Second))
	if _, err := sh.control.WriteString(line); err != nil {
		return fmt.Errorf("write to the shell: %w", err)
	}
	return nil
}

// await returns the mark with that number.
func (sh *shell) await(ctx context.Context, number string) (mark, error) {
	for {
		select {
		case m := <-sh.marks:
			if m.number == number {
				return m, nil
			}
		case <-sh.exited:
			return mark{}, errors.New("the shell ended while it started")
		case <-ctx.Done():
			return mark{}, fmt.Errorf("wait for the shell's prompt: %w", ctx.Err())
		}
	}
}

// alive reports whether the process has not ended.
func (sh *shell) alive() bool {
	select {
	case <-sh.exited:
		return false
	default:
		return true
	}
}

// signal sends a signal to the shell alone and remembers that it was ours.
func (sh *shell) signal(sig syscall.Signal) {
	if sh.alive() {
		sh.sent.Or(1 << uint(sig))
		_ = sh.cmd.Process.Signal(sig)
	}
}

// ours reports whether the shell was ended by a signal that we sent.
func (sh *shell) ours() bool {
	return sh.status.Signaled() && sh.sent.Load()&(1<<uint(sh.status.Signal())) != 0
}

// end asks the shell to leave by closing its input, which no setting of a user's
// can hide from it and which lets it write its snapshot; then it is killed.
func (sh *shell) end(patience time.Duration) {
	_ = sh.control.Close()
	sh.signal(syscall.SIGCONT)
	t := time.NewTimer(patience)
	defer t.Stop()
	select {
	case <-sh.exited:
	case <-t.C:
		sh.signal(syscall.SIGKILL)
		<-sh.exited
	}
}
