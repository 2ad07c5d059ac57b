package api

import (
	"slices"
	"time"
)

// JobState is PowerShell's JobState, as far as pss has it: no command of a shell is
// ever suspended, or known to wait for an answer (Blocked).
type JobState string

// The job states.
const (
	JobNotStarted   JobState = "NotStarted"
	JobRunning      JobState = "Running"
	JobCompleted    JobState = "Completed"
	JobFailed       JobState = "Failed"
	JobStopped      JobState = "Stopped"
	JobDisconnected JobState = "Disconnected"
	JobStopping     JobState = "Stopping"
)

// Finished reports whether nothing can change the state any more.
func (s JobState) Finished() bool {
	return s == JobCompleted || s == JobFailed || s == JobStopped
}

// Persistent reports whether the state lasts until somebody does something: what
// Wait-Job waits for unless it is told to force.
func (s JobState) Persistent() bool { return s.Finished() || s == JobDisconnected }

// Live reports whether the agent works for a child job in this state.
func (s JobState) Live() bool { return !s.Persistent() }

// JobStateOf derives the state of a job from those of its children; stopped says
// that Stop-Job was called.
func JobStateOf(children []JobState, stopped bool) JobState {
	count := map[JobState]int{}
	unfinished := 0
	for _, s := range children {
		count[s]++
		if !s.Finished() {
			unfinished++
		}
	}
	switch {
	case unfinished > 0 && count[JobDisconnected] == unfinished:
		return JobDisconnected
	case unfinished > 0 && count[JobNotStarted] == len(children):
		return JobNotStarted
	case unfinished > 0 && stopped:
		return JobStopping
	case unfinished > 0:
		return JobRunning
	case count[JobFailed] > 0:
		return JobFailed
	case stopped, count[JobStopped] > 0:
		return JobStopped
	}
	return JobCompleted
}

// PSJobType is PowerShell's PSJobTypeName of a job that runs in a session.
const PSJobType = "RemoteJob"

// Job is a job of one client session: what it keeps of commands in sessions, one
// child for each. Its Id is of the same count as its children's.
type Job struct {
	ID         int
	InstanceID string // GUID, chosen by whoever made it: a repeated request finds the first one
	Name       string
	Command    string // the first 256 characters; empty if the job was made of commands that ran
	State      JobState
	Stopped    bool `json:",omitempty"` // Stop-Job was called
	// HideComputerName says that its lines are shown without their computer.
	HideComputerName bool       `json:",omitempty"`
	HasMoreData      bool       // not finished, or something was not received
	Began            time.Time  // wall clock
	Ended            *time.Time `json:",omitempty"`
	Children         []ChildJob
}

// ChildJob is the part of a job that runs in one session.
type ChildJob struct {
	ID            int
	InstanceID    string
	Name          string
	State         JobState
	HasMoreData   bool
	ComputerName  string // as typed
	Session       string // InstanceId of its session; empty until that is made
	Pipeline      string `json:",omitempty"` // GUID of its command; empty if it took over what there was
	Temporary     bool   `json:",omitempty"` // the session is the job's own and ends with it
	Began         time.Time
	Ended         *time.Time `json:",omitempty"`
	Outcome       Outcome    `json:",omitempty"`
	ExitCode      *int       `json:",omitempty"`
	Error         *Error     `json:",omitempty"` // why it failed, or is Disconnected
	UnreadRecords uint64
}

// SetState makes the job's state and HasMoreData those of its children.
func (j *Job) SetState() {
	states := make([]JobState, len(j.Children))
	j.HasMoreData = false
	for i := range j.Children {
		states[i] = j.Children[i].State
		j.HasMoreData = j.HasMoreData || j.Children[i].HasMoreData
	}
	j.State = JobStateOf(states, j.Stopped)
}

// Location names the computers of the job's children.
func (j *Job) Location() []string {
	var names []string
	for i := range j.Children {
		if c := j.Children[i].ComputerName; !slices.Contains(names, c) {
			names = append(names, c)
		}
	}
	return names
}

// JobList answers GET jobs: the asker's, by Id.
type JobList struct {
	Version string
	// Change is another one after each change of a job: QueryAfter waits for that.
	Change uint64
	Jobs   []Job
}

// JobRequest makes a job; the path carries its InstanceID.
type JobRequest struct {
	Name string `json:",omitempty"` // "Job<Id>" when empty
	// Command is run in every target. Without one the job takes over what runs there, or
	// has run and was not received.
	Command          *Command `json:",omitempty"`
	Targets          []JobTarget
	Connect          *JobConnectRequest `json:",omitempty"` // how sessions are connected that are not
	RetryWindowMs    int64              `json:",omitempty"` // how long a lost connection is tried again
	ThrottleLimit    int                `json:",omitempty"` // how many of its commands run at once
	HideComputerName bool               `json:",omitempty"`
}

// JobTarget is where a child job runs: in a session that the client session knows, or
// in a new one, which ends with the child.
type JobTarget struct {
	Session string         `json:",omitempty"` // Id or InstanceId
	Create  *CreateRequest `json:",omitempty"`
}

// JobConnectRequest takes up a job that is Disconnected.
type JobConnectRequest struct {
	Options    SessionOption     `json:",omitzero"` // of them OutputBufferingMode takes effect
	Connection *ConnectionOption `json:",omitempty"`
}

// JobStreamRequest opens a connection on which a job's output is delivered: Pipeline
// of a record is the number of its child, from 1, and Seq counts what that child keeps.
type JobStreamRequest struct {
	Stream string            // names this delivery: a resumption replaces the broken connection
	After  map[uint32]uint64 `json:",omitempty"` // resume behind these records, per child
	Keep   bool              `json:",omitempty"` // what is delivered stays, and who receives it is not disturbed
	Wait   bool              `json:",omitempty"` // until the job's state lasts
	Force  bool              `json:",omitempty"` // with Wait: until it has finished
}
