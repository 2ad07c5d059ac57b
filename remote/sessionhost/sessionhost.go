package sessionhost

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"log/slog"
	"net"
	"net/http"
	"os"
	"path/filepath"
	"runtime/debug"
	"strings"
	"sync"
	"time"

	"pss/remote/api"
	"pss/remote/client"
	"pss/remote/engine"
	"pss/remote/planted"
	"pss/remote/platform"
)

// Session is the one session of this process.
type Session struct {
	dir   string
	boot  *api.Bootstrap
	log   *slog.Logger
	lease time.Duration
	lock  *platform.Lock

	mu        sync.Mutex // guards what follows; taken before a spool's or queue's own lock
	info      api.RunspaceInfo
	rs        engine.Runspace // nil without an engine
	pipelines []*pipeline     // by number
	next      uint32          // the number of the newest pipeline
	used      []string        // folders of spools that the next pipelines reuse
	forgotten []string        // ids of the newest pipelines that are not kept any more
	streams   map[*stream]struct{}
	idleFrom  time.Duration // platform.BootTime of the last detach
	hostLost  time.Duration // platform.BootTime since when the host is gone; 0: it is there
	dirty     bool          // facts changed and a write is due
	room      int64         // that the host has told last; 0: never
	factsFile *api.FactsWriter
	idleSince time.Time   // of a session without an engine: when its last stream ended
	timer     *time.Timer // of watch; nil before it
	slow      bool        // watch's next look is more than a second away
	leaving   bool        // the process was told to end

	listener net.Listener
	quit     chan struct{} // closed when the process shall end
	once     sync.Once
}

// Run is the process: it reads the bootstrap from in, tells on ready when the
// session takes requests, and returns when the session is over.
func Run(ctx context.Context, in io.Reader, ready io.WriteCloser, log *slog.Logger) error {
	// A session host lives for weeks and allocates little: a small heap is worth
	// more than a fast collector.
	debug.SetGCPercent(40)
	dec := json.NewDecoder(in)
	boot := &api.Bootstrap{}
	if err := dec.Decode(boot); err != nil {
		return fmt.Errorf("bootstrap: %w", err)
	}
	s := &Session{
		dir: boot.Dir, boot: boot, log: log, quit: make(chan struct{}),
		lease: time.Duration(boot.LeaseMs) * time.Millisecond, streams: map[*stream]struct{}{},
	}
	reply := func(info *api.RunspaceInfo, err error) {
		_ = json.NewEncoder(ready).Encode(&api.BootstrapReply{Info: info, Error: api.AsError(diskError(err))})
	}
	lock, err := platform.TakeLock(filepath.Join(s.dir, "lock"))
	if err == nil {
		defer lock.Unlock()
		s.lock = lock
		err = s.prepare(ctx)
	}
	if err != nil {
		reply(nil, err)
		return err
	}
	open, attach, start := boot.Open, boot.Attach, boot.Start
	if boot.Role == api.BootstrapSpare {
		reply(nil, nil)
		var a api.Adoption
		if err := dec.Decode(&a); err != nil {
			s.discard()
			return nil // the host ended or does not need us
		}
		open, attach, start = a.Open, a.Attach, a.Start
	}
	if boot.Role != api.BootstrapRecover {
		if err = s.startUp(); err == nil {
			err = s.open(open, attach, start)
		}
	}
	info := s.snapshot()
	if err != nil {
		reply(nil, err)
		s.discard()
		return err
	}
	planted.Point("session-opened")
	reply(&info, nil)
	ready.Close()
	debug.FreeOSMemory()
	return s.serve(ctx)
}

// prepare makes everything that does not depend on who will own the session.
func (s *Session) prepare(ctx context.Context) error {
	l, err := platform.Listen(s.socket())
	if err != nil {
		return err
	}
	s.listener = l
	if s.boot.Role == api.BootstrapRecover {
		return s.recover()
	}
	e, shell, err := findEngine(s.boot.Engines)
	if err != nil {
		return err
	}
	s.info.Engine = e.Name()
	dir := filepath.Join(s.dir, api.EngineDir)
	if err := os.Mkdir(dir, 0o700); err != nil {
		return err
	}
	s.rs, err = e.Open(ctx, engine.Spec{
		Shell: shell, Dir: dir, WorkingDirectory: s.boot.WorkingDir,
		Environment: s.boot.Environment, Log: s.log,
	})
	if err == nil {
		planted.Engine(s.rs.Pid)
	}
	return err
}

// findEngine returns the first of the engines that this computer has.
func findEngine(names []string) (engine.Engine, string, error) {
	for _, n := range names {
		if e, ok := engine.Lookup(n); ok {
			if shell, err := e.Find(""); err == nil {
				return e, shell, nil
			}
		}
	}
	return nil, "", api.Errorf(api.CodeInvalidArgument, "this computer has none of the shells %s", strings.Join(names, ", ")).
		WithID("InvalidResourceUri,PSSessionOpenFailed")
}

func (s *Session) socket() string { return filepath.Join(s.dir, "sock") }

// serve answers requests until the session is over.
func (s *Session) serve(ctx context.Context) error {
	srv := client.NewServer(s.handler(), s.log)
	srv.BaseContext = func(l net.Listener) context.Context {
		if r, ok := l.(*client.Recycler); ok {
			return r.Context(ctx)
		}
		return ctx
	}
	go s.serveOn(srv, s.listener)
	var u *usage
	if s.rs != nil {
		go s.watchEngine()
		if u = s.newUsage(); u != nil {
			go u.watch()
		}
	}
	s.watch(ctx, srv)
	if ctx.Err() != nil && !planted.On("stopped-without-words") {
		s.leave()
	}
	shut, cancel := context.WithTimeout(context.Background(), 2*time.Second)
	defer cancel()
	err := srv.Shutdown(shut)
	if s.rs != nil {
		err = errors.Join(err, s.rs.Close())
		u.close()
	}
	return err
}

func (s *Session) serveOn(srv *http.Server, l net.Listener) {
	if err := srv.Serve(client.NewRecycler(ownOnly{l})); err != nil && !errors.Is(err, http.ErrServerClosed) && !errors.Is(err, net.ErrClosed) {
		s.log.Warn("listener ended", "error", err)
	}
}

// watchEngine notices that the engine has ended by itself.
func (s *Session) watchEngine() {
	select {
	case <-s.rs.Done():
		s.breakUp("the engine ended: " + s.rs.Err().Error())
	case <-s.quit:
	}
}

// end makes the process end once the requests under way are answered.
func (s *Session) end() { s.once.Do(func() { close(s.quit) }) }

// discard ends a session that nobody ever got to know.
func (s *Session) discard() {
	s.closeEngine()
	if err := s.deleteFolder(); err != nil {
		s.log.Warn("folder remains", "error", err)
	}
}

// deleteFolder removes the session's folder, renamed first so that no reader
// ever meets a half-deleted one.
func (s *Session) deleteFolder() error {
	gone := filepath.Join(filepath.Dir(s.dir), api.GonePrefix+filepath.Base(s.dir))
	if err := os.Rename(s.dir, gone); err != nil {
		if errors.Is(err, fs.ErrNotExist) {
			return nil // a removal that was asked for twice
		}
		return err
	}
	planted.Point("session-removed")
	return os.RemoveAll(gone)
}
