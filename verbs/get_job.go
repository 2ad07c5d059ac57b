package verbs

import (
	"context"
	"slices"
	"strconv"
	"time"

	"pss/remote/api"
)

func init() { register("Get-Job", []string{"gjb"}, newGetJob) }

func newGetJob() *command {
	return &command{
		name: "Get-Job", aliases: []string{"gjb"},
		synopsis: "Gets the jobs of this client session.",
		notes: "A job is what invoke-command --as-job, or receive-pssession --out-target Job, has made: it keeps what commands in sessions print, on this computer's disk, whether or not a cmdlet or the agent is there. " +
			"Its children, one for each session, have Ids of the same count. A job is Completed when its command has ended by itself, whatever its exit code. " +
			"It is Disconnected when its session was disconnected, is held by another client, or its computer did not answer for the retry window: receive-pssession takes it up again, connect-pssession alone does not. " +
			"--before and --after compare the end of a job. A job of pss is never Blocked or Suspended. Jobs are kept until they are removed; those of a client session that is over for another 7 days (retain_jobs), for when one of its name comes back.",
		sets: jobSets(true, setState, setCommand, setFilter),
		params: append(jobParams(true, setState, setCommand, setFilter),
			flag("IncludeChildJob", "show the children too"),
			value("ChildJobState", "show the children in this state too").takes(oneOfThese(jobStates...)),
			value("HasMoreData", "only jobs of which this is true or false").takes(boolean()),
			value("Before", "only jobs that ended before a time (RFC 3339, or 15:04), or a duration ago (90s, 2h)").takes(timeText()),
			value("After", "only jobs that ended after it").takes(timeText()),
			value("Newest", "only so many, those that were made last").takes(wholeNumber(1, maxInt32))),
		positional: [][]string{jobPositions(true)},
		examples: []example{
			{command: "pss get-job", says: "what this client session has",
				output: "Id Name  PSJobTypeName  State      HasMoreData  Location  Command\n-- ----  -------------  -----      -----------  --------  -------\n 1 work  RemoteJob      Completed  True         server01  seq 2"},
			{command: "pss get-job --has-more-data true | pss receive-job --keep", says: "look at everything that was not received"},
		},
		prints: PSJob{},
		run:    runGetJob,
	}
}

// timeText takes what parseSince reads.
func timeText() valueKind {
	return valueKind{shows: "TIME", check: func(text string) (string, *api.Error) {
		if _, err := parseSince(text, time.Now()); err != nil {
			return "", conversion("cannot be %q: %v", text, err)
		}
		return text, nil
	}}
}

func runGetJob(ctx context.Context, rt *Runtime, in *input) error {
	t, err := readJobs(ctx, rt, in, true)
	if err != nil {
		return err
	}
	if err := filterJobs(t, in); err != nil {
		return err
	}
	var shown []jobTarget
	state := in.String("child-job-state")
	for _, j := range t.jobs {
		shown = append(shown, j)
		for i := range j.job.Children {
			c := &j.job.Children[i]
			if j.child == nil && (in.Bool("include-child-job") && state == "" || state != "" && string(c.State) == state) {
				shown = append(shown, jobTarget{j.job, c})
			}
		}
	}
	slices.SortStableFunc(shown, func(x, y jobTarget) int { return x.object().ID - y.object().ID })
	if err := rt.write(newPSJobs(shown)); err != nil {
		return err
	}
	return t.end()
}

// filterJobs leaves the jobs that the filtering parameters name.
func filterJobs(t *jobTargets, in *input) error {
	var before, after time.Time
	var err error
	if text := in.String("before"); text != "" {
		if before, err = parseSince(text, time.Now()); err != nil {
			return err
		}
	}
	if text := in.String("after"); text != "" {
		if after, err = parseSince(text, time.Now()); err != nil {
			return err
		}
	}
	t.jobs = slices.DeleteFunc(t.jobs, func(j jobTarget) bool {
		o := j.object()
		more := in.String("has-more-data")
		return more != "" && more != strconv.FormatBool(o.HasMoreData) ||
			!before.IsZero() && (o.PSEndTime == nil || !o.PSEndTime.Before(before)) ||
			!after.IsZero() && (o.PSEndTime == nil || !o.PSEndTime.After(after))
	})
	if n, err := strconv.Atoi(in.String("newest")); err == nil && n < len(t.jobs) {
		slices.SortStableFunc(t.jobs, func(x, y jobTarget) int { return x.job.Began.Compare(y.job.Began) })
		t.jobs = t.jobs[len(t.jobs)-n:]
	}
	return nil
}
