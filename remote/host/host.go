package host

import (
	"context"
	"encoding/json"
	"errors"
	"io"
	"log/slog"
	"net"
	"net/http"
	"os"
	"os/user"
	"strconv"
	"sync"
	"sync/atomic"
	"time"

	"github.com/google/uuid"
	"pss/config"
	"pss/remote/api"
	"pss/remote/client"
	"pss/remote/platform"
)

// Options are the settings of one run, from flags and host.toml.
type Options struct {
	Paths    config.Paths
	Config   *config.Host
	Embedded bool      // ends by itself when it has had nothing to do for Linger
	Ready    io.Writer // gets one JSON line, a config.HostInfo, once requests are taken
	Log      *slog.Logger

	// Each receive lets the host take what Load returns, and open its audit log again.
	Reload <-chan os.Signal
	Load   func() (*config.Host, error)
	Level  *slog.LevelVar // of Log; nil: it stays
}

// Host is a running daemon.
type Host struct {
	o        Options
	log      *slog.Logger
	hostID   string
	owner    string // the one principal that a host which is not root serves
	token    string
	certs    *certs
	dir      *directory
	leases   *leases
	launcher *launcher
	lock     *platform.Lock
	env      func() []string // the owner's login environment
	creating keyed           // one start per session id at a time
	quota    *quota
	audit    *audit
	accounts accounts
	front    *front // of one that runs as root and serves others, too; or nil
	auth     *auth
	active   *client.Activity
	settings atomic.Pointer[config.Host]
	metrics  *metrics
	limits   *limits
	gate     atomic.Pointer[gate] // nil: it listens on no port
	lingers  sync.Once            // says that lingering was enabled
}

// Run serves until ctx ends, or until an embedded host has nothing left to do.
// A second host on the same folder fails with HostAlreadyRunning.
func Run(ctx context.Context, o Options) error {
	err := prepare(o.Paths)
	if err != nil {
		return err
	}
	lock := platform.InheritedLock(o.Paths.HostLock())
	if lock == nil {
		lock, err = platform.TakeLock(o.Paths.HostLock())
	}
	if errors.Is(err, platform.ErrLocked) {
		return api.Errorf(api.CodeAlreadyRunning, "another host serves the folder %s", o.Paths.State).On(o.Paths.State).
			Hint("use that one, stop it first, or give this one its own PSS_HOME")
	}
	if err != nil {
		return err
	}
	defer lock.Unlock()
	// What a killed host left there names a port that nobody serves.
	if err := os.Remove(o.Paths.HostInfo()); err != nil && !errors.Is(err, os.ErrNotExist) {
		return err
	}
	work, cut := context.WithCancel(context.WithoutCancel(ctx))
	defer cut() // after the requests under way, which need it
	h, err := newHost(work, o)
	if err != nil {
		return err
	}
	h.lock = lock
	if !o.Embedded {
		h.warnOfLimits()
	}
	return h.serve(ctx)
}

func newHost(ctx context.Context, o Options) (*Host, error) {
	h := &Host{o: o, log: o.Log, active: client.NewActivity(), accounts: newAccounts(), metrics: newMetrics()}
	h.settings.Store(o.Config)
	h.limits = newLimits(h.operations)
	var err error
	if h.certs, err = newCerts(&o); err != nil {
		return nil, err
	}
	if h.hostID, err = once(o.Paths.HostDir()+"/id", uuid.NewString); err != nil {
		return nil, err
	}
	if h.token, err = once(o.Paths.HostToken(), newToken); err != nil {
		return nil, err
	}
	h.owner = strconv.Itoa(os.Geteuid())
	if u, err := user.LookupId(h.owner); err == nil {
		h.owner = u.Username
	}
	h.env = sync.OnceValue(func() []string { return loginEnvironment(ctx, h.log) })
	go h.env() // a slow profile must not be waited for when the first session comes
	h.leases = newLeases(o.Config.Lease.Or(config.DefaultLease))
	h.launcher = newLauncher(h)
	if h.dir, err = openDirectory(o.Paths.Sessions(), h.log); err != nil {
		return nil, err
	}
	h.quota = newQuota(h.dir, o.Config)
	h.audit = newAudit(o.Paths.AuditLog(), h)
	if os.Geteuid() == 0 && !o.Embedded {
		if h.front, err = newFront(h); err != nil {
			return nil, err
		}
	}
	if h.auth, err = newAuth(h); err != nil {
		return nil, err
	}
	for _, e := range h.dir.all() {
		if info, err := e.facts(); err == nil && info.Attached != nil {
			h.leases.expect(info.Attached.Agent)
		}
	}
	return h, nil
}

