package verbs

import (
	"context"
	"slices"
	"strconv"
	"strings"

	"pss/remote/api"
	"pss/remote/client"
)

// The parameter sets of cmdlets that select jobs; setID, setName and setInstance are
// shared with those that select sessions.
const (
	setJob     = "Job"
	setState   = "State"
	setCommand = "Command"
	setFilter  = "Filter"
)

// jobSets are the parameter sets of a cmdlet that selects jobs. more are those beside
// Id, Name, InstanceId and, unless nothing named means all jobs, Job.
func jobSets(all bool, more ...string) []paramSet {
	sets := []paramSet{{setID, []string{"Id"}}, {setName, []string{"Name"}}, {setInstance, []string{"InstanceId"}}}
	if all {
		sets[0].mandatory = nil
	} else {
		sets = append(sets, paramSet{setJob, []string{"Job"}})
	}
	for _, name := range more {
		sets = append(sets, paramSet{name, []string{name}})
	}
	return sets
}

// jobParams are the parameters that findJobs reads, in the sets of jobSets.
func jobParams(all bool, more ...string) []param {
	params := []param{
		list("Id", "Ids of jobs or their children").in(setID).takes(idNumber()),
		list("Name", "names; * ? [a-z] are wildcards").in(setName).takes(notEmpty("NAME")),
		list("InstanceId", "GUIDs").in(setInstance).takes(guid()),
	}
	if !all {
		job := list("Job", "an Id, a GUID, a name, JSON or the table's text; - reads jobs from standard input").in(setJob).takes(jobText())
		job.Objects = true
		params = append(params, job)
	}
	for _, name := range more {
		switch name {
		case setFilter:
			params = append(params, value("Filter", "").in(setFilter).refused("name the jobs, or take them from pss get-job --output ndjson | jq"))
		case setState:
			params = append(params, value("State", "only jobs in this state").in(setState).takes(oneOfThese(jobStates...)))
		case setCommand:
			params = append(params, list("Command", "jobs that run such a command; * ? [a-z] are wildcards").in(setCommand).takes(notEmpty("TEXT")))
		}
	}
	return params
}

// jobPositions are what a bare word can mean.
func jobPositions(all bool) []string {
	if all {
		return []string{"Id", "InstanceId", "Name"}
	}
	return []string{"Id", "InstanceId", "Job"}
}

// jobStates are PowerShell's.
var jobStates = []string{"NotStarted", "Running", "Completed", "Failed", "Stopped", "Blocked", "Suspended", "Disconnected", "Suspending", "Stopping", "AtBreakpoint"}

// jobText takes what names a job: an Id, a GUID, a name, JSON, a table's text, or -.
func jobText() valueKind {
	return valueKind{shows: "JOB", check: func(text string) (string, *api.Error) {
		if _, err := jobRefs.parse(text, true); err != nil && text != "-" {
			return "", toError(err)
		}
		if text == "" {
			return "", usage("ParameterArgumentValidationErrorEmptyStringNotAllowed", "cannot be empty")
		}
		return text, nil
	}}
}

// boolean takes True and False as PowerShell and a shell write them.
func boolean() valueKind {
	return valueKind{shows: "{True | False}", check: func(text string) (string, *api.Error) {
		b, err := strconv.ParseBool(strings.ToLower(strings.TrimPrefix(text, "$")))
		if err != nil {
			return "", conversion("cannot be %q", text).Hint("use True or False")
		}
		return strconv.FormatBool(b), nil
	}}
}

// jobTarget is a job that a cmdlet works on, or one of its children.
type jobTarget struct {
	job   *api.Job
	child *api.ChildJob // nil: the whole job
}

// ref is what the agent knows it by.
func (t jobTarget) ref() string {
	if t.child != nil {
		return t.child.InstanceID
	}
	return t.job.InstanceID
}

// name is how people know it.
func (t jobTarget) name() string {
	if t.child != nil {
		return t.child.Name
	}
	return t.job.Name
}

func (t jobTarget) state() api.JobState {
	if t.child != nil {
		return t.child.State
	}
	return t.job.State
}

func (t jobTarget) object() PSJob {
	if t.child != nil {
		return newPSChildJob(t.job, t.child)
	}
	return newPSJob(t.job)
}

// children are the numbers of those of the job's children that are meant, from 1.
func (t jobTarget) children() []int {
	var list []int
	for i := range t.job.Children {
		if t.child == nil || t.child.InstanceID == t.job.Children[i].InstanceID {
			list = append(list, i+1)
		}
	}
	return list
}

// jobTargets are the jobs that a cmdlet works on, and what went wrong with some.
type jobTargets struct {
	*failures
	agent *client.Client
	jobs  []jobTarget
	count int // those that were not found included
}

