package agent

import (
	"context"
	"fmt"
	"net"
	"net/http"
	"time"

	"pss/remote/api"
	"pss/remote/platform"
)

// batchKey is the client session of everything without a terminal: cron, CI,
// ssh host pss …
const batchKey = "batch"

type peerKey struct{}

// peer is the process at the other end of a connection.
type peer struct {
	platform.Peer
	start  uint64 // of the process
	client string // key of its client session, unless it names one
	leader int    // of a terminal's client session
}

// identify finds out, once per connection, whose cmdlet it is. The process may
// be gone a moment later.
func (a *Agent) identify(ctx context.Context, c net.Conn) context.Context {
	p := &peer{client: batchKey}
	var err error
	if p.Peer, err = platform.PeerOf(c); err != nil {
		p.UID = -1
	}
	if st, err := platform.StatProcess(p.PID); err == nil {
		p.start = st.Start
		if leader, err := platform.StatProcess(st.Session); err == nil && leader.TTY != 0 {
			p.leader = st.Session
			p.client = fmt.Sprintf("tty:%s:%d:%d", bootID(), st.Session, leader.Start)
		}
	}
	return context.WithValue(ctx, peerKey{}, p)
}

// bootID is short: it only has to tell boots of one computer apart.
func bootID() string { return platform.BootID()[:8] }

// clientOf returns the asker's client session, made on first sight. Another
// user is refused, whatever the folder's mode let through.
func (a *Agent) clientOf(r *http.Request) (*clientSession, *peer, error) {
	p, ok := r.Context().Value(peerKey{}).(*peer)
	if !ok || p.UID != a.uid && p.UID != 0 {
		return nil, nil, api.Errorf(api.CodeAccessDenied, "this agent serves its own user only")
	}
	key, leader := p.client, p.leader
	if name := r.Header.Get(api.HeaderClientSession); name != "" {
		key, leader = "name:"+name, 0
	}
	a.mu.Lock()
	c := a.clients[key]
	fresh := c == nil
	if fresh {
		c = newClientSession(key)
		c.leader = leader
		a.clients[key] = c
		a.leaveJobsLocked(key, time.Time{}) // it is back
	}
	c.touch()
	a.mu.Unlock()
	if fresh {
		a.watchClient(c)
	}
	return c, p, nil
}