func (h *Host) serve(ctx context.Context) error {
	srv := client.NewServer(h.handler(), h.log)
	srv.ConnContext = knowPeer
	ops := h.operations()
	srv.ReadHeaderTimeout, srv.MaxHeaderBytes = ops.HeaderTimeout.Or(srv.ReadHeaderTimeout), ops.MaxHeaderBytes
	stopMetrics, err := h.listenMetrics()
	if err != nil {
		return err
	}
	defer stopMetrics()
	own, err := h.listenOwn()
	if err != nil {
		return err
	}
	listeners, at, err := h.listen(own)
	if err != nil {
		return err
	}
	h.certs.changed = func() {
		if err := h.announce(at, nil); err != nil {
			h.log.Warn("keys not told", "error", err)
		}
	}
	defer func() {
		if !h.lock.Gone() {
			h.unpublish()
			os.Remove(h.o.Paths.HostInfo())
			os.Remove(h.o.Paths.HostSocket())
		}
	}()
	defer h.launcher.close()
	if h.front != nil {
		defer h.front.workers.Close()
	}
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	go h.watch(ctx, srv, cancel)
	go h.reloads(ctx)
	h.audit.event(&auditLine{Action: "StartHost", User: h.owner, Detail: api.Version})
	defer func() {
		h.audit.summarise(time.Now(), true)
		h.audit.event(&auditLine{Action: "StopHost", User: h.owner})
	}()
	go h.quota.watch(ctx) // not part of watch: a session host that does not answer holds up no lease
	return client.ServeUntil(ctx, srv, listeners...)
}

// listen takes requests by the port, too, if there is one, and tells where.
func (h *Host) listen(own net.Listener) (all []net.Listener, at *net.TCPAddr, err error) {
	all = []net.Listener{own}
	addr := h.o.Config.Listen
	switch {
	case addr == "" && h.o.Paths.Runtime != "":
		addr = config.DefaultSystemListen
	case addr == "":
		addr = config.DefaultListen
	}
	if addr != config.ListenNone {
		tcp, err := h.listenTLS(addr)
		if err != nil {
			own.Close()
			return nil, nil, err
		}
		all = append(all, tcp)
		at = tcp.Addr().(*net.TCPAddr)
	}
	if err := h.announce(at, h.o.Ready); err != nil {
		for _, l := range all {
			l.Close()
		}
		return nil, nil, err
	}
	return all, at, nil
}

// announce tells where the host listens, to the agent by file and to whoever
// started it by one line.
func (h *Host) announce(addr *net.TCPAddr, ready io.Writer) error {
	info := config.HostInfo{
		Fingerprint: h.certs.fingerprint(), Fingerprints: h.certs.announced(), Pid: os.Getpid(), InitStart: platform.PresentLife().Init, HostID: h.hostID, Version: api.Version,
		Serves: h.owner,
	}
	if h.front != nil {
		info.Serves = config.ServesAll
	} else if !h.o.Embedded && ready != nil {
		h.log.Info("this host serves its own user only; one that root runs serves all of the computer", "user", h.owner)
	}
	if addr != nil {
		info.Address, info.Port = addr.IP.String(), addr.Port
	}
	if err := config.WriteJSON(h.o.Paths.HostInfo(), &info); err != nil {
		return err
	}
	if err := h.publish(&info); err != nil {
		return err
	}
	if ready == nil {
		return nil
	}
	return json.NewEncoder(ready).Encode(&info)
}

// watch lets leases lapse, and ends an embedded host that has nothing to do.
func (h *Host) watch(ctx context.Context, srv *http.Server, end func()) {
	linger := h.o.Config.Linger.Or(config.DefaultLinger)
	pace := min(h.leases.length/6, linger/4, 5*time.Second)
	t := time.NewTicker(max(pace, 20*time.Millisecond))
	defer t.Stop()
	for {
		select {
		case <-ctx.Done():
			return
		case <-t.C:
		}
		for _, agent := range h.leases.lapsed() {
			h.detachAll(ctx, agent)
		}
		busy := h.dir.reap(h.conf().RetainOutput.Or(config.DefaultRetainOutput))
		if h.lock.Gone() || h.o.Embedded && !busy && h.active.Idle() > linger && h.dir.living() == 0 {
			end()
			return
		}
		h.keepSocket(srv)
		h.certs.look()
	}
}

// detachAll detaches what the lost agent held: its lease has lapsed.
func (h *Host) detachAll(ctx context.Context, agent string) {
	for _, e := range h.dir.all() {
		info, err := e.facts()
		if err != nil || info.Life != api.LifeOpen || info.Attached == nil || info.Attached.Agent != agent {
			continue
		}
		h.log.Info("lease lapsed", "agent", agent, "session", info.InstanceID)
		short, cancel := context.WithTimeout(ctx, 5*time.Second)
		_, err = e.client().Detach(short, info.InstanceID, &api.DetachRequest{Epoch: info.Attached.Epoch, By: api.DetachedByOutage})
		cancel()
		if err != nil {
			h.log.Warn("not detached", "session", info.InstanceID, "error", err)
		}
	}
}

// once returns the contents of path, which it makes with the result of fresh
// when there is none yet.
func once(path string, fresh func() string) (string, error) {
	b, err := os.ReadFile(path)
	if err == nil && len(b) > 0 {
		return string(b), nil
	}
	if err != nil && !errors.Is(err, os.ErrNotExist) {
		return "", err
	}
	v := fresh()
	return v, config.WriteFile(path, []byte(v))
}
