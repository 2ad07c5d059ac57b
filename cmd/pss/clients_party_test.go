//go:build linux

package main_test

import (
	"context"
	"encoding/json"
	"strings"
	"sync"
	"time"

	"github.com/google/uuid"

	"pss/remote/api"
	"pss/remote/client"
)

// party is one client: a client session of an agent, and what that calls the host.
type party struct {
	w        *world
	computer string
	agent    *client.Client
}

// way is how a party does something: by its agent's protocol, as a cmdlet does it, or
// by the cmdlet itself. Everything ends with a cmdlet's exit code.
type way interface {
	list() ([]seen, error)
	create(name string, start *modelScript) (id string, code int)
	connect(id string, force bool, mode api.OutputBufferingMode) int
	disconnect(id string, idle *int64, mode api.OutputBufferingMode) int
	invoke(id string, script *modelScript) taking
	receive(id string, h how) taking
	send(id, text string, eof bool) int
	stop(id string) int
	remove(id string, force bool) int
}

// taking is a delivery, maybe still under way.
type taking interface {
	// records returns what has come so far.
	records() []record
	// wait returns the exit code of one that ends, and false if it does not.
	wait() (code int, ok bool)
	// end cuts it off.
	end()
}

// seen is a session as a listing shows it.
type seen struct {
	ID                  int    `json:"Id"`
	InstanceID          string `json:"InstanceId"`
	Name, ComputerName  string
	State, Availability string
	CommandState        string
	ExitCode            *int
	InputState          string
	UnreadBytes         int64
	IdleTimeout         int64
	OutputBufferingMode string
	DisconnectedOn      *time.Time
	ExpiresOn           *time.Time
	HeldBy              string
}

// ofRequest is a context for one request.
func ofRequest() (context.Context, context.CancelFunc) {
	return context.WithTimeout(context.Background(), patience)
}

// byAgent speaks the protocol of the cmdlets.
type byAgent struct{ *party }

// exitOf is the exit code of a cmdlet that passes no remote code on.
func exitOf(err error) int {
	if err == nil {
		return 0
	}
	if code := api.AsError(err).ExitCode(); code <= 245 {
		return code
	}
	return codeFailed
}

func (p byAgent) sessions() ([]api.Session, error) {
	ctx, cancel := ofRequest()
	defer cancel()
	list, err := p.agent.Sessions(ctx, p.computer)
	if err == nil && len(list.Errors) > 0 {
		err = list.Errors[0]
	}
	if err != nil {
		return nil, err
	}
	return list.Sessions, nil
}

func (p byAgent) list() ([]seen, error) {
	sessions, err := p.sessions()
	all := make([]seen, len(sessions))
	for i, s := range sessions {
		r := &s.Runspace
		all[i] = seen{
			ID: s.ID, InstanceID: r.InstanceID, Name: r.Name, ComputerName: s.ComputerName, State: string(s.State), Availability: string(s.Availability),
			CommandState: string(s.CommandState), InputState: string(api.InputNone), IdleTimeout: r.IdleTimeoutMs,
			OutputBufferingMode: string(r.OutputBufferingMode), DisconnectedOn: r.DisconnectedOn, ExpiresOn: r.ExpiresOn,
		}
		all[i].UnreadBytes, _ = r.Unread()
		if n := len(r.Pipelines); n > 0 {
			all[i].ExitCode, all[i].InputState = r.Pipelines[n-1].ExitCode, string(r.Pipelines[n-1].InputState)
		}
		if r.Attached != nil {
			all[i].HeldBy = r.Attached.Client.Principal
		}
	}
	return all, err
}

// session is one of the listing, as a cmdlet that takes an InstanceId finds it.
func (p byAgent) session(id string) (*api.Session, error) {
	ctx, cancel := ofRequest()
	defer cancel()
	return p.agent.Session(ctx, id)
}

func (p byAgent) create(name string, start *modelScript) (string, int) {
	ctx, cancel := ofRequest()
	defer cancel()
	id := uuid.NewString()
	req := &api.CreateRequest{Name: name, ComputerName: p.computer, Attach: &api.AttachRequest{}}
	if start != nil {
		req.Start = &api.FirstCommand{Pipeline: uuid.NewString(), Command: api.Command{Script: start.text}}
		if start.reads {
			req.Start.Command.Input = api.InputModeStored
		}
	}
	_, err := p.agent.Create(ctx, id, req)
	if err == nil && start != nil {
		_, err = p.agent.Detach(ctx, id, &api.DetachRequest{})
	}
	return id, exitOf(err)
}

func (p byAgent) connect(id string, force bool, mode api.OutputBufferingMode) int {
	ctx, cancel := ofRequest()
	defer cancel()
	_, err := p.agent.Attach(ctx, id, &api.AttachRequest{Force: force, Options: api.SessionOption{OutputBufferingMode: mode}})
	return exitOf(err)
}

func (p byAgent) disconnect(id string, idle *int64, mode api.OutputBufferingMode) int {
	ctx, cancel := ofRequest()
	defer cancel()
	_, err := p.agent.Detach(ctx, id, &api.DetachRequest{Options: api.SessionOption{IdleTimeout: idle, OutputBufferingMode: mode}})
	return exitOf(err)
}

func (p byAgent) invoke(id string, script *modelScript) taking {
	cmd := &api.Command{Script: script.text}
	if script.reads {
		cmd.Input = api.InputModeStream
	}
	return p.drive(id, api.StreamRequest{Pipeline: uuid.NewString(), Start: cmd}, nil)
}

