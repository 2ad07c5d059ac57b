//go:build linux

package main_test

import (
	"context"
	"fmt"
	"os"
	"os/exec"
	"strings"
	"syscall"
	"time"

	"github.com/stretchr/testify/require"
)

// The three client sessions of a story, and the one that looks at it afterwards.
const (
	one, two, three = "one", "two", "three"
	witness         = "witness"
)

// hung is how long a cmdlet of a story may take: the outage, and the time to get
// over it.
const hung = 25 * time.Second

// order is a command that was given to a session.
type order struct {
	k     int
	told  bool   // its cmdlet reported that it was started, or its own end
	input string // of one that only keeps its standard input
}

func (o *order) code() int { return 10 + o.k }

// delivery is what one cmdlet received, and how it ended.
type delivery struct {
	what    string
	session string            // InstanceId; empty of a temporary one until its records name it
	acked   map[uint32]uint64 // what was acknowledged for certain when the cmdlet started
	recs    []record
	last    *record
	code    int
	err     string
	cut     bool // it was killed or interrupted on purpose
}

// whole reports whether the cmdlet has delivered everything and said so.
func (d *delivery) whole() bool { return d.last != nil && d.last.ErrorSource != "pss" && !d.cut }

// gone reports that the cmdlet calls the session lost, and has delivered what there was.
func (d *delivery) gone() bool { return d.last != nil && d.last.ErrorSource == "pss" && d.code == 243 }

// tell plays the story while the fault may happen at any moment. What a cmdlet
// reports as failed is tried again in the ways that a person has.
func (s *story) tell() {
	s.baseline()
	s.make("idle")
	id := s.make("work")
	long := s.order()
	s.leave(id, long)
	if s.place.name == "session-recover" {
		kill(s.t, s.w.facts()["work"].info.Pid)
	}
	s.takeUp(id, long)
	s.command(id, 600)
	for range 11 {
		s.command(id, 5)
	}
	s.feed(id)
	s.temporary()
	s.leaveNew()
	s.ending[id] = false
	if s.run(two, "remove-pssession", "--computer-name", "localhost", "--instance-id", id).code == 0 {
		s.ending[id] = true
	}
}

// run runs a cmdlet of a client session to its end.
func (s *story) run(who string, args ...string) result {
	s.t.Helper()
	d := s.start(who, args...)
	d.wait(nil)
	return result{d.read("out"), d.read("err"), d.cmd.ProcessState.ExitCode()}
}

// cmdlet is a running one. Its streams are files: what it wrote before it was
// killed is there.
type cmdlet struct {
	s     *story
	cmd   *exec.Cmd
	base  string
	acked map[string]map[uint32]uint64 // by session and pipeline, when it started
	done  chan struct{}
}

func (s *story) start(who string, args ...string) *cmdlet {
	s.t.Helper()
	return s.startFed("", who, args...)
}

// startFed starts a cmdlet with standard input, if there is any.
func (s *story) startFed(input, who string, args ...string) *cmdlet {
	s.t.Helper()
	s.cmdlets++
	c := &cmdlet{s: s, base: s.w.path(fmt.Sprintf("cmdlet.%d.", s.cmdlets)), acked: s.acked(), done: make(chan struct{})}
	ctx, cancel := context.WithTimeout(context.Background(), hung)
	c.cmd = s.w.as(who).command(ctx, args...)
	out, err := os.Create(c.base + "out")
	require.NoError(s.t, err)
	errs, err := os.Create(c.base + "err")
	require.NoError(s.t, err)
	c.cmd.Stdout, c.cmd.Stderr = out, errs
	if input != "" {
		c.cmd.Stdin = strings.NewReader(input)
	}
	require.NoError(s.t, c.cmd.Start())
	go func() {
		_ = c.cmd.Wait() // its code is read from ProcessState
		if ctx.Err() != nil {
			s.t.Errorf("hung: %s %q\n%s", who, args, c.read("err"))
		}
		cancel()
		out.Close()
		errs.Close()
		close(c.done)
	}()
	s.t.Cleanup(func() { cancel(); <-c.done })
	return c
}

// acked reads from the sessions' own files what is acknowledged; it may be more by now.
func (s *story) acked() map[string]map[uint32]uint64 {
	all := map[string]map[uint32]uint64{}
	for _, f := range s.w.facts() {
		all[f.info.InstanceID] = map[uint32]uint64{}
		for _, p := range f.info.Pipelines {
			all[f.info.InstanceID][p.Number] = p.Acked
		}
	}
	return all
}

// ended reads the last records of all commands that have ended.
func (s *story) ended(id string) map[uint32]uint64 {
	all := map[uint32]uint64{}
	for _, f := range s.w.facts() {
		for _, p := range f.info.Pipelines {
			if f.info.InstanceID == id && !p.Running() {
				all[p.Number] = p.LastSeq
			}
		}
	}
	return all
}

func (c *cmdlet) read(stream string) string {
	b, _ := os.ReadFile(c.base + stream)
	return string(b)
}

// wait returns at the cmdlet's end, or once until holds.
func (c *cmdlet) wait(until func() bool) {
	for until == nil || !until() {
		if until == nil {
			<-c.done
			return
		}
		select {
		case <-c.done:
			return
		case <-time.After(2 * time.Millisecond):
		}
	}
}

// written waits until the cmdlet has written that much.
func (c *cmdlet) written(n int) {
	c.wait(func() bool {
		st, err := os.Stat(c.base + "out")
		return err == nil && st.Size() >= int64(n)
	})
}

