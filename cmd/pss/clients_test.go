//go:build linux

package main_test

import (
	"flag"
	"fmt"
	"os"
	"strconv"
	"syscall"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	"pgregory.net/rapid"

	"pss/remote/api"
)

// clients is what a run of TestTwoClients lives on. A case begins and ends with no
// session there, so that a shorter one can be tried on the same daemons.
type clients struct {
	host    *world
	parties []*party
	cases   int
	made    int            // names so far
	figures map[string]int // for the log
}

// asked are the things that a client can do, once by the agent's protocol and once by
// its cmdlet.
func (c *clients) asked(t *rapid.T, who int) way {
	c.figures["operations"]++
	if rapid.IntRange(0, 11).Draw(t, "way") == 11 {
		c.figures["cmdlets"]++
		return byCmdlet{c.parties[who]}
	}
	return byAgent{c.parties[who]}
}

// machine is one case: the model, and what the test holds for it.
type machine struct {
	*clients
	sessions []*modelSession
	ids      []map[string]int // by client: the Id that it knows a session by
	newest   []int            // by client: the newest Id
	gates    []*os.File
}

// TestTwoClients lets two agents, one of them with two client sessions, do what they
// like with the sessions of one host, each way round: by the protocol and by cmdlets.
// A model that knows only who holds a session and what its commands printed says how
// every operation ends, what each client sees, and that all output comes to whoever
// takes it, in order, once.
func TestTwoClients(t *testing.T) {
	t.Parallel()
	ofRapid(t, "checks", strconv.Itoa(rounds(4)))
	ofRapid(t, "steps", "60")
	if os.Getenv("PSS_TEST_FAULT") != "" {
		ofRapid(t, "nofailfile", "true")
	}
	bin := thisPSS
	if long() {
		bin = racePSS
	}
	host := newWorld(t, bin, map[string]string{"host.toml": "lease = \"60s\"\n"})
	host.must("get-pssession", "--computer-name", "localhost")
	far := newWorld(t, bin, map[string]string{"config.toml": computerOf(t, host)})
	far.must("get-pssession", "--computer-name", "x")
	c := &clients{host: host, figures: map[string]int{}, parties: []*party{
		{host, "localhost", host.asCmdlet("one")}, {far, "x", far.asCmdlet("one")}, {host.as("two"), "localhost", host.asCmdlet("two")},
	}}
	began := time.Now()
	rapid.Check(t, c.run)
	t.Logf("%d cases in %v: %v", c.cases, time.Since(began).Round(time.Millisecond), c.figures)
}

// ofRapid sets a flag of rapid's that the command line does not.
func ofRapid(t *testing.T, name, value string) {
	t.Helper()
	f := flag.Lookup("rapid." + name)
	if f.Value.String() == f.DefValue {
		require.NoError(t, f.Value.Set(value))
	}
}

// run is one case.
func (c *clients) run(t *rapid.T) {
	m := &machine{clients: c, ids: make([]map[string]int, len(c.parties)), newest: make([]int, len(c.parties))}
	for i := range m.ids {
		m.ids[i] = map[string]int{}
	}
	c.cases++
	defer m.end(t)
	m.removeAll(t)
	// Rapid draws the first ones, by name, more often than the last.
	t.Repeat(map[string]func(*rapid.T){
		"1 receive": m.receive, "2 invoke": m.invoke, "3 connect": m.connect, "4 go on": m.goOn, "5 new": m.create, "6 disconnect": m.disconnect,
		"7 send": m.send, "8 stop": m.stop, "9 remove": m.remove, "get": m.get, "": m.look,
	})
	m.drain(t)
}

// end lets go of everything that the case holds.
func (m *machine) end(t *rapid.T) {
	for _, s := range m.sessions {
		if s.follower != nil {
			s.follower.end()
		}
	}
	m.removeAll(t)
	for _, gate := range m.gates {
		gate.Close()
		os.Remove(gate.Name())
	}
}

// removeAll removes what is on the host.
func (m *machine) removeAll(t *rapid.T) {
	first := byAgent{m.parties[0]}
	all, err := first.list()
	if err != nil {
		t.Errorf("list: %v", err) // in a deferred call: no panic over another one
	}
	for _, s := range all {
		if code := first.remove(s.InstanceID, true); code != 0 {
			t.Errorf("remove %s: %d", s.Name, code)
		}
	}
}

