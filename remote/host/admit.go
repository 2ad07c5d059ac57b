package host

import (
	"context"
	"net/http"
	"os"
	"strings"

	"pss/remote/api"
	"pss/remote/client"
)

// allowed refuses a session that its configuration does not allow this user, or now.
func (h *Host) allowed(r *http.Request, conf *api.SessionConfiguration) error {
	denied := func(format string, args ...any) *api.Error {
		return api.Errorf(api.CodeAccessDenied, format, args...).WithID("AccessDenied,PSSessionOpenFailed").On(conf.Name)
	}
	if err := h.remoteDisabled(r); err != nil {
		return err
	}
	user := h.asker(r).Principal
	switch {
	case !conf.IsEnabled():
		return denied("session configuration %s is disabled", conf.Name).
			Hint("its owner enables it: pss enable-pssessionconfiguration --name %s", conf.Name)
	case conf.AccessMode == api.AccessLocal && !client.FromLocal(r.RemoteAddr):
		return denied("session configuration %s is for clients on its own computer only", conf.Name).
			Hint("use another configuration")
	case !h.allows(conf, user):
		return denied("session configuration %s is not for user %s", conf.Name, user).
			Hint("its owner names who may use it: pss set-pssessionconfiguration --name %s --allowed-users USER", conf.Name)
	case conf.RunAsUser != "" && conf.RunAsUser != h.owner && h.front == nil:
		return denied("session configuration %s runs its sessions as user %s, which only a host that runs as root can", conf.Name, conf.RunAsUser).
			Hint("use another configuration, or the computer's own daemon: sudo pss enable-psremoting")
	}
	return nil
}

// allows reports whether the configuration is for the user. A run-as configuration that
// names nobody is for its run-as user alone.
func (h *Host) allows(conf *api.SessionConfiguration, user string) bool {
	if len(conf.AllowedUsers) == 0 {
		return conf.RunAsUser == "" || conf.RunAsUser == user
	}
	for _, who := range conf.AllowedUsers {
		if group, ok := strings.CutPrefix(who, "@"); who == user || ok && h.accounts.inGroup(context.Background(), user, group) {
			return true
		}
	}
	return false
}

// admit refuses a session that its configuration does not allow now. Until release is
// called, no other session is made with a configuration that counts its sessions.
func (h *Host) admit(r *http.Request, conf *api.SessionConfiguration) (release func(), err error) {
	if err := h.allowed(r, conf); err != nil {
		return nil, err
	}
	if conf.MaxShells == 0 && conf.MaxShellsPerUser == 0 && conf.MaxConcurrentUsers == 0 {
		return func() {}, nil
	}
	release = h.creating.lock("configuration:" + strings.ToLower(conf.Name))
	var owners []string
	for _, e := range h.dir.all() {
		info, err := e.facts()
		if err == nil && info.Life == api.LifeOpen && strings.EqualFold(info.ConfigurationName, conf.Name) {
			owners = append(owners, info.Owner)
		}
	}
	if limit, most := exceeds(conf, owners, h.owner); limit != "" {
		release()
		return nil, quotaOf(conf.Name, limit, most)
	}
	return release, nil
}

// quotaOf is the error of a configuration whose limit is reached.
func quotaOf(conf, limit string, most int) error {
	return api.Errorf(api.CodeQuota, "session configuration %s allows no more sessions now: %s is %d", conf, limit, most).
		WithID(limit + ",PSSessionOpenFailed").On(conf).
		Hint("remove sessions (pss get-pssession --computer-name COMPUTER lists them), or have the limit raised")
}

// exceeds names the limit of the configuration that one session more of owner would
// exceed, and how much it allows; owners are those of the sessions that are there.
func exceeds(conf *api.SessionConfiguration, owners []string, owner string) (limit string, most int) {
	own, users := 0, map[string]bool{owner: true}
	for _, o := range owners {
		users[o] = true
		if o == owner {
			own++
		}
	}
	for _, l := range []struct {
		name      string
		most, now int
	}{
		{"MaxShells", conf.MaxShells, len(owners) + 1},
		{"MaxShellsPerUser", conf.MaxShellsPerUser, own + 1},
		{"MaxConcurrentUsers", conf.MaxConcurrentUsers, len(users)},
	} {
		if l.most > 0 && l.now > l.most {
			return l.name, l.most
		}
	}
	return "", 0
}

// startupScript returns the text of the configuration's start-up script: the one that
// it holds, or that of the file on this computer which it names.
func startupScript(conf *api.SessionConfiguration) (string, error) {
	if conf.StartupScriptText != "" || conf.StartupScript == "" {
		return conf.StartupScriptText, nil
	}
	data, err := os.ReadFile(conf.StartupScript)
	if err != nil {
		return "", api.Errorf(api.CodeInvalidArgument, "the start-up script of session configuration %s cannot be read: %v", conf.Name, err).
			WithID("StartupScriptNotFound,PSSessionOpenFailed").On(conf.StartupScript).
			Hint("have it corrected: pss set-pssessionconfiguration --name %s --startup-script FILE", conf.Name)
	}
	return string(data), nil
}
