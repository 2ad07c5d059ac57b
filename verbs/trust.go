package verbs

import (
	"context"
	"encoding/json"
	"net"
	"net/http"
	"slices"
	"sync"

	"pss/remote/api"
)

// acceptNewParam is --accept-new, of cmdlets that reach computers.
func acceptNewParam() param {
	return flag("AcceptNew", "remember the key of a host that was never seen, without asking; one that has changed is refused all the same")
}

// trusting is what a cmdlet says of hosts that it reaches by TLS, and what it hears.
type trusting struct {
	acceptNew  bool
	optionText string // the option object, whose SkipCACheck and SkipCNCheck are meant

	mu    sync.Mutex // guards heard
	heard []api.Notice
}

// readTrust reads the parameters. An option object that is wrong is refused by the
// cmdlets that take one.
func (rt *Runtime) readTrust(in *input) {
	rt.trust.acceptNew = in.Bool("accept-new")
	if rt.trust.optionText = in.String("session-option"); rt.trust.optionText == "" {
		rt.trust.optionText = rt.Getenv("PSSessionOption")
	}
}

// tellTrust puts what was said into what the agent is told.
func (rt *Runtime) tellTrust(me *api.Caller) {
	me.AcceptNew = rt.trust.acceptNew
	if v := rt.Getenv("PSS_FINGERPRINT"); len(v) <= maxVariable {
		me.Fingerprint = v
	}
	if rt.trust.optionText == "" {
		return
	}
	if o, err := parseSessionOption(rt.trust.optionText, "--session-option"); err == nil {
		me.SkipCACheck, me.SkipCNCheck = o.skipCA, o.skipCN
	}
}

// seeNotices prints what the agent has to say beside an answer, each once.
func (rt *Runtime) seeNotices(_ context.Context, _ net.Conn, header http.Header) {
	for _, text := range header[api.HeaderNotice] {
		var n api.Notice
		if json.Unmarshal([]byte(text), &n) != nil {
			continue
		}
		rt.trust.mu.Lock()
		known := slices.Contains(rt.trust.heard, n)
		if !known {
			rt.trust.heard = append(rt.trust.heard, n)
			rt.warn(n.ID, cleanLines(n.Text), n.Target)
		}
		rt.trust.mu.Unlock()
	}
}
