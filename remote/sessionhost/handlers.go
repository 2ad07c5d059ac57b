package sessionhost

import (
	"net/http"
	"os"
	"strconv"

	"pss/remote/api"
	"pss/remote/client"
)

// handler serves the protocol below the host. The host has authenticated the
// client and says who it is in two headers; the socket's folder is private.
func (s *Session) handler() http.Handler {
	mux := http.NewServeMux()
	handle := func(method, path string, h client.Handler) {
		mux.HandleFunc(method+" "+path, client.Serve(h))
	}
	handle(http.MethodGet, api.RouteVersion, s.handleVersion)
	handle(http.MethodGet, api.RouteSession, s.handleGet)
	handle(http.MethodDelete, api.RouteSession, s.handleRemove)
	handle(http.MethodPost, api.RouteAttach, s.handleAttach)
	handle(http.MethodPost, api.RouteDetach, s.handleDetach)
	handle(http.MethodPost, api.RouteStream, s.handleStream)
	handle(http.MethodPut, api.RoutePipeline, s.handleStart)
	handle(http.MethodGet, api.RouteRecords, s.handleRecords)
	handle(http.MethodPost, api.RouteAck, s.handleAck)
	handle(http.MethodPost, api.RouteSignal, s.handleSignal)
	handle(http.MethodPut, api.RouteRoom, s.handleRoom)
	registerNext(handle)
	return mux
}

// asker is the client that the host vouches for.
func asker(r *http.Request) api.ClientID {
	return api.ClientID{Principal: r.Header.Get(api.HeaderPrincipal), ID: r.Header.Get(api.HeaderClient)}
}

// view answers with the session as the asker sees it.
func (s *Session) view(r *http.Request) *api.Session {
	info := s.snapshot()
	v := &api.Session{Runspace: info, CommandState: api.CommandStateOf(&info)}
	v.State, v.Availability = api.View(&info, asker(r), true)
	return v
}

func (s *Session) handleVersion(http.ResponseWriter, *http.Request) (any, error) {
	return &api.VersionInfo{Version: api.Version, Protocol: api.ProtocolVersion, Role: "session-host", Pid: os.Getpid()}, nil
}

func (s *Session) handleGet(_ http.ResponseWriter, r *http.Request) (any, error) {
	return s.view(r), nil
}

func (s *Session) handleRemove(_ http.ResponseWriter, r *http.Request) (any, error) {
	epoch, _ := strconv.ParseUint(r.URL.Query().Get(api.QueryEpoch), 10, 64)
	force := r.URL.Query().Get(api.QueryForce) == "true"
	if err := s.remove(epoch, asker(r), force); err != nil {
		return nil, err
	}
	s.end()
	return struct{}{}, nil
}

func (s *Session) handleAttach(w http.ResponseWriter, r *http.Request) (any, error) {
	var req api.AttachRequest
	if err := client.ReadBody(w, r, &req); err != nil {
		return nil, err
	}
	if err := s.attach(asker(r), &req); err != nil {
		return nil, err
	}
	return s.view(r), nil
}

func (s *Session) handleDetach(w http.ResponseWriter, r *http.Request) (any, error) {
	var req api.DetachRequest
	if err := client.ReadBody(w, r, &req); err != nil {
		return nil, err
	}
	if err := s.detach(&req); err != nil {
		return nil, err
	}
	return s.view(r), nil
}

func (s *Session) handleStart(w http.ResponseWriter, r *http.Request) (any, error) {
	var req api.StartRequest
	if err := client.ReadBody(w, r, &req); err != nil {
		return nil, err
	}
	p, err := s.start(req.Epoch, r.PathValue("pipeline"), &req.Command)
	if err != nil {
		return nil, err
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	f := p.factsLocked()
	return &f, nil
}

func (s *Session) handleRoom(w http.ResponseWriter, r *http.Request) (any, error) {
	var req api.RoomRequest
	if err := client.ReadBody(w, r, &req); err != nil {
		return nil, err
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	s.room = max(1, req.Bytes)
	s.setModeLocked(api.BufferingNone)
	return struct{}{}, nil
}

// pipelineOf finds the pipeline in the path and checks the epoch.
func (s *Session) pipelineOf(r *http.Request, epoch uint64) (*pipeline, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.info.Life == api.LifeOpen {
		if err := s.epochLocked(epoch); err != nil {
			return nil, err
		}
	}
	p := s.findLocked(r.PathValue("pipeline"))
	if p == nil {
		return nil, api.Errorf(api.CodePipelineNotFound, "session %s has no pipeline %s", s.info.Name, r.PathValue("pipeline"))
	}
	return p, nil
}

func (s *Session) handleAck(w http.ResponseWriter, r *http.Request) (any, error) {
	var req api.AckRequest
	if err := client.ReadBody(w, r, &req); err != nil {
		return nil, err
	}
	p, err := s.pipelineOf(r, req.Epoch)
	if err != nil {
		return nil, err
	}
	if err := p.spool.Ack(req.Seq); err != nil {
		return nil, api.Errorf(api.CodeInvalidArgument, "%v", err)
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	return struct{}{}, s.saveLocked()
}

func (s *Session) handleSignal(w http.ResponseWriter, r *http.Request) (any, error) {
	var req api.SignalRequest
	if err := client.ReadBody(w, r, &req); err != nil {
		return nil, err
	}
	p, err := s.pipelineOf(r, req.Epoch)
	if err != nil {
		return nil, err
	}
	if req.Signal != "INT" {
		return nil, api.Errorf(api.CodeInvalidArgument, "signal %q is not supported", req.Signal).Hint("use INT")
	}
	p.stop()
	return struct{}{}, nil
}