// client draws one, rather often the one that holds the session.
func (m *machine) client(t *rapid.T, s *modelSession) int {
	who := rapid.IntRange(0, 2*len(m.parties)-1).Draw(t, "client")
	switch {
	case who < len(m.parties):
		return who
	case s != nil && s.holder != nobody:
		return s.holder
	}
	return who - len(m.parties)
}

// session draws one that is there.
func (m *machine) session(t *rapid.T) *modelSession {
	if len(m.sessions) == 0 {
		t.Skip("no session")
	}
	return m.sessions[rapid.IntRange(0, len(m.sessions)-1).Draw(t, "session")]
}

// until waits for something that comes by itself.
func (m *machine) until(t *rapid.T, what string, ok func() bool) {
	for end := time.Now().Add(patience); !ok(); time.Sleep(2 * time.Millisecond) {
		if time.Now().After(end) {
			t.Fatalf("not reached: %s", what)
		}
	}
}

// of waits until client 0 sees the session as wanted.
func (m *machine) of(t *rapid.T, s *modelSession, what string, ok func(*seen) bool) {
	m.until(t, s.name+" "+what, func() bool {
		all, err := byAgent{m.parties[0]}.list()
		require.NoError(t, err)
		for i := range all {
			if all[i].InstanceID == s.id {
				return ok(&all[i])
			}
		}
		return false
	})
}

// look compares what each client sees with the model.
func (m *machine) look(t *rapid.T) {
	for who, p := range m.parties {
		m.compare(t, who, byAgent{p})
	}
}

// get is a look by a cmdlet.
func (m *machine) get(t *rapid.T) {
	who := m.client(t, nil)
	m.compare(t, who, m.asked(t, who))
}

func (m *machine) compare(t *rapid.T, who int, p way) {
	got, err := p.list()
	require.NoError(t, err)
	require.Len(t, got, len(m.sessions), "sessions on the host")
	for i, s := range m.sessions {
		m.same(t, who, s, &got[i])
	}
}

// same compares one session as client who sees it with the model.
func (m *machine) same(t *rapid.T, who int, s *modelSession, got *seen) {
	what := fmt.Sprintf("%s as client %d sees it", s.name, who)
	require.Equal(t, s.status(who), got.State+"/"+got.Availability+"/"+got.CommandState, what)
	want := seen{
		ID: m.ids[who][s.id], InstanceID: s.id, Name: s.name, ComputerName: m.parties[who].computer, State: got.State, Availability: got.Availability,
		CommandState: got.CommandState, InputState: string(api.InputNone), UnreadBytes: got.UnreadBytes, IdleTimeout: s.idle, OutputBufferingMode: string(s.mode),
		DisconnectedOn: got.DisconnectedOn, ExpiresOn: got.ExpiresOn, HeldBy: got.HeldBy,
	}
	if want.ID == 0 { // an Id stays a session's, and is never given to another one
		require.Greater(t, got.ID, m.newest[who], what)
		m.ids[who][s.id], m.newest[who], want.ID = got.ID, got.ID, got.ID
	}
	if n := len(s.commands); n > 0 {
		c := s.commands[n-1]
		if !c.running {
			want.ExitCode = &c.code
		}
		if c.reads {
			want.InputState = string(c.input)
		}
	}
	require.Equal(t, &want, got, what)
	least, most := s.unread()
	require.True(t, least <= got.UnreadBytes && got.UnreadBytes <= most, "%s has %d bytes unread, not %d to %d", what, got.UnreadBytes, least, most)
	require.Equal(t, s.holder != nobody, got.HeldBy != "", what)
	require.Equal(t, s.holder == nobody, got.DisconnectedOn != nil, what)
	require.Equal(t, s.holder == nobody, got.ExpiresOn != nil, what)
	if got.ExpiresOn != nil {
		require.Equal(t, s.idle, got.ExpiresOn.Sub(*got.DisconnectedOn).Milliseconds(), what)
	}
}

// gate makes the file that a waiting command reads from. We hold it open, so that
// neither side ever waits for the other one to open it.
func (m *machine) gate(t *rapid.T, name string) *os.File {
	path := m.host.path(name)
	require.NoError(t, syscall.Mkfifo(path, 0o600))
	f, err := os.OpenFile(path, os.O_RDWR, 0)
	require.NoError(t, err)
	m.gates = append(m.gates, f)
	return f
}

