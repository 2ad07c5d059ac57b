package agent

import (
	"os"
	"path/filepath"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
	"pss/config"
	"pss/remote/api"
	"pss/remote/client"
)

// jobsAgent is an agent with jobs on disk and no network.
func jobsAgent(t *testing.T, home string) *Agent {
	a := testAgent(t, filepath.Join(home, "table"))
	a.ctx, a.conf, a.active = t.Context(), &config.Client{}, client.NewActivity()
	a.paths = config.Paths{Config: home, State: home}
	require.NoError(t, os.MkdirAll(a.paths.AgentDir(), 0o700))
	a.jobs, a.jobWake = map[string]*job{}, make(chan struct{})
	require.NoError(t, a.loadJobs())
	return a
}

// A job is on disk as it is shown: the next agent has it, with the count of its Ids.
func TestJobsSurviveTheAgent(t *testing.T) {
	home := t.TempDir()
	a := jobsAgent(t, home)
	c := newClientSession("name:x")
	a.clients[c.key] = c
	dir := filepath.Join(a.jobsDir(), "g")
	require.NoError(t, os.Mkdir(dir, 0o700))
	j := &job{dir: dir, client: c.key, window: time.Minute, slots: make(chan struct{}, 3), facts: api.Job{InstanceID: "g", Name: "n", Began: time.Now()}}
	j.facts.ID = a.numberJobLocked(c)
	ch := &child{j: j, number: 1, pipeline: "p", facts: api.ChildJob{ID: a.numberJobLocked(c), InstanceID: "h", State: api.JobDisconnected, Session: "s", ComputerName: "https://far:7"}}
	j.children = []*child{ch}
	a.jobs["g"] = j
	a.changedLocked(j)
	store, release, err := ch.open()
	require.NoError(t, err)
	require.NoError(t, store.Append(&api.Record{Pipeline: 4, Seq: 9, Kind: api.KindOutput, Data: []byte("x")}))
	release()
	require.NoError(t, os.Mkdir(filepath.Join(a.jobsDir(), "half"), 0o700))

	b := jobsAgent(t, home)
	require.NoDirExists(t, filepath.Join(b.jobsDir(), "half"))
	require.Len(t, b.jobs, 1)
	again := b.jobs["g"]
	assert.Equal(t, time.Minute, again.window)
	assert.Equal(t, 3, cap(again.slots))
	shown := again.shownLocked()
	assert.Equal(t, api.JobDisconnected, shown.State)
	assert.Equal(t, "far", shown.Children[0].ComputerName, "as it is called")
	assert.Equal(t, "https://far:7", again.children[0].facts.ComputerName, "as it is reached")
	assert.EqualValues(t, 1, shown.Children[0].UnreadRecords)
	assert.True(t, shown.HasMoreData)
	back := newClientSession("name:x")
	assert.Equal(t, 3, b.numberJobLocked(back), "an Id is never given twice")
	for _, ref := range []string{"1", "2", "g", "H"} {
		found, _, err := b.findJobLocked(back, ref)
		require.NoError(t, err, ref)
		assert.Same(t, again, found)
	}
	_, _, err = b.findJobLocked(newClientSession("name:y"), "1")
	assert.True(t, api.IsCode(err, api.CodeJobNotFound), "it is another client session's")

	require.NoError(t, b.dropJob(again))
	_, _, err = again.children[0].open()
	assert.Error(t, err, "a job that is gone makes no files")
	assert.NoDirExists(t, dir)
}

// A client session ends only when its jobs have nothing to do any more, and takes them
// with it after a while.
func TestQuietClientSessionWithAJob(t *testing.T) {
	a := jobsAgent(t, t.TempDir())
	c := newClientSession("name:x")
	c.last = time.Now().Add(-time.Hour)
	a.clients[c.key] = c
	dir := filepath.Join(a.jobsDir(), "g")
	require.NoError(t, os.Mkdir(dir, 0o700))
	j := &job{dir: dir, client: c.key, slots: make(chan struct{}, 1), facts: api.Job{ID: 1, InstanceID: "g"}}
	ch := &child{j: j, number: 1, run: &run{}, facts: api.ChildJob{ID: 2, State: api.JobRunning}}
	j.children = []*child{ch}
	a.jobs["g"] = j
	a.endQuiet()
	assert.False(t, c.ending)
	ch.run, ch.facts.State = nil, api.JobCompleted
	a.endQuiet()
	require.Eventually(t, func() bool {
		a.mu.Lock()
		defer a.mu.Unlock()
		return a.clients[c.key] == nil
	}, 5*time.Second, time.Millisecond)
	a.sweepJobs()
	require.Len(t, a.jobs, 1, "it may come back")
	a.mu.Lock()
	j.left = time.Now().Add(-2 * config.DefaultRetainJobs)
	a.mu.Unlock()
	a.sweepJobs()
	assert.Empty(t, a.jobs)
	assert.NoDirExists(t, dir)
}
