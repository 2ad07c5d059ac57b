package agent

import (
	"encoding/json"
	"errors"
	"io/fs"
	"os"
	"path/filepath"
	"sort"
	"time"

	"pss/config"
	"pss/remote/api"
)

const (
	// usedLife is how long a computer is remembered that is not used again.
	usedLife = 90 * 24 * time.Hour
	// usedPace is how exactly: the file is not written for every request.
	usedPace = 24 * time.Hour
)

// used are the computers that this user has used: what --all asks. It is guarded by
// the agent's mutex.
type used struct {
	path string
	last map[string]time.Time // by name as typed, or URI
}

// openUsed reads the file. One that cannot be read is begun anew: it is a convenience.
func openUsed(dir string) (*used, error) {
	u := &used{path: filepath.Join(dir, "computers.json"), last: map[string]time.Time{}}
	data, err := os.ReadFile(u.path)
	if errors.Is(err, fs.ErrNotExist) {
		return u, nil
	}
	if err == nil && json.Unmarshal(data, &u.last) != nil {
		u.last = map[string]time.Time{}
	}
	return u, err
}

// note remembers that the computers were used now.
func (u *used) note(now time.Time, names ...string) error {
	changed := false
	for _, name := range names {
		changed = u.set(name, now) || changed
	}
	if !changed {
		return nil
	}
	for known, last := range u.last {
		if now.Sub(last) > usedLife {
			delete(u.last, known)
		}
	}
	data, err := json.Marshal(u.last)
	if err != nil {
		return err
	}
	return config.WriteFile(u.path, data)
}

// set reports whether the file has to be written.
func (u *used) set(name string, now time.Time) bool {
	name = computerName(name)
	for known, last := range u.last {
		if api.SameComputer(known, name) {
			if now.Sub(last) < usedPace {
				return false
			}
			name = known
		}
	}
	u.last[name] = now
	return true
}

// names returns the computers in the order of their names.
func (u *used) names() []string {
	names := make([]string, 0, len(u.last))
	for name := range u.last {
		names = append(names, name)
	}
	sort.Strings(names)
	return names
}

// use remembers that computers were used.
func (a *Agent) use(names ...string) {
	a.mu.Lock()
	defer a.mu.Unlock()
	if err := a.used.note(time.Now(), names...); err != nil {
		a.log.Warn("computers not remembered", "error", err)
	}
}
