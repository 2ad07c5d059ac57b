package platform

import (
	"bytes"
	"path"
	"slices"
	"strconv"
	"strings"

	"pss/remote/planted"
)

// login is what the processes of one login have in common. logind puts them into the
// scope of the login, or, mostly those of a desktop, below the manager of its user.
type login struct {
	uid     int  // of the user who has logged in; -1: not known
	manager bool // below user@UID.service, not in session-N.scope
}

// loginOf finds the login in the text of /proc/PID/cgroup; there may be none.
func loginOf(groups []byte) (login, bool) {
	for line := range bytes.Lines(groups) {
		f := strings.SplitN(strings.TrimSpace(string(line)), ":", 3)
		if len(f) < 3 {
			continue
		}
		l := login{uid: -1}
		for dir := range strings.SplitSeq(f[2], "/") {
			if uid, ok := numbered(dir, "user-", ".slice"); ok {
				l.uid = uid
			}
			if uid, ok := numbered(dir, "user@", ".service"); ok {
				return login{uid, true}, true
			}
			if ok, _ := path.Match("session-*.scope", dir); ok {
				return l, true
			}
		}
	}
	return login{}, false
}

// numbered returns the number of a unit's name, which stands between before and after.
func numbered(unit, before, after string) (int, bool) {
	rest, ok := strings.CutPrefix(unit, before)
	rest, end := strings.CutSuffix(rest, after)
	n, err := strconv.Atoi(rest)
	return n, ok && end && err == nil && n >= 0
}

// properties reads what loginctl show-… prints: one NAME=VALUE a line. Properties
// without a value are left out, and lines that are none are skipped.
func properties(text string) map[string]string {
	p := map[string]string{}
	for line := range strings.Lines(text) {
		if name, value, ok := strings.Cut(strings.TrimSpace(line), "="); ok && name != "" {
			p[name] = value
		}
	}
	return p
}

// killed reports whether logind with these properties ends what is left in the scope of
// a login of this user: the lists go before the switch, as logind.conf(5) has it.
func killed(logind map[string]string, user string) bool {
	excluded, only := strings.Fields(logind["KillExcludeUsers"]), strings.Fields(logind["KillOnlyUsers"])
	switch {
	case slices.Contains(excluded, user), len(excluded) == 0 && user == "root":
		return false
	case len(only) > 0:
		return slices.Contains(only, user)
	}
	return logind["KillUserProcesses"] == "yes"
}

// standing is what is known when it is decided where the roles of a login run.
type standing struct {
	root    bool // the system's manager makes scopes for us, not that of the user
	manager bool // we are below the manager of a user
	logind  bool // logind answers
	lingers bool // our own user's manager does not end with the last logout
	ends    bool // what stays where we are ends with the login
}

// The places where roles run.
const (
	placeHere  = "here"  // where we are
	placeScope = "scope" // in a scope of its own
	placeNone  = "none"  // in a scope of its own that lingering has first to be enabled for
)

// place decides. A user's scopes end with the user's last login, unless the user
// lingers: where nothing is ended at a logout, the login is the better place.
func (s standing) place() string {
	switch {
	case s.root, planted.On("scope-without-lingering"):
		return placeScope
	case s.manager && !s.ends:
		return placeHere
	case s.lingers, !s.logind:
		return placeScope
	case s.ends:
		return placeNone
	}
	return placeHere
}
