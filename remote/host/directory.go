package host

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"log/slog"
	"net"
	"os"
	"path/filepath"
	"slices"
	"sort"
	"strings"
	"sync"
	"time"

	"pss/remote/api"
	"pss/remote/client"
	"pss/remote/planted"
	"pss/remote/platform"
)

// directory knows the folders of the sessions. What a session is stands in its
// folder; the directory only remembers which folder belongs to which id.
type directory struct {
	root string
	log  *slog.Logger

	mu      sync.Mutex // guards what follows
	entries map[string]*entry
	dropped []string // ids of the newest sessions that are gone
}

// keepDropped is how many of those are known: a creation that was under way for so
// long must not make a session again that was removed meanwhile.
const keepDropped = 1024

// entry is the folder of one session.
type entry struct {
	id  string // InstanceID
	dir string

	sweep sync.Mutex // held while what a dead session left running is ended

	mu     sync.Mutex // guards the rest
	stuck  bool       // some of that cannot be ended
	cached *api.RunspaceInfo
	stamp  os.FileInfo
	cl     *client.Client
}

// halfMade is how old a folder without facts must be before it counts as left
// over from a start that failed.
const halfMade = time.Minute

func openDirectory(root string, log *slog.Logger) (*directory, error) {
	d := &directory{root: root, log: log, entries: map[string]*entry{}}
	names, err := os.ReadDir(root)
	if err != nil {
		return nil, err
	}
	for _, n := range names {
		dir := filepath.Join(root, n.Name())
		if strings.HasPrefix(n.Name(), api.GonePrefix) {
			os.RemoveAll(dir)
			continue
		}
		info, err := api.ReadFacts(filepath.Join(dir, api.FactsFile))
		if damaged(dir, err) {
			d.entries[n.Name()] = &entry{id: n.Name(), dir: dir} // what it printed is there: a listing says so
			continue
		}
		if err != nil {
			d.sweep(dir)
			continue
		}
		if planted.On("host-forgets-sessions") {
			continue
		}
		d.entries[info.InstanceID] = &entry{id: info.InstanceID, dir: dir}
	}
	return d, nil
}

// damaged reports whether a session has run commands in dir whose facts, read with err, say
// nothing any more.
func damaged(dir string, err error) bool {
	commands, _ := os.ReadDir(filepath.Join(dir, api.PipelinesDir)) // none if it is not there
	return errors.Is(err, api.ErrNoFacts) && len(commands) > 0
}

// sweep removes a folder that never became a session, when that is certain.
func (d *directory) sweep(dir string) {
	st, err := os.Stat(dir)
	if err != nil || time.Since(st.ModTime()) < halfMade {
		return
	}
	if held, err := platform.LockHeld(filepath.Join(dir, "lock")); err != nil || held {
		return
	}
	d.log.Info("left-over folder removed", "dir", dir)
	os.RemoveAll(dir)
}

// add makes the folder dir known as session id.
func (d *directory) add(id, dir string) *entry {
	d.mu.Lock()
	defer d.mu.Unlock()
	e := &entry{id: id, dir: dir}
	d.entries[id] = e
	return e
}

// drop forgets a session that is gone, and deletes what its process could not.
func (d *directory) drop(e *entry) error {
	d.mu.Lock()
	delete(d.entries, e.id)
	d.dropped = append(d.dropped[max(0, len(d.dropped)-keepDropped+1):], e.id)
	d.mu.Unlock()
	e.client().CloseIdle()
	return os.RemoveAll(d.grave(e))
}

// remove deletes a session whose process is gone. Its folder is renamed first, so
// that no crash leaves half of it.
func (d *directory) remove(e *entry) error {
	if err := os.Rename(e.dir, d.grave(e)); err != nil && !errors.Is(err, fs.ErrNotExist) {
		return err
	}
	return d.drop(e)
}

// grave is where a session's folder is while it is being deleted.
func (d *directory) grave(e *entry) string {
	return filepath.Join(d.root, api.GonePrefix+filepath.Base(e.dir))
}

// gone reports whether there was a session with this id.
func (d *directory) gone(id string) bool {
	d.mu.Lock()
	defer d.mu.Unlock()
	return slices.Contains(d.dropped, id)
}

// find returns the session with this id, or SessionNotFound.
func (d *directory) find(id string) (*entry, error) {
	d.mu.Lock()
	defer d.mu.Unlock()
	e, ok := d.entries[strings.ToLower(id)]
	if !ok {
		return nil, api.Errorf(api.CodeNotFound, "there is no session %s on this computer", id).
			WithID("PSSessionIdMatchFail").On(id).Hint("list what is there: pss get-pssession --computer-name COMPUTER")
	}
	return e, nil
}

// all returns the sessions, oldest folder names first.
func (d *directory) all() []*entry {
	d.mu.Lock()
	defer d.mu.Unlock()
	list := make([]*entry, 0, len(d.entries))
	for _, e := range d.entries {
		list = append(list, e)
	}
	sort.Slice(list, func(i, j int) bool { return list[i].dir < list[j].dir })
	return list
}

// living counts the sessions whose process runs.
func (d *directory) living() int {
	n := 0
	for _, e := range d.all() {
		if held, err := platform.LockHeld(e.lock()); err != nil || held {
			n++
		}
	}
	return n
}

