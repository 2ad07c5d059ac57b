package verbs

import (
	"context"
	"slices"
	"strings"

	"pss/remote/api"
)

func init() { register("Receive-Job", []string{"rcjb"}, newReceiveJob) }

func newReceiveJob() *command {
	params := jobParams(false)
	at := []string{setJob}
	return &command{
		name: "Receive-Job", aliases: []string{"rcjb"},
		synopsis: "Delivers what jobs keep and nobody has received.",
		notes: "What was printed is deleted from the job, unless --keep is given; what a killed receive-job had not written out stays. --wait follows until the job has finished or is Disconnected, with --force until it has finished. " +
			"What a command wrote to standard error goes to standard error. The exit code is 1 if a command failed or its exit code is not 0; each code is in the Result of --output ndjson. " +
			"A job that failed before its command began is the error JobStateFailed. A Disconnected job gives what it has; receive-pssession takes it up again. --write-events tells on standard error, and in JSON as objects, how the state changes.",
		sets: jobSets(false), pipeline: true,
		params: append(params,
			list("ComputerName", "only what comes from these computers").alias("Cn").in(at...).takes(notEmpty("COMPUTER")),
			list("Location", "likewise").in(at...).takes(notEmpty("COMPUTER")),
			list("Session", "only what comes from these sessions: Ids or GUIDs").in(at...).takes(sessionText()),
			flag("Keep", "leave what was shown in the job"),
			flag("NoRecurse", "only what the job itself has, not its children: nothing, but for a child that is named"),
			flag("Wait", "follow until the job has finished or is Disconnected"),
			flag("Force", "with --wait: until it has finished"),
			flag("AutoRemoveJob", "with --wait: remove the job when it has finished"),
			flag("WriteEvents", "with --wait: tell how the job's state changes"),
			flag("WriteJobInResults", "with --wait: show the job first")),
		positional: [][]string{jobPositions(false), {"Location"}},
		examples: []example{
			{command: "pss get-job | pss receive-job --keep", says: "look at everything", output: "1\n2"},
			{command: "pss receive-job --name nightly --wait --auto-remove-job", says: "all of it, then the job is gone"},
		},
		run: runReceiveJob,
	}
}

// receiveJobOptions are what the parameters of Receive-Job mean.
type receiveJobOptions struct {
	req                         api.JobStreamRequest
	remove, events, first, none bool
	places                      []string // computers
	sessions                    []string // InstanceIds
}

func readReceiveJob(ctx context.Context, rt *Runtime, in *input) (o receiveJobOptions, err error) {
	o.req = api.JobStreamRequest{Keep: in.Bool("keep"), Wait: in.Bool("wait"), Force: in.Bool("force")}
	o.remove, o.events, o.first, o.none = in.Bool("auto-remove-job"), in.Bool("write-events"), in.Bool("write-job-in-results"), in.Bool("no-recurse")
	o.places = append(in.StringSlice("computer-name"), in.StringSlice("location")...)
	if o.req.Keep && o.req.Wait {
		return o, usage("ParameterBindingFailed", "--keep cannot stand with --wait: what is waited for is received").Hint("wait first (pss wait-job), then receive with --keep")
	}
	for _, name := range []string{"force", "auto-remove-job", "write-events", "write-job-in-results"} {
		if in.Bool(name) && !o.req.Wait {
			return o, usage("InvalidOperation", "--%s needs --wait", name).Hint("add --wait")
		}
	}
	var refs []SessionRef
	for _, text := range in.StringSlice("session") {
		more, err := ParseSessionRefText(text)
		if err != nil {
			return o, err
		}
		refs = append(refs, more...)
	}
	if len(refs) == 0 {
		return o, nil
	}
	agent, err := rt.Agent()
	if err != nil {
		return o, err
	}
	for _, ref := range refs {
		s, err := agent.Session(ctx, ref.text())
		if err != nil {
			return o, err
		}
		o.sessions = append(o.sessions, s.Runspace.InstanceID)
	}
	return o, nil
}

func runReceiveJob(ctx context.Context, rt *Runtime, in *input) error {
	o, err := readReceiveJob(ctx, rt, in)
	if err != nil {
		return err
	}
	t, err := readJobs(ctx, rt, in, true)
	if err != nil {
		return err
	}
	t.jobs = o.narrow(t.jobs)
	to := newJobOutput(jobsTogether(rt, t.jobs))
	deliveries := make([]*jobDelivery, len(t.jobs))
	for i, j := range t.jobs {
		deliveries[i] = newJobDelivery(to, j)
		deliveries[i].events = o.events
	}
	atOnce := 1
	if o.req.Wait {
		atOnce = max(1, len(t.jobs))
	}
	failed := false
	for _, out := range each(deliveries, atOnce, func(_ int, d *jobDelivery) (bool, error) { return t.receive(ctx, d, &o) }) {
		if out.err != nil {
			t.add(out.err)
		}
		failed = failed || out.value
	}
	if err := to.end(); err != nil {
		return err
	}
	if t.failures.count > 0 || failed {
		return exitCode(1)
	}
	return nil
}

// narrow leaves what comes from the wanted computers and sessions.
func (o *receiveJobOptions) narrow(jobs []jobTarget) []jobTarget {
	if o.none {
		return slices.DeleteFunc(jobs, func(j jobTarget) bool { return j.child == nil })
	}
	if len(o.places)+len(o.sessions) == 0 {
		return jobs
	}
	var kept []jobTarget
	for _, j := range jobs {
		for _, n := range j.children() {
			c := &j.job.Children[n-1]
			if matchesAny(o.places, c.ComputerName) || slices.ContainsFunc(o.sessions, func(id string) bool { return strings.EqualFold(id, c.Session) }) {
				kept = append(kept, jobTarget{j.job, c})
			}
		}
	}
	return kept
}

// receive delivers one job and reports whether a command of it did not end well.
func (t *jobTargets) receive(ctx context.Context, d *jobDelivery, o *receiveJobOptions) (failed bool, err error) {
	if o.first {
		if err := d.to.job(d.target); err != nil {
			return false, err
		}
	}
	if err := d.run(ctx, t.agent, o.req); err != nil {
		return false, err
	}
	code, err := d.results()
	if err == nil {
		err = d.Flush()
	}
	if err != nil {
		return false, err
	}
	for _, e := range d.failed() {
		t.reportOne(d.to, e)
	}
	if o.remove && d.target.job.State.Finished() {
		if err := t.agent.RemoveJob(ctx, d.target.job.InstanceID, false); err != nil {
			return false, api.AsError(err).WithID("ReceiveJobAutoRemovalError").On(d.target.name())
		}
	}
	return code != 0, nil
}

// reportOne reports an error while other jobs are still received.
func (t *jobTargets) reportOne(to *jobOutput, err error) {
	to.mu.Lock()
	defer to.mu.Unlock()
	t.add(err)
}

// job shows the job itself before its results.
func (o *jobOutput) job(j jobTarget) error {
	o.mu.Lock()
	defer o.mu.Unlock()
	if !o.rt.machine() {
		if err := o.out.Flush(); err != nil {
			return jobWriteFailed(err)
		}
		return o.rt.write(newPSJobs([]jobTarget{j}))
	}
	return o.object(&struct {
		Type string
		PSJob
	}{"Job", j.object()})
}
