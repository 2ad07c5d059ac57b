//go:build linux

package main_test

import (
	"fmt"
	"os"
	"strings"

	"github.com/stretchr/testify/require"

	"pss/remote/api"
)

// keeper makes a command that writes its standard input to a file: more than is
// under way at a time.
func (s *story) keeper() (*order, string) {
	o := s.order()
	var b strings.Builder
	for i := range 100_000 + s.rng.IntN(50_000) {
		fmt.Fprintf(&b, "%d of %d\n", i, o.k)
	}
	o.input = b.String()
	dir := s.folder(o)
	return o, fmt.Sprintf("echo run >> %[1]s/runs; echo command %[2]d; cat > %[1]s/input; exit %[3]d", dir, o.k, o.code())
}

// feed gives a command of a session standard input. One that waits for the rest of
// what broke off is stopped.
func (s *story) feed(id string) {
	for range 4 {
		if s.lost[id] {
			return
		}
		o, script := s.keeper()
		c := s.startFed(o.input, two, "invoke-command", "--instance-id", id, "--output", "ndjson", "--script-block", script)
		if s.reported(o, c.finish(fmt.Sprintf("feed %d", o.k), id, false)).whole() {
			return
		}
		s.stop(two, id)
		s.receive(two, id)
	}
	if !s.lost[id] {
		s.t.Errorf("session %s takes no input: %s", id, s.got[len(s.got)-1].err)
	}
}

// stop stops what runs in a session.
func (s *story) stop(who, id string) {
	for range 4 {
		s.run(who, "connect-pssession", "--computer-name", "localhost", "--instance-id", id)
		if s.run(who, "stop-pssession", "--instance-id", id).code == 0 {
			return
		}
	}
}

// leaveNew starts a command in a session of its own, with all of its standard input,
// and leaves it there.
func (s *story) leaveNew() {
	for try := range 3 {
		o, script := s.keeper()
		name := fmt.Sprintf("left.%d", try)
		s.names[name] = true
		c := s.startFed(o.input, three, "invoke-command", "--computer-name", "localhost", "--in-disconnected-session",
			"--session-name", name, "--output", "instance-id", "--script-block", script)
		<-c.done
		if c.cmd.ProcessState.ExitCode() == 0 {
			o.told = true
			s.made[strings.TrimSpace(c.read("out"))] = name
			return
		}
	}
	s.t.Error("nothing can be left behind")
}

// judgeInput compares what a command has read with what its cmdlet was given: all of
// it, or the beginning if the input broke off.
func (s *story) judgeInput(o *order, p *received, out string) {
	require.Empty(s.t, out+p.errs.String())
	b, _ := os.ReadFile(s.folder(o) + "/input")
	require.True(s.t, strings.HasPrefix(o.input, string(b)), "command %d: the input was altered", o.k)
	if p.end == nil || p.end.Outcome == api.OutcomeLost || p.end.Outcome == api.OutcomeStopped && !o.told {
		return
	}
	require.Equal(s.t, api.OutcomeExited, p.end.Outcome)
	require.Equal(s.t, o.code(), *p.end.ExitCode)
	require.Len(s.t, b, len(o.input), "command %d took a part of its input for the whole", o.k)
}
