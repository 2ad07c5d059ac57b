package agent

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"os"
	"strconv"
	"strings"
	"time"

	"pss/config"
	"pss/remote/api"
	"pss/remote/client"
	"pss/remote/planted"
	"pss/remote/platform"
	"pss/remote/sshlink"
)

// defaultPort is PowerShell's for remoting over HTTPS.
const defaultPort = "5986"

// computer is a host that sessions live on. Its fields are guarded by the
// agent's mutex.
type computer struct {
	a       *Agent
	name    string // folded; or the Ref of an api.HTTPSTarget or an api.SSHTarget
	local   bool
	conf    config.Computer
	dial    client.Dialer
	link    *sshlink.Link             // of one that is reached through ssh
	env     []string                  // in which its ssh ran last
	pool    map[string]*client.Client // one per client session, which names its asker, and limit
	beating bool
	known   string    // the token
	changed time.Time // its file
	target  api.HTTPSTarget
	proofs  *proofs // nil: of our own host, and of one that is reached through ssh
}

// computerLocked returns the computer of that name.
func (a *Agent) computerLocked(name string) *computer {
	a.reloadLocked()
	if target, ok := api.ParseSSHRef(name); ok {
		return a.sshComputerLocked(target.Identity().Ref(), target)
	}
	key := api.KeyOf(name)
	if key == "" || key == "." {
		key = "localhost"
	}
	if c := a.computers[key]; c != nil {
		return c
	}
	c := &computer{a: a, name: key, pool: map[string]*client.Client{}}
	found := false
	for n, conf := range a.known {
		if strings.EqualFold(n, api.ComputerOf(key)) {
			c.conf, found = conf, true
		}
	}
	var named bool
	if c.target, named = api.ParseHTTPSRef(key); c.target.Port != 0 {
		c.conf.Address = net.JoinHostPort(c.target.Host, strconv.Itoa(c.target.Port))
	}
	c.dial = client.DialTLS(c.endpoint)
	c.local = key == "localhost" && !found
	switch target, err := api.ParseSSHHost(c.conf.SSH); {
	case err == nil && (!named || c.target.IsBare()):
		return a.sshComputerLocked(key, target)
	case err == nil:
		c.dial = c.otherWay
	case c.local:
		c.dial = a.daemon.Or(again(c.dial))
	default:
		c.proofs = a.proofsLocked(c)
	}
	a.computers[key] = c
	return c
}

// reloadLocked reads the computers of config.toml again when it has changed. A file that cannot be
// read changes nothing: the sessions that are known stay reachable.
func (a *Agent) reloadLocked() {
	var changed time.Time
	if st, err := os.Stat(a.paths.ClientFile()); err == nil {
		changed = st.ModTime()
	}
	if changed.Equal(a.confTime) {
		return
	}
	a.confTime = changed
	conf, err := a.paths.LoadClient()
	if a.confErr = err; err != nil {
		a.log.Warn("configuration not read again", "error", err)
		return
	}
	a.known = conf.Computers
	for _, k := range a.computers {
		if !k.beating {
			delete(a.computers, k.name)
			k.leave()
		}
	}
}

// hostFor returns the client for the computer on behalf of a client session.
func (a *Agent) hostFor(c *clientSession, name string) *client.Client {
	return a.hostBy(c, name, false)
}

// hostBy is hostFor. With shared, it is for a session that only the daemon of this
// computer has.
func (a *Agent) hostBy(c *clientSession, name string, shared bool) *client.Client {
	a.mu.Lock()
	defer a.mu.Unlock()
	k := a.computerLocked(name)
	key := c.key
	if shared = shared && k.local; shared {
		key += " shared"
	}
	connecting := connectingTime(name)
	if connecting > 0 {
		key += " " + connecting.String()
	}
	cl := k.pool[key]
	if cl == nil {
		open := a.openTimeout()
		cl = &client.Client{
			Dial: k.connect, Token: k.token, Host: "pss-host", Identity: k.identity(),
			Header:  http.Header{api.HeaderClient: {a.clientID(c)}},
			Timeout: open, KeptTimeout: open / 3, Retry: open, Lost: k.lost,
		}
		switch {
		case k.link != nil:
			cl.Prepare = func(ctx context.Context) error { return k.reach(ctx, connecting) }
		case shared:
			cl.Dial = k.connectShared
		case k.local:
			cl.Distinct = daemonMark
		default:
			cl.Prepare, cl.Distinct, cl.Seen = k.meet, k.terms, k.seen
		}
		k.pool[key] = cl
	}
	return cl
}

