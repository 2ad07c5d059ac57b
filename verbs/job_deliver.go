package verbs

import (
	"bufio"
	"context"
	"encoding/json"
	"sync"
	"time"

	"github.com/google/uuid"
	"pss/format"
	"pss/remote/api"
	"pss/remote/client"
)

// jobOutput is where the output of jobs goes that are received at the same time.
type jobOutput struct {
	rt    *Runtime
	group *together

	mu   sync.Mutex // guards what follows
	out  *bufio.Writer
	from *delivery // what wrote last
}

func newJobOutput(g *together) *jobOutput {
	return &jobOutput{rt: g.rt, group: g, out: bufio.NewWriterSize(g.rt.Stdout, 32<<10)}
}

// jobsTogether is what the deliveries of these jobs share: lines are labelled where they
// come from several computers.
func jobsTogether(rt *Runtime, jobs []jobTarget) *together {
	g := &together{rt: rt, names: map[string]int{}}
	n := 0
	for _, j := range jobs {
		for _, c := range j.children() {
			g.names[j.job.Children[c-1].ComputerName]++
			n++
		}
	}
	g.several, g.hide = n > 1, len(g.names) < 2
	return g
}

// object prints an object of JSON output.
func (o *jobOutput) object(v any) error {
	if o.rt.mode.Mode == format.ModeJSON {
		return jobWriteFailed(o.group.add(v))
	}
	return jobWriteFailed(encodeLine(o.out, v))
}

// end ends the array of JSON output, and lines that have not ended.
func (o *jobOutput) end() error {
	o.mu.Lock()
	defer o.mu.Unlock()
	if err := o.out.Flush(); err != nil {
		return jobWriteFailed(err)
	}
	return jobWriteFailed(o.group.end())
}

// jobWriteFailed is an error of our own standard output: what was not written stays in the
// job.
func jobWriteFailed(err error) error {
	e := api.AsError(writeFailed(err))
	if e == nil || e.FullyQualifiedErrorID != "OutputWriteFailed" {
		return err
	}
	return e.Hint("what was not written stays in the job: pss receive-job brings it")
}

// jobDelivery writes what a job keeps to our own streams.
type jobDelivery struct {
	to       *jobOutput
	target   jobTarget
	events   bool
	children map[uint32]*delivery
	states   map[string]api.JobState // as they were told last
}

func newJobDelivery(to *jobOutput, t jobTarget) *jobDelivery {
	d := &jobDelivery{to: to, target: t, children: map[uint32]*delivery{}, states: map[string]api.JobState{}}
	to.group.hide = to.group.hide || t.job.HideComputerName
	for _, n := range t.children() {
		c := &t.job.Children[n-1]
		s := &api.Session{ComputerName: c.ComputerName}
		s.Runspace.InstanceID, s.Runspace.Name = c.Session, t.job.Name
		child := newDelivery(to.group, s)
		if to.rt.machine() {
			child.out = to.out // whole objects, one at a time
		}
		d.children[uint32(n)] = child
	}
	return d
}

// Hello has nothing to say: a job's children are known.
func (d *jobDelivery) Hello(*api.StreamHello) {}

// Record writes one record of a child, or the job's new state.
func (d *jobDelivery) Record(rec api.Record) error {
	d.to.mu.Lock()
	defer d.to.mu.Unlock()
	if rec.Kind == api.KindJobState {
		var j api.Job
		if err := json.Unmarshal(rec.Data, &j); err != nil {
			return err
		}
		return d.changed(&j)
	}
	child := d.children[rec.Pipeline]
	if child == nil {
		return nil
	}
	if from := d.to.from; from != nil && from != child {
		if err := from.Flush(); err != nil { // the order of arrival is kept
			return jobWriteFailed(err)
		}
	}
	d.to.from = child
	return jobWriteFailed(child.Record(rec))
}

