package verbs

import (
	"context"
	"slices"
	"strings"
	"time"

	"pss/remote/api"
)

func init() {
	registerKind(objectKind{owns: func(labels []string) bool { return slices.Contains(labels, jobRefs.own) }, fetch: fetchJobs})
}

// fetchJobs asks for the jobs that a text names.
func fetchJobs(ctx context.Context, rt *Runtime, f *failures, text string) (any, error) {
	refs, err := jobRefs.parse(text, true)
	if err != nil {
		return nil, err
	}
	t := &jobTargets{failures: f}
	if t.agent, err = rt.Agent(); err != nil {
		return nil, err
	}
	all, err := t.all(ctx)
	if err != nil {
		return nil, err
	}
	for _, ref := range refs {
		t.resolve(all, ref, true)
	}
	return newPSJobs(t.jobs), nil
}

// PSJob is a job, or one of its children, as users and scripts see it. Its JSON is a
// contract (pss help about_JSON_Output).
type PSJob struct {
	ID            int    `json:"Id" table:"Id,right"`
	Name          string `table:"Name"`
	InstanceID    string `json:"InstanceId"`
	PSJobTypeName string `table:"PSJobTypeName"`
	State         string `table:"State"`
	HasMoreData   bool   `table:"HasMoreData"`
	Location      string `table:"Location"` // computers, separated by commas
	JobStateInfo  PSJobStateInfo
	StatusMessage string
	ExitCode      *int       `wide:"ExitCode,right"` // of the command, if there is one only and it has ended
	UnreadRecords uint64     `wide:"UnreadRecords,right"`
	RunspaceID    string     `json:"RunspaceId"` // InstanceId of the session of a child, or of the only one
	PSBeginTime   *time.Time `wide:"PSBeginTime"`
	PSEndTime     *time.Time `wide:"PSEndTime"`
	ChildJobs     []PSJob    `wide:"-"`
	Command       string     `table:"Command"` // first 256 characters
}

// PSJobStateInfo is a job's state with the reason for it.
type PSJobStateInfo struct {
	State  string
	Reason string
}

// String is how a list shows it.
func (i PSJobStateInfo) String() string { return i.State }

// newPSJob is the only mapping between wire and output.
func newPSJob(j *api.Job) PSJob {
	o := PSJob{
		ID: j.ID, Name: j.Name, InstanceID: j.InstanceID, PSJobTypeName: api.PSJobType, State: string(j.State), HasMoreData: j.HasMoreData,
		Location: strings.Join(j.Location(), ","), Command: j.Command, PSBeginTime: begun(j.Began), PSEndTime: j.Ended, ChildJobs: []PSJob{},
		JobStateInfo: PSJobStateInfo{State: string(j.State)},
	}
	for i := range j.Children {
		c := newPSChildJob(j, &j.Children[i])
		o.ChildJobs = append(o.ChildJobs, c)
		o.UnreadRecords += c.UnreadRecords
		if o.JobStateInfo.Reason == "" && c.State == o.State {
			o.JobStateInfo.Reason = c.JobStateInfo.Reason
		}
	}
	if len(o.ChildJobs) == 1 {
		o.ExitCode, o.RunspaceID = o.ChildJobs[0].ExitCode, o.ChildJobs[0].RunspaceID
	}
	return o
}

func newPSChildJob(j *api.Job, c *api.ChildJob) PSJob {
	o := PSJob{
		ID: c.ID, Name: c.Name, InstanceID: c.InstanceID, State: string(c.State), HasMoreData: c.HasMoreData,
		Location: c.ComputerName, Command: j.Command, ExitCode: c.ExitCode, UnreadRecords: c.UnreadRecords, RunspaceID: c.Session,
		PSBeginTime: begun(c.Began), PSEndTime: c.Ended, ChildJobs: []PSJob{}, JobStateInfo: PSJobStateInfo{State: string(c.State)},
	}
	if c.Error != nil {
		o.JobStateInfo.Reason = c.Error.Message
	}
	return o
}

func begun(t time.Time) *time.Time {
	if t.IsZero() {
		return nil
	}
	return &t
}

func newPSJobs(list []jobTarget) []PSJob {
	out := make([]PSJob, len(list))
	for i, t := range list {
		out[i] = t.object()
	}
	return out
}