func (p byAgent) receive(id string, h how) taking {
	found, err := p.session(id)
	leave := func(bool) {}
	if err == nil && !h.peek && found.State == api.StateDisconnected {
		ctx, cancel := ofRequest()
		defer cancel()
		_, err = p.agent.Attach(ctx, id, &api.AttachRequest{})
		leave = func(unfinished bool) {
			if unfinished {
				ctx, cancel := ofRequest()
				defer cancel()
				_, _ = p.agent.Detach(ctx, id, &api.DetachRequest{Later: true})
			}
		}
	}
	if err != nil {
		return &delivered{code: api.AsError(err).ExitCode(), done: closed()}
	}
	return p.drive(id, api.StreamRequest{Replay: h.replay, Peek: h.peek, NoWait: h.noWait}, leave)
}

func (p byAgent) send(id, text string, eof bool) int {
	s, err := p.session(id)
	if err != nil {
		return exitOf(err)
	}
	c := s.Runspace.Running()
	if s.State != api.StateOpened || c == nil {
		return codeFailed
	}
	ctx, cancel := ofRequest()
	defer cancel()
	d := &client.Drive{Client: p.agent, Session: id, Consumer: &delivered{}, Input: strings.NewReader(text), AppendInput: true, RetryWindow: patience,
		Request: api.StreamRequest{Stream: uuid.NewString(), Pipeline: c.ID, InputOnly: true, KeepInput: !eof}}
	return exitOf(d.Run(ctx))
}

func (p byAgent) stop(id string) int {
	s, err := p.session(id)
	if err != nil {
		return exitOf(err)
	}
	c := s.Runspace.Running()
	switch {
	case c == nil:
		return 0
	case s.State != api.StateOpened:
		return codeFailed
	}
	ctx, cancel := ofRequest()
	defer cancel()
	return exitOf(p.agent.Signal(ctx, id, c.ID, &api.SignalRequest{Epoch: s.Runspace.Attached.Epoch, Signal: "INT"}))
}

func (p byAgent) remove(id string, force bool) int {
	ctx, cancel := ofRequest()
	defer cancel()
	return exitOf(p.agent.Remove(ctx, id, 0, force))
}

// drive starts a delivery; leave is called at its end if that did not fail.
func (p byAgent) drive(id string, req api.StreamRequest, leave func(unfinished bool)) *delivered {
	req.Stream = uuid.NewString()
	ctx, cancel := context.WithTimeout(context.Background(), 4*patience)
	d := &delivered{running: map[uint32]bool{}, done: make(chan struct{}), cancel: cancel}
	drive := &client.Drive{Client: p.agent, Session: id, Request: req, Consumer: d, RetryWindow: patience}
	go func() {
		defer close(d.done)
		defer cancel()
		err := drive.Run(ctx)
		if err == nil && leave != nil {
			leave(len(d.running) > 0)
		}
		d.code = d.exit(err)
	}()
	return d
}

// delivered takes what a Drive brings, as a cmdlet does.
type delivered struct {
	running map[uint32]bool
	last    *api.Pipeline
	ended   *api.PipelineEnd
	code    int // once done is closed
	done    chan struct{}
	cancel  func()

	mu     sync.Mutex // guards what follows
	recs   []record
	hellos int // connections so far
}

// Hello notes what will come.
func (d *delivered) Hello(h *api.StreamHello) {
	d.last = h.Last
	for _, p := range h.Pipelines {
		if p.Running() {
			d.running[p.Number] = true
		}
	}
	d.mu.Lock()
	defer d.mu.Unlock()
	d.hellos++
}

func (d *delivered) connections() int {
	d.mu.Lock()
	defer d.mu.Unlock()
	return d.hellos
}

// Record keeps one record.
func (d *delivered) Record(r api.Record) error {
	if r.Kind == api.KindEnd {
		d.ended = &api.PipelineEnd{}
		if err := json.Unmarshal(r.Data, d.ended); err != nil {
			return err
		}
		delete(d.running, r.Pipeline)
		r.Data = nil
	}
	d.mu.Lock()
	defer d.mu.Unlock()
	d.recs = append(d.recs, record{Pipeline: r.Pipeline, Seq: r.Seq, Kind: r.Kind.String(), Data: string(r.Data)})
	return nil
}

// Flush has everything already.
func (d *delivered) Flush() error { return nil }

// exit is the exit code of the delivery that ended with err.
func (d *delivered) exit(err error) int {
	end := d.ended
	switch {
	case err != nil:
		return api.AsError(err).ExitCode()
	case len(d.running) > 0:
		return 0
	case end == nil && d.last != nil && d.last.Outcome == api.OutcomeLost:
		return codeGone
	case end == nil && d.last != nil:
		end = &api.PipelineEnd{ExitCode: d.last.ExitCode}
	}
	switch {
	case end == nil || end.ExitCode == nil && end.Error == nil:
		return 0
	case end.Error != nil:
		return end.Error.ExitCode()
	}
	return *end.ExitCode
}

func (d *delivered) records() []record {
	d.mu.Lock()
	defer d.mu.Unlock()
	return d.recs[:len(d.recs):len(d.recs)]
}

func (d *delivered) wait() (int, bool) {
	select {
	case <-d.done:
		return d.code, true
	case <-time.After(patience):
		return 0, false
	}
}

func (d *delivered) end() {
	if d.cancel != nil {
		d.cancel()
	}
	<-d.done
}

func closed() chan struct{} {
	c := make(chan struct{})
	close(c)
	return c
}
