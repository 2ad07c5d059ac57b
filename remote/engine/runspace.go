//go:build unix

package engine

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"sync"
	"time"

	"pss/remote/api"
	"pss/remote/platform"
)

// runspace is the Runspace of every driver.
//
// Whoever set cur has the turn: until the command is released its goroutine alone
// sends to the shell, replaces it and reads its marks.
type runspace struct {
	d       *driver
	spec    Spec
	dir     string // where the shell starts
	env     []string
	log     *slog.Logger
	family  *family
	closing chan struct{} // closed when Close begins
	gone    chan struct{} // closed when Close is through
	done    chan struct{} // closed when the runspace is broken
	pumps   sync.WaitGroup

	mu       sync.Mutex // above everything that follows; no other lock is taken under it
	sh       *shell
	cur      *command
	live     map[*pump]bool
	closed   bool
	closeErr error
	broken   error
	spare    string      // files of an earlier command, free to be used again
	keep     *time.Timer // while TMOUT is set and no command runs
	lossy    bool        // scripts may have defined what a snapshot of sh lacks
}

// dropped are variables that would make the shell something other than ours: what
// it reads at its start, when it ends by itself, what its prompt is.
var dropped = []string{
	"ENV", "BASH_ENV", "TMOUT", "HISTFILE", "PROMPT_COMMAND", "SHELLOPTS", "BASHOPTS", "IGNOREEOF",
	"PS1", "PS2", "PWD", "OLDPWD", platform.Marker,
}

func openRunspace(ctx context.Context, d *driver, spec Spec) (*runspace, error) {
	if !filepath.IsAbs(spec.Shell) || !filepath.IsAbs(spec.Dir) {
		return nil, fmt.Errorf("open %s: the shell %q and the folder %q must be absolute", d.name, spec.Shell, spec.Dir)
	}
	rs := &runspace{
		d: d, spec: spec, log: spec.Log, family: newFamily(spec.Dir), live: map[*pump]bool{},
		closing: make(chan struct{}), gone: make(chan struct{}), done: make(chan struct{}),
	}
	if rs.log == nil {
		rs.log = slog.New(slog.DiscardHandler)
	}
	home := ""
	for _, e := range spec.Environment {
		name, value, _ := strings.Cut(e, "=")
		if name == "HOME" {
			home = value
		}
		if !slices.Contains(dropped, name) {
			rs.env = append(rs.env, e)
		}
	}
	rs.dir = firstFolder(spec.WorkingDirectory, home, "/")
	rs.env = append(rs.env, "PWD="+rs.dir, platform.Marker+"="+rs.family.id)
	enroll(rs.family)
	sh, err := rs.start(ctx, false)
	if err != nil {
		rs.family.killAll(time.Second)
		dismiss(rs.family)
		return nil, fmt.Errorf("open %s: %w", d.name, err)
	}
	rs.sh = sh
	return rs, nil
}

// firstFolder returns the first of the paths that is a folder.
func firstFolder(paths ...string) string {
	for _, p := range paths {
		if st, err := os.Stat(p); err == nil && st.IsDir() && filepath.IsAbs(p) {
			return p
		}
	}
	return "/"
}

// defines matches scripts that may define functions, which a snapshot of sh lacks.
var defines = sync.OnceValue(func() *regexp.Regexp {
	return regexp.MustCompile(`\(\s*\)|(^|[\s;&|])(\.|eval)\s`)
})

// Invoke starts a command.
func (rs *runspace) Invoke(c Command, sink Sink) (Pipeline, error) {
	for _, s := range append(append([]string{c.Script}, c.Arguments...), c.Argv...) {
		if strings.Contains(s, "\x00") {
			return nil, api.Errorf(api.CodeInvalidArgument, "a command must not contain NUL bytes")
		}
	}
	rs.mu.Lock()
	defer rs.mu.Unlock()
	switch {
	case rs.closed:
		return nil, api.Errorf(api.CodeLost, "the runspace is closed")
	case rs.broken != nil:
		return nil, api.Errorf(api.CodeLost, "the runspace is broken: %s", rs.broken)
	case rs.cur != nil:
		return nil, api.Errorf(api.CodeInvalidAvail, "the runspace runs another command")
	}
	p, err := newCommand(rs, c, sink)
	if err != nil {
		return nil, err
	}
	if rs.keep != nil {
		rs.keep.Stop()
		rs.keep = nil
	}
	rs.cur = p
	rs.lossy = rs.lossy || defines().MatchString(c.Script)
	for _, pu := range p.streams {
		rs.live[pu] = true
		rs.pumps.Add(1)
		go pu.run()
	}
	go p.run()
	return p, nil
}

// release ends the turn of the running command, whose files can be used again if
// it names them.
func (rs *runspace) release(spare string) {
	rs.mu.Lock()
	defer rs.mu.Unlock()
	rs.cur, rs.spare = nil, spare
	rs.keepAliveLocked()
	if rs.sh != nil && !rs.sh.alive() {
		rs.idleDeathLocked(rs.sh)
	}
}

