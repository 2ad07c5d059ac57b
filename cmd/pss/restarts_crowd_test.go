//go:build linux

package main_test

import (
	"encoding/json"
	"fmt"
	"os"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"github.com/google/uuid"
	"github.com/stretchr/testify/require"

	"pss/remote/api"
)

// crowd is a hundred sessions of one host in every state.
type crowd struct {
	t        *testing.T
	w        *world
	one, far byAgent
	members  map[string]*member // by name
}

// member is one session.
type member struct {
	*kind
	k        int // the number of its command
	name, id string
	by       byAgent
	follower *delivered
}

// kind is a state that a session can be in.
type kind struct {
	n      int
	status string // as its own client sees it
	make   func(*crowd, *member)
	check  func(*crowd, *member) // what must be there in the end
	grows  bool                  // its command prints on, and nobody receives
	takes  bool                  // its command prints on, and its output is received
	far    bool                  // it is the other client's
}

// kinds are all of them; a hundred sessions.
var kinds = map[string]*kind{
	"idle":         {n: 10, status: "Opened/Available/None", make: (*crowd).makeIdle, check: (*crowd).checkShell},
	"left":         {n: 10, status: "Disconnected/None/None", make: (*crowd).makeLeft, check: (*crowd).checkShell},
	"followed":     {n: 8, status: "Opened/Busy/Running", make: (*crowd).makeFollowed, check: (*crowd).checkFollowed, takes: true},
	"running":      {n: 10, status: "Disconnected/None/Running", make: (*crowd).makeRunning, check: (*crowd).checkNumbered, grows: true},
	"blocked":      {n: 8, status: "Disconnected/None/Blocked", make: (*crowd).makeBlocked, check: (*crowd).checkNumbered},
	"dropping":     {n: 8, status: "Disconnected/None/Dropping", make: (*crowd).makeDropping, check: (*crowd).checkDropped, grows: true},
	"unread":       {n: 10, status: "Disconnected/None/Finished", make: (*crowd).makeUnread, check: (*crowd).checkNumbered},
	"read":         {n: 10, status: "Opened/Available/None", make: (*crowd).makeRead, check: (*crowd).checkRead},
	"broken":       {n: 6, status: "Broken/None/Lost", make: (*crowd).makeBroken, check: (*crowd).checkLost},
	"expired":      {n: 6, status: "Closed/None/Lost", make: (*crowd).makeExpired, check: (*crowd).checkLost},
	"interrupted":  {n: 6, status: "Opened/Busy/Running", make: (*crowd).makeInterrupted, check: (*crowd).checkInterrupted},
	"held":         {n: 4, status: "Opened/Available/None", make: (*crowd).makeIdle, check: (*crowd).checkShell, far: true},
	"held running": {n: 4, status: "Opened/Busy/Running", make: (*crowd).makeFollowed, check: (*crowd).checkFollowed, takes: true, far: true},
}

// newCrowd makes all of them, a few at a time, and waits until each is what it shall be.
func newCrowd(t *testing.T, w, far *world) *crowd {
	c := &crowd{t: t, w: w, members: map[string]*member{},
		one: byAgent{&party{w, "localhost", w.asCmdlet("one")}}, far: byAgent{&party{far, "x", far.asCmdlet("one")}}}
	require.NoError(t, syscall.Mkfifo(w.path("never"), 0o600))
	slots := make(chan struct{}, 4)
	var wg sync.WaitGroup
	for name, kind := range kinds {
		for i := range kind.n {
			m := &member{kind: kind, k: len(c.members) + 1, name: fmt.Sprintf("%s-%d", strings.ReplaceAll(name, " ", "-"), i), by: c.one}
			if kind.far {
				m.by = c.far
			}
			c.members[m.name] = m
			wg.Go(func() {
				slots <- struct{}{}
				defer func() { <-slots }()
				m.make(c, m)
			})
		}
	}
	wg.Wait()
	require.False(t, t.Failed())
	var not string
	eventually(t, "every session is what it shall be", func() bool {
		not = c.differs()
		return not == ""
	})
	return c
}

// differs names a session that is not in its state.
func (c *crowd) differs() string {
	for _, p := range []byAgent{c.one, c.far} {
		all, err := p.list()
		require.NoError(c.t, err)
		for _, s := range all {
			m := c.members[s.Name]
			if got := s.State + "/" + s.Availability + "/" + s.CommandState; m.by == p && got != m.status {
				return s.Name + " is " + got
			}
		}
	}
	return ""
}

// ok fails the test; it may be called in any goroutine.
func (m *member) ok(c *crowd, err error) {
	if err != nil {
		c.t.Errorf("%s: %v", m.name, err)
	}
}

