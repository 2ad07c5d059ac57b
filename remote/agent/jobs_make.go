package agent

import (
	"cmp"
	"context"
	"fmt"
	"net/http"
	"os"
	"path/filepath"
	"time"

	"github.com/google/uuid"
	"pss/remote/api"
	"pss/remote/client"
	"pss/remote/planted"
)

// defaultJobWindow is how long a lost connection is tried again, unless the job says so.
const defaultJobWindow = 4 * time.Minute

// beginPatience is how long whoever makes a job waits for its commands to begin: what is
// shown then is what the job does.
const beginPatience = 2 * time.Second

func (a *Agent) handleJobMake(w http.ResponseWriter, r *http.Request, c *clientSession) (any, error) {
	var req api.JobRequest
	if err := client.ReadBody(w, r, &req); err != nil {
		return nil, err
	}
	id, err := uuid.Parse(r.PathValue("job"))
	if err != nil {
		return nil, api.Errorf(api.CodeInvalidArgument, "%q is no GUID", r.PathValue("job"))
	}
	a.mu.Lock()
	j := a.jobs[id.String()]
	a.mu.Unlock()
	if j == nil {
		a.meetForJob(r.Context(), &req)
		if j, err = a.makeJob(r.Context(), c, id.String(), &req); err != nil {
			return nil, err
		}
	}
	a.await(r.Context(), beginPatience, func() bool { return j.shownLocked().State != api.JobNotStarted })
	a.mu.Lock()
	defer a.mu.Unlock()
	return j.shownLocked(), nil
}

// makeJob makes the job on disk and lets its children work.
func (a *Agent) makeJob(ctx context.Context, c *clientSession, id string, req *api.JobRequest) (*job, error) {
	if len(req.Targets) == 0 {
		return nil, api.Errorf(api.CodeInvalidArgument, "a job needs a session or a computer")
	}
	j := &job{
		dir: filepath.Join(a.jobsDir(), id), client: c.key, slots: make(chan struct{}, cmp.Or(req.ThrottleLimit, throttle)),
		window: cmp.Or(time.Duration(req.RetryWindowMs)*time.Millisecond, defaultJobWindow),
		facts:  api.Job{InstanceID: id, Name: req.Name, Began: time.Now(), HideComputerName: req.HideComputerName},
	}
	if req.Command != nil {
		j.facts.Command = api.Excerpt(req.Command.Text())
	}
	for i := range req.Targets {
		ch, err := a.newChild(ctx, c, j, req, &req.Targets[i])
		if err != nil {
			return nil, err
		}
		ch.number = uint32(i + 1)
		j.children = append(j.children, ch)
	}
	if err := os.Mkdir(j.dir, 0o700); err != nil {
		return nil, err
	}
	planted.Point("job-folder")
	a.mu.Lock()
	defer a.mu.Unlock()
	j.facts.ID = a.numberJobLocked(c)
	j.facts.Name = cmp.Or(j.facts.Name, fmt.Sprintf("Job%d", j.facts.ID))
	for _, ch := range j.children {
		ch.facts.ID = a.numberJobLocked(c)
		ch.facts.Name = fmt.Sprintf("Job%d", ch.facts.ID)
	}
	a.record(change{Client: c.key, NextJob: c.nextJob})
	if err := j.saveLocked(); err != nil {
		os.RemoveAll(j.dir)
		return nil, err
	}
	planted.Point("job-saved")
	a.jobs[id] = j
	a.changedLocked(j)
	for _, ch := range j.children {
		a.workLocked(ch)
	}
	return j, nil
}

// newChild makes the child for one target. What it is to take over must be there.
func (a *Agent) newChild(ctx context.Context, c *clientSession, j *job, req *api.JobRequest, t *api.JobTarget) (*child, error) {
	ch := &child{j: j, command: req.Command, facts: api.ChildJob{InstanceID: uuid.NewString(), State: api.JobNotStarted, Began: time.Now()}}
	if req.Command != nil {
		ch.pipeline = uuid.NewString()
	}
	if t.Create != nil {
		if req.Command == nil {
			return nil, api.Errorf(api.CodeInvalidArgument, "a new session has no command to take over")
		}
		create := *t.Create
		create.Temporary = false
		a.lend(ctx, &create)
		ch.create, ch.facts.Session, ch.facts.Temporary = &create, uuid.NewString(), true
		ch.facts.ComputerName = computerName(create.ComputerName)
		return ch, nil
	}
	a.mu.Lock()
	e, err := c.findLocked(t.Session)
	a.mu.Unlock()
	if err != nil {
		return nil, err
	}
	ch.facts.Session, ch.facts.ComputerName = e.instance, e.computer
	for _, other := range j.children {
		if other.facts.Session == e.instance {
			return nil, api.Errorf(api.CodeInvalidArgument, "session %s is named twice", e.name).WithID("RemoteRunspaceInfoHasDuplicates").On(e.name)
		}
	}
	if req.Command == nil {
		return ch, a.takeOver(ctx, c, e, connectRequest(req.Connect))
	}
	return ch, nil
}

// takeOver makes the session ours for a job of what runs there.
func (a *Agent) takeOver(ctx context.Context, c *clientSession, e *entry, req *api.AttachRequest) error {
	s, err := a.connectForJob(ctx, c, e, req)
	if err != nil {
		return err
	}
	if bytes, records := s.Runspace.Unread(); s.Runspace.Running() == nil && bytes == 0 && records == 0 {
		return api.Errorf(api.CodeInvalidState, "session %s has no command whose output was not received", s.Runspace.Name).
			WithID("InvalidOperation").On(s.Runspace.Name).Hint("a job takes over a command; start one in the session: pss invoke-command --session %d --as-job", e.id)
	}
	return nil
}

// connectRequest is how a job's session is connected.
func connectRequest(req *api.JobConnectRequest) *api.AttachRequest {
	if req == nil {
		return &api.AttachRequest{}
	}
	return &api.AttachRequest{Options: req.Options, Connection: req.Connection}
}

// connectForJob makes the session ours if it is not. One that is over is left as it is:
// what it printed can be had all the same.
func (a *Agent) connectForJob(ctx context.Context, c *clientSession, e *entry, req *api.AttachRequest) (*api.Session, error) {
	host := a.hostOfEntry(c, e)
	a.stay(e)
	s, err := host.Session(ctx, e.instance)
	if err == nil && (s.State == api.StateDisconnected || s.State == api.StateOpened && changesBuffering(s, req)) {
		s, err = a.attach(ctx, c, e, host, req)
	}
	if err != nil {
		if api.IsCode(err, api.CodeBusy) {
			err = api.AsError(err).WithID("ReceivePSSessionCannotConnectSession")
		}
		return nil, err
	}
	a.mu.Lock()
	if s.State == api.StateOpened && !e.mine {
		e.mine = true
		a.record(change{Client: c.key, Entry: e.saved()})
	}
	a.mu.Unlock()
	return a.shown(c, e, s), nil
}

// await waits until ok, which is asked with the agent's mutex held, after each change
// of a job, but no longer than patience.
func (a *Agent) await(ctx context.Context, patience time.Duration, ok func() bool) bool {
	timer := time.NewTimer(patience)
	defer timer.Stop()
	for {
		a.mu.Lock()
		done, wake := ok(), a.jobWake
		a.mu.Unlock()
		if done {
			return true
		}
		select {
		case <-wake:
		case <-timer.C:
			return false
		case <-ctx.Done():
			return false
		}
	}
}