// keepAliveLocked saves an idle shell from its own TMOUT. An empty line does: the
// prompt behind it starts the shell's clock anew, and nothing else happens.
func (rs *runspace) keepAliveLocked() {
	sh := rs.sh
	if sh == nil || sh.last.tmout == 0 || rs.closed {
		return
	}
	rs.keep = time.AfterFunc(sh.last.tmout/2, func() {
		rs.mu.Lock()
		defer rs.mu.Unlock()
		if rs.keep != nil && rs.cur == nil && rs.sh == sh && sh.alive() {
			_ = sh.send("\n")
			rs.keepAliveLocked()
		}
	})
}

// shellEnded is called when a shell process ended. With a command running its
// goroutine deals with that.
func (rs *runspace) shellEnded(sh *shell) {
	rs.mu.Lock()
	defer rs.mu.Unlock()
	if rs.cur == nil && rs.sh == sh {
		rs.idleDeathLocked(sh)
	}
}

// idleDeathLocked breaks the runspace whose idle shell was killed. One that ended
// in any other way is started again when it is next needed.
func (rs *runspace) idleDeathLocked(sh *shell) {
	if sh.status.Signaled() && !sh.ours() {
		rs.breakLocked(killedError(sh))
	}
}

func killedError(sh *shell) error {
	return fmt.Errorf("the shell was ended by signal %d (%s), which did not come from the session", int(sh.status.Signal()), sh.status.Signal())
}

// breakLocked makes the runspace broken.
func (rs *runspace) breakLocked(err error) {
	if rs.broken != nil || rs.closed {
		return
	}
	rs.broken = err
	rs.log.Error("runspace is broken", "error", err)
	close(rs.done)
}

// fail is breakLocked for those who do not hold mu.
func (rs *runspace) fail(err error) {
	rs.mu.Lock()
	defer rs.mu.Unlock()
	rs.breakLocked(err)
}

// Done is closed when the runspace is broken.
func (rs *runspace) Done() <-chan struct{} { return rs.done }

// Err returns why the runspace is broken.
func (rs *runspace) Err() error {
	rs.mu.Lock()
	defer rs.mu.Unlock()
	return rs.broken
}

// Pid returns the shell's process id, 0 while none runs.
func (rs *runspace) Pid() int {
	rs.mu.Lock()
	defer rs.mu.Unlock()
	if rs.sh == nil || !rs.sh.alive() {
		return 0
	}
	return rs.sh.pid
}

// closeLimit bounds each of the waits of Close.
const closeLimit = 5 * time.Second

// Close ends the shell and everything that its commands started.
func (rs *runspace) Close() error {
	rs.mu.Lock()
	if rs.closed {
		rs.mu.Unlock()
		<-rs.gone
		return rs.closeErr
	}
	rs.closed = true
	close(rs.closing)
	if rs.keep != nil {
		rs.keep.Stop()
	}
	cur := rs.cur
	if rs.sh != nil {
		rs.sh.sent.Store(^uint64(0))
	}
	rs.mu.Unlock()
	limit := time.After(closeLimit)
	left := rs.family.killAll(closeLimit)
	if cur != nil {
		select {
		case <-cur.done:
		case <-limit: // its sink still blocks; it ends when that lets go
		}
		left = rs.family.killAll(closeLimit) // it may have started a shell meanwhile
	}
	rs.closePumps()
	if rs.sh != nil && len(left) == 0 {
		<-rs.sh.exited
	}
	dismiss(rs.family)
	rs.removeFiles()
	if len(left) > 0 {
		rs.closeErr = fmt.Errorf("close runspace: %d processes cannot be ended, the first is %d", len(left), left[0].pid)
	}
	close(rs.gone)
	return rs.closeErr
}

// closePumps ends the readers of late output.
func (rs *runspace) closePumps() {
	rs.mu.Lock()
	for p := range rs.live {
		_ = p.file.Close()
	}
	rs.mu.Unlock()
	through := make(chan struct{})
	go func() { rs.pumps.Wait(); close(through) }()
	select {
	case <-through:
	case <-time.After(closeLimit):
		rs.log.Warn("a sink still blocks after the runspace was closed")
	}
}

// removeFiles removes what the engine made; the folder itself is the caller's.
func (rs *runspace) removeFiles() {
	names, err := filepath.Glob(filepath.Join(globQuote(rs.spec.Dir), "*"))
	if err != nil {
		return
	}
	for _, n := range names {
		if ours().MatchString(filepath.Base(n)) {
			if err := os.Remove(n); err != nil && !errors.Is(err, os.ErrNotExist) {
				rs.log.Warn("engine file stays", "error", err)
			}
		}
	}
}

var ours = sync.OnceValue(func() *regexp.Regexp {
	return regexp.MustCompile(`^(prelude|mark|bash|names|snapshot|snapshot\.new|\d+\.(sh|call|began|out|err|in))$`)
})

// globQuote keeps Glob from seeing patterns in a path.
func globQuote(s string) string {
	return regexp.MustCompile(`[\\*?\[]`).ReplaceAllString(s, `\$0`)
}
