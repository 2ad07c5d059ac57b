package verbs

import (
	"context"

	"pss/remote/api"
)

func init() { register("Stop-Job", []string{"spjb"}, newStopJob) }

func newStopJob() *command {
	return &command{
		name: "Stop-Job", aliases: []string{"spjb"},
		synopsis: "Stops the commands of jobs.",
		notes: "It is Ctrl-C for the command, and waits for its end; what it printed stays in the job. A finished job is left as it is. " +
			"A Disconnected one is connected first; if its computer does not answer, the error is StopJobCannotConnectToServer and the job stays as it is.",
		sets: jobSets(false, setState, setFilter), pipeline: true, should: true,
		params:     append(jobParams(false, setState, setFilter), flag("PassThru", "show the jobs, also those that had finished"), throttleParam()),
		positional: [][]string{jobPositions(false)},
		examples:   []example{{command: "pss stop-job --name nightly", says: "by name"}, {command: "pss get-job --state Running | pss stop-job", says: "everything"}},
		prints:     PSJob{},
		run:        runStopJob,
	}
}

func runStopJob(ctx context.Context, rt *Runtime, in *input) error {
	t, err := readJobs(ctx, rt, in, true)
	if err != nil {
		return err
	}
	if err := t.agreed("Stop"); err != nil {
		return err
	}
	var shown []jobTarget
	for i, o := range each(t.jobs, throttle(in), func(_ int, j jobTarget) (*api.Job, error) {
		if j.state().Finished() {
			return j.job, nil
		}
		return t.agent.StopJob(ctx, j.ref())
	}) {
		if o.err != nil {
			t.add(o.err)
			continue
		}
		now, _ := t.jobs[i].in([]api.Job{*o.value})
		shown = append(shown, now)
	}
	if in.Bool("pass-thru") {
		if err := rt.write(newPSJobs(shown)); err != nil {
			return err
		}
	}
	return t.end()
}
