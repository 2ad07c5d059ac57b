//go:build unix

package engine

import (
	"fmt"
	"io"
	"os"
	"strconv"
	"sync"
	"sync/atomic"
	"time"

	"pss/remote/api"
	"pss/remote/planted"
)

// command is the Pipeline of every driver.
type command struct {
	Command
	rs      *runspace
	sink    Sink
	base    string // its files are base.sh, base.out …
	streams []*pump
	in      *input
	stop    chan struct{} // closed by Stop
	stopped sync.Once
	done    chan struct{}
	ran     atomic.Bool // the script began
	hinted  atomic.Bool

	// What follows is of the command's own goroutine.
	old      map[process]bool // there before the command
	ladder   *ladder          // since Stop
	watch    *time.Timer
	ticks    int
	patience int // how far we are with a shell that gives no mark
	halted   bool
}

// newCommand makes a command's streams. Making an inode is the dearest part of a
// small command, so the files of an earlier one that nobody holds are used again.
func newCommand(rs *runspace, c Command, sink Sink) (*command, error) {
	p := &command{
		Command: c, rs: rs, sink: sink, base: rs.spare,
		stop: make(chan struct{}), done: make(chan struct{}),
	}
	used := p.base != ""
	if rs.spare = ""; !used {
		p.base = rs.spec.Dir + "/" + strconv.FormatUint(uint64(c.Number), 10)
	}
	fail := func(err error) (*command, error) {
		for _, s := range p.streams {
			s.unplug()
			_ = s.file.Close()
		}
		p.remove()
		return nil, fmt.Errorf("prepare command: %w", err)
	}
	for _, s := range []struct {
		kind api.Kind
		name string
	}{{api.KindOutput, ".out"}, {api.KindError, ".err"}} {
		pu, err := newPump(p, s.kind, p.base+s.name, used)
		if err != nil {
			return fail(err)
		}
		p.streams = append(p.streams, pu)
	}
	if c.Input {
		in, err := newInput(p.base+".in", p.begun)
		if err != nil {
			return fail(err)
		}
		p.in = in
	}
	return p, nil
}

// Input returns the write end of the command's standard input.
func (c *command) Input() io.WriteCloser {
	if c.in == nil {
		return nil
	}
	return c.in
}

// Stop is Ctrl-C.
func (c *command) Stop() { c.stopped.Do(func() { close(c.stop) }) }

// Done is closed after Sink.End returned.
func (c *command) Done() <-chan struct{} { return c.done }

// begun reports whether the script began: it empties the file first of all.
func (c *command) begun() bool {
	if c.ran.Load() {
		return true
	}
	st, err := os.Stat(c.base + ".began")
	if err == nil && st.Size() == 0 {
		c.ran.Store(true)
		return true
	}
	return false
}

// warn adds a warning of ours to the command's output.
func (c *command) warn(text string) {
	if text != "" {
		_ = c.sink.Write(api.KindWarning, []byte(text))
	}
}

// run is the command's goroutine.
func (c *command) run() {
	c.watch = time.NewTimer(watchFirst)
	defer c.watch.Stop()
	res := c.execute()
	c.finish(res)
}

// finish collects the output and reports the end.
func (c *command) finish(res Result) {
	if c.in != nil {
		c.in.release()
	}
	for _, s := range c.streams {
		s.unplug()
	}
	var over <-chan time.Time
	for _, s := range c.streams {
		select {
		case <-s.drained:
			continue
		default:
		}
		if over == nil {
			t := time.NewTimer(grace)
			defer t.Stop()
			over = t.C
		}
		select {
		case <-s.drained:
		case <-over:
			for _, s := range c.streams {
				_ = s.file.SetReadDeadline(time.Unix(1, 0))
			}
			<-s.drained
		}
	}
	base := ""
	if c.streams[0].clean && c.streams[1].clean {
		base = c.base
		if len(c.Script) > smallBuffer {
			_ = os.Remove(base + ".sh")
		}
	} else {
		c.remove()
	}
	c.removeExtra()
	c.rs.release(base)
	c.sink.End(res)
	close(c.done)
}

// remove removes the command's files.
func (c *command) remove() {
	for _, s := range []string{".sh", ".began", ".out", ".err"} {
		_ = os.Remove(c.base + s)
	}
	c.removeExtra()
}

// removeExtra removes the files that few commands have.
func (c *command) removeExtra() {
	if len(c.Arguments) > 0 {
		_ = os.Remove(c.base + ".call")
	}
	if c.Command.Input {
		_ = os.Remove(c.base + ".in")
	}
}

// ending is how one attempt to run the command ended: with a mark, with the
// shell's death, or because the runspace is being closed.
type ending struct {
	mark   mark
	died   bool
	closed bool
}

// execute runs the command, twice if the first time nothing of it was run.
func (c *command) execute() Result {
	for attempt := 1; ; attempt++ {
		if err := c.ready(); err != nil {
			return c.lost(err)
		}
		sh := c.rs.sh
		e, err := c.attempt(sh)
		switch {
		case err != nil:
			return Result{Outcome: api.OutcomeFailed, Err: api.Errorf(api.CodeEngine, "the command could not be started: %s", err)}
		case e.closed:
			return Result{Outcome: api.OutcomeStopped, ExitCode: 130}
		case e.died && sh.status.Signaled() && !sh.ours():
			return c.broken(sh)
		case c.begun():
			return c.ended(sh, e)
		case c.ladder != nil:
			if e.died {
				return c.ended(sh, e)
			}
			return Result{Outcome: api.OutcomeStopped, ExitCode: 130}
		case attempt == 2:
			return Result{Outcome: api.OutcomeFailed, Err: api.Errorf(api.CodeEngine, "the shell does not run commands any more, not even after it was started again")}
		}
		text, err := c.rs.restart("it did not run commands any more (limits, a disabled builtin, a restricted shell or something that hides the shell's own words)")
		if err != nil {
			return c.lost(err)
		}
		c.warn(text)
		for _, s := range c.streams {
			s.discard()
		}
	}
}

