//go:build linux

package main_test

import (
	"fmt"
	"slices"

	"github.com/stretchr/testify/require"
	"pgregory.net/rapid"

	"pss/remote/api"
)

// Each action does one thing as one client and compares how it ends with what the
// model says.

// ends compares an exit code.
func (m *machine) ends(t *rapid.T, what string, who int, s *modelSession, want, got int) {
	t.Logf("client %d: %s %s: %d", who, what, s.name, got)
	require.Equal(t, want, got, "client %d: %s %s, which %d holds", who, what, s.name, s.holder)
	if want >= 240 {
		m.figures["refused"]++
	}
}

func (m *machine) create(t *rapid.T) {
	if len(m.sessions) == 2 {
		t.Skip("enough sessions")
	}
	who := m.client(t, nil)
	m.made++
	s := &modelSession{name: fmt.Sprintf("s%d", m.made), holder: who, idle: api.DefaultIdleTimeoutMs, mode: api.BufferingBlock}
	var script *modelScript
	if rapid.Bool().Draw(t, "start") {
		script = m.script(t)
		s.holder = nobody
		s.begin(script)
	}
	id, code := m.asked(t, who).create(s.name, script)
	s.id = id
	m.ends(t, "new", who, s, 0, code)
	m.sessions = append(m.sessions, s)
	if c := s.running(); c != nil {
		m.printed(t, s, c)
	}
}

// modes are the output buffering modes that a client may ask for; none of them
// makes a difference to output that is small.
var modes = []api.OutputBufferingMode{"", api.BufferingNone, api.BufferingDrop, api.BufferingBlock}

func (s *modelSession) changes(mode api.OutputBufferingMode) bool {
	return mode != "" && mode != api.BufferingNone && mode != s.mode
}

func (s *modelSession) change(mode api.OutputBufferingMode) {
	if s.changes(mode) {
		s.mode = mode
	}
}

func (m *machine) connect(t *rapid.T) {
	s := m.session(t)
	who, force := m.client(t, s), rapid.IntRange(0, 2).Draw(t, "force") == 2
	mode := rapid.SampledFrom(modes).Draw(t, "mode")
	want := 0
	if s.holder != nobody && s.holder != who && !force {
		want = codeBusy
	}
	// A new mode makes a new attachment of ours, too, and a delivery goes on there.
	again := s.holder == who && s.follower != nil && s.changes(mode)
	before := 0
	if again {
		d, ok := s.follower.taking.(*delivered)
		if !ok {
			t.Skip("a cmdlet does not tell when")
		}
		before = d.connections()
	}
	m.ends(t, "connect", who, s, want, m.asked(t, who).connect(s.id, force, mode))
	if want != 0 {
		return
	}
	if s.holder != who {
		m.cut(t, s, codeBusy)
	}
	if again {
		m.until(t, "the delivery goes on", func() bool { return s.follower.taking.(*delivered).connections() > before })
	}
	s.holder = who
	s.change(mode)
}

func (m *machine) disconnect(t *rapid.T) {
	s := m.session(t)
	who := m.client(t, s)
	mode := rapid.SampledFrom(modes).Draw(t, "mode")
	var idle *int64
	if ms := rapid.SampledFrom([]int64{0, 90_000, 7_200_000, 10}).Draw(t, "idle"); ms > 0 {
		idle = &ms
	}
	want := 0
	if s.holder == who && idle != nil && *idle < api.MinIdleTimeoutMs {
		want = codeFailed
	}
	m.ends(t, "disconnect", who, s, want, m.asked(t, who).disconnect(s.id, idle, mode))
	if s.holder != who || want != 0 {
		return // another client's, or nobody's, stays as it is
	}
	m.cut(t, s, codeLeft)
	s.holder = nobody
	s.change(mode)
	if idle != nil {
		s.idle = *idle
	}
}

func (m *machine) invoke(t *rapid.T) {
	s := m.session(t)
	if len(s.commands) == mostCommands {
		t.Skip("enough commands")
	}
	who := m.client(t, s)
	script := m.script(t)
	d := m.asked(t, who).invoke(s.id, script)
	want := 0
	switch {
	case s.holder == nobody:
		want = codeState
	case s.holder != who, s.running() != nil:
		want = codeBusy
	}
	if want != 0 {
		code, ok := d.wait()
		require.True(t, ok)
		m.ends(t, "invoke", who, s, want, code)
		require.Empty(t, d.records())
		return
	}
	c := s.begin(script)
	s.follower = &follower{taking: d, by: who, named: true, feeds: c.reads, parts: []part{{c, 1, 1}}}
	m.printed(t, s, c)
}

