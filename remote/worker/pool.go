package worker

import (
	"context"
	"fmt"
	"log/slog"
	"net"
	"os"
	"sync"
	"time"

	"pss/remote/api"
	"pss/remote/client"
	"pss/remote/identity"
	"pss/remote/planted"
	"pss/remote/platform"
)

const (
	// handTimeout bounds how long a worker may take to take a connection.
	handTimeout = 5 * time.Second
	// idleLife is how long a worker is kept that gets no connection.
	idleLife = 5 * time.Minute
)

// Pool starts workers, one for each user, and keeps them. It is safe for concurrent use.
type Pool struct {
	log     *slog.Logger
	limits  func(*identity.Account) ([]platform.UserLimit, int) // of a user's processes
	mu      sync.Mutex                                          // guards workers and closed
	workers map[uint32]*process
	closed  bool
}

// NewPool returns a pool without workers. limits says which limits each of a user's
// processes gets, and how many tasks they may be in all (0: no limit).
func NewPool(log *slog.Logger, limits func(*identity.Account) ([]platform.UserLimit, int)) *Pool {
	return &Pool{log: log, limits: limits, workers: map[uint32]*process{}}
}

// process is a running worker.
type process struct {
	user    *identity.Account
	mu      sync.Mutex // guards control: one file at a time
	control *net.UnixConn
	idle    *time.Timer
}

// Dial returns a new connection to the own host of u, which begins with line. That it
// leads somewhere shows with the first answer. It fails if no worker can be started as u.
func (p *Pool) Dial(ctx context.Context, u *identity.Account, line string) (net.Conn, error) {
	ours, theirs, err := platform.ConnPair()
	if err != nil {
		return nil, err
	}
	defer theirs.Close()
	if err = client.Introduce(ours, line); err == nil {
		if err = p.hand(ctx, u, theirs); err == nil {
			return ours, nil
		}
	}
	ours.Close()
	return nil, api.Errorf(api.CodeInternal, "no process could be started as user %s: %v", u.Name, err).WithID("WorkerStartFailed").
		On(u.Name).Hint("the log of the host tells more")
}

// hand gives the user's worker an open connection. One that ended a moment ago has a
// successor, which is tried once.
func (p *Pool) hand(ctx context.Context, u *identity.Account, f *os.File) (err error) {
	for range 2 {
		w, werr := p.worker(u)
		if werr != nil {
			return werr
		}
		if err = w.hand(ctx, f); err == nil {
			return nil
		}
		p.drop(w)
	}
	return err
}

// worker returns the user's worker, started if there is none.
func (p *Pool) worker(u *identity.Account) (*process, error) {
	p.mu.Lock()
	defer p.mu.Unlock()
	if w := p.workers[u.UID]; w != nil {
		return w, nil
	}
	if p.closed {
		return nil, net.ErrClosed
	}
	control, theirs, err := platform.ConnPair()
	if err != nil {
		return nil, err
	}
	defer theirs.Close()
	as := platform.As{UID: u.UID, GID: u.GID, Groups: u.Groups}
	as.Limits, as.Tasks = p.limits(u)
	if planted.On("worker-as-root") {
		as.UID, as.GID, as.Groups = 0, 0, nil
	}
	if planted.On("daemon-looks-into-homes") {
		_, _ = os.Stat(u.Home + "/.local")
	}
	cmd, err := platform.StartAs(platform.Role{
		Args: []string{"host", "--worker"}, Ready: theirs,
		Env: []string{"HOME=" + u.Home, "USER=" + u.Name, "LOGNAME=" + u.Name, "SHELL=" + u.Shell},
	}, as)
	if err != nil {
		control.Close()
		return nil, err
	}
	w := &process{user: u, control: control}
	w.idle = time.AfterFunc(idleLife, func() { p.drop(w) })
	p.workers[u.UID] = w
	p.log.Info("worker started", "user", u.Name, "pid", cmd.Process.Pid)
	go func() {
		err := cmd.Wait()
		p.log.Info("worker ended", "user", u.Name, "error", err)
		p.drop(w)
	}()
	return w, nil
}

// drop lets go of a worker, which ends then.
func (p *Pool) drop(w *process) {
	p.mu.Lock()
	defer p.mu.Unlock()
	w.idle.Stop()
	w.control.Close()
	if p.workers[w.user.UID] == w {
		delete(p.workers, w.user.UID)
	}
}

// Close lets go of all workers. What they handed on lives on.
func (p *Pool) Close() {
	p.mu.Lock()
	p.closed = true
	var all []*process
	for _, w := range p.workers {
		all = append(all, w)
	}
	p.mu.Unlock()
	for _, w := range all {
		p.drop(w)
	}
}

// hand gives the worker an open connection.
func (w *process) hand(ctx context.Context, f *os.File) error {
	w.mu.Lock()
	defer w.mu.Unlock()
	deadline := time.Now().Add(handTimeout)
	if d, ok := ctx.Deadline(); ok && d.Before(deadline) {
		deadline = d
	}
	if err := w.control.SetWriteDeadline(deadline); err != nil {
		return err
	}
	w.idle.Reset(idleLife)
	if err := platform.PassFile(w.control, f, []byte{1}); err != nil {
		return fmt.Errorf("the worker takes no connection: %w", err)
	}
	return nil
}
