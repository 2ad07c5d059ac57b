package host

import (
	"context"
	"encoding/json"
	"fmt"
	"net/http"
	"slices"
	"strings"
	"sync"
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
	sessions int
	bytes    int64 // of unread output

	mu     sync.Mutex // guards what follows
	used   int64
	looked time.Time
	tight  map[string]bool // sessions that were told a smaller room
}

func newQuota(dir *directory, conf *config.Host) *quota {
	q := &quota{dir: dir, sessions: conf.MaxSessions, bytes: conf.MaxSpoolBytes, tight: map[string]bool{}}
	if q.sessions == 0 {
		q.sessions = config.DefaultMaxSessions
	}
	if q.bytes == 0 {
		if free, err := platform.FreeBytes(dir.root); err == nil {
			q.bytes = q.sum(nil) + free/config.DefaultSpoolShare
		}
	}
	return q
}

// admit refuses one session more when as many as allowed are there, or when their
// unread output has used up its room.
func (q *quota) admit() error {
	if n := len(q.dir.all()); n >= q.sessions && !planted.On("quota-not-checked") {
		return q.exceeded("this user has %d sessions here, as many as max_sessions allows", n).
			Hint("remove some: pss remove-pssession --computer-name COMPUTER --name NAME")
	}
	return q.room()
}

// admitStart refuses a request that starts a command while unread output has used up
// its room. Only then the request is looked into.
func (q *quota) admitStart(r *http.Request, body []byte) error {
	err := q.room()
	if err == nil || r.Method != http.MethodPut && !strings.HasSuffix(r.URL.Path, "/stream") {
		return nil
	}
	var req api.StreamRequest
	if r.Method != http.MethodPut && (json.Unmarshal(body, &req) != nil || req.Start == nil) {
		return nil
	}
	return err
}

func (q *quota) room() error {
	q.mu.Lock()
	used := q.used
	q.mu.Unlock()
	if q.bytes == 0 || used < q.bytes {
		return nil
	}
	return q.exceeded("the sessions of this user keep %d bytes of unread output, and max_spool_bytes is %d", used, q.bytes).
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

// look sums up when it is time, and tells the sessions that produce output how much
// room they have left.
func (q *quota) look(ctx context.Context) {
	q.mu.Lock()
	pace := quotaCalm
	if q.bytes-q.used < quotaNear {
		pace = quotaPace
	}
	due := time.Since(q.looked) >= pace
	q.mu.Unlock()
	if q.bytes == 0 || !due {
		return
	}
	type producer struct {
		e      *entry
		unread int64
		size   int64
	}
	var running []producer
	used := q.sum(func(e *entry, info *api.RunspaceInfo, unread int64) {
		if info.Life == api.LifeOpen && info.Running() != nil {
			running = append(running, producer{e, unread, info.OutputBufferSize})
		}
	})
	q.mu.Lock()
	q.used, q.looked = used, time.Now()
	q.mu.Unlock()
	share := max(0, q.bytes-used) / int64(max(1, len(running)))
	for _, p := range running {
		room := p.unread + share
		if room >= p.size && !q.tight[p.e.id] {
			continue
		}
		short, cancel := context.WithTimeout(ctx, time.Second)
		err := p.e.client().Room(short, p.e.id, &api.RoomRequest{Bytes: room})
		cancel()
		if err != nil {
			q.dir.log.Debug("room not told", "session", p.e.id, "error", err)
			continue
		}
		if q.tight[p.e.id] = room < p.size; room >= p.size {
			delete(q.tight, p.e.id)
		}
	}
}
