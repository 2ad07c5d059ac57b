package agent

import (
	"context"
	"net"
	"net/http"
	"time"

	"pss/config"
	"pss/remote/api"
	"pss/remote/client"
	"pss/remote/sshlink"
)

// sshComputerLocked returns the computer of that name, which is reached through ssh.
func (a *Agent) sshComputerLocked(name string, target api.SSHTarget) *computer {
	if c := a.computers[name]; c != nil {
		return c
	}
	c := &computer{a: a, name: name, pool: map[string]*client.Client{}, conf: config.Computer{SSH: target.Destination()}}
	c.link = sshlink.NewLink(a.ctx, sshlink.Settings{
		Target: target.Identity(), Name: c.shown(), Log: a.log,
		Connect: a.openTimeout(), Idle: a.conf.Agent.Linger.Or(config.DefaultLinger), Heartbeat: a.conf.Agent.Heartbeat.Or(config.DefaultHeartbeat),
	})
	c.dial = func(ctx context.Context) (net.Conn, error) { return c.link.Dial(ctx, c.caller(ctx)) }
	a.computers[name] = c
	return c
}

// reach makes sure that ssh is connected, before the time of a request begins to run:
// somebody may have to be asked for a passphrase. limit bounds the start of an ssh, 0: as
// config.toml says.
func (k *computer) reach(ctx context.Context, limit time.Duration) error {
	c := k.caller(ctx)
	c.Connect = limit
	return k.link.Ready(ctx, c)
}

// leave ends the ssh, if there is one.
func (k *computer) leave() {
	if k.link != nil {
		go k.link.Close()
	}
}

// connectingTime is how long ssh may take to reach the computer, if this use of its name
// says so.
func connectingTime(name string) time.Duration {
	target, _ := api.ParseSSHRef(name)
	return time.Duration(target.ConnectingTimeout) * time.Millisecond
}

// placeLocked tells where a session is, and how it is reached.
func (a *Agent) placeLocked(s *api.Session, e *entry) {
	s.At(e.computer)
	if s.Transport = api.TransportHTTPS; a.computerLocked(e.computer).link != nil {
		s.Transport = api.TransportSSH
	}
}

// handlePurge has a computer delete the copies of pss that no session there runs.
func (a *Agent) handlePurge(_ http.ResponseWriter, r *http.Request, c *clientSession) (any, error) {
	return a.hostFor(c, r.URL.Query().Get(api.QueryComputer)).Purge(r.Context(), "")
}
