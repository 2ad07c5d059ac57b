package host

import (
	"encoding/json"
	"log/slog"
	"net/http"
	"os"
	"sync"
	"time"

	"pss/remote/api"
	"pss/remote/planted"
)

// audit appends what is done to sessions, one JSON object per line.
type audit struct {
	path  string
	log   *slog.Logger
	asker func(*http.Request) api.ClientID

	mu sync.Mutex // one line at a time
}

// auditLine is one attempt, allowed or not.
type auditLine struct {
	Time      time.Time
	Action    string // New, Connect, Remove; RegisterConfiguration, SetConfiguration, UnregisterConfiguration
	User      string
	RunAs     string `json:",omitempty"` // whom the session runs as, if that is another user
	Client    string // opaque
	Address   string // that the request came from
	Session   string `json:",omitempty"` // InstanceID
	Name      string `json:",omitempty"` // of the session, or of the session configuration
	TakenFrom string `json:",omitempty"` // the client that held it
	Refused   string `json:",omitempty"` // the error's code; empty: it was done
}

// refused notes the reason if there is one.
func (l *auditLine) refused(err error) {
	if err != nil {
		l.Refused = string(api.AsError(err).Code)
	}
}

// note completes the line from the request and appends it.
func (a *audit) note(r *http.Request, line *auditLine) {
	asker := a.asker(r)
	line.Time, line.User, line.Client, line.Address = time.Now(), asker.Principal, asker.ID, r.RemoteAddr
	data, err := json.Marshal(line)
	if planted.On("audit-not-written") {
		return
	}
	if err != nil {
		a.log.Error("audit", "error", err)
		return
	}
	a.mu.Lock()
	defer a.mu.Unlock()
	f, err := os.OpenFile(a.path, os.O_WRONLY|os.O_APPEND|os.O_CREATE, 0o600)
	if err == nil {
		_, err = f.Write(append(data, '\n'))
		f.Close()
	}
	if err != nil {
		a.log.Error("audit", "error", err)
	}
}
