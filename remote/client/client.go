package client

import (
	"bufio"
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"io"
	"net"
	"net/http"
	"sync"
	"time"

	"pss/remote/api"
	"pss/remote/platform"
)

// Dialer makes a connection to the one peer of a Client.
type Dialer func(ctx context.Context) (net.Conn, error)

const (
	// MaxReply is the largest reply to a control request in bytes.
	MaxReply = 64 << 20
	// DefaultTimeout bounds a control request whose context has no deadline.
	DefaultTimeout = 60 * time.Second
	maxIdle        = 4
	// idleLife is shorter than the servers' own idle timeout, so that a kept
	// connection is rarely closed under us.
	idleLife = 45 * time.Second
)

// Client speaks the protocol with one peer. Its fields are set before first use;
// it is safe for concurrent use.
type Client struct {
	Dial   Dialer
	Header http.Header // added to every request
	Host   string      // of the Host header; "pss" when empty
	// Token returns what authenticates each request, or is nil.
	Token func() (string, error)
	// Timeout bounds a request whose context has no deadline; DefaultTimeout when 0.
	Timeout time.Duration
	// KeptTimeout bounds the wait for an answer on a kept connection, which may lead
	// nowhere by now: then the request goes out on a new one. 0: no bound of its own.
	KeptTimeout time.Duration
	// Retry is how long a request is repeated whose answer was lost (see repeatable).
	Retry time.Duration
	// Prepare makes the way to the peer before the time of a request begins to run, or is
	// nil.
	Prepare func(ctx context.Context) error
	// Identity makes the peer know who asks, or is nil.
	Identity Identity
	// Trace is told of every request that was answered, or broke off; nil: nobody is.
	Trace func(t Trace)
	// Distinct names for whom a connection may be kept: a request takes no kept connection
	// with another name than its own. nil: there is one name.
	Distinct func(ctx context.Context) string
	// Seen is told the header of every answer and the connection by which it came; nil:
	// nobody is.
	Seen func(ctx context.Context, by net.Conn, header http.Header)
	// Memory is asked for room before so many bytes more of a large reply are taken, and
	// returns how they are given back; nil: there is room.
	Memory func(n int64) (release func(), err error)
	// Lost makes the error for a request whose answer did not come, or is nil.
	Lost func(method string, err error) error

	mu   sync.Mutex // guards idle
	idle []*conn
}

// conn is one HTTP/1.1 connection.
type conn struct {
	net.Conn
	br   *bufio.Reader
	head *headReader
	kind string        // Client.Distinct's
	used time.Duration // platform.BootTime: a suspended computer's connections grow old, too
}

// Request is one control request.
type Request struct {
	Method string
	Path   string // with its query
	Header http.Header
	In     any     // sent as JSON; nil: no body; []byte: as it is
	Out    any     // takes the reply's JSON; nil: ignored; *[]byte: as it is
	Type   *string // takes the reply's content type, or is nil
}

// Do makes the request. The peer's refusal comes as *api.Error; a peer that
// cannot be reached or that broke off gives another error. A request that may be
// repeated is, if Retry says so, until its answer has come.
func (c *Client) Do(ctx context.Context, r Request) error {
	return c.known(ctx, func() error {
		ctx, cancel := c.bounded(ctx)
		defer cancel()
		return c.lost(r.Method, c.repeat(ctx, r))
	})
}

// bounded gives ctx the default deadline, if it has none.
func (c *Client) bounded(ctx context.Context) (context.Context, context.CancelFunc) {
	if _, ok := ctx.Deadline(); ok {
		return ctx, func() {}
	}
	timeout := c.Timeout
	if timeout == 0 {
		timeout = DefaultTimeout
	}
	return context.WithTimeout(ctx, timeout)
}

