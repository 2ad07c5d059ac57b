package host

import (
	"context"
	"net/http"
	"os"
	"strings"

	"github.com/google/uuid"
	"pss/config"
	"pss/remote/api"
	"pss/remote/client"
	"pss/remote/platform"
)

// handleCreate makes the session once: a repeated request finds the first one's.
func (h *Host) handleCreate(w http.ResponseWriter, r *http.Request) (any, error) {
	var req api.CreateRequest
	if err := client.ReadBody(w, r, &req); err != nil {
		return nil, err
	}
	id, err := uuid.Parse(r.PathValue("session"))
	if err != nil {
		return nil, api.Errorf(api.CodeInvalidArgument, "%q is no GUID", r.PathValue("session"))
	}
	unlock := h.creating.lock(id.String())
	defer unlock()
	if e, err := h.dir.find(id.String()); err == nil {
		info, err := e.facts()
		if err != nil {
			return nil, err
		}
		return view(info, h.asker(r)), nil
	}
	boot, err := h.bootstrap(r, id.String(), &req)
	if err != nil {
		return nil, err
	}
	ctx, cancel := context.WithTimeout(r.Context(), startTimeout)
	defer cancel()
	dir, info, err := h.launcher.open(ctx, boot)
	if err != nil {
		return nil, err
	}
	h.dir.add(id.String(), dir)
	return view(info, h.asker(r)), nil
}

// bootstrap checks the request against the session configuration before
// anything is made.
func (h *Host) bootstrap(r *http.Request, id string, req *api.CreateRequest) (*api.Bootstrap, error) {
	name, engines, err := findConfiguration(req.ConfigurationName)
	if err != nil {
		return nil, err
	}
	limit := h.o.Config.MaxSessions
	if limit == 0 {
		limit = config.DefaultMaxSessions
	}
	if n := len(h.dir.all()); n >= limit {
		return nil, api.Errorf(api.CodeQuota, "this user has %d sessions here, as many as max_sessions allows", n).
			Hint("remove some: pss get-pssession --computer-name COMPUTER lists them")
	}
	info := &api.RunspaceInfo{
		HostID: h.hostID, InstanceID: id, Name: req.Name, Owner: h.owner, ConfigurationName: name,
		IdleTimeoutMs: api.DefaultIdleTimeoutMs, MaxIdleTimeoutMs: api.MaxIdleTimeoutMs,
		OutputBufferingMode: api.BufferingBlock, OutputBufferSize: h.bufferSize(),
	}
	if err := h.applyOptions(info, &req.Options); err != nil {
		return nil, err
	}
	env := withVariables(h.env(), req.Locale, req.Environment)
	dir := req.WorkingDirectory
	if dir == "" {
		dir = folderOf(env)
	} else if st, err := os.Stat(dir); err != nil || !st.IsDir() {
		return nil, api.Errorf(api.CodeInvalidArgument, "the working directory %s does not exist on the host", dir).WithID("DirectoryNotFound").On(dir)
	}
	boot := &api.Bootstrap{
		Format: 1, HostLock: h.o.Paths.HostLock(), LeaseMs: h.leases.length.Milliseconds(), RetainMs: h.retainMs(),
		Engines: engines, Environment: env, WorkingDir: dir, Open: info, MinIdleMs: h.minIdleMs(),
	}
	if a := req.Attach; a != nil {
		boot.Attach = &api.Attachment{Client: h.asker(r), Agent: a.Agent, From: a.From}
	}
	return boot, nil
}

func (h *Host) minIdleMs() int64 {
	return h.o.Config.MinIdleTimeout.Or(config.DefaultMinIdle).Milliseconds()
}

func (h *Host) applyOptions(info *api.RunspaceInfo, o *api.SessionOption) error {
	if o.OutputBufferingMode != "" && o.OutputBufferingMode != api.BufferingNone {
		info.OutputBufferingMode = o.OutputBufferingMode
	}
	if o.IdleTimeout == nil || *o.IdleTimeout == -1 {
		return nil
	}
	if ms := *o.IdleTimeout; ms < h.minIdleMs() || ms > info.MaxIdleTimeoutMs {
		return api.Errorf(api.CodeInvalidArgument, "the idle timeout of %d ms is outside the allowed range, %d ms to %d ms",
			ms, h.minIdleMs(), info.MaxIdleTimeoutMs).WithID("Argument").Hint("give a value within the range; no session was made")
	}
	info.IdleTimeoutMs = *o.IdleTimeout
	return nil
}

// bufferSize is the smaller of 4 GiB and a tenth of the free disk.
func (h *Host) bufferSize() int64 {
	if n := h.o.Config.OutputBufferSize; n > 0 {
		return n
	}
	size := int64(4 << 30)
	if free, err := platform.FreeBytes(h.dir.root); err == nil {
		size = min(size, free/10)
	}
	return max(size, 1<<20)
}

// findConfiguration returns the session configuration of that name: its own
// spelling and its engines, the first one that the computer has counts.
func findConfiguration(name string) (string, []string, error) {
	switch strings.ToLower(name) {
	case "", "microsoft.powershell":
		return "Microsoft.PowerShell", []string{"bash", "sh"}, nil
	case "bash", "sh":
		return strings.ToLower(name), []string{strings.ToLower(name)}, nil
	}
	return "", nil, api.Errorf(api.CodeInvalidArgument, "this computer has no session configuration %q", name).
		WithID("InvalidResourceUri,PSSessionOpenFailed").On(name).Hint("use Microsoft.PowerShell (the default), bash or sh")
}
