package host

import (
	"cmp"
	"context"
	"net/http"
	"os"
	"strings"

	"pss/config"
	"pss/remote/api"
	"pss/remote/client"
	"pss/remote/planted"
	"pss/remote/platform"
)

// handleCreate makes the session once: a repeated request finds the first one's.
func (h *Host) handleCreate(w http.ResponseWriter, r *http.Request) (any, error) {
	id, req, err := h.readCreate(w, r)
	if err != nil {
		return nil, err
	}
	planted.Point("host-create")
	return sessionAnswer(h.createHere(r, id, req))
}

// readCreate reads a request to make a session, and refuses one that cannot be meant.
func (h *Host) readCreate(w http.ResponseWriter, r *http.Request) (id string, req *api.CreateRequest, err error) {
	req = &api.CreateRequest{}
	if err := client.ReadBody(w, r, req); err != nil {
		return "", nil, err
	}
	if id, err = client.PathGUID(r, "session"); err != nil {
		return "", nil, err
	}
	return id, req, checkCreate(req, h.operations())
}

// sessionAnswer makes a handler's answer of a session or an error.
func sessionAnswer(s *api.Session, err error) (any, error) {
	if err != nil {
		return nil, err
	}
	return s, nil
}

// createHere makes a session of our own user, or finds it.
func (h *Host) createHere(r *http.Request, id string, req *api.CreateRequest) (*api.Session, error) {
	unlock := h.creating.lock(id)
	defer unlock()
	if e, err := h.dir.find(id); err == nil {
		info, err := e.facts()
		if err != nil {
			return nil, err
		}
		return h.view(info, h.asker(r)), nil
	}
	if req.IfAbsent {
		defer h.creating.lock("name:" + strings.ToLower(req.Name))()
		if s := h.named(req.Name, h.asker(r)); s != nil && !planted.On("if-absent-is-blind") {
			s.Existed = true
			return s, nil
		}
	}
	if h.dir.gone(id) {
		return nil, api.Errorf(api.CodeLost, "session %s was removed", id).WithID("PSSessionStateClosed")
	}
	line := &auditLine{Action: "New", Session: id, Name: req.Name}
	info, err := h.makeSession(r, id, req)
	line.refused(err)
	h.audit.note(r, line)
	if err != nil {
		return nil, err
	}
	if s := req.Start; s != nil {
		begun := &auditLine{Session: id, Name: req.Name}
		h.started(begun, s.Pipeline, &s.Command)
		h.audit.note(r, begun)
	}
	return h.view(info, h.asker(r)), nil
}

// makeSession makes the session, if its configuration admits it.
func (h *Host) makeSession(r *http.Request, id string, req *api.CreateRequest) (*api.RunspaceInfo, error) {
	conf, release, err := h.configured(r, req)
	if err != nil {
		return nil, err
	}
	defer release()
	if err := h.survives(); err != nil {
		return nil, err
	}
	boot, err := h.bootstrap(r, id, req, conf)
	if err != nil {
		return nil, err
	}
	ctx, cancel := context.WithTimeout(r.Context(), startTimeout)
	defer cancel()
	dir, info, err := h.launcher.open(ctx, boot)
	if err != nil {
		return nil, err
	}
	planted.Point("host-made")
	h.dir.add(id, dir)
	planted.Point("host-known")
	return info, nil
}

// configured returns the session configuration, if it admits the session: the one that
// is ordered by this computer's daemon, which has asked that already, or our own.
func (h *Host) configured(r *http.Request, req *api.CreateRequest) (*api.SessionConfiguration, func(), error) {
	if order := orderOf(r, req); order != nil {
		h.quota.lower(order.MaxSpoolBytes)
		return &order.Configuration, func() {}, nil
	}
	conf, err := h.o.Paths.LoadSession(req.ConfigurationName, h.minIdleMs())
	if err != nil {
		return nil, nil, err
	}
	release, err := h.admit(r, conf)
	return conf, release, err
}

// named returns the oldest session of that name, in whatever state, or nil.
func (h *Host) named(name string, asker api.ClientID) *api.Session {
	var found *api.Session
	for _, e := range h.dir.all() {
		info, err := e.facts()
		if err == nil && strings.EqualFold(info.Name, name) && (found == nil || info.Created.Before(found.Runspace.Created)) {
			found = h.brief(info, asker)
		}
	}
	return found
}

