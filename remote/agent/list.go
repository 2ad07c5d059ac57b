package agent

import (
	"context"
	"net/http"
	"slices"
	"strconv"
	"time"

	"golang.org/x/sync/errgroup"
	"pss/remote/api"
)

// throttle is PowerShell's ThrottleLimit: how many computers are asked at once.
const throttle = 32

// handleList lists what the computers named in the query hold, or all that this user
// has used, or without either what was made or connected in the asker's client session.
func (a *Agent) handleList(_ http.ResponseWriter, r *http.Request, c *clientSession) (any, error) {
	query := r.URL.Query()
	computers := query[api.QueryComputer]
	if query.Get(api.QueryAll) == "true" {
		a.mu.Lock()
		computers = a.used.names()
		a.mu.Unlock()
		if len(computers) == 0 {
			return &api.SessionList{Version: api.Version, Sessions: []api.Session{}}, nil
		}
	}
	local := len(computers) == 0
	if local {
		computers = a.computersOf(c)
	}
	limit := throttle
	if n, err := strconv.Atoi(query.Get(api.QueryThrottle)); err == nil && n > 0 {
		limit = n
	}
	list := &api.SessionList{Version: api.Version, Sessions: []api.Session{}}
	asked := time.Now()
	var answered []string
	answers := a.ask(r.Context(), c, computers, limit)
	a.chooseWays(c, computers, answers)
	for i, res := range answers {
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
		answered = append(answered, computers[i])
		list.Errors = append(list.Errors, res.list.Errors...)
		list.Sessions = append(list.Sessions, a.merge(c, computers[i], res.list.Sessions, local, asked)...)
	}
	a.use(answered...)
	if local && len(list.Sessions) == 0 {
		list.Elsewhere = a.elsewhere(c)
	}
	return list, nil
}

// chooseWays leaves each session in one answer, where a computer was asked in several
// ways: in that by which this client session knows it, else in the first. A session that
// is known by a way that was not asked is reached by this one from now on.
func (a *Agent) chooseWays(c *clientSession, computers []string, answers []answer) {
	a.mu.Lock()
	defer a.mu.Unlock()
	way := map[string]int{}
	for i, res := range answers {
		if res.err != nil {
			continue
		}
		for j := range res.list.Sessions {
			id := res.list.Sessions[j].Runspace.InstanceID
			e := c.entries[id]
			if _, ok := way[id]; !ok || e != nil && api.SameComputer(e.computer, computers[i]) {
				way[id] = i
			}
		}
	}
	for i, res := range answers {
		if res.err != nil {
			continue
		}
		res.list.Sessions = slices.DeleteFunc(res.list.Sessions, func(s api.Session) bool { return way[s.Runspace.InstanceID] != i })
		for j := range res.list.Sessions {
			e := c.entries[res.list.Sessions[j].Runspace.InstanceID]
			if e == nil || e.making || api.SameComputer(e.computer, computerName(computers[i])) {
				continue
			}
			e.computer = computerName(computers[i])
			a.record(change{Client: c.key, Entry: e.saved()})
			if e.attached {
				a.computerLocked(e.computer).beatLocked()
			}
		}
	}
}

// elsewhere counts the sessions that our other client sessions hold.
func (a *Agent) elsewhere(c *clientSession) int {
	a.mu.Lock()
	defer a.mu.Unlock()
	held := map[string]bool{}
	for _, other := range a.clients {
		for id, e := range other.entries {
			if other != c && e.mine && !e.temporary {
				held[id] = true
			}
		}
	}
	return len(held)
}

type answer struct {
	list *api.SessionList
	err  error
}

// ask asks all computers, limit at once, and returns their answers in order.
func (a *Agent) ask(ctx context.Context, c *clientSession, computers []string, limit int) []answer {
	answers := make([]answer, len(computers))
	var asks errgroup.Group
	asks.SetLimit(limit)
	for i, name := range computers {
		asks.Go(func() error {
			answers[i].list, answers[i].err = a.hostFor(c, name).Sessions(ctx)
			return nil // one that fails hides no other
		})
	}
	_ = asks.Wait()
	return answers
}

// computersOf returns the computers of the client session's own sessions.
func (a *Agent) computersOf(c *clientSession) []string {
	a.mu.Lock()
	defer a.mu.Unlock()
	var names []string
	seen := map[string]bool{}
	for _, e := range c.sortedLocked() {
		key := api.KeyOf(e.computer)
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
		if e.asked.Before(asked) && a.learnLocked(e, &s) || fresh {
			changes = append(changes, change{Client: c.key, Entry: e.saved()})
		}
		s.ID = e.id
		a.placeLocked(&s, e)
		out = append(out, s)
	}
	for id, e := range c.entries {
		if !there[id] && api.SameComputer(e.computer, name) && !e.making && e.asked.Before(asked) && (!e.shared || a.daemon.Serves()) {
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
		if !e.mine || !api.SameComputer(e.computer, name) {
			continue
		}
		out = append(out, *e.remembered())
	}
	return out
}