// Flush returns once everything is written out, and may be forgotten by the agent.
func (d *jobDelivery) Flush() error {
	d.to.mu.Lock()
	defer d.to.mu.Unlock()
	return d.flushLocked()
}

func (d *jobDelivery) flushLocked() error {
	for _, child := range d.children {
		if err := child.Flush(); err != nil {
			return jobWriteFailed(err)
		}
	}
	return jobWriteFailed(d.to.out.Flush())
}

// jsonJobEvent is a change of a job's state under -WriteEvents.
type jsonJobEvent struct {
	Type          string // "JobEvent"
	ID            int    `json:"Id"`
	Name          string
	InstanceID    string `json:"InstanceId"`
	Location      string
	PreviousState string
	State         string
	Time          time.Time
}

// changed takes over the job's new state and tells of it, if that is wanted.
func (d *jobDelivery) changed(j *api.Job) error {
	d.target, _ = d.target.in([]api.Job{*j})
	told := append([]PSJob{newPSJob(j)}, newPSJob(j).ChildJobs...)
	for i := range told {
		o := &told[i]
		before, known := d.states[o.InstanceID]
		d.states[o.InstanceID] = api.JobState(o.State)
		if !d.events || !known || string(before) == o.State {
			continue
		}
		if !d.to.rt.machine() {
			d.to.rt.tell("Job %s on %s: %s, then %s.", o.Name, o.Location, before, o.State)
			continue
		}
		if err := d.to.object(&jsonJobEvent{"JobEvent", o.ID, o.Name, o.InstanceID, o.Location, string(before), o.State, time.Now()}); err != nil {
			return err
		}
	}
	return nil
}

// run delivers what there is, or with req.Wait what comes. The agent forgets what was
// written out, unless req.Keep is set.
func (d *jobDelivery) run(ctx context.Context, agent *client.Client, req api.JobStreamRequest) error {
	ref := d.target.ref()
	req.Stream = uuid.NewString()
	drive := &client.Drive{
		Client: agent, Consumer: d, RetryWindow: defaultRetryWindow, Request: api.StreamRequest{Peek: req.Keep},
		Open: func(ctx context.Context, r *api.StreamRequest) (*client.Stream, error) {
			again := req
			again.After = r.After
			return agent.JobStream(ctx, ref, &again)
		},
	}
	return drive.Run(ctx)
}

// results prints how the children ended under JSON, and returns the exit code of the last
// command that did not end well, or 0.
func (d *jobDelivery) results() (code int, err error) {
	d.to.mu.Lock()
	defer d.to.mu.Unlock()
	if err := d.flushLocked(); err != nil {
		return 0, err
	}
	for _, n := range d.target.children() {
		c := &d.target.job.Children[n-1]
		r := jsonResult{Type: "Result", PSComputerName: c.ComputerName, RunspaceID: c.Session, Outcome: string(c.Outcome), ExitCode: c.ExitCode}
		switch {
		case !c.State.Finished():
			r.Outcome = string(c.State)
		case c.State == api.JobFailed:
			r.ErrorSource, code = "pss", 246
			if c.Error != nil {
				code = c.Error.ExitCode()
			}
		case c.ExitCode != nil && *c.ExitCode != 0:
			r.ErrorSource, code = "remote", *c.ExitCode
		}
		if r.Outcome == "" {
			r.Outcome = "None"
		}
		if d.to.rt.machine() {
			if err := d.to.object(&r); err != nil {
				return code, err
			}
		}
	}
	return code, nil
}

// failed returns the errors of children that failed.
func (d *jobDelivery) failed() (errs []error) {
	for _, n := range d.target.children() {
		c := &d.target.job.Children[n-1]
		if c.State != api.JobFailed {
			continue
		}
		e := api.Errorf(api.CodeLost, "the command of job %s on %s failed", c.Name, c.ComputerName)
		if c.Error != nil {
			e = api.AsError(c.Error)
		}
		errs = append(errs, e.WithID("JobStateFailed").On(c.Name))
	}
	return errs
}