// reap ends what dead sessions left running, and removes those whose time of
// retention is over. It reports whether there is something under way.
func (d *directory) reap(retain time.Duration) (busy bool) {
	for _, e := range d.all() {
		info, err := e.facts()
		if errors.Is(err, fs.ErrNotExist) {
			_ = d.drop(e) // what stays is deleted at the next start
			continue
		}
		if err != nil || info.Life == api.LifeOpen {
			continue
		}
		if held, err := platform.LockHeld(e.lock()); err != nil || held {
			continue
		}
		if e.orphaned() {
			busy = true
			go e.endOrphans(d.log) // not waited for: leases must go on
			continue
		}
		if time.Since(e.changed(info)) < retain {
			continue
		}
		d.log.Info("retention over", "session", e.id)
		if err := d.remove(e); err != nil {
			d.log.Warn("session not deleted", "session", e.id, "error", err)
		}
	}
	return busy
}

// orphaned reports whether the session, which is dead, may have left processes that
// can be ended.
func (e *entry) orphaned() bool {
	e.mu.Lock()
	defer e.mu.Unlock()
	_, err := os.Lstat(filepath.Join(e.dir, api.EngineDir))
	return err == nil && !e.stuck
}

// endOrphans ends what the commands of a dead session left running: its session host
// was killed and could not. It returns when nothing of that is left to be done.
func (e *entry) endOrphans(log *slog.Logger) {
	e.sweep.Lock()
	defer e.sweep.Unlock()
	if !e.orphaned() {
		return
	}
	n, err := platform.EndOrphans(filepath.Join(e.dir, api.EngineDir))
	if n > 0 || err != nil {
		log.Warn("orphans ended", "session", e.id, "processes", n, "error", err)
	}
	if err != nil {
		e.mu.Lock()
		e.stuck = true
		e.mu.Unlock()
	}
}

// changed is when the session changed last: as its facts say, or, where they do not, as
// their file does. What was printed is not deleted for want of a date.
func (e *entry) changed(info *api.RunspaceInfo) time.Time {
	if !info.Changed.IsZero() {
		return info.Changed
	}
	st, err := os.Stat(filepath.Join(e.dir, api.FactsFile))
	if err != nil {
		return time.Now()
	}
	return st.ModTime()
}

// exists reports whether the session's folder is there.
func (e *entry) exists() bool {
	_, err := os.Lstat(e.dir)
	return !errors.Is(err, fs.ErrNotExist)
}

func (e *entry) lock() string { return filepath.Join(e.dir, "lock") }

// facts returns what is true of the session now, without waking it: what its
// session host wrote, corrected by whether that is alive. The result is shared
// and must not be changed.
func (e *entry) facts() (*api.RunspaceInfo, error) {
	info, err := e.read()
	if err != nil {
		return nil, err
	}
	if info.Life != api.LifeOpen {
		return info, nil
	}
	held, err := platform.LockHeld(e.lock())
	if err != nil || held {
		return info, err
	}
	// The process may have written its last facts after the read.
	if info, err = e.read(); err != nil || info.Life != api.LifeOpen {
		return info, err
	}
	dead := *info
	dead.Life, dead.Attached, dead.Reason = api.LifeBroken, nil, platform.LostReason(platform.Life{BootID: info.BootID, Init: info.InitStart})
	dead.Pipelines = append([]api.Pipeline(nil), info.Pipelines...)
	for i := range dead.Pipelines {
		if dead.Pipelines[i].Running() {
			dead.Pipelines[i].State, dead.Pipelines[i].Reason = api.PipelineLost, dead.Reason
		}
	}
	return &dead, nil
}

// read returns the facts file, from memory when it cannot have changed.
func (e *entry) read() (*api.RunspaceInfo, error) {
	path := filepath.Join(e.dir, api.FactsFile)
	e.mu.Lock()
	defer e.mu.Unlock()
	st, err := os.Stat(path)
	if err != nil {
		return nil, err
	}
	if e.cached != nil && st.ModTime().Equal(e.stamp.ModTime()) && st.Size() == e.stamp.Size() {
		return e.cached, nil
	}
	info, err := api.ReadFacts(path)
	if err == nil && !strings.EqualFold(info.InstanceID, e.id) {
		err = fmt.Errorf("they are of another session: %.40q", info.InstanceID)
	}
	if err != nil {
		e.cached = nil
		return nil, api.Errorf(api.CodeEngine, "the facts of session %s cannot be read: %v", e.id, err).WithID("SessionDamaged").On(e.id).
			Hint("its output is in %s; deleting that folder removes the session", e.dir)
	}
	e.cached = nil
	// A file of this very moment may change again under the same time stamp.
	if time.Since(st.ModTime()) > 50*time.Millisecond {
		e.cached, e.stamp = info, st
	}
	return info, nil
}

// client speaks with the session host.
func (e *entry) client() *client.Client {
	e.mu.Lock()
	defer e.mu.Unlock()
	if e.cl == nil {
		e.cl = &client.Client{Dial: func(ctx context.Context) (net.Conn, error) {
			return platform.Dial(ctx, filepath.Join(e.dir, "sock"))
		}}
	}
	return e.cl
}
