package agent

import (
	"bufio"
	"bytes"
	"encoding/json"
	"errors"
	"os"

	"pss/config"
)

// change is one line of the journal: the new state of one entry, or the end of
// an entry or client session.
type change struct {
	Client   string
	Entry    *savedEntry `json:",omitempty"`
	Gone     bool        `json:",omitempty"` // the entry, or the whole client session
	NextName int         `json:",omitempty"`
	NextJob  int         `json:",omitempty"`
}

// savedEntry is an entry on disk.
type savedEntry struct {
	ID        int
	Instance  string
	Computer  string
	Name      string
	Conf      string `json:",omitempty"`
	Mine      bool   `json:",omitempty"`
	Attached  bool   `json:",omitempty"`
	Epoch     uint64 `json:",omitempty"`
	Temporary bool   `json:",omitempty"`
	Owner     int    `json:",omitempty"`
	OwnerFrom uint64 `json:",omitempty"`
	Shared    bool   `json:",omitempty"`
}

func (e *entry) saved() *savedEntry {
	return &savedEntry{e.id, e.instance, e.computer, e.name, e.conf, e.mine, e.attached, e.epoch, e.temporary, e.owner, e.ownerFrom, e.shared}
}

func (s *savedEntry) entry() *entry {
	return &entry{
		id: s.ID, instance: s.Instance, computer: s.Computer, name: s.Name, conf: s.Conf, mine: s.Mine,
		attached: s.Attached, epoch: s.Epoch, temporary: s.Temporary, owner: s.Owner, ownerFrom: s.OwnerFrom, shared: s.Shared,
	}
}

// journal is the agent's table on disk: changes are appended, so that a thousand
// sessions cost as much each as the first; it is written anew at each start.
type journal struct{ f *os.File }

// openJournal reads the table into clients and compacts it.
func openJournal(path string, clients map[string]*clientSession) (*journal, error) {
	data, err := os.ReadFile(path)
	if err != nil && !errors.Is(err, os.ErrNotExist) {
		return nil, err
	}
	sc := bufio.NewScanner(bytes.NewReader(data))
	sc.Buffer(nil, 1<<20)
	for sc.Scan() {
		var ch change
		if json.Unmarshal(sc.Bytes(), &ch) == nil { // the last line may be cut
			ch.apply(clients)
		}
	}
	var out bytes.Buffer
	enc := json.NewEncoder(&out)
	for _, c := range clients {
		if err := enc.Encode(change{Client: c.key, NextName: c.nextName, NextJob: c.nextJob}); err != nil {
			return nil, err
		}
		for _, e := range c.entries {
			if err := enc.Encode(change{Client: c.key, Entry: e.saved()}); err != nil {
				return nil, err
			}
		}
	}
	if err := config.WriteFile(path, out.Bytes()); err != nil {
		return nil, err
	}
	f, err := os.OpenFile(path, os.O_WRONLY|os.O_APPEND, 0o600)
	return &journal{f}, err
}

func (ch *change) apply(clients map[string]*clientSession) {
	c := clients[ch.Client]
	if c == nil {
		c = newClientSession(ch.Client)
		clients[ch.Client] = c
	}
	c.nextName, c.nextJob = max(c.nextName, ch.NextName), max(c.nextJob, ch.NextJob)
	switch {
	case ch.Entry != nil && ch.Gone:
		delete(c.entries, ch.Entry.Instance)
	case ch.Gone:
		delete(clients, ch.Client)
	case ch.Entry != nil:
		c.entries[ch.Entry.Instance] = ch.Entry.entry()
	}
	if ch.Entry != nil {
		c.nextID = max(c.nextID, ch.Entry.ID)
	}
}

// record appends changes before anybody is told of them. The caller holds the
// agent's mutex.
func (a *Agent) record(changes ...change) {
	var buf bytes.Buffer
	enc := json.NewEncoder(&buf)
	for _, ch := range changes {
		if err := enc.Encode(ch); err != nil {
			a.log.Error("journal", "error", err)
			return
		}
	}
	if _, err := a.journal.f.Write(buf.Bytes()); err != nil {
		a.log.Error("journal", "error", err)
	}
}

func (j *journal) close() { j.f.Close() }
