package client

import (
	"context"
	"net/http"
	"net/url"
	"strconv"

	"pss/remote/api"
)

// Version asks the peer who it is.
func (c *Client) Version(ctx context.Context) (v api.VersionInfo, err error) {
	return v, c.Do(ctx, Request{Method: http.MethodGet, Path: api.RouteVersion, Out: &v})
}

// ForgetKey has an agent forget the key that it remembers of a computer's host.
func (c *Client) ForgetKey(ctx context.Context, computer string) error {
	query := url.Values{api.QueryComputer: {computer}}
	return c.Do(ctx, Request{Method: http.MethodDelete, Path: api.RouteKeys + "?" + query.Encode()})
}

// Sessions lists sessions. At an agent, no computer means those of the asker's
// client session.
func (c *Client) Sessions(ctx context.Context, computers ...string) (*api.SessionList, error) {
	query := url.Values{}
	if len(computers) > 0 {
		query[api.QueryComputer] = computers
	}
	return c.list(ctx, query)
}

// Query says which computers an agent is to ask for their sessions.
type Query struct {
	Computers []string
	All       bool // every one that the user has used
	Throttle  int  // how many at once; 0: the agent's default
}

// Ask lists the sessions of computers, by way of an agent.
func (c *Client) Ask(ctx context.Context, q Query) (*api.SessionList, error) {
	query := url.Values{}
	if len(q.Computers) > 0 {
		query[api.QueryComputer] = q.Computers
	}
	if q.All {
		query.Set(api.QueryAll, "true")
	}
	if q.Throttle > 0 {
		query.Set(api.QueryThrottle, strconv.Itoa(q.Throttle))
	}
	return c.list(ctx, query)
}

func (c *Client) list(ctx context.Context, query url.Values) (*api.SessionList, error) {
	path := api.RouteSessions
	if len(query) > 0 {
		path += "?" + query.Encode()
	}
	list := &api.SessionList{}
	return list, c.Do(ctx, Request{Method: http.MethodGet, Path: path, Out: list})
}

// Known returns what an agent has in memory; it asks no computer.
func (c *Client) Known(ctx context.Context) (*api.Known, error) {
	k := &api.Known{}
	return k, c.Do(ctx, Request{Method: http.MethodGet, Path: api.RouteKnown, Out: k})
}

// Test makes an agent try each way to a computer.
func (c *Client) Test(ctx context.Context, computer string) (*api.TestReply, error) {
	r := &api.TestReply{}
	path := api.RouteTest + "?" + url.Values{api.QueryComputer: {computer}}.Encode()
	return r, c.Do(ctx, Request{Method: http.MethodGet, Path: path, Out: r})
}

// Askpass asks the person behind an ssh.
func (c *Client) Askpass(ctx context.Context, req *api.AskpassRequest) (a api.Answer, err error) {
	return a, c.Do(ctx, Request{Method: http.MethodPost, Path: api.RouteAskpass, In: req, Out: &a})
}

// Question returns the next question for the person behind a caller, or one without an
// ID and text after a while.
func (c *Client) Question(ctx context.Context, caller string) (q api.Question, err error) {
	return q, c.Do(ctx, Request{Method: http.MethodGet, Path: api.QuestionsPath(caller), Out: &q})
}

// Answer answers a question.
func (c *Client) Answer(ctx context.Context, caller, question string, answer *api.Answer) error {
	return c.Do(ctx, Request{Method: http.MethodPost, Path: api.QuestionsPath(caller) + "/" + question, In: answer})
}

// Withdrawn returns when a question needs no answer any more.
func (c *Client) Withdrawn(ctx context.Context, caller, question string) error {
	return c.Do(ctx, Request{Method: http.MethodGet, Path: api.QuestionsPath(caller) + "/" + question})
}

// Purge deletes the copies of pss that an ssh left on the computer and no session runs.
// At an agent, computer says which one is meant.
func (c *Client) Purge(ctx context.Context, computer string) (*api.CopyList, error) {
	path := api.RouteCopies
	if computer != "" {
		path += "?" + url.Values{api.QueryComputer: {computer}}.Encode()
	}
	list := &api.CopyList{}
	return list, c.Do(ctx, Request{Method: http.MethodDelete, Path: path, Out: list})
}

// Session returns one session.
func (c *Client) Session(ctx context.Context, session string) (*api.Session, error) {
	s := &api.Session{}
	return s, c.Do(ctx, Request{Method: http.MethodGet, Path: api.SessionPath(session, ""), Out: s})
}

// Create makes the session with this InstanceId, or returns the one that has it.
func (c *Client) Create(ctx context.Context, session string, req *api.CreateRequest) (*api.Session, error) {
	s := &api.Session{}
	return s, c.Do(ctx, Request{Method: http.MethodPut, Path: api.SessionPath(session, ""), In: req, Out: s})
}

// Remove ends the session and deletes what is left of it. epoch is 0 for one
// that nobody holds; force also takes it from the same user's other client.
func (c *Client) Remove(ctx context.Context, session string, epoch uint64, force bool) error {
	q := url.Values{api.QueryEpoch: {strconv.FormatUint(epoch, 10)}}
	if force {
		q.Set(api.QueryForce, "true")
	}
	return c.Do(ctx, Request{Method: http.MethodDelete, Path: api.SessionPath(session, "") + "?" + q.Encode()})
}

// Forget makes the agent forget a session whose computer does not answer.
func (c *Client) Forget(ctx context.Context, session string) error {
	return c.Do(ctx, Request{Method: http.MethodDelete, Path: api.SessionPath(session, "") + "?" + api.QueryForget + "=true"})
}

// Attach makes the asker the one client of the session.
func (c *Client) Attach(ctx context.Context, session string, req *api.AttachRequest) (*api.Session, error) {
	s := &api.Session{}
	return s, c.Do(ctx, Request{Method: http.MethodPost, Path: api.SessionPath(session, "/attach"), In: req, Out: s})
}

// Detach ends the asker's attachment.
func (c *Client) Detach(ctx context.Context, session string, req *api.DetachRequest) (*api.Session, error) {
	s := &api.Session{}
	return s, c.Do(ctx, Request{Method: http.MethodPost, Path: api.SessionPath(session, "/detach"), In: req, Out: s})
}

// Stream opens the attachment's connection.
func (c *Client) Stream(ctx context.Context, session string, req *api.StreamRequest) (*Stream, error) {
	return c.Upgrade(ctx, Request{Path: api.SessionPath(session, "/stream"), In: req})
}

// Room tells a session host how much unread output it may keep.
func (c *Client) Room(ctx context.Context, session string, req *api.RoomRequest) error {
	return c.Do(ctx, Request{Method: http.MethodPut, Path: api.SessionPath(session, "/room"), In: req})
}

// Signal sends a signal to a running pipeline.
func (c *Client) Signal(ctx context.Context, session, pipeline string, req *api.SignalRequest) error {
	return c.Do(ctx, Request{Method: http.MethodPost, Path: api.PipelinePath(session, pipeline, "/signal"), In: req})
}

// Heartbeat keeps the leases of an agent at a host.
func (c *Client) Heartbeat(ctx context.Context, hb *api.Heartbeat) (r api.HeartbeatReply, err error) {
	return r, c.Do(ctx, Request{Method: http.MethodPost, Path: api.RouteHeartbeat, In: hb, Out: &r})
}