// openTimeout bounds how long a computer may take to answer.
func (a *Agent) openTimeout() time.Duration {
	return a.conf.Agent.OpenTimeout.Or(config.DefaultOpenTimeout)
}

// connect dials the computer; what goes wrong is an error that says what to do.
func (k *computer) connect(ctx context.Context) (net.Conn, error) {
	if conn := k.proofs.take(); conn != nil {
		return conn, nil
	}
	return k.connectNew(ctx)
}

func (k *computer) connectNew(ctx context.Context) (net.Conn, error) {
	ctx, cancel := context.WithTimeout(ctx, k.a.openTimeout())
	defer cancel()
	conn, err := k.dial(ctx)
	var unknown *client.UnknownHost
	if errors.As(err, &unknown) { // no authority confirms it any more: somebody may be asked
		k.a.trust.meets(unknown.Address, false)
	}
	var known *api.Error
	if err == nil || errors.As(err, &known) {
		return conn, err
	}
	e := api.Errorf(api.CodeUnreachable, "[%s] connecting to the computer failed: %v", k.shown(), k.reason(err)).
		WithID("CannotConnect").On(k.shown())
	if k.local {
		return nil, e.Hint("look into %s for the reason", k.a.paths.HostLog())
	}
	if k.link != nil {
		return nil, e.Hint("try again; pss test-pssession %s tells how far it comes", k.asked())
	}
	k.a.mu.Lock()
	broken := k.a.confErr
	k.a.mu.Unlock()
	if broken != nil {
		return nil, e.Hint("correct what was not read: %v", broken)
	}
	return nil, e.Hint("%s; pss test-pssession %s tries every way", k.waysThere(), k.asked())
}

// reason says for people why a connection was not made or lost.
func (k *computer) reason(err error) error {
	var timeout net.Error
	if errors.Is(err, context.DeadlineExceeded) || errors.As(err, &timeout) && timeout.Timeout() {
		return errors.New("it does not answer")
	}
	return err
}

// lost is the error of a request whose answer did not come. One that changes nothing
// has failed; of others it is not known.
func (k *computer) lost(method string, err error) error {
	if method == http.MethodGet {
		return api.Errorf(api.CodeUnreachable, "[%s] the computer was asked in vain: %v", k.shown(), k.reason(err)).
			WithID("CannotConnect").On(k.shown()).Hint("try again; pss get-pssession %s tells whether it answers", k.asked())
	}
	return api.Errorf(api.CodeOutcomeUnknown, "[%s] the connection was lost before the computer answered: %v", k.shown(), k.reason(err)).
		On(k.shown()).Hint("see what became of it: pss get-pssession %s", k.asked())
}

// shown is the computer's name for people.
func (k *computer) shown() string { return api.ComputerOf(k.name) }

// asked is what asks the computer, as part of a command line.
func (k *computer) asked() string {
	if t, ok := api.ParseSSHRef(k.name); ok {
		return "--host-name " + t.Destination()
	}
	if t, ok := api.ParseHTTPSRef(k.name); ok {
		return t.Arguments()
	}
	return "--computer-name " + k.name
}

// ownHost tells where the user's own host listens, and starts it if it does not run.
// One that is ending holds its lock until it has ended: it is not waited for longer.
func (a *Agent) ownHost(ctx context.Context) (config.HostInfo, error) {
	for failed := false; ; {
		if held, err := platform.LockHeld(a.paths.HostLock()); err == nil && !held {
			if _, err := client.StartRole(ctx, a.paths.HostLog(), "host", "--embedded"); err != nil {
				if held, lerr := platform.LockHeld(a.paths.HostLock()); failed && (lerr != nil || !held) {
					return config.HostInfo{}, err
				}
				failed = true // once it is no reason: another host may have stood in the way, and be gone
				continue
			}
		}
		info, err := readInfo(a.paths)
		if err == nil {
			return info, nil
		}
		select {
		case <-ctx.Done():
			return info, fmt.Errorf("the host does not say where it listens: %w", err)
		case <-time.After(5 * time.Millisecond):
		}
	}
}

