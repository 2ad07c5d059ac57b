package agent

import (
	"cmp"
	"context"
	"encoding/json"
	"time"

	"github.com/google/uuid"
	"pss/remote/api"
	"pss/remote/client"
	"pss/remote/jobstore"
	"pss/remote/planted"
)

// follower takes what a session delivers over into the child's store.
type follower struct {
	store   *jobstore.Store
	after   map[uint32]uint64
	last    *api.Pipeline // the newest finished one, when nothing was unread
	greeted bool          // the session host has answered
	name    string        // of the session
	limits  client.Limits
	late    []api.Record // of the planted fault
}

// Hello notes how the newest command ended, for when that was received elsewhere.
func (f *follower) Hello(h *api.StreamHello) {
	f.last, f.greeted = h.Last, true
	f.limits.Set(h.Connection)
}

// Record stores the record. What is missing in front of it went to another client while the
// job was disconnected: the job's reader is told.
func (f *follower) Record(rec api.Record) error {
	if err := f.limits.Take(&rec, f.name); err != nil {
		return err
	}
	if before := f.after[rec.Pipeline]; before > 0 && rec.Seq > before+1 && rec.Kind != api.KindGap {
		data, err := json.Marshal(api.Gap{Records: rec.Seq - before - 1, Reason: "ReceivedElsewhere"})
		if err != nil {
			return err
		}
		if err := f.store.Append(&api.Record{Pipeline: rec.Pipeline, Seq: rec.Seq - 1, Kind: api.KindGap, Time: rec.Time, Data: data}); err != nil {
			return err
		}
	}
	f.after[rec.Pipeline] = max(f.after[rec.Pipeline], rec.Seq)
	if planted.On("job-acked-before-stored") {
		rec.Data = append([]byte(nil), rec.Data...)
		if f.late = append(f.late, rec); len(f.late) < 20 && rec.Kind != api.KindEnd {
			return nil
		}
		for i := range f.late {
			if err := f.store.Append(&f.late[i]); err != nil {
				return err
			}
		}
		f.late = nil
		return nil
	}
	return f.store.Append(&rec)
}

// Flush returns once everything is on the disk: only then it is acknowledged.
func (f *follower) Flush() error {
	err := f.store.Sync()
	planted.Point("job-synced")
	return err
}

// follow stores what the child's command prints until it has ended or the session is not
// ours any more, and settles the child's state.
func (a *Agent) follow(ch *child, r *run) {
	store, release, err := ch.open()
	if err != nil {
		a.unstored(ch, err)
		return
	}
	defer release()
	_, e, _ := a.hostOf(ch)
	f := &follower{store: store, name: e.name}
	stream := uuid.NewString()
	var lost time.Time // since when the computer does not answer
	for tries := 0; ; {
		err := a.followOnce(ch, r, f, stream)
		switch {
		case a.ctx.Err() != nil:
			return // the agent ends; the next one goes on
		case err != nil && r.following.Err() != nil:
			a.settleFollowed(ch, f, api.Errorf(api.CodeInterrupted, "the session was disconnected").WithID("SessionDisconnected"))
			return
		}
		if f.greeted {
			tries, lost, f.greeted = 0, time.Time{}, false
		}
		if isDetached(err) && tries < maxReattach {
			c, e, host := a.hostOf(ch)
			ok, rerr := a.reattach(a.ctx, c, e, host)
			if ok {
				tries++
				continue
			}
			err = cmp.Or(rerr, err)
		}
		if gaveUp := api.AsError(err); !outOfReach(err) || gaveUp.FullyQualifiedErrorID == "PowerShellNetworkFailedStartDisconnect" {
			a.settleFollowed(ch, f, err)
			return
		}
		if lost.IsZero() {
			lost = time.Now()
		}
		if time.Since(lost) > ch.j.window {
			a.settleFollowed(ch, f, err)
			return
		}
		select {
		case <-r.following.Done():
		case <-time.After(min(time.Second, ch.j.window)):
		}
	}
}

// maxReattach bounds how often a session is taken up again that refuses to deliver.
const maxReattach = 5

// outOfReach reports whether err says that the computer may answer later.
func outOfReach(err error) bool {
	return api.IsCode(err, api.CodeUnreachable) || api.IsCode(err, api.CodeOutcomeUnknown)
}

// followOnce is one delivery, from where the store is.
func (a *Agent) followOnce(ch *child, r *run, f *follower, stream string) error {
	_, e, host := a.hostOf(ch)
	a.mu.Lock()
	epoch := e.epoch
	a.mu.Unlock()
	f.after = f.store.After()
	drive := &client.Drive{
		Client: host, Session: e.instance, Consumer: f, RetryWindow: ch.j.window,
		Request: api.StreamRequest{Stream: stream, Epoch: epoch, Pipeline: ch.pipeline, After: f.store.After()},
	}
	return drive.Run(r.following)
}

