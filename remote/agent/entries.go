package agent

import (
	"sort"
	"strconv"
	"strings"

	"pss/remote/api"
)

// newEntry notes a session that this client session sees for the first time.
func (c *clientSession) newEntry(instance, computer string) *entry {
	e := &entry{instance: instance, computer: computerName(computer)}
	c.entries[instance] = e
	return e
}

// number gives the session the next Id, if it has none: the first time that it
// is shown. A temporary session that nobody ever sees takes none.
func (c *clientSession) number(e *entry) (fresh bool) {
	if e.id != 0 {
		return false
	}
	c.nextID++
	e.id = c.nextID
	return true
}

// computerName is how a computer is echoed: as typed, but for PowerShell's ".".
func computerName(typed string) string {
	if typed == "" || typed == "." {
		return "localhost"
	}
	return api.PlaceOf(typed)
}

// learn takes over what the host says, and reports whether anything changed
// that must outlive us.
func (e *entry) learn(s *api.Session) bool {
	before := *e
	e.name, e.conf = s.Runspace.Name, s.Runspace.ConfigurationName
	e.attached = s.State == api.StateOpened
	if e.attached {
		e.epoch = s.Runspace.Attached.Epoch
	}
	return *e != before || e.id != 0 && before.name == ""
}

// learnLocked is learn, and whether the session is one that the daemon alone has.
func (a *Agent) learnLocked(e *entry, s *api.Session) bool {
	before := e.shared
	if shared := a.isShared(s); shared != before {
		e.shared = shared && a.computerLocked(e.computer).local
	}
	return e.learn(s) || e.shared != before
}

func (c *clientSession) sortedLocked() []*entry {
	list := make([]*entry, 0, len(c.entries))
	for _, e := range c.entries {
		list = append(list, e)
	}
	sort.Slice(list, func(i, j int) bool { return list[i].id < list[j].id })
	return list
}

// findLocked resolves what a path names: an Id or an InstanceId that this client
// session has seen.
func (c *clientSession) findLocked(ref string) (*entry, error) {
	if id, err := strconv.Atoi(ref); err == nil {
		for _, e := range c.entries {
			if e.id == id {
				return e, nil
			}
		}
		return nil, api.Errorf(api.CodeNotFound, "there is no session with the Id %d in this client session", id).
			WithID("RemoteRunspaceNotAvailableForSpecifiedSessionId").On(ref).
			Hint("list them: pss get-pssession, or pss get-pssession --computer-name COMPUTER")
	}
	if e := c.entries[strings.ToLower(ref)]; e != nil {
		return e, nil
	}
	return nil, api.Errorf(api.CodeNotFound, "there is no session %s in this client session", ref).
		WithID("RemoteRunspaceNotAvailableForSpecifiedRunspaceId").On(ref).
		Hint("name its computer: pss get-pssession --computer-name COMPUTER")
}
