package host

import (
	"errors"
	"fmt"
	"io/fs"
	"log/slog"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"time"

	"pss/config"
	"pss/remote/api"
)

// registry is what a daemon of many users knows of the sessions that it had made: it is
// asked, and never what a user's own files say, who may see a session of a run-as
// configuration, and how many sessions somebody has.
type registry struct {
	dir string
	log *slog.Logger

	mu    sync.Mutex // guards known
	known map[sessionKey]*registered
}

// sessionKey names a session among those of all users: two may choose one id.
type sessionKey struct {
	keeper string // the user whose host has it
	id     string
}

// registered is one session in the registry.
type registered struct {
	InstanceID    string
	Keeper        string // the user that it runs as
	User          string // who had it made
	Name          string
	Configuration string
	Created       time.Time
}

func (s *registered) key() sessionKey { return sessionKey{keeper: s.Keeper, id: s.InstanceID} }

// shared reports whether the session belongs to a run-as user.
func (s *registered) shared() bool { return s.Keeper != s.User }

// openRegistry reads what an earlier daemon knew.
func openRegistry(dir string, log *slog.Logger) (*registry, error) {
	r := &registry{dir: dir, log: log, known: map[sessionKey]*registered{}}
	if err := os.MkdirAll(dir, 0o700); err != nil {
		return nil, err
	}
	files, err := os.ReadDir(dir)
	if err != nil {
		return nil, err
	}
	for _, f := range files {
		var s registered
		if err := config.ReadJSON(filepath.Join(dir, f.Name()), &s); err != nil || s.InstanceID == "" || s.Keeper == "" {
			log.Warn("entry of the registry not read", "file", f.Name(), "error", err)
			continue
		}
		r.known[s.key()] = &s
	}
	return r, nil
}

// file is named by what no user chooses freely: a GUID, and a name that an account has.
func (r *registry) file(k sessionKey) string {
	return filepath.Join(r.dir, fmt.Sprintf("%s-%x.json", k.id, k.keeper))
}

// add notes a session, on disk first.
func (r *registry) add(s *registered) error {
	r.mu.Lock()
	defer r.mu.Unlock()
	if r.known[s.key()] != nil {
		return nil // a repeated request
	}
	if err := config.WriteJSON(r.file(s.key()), s); err != nil {
		return diskError(err)
	}
	r.known[s.key()] = s
	return nil
}

// drop forgets a session that is gone.
func (r *registry) drop(k sessionKey) {
	r.mu.Lock()
	defer r.mu.Unlock()
	delete(r.known, k)
	if err := os.Remove(r.file(k)); err != nil && !errors.Is(err, fs.ErrNotExist) {
		r.log.Warn("entry of the registry not deleted", "session", k.id, "error", err)
	}
}

// find returns the session of that keeper, or nil.
func (r *registry) find(keeper, id string) *registered {
	r.mu.Lock()
	defer r.mu.Unlock()
	return r.known[sessionKey{keeper: keeper, id: strings.ToLower(id)}]
}

// shared returns the sessions of run-as users, of all ids or of this one.
func (r *registry) shared(id string) (list []*registered) {
	return r.those(func(s *registered) bool { return s.shared() && (id == "" || s.InstanceID == strings.ToLower(id)) })
}

// those returns the sessions that f wants.
func (r *registry) those(f func(*registered) bool) (list []*registered) {
	r.mu.Lock()
	defer r.mu.Unlock()
	for _, s := range r.known {
		if f(s) {
			list = append(list, s)
		}
	}
	return list
}

// youth is how old a session must be before its absence from its host's list means that
// it is gone: it may just be being made.
const youth = 2 * time.Minute

// reconcile forgets those of the keeper's sessions that its host no longer has.
func (r *registry) reconcile(keeper string, has []api.Session) {
	there := map[string]bool{}
	for i := range has {
		there[has[i].Runspace.InstanceID] = true
	}
	for _, s := range r.those(func(s *registered) bool { return s.Keeper == keeper && time.Since(s.Created) > youth }) {
		if !there[s.InstanceID] {
			r.drop(s.key())
		}
	}
}