// readInfo reads where the running host listens; one that starts just now tells in a
// moment.
func readInfo(paths config.Paths) (info config.HostInfo, err error) {
	if err := config.ReadJSON(paths.HostInfo(), &info); err != nil {
		return info, err
	}
	if info.InitStart != 0 && info.InitStart != platform.PresentLife().Init {
		return info, nil // of a container, or of another one: its pids are not ours
	}
	// A killed host's file may still lie there while the next one starts.
	if st, err := platform.StatProcess(info.Pid); errors.Is(err, os.ErrNotExist) || st.State == 'Z' {
		return info, fmt.Errorf("process %d, which it names, has ended", info.Pid)
	}
	return info, nil
}

// again dials again while the user's own host is between two lives: one that ends
// listens no more while its file is still there, and one that was alive when we looked
// may have been killed since.
func again(dial client.Dialer) client.Dialer {
	return func(ctx context.Context) (net.Conn, error) {
		for {
			c, err := dial(ctx)
			var op *net.OpError
			if broke := errors.As(err, &op) && !op.Timeout() || errors.Is(err, io.EOF); !broke {
				return c, err
			}
			select {
			case <-ctx.Done():
				return nil, err
			case <-time.After(5 * time.Millisecond):
			}
		}
	}
}

// loopback turns a wildcard address into one that can be dialled.
func loopback(addr string) string {
	if ip := net.ParseIP(addr); ip != nil && ip.IsUnspecified() {
		return "127.0.0.1"
	}
	return addr
}

// beatLocked makes sure that the computer hears from us while we hold sessions
// there.
func (k *computer) beatLocked() {
	if k.beating {
		return
	}
	k.beating = true
	go k.beat()
}

func (k *computer) beat() {
	longest := k.a.conf.Agent.Heartbeat.Or(config.DefaultHeartbeat)
	pace := longest
	cl := &client.Client{Dial: k.connect, Token: k.token, Host: "pss-host", Identity: k.identity()}
	if k.link != nil {
		cl.Prepare = func(ctx context.Context) error { return k.reach(ctx, 0) }
	} else if k.local {
		cl.Distinct = daemonMark
	} else {
		cl.Seen = k.seen
	}
	defer cl.CloseIdle()
	for {
		began := time.Now()
		ctx, cancel := context.WithTimeout(k.a.ctx, pace)
		reply, err := cl.Heartbeat(ctx, &api.Heartbeat{Agent: k.a.id})
		cancel()
		if err != nil {
			k.a.log.Debug("heartbeat failed", "computer", k.name, "error", err)
			k.closeIdle()
		} else if third := time.Duration(reply.LeaseMs) * time.Millisecond / 3; third > 0 && !planted.On("heartbeat-ignores-lease") {
			pace = min(longest, third)
		}
		select {
		case <-k.a.ctx.Done():
			return
		case <-time.After(pace - time.Since(began)):
		}
		k.a.mu.Lock()
		if !k.a.holdsLocked(k.name) {
			k.beating = false
			k.a.mu.Unlock()
			return
		}
		k.a.mu.Unlock()
	}
}

// closeIdle lets go of the kept connections: they may lead nowhere.
func (k *computer) closeIdle() {
	k.a.mu.Lock()
	defer k.a.mu.Unlock()
	for _, cl := range k.pool {
		cl.CloseIdle()
	}
}

// holdsLocked reports whether a session on the computer is attached to us.
func (a *Agent) holdsLocked(name string) bool {
	for _, c := range a.clients {
		for _, e := range c.entries {
			if e.attached && a.computerLocked(e.computer).name == name {
				return true
			}
		}
	}
	return false
}
