package agent

import (
	"context"
	"net/http"
	"strings"
	"sync"
	"time"

	"pss/remote/api"
)

// throttle is PowerShell's ThrottleLimit: how many computers are asked at once.
const throttle = 32

// handleList lists what the computers named in the query hold, or without one
// what was made or connected in the asker's client session.
func (a *Agent) handleList(_ http.ResponseWriter, r *http.Request, c *clientSession) (any, error) {
	computers := r.URL.Query()[api.QueryComputer]
	local := len(computers) == 0
	if local {
		computers = a.computersOf(c)
	}
	list := &api.SessionList{Version: api.Version, Sessions: []api.Session{}}
	asked := time.Now()
	for i, res := range a.ask(r.Context(), c, computers) {
		if res.err != nil {
			e := api.AsError(res.err)
			if e.Code != api.CodeInternal {
				e = e.WithID(e.FullyQualifiedErrorID + ",RemotePSSessionQueryFailed")
			}
			list.Errors = append(list.Errors, e.On(api.ComputerOf(computers[i])))
			if local {
				list.Sessions = append(list.Sessions, a.unreachable(c, computers[i])...)
			}
			continue
		}
		list.Errors = append(list.Errors, res.list.Errors...)
		list.Sessions = append(list.Sessions, a.merge(c, computers[i], res.list.Sessions, local, asked)...)
	}
	return list, nil
}

type answer struct {
	list *api.SessionList
	err  error
}

// ask asks all computers at once and returns their answers in order.
func (a *Agent) ask(ctx context.Context, c *clientSession, computers []string) []answer {
	answers := make([]answer, len(computers))
	slots := make(chan struct{}, throttle)
	var wg sync.WaitGroup
	for i, name := range computers {
		wg.Add(1)
		slots <- struct{}{}
		go func() {
			defer wg.Done()
			defer func() { <-slots }()
			answers[i].list, answers[i].err = a.hostFor(c, name).Sessions(ctx)
		}()
	}
	wg.Wait()
	return answers
}

// computersOf returns the computers of the client session's own sessions.
func (a *Agent) computersOf(c *clientSession) []string {
	a.mu.Lock()
	defer a.mu.Unlock()
	var names []string
	seen := map[string]bool{}
	for _, e := range c.sortedLocked() {
		key := strings.ToLower(e.computer)
		if e.mine && !seen[key] {
			seen[key] = true
			names = append(names, e.computer)
		}
	}
	return names
}

// merge gives the sessions of one computer their Ids and forgets those that are
// gone. In a local listing only the client session's own remain. What became of a
// session after asked, when the listing was asked for, the listing does not know.
func (a *Agent) merge(c *clientSession, name string, sessions []api.Session, local bool, asked time.Time) []api.Session {
	a.mu.Lock()
	defer a.mu.Unlock()
	there := map[string]bool{}
	out := make([]api.Session, 0, len(sessions))
	var changes []change
	for _, s := range sessions {
		there[s.Runspace.InstanceID] = true
		e := c.entries[s.Runspace.InstanceID]
		if local && (e == nil || !e.mine) {
			continue
		}
		if e == nil {
			e = c.newEntry(s.Runspace.InstanceID, name)
		}
		fresh := c.number(e)
		if e.asked.Before(asked) && e.learn(&s) || fresh {
			changes = append(changes, change{Client: c.key, Entry: e.saved()})
		}
		s.ID = e.id
		s.At(e.computer)
		out = append(out, s)
	}
	for id, e := range c.entries {
		if !there[id] && strings.EqualFold(e.computer, name) && !e.making && e.asked.Before(asked) {
			delete(c.entries, id)
			changes = append(changes, change{Client: c.key, Entry: e.saved(), Gone: true})
		}
	}
	if len(changes) > 0 {
		a.record(changes...)
	}
	return out
}

// unreachable lists what is remembered of a computer that does not answer.
func (a *Agent) unreachable(c *clientSession, name string) []api.Session {
	a.mu.Lock()
	defer a.mu.Unlock()
	var out []api.Session
	for _, e := range c.sortedLocked() {
		if !e.mine || !strings.EqualFold(e.computer, name) {
			continue
		}
		out = append(out, *e.remembered())
	}
	return out
}
