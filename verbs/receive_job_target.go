package verbs

import (
	"cmp"
	"context"
	"slices"
	"sync"

	"github.com/google/uuid"
	"pss/format"
	"pss/remote/api"
	"pss/remote/client"
)

// outTargetParams are those of Receive-PSSession that say where the output goes.
func outTargetParams() []param {
	return []param{
		value("OutTarget", "Host: here; Job: into a job, which is shown; Default: into the session's job if it has one that is not finished, else here").
			takes(oneOfThese("Default", "Host", "Job")).byDefault("Default"),
		value("JobName", "name of a new job").takes(notEmpty("NAME")).byDefault("Job<Id>"),
	}
}

// outTarget is where Receive-PSSession delivers.
type outTarget struct {
	group   *together
	agent   *client.Client
	target  string // Default, Host or Job
	jobName string
	window  int64 // milliseconds
	connect api.JobConnectRequest
	looks   bool                     // it takes nothing: jobs have nothing to do with it
	open    map[string]jobTarget     // children that are not finished, by the InstanceId of their session
	deliver func(*api.Session) error // here

	mu   sync.Mutex // guards what follows
	jobs []jobTarget
}

func readOutTarget(ctx context.Context, g *together, agent *client.Client, in *input, o *receiveOptions) (*outTarget, error) {
	out := &outTarget{
		group: g, agent: agent, target: in.String("out-target"), jobName: in.String("job-name"), window: o.window.Milliseconds(),
		looks: o.req.Peek || o.req.Replay, open: map[string]jobTarget{},
	}
	how := o.attach.attach()
	out.connect = api.JobConnectRequest{Options: how.Options, Connection: how.Connection}
	if out.target == "Job" && (out.looks || o.req.NoWait || o.timeout > 0) {
		return nil, usage("AmbiguousParameterSet", "--out-target Job takes everything, and waits for nothing: --peek, --tail, --since, --replay, --no-wait and --timeout cannot stand with it")
	}
	if out.looks {
		return out, nil
	}
	list, err := agent.Jobs(ctx, 0, 0)
	if api.IsCode(err, api.CodeVersion) && out.target != "Job" {
		return out, nil // an agent of an older version has no jobs
	}
	if err != nil {
		return nil, err
	}
	for i := range list.Jobs {
		j := &list.Jobs[i]
		for c := range j.Children {
			if !j.Children[c].State.Finished() {
				out.open[j.Children[c].Session] = jobTarget{j, &j.Children[c]}
			}
		}
	}
	return out, nil
}

// receive delivers one session where that is wanted.
func (out *outTarget) receive(ctx context.Context, s *api.Session) error {
	known, has := out.open[s.Runspace.InstanceID]
	switch {
	case out.looks, !has && out.target != "Job":
		return out.deliver(s)
	case !has:
		j, err := out.agent.MakeJob(ctx, uuid.NewString(), &api.JobRequest{
			Name: out.jobName, RetryWindowMs: out.window, Targets: []api.JobTarget{{Session: s.Runspace.InstanceID}}, Connect: &out.connect,
		})
		if err != nil {
			return err
		}
		return out.show(j)
	}
	j, err := out.agent.ConnectJob(ctx, known.ref(), &out.connect)
	if err != nil {
		return err
	}
	known, _ = known.in([]api.Job{*j})
	if out.target != "Host" {
		return out.show(j)
	}
	return out.toHost(ctx, known)
}

// show remembers a job that is to be shown, once.
func (out *outTarget) show(j *api.Job) error {
	out.mu.Lock()
	defer out.mu.Unlock()
	if slices.ContainsFunc(out.jobs, func(k jobTarget) bool { return k.job.InstanceID == j.InstanceID }) {
		return nil
	}
	out.jobs = append(out.jobs, jobTarget{job: j})
	if out.group.rt.mode.Mode == format.ModeJSON {
		return out.group.add(newPSJob(j))
	}
	return nil
}

// end shows the jobs, unless the one JSON array has them. err is what became of the
// deliveries.
func (out *outTarget) end(err error) error {
	if len(out.jobs) == 0 || out.group.rt.mode.Mode == format.ModeJSON {
		return err
	}
	return cmp.Or(out.group.rt.write(newPSJobs(out.jobs)), err)
}

// toHost delivers here what the job has and gets; then the job is gone, as in PowerShell.
func (out *outTarget) toHost(ctx context.Context, t jobTarget) error {
	d := newJobDelivery(newJobOutput(out.group), t)
	if err := d.run(ctx, out.agent, api.JobStreamRequest{Wait: true}); err != nil {
		return err
	}
	code, err := d.results()
	if err == nil {
		err = d.Flush()
	}
	if err != nil {
		return err
	}
	if d.target.job.State.Finished() {
		if err := out.agent.RemoveJob(ctx, t.job.InstanceID, false); err != nil {
			return err
		}
	}
	for _, e := range d.failed() {
		return e
	}
	if code != 0 {
		return exitCode(code)
	}
	return nil
}
