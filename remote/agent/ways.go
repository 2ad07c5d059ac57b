package agent

import (
	"cmp"
	"context"
	"fmt"
	"net/http"
	"sync"
	"time"

	"pss/config"
	"pss/remote/api"
	"pss/remote/client"
)

// way is a computer by one of the ways to it.
type way struct {
	*computer
	limit time.Duration // how long ssh may take to connect; 0: as config.toml says
	aside bool          // no other cmdlet would take it: nobody is asked for anything on its account
}

// trialKey marks a context in which a way is only tried: nothing is copied on somebody's
// word. Its value is a way's aside.
type trialKey struct{}

// handleTest tries each way to the computer that the query names, all at once.
func (a *Agent) handleTest(_ http.ResponseWriter, r *http.Request, _ *clientSession) (any, error) {
	ways := a.waysTo(r.URL.Query().Get(api.QueryComputer))
	reply := &api.TestReply{Version: api.Version, Ways: make([]api.Way, len(ways))}
	var tries sync.WaitGroup
	for i, w := range ways {
		tries.Go(func() { reply.Ways[i] = w.try(r.Context()) })
	}
	tries.Wait()
	return reply, nil
}

// waysTo returns the ways to a computer: the one that the cmdlets take, and ssh, where
// the computer's name alone was given and might be one that ssh knows.
func (a *Agent) waysTo(name string) []way {
	a.mu.Lock()
	defer a.mu.Unlock()
	k := a.computerLocked(name)
	ways := []way{{computer: k, limit: connectingTime(name)}}
	if k.link != nil || k.local || k.shown() != k.name {
		return ways
	}
	if target, err := api.ParseSSHHost(name); err == nil {
		ways = append(ways, way{computer: a.sshComputerLocked(target.Ref(), target), aside: true})
	}
	return ways
}

// try goes the way on a connection of its own, once.
func (w way) try(ctx context.Context) api.Way {
	ctx = context.WithValue(ctx, trialKey{}, w.aside)
	found := api.Way{Transport: api.TransportHTTPS}
	cl := &client.Client{Dial: w.connect, Token: w.token, Host: "pss-host", Identity: w.identity(), Timeout: w.a.openTimeout(), Lost: w.lost}
	if w.link == nil && !w.local {
		cl.Seen = w.seen
	}
	if w.link != nil {
		found.Transport, cl.Prepare = api.TransportSSH, func(ctx context.Context) error { return w.reach(ctx, w.limit) }
	}
	defer cl.CloseIdle()
	host, err := cl.Version(ctx)
	found.Address = w.address(ctx)
	if err != nil {
		found.Error = api.AsError(err)
		if found.Error.Target == "" {
			found.Error = found.Error.On(w.shown())
		}
		return found
	}
	found.Host = &host
	// The connection is there now: the time of a second request is the network's.
	asked := time.Now()
	if again, err := cl.Version(ctx); err == nil {
		took := time.Since(asked)
		found.LatencyMs, found.ClockSkewMs = took.Milliseconds(), skew(again.Time, asked, took)
	}
	return found
}

// skew is by how many milliseconds a clock is ahead of ours that showed there in answer
// to a request; nil: it was not told. What cannot be told from the time that the request
// itself took is no difference.
func skew(there, asked time.Time, took time.Duration) *int64 {
	if there.IsZero() {
		return nil
	}
	ahead := there.Sub(asked.Add(took / 2))
	if ahead.Abs() <= took/2 {
		ahead = 0
	}
	ms := ahead.Milliseconds()
	return &ms
}

// address is where the computer is found by this way, as far as is known.
func (w way) address(ctx context.Context) string {
	switch {
	case w.link != nil:
		return w.conf.SSH
	case !w.local:
		at, _ := w.endpoint(ctx) // what fails is not the address
		return at.Address
	}
	if info, ok := config.Daemon(); ok && w.a.daemon.Serves() {
		return info.Socket
	}
	info, err := readInfo(w.a.paths)
	if err != nil {
		return ""
	}
	at := w.a.ownEndpoint(&info)
	return cmp.Or(at.Socket, at.Address)
}

// waysThere says what makes a computer reachable that was not reached by TLS.
func (k *computer) waysThere() string {
	section := client.ComputerSection(k.shown())
	if k.conf.Address != "" {
		return fmt.Sprintf("check the address, and that 'pss host' runs there; config.toml says where a computer listens: %s address = \"HOST:PORT\"", section)
	}
	return fmt.Sprintf("check the name. There are two ways: have 'sudo pss enable-psremoting' run there, or without root 'pss host --listen 0.0.0.0:%s', and your SSH key in ~/.ssh/authorized_keys "+
		"(%s of config.toml has another address or port); or let ssh reach it, which needs no port and no daemon: --host-name %s", defaultPort, section, k.shown())
}
