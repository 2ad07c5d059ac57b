package agent

import (
	"context"
	"fmt"
	"strconv"
	"strings"
	"time"

	"pss/config"
	"pss/remote/api"
	"pss/remote/platform"
)

// clientSession is "the current session" in PowerShell's words. Its fields are
// guarded by the agent's mutex.
type clientSession struct {
	key      string
	leader   int // of a terminal's; 0 of a named or batch one
	nextID   int
	nextName int
	nextJob  int               // Ids of jobs and their children are a count of their own
	entries  map[string]*entry // by InstanceID
	last     time.Time         // of its newest request
	open     int               // requests under way
	ending   bool
}

// entry is a session that this client session has seen. Once an Id was shown it
// stays this session's.
type entry struct {
	id        int
	instance  string
	computer  string // as typed
	name      string
	conf      string
	mine      bool   // made or connected in this client session: listed without -ComputerName
	attached  bool   // as far as we know
	epoch     uint64 // of our last attachment
	temporary bool   // of Invoke-Command -ComputerName, while that cmdlet lives
	owner     int    // pid of that cmdlet
	ownerFrom uint64 // and its start time
	leaving   bool   // its cmdlet is gone, and it is being left behind

	parting *parting  // its disconnect is under way
	making  bool      // its creation is under way
	shared  bool      // of a run-as configuration of this computer's daemon
	asked   time.Time // when we last asked the host for it alone: no earlier listing knows better
}

func newClientSession(key string) *clientSession {
	c := &clientSession{key: key, entries: map[string]*entry{}, last: time.Now()}
	// tty:BOOT:PID:START
	if f := strings.Split(key, ":"); len(f) == 4 && f[0] == "tty" {
		c.leader, _ = strconv.Atoi(f[2])
	}
	return c
}

func (c *clientSession) touch() { c.last = time.Now() }

// terminal reports whether c belongs to a terminal's shell.
func (c *clientSession) terminal() bool { return strings.HasPrefix(c.key, "tty:") }

// alive reports whether the leader of a terminal's client session still runs.
func (c *clientSession) alive() bool {
	st, err := platform.StatProcess(c.leader)
	return err == nil && st.State != 'Z' && c.key == fmt.Sprintf("tty:%s:%d:%d", bootID(), c.leader, st.Start)
}

// watchClient waits for the end of a terminal's client session.
func (a *Agent) watchClient(c *clientSession) {
	if !c.terminal() {
		return
	}
	stop, err := platform.WatchProcess(c.leader, func() { a.endClient(c) })
	// Asked after the watch began, so that no end can slip in between. The pid
	// may be another process's by now.
	if err != nil || !c.alive() {
		if err == nil {
			stop()
		}
		go a.endClient(c)
	}
}

// endQuiet ends named and batch client sessions that nobody has used for long.
func (a *Agent) endQuiet() {
	after := a.conf.Agent.BatchExit.Or(config.DefaultBatchExit)
	a.mu.Lock()
	var over []*clientSession
	for _, c := range a.clients {
		if !c.terminal() && c.open == 0 && !c.ending && time.Since(c.last) > after && !a.jobsRunLocked(c.key) {
			over = append(over, c)
		}
	}
	a.mu.Unlock()
	for _, c := range over {
		go a.endClient(c) // a computer that does not answer must hold up nobody else
	}
}

// endClient does what PowerShell does when its process exits: what runs or has
// unreceived output is disconnected and lives on; of a terminal's, what is idle
// is closed after a grace in which it shows as Disconnected.
func (a *Agent) endClient(c *clientSession) {
	a.mu.Lock()
	if c.ending {
		a.mu.Unlock()
		return
	}
	c.ending = true
	a.active.Enter()
	defer a.active.Leave()
	var held []*entry
	for _, e := range c.entries {
		if e.attached {
			held = append(held, e)
		}
	}
	a.mu.Unlock()
	partings := make([]*parting, len(held))
	for i, e := range held {
		partings[i] = a.part(c, e, api.DetachedByClient)
	}
	var idle []*entry
	for i, e := range held {
		if <-partings[i].done; partings[i].idle {
			idle = append(idle, e)
		}
	}
	if c.terminal() && a.conf.Agent.OnClientExit != "disconnect" && len(idle) > 0 {
		select {
		case <-a.ctx.Done():
			return // the journal still has them; the next agent goes on
		case <-time.After(a.conf.Agent.ClientExitGrace.Or(config.DefaultClientExitGrace)):
		}
		for _, e := range idle {
			a.closeIdle(c, e)
		}
	}
	a.mu.Lock()
	defer a.mu.Unlock()
	delete(a.clients, c.key)
	a.leaveJobsLocked(c.key, time.Now())
	a.record(change{Client: c.key, Gone: true})
}

// closeIdle removes a session that nobody has taken up during the grace.
func (a *Agent) closeIdle(c *clientSession, e *entry) {
	ctx, cancel := context.WithTimeout(a.ctx, 10*time.Second)
	defer cancel()
	cl := a.hostOfEntry(c, e)
	s, err := cl.Session(ctx, e.instance)
	if err != nil || s.State != api.StateDisconnected || s.Availability != api.AvailabilityNone ||
		s.CommandState != api.CommandNone || s.Runspace.Epoch != e.epoch {
		return
	}
	if err := cl.Remove(ctx, e.instance, 0, false); err != nil {
		a.log.Warn("idle session not closed", "session", e.instance, "error", err)
	}
}

// watchOwner detaches a temporary session whose cmdlet ends without removing it:
// the command goes on, and the session is listed from then on.
func (a *Agent) watchOwner(c *clientSession, e *entry) {
	if e.owner == 0 {
		return // of another process namespace: only the end of its client session can be seen
	}
	lost := func() {
		a.mu.Lock()
		first := c.entries[e.instance] == e && e.temporary && !e.leaving
		e.leaving = true
		if first {
			a.showLocked(c, e) // also while its computer does not answer
		}
		a.mu.Unlock()
		if !first {
			return
		}
		<-a.part(c, e, api.DetachedByClient).done
		// Only now: an agent that is killed before leaves it to the next one.
		a.mu.Lock()
		defer a.mu.Unlock()
		if c.entries[e.instance] == e {
			e.temporary = false
			a.record(change{Client: c.key, Entry: e.saved()})
		}
	}
	stop, err := platform.WatchProcess(e.owner, lost)
	st, serr := platform.StatProcess(e.owner)
	if err != nil || serr != nil || st.Start != e.ownerFrom {
		if err == nil {
			stop()
		}
		go lost()
	}
}
