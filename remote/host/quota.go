package host

import (
	"cmp"
	"context"
	"encoding/json"
	"fmt"
	"net/http"
	"slices"
	"strings"
	"sync/atomic"
	"time"

	"pss/config"
	"pss/remote/api"
	"pss/remote/planted"
	"pss/remote/platform"
)

const (
	// quotaPace is how often the output of all sessions is summed up while the
	// quota is near, quotaCalm otherwise.
	quotaPace = time.Second
	quotaCalm = 10 * time.Second
	// quotaNear is how much room can be used up within quotaCalm.
	quotaNear = 16 << 30
	// culprits is how many sessions a quota error lists.
	culprits = 10
)

// quota bounds what all sessions of the host's user have together.
type quota struct {
	dir      *directory
	sessions atomic.Int64
	bytes    atomic.Int64 // of unread output
	fallback int64        // bytes where host.toml says nothing

	used  atomic.Int64    // when it was summed up last
	tight map[string]bool // sessions that were told a smaller room; watch's own
}

func newQuota(dir *directory, conf *config.Host) *quota {
	q := &quota{dir: dir, tight: map[string]bool{}}
	if free, err := platform.FreeBytes(dir.root); err == nil {
		q.fallback = q.sum(nil) + free/config.DefaultSpoolShare
	}
	q.set(conf)
	return q
}

// lower makes n the limit of unread output, if that is less than what was allowed so far.
func (q *quota) lower(n int64) {
	if had := q.bytes.Load(); n > 0 && (had == 0 || n < had) {
		q.bytes.Store(n)
	}
}

// set takes the limits of host.toml.
func (q *quota) set(conf *config.Host) {
	q.sessions.Store(int64(conf.SessionLimit()))
	q.bytes.Store(cmp.Or(conf.MaxSpoolBytes, q.fallback))
}

// admit refuses one session more when as many as allowed are there, or when their
// unread output has used up its room.
func (q *quota) admit() error {
	if n := len(q.dir.all()); int64(n) >= q.sessions.Load() && !planted.On("quota-not-checked") {
		return q.exceeded("this user has %d sessions here, as many as max_sessions allows", n).
			Hint("remove some: pss remove-pssession --computer-name COMPUTER --name NAME")
	}
	if q.full() {
		return q.noRoom()
	}
	return nil
}

// admitStart refuses a request that starts a command while unread output has used up
// its room. Only then the request is looked into.
func (q *quota) admitStart(r *http.Request, body []byte) error {
	if !q.full() || r.Method != http.MethodPut && !strings.HasSuffix(r.URL.Path, "/stream") {
		return nil
	}
	var req api.StreamRequest
	if r.Method != http.MethodPut && (json.Unmarshal(body, &req) != nil || req.Start == nil) {
		return nil
	}
	return q.noRoom()
}

// full reports whether unread output has used up its room.
func (q *quota) full() bool { return q.bytes.Load() > 0 && q.used.Load() >= q.bytes.Load() }

func (q *quota) noRoom() error {
	return q.exceeded("the sessions of this user keep %d bytes of unread output, and max_spool_bytes is %d", q.used.Load(), q.bytes.Load()).
		Hint("receive what is wanted (pss receive-pssession), and remove sessions whose output is not")
}

// exceeded makes the error that says which sessions use the quota up, the oldest first.
func (q *quota) exceeded(format string, args ...any) *api.Error {
	var all []*api.RunspaceInfo
	for _, e := range q.dir.all() {
		if info, err := e.facts(); err == nil {
			all = append(all, info)
		}
	}
	slices.SortFunc(all, func(a, b *api.RunspaceInfo) int { return a.Created.Compare(b.Created) })
	text := fmt.Sprintf(format, args...)
	for i, info := range all {
		if i == culprits {
			text += fmt.Sprintf("\n… and %d more", len(all)-i)
			break
		}
		unread, _ := info.Unread()
		text += fmt.Sprintf("\n%s  %s  %s old, %d bytes unread, %s", info.InstanceID, info.Name,
			time.Since(info.Created).Round(time.Second), unread, api.CommandStateOf(info))
	}
	return api.Errorf(api.CodeQuota, "%s", text).WithID("QuotaLimit")
}

// sum adds up the unread output of all sessions and tells each to f.
func (q *quota) sum(f func(*entry, *api.RunspaceInfo, int64)) (used int64) {
	for _, e := range q.dir.all() {
		info, err := e.read()
		if err != nil {
			continue
		}
		n, _ := info.Unread()
		used += n
		if f != nil {
			f(e, info, n)
		}
	}
	return used
}

// watch sums up until ctx ends, and tells the sessions that produce output how much
// room they have left.
func (q *quota) watch(ctx context.Context) {
	for {
		if q.bytes.Load() > 0 {
			q.look(ctx)
		}
		pace := quotaCalm
		if q.bytes.Load()-q.used.Load() < quotaNear {
			pace = quotaPace
		}
		select {
		case <-ctx.Done():
			return
		case <-time.After(pace):
		}
	}
}

func (q *quota) look(ctx context.Context) {
	type producer struct {
		e      *entry
		unread int64
		size   int64
	}
	var running []producer
	q.used.Store(q.sum(func(e *entry, info *api.RunspaceInfo, unread int64) {
		if info.Life == api.LifeOpen && info.Running() != nil {
			running = append(running, producer{e, unread, info.OutputBufferSize})
		}
	}))
	share := max(0, q.bytes.Load()-q.used.Load()) / int64(max(1, len(running)))
	for _, p := range running {
		room := p.unread + share
		small := room < p.size
		if !small && !q.tight[p.e.id] {
			continue
		}
		short, cancel := context.WithTimeout(ctx, time.Second)
		err := p.e.client().Room(short, p.e.id, &api.RoomRequest{Bytes: room})
		cancel()
		switch {
		case err != nil:
			q.dir.log.Debug("room not told", "session", p.e.id, "error", err)
		case small:
			q.tight[p.e.id] = true
		default:
			delete(q.tight, p.e.id)
		}
	}
}
