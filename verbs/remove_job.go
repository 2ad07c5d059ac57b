package verbs

import (
	"context"
)

func init() { register("Remove-Job", []string{"rjb"}, newRemoveJob) }

func newRemoveJob() *command {
	return &command{
		name: "Remove-Job", aliases: []string{"rjb"},
		synopsis: "Deletes jobs with the output that they keep.",
		notes: "A job that has not finished is refused unless --force is given, which stops its command first. As in PowerShell, --state and --command need no --force. " +
			"A child cannot be removed alone. If the computer of a job does not answer, the job is removed here and an error says that its command may go on there.",
		sets: jobSets(false, setState, setCommand, setFilter), pipeline: true, should: true,
		params: append(jobParams(false, setState, setCommand, setFilter),
			flag("Force", "stop a job first that has not finished").alias("F").in(setID, setName, setInstance, setJob), throttleParam()),
		positional: [][]string{jobPositions(false)},
		examples:   []example{{command: "pss remove-job --id 1", says: "one job"}, {command: "pss get-job --has-more-data false | pss remove-job", says: "what was received"}},
		run:        runRemoveJob,
	}
}

func runRemoveJob(ctx context.Context, rt *Runtime, in *input) error {
	t, err := readJobs(ctx, rt, in, false)
	if err != nil {
		return err
	}
	if err := t.agreed("Remove"); err != nil {
		return err
	}
	force := in.Bool("force") || in.given("state") || in.given("command")
	for _, o := range each(t.jobs, throttle(in), func(_ int, j jobTarget) (struct{}, error) {
		return struct{}{}, t.agent.RemoveJob(ctx, j.ref(), force)
	}) {
		t.add(o.err)
	}
	return t.end()
}