// ready sees to it that there is a living shell. One that was killed a moment ago
// breaks the runspace, as it would have without this command.
func (c *command) ready() error {
	sh := c.rs.sh
	if sh.alive() {
		return nil
	}
	if sh.status.Signaled() && !sh.ours() {
		return killedError(sh)
	}
	text, err := c.rs.restart("")
	c.warn(text)
	return err
}

// lost is the result when there is no shell any more.
func (c *command) lost(err error) Result {
	if err == errClosed {
		return Result{Outcome: api.OutcomeStopped, ExitCode: 130}
	}
	c.rs.fail(err)
	return Result{Outcome: api.OutcomeLost, Err: api.Errorf(api.CodeLost, "%s", err)}
}

// broken is the result when somebody else killed the shell.
func (c *command) broken(sh *shell) Result {
	err := killedError(sh)
	c.rs.fail(err)
	return Result{
		Outcome: api.OutcomeSignaled, ExitCode: 128 + int(sh.status.Signal()),
		Err: api.Errorf(api.CodeLost, "%s", err),
	}
}

// ended is the result of a command that ran.
func (c *command) ended(sh *shell, e ending) Result {
	res := Result{Outcome: api.OutcomeExited, ExitCode: e.mark.code}
	if e.died {
		res.ExitCode = sh.status.ExitStatus()
		if sh.status.Signaled() {
			res = Result{Outcome: api.OutcomeLost, Err: api.Errorf(api.CodeEngine, "the end of the command could not be seen; its shell was ended")}
		}
		if c.ladder != nil {
			c.clear()
		}
		text, err := c.rs.restart("")
		if err != nil && err != errClosed {
			c.rs.fail(err)
		}
		c.warn(text)
	}
	if c.ladder != nil {
		res.Outcome, res.Err = api.OutcomeStopped, nil
		if e.died {
			res.ExitCode = 130
		}
	}
	return res
}

// attempt runs the script, and the EXIT action that it left.
func (c *command) attempt(sh *shell) (ending, error) {
	if err := c.prepare(sh); err != nil {
		return ending{}, err
	}
	c.old = map[process]bool{}
	for _, p := range c.rs.family.jobs(sh.pid, true) {
		c.old[p] = true
	}
	in := "/dev/null"
	if c.in != nil {
		in = c.in.path
		go c.in.open()
	}
	c.patience = 0
	number := strconv.FormatUint(uint64(c.Number), 10)
	// A line that cannot be sent means that the shell has just ended, or soon will.
	if err := sh.send(c.rs.d.commandLine(number, c.base, in, len(c.Arguments) > 0, sh.last)); err != nil {
		go sh.end(time.Second)
	}
	e := c.wait(sh, number)
	if e.died || e.closed {
		return e, nil
	}
	sh.last = e.mark
	if e.mark.exit && c.begun() && !planted.On("engine-exit-trap-lost") {
		number += ".1"
		if err := sh.send(c.rs.d.exitLine(number, c.base, e.mark.code, e.mark)); err != nil {
			go sh.end(time.Second)
		}
		if e = c.wait(sh, number); !e.died && !e.closed {
			sh.last = e.mark
		}
	}
	return e, nil
}

// prepare writes the command's files.
func (c *command) prepare(sh *shell) error {
	if err := rewrite(c.base+".began", "", 1); err != nil {
		return err
	}
	text := c.rs.d.scriptHead(c.base, sh.last) + c.rs.d.script(c.Command)
	if text[len(text)-1] != '\n' {
		text += "\n"
	}
	if err := rewrite(c.base+".sh", text, int64(len(text))); err != nil {
		return err
	}
	if len(c.Arguments) == 0 {
		return nil
	}
	call := fmt.Sprintf(c.rs.d.call, quote(c.base+".sh"), quoteAll(c.Arguments))
	return os.WriteFile(c.base+".call", []byte(call), 0o600)
}

// rewrite gives a file new contents of that size. Cutting it last, and not first,
// spares file systems that flush a file which was emptied and written again.
func rewrite(path, text string, size int64) error {
	f, err := os.OpenFile(path, os.O_CREATE|os.O_WRONLY, 0o600)
	if err != nil {
		return err
	}
	_, err = f.WriteString(text)
	if err == nil {
		err = f.Truncate(size)
	}
	if e := f.Close(); err == nil {
		err = e
	}
	return err
}

// wait returns when the shell is back at its prompt, or dead.
func (c *command) wait(sh *shell, number string) ending {
	for {
		stop, rung := c.stop, (<-chan time.Time)(nil)
		if c.ladder != nil {
			stop, rung = nil, c.ladder.timer.C
		}
		select {
		case m := <-sh.marks:
			if m.number == number {
				return ending{mark: m}
			}
			if m.plain && c.patience < nudged {
				c.nudge(sh, number)
			}
		case <-sh.exited:
			return ending{died: true}
		case <-c.rs.closing:
			return ending{closed: true}
		case <-stop:
			c.ladder = newLadder()
		case <-rung:
			c.climb(sh)
		case <-c.watch.C:
			c.check(sh, number)
		}
	}
}

// Quiet reports whether no stream of the command is open any more.
func (c *command) Quiet() bool {
	c.rs.mu.Lock()
	defer c.rs.mu.Unlock()
	for p := range c.rs.live {
		if p.c == c {
			return false
		}
	}
	return true
}
