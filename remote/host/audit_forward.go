package host

import (
	"encoding/json"
	"net/http"
	"strings"

	"pss/remote/api"
)

// This file tells what passes through to session hosts to the audit log.

// forwarded returns the line of a request that passes through to a session, or nil where
// it is nobody's business.
func (h *Host) forwarded(r *http.Request, id string, body []byte) *auditLine {
	line := &auditLine{Session: id, Pipeline: r.PathValue("pipeline")}
	switch path := r.URL.Path; {
	case strings.HasSuffix(path, "/detach"):
		line.Action = "Disconnect"
	case strings.HasSuffix(path, "/signal"):
		line.Action = "Signal"
	case r.Method == http.MethodPut:
		var req api.StartRequest
		if json.Unmarshal(body, &req) != nil {
			return nil
		}
		h.started(line, line.Pipeline, &req.Command)
	case strings.HasSuffix(path, "/stream"):
		var req api.StreamRequest
		if json.Unmarshal(body, &req) != nil || req.Start == nil {
			return nil
		}
		h.started(line, req.Pipeline, req.Start)
	default:
		return nil
	}
	return line
}

// started makes a line of a command's start.
func (h *Host) started(line *auditLine, pipeline string, cmd *api.Command) {
	line.Action, line.Pipeline = "Start", pipeline
	if h.conf().LogCommands {
		line.Command = cmd.Text()
	}
}

// passes audits what passes through to the session of e, around pass.
func (h *Host) passes(r *http.Request, e *entry, body []byte, pass func() error) error {
	line := h.forwarded(r, e.id, body)
	if line == nil {
		return pass()
	}
	if info, err := e.facts(); err == nil {
		line.Name = info.Name
	}
	return h.audited(r, line, pass)
}

// audited is pass with its line of the audit log; without one it is pass alone. An
// attachment that starts a command may last for days: it is told at once, and once more
// should it be refused.
func (h *Host) audited(r *http.Request, line *auditLine, pass func() error) error {
	if line == nil {
		return pass()
	}
	early := strings.HasSuffix(r.URL.Path, "/stream")
	if early {
		first := *line
		h.audit.note(r, &first)
	}
	err := pass()
	if err != nil || !early {
		line.refused(err)
		h.audit.note(r, line)
	}
	return err
}
