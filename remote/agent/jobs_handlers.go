package agent

import (
	"context"
	"net/http"
	"strconv"
	"sync"
	"time"

	"pss/remote/api"
	"pss/remote/client"
)

// maxJobWait bounds how long a listing waits for a change.
const maxJobWait = 30 * time.Second

// stopTime bounds how long a command that was told to stop may take to end.
const stopTime = 50 * time.Second

// jobRoutes are what cmdlets ask about jobs.
func (a *Agent) jobRoutes(handle func(method, path string, f serve)) {
	handle(http.MethodGet, api.RouteJobs, a.handleJobs)
	handle(http.MethodPut, api.RouteJob, a.handleJobMake)
	handle(http.MethodGet, api.RouteJob, a.handleJob)
	handle(http.MethodDelete, api.RouteJob, a.handleJobRemove)
	handle(http.MethodPost, api.RouteJobStop, a.handleJobStop)
	handle(http.MethodPost, api.RouteJobConnect, a.handleJobConnect)
	handle(http.MethodPost, api.RouteJobStream, a.handleJobStream)
}

func (a *Agent) handleJobs(_ http.ResponseWriter, r *http.Request, c *clientSession) (any, error) {
	q := r.URL.Query()
	wait, _ := time.ParseDuration(q.Get(api.QueryWait))
	after, _ := strconv.ParseUint(q.Get(api.QueryAfter), 10, 64)
	if wait > 0 {
		a.await(r.Context(), min(wait, maxJobWait), func() bool { return a.jobChange != after })
	}
	a.mu.Lock()
	defer a.mu.Unlock()
	list := &api.JobList{Version: api.Version, Change: a.jobChange, Jobs: []api.Job{}}
	for _, j := range a.jobsOfLocked(c.key) {
		list.Jobs = append(list.Jobs, *j.shownLocked())
	}
	return list, nil
}

// jobOf finds the job that the path names, and those of its children that are meant.
func (a *Agent) jobOf(r *http.Request, c *clientSession) (*job, []*child, error) {
	a.mu.Lock()
	defer a.mu.Unlock()
	j, ch, err := a.findJobLocked(c, r.PathValue("job"))
	if err != nil {
		return nil, nil, err
	}
	if ch != nil {
		return j, []*child{ch}, nil
	}
	return j, j.children, nil
}

func (a *Agent) showJob(j *job) (any, error) {
	a.mu.Lock()
	defer a.mu.Unlock()
	return j.shownLocked(), nil
}

func (a *Agent) handleJob(_ http.ResponseWriter, r *http.Request, c *clientSession) (any, error) {
	j, _, err := a.jobOf(r, c)
	if err != nil {
		return nil, err
	}
	return a.showJob(j)
}

func (a *Agent) handleJobRemove(_ http.ResponseWriter, r *http.Request, c *clientSession) (any, error) {
	j, children, err := a.jobOf(r, c)
	if err != nil {
		return nil, err
	}
	force := r.URL.Query().Get(api.QueryForce) == "true"
	a.mu.Lock()
	name, state := j.facts.Name, j.shownLocked().State
	a.mu.Unlock()
	switch {
	case len(children) == 1 && &children[0] != &j.children[0]:
		return nil, api.Errorf(api.CodeInvalidArgument, "%s is a child of job %s and cannot be removed alone", children[0].facts.Name, name).
			WithID("CannotRemoveJob").On(children[0].facts.Name).Hint("remove the job: pss remove-job --id %d", j.facts.ID)
	case !state.Finished() && !force:
		return nil, api.Errorf(api.CodeJobUnfinished, "job %s is %s, and only a finished job can be removed", name, state).
			WithID("JobObjectNotFinishedCannotBeRemoved").On(name).Hint("stop it first (pss stop-job --id %d), or give --force", j.facts.ID)
	}
	var failed error
	if !state.Finished() {
		failed = a.stopChildren(r.Context(), j, children)
	}
	a.await(r.Context(), removePatience, func() bool { return !j.unmakingLocked() })
	if err := a.dropJob(j); err != nil {
		return nil, err
	}
	if failed != nil {
		return nil, api.AsError(failed).Hint("the job is removed here; its command may go on there: pss get-pssession --computer-name COMPUTER")
	}
	return struct{}{}, nil
}

// unmakingLocked reports whether a session of the job's own is still being removed.
func (j *job) unmakingLocked() bool {
	for _, ch := range j.children {
		if ch.unmake {
			return true
		}
	}
	return false
}