// settleFollowed derives the child's state from how its delivery ended.
func (a *Agent) settleFollowed(ch *child, f *follower, err error) {
	e := api.AsError(err)
	end := f.ended(ch.pipeline)
	switch {
	case err == nil && end != nil:
		a.settle(ch, stateOf(end), end)
	case err == nil:
		a.settle(ch, api.JobCompleted, &api.PipelineEnd{})
	case e.Code == api.CodeNotFound || e.Code == api.CodePipelineNotFound || e.Code == api.CodeLost:
		switch {
		case end != nil: // only our last word had not arrived
			a.settle(ch, stateOf(end), end)
		case e.FullyQualifiedErrorID == "PSSessionStateClosed": // somebody removed the session
			a.settle(ch, api.JobStopped, &api.PipelineEnd{Outcome: api.OutcomeStopped, Error: e})
		default:
			a.settle(ch, api.JobFailed, &api.PipelineEnd{Outcome: api.OutcomeLost, Error: e})
		}
	case outOfReach(err):
		c, entry, _ := a.hostOf(ch)
		a.mu.Lock()
		a.showLocked(c, entry)
		a.mu.Unlock()
		a.part(c, entry, api.DetachedByOutage)
		a.settle(ch, api.JobDisconnected, &api.PipelineEnd{Error: e})
	case e.Code == api.CodeDiskFull || e.Code == api.CodeInternal || e.Code == api.CodeTooLarge:
		a.unstored(ch, err)
	default: // disconnected, or taken over
		c, entry, _ := a.hostOf(ch)
		a.mu.Lock()
		a.showLocked(c, entry)
		a.mu.Unlock()
		a.settle(ch, api.JobDisconnected, &api.PipelineEnd{Error: e})
	}
}

// unstored leaves a session whose output finds no room here, or is more than its client
// wants: there it waits.
func (a *Agent) unstored(ch *child, err error) {
	a.log.Error("output of a job not stored", "job", ch.facts.InstanceID, "error", err)
	c, entry, _ := a.hostOf(ch)
	a.part(c, entry, api.DetachedByClient)
	a.mu.Lock()
	a.showLocked(c, entry)
	a.mu.Unlock()
	e := api.AsError(err)
	if e.RecommendedAction == "" {
		e = e.Hint("make room, then take the job up again: pss receive-pssession --instance-id %s", entry.instance)
	}
	a.settle(ch, api.JobDisconnected, &api.PipelineEnd{Error: e})
}

// ended is how the command ended, or nil if that is not known.
func (f *follower) ended(pipeline string) *api.PipelineEnd {
	end := &api.PipelineEnd{}
	if data := f.store.End(); data != nil && json.Unmarshal(data, end) == nil {
		return end
	}
	if l := f.last; l != nil && (pipeline == "" || l.ID == pipeline) {
		end = &api.PipelineEnd{Outcome: l.Outcome, ExitCode: l.ExitCode}
		if l.Reason != "" {
			end.Error = api.Errorf(api.CodeLost, "%s", l.Reason).WithID("PSSessionStateBroken")
		}
		return end
	}
	return nil
}

// stateOf is the state of a job whose command ended so. An exit code is no failure of the
// job, as in PowerShell.
func stateOf(end *api.PipelineEnd) api.JobState {
	switch {
	case end.Outcome == api.OutcomeStopped:
		return api.JobStopped
	case end.Outcome == api.OutcomeFailed || end.Outcome == api.OutcomeLost || end.Error != nil:
		return api.JobFailed
	}
	return api.JobCompleted
}

// settlePatience bounds how long a request that changes a session waits for its job to
// notice.
const settlePatience = 3 * time.Second

// pauseJobs lets the jobs that work in a session leave it, because it is about to be
// disconnected: they acknowledge what they have, so that nobody gets that again, and
// are Disconnected. It returns those whose work that was.
func (a *Agent) pauseJobs(e *entry) []*child {
	if planted.On("disconnect-cuts-job") {
		return nil
	}
	a.mu.Lock()
	var paused []*child
	var runs []*run
	for _, j := range a.jobs {
		for _, ch := range j.children {
			if ch.facts.Session == e.instance && ch.run != nil && (ch.facts.State == api.JobRunning || ch.facts.State == api.JobStopping) {
				paused, runs = append(paused, ch), append(runs, ch.run)
			}
		}
	}
	a.mu.Unlock()
	patience := time.After(settlePatience)
	for _, r := range runs {
		r.pause()
		select {
		case <-r.done:
		case <-patience:
		}
	}
	return paused
}

// goOn lets children work again that are Disconnected, once their old work is over.
func (a *Agent) goOn(children []*child) {
	for _, ch := range children {
		a.mu.Lock()
		r := ch.run
		a.mu.Unlock()
		if r != nil {
			<-r.done
		}
		a.mu.Lock()
		if ch.facts.State == api.JobDisconnected {
			ch.facts.State, ch.facts.Error = api.JobRunning, nil
			a.changedLocked(ch.j)
			a.workLocked(ch)
		}
		a.mu.Unlock()
	}
}

// settleJobs waits until no job works in the session any more, which was removed: whoever
// lists the jobs next sees that.
func (a *Agent) settleJobs(ctx context.Context, e *entry) {
	a.await(ctx, settlePatience, func() bool {
		for _, j := range a.jobs {
			for _, ch := range j.children {
				if ch.facts.Session == e.instance && ch.run != nil && ch.facts.State.Live() && ch.facts.State != api.JobNotStarted {
					return false
				}
			}
		}
		return true
	})
}
