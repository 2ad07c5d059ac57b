package api_test

import (
	"testing"

	"github.com/stretchr/testify/assert"

	"pss/remote/api"
)

func init() {
	messages["job-connect"] = func() any { return &api.JobConnectRequest{} }
	messages["job-list"] = func() any { return &api.JobList{} }
	messages["job-request"] = func() any { return &api.JobRequest{} }
	messages["job-stream"] = func() any { return &api.JobStreamRequest{} }
}

// The state of a job follows from its children's, as PowerShell derives it.
func TestJobState(t *testing.T) {
	const (
		n, r, c, f, s = api.JobNotStarted, api.JobRunning, api.JobCompleted, api.JobFailed, api.JobStopped
		d, g          = api.JobDisconnected, api.JobStopping
	)
	for _, row := range []struct {
		children []api.JobState
		stopped  bool
		want     api.JobState
	}{
		{[]api.JobState{n}, false, n},
		{[]api.JobState{n, r}, false, r},
		{[]api.JobState{c, n}, false, r},
		{[]api.JobState{r, c}, false, r},
		{[]api.JobState{c, c}, false, c},
		{[]api.JobState{c, f}, false, f},
		{[]api.JobState{s, c}, false, s},
		{[]api.JobState{s, f}, true, f},
		{[]api.JobState{c, c}, true, s},
		{[]api.JobState{d}, false, d},
		{[]api.JobState{d, c, f}, false, d},
		{[]api.JobState{d, r}, false, r},
		{[]api.JobState{d, n}, false, r},
		{[]api.JobState{g, c}, true, g},
		{[]api.JobState{r, d}, true, g},
		{[]api.JobState{d, c}, true, d},
	} {
		assert.Equal(t, row.want, api.JobStateOf(row.children, row.stopped), "%v %v", row.children, row.stopped)
	}
	for _, st := range []api.JobState{n, r, c, f, s, d, g} {
		assert.Equal(t, st == c || st == f || st == s, st.Finished(), st)
		assert.Equal(t, st.Finished() || st == d, st.Persistent(), st)
		assert.Equal(t, !st.Persistent(), st.Live(), st)
	}
}

// A job has more data as long as one of its children has, and names each computer once.
func TestJobOfItsChildren(t *testing.T) {
	j := &api.Job{Children: []api.ChildJob{
		{State: api.JobCompleted, ComputerName: "Server01"},
		{State: api.JobRunning, HasMoreData: true, ComputerName: "Server02"},
		{State: api.JobDisconnected, ComputerName: "Server01"},
	}}
	j.SetState()
	assert.Equal(t, api.JobRunning, j.State)
	assert.True(t, j.HasMoreData)
	assert.Equal(t, []string{"Server01", "Server02"}, j.Location())
}