func (m *machine) receive(t *rapid.T) {
	s := m.session(t)
	who := m.client(t, s)
	h := how{
		replay: rapid.IntRange(0, 3).Draw(t, "replay") == 3, peek: rapid.IntRange(0, 3).Draw(t, "peek") == 3,
		noWait: rapid.IntRange(0, 1).Draw(t, "no-wait") == 1,
	}
	h.noWait = h.noWait || h.peek // a look that follows is not part of this
	plan := s.plan(h)
	f := &follower{by: who, parts: partsOf(plan, h)}
	waits := !h.noWait && slices.ContainsFunc(plan, func(c *modelCommand) bool { return c.running })
	want := s.endsWith(plan)
	switch {
	case h.peek:
	case s.holder != nobody && s.holder != who, s.follower != nil && !s.follower.named:
		want, f.parts, waits = codeBusy, nil, false
	}
	p := m.asked(t, who)
	if waits && !slices.ContainsFunc(f.parts, func(p part) bool { return !p.whole(p.taken) }) {
		p = byAgent{m.parties[who]} // a cmdlet to which nothing comes does not tell when it has begun
	}
	f.taking = p.receive(s.id, h)
	if waits {
		s.holder, s.follower = who, f
		m.begun(t, f)
		m.printed(t, s, s.running())
		return
	}
	code, ok := f.wait()
	require.True(t, ok, "%v", h)
	m.ends(t, "receive "+h.String(), who, s, want, code)
	if want == codeBusy {
		require.Empty(t, f.records())
		return
	}
	if h.peek {
		at := checkParts(t, f.parts, f.records())
		for i, p := range f.parts {
			require.True(t, p.whole(at[i]), "command %d is shown up to record %d", p.number, at[i])
		}
		return
	}
	m.taken(t, f, true)
	// What was found disconnected is left so while its command runs.
	if s.holder != nobody || !slices.ContainsFunc(plan, func(c *modelCommand) bool { return c.running }) {
		s.holder = who
	}
}

// goOn lets a command that waits go on to its end.
func (m *machine) goOn(t *rapid.T) {
	s := m.session(t)
	c := s.running()
	if c == nil || c.gate == nil {
		t.Skip("nothing waits")
	}
	_, err := c.gate.WriteString("\n")
	require.NoError(t, err)
	m.ended(t, s, c, c.rest, c.exit)
}

func (m *machine) send(t *rapid.T) {
	s := m.session(t)
	who := m.client(t, s)
	eof := rapid.IntRange(0, 3).Draw(t, "eof") == 3
	c := s.running()
	text, prints := "", ""
	for range rapid.IntRange(0, 3).Draw(t, "lines") {
		m.made++
		text += fmt.Sprintf("line %d\n", m.made)
		if c != nil && c.reads {
			prints += fmt.Sprintf("%s has line %d\n", c.name, m.made)
		}
	}
	want := 0
	switch {
	case s.holder != who, c == nil, c.input == "", c.input == api.InputClosed:
		want = codeFailed
	case s.follower != nil && s.follower.feeds:
		want = codeBusy
	}
	m.ends(t, "send", who, s, want, m.asked(t, who).send(s.id, text, eof))
	if want != 0 {
		return
	}
	c.prints += prints
	if eof {
		m.ended(t, s, c, c.rest, c.exit)
		return
	}
	c.input = api.InputOpen
	m.printed(t, s, c)
}

func (m *machine) stop(t *rapid.T) {
	s := m.session(t)
	who := m.client(t, s)
	c := s.running()
	want := 0
	if c != nil && s.holder != who {
		want = codeFailed
	}
	m.ends(t, "stop", who, s, want, m.asked(t, who).stop(s.id))
	if c != nil && want == 0 {
		m.ended(t, s, c, "", codeStopped)
	}
}

func (m *machine) remove(t *rapid.T) {
	s := m.session(t)
	who, force := m.client(t, s), rapid.IntRange(0, 2).Draw(t, "force") == 2
	want := 0
	if s.holder != nobody && s.holder != who && !force {
		want = codeBusy
	}
	m.ends(t, "remove", who, s, want, m.asked(t, who).remove(s.id, force))
	if want != 0 {
		return
	}
	m.sessions = slices.DeleteFunc(m.sessions, func(other *modelSession) bool { return other == s })
	m.cut(t, s, codeGone)
}

// drain ends what still runs and receives everything that is left, whoever held it:
// with that, all that was ever printed in these sessions has come to somebody.
func (m *machine) drain(t *rapid.T) {
	last := byAgent{m.parties[1]}
	for _, s := range m.sessions {
		if s.holder != 1 {
			m.ends(t, "connect", 1, s, 0, last.connect(s.id, true, ""))
			m.cut(t, s, codeBusy)
			s.holder = 1
		}
		switch c := s.running(); {
		case c == nil:
		case c.gate != nil:
			_, err := c.gate.WriteString("\n")
			require.NoError(t, err)
			m.ended(t, s, c, c.rest, c.exit)
		case s.follower != nil && s.follower.feeds:
			m.ends(t, "stop", 1, s, 0, last.stop(s.id))
			m.ended(t, s, c, "", codeStopped)
		default:
			m.ends(t, "send", 1, s, 0, last.send(s.id, "", true))
			m.ended(t, s, c, c.rest, c.exit)
		}
		plan := s.plan(how{})
		want := s.endsWith(plan)
		f := &follower{taking: last.receive(s.id, how{}), parts: partsOf(plan, how{})}
		code, ok := f.wait()
		require.True(t, ok)
		m.ends(t, "receive", 1, s, want, code)
		m.taken(t, f, true)
	}
	m.look(t)
}