// bootstrap checks the request against the session configuration before
// anything is made.
func (h *Host) bootstrap(r *http.Request, id string, req *api.CreateRequest, conf *api.SessionConfiguration) (*api.Bootstrap, error) {
	if err := h.quota.admit(); err != nil {
		return nil, err
	}
	info := &api.RunspaceInfo{
		HostID: h.hostID, InstanceID: id, Name: req.Name, Owner: h.owner, ConfigurationName: conf.Name,
		OutputBufferingMode: api.BufferingBlock, OutputBufferSize: cmp.Or(conf.OutputBufferSize, h.bufferSize()),
		IdleClockStopsWhileBusy: conf.IdleClockWhileBusy != nil && !*conf.IdleClockWhileBusy,
		MaxCommands:             cmp.Or(conf.MaxConcurrentCommandsPerShell, config.DefaultMaxCommands),
		MaxMemoryBytes:          conf.MaxMemoryPerShellMB << 20, MaxProcesses: conf.MaxProcessesPerShell,
		OnFinish: req.OnFinish, NetworkAccess: req.NetworkAccess && (client.FromLocal(r.RemoteAddr) || planted.On("credentials-from-anywhere")),
	}
	if q := h.quota.bytes.Load(); q > 0 {
		info.OutputBufferSize = min(info.OutputBufferSize, q)
	}
	info.IdleTimeoutMs, info.MaxIdleTimeoutMs = conf.Idle()
	if err := h.applyOptions(info, &req.Options, conf.OutputBufferingMode); err != nil {
		return nil, err
	}
	script, err := startupScript(conf)
	if err != nil {
		return nil, err
	}
	env := withVariables(h.env(), req.Locale, conf.Environment, lent(info, req), req.Environment)
	dir := cmp.Or(req.WorkingDirectory, conf.WorkingDirectory)
	if dir == "" {
		dir = folderOf(env)
	} else if st, err := os.Stat(dir); err != nil || !st.IsDir() {
		return nil, api.Errorf(api.CodeInvalidArgument, "the working directory %s does not exist on the host", dir).WithID("DirectoryNotFound").On(dir)
	}
	boot := &api.Bootstrap{
		Format: 1, HostLock: h.o.Paths.HostLock(), LeaseMs: h.leases.length.Milliseconds(), RetainMs: h.retainMs(),
		Engines: conf.Engines(), Environment: env, WorkingDir: dir, Open: info, MinIdleMs: h.minIdleMs(), Start: req.Start,
		StartupScript: script,
	}
	if a := req.Attach; a != nil {
		boot.Attach = &api.Attachment{Client: h.asker(r), Agent: a.Agent, From: a.From}
		info.Connection = a.Connection
	}
	return boot, nil
}

func (h *Host) minIdleMs() int64 {
	return h.conf().MinIdleTimeout.Or(config.DefaultMinIdle).Milliseconds()
}

// applyOptions lets the client's options go before the configuration's.
func (h *Host) applyOptions(info *api.RunspaceInfo, o *api.SessionOption, configured api.OutputBufferingMode) error {
	if err := o.OutputBufferingMode.Check(); err != nil {
		return err
	}
	for _, mode := range []api.OutputBufferingMode{configured, o.OutputBufferingMode} {
		if mode.Given() {
			info.OutputBufferingMode = mode
		}
	}
	ms, ok := api.CheckIdleTimeout(o.IdleTimeout, info.IdleTimeoutMs, h.minIdleMs(), info.MaxIdleTimeoutMs)
	if !ok {
		return api.Errorf(api.CodeInvalidArgument, "the idle timeout of %s is outside the range that session configuration %s allows, %s to %s",
			api.IdleTimeoutText(*o.IdleTimeout), info.ConfigurationName, api.IdleTimeoutText(h.minIdleMs()), api.IdleTimeoutText(info.MaxIdleTimeoutMs)).
			WithID("Argument").Hint("give a value within the range; no session was made")
	}
	info.IdleTimeoutMs = ms
	return nil
}

// bufferSize is the smaller of 4 GiB and a tenth of the free disk.
func (h *Host) bufferSize() int64 {
	if n := h.conf().OutputBufferSize; n > 0 {
		return n
	}
	size := int64(4 << 30)
	if free, err := platform.FreeBytes(h.dir.root); err == nil {
		size = min(size, free/10)
	}
	return max(size, 1<<20)
}