// create makes the session, with its first command if there is one.
func (m *member) create(c *crowd, req api.CreateRequest, script string) {
	ctx, cancel := ofRequest()
	defer cancel()
	m.id = uuid.NewString()
	req.Name, req.ComputerName, req.Attach = m.name, m.by.computer, &api.AttachRequest{}
	if script != "" {
		req.Start = &api.FirstCommand{Pipeline: uuid.NewString(), Command: api.Command{Script: script}}
	}
	_, err := m.by.agent.Create(ctx, m.id, &req)
	m.ok(c, err)
}

func (m *member) leave(c *crowd) {
	if code := m.by.disconnect(m.id, nil, ""); code != 0 {
		c.t.Errorf("%s: not disconnected: %d", m.name, code)
	}
}

// run runs a command to its end and returns what it printed, and its exit code.
func (m *member) run(c *crowd, script string) (string, int) {
	return collect(c.t, m.name, m.by.invoke(m.id, &modelScript{text: script}))
}

// collect returns the whole of a delivery.
func collect(t *testing.T, what string, d taking) (string, int) {
	code, ok := d.wait()
	if !ok {
		t.Errorf("%s: the delivery does not end", what)
		return "", -1
	}
	var out strings.Builder
	for _, r := range d.records() {
		if r.Kind == "Output" {
			out.WriteString(r.Data)
		}
	}
	return out.String(), code
}

// script is the member's command: numbered lines until the file "stop" is there.
func (c *crowd) script(m *member, pause string) string {
	return numbered(c.w.home, m.k, m.k, pause)
}

// slow is a pause that starts no process.
func (c *crowd) slow() string { return "read -t 0.15 <> " + c.w.path("never") }

func (c *crowd) makeIdle(m *member) {
	m.create(c, api.CreateRequest{}, "")
	if _, code := m.run(c, "v="+m.name); code != 0 {
		c.t.Errorf("%s: %d", m.name, code)
	}
}

func (c *crowd) makeLeft(m *member) {
	c.makeIdle(m)
	m.leave(c)
}

func (c *crowd) makeFollowed(m *member) {
	m.create(c, api.CreateRequest{}, "")
	m.follower = m.by.invoke(m.id, &modelScript{text: c.script(m, c.slow())}).(*delivered)
}

func (c *crowd) makeRunning(m *member) {
	m.create(c, api.CreateRequest{}, c.script(m, c.slow()))
	m.leave(c)
}

func (c *crowd) makeBlocked(m *member) {
	m.create(c, api.CreateRequest{ConfigurationName: "small"}, c.script(m, ":"))
	m.leave(c)
}

func (c *crowd) makeDropping(m *member) {
	req := api.CreateRequest{ConfigurationName: "small", Options: api.SessionOption{OutputBufferingMode: api.BufferingDrop}}
	m.create(c, req, c.script(m, "[ $i -lt 300 ] || "+c.slow()))
	m.leave(c)
}

func (c *crowd) makeUnread(m *member) {
	m.create(c, api.CreateRequest{}, strings.Replace(c.script(m, ":"), "20000", "40", 1))
	m.leave(c)
}

func (c *crowd) makeRead(m *member) {
	m.create(c, api.CreateRequest{}, "")
	if out, code := m.run(c, fmt.Sprintf("echo %s; exit %d", m.name, m.k)); out != m.name+"\n" || code != m.k {
		c.t.Errorf("%s: %q %d", m.name, out, code)
	}
}

func (c *crowd) makeBroken(m *member) {
	m.create(c, api.CreateRequest{}, strings.Replace(c.script(m, "[ $i -lt 40 ] || kill -9 $$"), "20000", "40", 1))
}

func (c *crowd) makeExpired(m *member) {
	second := int64(1000)
	m.create(c, api.CreateRequest{Options: api.SessionOption{IdleTimeout: &second}}, c.script(m, c.slow()))
	m.leave(c)
}

// makeInterrupted loses the client that has sent half of a command's input.
func (c *crowd) makeInterrupted(m *member) {
	m.create(c, api.CreateRequest{}, "")
	ctx, cancel := ofRequest()
	defer cancel()
	s, err := m.by.agent.Stream(ctx, m.id, &api.StreamRequest{Stream: uuid.NewString(), Pipeline: uuid.NewString(),
		Start: &api.Command{Script: fmt.Sprintf("cat > %s/in.%d; exit %d", c.w.home, m.k, m.k), Input: api.InputModeStream}})
	if m.ok(c, err); err != nil {
		return
	}
	defer s.Close()
	m.ok(c, api.WriteFrame(s, &api.Record{Kind: api.KindInput, Data: []byte("first half\n"), Time: time.Now()}))
	for end := time.Now().Add(patience); ; time.Sleep(5 * time.Millisecond) {
		if b, _ := os.ReadFile(m.input(c)); string(b) == "first half\n" {
			return
		}
		if time.Now().After(end) {
			c.t.Errorf("%s: the input does not arrive", m.name)
			return
		}
	}
}