// do makes the request once.
func (c *Client) do(ctx context.Context, r Request) error {
	cn, resp, release, err := c.send(ctx, r, "")
	if err != nil {
		return err
	}
	defer release()
	data, free, err := c.readReply(resp.Body)
	defer free()
	if err != nil {
		cn.Close()
		return r.broken(ctx, err, false)
	}
	if resp.Close {
		cn.Close()
	} else {
		release()
		c.keep(cn)
	}
	if resp.StatusCode >= 300 {
		return replyError(resp, data)
	}
	if r.Type != nil {
		*r.Type = resp.Header.Get("Content-Type")
	}
	switch out := r.Out.(type) {
	case nil:
		return nil
	case *[]byte:
		*out = data
		return nil
	default:
		if err := json.Unmarshal(data, out); err != nil {
			return fmt.Errorf("%s %s: unreadable reply: %w", r.Method, r.Path, err)
		}
		return nil
	}
}

// Upgrade makes the request, once, and switches the connection to frames.
func (c *Client) Upgrade(ctx context.Context, r Request) (s *Stream, err error) {
	if r.Method == "" {
		r.Method = http.MethodPost
	}
	err = c.known(ctx, func() error {
		s, err = c.upgrade(ctx, r)
		return err
	})
	return s, err
}

func (c *Client) upgrade(ctx context.Context, r Request) (*Stream, error) {
	ctx, cancel := c.bounded(ctx)
	defer cancel()
	cn, resp, release, err := c.send(ctx, r, api.UpgradeProtocol)
	for wasKept(err) {
		cn, resp, release, err = c.send(ctx, r, api.UpgradeProtocol)
	}
	if err != nil {
		return nil, c.lost(r.Method, err)
	}
	defer release()
	if resp.StatusCode != http.StatusSwitchingProtocols {
		data, _ := io.ReadAll(io.LimitReader(resp.Body, 1<<20))
		cn.Close()
		return nil, replyError(resp, data)
	}
	release()
	s := newStream(cn.Conn, cn.br)
	s.Header, s.kind, s.head = resp.Header, cn.kind, cn.head
	return s, nil
}

// Stream is a connection that was switched to frames. Read through Reader: it
// may hold the first bytes already.
type Stream struct {
	net.Conn
	Reader *bufio.Reader
	Header http.Header // of the answer, on the client's side
	kind   string      // Client.Distinct's
	head   *headReader // beneath Reader, on the client's side
}

// streamBuffer is what may be under way on a unix socket. The system's default
// makes the two sides wait for each other at every frame.
const streamBuffer = 1 << 20

func newStream(c net.Conn, r *bufio.Reader) *Stream {
	if u, ok := c.(interface{ SetWriteBuffer(int) error }); ok {
		_ = u.SetWriteBuffer(streamBuffer) // a smaller one is slower, not wrong
	}
	return &Stream{Conn: c, Reader: r}
}

// Read reads what the peer sent.
func (s *Stream) Read(p []byte) (int, error) { return s.Reader.Read(p) }

// CloseWrite ends our direction only.
func (s *Stream) CloseWrite() error {
	if cw, ok := s.Conn.(interface{ CloseWrite() error }); ok {
		return cw.CloseWrite()
	}
	return s.Conn.Close()
}

// send writes the request on a kept or new connection and reads the reply's
// head. release ends the context's hold on the connection.
func (c *Client) send(ctx context.Context, r Request, upgrade string) (*conn, *http.Response, func(), error) {
	req, body, err := c.request(ctx, r, upgrade)
	if err != nil {
		return nil, nil, nil, err
	}
	cn, kept, err := c.connection(ctx)
	if err != nil {
		return nil, nil, nil, err
	}
	// After dialling: that may have started the peer, which then made the token.
	if c.Token != nil {
		token, err := c.Token()
		if err != nil {
			cn.Close()
			return nil, nil, nil, err
		}
		if token != "" {
			req.Header.Set("Authorization", "Bearer "+token)
		}
	}
	began := time.Now()
	resp, release, err := c.exchange(ctx, cn, kept, req, body)
	if c.Trace != nil {
		t := Trace{Method: r.Method, Path: r.Path, Took: time.Since(began)}
		if resp != nil {
			t.Status = resp.StatusCode
		}
		c.Trace(t)
	}
	if err != nil {
		cn.Close()
		return nil, nil, nil, r.broken(ctx, err, kept)
	}
	if c.Seen != nil {
		c.Seen(ctx, cn.Conn, resp.Header)
	}
	return cn, resp, release, nil
}

