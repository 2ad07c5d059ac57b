package agent

import (
	"context"
	"errors"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"sync"
	"sync/atomic"
	"time"

	"pss/config"
	"pss/remote/api"
	"pss/remote/client"
	"pss/remote/jobstore"
	"pss/remote/planted"
)

// job is what a client session keeps of commands in sessions. Its fields are guarded by
// the agent's mutex.
type job struct {
	dir      string
	client   string  // key of its client session
	facts    api.Job // without Children
	window   time.Duration
	left     time.Time // when its client session ended
	children []*child
	slots    chan struct{} // one for each child that may run at once
	taker    *jobStream    // the connection that takes its output, or nil
	removed  atomic.Bool
}

// child is the part of a job that runs in one session. Its fields are guarded by the
// agent's mutex, those below mu by that.
type child struct {
	j        *job
	number   uint32       // within its job, from 1
	facts    api.ChildJob // without what its store tells; its computer may be a URI
	pipeline string       // GUID of its command; empty: everything unread of its session
	command  *api.Command // that is still to be started
	create   *api.CreateRequest
	made     bool // its session may exist although that is not known
	unmake   bool // its session is still to be removed
	run      *run // what works for it, or nil

	mu    sync.Mutex
	store *jobstore.Store // while somebody uses it
	users int
	known bool // at is that of a store that nobody uses
	at    jobstore.Positions
}

// run is the work for a child that is not finished.
type run struct {
	begin context.Context    // ends when its command is not to begin any more
	quit  context.CancelFunc // ends that
	// following ends when its session is to be left: what is stored is acknowledged first.
	following context.Context
	pause     context.CancelFunc
	done      chan struct{} // closed when it is over, and the child's state says how
}

// savedJob is job.json in a job's folder.
type savedJob struct {
	Client   string
	Job      api.Job
	WindowMs int64
	Throttle int        `json:",omitempty"`
	Left     *time.Time `json:",omitempty"`
	Children []savedChild
}

// savedChild is what Job.Children does not tell of a child.
type savedChild struct {
	Pipeline string             `json:",omitempty"`
	Command  *api.Command       `json:",omitempty"`
	Create   *api.CreateRequest `json:",omitempty"`
	Unmake   bool               `json:",omitempty"`
}

const jobFile = "job.json"

// save writes the job down before anybody is told of it. The caller holds the agent's mutex.
func (j *job) saveLocked() error {
	s := savedJob{Client: j.client, Job: j.facts, WindowMs: j.window.Milliseconds(), Throttle: cap(j.slots)}
	if !j.left.IsZero() {
		s.Left = &j.left
	}
	for _, ch := range j.children {
		s.Job.Children = append(s.Job.Children, ch.facts)
		s.Children = append(s.Children, savedChild{ch.pipeline, ch.command, ch.create, ch.unmake})
	}
	return config.WriteJSON(filepath.Join(j.dir, jobFile), &s)
}

// loadJobs reads the jobs that another agent left. A folder without a job is one that was
// being made or removed.
func (a *Agent) loadJobs() error {
	if err := os.MkdirAll(a.jobsDir(), 0o700); err != nil {
		return err
	}
	entries, err := os.ReadDir(a.jobsDir())
	if err != nil {
		return err
	}
	for _, e := range entries {
		dir := filepath.Join(a.jobsDir(), e.Name())
		var s savedJob
		err := config.ReadJSON(filepath.Join(dir, jobFile), &s)
		switch {
		case errors.Is(err, os.ErrNotExist):
			if err := os.RemoveAll(dir); err != nil {
				a.log.Warn("what is left of a job remains", "folder", dir, "error", err)
			}
		case err != nil || len(s.Children) != len(s.Job.Children):
			a.log.Warn("job not read", "folder", dir, "error", err)
		default:
			j := s.job(dir)
			a.jobs[j.facts.InstanceID] = j
		}
	}
	return nil
}