func (m *member) input(c *crowd) string { return c.w.path(fmt.Sprintf("in.%d", m.k)) }

// received connects the session and receives what is there.
func (m *member) received(c *crowd) ([]record, int) {
	d := m.by.receive(m.id, how{})
	code, ok := d.wait()
	if !ok {
		c.t.Errorf("%s: the delivery does not end", m.name)
		return nil, -1
	}
	return d.records(), code
}

// texts are the two streams of a delivery without a gap.
func (m *member) texts(c *crowd, recs []record) (out, errs string) {
	for i, r := range recs {
		if r.Seq != uint64(i+1) {
			c.t.Errorf("%s: record %d at the place of %d", m.name, r.Seq, i+1)
		}
		switch r.Kind {
		case "Output":
			out += r.Data
		case "Error":
			errs += r.Data
		}
	}
	return out, errs
}

func (c *crowd) checkShell(m *member) {
	if code := m.by.connect(m.id, false, ""); code != 0 {
		c.t.Errorf("%s: %d", m.name, code)
	}
	if out, code := m.run(c, "echo $v"); out != m.name+"\n" || code != 0 {
		c.t.Errorf("%s: the shell has lost its state: %q %d", m.name, out, code)
	}
}

func (c *crowd) checkFollowed(m *member) {
	code, ok := m.follower.wait()
	require.True(c.t, ok, m.name)
	require.Equal(c.t, m.k, code, m.name)
	out, errs := m.texts(c, m.follower.records())
	checkNumbered(c.t, m.k, out, errs)
}

func (c *crowd) checkNumbered(m *member) {
	recs, code := m.received(c)
	require.Equal(c.t, m.k, code, m.name)
	out, errs := m.texts(c, recs)
	checkNumbered(c.t, m.k, out, errs)
}

func (c *crowd) checkRead(m *member) {
	recs, code := m.received(c)
	require.Empty(c.t, recs, m.name)
	require.Equal(c.t, m.k, code, m.name)
}

func (c *crowd) checkLost(m *member) {
	recs, code := m.received(c)
	require.Equal(c.t, codeGone, code, m.name)
	out, errs := m.texts(c, recs)
	requirePrefix(c.t, m.k, out, errs)
	require.Contains(c.t, out, "o 1 ", m.name)
	recs, code = m.received(c)
	require.Empty(c.t, recs, m.name)
	require.Equal(c.t, codeGone, code, m.name)
}

// checkDropped proves that only the oldest output is missing, and that it is said how
// much of it.
func (c *crowd) checkDropped(m *member) {
	recs, code := m.received(c)
	require.Equal(c.t, m.k, code, m.name)
	require.NotEmpty(c.t, recs, m.name)
	var gap api.Gap
	require.Equal(c.t, "Gap", recs[0].Kind, m.name)
	require.NoError(c.t, json.Unmarshal([]byte(recs[0].Data), &gap), m.name)
	require.Equal(c.t, recs[0].Seq, gap.Records, m.name)
	next := map[string]int{}
	last := ""
	for i, r := range recs[1:] {
		require.Equal(c.t, gap.Records+1+uint64(i), r.Seq, m.name)
		for l := range strings.Lines(r.Data) {
			last = l
			var n, sum int
			if _, err := fmt.Sscanf(l[1:], " %d %d\n", &n, &sum); err != nil {
				continue // its last line
			}
			require.Equal(c.t, (n*7919+m.k*104729)%1000003, sum, "%s: %q", m.name, l)
			if next[l[:1]] > 0 {
				require.Equal(c.t, next[l[:1]], n, m.name)
			}
			next[l[:1]] = n + 1
		}
	}
	require.Equal(c.t, fmt.Sprintf("end %d\n", next["o"]-1), last, m.name)
	require.Equal(c.t, next["o"], next["e"], m.name)
}

func (c *crowd) checkInterrupted(m *member) {
	if code := m.by.send(m.id, "second half\n", true); code != 0 {
		c.t.Errorf("%s: %d", m.name, code)
	}
	_, code := m.received(c)
	require.Equal(c.t, m.k, code, m.name)
	b, err := os.ReadFile(m.input(c))
	require.NoError(c.t, err)
	require.Equal(c.t, "first half\nsecond half\n", string(b), m.name)
}
