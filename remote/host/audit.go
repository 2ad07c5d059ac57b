package host

import (
	"encoding/json"
	"log/slog"
	"net"
	"net/http"
	"os"
	"sync"
	"sync/atomic"
	"time"
	"unicode/utf8"

	"pss/config"
	"pss/remote/api"
	"pss/remote/planted"
)

// audit appends security events, one JSON object per line. It holds what people did and
// never what they typed: neither scripts, arguments and environment nor passwords and
// tokens, but for the text of commands where host.toml says log_commands.
type audit struct {
	log   *slog.Logger
	asker func(*http.Request) (principal, api.ClientID)
	conf  func() config.HostOperations

	lines, errors atomic.Int64
	broken        atomic.Bool // the last line could not be written

	mu   sync.Mutex // guards what follows: one line at a time
	file auditFile

	refusals refusals
}

// auditLine is one attempt, allowed or not.
type auditLine struct {
	Time      time.Time
	Action    string // New, Connect, Disconnect, Remove, Start, Authenticate … (pss help about_Auditing)
	Result    string // Done or Refused
	User      string `json:",omitempty"`
	RunAs     string `json:",omitempty"` // another user, whose the session is
	Method    string `json:",omitempty"` // how User was proved: api.MethodToken …
	Client    string `json:",omitempty"` // opaque
	Address   string `json:",omitempty"` // that the request came from
	Session   string `json:",omitempty"` // InstanceID
	Name      string `json:",omitempty"` // of the session, or of the session configuration
	Pipeline  string `json:",omitempty"` // of a started command
	Command   string `json:",omitempty"` // its text, with log_commands alone
	Route     string `json:",omitempty"` // of a refused request
	Detail    string `json:",omitempty"` // of a change to the host itself
	TakenFrom string `json:",omitempty"` // the client that held it
	Count     int    `json:",omitempty"` // how many refusals the line stands for, if more than one
	Key       string `json:",omitempty"` // SHA256 fingerprint of the SSH key, or sha256: of the certificate's
	Refused   string `json:",omitempty"` // the error's code; empty: it was done
}

// The results of a line.
const (
	resultDone    = "Done"
	resultRefused = "Refused"
)

// maxAuditText bounds each text of a line that a client chose, in bytes.
const maxAuditText = 512

func newAudit(path string, h *Host) *audit {
	a := &audit{
		log: h.log, file: auditFile{path: path}, conf: func() config.HostOperations { return h.conf().Complete() },
		asker: func(r *http.Request) (principal, api.ClientID) { return h.principalOf(r), h.asker(r) },
	}
	a.refusals.init()
	return a
}

// refused notes the reason if there is one.
func (l *auditLine) refused(err error) {
	if err != nil {
		l.Refused = string(api.AsError(err).Code)
	}
}

// note completes the line from the request and appends it.
func (a *audit) note(r *http.Request, line *auditLine) {
	who, asker := a.asker(r)
	line.Client, line.Address = asker.ID, r.RemoteAddr
	if line.User == "" { // otherwise it is as whom a stranger wants to come in
		line.User = asker.Principal
	}
	if line.Method == "" {
		line.Method = who.Method
	}
	if s := sightOf(r); s != nil {
		s.audited = true
	}
	a.event(line)
}

// event appends a line that is complete but for time and result.
func (a *audit) event(line *auditLine) {
	line.Time, line.Result = time.Now(), resultDone
	if line.Refused != "" {
		line.Result = resultRefused
	}
	for _, text := range []*string{&line.Action, &line.User, &line.Client, &line.Address, &line.Session, &line.Name, &line.Pipeline, &line.Route, &line.TakenFrom} {
		*text = cut(*text, maxAuditText)
	}
	data, err := json.Marshal(line)
	if planted.On("audit-not-written") {
		return
	}
	if err == nil {
		conf := a.conf()
		a.mu.Lock()
		err = a.file.append(append(data, '\n'), conf.AuditMaxBytes, conf.AuditKeep)
		a.mu.Unlock()
	}
	if err == nil {
		a.lines.Add(1)
		a.broken.Store(false)
		return
	}
	a.errors.Add(1)
	if !a.broken.Swap(true) { // once for each time that it begins to fail
		a.log.Error("audit log not written", "action", line.Action, "user", line.User, "session", line.Session, "error", err)
	}
}

// demand refuses a request where every one must be audited and that is impossible now.
// It tries, so that the first request after the trouble goes on.
func (a *audit) demand() error {
	if !a.broken.Load() || !a.conf().AuditRequired || planted.On("audit-not-required") {
		return nil
	}
	if a.event(&auditLine{Action: "ResumeAudit"}); !a.broken.Load() {
		return nil
	}
	return api.Errorf(api.CodeDiskFull, "this host cannot write its audit log, and does nothing that it cannot audit").
		WithID("AuditNotWritten").Hint("its owner makes room for the audit log, or sets audit_required = false in host.toml")
}

// refusal notes that somebody was not let in, or may not do what he asked for. Repeated
// ones of an address become one line with a count; told is whether a line was written.
func (a *audit) refusal(r *http.Request, code api.Code, route string) (told bool) {
	if s := sightOf(r); s != nil {
		s.audited = true
	}
	who, asker := a.asker(r)
	return a.refuse(addressOf(r.RemoteAddr), &auditLine{
		Action: "Request", User: who.Name, Method: who.Method, Client: asker.ID, Address: r.RemoteAddr, Route: route, Refused: string(code),
	})
}

// refuse is refusal without a request.
func (a *audit) refuse(address string, line *auditLine) (told bool) {
	if told = a.refusals.count(address, time.Now()); told {
		a.event(line)
	}
	return told
}

// summarise appends the refusals that were only counted, once the minute is over.
func (a *audit) summarise(now time.Time, all bool) {
	for address, n := range a.refusals.over(now, all) {
		a.event(&auditLine{Action: "Request", Address: address, Count: n, Refused: string(api.CodeAccessDenied)})
	}
}

// reopen lets the next line go to the file that has the log's name then.
func (a *audit) reopen() {
	a.mu.Lock()
	defer a.mu.Unlock()
	a.file.close()
}

// auditFile is the log and the ones that were put aside: path.1 is the newest of them.
type auditFile struct {
	path string
	f    *os.File
	size int64
}

// cut returns at most n bytes of s, whole characters.
func cut(s string, n int) string {
	if len(s) <= n {
		return s
	}
	for n > 0 && !utf8.RuneStart(s[n]) {
		n--
	}
	return s[:n] + "…"
}

// addressOf returns the address without its port.
func addressOf(remote string) string {
	if host, _, err := net.SplitHostPort(remote); err == nil {
		return host
	}
	return remote
}
