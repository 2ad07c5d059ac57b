package host

import (
	"cmp"
	"net/http"

	"pss/config"
	"pss/remote/api"
	"pss/remote/client"
	"pss/remote/platform"
)

// This file serves the session configurations. Who could authenticate here is the
// host's own user: nobody else may see or change them.

// handleConfigurations lists them, with what is built in filled in.
func (h *Host) handleConfigurations(http.ResponseWriter, *http.Request) (any, error) {
	names, err := h.o.Paths.SessionNames()
	if err != nil {
		return nil, err
	}
	list := &api.ConfigurationList{Version: api.Version, Configurations: []api.SessionConfiguration{}}
	for _, name := range names {
		conf, err := h.o.Paths.LoadSession(name, h.minIdleMs())
		if err != nil {
			list.Errors = append(list.Errors, api.AsError(err))
			continue
		}
		// A shell that this computer lacks serves no session.
		if h.fill(conf); conf.File != "" || conf.Engine != "" {
			list.Configurations = append(list.Configurations, *conf)
		}
	}
	return list, nil
}

// fill gives the configuration the values that are built in.
func (h *Host) fill(c *api.SessionConfiguration) {
	yes := true
	if c.Enabled == nil {
		c.Enabled = &yes
	}
	if c.IdleClockWhileBusy == nil {
		c.IdleClockWhileBusy = &yes
	}
	timeout, longest := c.Idle()
	ms, most := api.Milliseconds(timeout), api.Milliseconds(longest)
	c.IdleTimeoutMs, c.MaxIdleTimeoutMs = &ms, &most
	c.AccessMode = cmp.Or(c.AccessMode, api.AccessRemote)
	c.OutputBufferingMode = cmp.Or(c.OutputBufferingMode, api.BufferingBlock)
	c.OutputBufferSize = cmp.Or(c.OutputBufferSize, h.bufferSize())
	c.MaxConcurrentCommandsPerShell = cmp.Or(c.MaxConcurrentCommandsPerShell, config.DefaultMaxCommands)
	switch {
	case len(c.AllowedUsers) > 0:
	case c.RunAsUser != "":
		c.AllowedUsers = []string{c.RunAsUser}
	case h.front == nil:
		c.AllowedUsers = []string{h.owner}
	}
	if c.File != "" && c.Engine != "" {
		return // as it stands there
	}
	for _, name := range c.Engines() {
		if _, err := platform.FindShell(name); err == nil {
			c.Engine = name
			return
		}
	}
	c.Engine = ""
}

// changing runs one change of a configuration at a time, and keeps a record of it.
func (h *Host) changing(r *http.Request, action, name string, change func() (*api.SessionConfiguration, error)) (any, error) {
	defer h.creating.lock("configurations")()
	conf, err := change()
	line := &auditLine{Action: action, Name: name}
	line.refused(err)
	h.audit.note(r, line)
	if err != nil {
		return nil, err
	}
	h.log.Info("session configuration changed", "name", name, "action", action)
	h.fill(conf)
	return conf, nil
}

func (h *Host) handleRegister(w http.ResponseWriter, r *http.Request) (any, error) {
	var req api.ConfigurationRequest
	if err := client.ReadBody(w, r, &req); err != nil {
		return nil, err
	}
	conf := &req.Configuration
	return h.changing(r, "RegisterConfiguration", conf.Name, func() (*api.SessionConfiguration, error) {
		known, _, err := h.o.Paths.SessionKnown(conf.Name)
		if err != nil {
			return nil, err
		}
		if known && !req.Force {
			return nil, api.Errorf(api.CodeConflict, "there is a session configuration %s already", conf.Name).
				WithID("CSCmdsShellExists").On(conf.Name).
				Hint("change it (pss set-pssessionconfiguration), or replace it with --force")
		}
		conf.File, conf.BuiltIn = "", false
		return conf, h.o.Paths.WriteSession(conf, h.minIdleMs())
	})
}

func (h *Host) handleConfigure(w http.ResponseWriter, r *http.Request) (any, error) {
	var req api.ConfigurationChange
	if err := client.ReadBody(w, r, &req); err != nil {
		return nil, err
	}
	name := r.PathValue("configuration")
	return h.changing(r, "SetConfiguration", name, func() (*api.SessionConfiguration, error) {
		if known, _, err := h.o.Paths.SessionKnown(name); err != nil || !known {
			return nil, cmp.Or(err, unknownConfiguration(name))
		}
		conf, err := h.o.Paths.LoadSession(name, h.minIdleMs())
		if err != nil {
			return nil, err
		}
		if err := conf.Apply(&req); err != nil {
			return nil, err
		}
		return conf, h.o.Paths.WriteSession(conf, h.minIdleMs())
	})
}

// handleUnregister deletes the file; what is built in goes on without it.
func (h *Host) handleUnregister(_ http.ResponseWriter, r *http.Request) (any, error) {
	name := r.PathValue("configuration")
	return h.changing(r, "UnregisterConfiguration", name, func() (*api.SessionConfiguration, error) {
		known, hasFile, err := h.o.Paths.SessionKnown(name)
		switch {
		case err != nil:
			return nil, err
		case !known:
			return nil, unknownConfiguration(name)
		case !hasFile:
			return nil, api.Errorf(api.CodeInvalidState, "session configuration %s is built in and as it was: there is nothing to unregister", name).
				WithID("CSCmdsShellBuiltIn").On(name).
				Hint("to make no sessions with it: pss disable-pssessionconfiguration --name %s", name)
		}
		_, err = h.o.Paths.RemoveSession(name)
		return &api.SessionConfiguration{Name: name}, err
	})
}

func unknownConfiguration(name string) error {
	return api.Errorf(api.CodeNoConfiguration, "there is no session configuration %q", name).
		WithID("CSCmdsShellNotFound").On(name).Hint("pss get-pssessionconfiguration lists them")
}