// script draws a command.
func (m *machine) script(t *rapid.T) *modelScript {
	m.made++
	name := fmt.Sprintf("c%d", m.made)
	c := &modelScript{name: name, exit: rapid.IntRange(0, 3).Draw(t, "exit")}
	switch rapid.SampledFrom([]string{"says", "says", "counts", "waits", "reads"}).Draw(t, "kind") {
	case "says":
		c.first = name + "\n"
		c.text = fmt.Sprintf("echo %s; exit %d", name, c.exit)
	case "counts":
		n := rapid.IntRange(1, 3000).Draw(t, "lines")
		for i := 1; i <= n; i++ {
			c.first += fmt.Sprintf("%s %d\n", name, i)
		}
		c.text = fmt.Sprintf("for ((i = 1; i <= %d; i++)); do echo %s $i; done; exit %d", n, name, c.exit)
	case "waits":
		c.gate, c.first, c.rest = m.gate(t, name), name+" begins\n", name+" ends\n"
		c.text = fmt.Sprintf("echo %s begins; read x < %s; echo %s ends; exit %d", name, c.gate.Name(), name, c.exit)
	case "reads":
		c.reads, c.first, c.rest = true, name+" begins\n", name+" ends\n"
		c.text = fmt.Sprintf("echo %s begins; while read -r x; do echo %s has $x; done; echo %s ends; exit %d", name, name, name, c.exit)
	}
	return c
}

// begun waits until a delivery that waits has its place in the session.
func (m *machine) begun(t *rapid.T, f *follower) {
	m.until(t, "the delivery begins", func() bool {
		if d, ok := f.taking.(*delivered); ok {
			return d.connections() > 0
		}
		return len(f.records()) > 0
	})
}

// printed waits until everything that the running command has to print by now is
// there, and its end, if it ends by itself.
func (m *machine) printed(t *rapid.T, s *modelSession, c *modelCommand) {
	if c.ends() {
		m.ended(t, s, c, "", c.exit)
		return
	}
	if s.follower != nil {
		m.until(t, "output of "+s.name, func() bool {
			for i, at := range checkParts(t, s.follower.parts, s.follower.records()) {
				if !s.follower.parts[i].whole(at) {
					return false
				}
			}
			return true
		})
		m.taken(t, s.follower, false)
		return
	}
	_, err := byAgent{m.parties[0]}.list() // from then on it knows the session
	require.NoError(t, err)
	h := how{replay: true, peek: true, noWait: true}
	m.until(t, "output of "+s.name, func() bool {
		d := byAgent{m.parties[0]}.receive(s.id, h)
		code, ok := d.wait()
		require.True(t, ok && code == 0, "%d", code)
		plan := partsOf(s.plan(h), h)
		at := checkParts(t, plan, d.records())
		return c.bytes(at[len(at)-1]) == int64(len(c.prints))
	})
}

// ended notes that the command has printed more and ended, and waits for that.
func (m *machine) ended(t *rapid.T, s *modelSession, c *modelCommand, more string, code int) {
	c.end(more, code)
	m.figures["commands"]++
	f := s.follower
	if f == nil {
		m.of(t, s, "ends", func(l *seen) bool { return l.CommandState != "Running" })
		return
	}
	var plan []*modelCommand
	for _, p := range f.parts {
		plan = append(plan, p.modelCommand)
	}
	got, ok := f.wait()
	require.True(t, ok, "the delivery of %s does not end", s.name)
	require.Equal(t, s.endsWith(plan), got, "exit code of the delivery of %s", s.name)
	m.taken(t, f, true)
	s.follower = nil
}

// taken notes what a delivery has brought; a whole one has acknowledged it.
func (m *machine) taken(t *rapid.T, f *follower, whole bool) {
	recs := f.records()
	at := checkParts(t, f.parts, recs)
	for i, p := range f.parts {
		p.taken = max(p.taken, at[i])
		if whole {
			require.True(t, p.whole(at[i]), "the delivery of command %d stops at record %d", p.number, at[i])
			p.acked = p.taken
		}
	}
	if whole {
		m.figures["records"] += len(recs)
	}
}

// cut ends the delivery that waits, which must end with code. Its command goes on,
// unless the session is gone.
func (m *machine) cut(t *rapid.T, s *modelSession, code int) {
	f := s.follower
	if f == nil {
		return
	}
	got, ok := f.wait()
	require.True(t, ok, "the delivery of %s is not cut", s.name)
	require.Equal(t, code, got, "exit code of the delivery of %s, which was cut", s.name)
	m.taken(t, f, false)
	s.follower = nil
	if c := s.running(); f.feeds && c.input == api.InputOpen {
		c.input = api.InputInterrupted
		if code != codeGone {
			m.of(t, s, "is interrupted", func(l *seen) bool { return l.InputState == string(c.input) })
		}
	}
}