// finish takes the delivery of a cmdlet that has ended.
func (c *cmdlet) finish(what, session string, cut bool) *delivery {
	<-c.done
	d := &delivery{what: what, session: session, code: c.cmd.ProcessState.ExitCode(), err: c.read("err")}
	d.recs, d.last = records(c.s.t, c.read("out"))
	d.cut = cut && d.last == nil
	if session == "" && len(d.recs) > 0 {
		d.session = d.recs[0].RunspaceID
	}
	d.acked = c.acked[d.session]
	c.s.got = append(c.s.got, d)
	if d.gone() {
		c.s.lost[d.session] = true
	}
	return d
}

// make makes a session, if need be more than once, and returns its InstanceId.
func (s *story) make(name string) string {
	s.t.Helper()
	for try := range 3 {
		n := name
		if try > 0 {
			n = fmt.Sprintf("%s.%d", name, try)
		}
		s.names[n] = true
		r := s.run(one, "new-pssession", "--name", n, "--output", "instance-id")
		if r.code == 0 {
			id := strings.TrimSpace(r.out)
			require.Len(s.t, id, 36)
			s.made[id] = n
			return id
		}
	}
	require.FailNow(s.t, "no session can be made")
	return ""
}

// order numbers the next command. Its lines carry the number.
func (s *story) order() *order {
	o := &order{k: len(s.orders)}
	s.orders = append(s.orders, o)
	require.NoError(s.t, os.Mkdir(s.folder(o), 0o700))
	return o
}

func (s *story) folder(o *order) string { return s.w.path(fmt.Sprintf("k%d", o.k)) }

// release lets a command come to its end.
func (s *story) release(o *order) {
	require.NoError(s.t, os.WriteFile(s.folder(o)+"/stop", nil, 0o600))
}

// script counts its runs in a file and prints numbered lines on both streams.
func (s *story) script(o *order, lines int, pause string) string {
	return fmt.Sprintf("echo run >> %s/runs; echo command %d\n", s.folder(o), o.k) + numberedTo(lines, s.folder(o), o.k, o.code(), pause)
}

// invoke gives a session a command and follows it to its end.
func (s *story) invoke(who, id string, o *order, script string) *delivery {
	c := s.start(who, "invoke-command", "--instance-id", id, "--output", "ndjson", "--script-block", script)
	return s.reported(o, c.finish(fmt.Sprintf("invoke %d", o.k), id, false))
}

// reported notes what a cmdlet says of its command. It may be killed after that.
func (s *story) reported(o *order, d *delivery) *delivery {
	if d.whole() {
		o.told = true
		require.Contains(s.t, []int{o.code(), -1}, d.code, d.err)
		require.Equal(s.t, o.code(), *d.last.ExitCode)
	}
	return d
}

// leave starts a long command in client session one, and disconnects; the cmdlet
// that follows may be killed before.
func (s *story) leave(id string, o *order) {
	c := s.start(one, "invoke-command", "--instance-id", id, "--output", "ndjson", "--script-block", s.script(o, 20000, "sleep 0.01"))
	c.written(s.rng.IntN(20_000))
	if s.rng.IntN(2) == 0 {
		_ = c.cmd.Process.Kill()
	}
	for range 4 {
		if s.run(one, "disconnect-pssession", "--instance-id", id).code == 0 {
			break
		}
	}
	c.finish(fmt.Sprintf("invoke %d", o.k), id, true)
}

// takeUp connects from client session two and receives, again and again if a
// reader is cut, until everything is there.
func (s *story) takeUp(id string, o *order) {
	s.run(two, "connect-pssession", "--computer-name", "localhost", "--instance-id", id)
	for range s.rng.IntN(3) {
		c := s.start(two, "receive-pssession", "--computer-name", "localhost", "--instance-id", id, "--output", "ndjson")
		c.written(1000 + s.rng.IntN(20_000))
		_ = c.cmd.Process.Signal([]os.Signal{syscall.SIGKILL, os.Interrupt}[s.rng.IntN(2)])
		if c.finish("receive", id, true).gone() {
			return
		}
	}
	s.release(o)
	s.receive(two, id)
}

// receive receives until nothing is left, or the session is known to be lost.
func (s *story) receive(who, id string) {
	s.t.Helper()
	var d *delivery
	for range 12 {
		c := s.start(who, "receive-pssession", "--computer-name", "localhost", "--instance-id", id, "--output", "ndjson")
		if d = c.finish("receive", id, false); d.whole() {
			// It goes on until nothing runs any more.
			require.Equal(s.t, s.ended(id), s.acked()[id], "what was received is not all")
			return
		}
		if d.gone() {
			return
		}
		if d.code == 242 { // still another client's: an earlier disconnect did not come through
			s.run(one, "disconnect-pssession", "--instance-id", id)
			s.run(two, "disconnect-pssession", "--instance-id", id)
		}
	}
	s.t.Errorf("the output of %s cannot be received: %d %s", id, d.code, d.err)
}

// command has a command run to its end in client session two. A cmdlet that could
// not tell its end leaves it to be received, and the next try is another command.
func (s *story) command(id string, lines int) {
	for range 4 {
		if s.lost[id] {
			return
		}
		o := s.order()
		if s.invoke(two, id, o, s.script(o, lines, ":")).whole() {
			return
		}
		s.receive(two, id)
	}
	if !s.lost[id] {
		s.t.Errorf("session %s runs no command: %s", id, s.got[len(s.got)-1].err)
	}
}

// temporary has a command run in a session of its own.
func (s *story) temporary() {
	for range 3 {
		o := s.order()
		c := s.start(three, "invoke-command", "--computer-name", "localhost", "--output", "ndjson", "--script-block", s.script(o, 5, ":"))
		if d := s.reported(o, c.finish(fmt.Sprintf("temporary %d", o.k), "", false)); d.whole() {
			if d.code == o.code() {
				s.ending[d.session] = true
			}
			return
		}
	}
	s.t.Errorf("no temporary session: %s", s.got[len(s.got)-1].err)
}
