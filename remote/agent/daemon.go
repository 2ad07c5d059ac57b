package agent

import (
	"context"
	"net"
	"strconv"

	"pss/config"
	"pss/remote/api"
	"pss/remote/client"
)

// newDaemon is the way to the daemon that root runs for all users. localhost means that
// one while it serves, and the user's own host otherwise: the user's sessions live in that
// in any case.
func newDaemon() *client.Daemon {
	return &client.Daemon{From: client.FromHere, Find: func() (string, bool) {
		info, ok := config.Daemon()
		return info.Socket, ok
	}}
}

// daemonMark keeps connections of one life of the daemon apart from those of another, and
// from those to the user's own host while there was none.
func daemonMark(context.Context) string { return config.DaemonMark() }

// isShared reports whether a session on this computer is of a run-as configuration: the
// daemon alone knows it.
func (a *Agent) isShared(s *api.Session) bool {
	owner := s.Runspace.Owner
	return a.daemon.Serves() && owner != "" && owner != a.user && owner != strconv.Itoa(a.uid)
}

// hostOfEntry returns the client for the session's computer.
func (a *Agent) hostOfEntry(c *clientSession, e *entry) *client.Client {
	a.mu.Lock()
	shared := e.shared
	a.mu.Unlock()
	return a.hostBy(c, e.computer, shared)
}

// connectShared reaches the daemon alone: the user's own host would say of a session of
// another user that there is none.
func (k *computer) connectShared(ctx context.Context) (net.Conn, error) {
	c, err := k.a.daemon.Dial(ctx)
	if err != nil {
		return nil, api.Errorf(api.CodeUnreachable, "[%s] the session runs as another user, and the daemon that reaches it does not serve: %v", k.shown(), err).
			WithID("CannotConnect").On(k.shown()).Hint("try again once it does: sudo pss enable-psremoting starts it")
	}
	return c, nil
}
