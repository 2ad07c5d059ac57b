package host

import (
	"pss/remote/api"
	"pss/remote/planted"
	"pss/remote/platform"
)

// survives refuses to make a session that would end with the login that we run in,
// unless host.toml accepts that.
func (h *Host) survives() error {
	if s := h.conf().SurviveLogout; s != nil && !*s {
		return nil
	}
	at := platform.AtLogout()
	if at.Lingerer != "" {
		h.lingers.Do(func() { h.log.Warn("lingering was enabled, so that sessions survive the logout", "user", at.Lingerer) })
	}
	if !at.Ends || planted.On("logout-not-refused") {
		return nil
	}
	return api.Errorf(api.CodeLogout, "a session would not survive the logout: %s; none was made", at.Cause).
		Hint("%s; or accept that sessions end with the login: survive_logout = false in %s", at.Remedy, h.o.Paths.HostFile())
}
