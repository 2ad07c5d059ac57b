//go:build linux

package main_test

import (
	"fmt"
	"os"
	"strings"

	"github.com/stretchr/testify/require"

	"pss/remote/api"
)

// This file is the model of TestTwoClients: who holds a session, what its commands
// have printed, and how much of that somebody has received. It knows no epoch, no
// lease and no process.

// Exit codes that the model predicts, beside those of the commands.
const (
	codeFailed  = 1   // of a cmdlet that passes no remote code on
	codeBusy    = 242 // held by another client, or busy with another command
	codeGone    = 243
	codeState   = 246 // not connected
	codeLeft    = 247 // disconnected in the middle
	codeStopped = 130
)

// nobody holds a session.
const nobody = -1

// mostCommands is how many commands a session keeps for a replay.
const mostCommands = 8

// modelScript is a command: what it prints and how it ends.
type modelScript struct {
	name  string // with which its lines begin
	text  string
	first string // printed at once
	rest  string // printed at its end, when it was let go on
	exit  int
	gate  *os.File // a line there lets one go on that waits
	reads bool     // standard input, to its end
}

// ends reports whether the command ends by itself.
func (c *modelScript) ends() bool { return c.gate == nil && !c.reads }

// modelCommand is what the model knows of one command of a session.
type modelCommand struct {
	*modelScript
	number  uint32 // Record.Pipeline
	prints  string // so far
	running bool
	code    int            // once it has ended
	input   api.InputState // Open, Interrupted or Closed, of one that reads
	known   []record       // its records, as far as anybody has seen them: they never change
	taken   uint64         // all records up to here were delivered to somebody
	acked   uint64         // and up to here acknowledged for certain
}

// over reports whether everything was delivered and acknowledged.
func (c *modelCommand) over() bool {
	return c.acked > 0 && c.acked == uint64(len(c.known)) && c.known[c.acked-1].Kind == "End"
}

// bytes is how much the command's first n records print.
func (c *modelCommand) bytes(n uint64) (sum int64) {
	for _, r := range c.known[:n] {
		sum += printed(r)
	}
	return sum
}

func printed(r record) int64 {
	if r.Kind == "Output" {
		return int64(len(r.Data))
	}
	return 0
}

// end notes that the command has ended with code, after it printed more.
func (c *modelCommand) end(more string, code int) {
	c.prints, c.running, c.code = c.prints+more, false, code
	if c.reads {
		c.input = api.InputClosed
	}
}

// see checks a run of records of the command, and learns them: what a record holds
// is the same for everybody. It returns the last one's Seq.
func (c *modelCommand) see(t require.TestingT, recs []record) (last uint64) {
	for i, r := range recs {
		require.Contains(t, []string{"Output", "End"}, r.Kind)
		require.Equal(t, recs[0].Seq+uint64(i), r.Seq, "a hole, or a repetition, in command %d", c.number)
		require.LessOrEqual(t, r.Seq, uint64(len(c.known))+1, "command %d begins behind what was delivered before", c.number)
		if r.Seq <= uint64(len(c.known)) {
			require.Equal(t, c.known[r.Seq-1].Kind+": "+c.known[r.Seq-1].Data, r.Kind+": "+r.Data, "record %d of command %d has changed", r.Seq, c.number)
		} else {
			c.known = append(c.known, record{Pipeline: r.Pipeline, Seq: r.Seq, Kind: r.Kind, Data: r.Data})
		}
		last = r.Seq
	}
	var text strings.Builder
	for i, r := range c.known {
		text.WriteString(r.Data)
		if r.Kind == "End" {
			require.Equal(t, len(c.known)-1, i, "command %d goes on behind its end", c.number)
			require.False(t, c.running, "command %d has ended", c.number)
			require.Equal(t, c.prints, text.String(), "command %d has ended", c.number)
		}
	}
	require.True(t, strings.HasPrefix(c.prints, text.String()), "command %d printed %q, and %q arrived", c.number, c.prints, text.String())
	return last
}

// whole reports whether the records up to seq are all that there can be by now.
func (c *modelCommand) whole(seq uint64) bool {
	if c.running {
		return c.bytes(seq) == int64(len(c.prints))
	}
	return seq > 0 && c.known[seq-1].Kind == "End"
}

