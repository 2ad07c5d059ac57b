package verbs

import (
	"cmp"
	"context"
	"io"
	"time"

	"github.com/google/uuid"
	"pss/remote/api"
	"pss/remote/client"
)

// asJobParams are those of Invoke-Command that make a job.
func asJobParams() []param {
	return []param{
		flag("AsJob", "keep the output in a job, and show that (pss help get-job)"),
		value("JobName", "its name; it implies --as-job").takes(notEmpty("NAME")).byDefault("Job<Id>"),
	}
}

// asJob reports whether the command line asks for a job.
func asJob(in *input) (bool, error) {
	wanted := in.Bool("as-job") || in.given("job-name")
	if wanted && in.Bool("in-disconnected-session") {
		return false, usage("System.InvalidOperationException", "--as-job and --job-name cannot stand with --in-disconnected-session").
			Hint("a job keeps the output here, a disconnected session there; take one of them")
	}
	return wanted, nil
}

// invokeAsJob runs the command as a job: in sessions that exist, or in one of its own on
// each computer.
func invokeAsJob(ctx context.Context, rt *Runtime, in *input, o *invokeOptions) error {
	agent, err := rt.Agent()
	if err != nil {
		return err
	}
	f := &failures{rt: rt, cmd: in.cmd}
	cmd := o.cmd
	req := &api.JobRequest{Name: in.String("job-name"), Command: &cmd, RetryWindowMs: o.window.Milliseconds(), ThrottleLimit: o.throttle, HideComputerName: in.Bool("hide-computer-name")}
	if req.Targets, err = jobTargetsOf(ctx, rt, in, o, f); err != nil {
		return err
	}
	if len(req.Targets) == 0 {
		return f.result(f.count)
	}
	var input io.Reader
	if !o.noStdin && len(req.Targets) == 1 {
		if input = rt.stdinData(); input != nil {
			cmd.Input = api.InputModeStored
		}
	}
	j, err := agent.MakeJob(ctx, uuid.NewString(), req)
	if err != nil {
		return err
	}
	if input != nil {
		if j, err = feedJob(ctx, rt, agent, j, input, o); err != nil {
			return err
		}
	}
	if err := rt.write([]PSJob{newPSJob(j)}); err != nil {
		return err
	}
	return f.result(f.count + len(req.Targets))
}

// jobTargetsOf is where the job is to run.
func jobTargetsOf(ctx context.Context, rt *Runtime, in *input, o *invokeOptions, f *failures) (targets []api.JobTarget, err error) {
	if len(o.sel.computers) == 0 {
		sessions, err := o.sel.find(ctx, rt, in, f)
		for _, s := range sessions {
			targets = append(targets, api.JobTarget{Session: s.Runspace.InstanceID})
		}
		return targets, err
	}
	base, err := creation(rt, in)
	if err != nil {
		return nil, err
	}
	for _, computer := range o.sel.computers {
		req := base
		req.ComputerName = computer
		rt.tellFarJob(&req)
		targets = append(targets, api.JobTarget{Create: &req})
	}
	return targets, nil
}

// feedJob stores standard input on the host of the job's only command.
func feedJob(ctx context.Context, rt *Runtime, agent *client.Client, j *api.Job, input io.Reader, o *invokeOptions) (*api.Job, error) {
	ref := j.InstanceID
	for j.State == api.JobNotStarted {
		list, err := agent.Jobs(ctx, 0, 0)
		if err != nil {
			return nil, err
		}
		if j, err = agent.Job(ctx, ref); err != nil {
			return nil, err
		}
		if j.State == api.JobNotStarted {
			if _, err = agent.Jobs(ctx, list.Change, jobWait); err != nil {
				return nil, err
			}
		}
	}
	c := &j.Children[0]
	if c.State != api.JobRunning {
		return j, nil
	}
	s := &api.Session{ComputerName: c.ComputerName}
	s.Runspace.InstanceID = c.Session
	d := newDelivery(alone(rt), s)
	drive := d.drive(agent, c.Session, api.StreamRequest{Pipeline: c.Pipeline, InputOnly: true}, o.window)
	drive.Input = input
	defer time.AfterFunc(inputPatience, func() {
		rt.tell("Standard input is being stored on the host until its end; -n starts without it.")
	}).Stop()
	err := drive.Run(ctx)
	j, jerr := agent.Job(ctx, ref)
	if jerr == nil && j.State.Finished() { // a command that has ended wants no more input, and its session may be gone
		return j, nil
	}
	return j, cmp.Or(err, jerr)
}
