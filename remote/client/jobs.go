package client

import (
	"context"
	"net/http"
	"net/url"
	"strconv"
	"time"

	"pss/remote/api"
)

// Jobs lists the jobs of the asker's client session. With a wait it returns as soon as
// one has changed since the list with the Change after, or when the wait is over.
func (c *Client) Jobs(ctx context.Context, after uint64, wait time.Duration) (*api.JobList, error) {
	path := api.RouteJobs
	if wait > 0 {
		path += "?" + url.Values{api.QueryAfter: {strconv.FormatUint(after, 10)}, api.QueryWait: {wait.String()}}.Encode()
	}
	list := &api.JobList{}
	return list, c.Do(ctx, Request{Method: http.MethodGet, Path: path, Out: list})
}

// Job returns one job, which is named by its Id or InstanceId, or by a child's.
func (c *Client) Job(ctx context.Context, job string) (*api.Job, error) {
	j := &api.Job{}
	return j, c.Do(ctx, Request{Method: http.MethodGet, Path: api.JobPath(job, ""), Out: j})
}

// MakeJob makes the job with this InstanceId, or returns the one that has it.
func (c *Client) MakeJob(ctx context.Context, job string, req *api.JobRequest) (*api.Job, error) {
	j := &api.Job{}
	return j, c.Do(ctx, Request{Method: http.MethodPut, Path: api.JobPath(job, ""), In: req, Out: j})
}

// RemoveJob deletes a job and what it keeps; with force it stops one first that has
// not finished.
func (c *Client) RemoveJob(ctx context.Context, job string, force bool) error {
	path := api.JobPath(job, "")
	if force {
		path += "?" + api.QueryForce + "=true"
	}
	return c.Do(ctx, Request{Method: http.MethodDelete, Path: path})
}

// StopJob stops the commands of a job, or of one child, and returns when they have ended.
func (c *Client) StopJob(ctx context.Context, job string) (*api.Job, error) {
	j := &api.Job{}
	return j, c.Do(ctx, Request{Method: http.MethodPost, Path: api.JobPath(job, "/stop"), Out: j})
}

// ConnectJob takes a Disconnected job up again.
func (c *Client) ConnectJob(ctx context.Context, job string, req *api.JobConnectRequest) (*api.Job, error) {
	j := &api.Job{}
	return j, c.Do(ctx, Request{Method: http.MethodPost, Path: api.JobPath(job, "/connect"), In: req, Out: j})
}

// JobStream opens a connection on which the job's output is delivered.
func (c *Client) JobStream(ctx context.Context, job string, req *api.JobStreamRequest) (*Stream, error) {
	return c.Upgrade(ctx, Request{Path: api.JobPath(job, "/stream"), In: req})
}

// Start starts a pipeline without taking its output, once: a repeated request finds the
// first one's.
func (c *Client) Start(ctx context.Context, session, pipeline string, req *api.StartRequest) (*api.Pipeline, error) {
	p := &api.Pipeline{}
	return p, c.Do(ctx, Request{Method: http.MethodPut, Path: api.PipelinePath(session, pipeline, ""), In: req, Out: p})
}