// modelSession is what the model knows of one session.
type modelSession struct {
	id, name string
	holder   int // a client, or nobody
	idle     int64
	mode     api.OutputBufferingMode
	commands []*modelCommand
	follower *follower // the delivery that waits for the running command
}

func (s *modelSession) running() *modelCommand {
	if n := len(s.commands); n > 0 && s.commands[n-1].running {
		return s.commands[n-1]
	}
	return nil
}

// begin adds a command that runs.
func (s *modelSession) begin(script *modelScript) *modelCommand {
	c := &modelCommand{modelScript: script, number: uint32(len(s.commands) + 1), prints: script.first, running: true}
	if script.reads {
		c.input = api.InputOpen
	}
	s.commands = append(s.commands, c)
	return c
}

// status is what client who must see: State, Availability, CommandState.
func (s *modelSession) status(who int) string {
	state, avail, command := "Disconnected", "Busy", "None"
	switch {
	case s.holder == nobody:
		avail = "None"
	case s.holder == who && s.running() == nil:
		state, avail = "Opened", "Available"
	case s.holder == who:
		state = "Opened"
	}
	for _, c := range s.commands {
		if !c.over() {
			command = "Finished"
		}
	}
	if s.running() != nil {
		command = "Running"
	}
	return state + "/" + avail + "/" + command
}

// unread bounds what the session may list as unread. What a delivery has taken that
// goes on, or that was cut, may be acknowledged or not; what a running command has
// printed shows within a second.
func (s *modelSession) unread() (least, most int64) {
	for _, c := range s.commands {
		most += int64(len(c.prints)) - c.bytes(c.acked)
		if !c.running {
			least += int64(len(c.prints)) - c.bytes(c.taken)
		}
	}
	return least, most
}

// how says how output is received.
type how struct{ replay, peek, noWait bool }

// String names the parameters.
func (h how) String() string {
	return fmt.Sprintf("replay=%v peek=%v noWait=%v", h.replay, h.peek, h.noWait)
}

// plan is what a receiver gets: everything that is unread, or all that is kept, but
// for what a cmdlet that runs a command delivers just now.
func (s *modelSession) plan(h how) (list []*modelCommand) {
	for _, c := range s.commands {
		busy := c.running && s.follower != nil
		if (!c.over() || h.replay) && (!busy || h.peek) {
			list = append(list, c)
		}
	}
	return list
}

// endsWith predicts the exit code of a delivery of plan that is complete.
func (s *modelSession) endsWith(plan []*modelCommand) int {
	if n := len(plan); n > 0 {
		if plan[n-1].running {
			return 0
		}
		return plan[n-1].code
	}
	for i := len(s.commands) - 1; i >= 0; i-- {
		if c := s.commands[i]; !c.running {
			return c.code
		}
	}
	return 0
}

// follower is a delivery that waits for the end of a running command.
type follower struct {
	taking
	by    int
	named bool // of invoke-command: it takes one command; receive-pssession takes all
	feeds bool // it also holds the command's standard input
	parts []part
}

// part is one command of a delivery, and between which records it may begin.
type part struct {
	*modelCommand
	least, most uint64
}

// partsOf says where a delivery of plan may begin.
func partsOf(plan []*modelCommand, h how) (list []part) {
	for _, c := range plan {
		p := part{c, c.acked + 1, c.taken + 1}
		if h.replay {
			p.least, p.most = 1, 1
		}
		list = append(list, p)
	}
	return list
}

// checkParts proves that recs are what a delivery of these parts brings, as far as it has
// come, and returns the last Seq of each part.
func checkParts(t require.TestingT, list []part, recs []record) []uint64 {
	at := make([]uint64, len(list))
	for i, p := range list {
		n := 0
		for n < len(recs) && recs[n].Pipeline == p.number {
			n++
		}
		at[i] = p.most - 1
		if n > 0 {
			require.GreaterOrEqual(t, recs[0].Seq, p.least, "command %d was received before", p.number)
			require.LessOrEqual(t, recs[0].Seq, p.most, "command %d lacks its beginning", p.number)
			at[i] = p.see(t, recs[:n])
		}
		recs = recs[n:]
	}
	require.Empty(t, recs, "records of other commands, or out of order")
	return at
}