// exchange writes the request and reads the head of its answer.
func (c *Client) exchange(ctx context.Context, cn *conn, kept bool, req *http.Request, body []byte) (*http.Response, func(), error) {
	// A cancelled context unblocks reads and writes by a deadline in the past.
	stop := context.AfterFunc(ctx, func() { cn.SetDeadline(time.Unix(1, 0)) })
	var once sync.Once
	release := func() {
		once.Do(func() {
			if stop() {
				return
			}
			cn.SetDeadline(time.Time{})
		})
	}
	inTime := func() bool { return true }
	if kept && c.KeptTimeout > 0 {
		inTime = time.AfterFunc(c.KeptTimeout, func() { cn.Close() }).Stop
	}
	if body != nil {
		req.Body = io.NopCloser(bytes.NewReader(body))
	}
	err := req.Write(cn)
	var resp *http.Response
	if err == nil {
		cn.head.left = maxHead
		resp, err = http.ReadResponse(cn.br, req)
		cn.head.left = -1 // the body has bounds of its own
	}
	if !inTime() && err == nil {
		err = net.ErrClosed
	}
	if err != nil {
		release()
		return nil, nil, err
	}
	return resp, release, nil
}

func (c *Client) request(ctx context.Context, r Request, upgrade string) (*http.Request, []byte, error) {
	var body []byte
	switch in := r.In.(type) {
	case nil:
	case []byte:
		body = in
	default:
		var err error
		if body, err = json.Marshal(in); err != nil {
			return nil, nil, err
		}
	}
	host := c.Host
	if host == "" {
		host = "pss"
	}
	var rd io.Reader
	if body != nil {
		rd = bytes.NewReader(body)
	}
	req, err := http.NewRequestWithContext(ctx, r.Method, "http://"+host+r.Path, rd)
	if err != nil {
		return nil, nil, err
	}
	for k, v := range c.Header {
		req.Header[k] = v
	}
	for k, v := range r.Header {
		req.Header[k] = v
	}
	if id, ok := ctx.Value(requestIDKey{}).(string); ok {
		req.Header.Set(api.HeaderRequestID, id)
	}
	req.Header.Set(api.HeaderVersion, api.Version)
	if body != nil {
		req.Header.Set("Content-Type", api.TypeJSON)
	}
	if upgrade != "" {
		req.Header.Set("Connection", "Upgrade")
		req.Header.Set("Upgrade", upgrade)
	}
	return req, body, nil
}

// connection returns a kept connection, or a new one.
func (c *Client) connection(ctx context.Context) (cn *conn, kept bool, err error) {
	kind := ""
	if c.Distinct != nil {
		kind = c.Distinct(ctx)
	}
	if cn := c.takeIdle(kind); cn != nil {
		return cn, true, nil
	}
	nc, err := c.Dial(ctx)
	if err != nil {
		return nil, false, err
	}
	head := &headReader{Reader: nc, left: -1}
	return &conn{Conn: nc, br: bufio.NewReaderSize(head, 4096), head: head, kind: kind}, false, nil
}

func (c *Client) keep(cn *conn) {
	cn.used = platform.BootTime()
	c.mu.Lock()
	defer c.mu.Unlock()
	if len(c.idle) >= maxIdle {
		cn.Close()
		return
	}
	c.idle = append(c.idle, cn)
}

// CloseIdle closes the kept connections.
func (c *Client) CloseIdle() {
	c.mu.Lock()
	defer c.mu.Unlock()
	for _, cn := range c.idle {
		cn.Close()
	}
	c.idle = nil
}

// replyError turns a refusal into its *api.Error. What did not come from pss
// (a proxy, another server) is reported as such: of a request that it does not know
// as a version that lacks it.
func replyError(resp *http.Response, data []byte) error {
	var e api.Error
	if err := json.Unmarshal(data, &e); err == nil && e.Code != "" {
		return &e
	}
	if isWinRM(resp.Header) {
		return winRMError("")
	}
	code := api.CodeInternal
	switch resp.StatusCode {
	case http.StatusNotFound, http.StatusMethodNotAllowed, http.StatusNotImplemented:
		code = api.CodeVersion
	}
	return api.Errorf(code, "unexpected answer %s", resp.Status).
		Hint("check that the address belongs to a pss host, and that it is up to date")
}
