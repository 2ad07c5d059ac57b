package agent

import (
	"context"
	"os"
	"strings"

	"pss/remote/api"
	"pss/remote/planted"
)

// lend fills in what a session gets of its maker's credentials, or takes the wish for
// them off a request that leads to another computer: they are of this one.
func (a *Agent) lend(ctx context.Context, req *api.CreateRequest) {
	wanted := req.NetworkAccess || planted.On("credentials-forwarded-always")
	req.NetworkAccess, req.Credentials = wanted && a.loopback(req.ComputerName), nil
	c, ok := ctx.Value(callerKey{}).(*caller)
	if !ok || !req.NetworkAccess {
		return
	}
	req.Credentials = map[string]string{}
	told := c.told()
	for _, name := range api.ForwardedCredentials {
		if v := told.Env[name]; v != "" {
			req.Credentials[name] = v
		}
	}
}

// loopback reports whether the computer is this one, and its host the user's own: it is
// localhost, or config.toml says so of this computer's name.
func (a *Agent) loopback(computer string) bool {
	a.mu.Lock()
	defer a.mu.Unlock()
	k := a.computerLocked(computer)
	if k.local {
		return true
	}
	name, err := os.Hostname()
	short, _, _ := strings.Cut(name, ".")
	mine := err == nil && (strings.EqualFold(k.shown(), name) || strings.EqualFold(k.shown(), short))
	return mine && k.link == nil && k.conf.TokenFile == a.paths.HostToken()
}
