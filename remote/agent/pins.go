package agent

import (
	"errors"
	"io/fs"
	"regexp"
	"slices"
	"strings"
	"sync"
	"time"

	"pss/config"
	"pss/remote/planted"
)

// maxPins bounds how many keys of one host are remembered: those that it has, and those
// that it says it will have.
const maxPins = 8

// pin is what is remembered of the host at one address.
type pin struct {
	Fingerprints []string  // in the order in which they were learnt
	Since        time.Time // when the first one was seen
	Name         string    `json:",omitempty"` // by which the computer was called then
}

// pins are the keys of hosts that were trusted at first contact, by HOST:PORT as dialled
// in small letters. The file is the agent's own; it is read and written as a whole.
type pins struct {
	path string
	mu   sync.Mutex // guards the file
}

// load reads the file. One that cannot be read is an error: without it every host would
// be new.
func (p *pins) load() (map[string]pin, error) {
	known := map[string]pin{}
	err := config.ReadJSON(p.path, &known)
	if errors.Is(err, fs.ErrNotExist) {
		err = nil
	}
	return known, err
}

// of returns what is remembered of the host at address.
func (p *pins) of(address string) (pin, error) {
	p.mu.Lock()
	defer p.mu.Unlock()
	known, err := p.load()
	return known[strings.ToLower(address)], err
}

// add remembers the key of a host that was never seen, and reports whether it was new.
// ok is false where another key is remembered by now.
func (p *pins) add(address, name, fingerprint string) (fresh, ok bool, err error) {
	p.mu.Lock()
	defer p.mu.Unlock()
	known, err := p.load()
	if err != nil {
		return false, false, err
	}
	key := strings.ToLower(address)
	if old, ok := known[key]; ok && !planted.On("accept-new-overwrites") {
		return false, slices.Contains(old.Fingerprints, fingerprint), nil
	}
	known[key] = pin{Fingerprints: []string{fingerprint}, Since: time.Now().UTC().Truncate(time.Second), Name: name}
	return true, true, config.WriteJSON(p.path, known)
}

// learn adds the keys that a host announces, which showed the key shown.
func (p *pins) learn(address, shown string, announced []string) error {
	p.mu.Lock()
	defer p.mu.Unlock()
	known, err := p.load()
	if err != nil {
		return err
	}
	key := strings.ToLower(address)
	at, changed := known[key], false
	if !slices.Contains(at.Fingerprints, shown) {
		return nil // it was forgotten meanwhile
	}
	for _, f := range announced {
		if !slices.Contains(at.Fingerprints, f) && len(at.Fingerprints) < maxPins {
			at.Fingerprints, changed = append(at.Fingerprints, f), true
		}
	}
	if !changed {
		return nil
	}
	known[key] = at
	return config.WriteJSON(p.path, known)
}

// forget forgets the host at address.
func (p *pins) forget(address string) error {
	p.mu.Lock()
	defer p.mu.Unlock()
	known, err := p.load()
	if err != nil {
		return err
	}
	key := strings.ToLower(address)
	if _, ok := known[key]; !ok {
		return nil
	}
	delete(known, key)
	return config.WriteJSON(p.path, known)
}

// wellFormed is what a fingerprint looks like.
var wellFormed = sync.OnceValue(func() *regexp.Regexp { return regexp.MustCompile(`^sha256:[A-Za-z0-9+/]{43}=$`) })

// announcedKeys reads the fingerprints that a host announces, if that which it showed is
// among them: others are somebody else's.
func announcedKeys(text, shown string) []string {
	list := strings.Split(text, ",")
	if len(list) > maxPins || !slices.Contains(list, shown) {
		return nil
	}
	for _, f := range list {
		if !wellFormed().MatchString(f) {
			return nil
		}
	}
	return list
}