func (s *savedJob) job(dir string) *job {
	j := &job{dir: dir, client: s.Client, facts: s.Job, window: time.Duration(s.WindowMs) * time.Millisecond, slots: make(chan struct{}, max(1, s.Throttle))}
	if s.Left != nil {
		j.left = *s.Left
	}
	j.facts.Children = nil
	for i, sc := range s.Children {
		j.children = append(j.children, &child{
			j: j, number: uint32(i + 1), facts: s.Job.Children[i],
			pipeline: sc.Pipeline, command: sc.Command, create: sc.Create, unmake: sc.Unmake,
		})
	}
	return j
}

func (a *Agent) jobsDir() string { return filepath.Join(a.paths.AgentDir(), "jobs") }

// changedLocked saves the job and tells everybody who waits for a change.
func (a *Agent) changedLocked(j *job) {
	if j.removed.Load() {
		return
	}
	if err := j.saveLocked(); err != nil {
		a.log.Error("job not saved", "job", j.facts.InstanceID, "error", err)
	}
	a.jobChange++
	close(a.jobWake)
	a.jobWake = make(chan struct{})
}

// jobsChanged returns the number of the newest change and what tells of the next one.
func (a *Agent) jobsChanged() (uint64, <-chan struct{}) {
	a.mu.Lock()
	defer a.mu.Unlock()
	return a.jobChange, a.jobWake
}

// shownLocked is the job as it is now.
func (j *job) shownLocked() *api.Job {
	f := j.facts
	for _, ch := range j.children {
		f.Children = append(f.Children, ch.shownLocked())
	}
	f.SetState()
	if f.State.Finished() {
		for i := range f.Children {
			if e := f.Children[i].Ended; e != nil && (f.Ended == nil || e.After(*f.Ended)) {
				f.Ended = e
			}
		}
	}
	return &f
}

func (ch *child) shownLocked() api.ChildJob {
	f := ch.facts
	f.ComputerName, f.Pipeline = api.ComputerOf(f.ComputerName), ch.pipeline
	at := ch.positions()
	f.HasMoreData = !f.State.Finished() || at.Data > at.Taken
	if at.Data > at.Taken {
		f.UnreadRecords = at.Last - at.Taken
	}
	return f
}

// positions are those of the child's store.
func (ch *child) positions() jobstore.Positions {
	ch.mu.Lock()
	known, at := ch.known, ch.at
	ch.mu.Unlock()
	if known {
		return at
	}
	s, release, err := ch.open()
	if err != nil {
		return at
	}
	defer release()
	return s.Positions()
}

// open returns the child's store until release is called.
func (ch *child) open() (s *jobstore.Store, release func(), err error) {
	ch.mu.Lock()
	defer ch.mu.Unlock()
	if ch.j.removed.Load() {
		return nil, nil, jobstore.ErrClosed
	}
	if ch.store == nil {
		if ch.store, err = jobstore.Open(filepath.Join(ch.j.dir, strconv.Itoa(int(ch.number)))); err != nil {
			return nil, nil, err
		}
	}
	ch.users++
	ch.known = false
	return ch.store, sync.OnceFunc(ch.release), nil
}

func (ch *child) release() {
	ch.mu.Lock()
	defer ch.mu.Unlock()
	if ch.users--; ch.users == 0 {
		ch.at = ch.store.Positions()
		ch.known = true
		ch.store.Close()
		ch.store = nil
	}
}

// jobsOfLocked are the jobs of a client session, by Id.
func (a *Agent) jobsOfLocked(key string) []*job {
	var list []*job
	for _, j := range a.jobs {
		if j.client == key {
			list = append(list, j)
		}
	}
	slices.SortFunc(list, func(x, y *job) int { return x.facts.ID - y.facts.ID })
	return list
}

