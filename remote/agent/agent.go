package agent

import (
	"context"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net/http"
	"os"
	"os/user"
	"strconv"
	"sync"
	"time"

	"github.com/google/uuid"
	"pss/config"
	"pss/remote/client"
	"pss/remote/platform"
)

// Agent is a running agent.
type Agent struct {
	paths config.Paths
	conf  *config.Client
	log   *slog.Logger
	id    string // made once; part of every ClientID and the name of our leases
	from  string // who and where we are, for people
	user  string // the name of our account
	uid   int
	ctx   context.Context // ends with the agent; what outlives a request hangs on it

	turns  turns
	askers *askers
	active *client.Activity
	trust  *trust
	daemon *client.Daemon

	mu        sync.Mutex // guards what follows; never held over a network call
	confTime  time.Time  // of the config.toml whose computers are known
	confErr   error      // why it could not be read
	known     map[string]config.Computer
	clients   map[string]*clientSession
	computers map[string]*computer
	proofs    map[string]*proofs // by computer, user and certificate
	jobs      map[string]*job    // by InstanceID
	jobChange uint64             // another one after each change of a job
	jobWake   chan struct{}      // closed and replaced with each
	journal   *journal
	used      *used
	lock      *platform.Lock
	server    *http.Server
}

// Run serves until ctx ends or there has been nothing to do for the linger time.
// ready gets one line as soon as cmdlets may connect, also if another agent
// serves already.
func Run(ctx context.Context, paths config.Paths, ready io.Writer, log *slog.Logger) error {
	if err := paths.Prepare(); err != nil {
		return err
	}
	lock, err := platform.TakeLock(paths.AgentLock())
	if errors.Is(err, platform.ErrLocked) {
		fmt.Fprintln(ready, "running")
		return nil
	}
	if err != nil {
		return err
	}
	defer lock.Unlock()
	a, err := newAgent(paths, log)
	if err != nil {
		return err
	}
	defer a.journal.close()
	var cut context.CancelFunc
	a.ctx, cut = context.WithCancel(context.WithoutCancel(ctx))
	defer cut() // after the requests under way, which need it
	a.lock = lock
	l, err := platform.Listen(paths.AgentSocket())
	if err != nil {
		return err
	}
	defer func() {
		// Not another agent's, if the folder was made anew.
		if !lock.Gone() {
			os.Remove(paths.AgentSocket())
		}
	}()
	srv := client.NewServer(a.handler(), log)
	srv.IdleTimeout = time.Second // a cmdlet keeps no connection
	srv.ConnContext = a.identify
	fmt.Fprintln(ready, "ready")
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	a.server = srv
	go a.resume()
	go a.watch(ctx, cancel)
	return client.ServeUntil(ctx, srv, l)
}

func newAgent(paths config.Paths, log *slog.Logger) (*Agent, error) {
	conf, err := paths.LoadClient()
	if err != nil {
		// A misspelt key must not make every session unreachable; the cmdlet that
		// needs the file reports it.
		log.Warn("configuration not read", "error", err)
		conf = &config.Client{}
	}
	a := &Agent{
		paths: paths, conf: conf, log: log, uid: os.Geteuid(), active: client.NewActivity(), askers: newAskers(), trust: newTrust(paths), daemon: newDaemon(),
		clients: map[string]*clientSession{}, computers: map[string]*computer{}, proofs: map[string]*proofs{},
		jobs: map[string]*job{}, jobChange: uint64(time.Now().UnixNano()), jobWake: make(chan struct{}),
	}
	idFile := paths.AgentDir() + "/id"
	b, err := os.ReadFile(idFile)
	if errors.Is(err, os.ErrNotExist) {
		b = []byte(uuid.NewString())
		err = config.WriteFile(idFile, b)
	}
	if err != nil {
		return nil, err
	}
	a.id = string(b)
	name, err := os.Hostname()
	if err != nil {
		name = "unknown"
	}
	a.from = name
	if u, err := user.LookupId(strconv.Itoa(a.uid)); err == nil {
		a.user, a.from = u.Username, u.Username+"@"+name
	}
	if a.used, err = openUsed(paths.AgentDir()); err != nil {
		return nil, err
	}
	if a.journal, err = openJournal(paths.AgentDir()+"/table.ndjson", a.clients); err != nil {
		return nil, err
	}
	return a, a.loadJobs()
}

// watch ends client sessions that are over, and the agent when it has nothing
// left to do.
func (a *Agent) watch(ctx context.Context, end func()) {
	linger := a.conf.Agent.Linger.Or(config.DefaultLinger)
	t := time.NewTicker(max(min(linger/4, 5*time.Second), 20*time.Millisecond))
	defer t.Stop()
	fresh := time.Now()
	for {
		select {
		case <-ctx.Done():
			return
		case <-t.C:
		}
		a.endQuiet()
		a.sweepJobs()
		if a.idleFor() > linger || a.lock.Gone() {
			end()
			return
		}
		a.keepSocket()
		if time.Since(fresh) > max(linger, time.Second) {
			a.refresh()
			fresh = time.Now()
		}
	}
}

// keepSocket makes the socket again if somebody deleted it.
func (a *Agent) keepSocket() {
	path := a.paths.AgentSocket()
	if _, err := os.Lstat(path); !errors.Is(err, os.ErrNotExist) {
		return
	}
	l, err := platform.Listen(path)
	if err != nil {
		a.log.Warn("socket not made again", "error", err)
		return
	}
	go a.server.Serve(l)
}

// refresh asks the hosts about what we believe to hold: a session that ended or
// was taken must not keep the agent and its heartbeat alive.
func (a *Agent) refresh() {
	type held struct {
		c        *clientSession
		computer string
	}
	a.mu.Lock()
	asks := map[held]bool{}
	for _, c := range a.clients {
		for _, e := range c.entries {
			if e.attached {
				asks[held{c, e.computer}] = true
			}
		}
	}
	a.mu.Unlock()
	for h := range asks {
		go func() { // one that does not answer holds up nothing
			ctx, cancel := context.WithTimeout(a.ctx, 10*time.Second)
			defer cancel()
			asked := time.Now()
			// Silence is not the end of a session.
			if list, err := a.hostFor(h.c, h.computer).Sessions(ctx); err == nil {
				a.merge(h.c, h.computer, list.Sessions, true, asked)
			}
		}()
	}
}

// idleFor is how long the agent has had no request, attachment or pending end.
func (a *Agent) idleFor() time.Duration {
	idle := a.active.Idle()
	a.mu.Lock()
	defer a.mu.Unlock()
	for _, c := range a.clients {
		for _, e := range c.entries {
			if e.attached {
				return 0
			}
		}
	}
	return idle
}

// clientID is how a host knows a client session of ours.
func (a *Agent) clientID(c *clientSession) string { return a.id + "/" + c.key }

// resume takes up after a killed agent: heartbeats for what is attached, the work of
// jobs, and the ends of client sessions that nobody saw.
func (a *Agent) resume() {
	a.mu.Lock()
	var all []*clientSession
	for _, c := range a.clients {
		all = append(all, c)
	}
	a.mu.Unlock()
	a.resumeJobs()
	for _, c := range all {
		a.watchClient(c)
	}
	a.mu.Lock()
	defer a.mu.Unlock()
	for _, c := range all {
		for _, e := range c.entries {
			if e.attached {
				a.computerLocked(e.computer).beatLocked()
			}
			if e.temporary {
				a.watchOwner(c, e)
			}
		}
	}
}
