package verbs

import (
	"context"
	"slices"
	"strconv"
	"time"

	"pss/remote/api"
)

func init() { register("Wait-Job", []string{"wjb"}, newWaitJob) }

func newWaitJob() *command {
	return &command{
		name: "Wait-Job", aliases: []string{"wjb"},
		synopsis: "Waits until jobs have finished, and shows them.",
		notes: "A Disconnected job is not waited for: it is shown, with a warning; --force waits until somebody has taken it up again (receive-pssession) and it has finished. " +
			"A --timeout that passes shows nothing and is no error, as in PowerShell: standard error says so. No job of pss is ever Blocked, so there is no deadlock to report.",
		sets: jobSets(false, setState, setFilter), pipeline: true,
		params: append(jobParams(false, setState, setFilter),
			flag("Any", "wait for one of them only"),
			value("Timeout", "wait no longer than that; -1 for ever, 0 not at all").alias("TimeoutSec").takes(jobTimeout()).byDefault("-1"),
			flag("Force", "wait for Disconnected jobs too")),
		positional: [][]string{jobPositions(false)},
		examples: []example{
			{command: "pss get-job | pss wait-job", says: "wait for all",
				output: "Id Name  PSJobTypeName  State      HasMoreData  Location  Command\n-- ----  -------------  -----      -----------  --------  -------\n 1 work  RemoteJob      Completed  True         server01  seq 2"},
			{command: "pss wait-job --name 'build*' --any --timeout 10m", says: "for the first one, not too long"},
		},
		prints: PSJob{},
		run:    runWaitJob,
	}
}

// jobTimeout takes seconds from -1 to what an [int] holds.
func jobTimeout() valueKind {
	k := duration("SECONDS", time.Second, 0, maxInt32*time.Second, false)
	says := k.says
	k.says = func() string { return "-1, " + says() }
	inner := k.check
	k.check = func(text string) (string, *api.Error) {
		if text == "-1" {
			return text, nil
		}
		return inner(text)
	}
	return k
}

func runWaitJob(ctx context.Context, rt *Runtime, in *input) error {
	t, err := readJobs(ctx, rt, in, true)
	if err != nil {
		return err
	}
	force, limited := in.Bool("force"), false
	if d, err := api.ParseDuration(in.String("timeout"), time.Second); err == nil && in.given("timeout") {
		var cancel context.CancelFunc
		ctx, cancel = context.WithTimeout(ctx, d)
		defer cancel()
		limited = true
	}
	done, err := t.wait(ctx, in.Bool("any"), force)
	if limited && ctx.Err() == context.DeadlineExceeded && err != nil {
		rt.tell("The time is over; %s not finished.", countOf(len(t.jobs)-len(done), "job has", "jobs have"))
		return t.end()
	}
	if err != nil {
		return err
	}
	for _, j := range done {
		if j.state() == api.JobDisconnected && !force {
			rt.warn("JobSuspendedDisconnectedWaitWithForce", "Job "+j.name()+" is Disconnected and was not waited for. Take it up again with receive-pssession; wait-job --force waits until it has finished.", j.name())
		}
	}
	if err := rt.write(newPSJobs(done)); err != nil {
		return err
	}
	return t.end()
}

func countOf(n int, one, many string) string {
	if n == 1 {
		return "1 " + one
	}
	return strconv.Itoa(n) + " " + many
}

// jobWait is how long one question about changes may take.
const jobWait = 20 * time.Second

// wait returns the jobs whose state lasts, as soon as that is true of all, or of any one.
// With force only finished ones count. The error of a wait that was cut short comes with
// those that had come so far.
func (t *jobTargets) wait(ctx context.Context, any, force bool) ([]jobTarget, error) {
	list, err := t.agent.Jobs(ctx, 0, 0)
	for {
		if err != nil {
			return nil, err
		}
		var done []jobTarget
		left := 0
		for _, j := range t.jobs {
			now, there := j.in(list.Jobs)
			switch {
			case !there: // somebody removed it
			case now.state().Finished() || now.state().Persistent() && !force:
				done = append(done, now)
			default:
				left++
			}
		}
		if left == 0 || any && len(done) > 0 {
			return done, nil
		}
		if list, err = t.agent.Jobs(ctx, list.Change, jobWait); ctx.Err() != nil {
			return done, ctx.Err()
		}
	}
}

// in finds the job in a newer list.
func (j jobTarget) in(list []api.Job) (jobTarget, bool) {
	i := slices.IndexFunc(list, func(k api.Job) bool { return k.InstanceID == j.job.InstanceID })
	if i < 0 {
		return j, false
	}
	now := jobTarget{job: &list[i]}
	for c := range now.job.Children {
		if j.child != nil && now.job.Children[c].InstanceID == j.child.InstanceID {
			now.child = &now.job.Children[c]
		}
	}
	return now, true
}
