package host

import (
	"net/http"
	"slices"
	"strings"

	"pss/remote/api"
	"pss/remote/client"
	"pss/remote/planted"
)

// lent are the variables that a session gets of the credentials of whoever makes it.
func lent(info *api.RunspaceInfo, req *api.CreateRequest) map[string]string {
	if !info.NetworkAccess {
		return nil
	}
	vars := map[string]string{}
	for name, value := range req.Credentials {
		if slices.Contains(api.ForwardedCredentials, name) && !strings.ContainsRune(value, 0) {
			vars[name] = value
		}
	}
	return vars
}

// reaches refuses a request from another computer that would get at a session with
// somebody's credentials. That is hygiene, not isolation: the same user on this
// computer can use them anyway.
func (h *Host) reaches(r *http.Request, e *entry) error {
	if client.FromLocal(r.RemoteAddr) || planted.On("network-access-from-anywhere") {
		return nil
	}
	info, err := e.facts()
	if err != nil {
		return err
	}
	if !info.NetworkAccess {
		return nil
	}
	return api.Errorf(api.CodeAccessDenied, "session %s was made with EnableNetworkAccess: only clients on its own computer can connect it", info.Name).
		WithID("PSSessionConnectFailed").On(info.Name).
		Hint("log in on its computer and connect it there: pss connect-pssession --computer-name localhost --instance-id %s; from here it can be removed", info.InstanceID)
}
