package host

import (
	"log/slog"
	"net/http"
	"os"

	"pss/config"
	"pss/remote/api"
	"pss/remote/client"
	"pss/remote/planted"
	"pss/remote/platform"
)

// prepare makes the host's folders.
func prepare(p config.Paths) error {
	if p.Runtime != "" {
		return p.PrepareSystem()
	}
	return p.Prepare()
}

// publish tells the computer's other users where the daemon for all users is, and the
// service manager that it serves.
func (h *Host) publish(info *config.HostInfo) error {
	if h.o.Paths.Runtime != "" {
		if err := h.o.Paths.WriteSystemInfo(info); err != nil {
			return err
		}
	}
	if err := platform.Notify("READY=1"); err != nil {
		h.log.Warn("the service manager was not told that we are ready", "error", err)
	}
	return nil
}

// unpublish takes back what publish told.
func (h *Host) unpublish() {
	if h.o.Paths.Runtime != "" {
		os.Remove(h.o.Paths.SystemInfo())
	}
}

// warnOfLimits names the limits of the computer that fewer sessions fit in than host.toml
// allows.
func (h *Host) warnOfLimits() {
	for _, s := range platform.Shortages(platform.TaskLimits(os.Getpid()), h.o.Config.SessionLimit()) {
		h.log.Warn("a limit of the computer is below max_sessions", "limit", s.Name, "value", s.Value, "sessions", s.Sessions)
	}
}

// remoteDisabled refuses a request by the network from another computer that would make
// a session, after Disable-PSRemoting. What ssh brings is sshd's to let in, and sessions
// that are there already stay within the reach of those whose they are.
func (h *Host) remoteDisabled(r *http.Request) error {
	if _, bySocket := client.OriginOf(connOf(r)); bySocket || client.FromLocal(r.RemoteAddr) {
		return nil
	}
	if _, err := os.Lstat(h.o.Paths.RemoteDisabled()); os.IsNotExist(err) || planted.On("remote-disabled-ignored") {
		return nil
	}
	return api.Errorf(api.CodeAccessDenied, "access is denied: this computer makes no new sessions for other computers").
		WithID("AccessDenied,PSSessionOpenFailed").
		Hint("its administrator allows them again: pss enable-psremoting; sessions that are there already can be connected")
}

// Fingerprint returns that of the certificate of the host on these folders, which it
// makes if there is none yet.
func Fingerprint(p config.Paths) (string, error) {
	if err := prepare(p); err != nil {
		return "", err
	}
	conf, err := p.LoadHost()
	if err != nil {
		return "", err
	}
	certs, err := newCerts(&Options{Paths: p, Config: conf, Log: slog.New(slog.DiscardHandler)})
	if err != nil {
		return "", err
	}
	return certs.fingerprint(), nil
}
