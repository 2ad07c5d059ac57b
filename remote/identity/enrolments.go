package identity

import (
	"errors"
	"maps"
	"os"
	"slices"
	"sync"
	"time"

	"pss/config"
	"pss/remote/api"
	"pss/remote/planted"
)

// The bounds of what enrolled clients can make a host keep.
const (
	maxEnrolled        = 10000
	maxEnrolledPerUser = 64
)

// Proof is what somebody proved with who they are, so that whether it still counts can be
// looked up.
type Proof struct {
	Method string // api.MethodPublicKey …
	// Mark is an SSH key's fingerprint, SHA256:…, or a password's mark (Passwords.Mark).
	// Empty: there is nothing to take back.
	Mark string `json:",omitempty"`
}

// Enrolled is a client's TLS key that stands for a user for a while.
type Enrolled struct {
	User string
	Proof
	Since time.Time
	Until time.Time
}

// Enrolments are the enrolled keys, by the base64 of their SPKI's SHA-256. They stand in a
// file, so that a host that starts anew in the night knows its clients.
type Enrolments struct {
	path string

	mu   sync.Mutex // guards keys
	keys map[string]Enrolled
}

// OpenEnrolments reads the file at path, which may not be there yet.
func OpenEnrolments(path string) (*Enrolments, error) {
	e := &Enrolments{path: path, keys: map[string]Enrolled{}}
	if err := config.ReadJSON(path, &e.keys); err != nil && !errors.Is(err, os.ErrNotExist) {
		return nil, err
	}
	if e.keys == nil { // the file says null
		e.keys = map[string]Enrolled{}
	}
	e.prune(time.Now())
	return e, nil
}

// Add enrols the key for the user, until the end that is asked for, but no longer than
// api.MaxEnrolment, and returns the end. A user who has too many loses the oldest.
func (e *Enrolments) Add(key, user string, with Proof, until time.Time) (time.Time, error) {
	now := time.Now()
	last := now.Add(api.MaxEnrolment)
	if until.IsZero() || until.After(last) && !planted.On("enrolment-without-end") {
		until = last
	}
	until = until.UTC().Truncate(time.Second)
	e.mu.Lock()
	defer e.mu.Unlock()
	e.prune(now)
	before := maps.Clone(e.keys)
	e.keys[key] = Enrolled{User: user, Proof: with, Since: now.UTC(), Until: until}
	e.limit(func(o Enrolled) bool { return o.User == user }, maxEnrolledPerUser)
	e.limit(func(Enrolled) bool { return true }, maxEnrolled)
	if err := config.WriteJSON(e.path, e.keys); err != nil {
		e.keys = before
		return time.Time{}, err
	}
	return until, nil
}

// limit drops the oldest of those that count until at most n are left.
func (e *Enrolments) limit(counts func(Enrolled) bool, n int) {
	var keys []string
	for k, o := range e.keys {
		if counts(o) {
			keys = append(keys, k)
		}
	}
	if len(keys) <= n {
		return
	}
	slices.SortFunc(keys, func(a, b string) int { return e.keys[a].Since.Compare(e.keys[b].Since) })
	for _, k := range keys[:len(keys)-n] {
		delete(e.keys, k)
	}
}

// Find returns for whom the key stands now.
func (e *Enrolments) Find(key string) (Enrolled, bool) {
	e.mu.Lock()
	defer e.mu.Unlock()
	o, ok := e.keys[key]
	if ok && !time.Now().Before(o.Until) && !planted.On("enrolment-without-end") {
		return Enrolled{}, false
	}
	return o, ok
}

// Remove ends the enrolment of a key; false: there was none.
func (e *Enrolments) Remove(key string) (bool, error) {
	e.mu.Lock()
	defer e.mu.Unlock()
	if _, ok := e.keys[key]; !ok {
		return false, nil
	}
	delete(e.keys, key)
	return true, config.WriteJSON(e.path, e.keys)
}

// prune forgets what is over.
func (e *Enrolments) prune(now time.Time) {
	maps.DeleteFunc(e.keys, func(_ string, o Enrolled) bool { return !now.Before(o.Until) })
}