// readJobs finds the jobs that the command line or standard input names. recurse also
// finds children by their names.
func readJobs(ctx context.Context, rt *Runtime, in *input, recurse bool) (*jobTargets, error) {
	t := &jobTargets{failures: &failures{rt: rt, cmd: in.cmd}}
	refs, selected, err := jobRefsOf(rt, in)
	if err != nil {
		return nil, err
	}
	if t.agent, err = rt.Agent(); err != nil {
		return nil, err
	}
	all, err := t.all(ctx)
	if err != nil {
		return nil, err
	}
	switch {
	case in.given("state"):
		t.jobs = slices.DeleteFunc(all, func(j jobTarget) bool { return string(j.job.State) != in.String("state") })
	case in.given("command"):
		t.jobs = slices.DeleteFunc(all, func(j jobTarget) bool { return !matchesAny(in.StringSlice("command"), j.job.Command) })
	case !selected:
		t.jobs = all
	default:
		for _, ref := range refs {
			t.resolve(all, ref, recurse)
		}
	}
	if in.cmd.pipeline { // what is done to a job is done to its children
		whole := map[string]bool{}
		for _, j := range t.jobs {
			whole[j.job.InstanceID] = whole[j.job.InstanceID] || j.child == nil
		}
		t.jobs = slices.DeleteFunc(t.jobs, func(j jobTarget) bool { return j.child != nil && whole[j.job.InstanceID] })
	}
	t.count = len(t.jobs) + t.failures.count
	return t, nil
}

// all are the jobs of the client session.
func (t *jobTargets) all(ctx context.Context) ([]jobTarget, error) {
	list, err := t.agent.Jobs(ctx, 0, 0)
	if err != nil {
		return nil, err
	}
	all := make([]jobTarget, len(list.Jobs))
	for i := range list.Jobs {
		all[i].job = &list.Jobs[i]
	}
	return all, nil
}

func matchesAny(patterns []string, text string) bool {
	return slices.ContainsFunc(patterns, func(p string) bool { return MatchWildcard(p, text) })
}

// jobRefsOf reads what names jobs. selected is false for a cmdlet that then means all.
func jobRefsOf(rt *Runtime, in *input) (refs []SessionRef, selected bool, err error) {
	texts := []string{}
	if in.cmd.pipeline {
		texts = in.StringSlice("job")
	}
	stdin := false
	for _, text := range texts {
		if text == "-" {
			stdin = true
			continue
		}
		more, err := jobRefs.parse(text, true)
		if err != nil {
			return nil, false, err
		}
		refs = append(refs, more...)
	}
	for _, text := range in.StringSlice("id") {
		id, _ := parseID(text)
		refs = append(refs, SessionRef{ID: id})
	}
	for _, id := range in.StringSlice("instance-id") {
		refs = append(refs, SessionRef{InstanceID: id})
	}
	for _, name := range in.StringSlice("name") {
		refs = append(refs, SessionRef{Name: name})
	}
	if len(refs) > 0 || len(texts) > 0 && !stdin {
		return refs, true, nil
	}
	if !in.cmd.pipeline || !stdin && (in.given("state") || in.given("command")) {
		return nil, false, nil
	}
	if !stdin && rt.stdinTerminal() {
		return nil, false, usage("MissingMandatoryParameter", "no job was named").
			Hint("give --id, --name or --job, or pipe jobs in; pss help %s", strings.ToLower(in.cmd.name))
	}
	refs, err = jobRefs.read(rt.Stdin)
	return refs, true, err
}

// resolve adds what ref names, each job once, or reports that it is not there.
func (t *jobTargets) resolve(all []jobTarget, ref SessionRef, recurse bool) {
	named := ref.ID == 0 && ref.InstanceID == ""
	hit := false
	add := func(j jobTarget) {
		hit = true
		if !slices.ContainsFunc(t.jobs, func(k jobTarget) bool { return k.ref() == j.ref() }) {
			t.jobs = append(t.jobs, j)
		}
	}
	for _, j := range all {
		if named && MatchWildcard(ref.Name, j.job.Name) || !named && ref.isJob(j.job.ID, j.job.InstanceID) {
			add(j)
		}
		for i := range j.job.Children {
			c := &j.job.Children[i]
			if named && recurse && MatchWildcard(ref.Name, c.Name) || !named && ref.isJob(c.ID, c.InstanceID) {
				add(jobTarget{j.job, c})
			}
		}
	}
	if hit || named && HasWildcard(ref.Name) {
		return
	}
	t.add(ref.noJob().Hint("pss get-job lists the jobs of this client session"))
}

// isJob reports whether the reference is to the job with this identity.
func (r SessionRef) isJob(id int, instance string) bool {
	if r.InstanceID != "" {
		return strings.EqualFold(r.InstanceID, instance)
	}
	return r.ID == id
}

// noJob is the error of a reference to nothing.
func (r SessionRef) noJob() *api.Error {
	switch {
	case r.InstanceID != "":
		return api.Errorf(api.CodeJobNotFound, "there is no job with the InstanceId %s in this client session", r.InstanceID).
			WithID("JobWithSpecifiedInstanceIdNotFound").On(r.InstanceID)
	case r.ID != 0:
		return api.Errorf(api.CodeJobNotFound, "there is no job with the Id %d in this client session", r.ID).
			WithID("JobWithSpecifiedSessionNotFound").On(strconv.Itoa(r.ID))
	}
	return api.Errorf(api.CodeJobNotFound, "there is no job named %q in this client session", r.Name).
		WithID("JobWithSpecifiedNameNotFound").On(r.Name)
}

// agreed leaves the jobs for which action was not refused by -WhatIf or -Confirm.
func (t *jobTargets) agreed(action string) error {
	var kept []jobTarget
	for _, j := range t.jobs {
		ok, err := t.rt.should(action, j.name())
		if err != nil {
			return err
		}
		if ok {
			kept = append(kept, j)
		}
	}
	t.jobs = kept
	return nil
}

// end is the exit code: that of the one error when it was the only target.
func (t *jobTargets) end() error { return t.result(t.count) }