// findJobLocked resolves what a path names: the Id or InstanceId of a job or of a child,
// which is returned as well.
func (a *Agent) findJobLocked(c *clientSession, ref string) (*job, *child, error) {
	id, err := strconv.Atoi(ref)
	isID := err == nil
	for _, j := range a.jobs {
		if j.client != c.key {
			continue
		}
		if isID && j.facts.ID == id || strings.EqualFold(j.facts.InstanceID, ref) {
			return j, nil, nil
		}
		for _, ch := range j.children {
			if isID && ch.facts.ID == id || strings.EqualFold(ch.facts.InstanceID, ref) {
				return j, ch, nil
			}
		}
	}
	e := api.Errorf(api.CodeJobNotFound, "there is no job with the InstanceId %s in this client session", ref).WithID("JobWithSpecifiedInstanceIdNotFound")
	if isID {
		e = api.Errorf(api.CodeJobNotFound, "there is no job with the Id %d in this client session", id).WithID("JobWithSpecifiedSessionNotFound")
	}
	return nil, nil, e.On(ref).Hint("pss get-job lists the jobs")
}

// numberJobLocked gives the next Id of the count that jobs and their children share.
func (a *Agent) numberJobLocked(c *clientSession) int {
	for _, j := range a.jobsOfLocked(c.key) { // of a client session that was over and came back
		c.nextJob = max(c.nextJob, j.facts.ID)
		for _, ch := range j.children {
			c.nextJob = max(c.nextJob, ch.facts.ID)
		}
	}
	c.nextJob++
	return c.nextJob
}

// dropJob deletes a job and its files.
func (a *Agent) dropJob(j *job) error {
	a.mu.Lock()
	j.removed.Store(true)
	delete(a.jobs, j.facts.InstanceID)
	if j.taker != nil {
		j.taker.end(api.Errorf(api.CodeJobNotFound, "job %s was removed", j.facts.Name).On(j.facts.Name))
	}
	a.jobChange++
	close(a.jobWake)
	a.jobWake = make(chan struct{})
	a.mu.Unlock()
	for _, ch := range j.children {
		ch.mu.Lock()
		ch.known, ch.at = true, jobstore.Positions{} // from here on nobody opens its store
		ch.mu.Unlock()
	}
	// Without this file the folder is nothing: a crash in between leaves no half job.
	err := os.Remove(filepath.Join(j.dir, jobFile))
	planted.Point("job-unlisted")
	if rerr := os.RemoveAll(j.dir); rerr != nil && !errors.Is(rerr, os.ErrNotExist) {
		return rerr
	}
	if errors.Is(err, os.ErrNotExist) {
		return nil
	}
	return err
}

// jobsRunLocked reports whether a job of the client session, or of any for "", has work
// to do.
func (a *Agent) jobsRunLocked(key string) bool {
	for _, j := range a.jobs {
		if key != "" && j.client != key {
			continue
		}
		for _, ch := range j.children {
			if ch.run != nil || ch.unmake { // at work, or cleaning up
				return true
			}
		}
	}
	return false
}

// leaveJobsLocked notes that the client session of jobs is over.
func (a *Agent) leaveJobsLocked(key string, at time.Time) {
	for _, j := range a.jobsOfLocked(key) {
		j.left = at
		a.changedLocked(j)
	}
}

// sweepJobs removes the jobs of client sessions that have been over for long.
func (a *Agent) sweepJobs() {
	after := a.conf.Agent.RetainJobs.Or(config.DefaultRetainJobs)
	a.mu.Lock()
	var old []*job
	for _, j := range a.jobs {
		if !j.left.IsZero() && time.Since(j.left) > after && !a.jobsRunLocked(j.client) {
			old = append(old, j)
		}
	}
	a.mu.Unlock()
	for _, j := range old {
		if err := a.dropJob(j); err != nil {
			a.log.Warn("job not removed", "job", j.facts.InstanceID, "error", err)
		}
	}
}

// hostOf returns the entry of the child's session and its computer.
func (a *Agent) hostOf(ch *child) (*clientSession, *entry, *client.Client) {
	a.mu.Lock()
	c := a.clients[ch.j.client]
	if c == nil {
		c = newClientSession(ch.j.client) // it is over: this is its name only
	}
	e := c.entries[ch.facts.Session]
	if e == nil {
		e = c.newEntry(ch.facts.Session, ch.facts.ComputerName)
	}
	a.mu.Unlock()
	return c, e, a.hostOfEntry(c, e)
}
