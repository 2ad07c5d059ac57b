package agent

import (
	"context"
	"encoding/json"
	"maps"
	"net/http"
	"os"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"time"

	"pss/remote/api"
	"pss/remote/sshlink"
)

type callerKey struct{}

// caller is the person behind a request, as far as its cmdlet told. What it told is
// read when an ssh has to be started, which is seldom.
type caller struct {
	raw  string
	gone <-chan struct{} // closed when its request has ended
	once sync.Once
	said api.Caller

	mu    sync.Mutex // guards notes
	notes []api.Notice
}

// withCaller lets what is done for r know on whose behalf it is done.
func withCaller(r *http.Request) *http.Request {
	raw := r.Header.Get(api.HeaderCaller)
	if raw == "" {
		return r
	}
	c := &caller{raw: raw, gone: r.Context().Done()}
	return r.WithContext(context.WithValue(r.Context(), callerKey{}, c))
}

// sameCaller returns ctx on behalf of the caller of the request with the context r.
func sameCaller(ctx, r context.Context) context.Context {
	c, ok := r.Value(callerKey{}).(*caller)
	if !ok {
		return ctx
	}
	return context.WithValue(ctx, callerKey{}, c)
}

// note has something to say beside the answer. What is noted once that was given is
// not said.
func (c *caller) note(n api.Notice) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if !slices.Contains(c.notes, n) {
		c.notes = append(c.notes, n)
	}
}

// noting adds what was noted to the header of the answer.
type noting struct {
	http.ResponseWriter
	c    *caller
	said int
}

// withNotes returns w, whose header will say what is noted for the caller of r.
func withNotes(w http.ResponseWriter, r *http.Request) http.ResponseWriter {
	if c := callerOf(r.Context()); c != nil {
		return &noting{ResponseWriter: w, c: c}
	}
	return w
}

// Unwrap is for http.ResponseController.
func (n *noting) Unwrap() http.ResponseWriter { return n.ResponseWriter }

// Header returns the answer's header with all notes up to now.
func (n *noting) Header() http.Header {
	h := n.ResponseWriter.Header()
	n.c.mu.Lock()
	defer n.c.mu.Unlock()
	for ; n.said < len(n.c.notes); n.said++ {
		if text, err := json.Marshal(&n.c.notes[n.said]); err == nil {
			h.Add(api.HeaderNotice, string(text))
		}
	}
	return h
}

// told is what the cmdlet told; nothing of it is believed but what an environment and a
// terminal can be.
func (c *caller) told() *api.Caller {
	c.once.Do(func() { _ = json.Unmarshal([]byte(c.raw), &c.said) })
	return &c.said
}

// caller is on whose behalf an ssh is started: whoever asks now, or, where nobody
// does, whoever asked last.
func (k *computer) caller(ctx context.Context) *sshlink.Caller {
	c, ok := ctx.Value(callerKey{}).(*caller)
	k.a.mu.Lock()
	defer k.a.mu.Unlock()
	if !ok {
		if k.env == nil { // nobody has asked since our start
			k.env = environment(nil)
		}
		return &sshlink.Caller{Background: true, Env: append(slices.Clone(k.env), "SSH_ASKPASS_REQUIRE=never")}
	}
	told := c.told()
	k.env = environment(told.Env)
	aside, trial := ctx.Value(trialKey{}).(bool)
	if aside {
		return &sshlink.Caller{Env: append(slices.Clone(k.env), "SSH_ASKPASS_REQUIRE=never"), Copy: told.Copy}
	}
	sc := &sshlink.Caller{Env: k.env, Copy: told.Copy}
	if told.ID == "" {
		return sc
	}
	asker := k.a.askers.of(told.ID, c.gone)
	sc.Tell = asker.tell
	if told.Ask {
		sc.Asking = asker.asking
		if !trial {
			sc.Confirm = asker.confirm
		}
		sc.Prompt = func() ([]string, func()) { return k.a.askpass(asker) }
	}
	return sc
}

// environment is that of an ssh: what the caller told, in the home of our own user.
func environment(told map[string]string) []string {
	var env []string
	for _, name := range []string{"HOME", "USER", "LOGNAME", "PATH"} {
		if v := os.Getenv(name); v != "" && told[name] == "" {
			env = append(env, name+"="+v)
		}
	}
	for _, name := range slices.Sorted(maps.Keys(told)) {
		if v := told[name]; slices.Contains(api.CallerVariables, name) && !strings.ContainsRune(v, 0) {
			env = append(env, name+"="+v)
		}
	}
	return env
}

// askers are the cmdlets that can be asked, by the id of their run.
type askers struct {
	mu     sync.Mutex // guards what follows
	byID   map[string]*asker
	tokens map[string]*asker // of an ssh's askpass
	asked  map[string]*question
}

func newAskers() *askers {
	return &askers{byID: map[string]*asker{}, tokens: map[string]*asker{}, asked: map[string]*question{}}
}

// asker is one of them. Its questions wait for it to fetch them.
type asker struct {
	questions chan *question
	gone      chan struct{}
	open      int // requests under way; guarded by askers.mu
	waiting   atomic.Int32
}

// question is one that waits for its answer.
type question struct {
	api.Question
	answer chan api.Answer
	over   context.Context // ends with it
}

// askerStays is how long an asker is kept without a request: one that tries again after
// an outage goes on with the question that it was asked.
const askerStays = 10 * time.Second

// of returns the asker with this id, which is kept until its requests have ended.
func (s *askers) of(id string, gone <-chan struct{}) *asker {
	s.mu.Lock()
	defer s.mu.Unlock()
	k := s.byID[id]
	if k == nil {
		k = &asker{questions: make(chan *question, 16), gone: make(chan struct{})}
		s.byID[id] = k
	}
	k.open++
	go func() {
		<-gone
		time.Sleep(askerStays)
		s.mu.Lock()
		defer s.mu.Unlock()
		if k.open--; k.open == 0 {
			delete(s.byID, id)
			close(k.gone)
		}
	}()
	return k
}

// find returns the asker with this id, or nil.
func (s *askers) find(id string) *asker {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.byID[id]
}

// waitFor keeps a question that was fetched until it is answered or withdrawn.
func (s *askers) waitFor(q *question) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.asked[q.ID] = q
	context.AfterFunc(q.over, func() {
		s.mu.Lock()
		defer s.mu.Unlock()
		delete(s.asked, q.ID)
	})
}

// fetched returns a question that still waits for its answer, or nil.
func (s *askers) fetched(id string) *question {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.asked[id]
}