func (a *Agent) handleJobStop(_ http.ResponseWriter, r *http.Request, c *clientSession) (any, error) {
	j, children, err := a.jobOf(r, c)
	if err != nil {
		return nil, err
	}
	if err := a.stopChildren(r.Context(), j, children); err != nil {
		return nil, err
	}
	return a.showJob(j)
}

func (a *Agent) handleJobConnect(w http.ResponseWriter, r *http.Request, c *clientSession) (any, error) {
	var req api.JobConnectRequest
	if err := client.ReadBody(w, r, &req); err != nil {
		return nil, err
	}
	j, children, err := a.jobOf(r, c)
	if err != nil {
		return nil, err
	}
	if err := eachChild(children, func(ch *child) error { return a.connectChild(r.Context(), ch, &req) }); err != nil {
		return nil, err
	}
	return a.showJob(j)
}

// eachChild does something to all children at once and returns the first error.
func eachChild(children []*child, do func(*child) error) error {
	errs := make([]error, len(children))
	var wg sync.WaitGroup
	for i, ch := range children {
		wg.Go(func() { errs[i] = do(ch) })
	}
	wg.Wait()
	for _, err := range errs {
		if err != nil {
			return err
		}
	}
	return nil
}

// connectChild takes a Disconnected child up again.
func (a *Agent) connectChild(ctx context.Context, ch *child, req *api.JobConnectRequest) error {
	a.mu.Lock()
	state := ch.facts.State
	a.mu.Unlock()
	if state != api.JobDisconnected {
		return nil
	}
	c, e, _ := a.hostOf(ch)
	_, err := a.connectForJob(ctx, c, e, connectRequest(req))
	if api.IsCode(err, api.CodeNotFound) {
		// What is gone is a failed job, not one that can wait for ever.
		a.settle(ch, api.JobFailed, &api.PipelineEnd{Outcome: api.OutcomeLost, Error: api.AsError(err)})
		return nil
	}
	if err != nil {
		return err
	}
	a.goOn([]*child{ch})
	return nil
}

// stopChildren stops what has not finished, and waits for its end.
func (a *Agent) stopChildren(ctx context.Context, j *job, children []*child) error {
	return eachChild(children, func(ch *child) error {
		err := a.stopChild(ctx, ch)
		if outOfReach(err) || client.IsBroken(err) {
			return api.AsError(err).WithID("StopJobCannotConnectToServer").On(j.facts.Name).
				Hint("the job stays as it is; try again when the computer answers")
		}
		return err
	})
}

func (a *Agent) stopChild(ctx context.Context, ch *child) error {
	if err := a.connectChild(ctx, ch, &api.JobConnectRequest{}); err != nil {
		return err
	}
	a.mu.Lock()
	state, r := ch.facts.State, ch.run
	a.mu.Unlock()
	switch {
	case state.Finished():
		return nil
	case state == api.JobNotStarted && r != nil:
		r.quit()
	default:
		if err := a.signalChild(ctx, ch); err != nil {
			return err
		}
	}
	a.mu.Lock()
	ch.j.facts.Stopped = true
	if ch.facts.State == api.JobRunning {
		ch.facts.State = api.JobStopping
	}
	a.changedLocked(ch.j)
	a.mu.Unlock()
	if !a.await(ctx, stopTime, func() bool { return !ch.facts.State.Live() }) && ctx.Err() == nil {
		return api.Errorf(api.CodeTimedOut, "the command of job %s did not end within %v; it was told to", ch.j.facts.Name, stopTime).On(ch.j.facts.Name)
	}
	return ctx.Err()
}

// signalChild is Ctrl-C for the child's command.
func (a *Agent) signalChild(ctx context.Context, ch *child) error {
	_, e, host := a.hostOf(ch)
	s, err := host.Session(ctx, e.instance)
	if err != nil {
		if api.IsCode(err, api.CodeNotFound) {
			return nil // whoever follows it is being told so
		}
		return err
	}
	p := s.Runspace.Running()
	if p == nil || ch.pipeline != "" && p.ID != ch.pipeline || s.Runspace.Attached == nil {
		return nil // it has ended
	}
	return host.Signal(ctx, e.instance, p.ID, &api.SignalRequest{Epoch: s.Runspace.Attached.Epoch, Signal: "INT"})
}
