package host

import (
	"bufio"
	"context"
	"crypto/rand"
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"sync"
	"time"

	"pss/config"
	"pss/remote/api"
	"pss/remote/planted"
	"pss/remote/platform"
)

// startTimeout bounds how long a session host may take until it is ready.
const startTimeout = 30 * time.Second

// spareDelay keeps the start of the next spare out of the way of the command
// that usually follows the creation of a session.
const spareDelay = 150 * time.Millisecond

// launcher starts session hosts. It keeps one spare, a process whose shell
// already waits, for the next session that wants the same as the last one.
type launcher struct {
	h *Host

	mu     sync.Mutex // guards what follows
	spare  *child
	want   string // the key of the last session that was made
	timer  *time.Timer
	closed bool
	making sync.WaitGroup // of the spare's start
}

// child is a session host that was started here and is not yet a session.
type child struct {
	dir   string
	key   string // what it was prepared for
	cmd   *exec.Cmd
	in    *os.File
	ready *bufio.Reader
	out   *os.File
}

func newLauncher(h *Host) *launcher { return &launcher{h: h} }

// open starts a session: with the spare if that was prepared alike.
func (l *launcher) open(ctx context.Context, boot *api.Bootstrap) (string, *api.RunspaceInfo, error) {
	// Somebody's credentials are in no process but the session's own.
	if boot.StartupScript != "" || boot.Open.NetworkAccess {
		return l.openFresh(ctx, boot)
	}
	key := bootKey(boot)
	if c := l.takeSpare(key); c != nil {
		info, err := c.adopt(boot)
		if err == nil {
			l.prepareSpare(boot, key)
			return c.dir, info, nil
		}
		l.h.log.Warn("spare not usable", "error", err)
		c.kill()
		os.RemoveAll(c.dir)
	}
	dir, info, err := l.openFresh(ctx, boot)
	if err == nil {
		l.prepareSpare(boot, key)
	}
	return dir, info, err
}

// openFresh starts a session in a process of its own.
func (l *launcher) openFresh(ctx context.Context, boot *api.Bootstrap) (string, *api.RunspaceInfo, error) {
	boot.Role = api.BootstrapOpen
	c, info, err := l.start(ctx, boot)
	if err != nil {
		return "", nil, err
	}
	c.release()
	return c.dir, info, nil
}

// recover starts a session host for what a dead one left in dir.
func (l *launcher) recover(ctx context.Context, dir string, boot *api.Bootstrap) error {
	boot.Role, boot.Dir = api.BootstrapRecover, dir
	c, _, err := l.start(ctx, boot)
	if err != nil {
		return err
	}
	c.release()
	return nil
}

// start makes the folder, starts the process and waits until it is ready.
func (l *launcher) start(ctx context.Context, boot *api.Bootstrap) (*child, *api.RunspaceInfo, error) {
	made := boot.Dir == ""
	if made {
		dir, err := l.newFolder()
		if err != nil {
			return nil, nil, err
		}
		b := *boot
		boot, b.Dir = &b, dir
	}
	c, err := l.spawn(boot)
	if err != nil {
		if made {
			os.RemoveAll(boot.Dir)
		}
		return nil, nil, err
	}
	info, err := c.wait(ctx)
	if err != nil {
		c.kill()
		if made || planted.On("recovery-deletes") { // what a dead session left is not ours to delete
			os.RemoveAll(boot.Dir)
		}
		return nil, nil, err
	}
	return c, info, nil
}

// newFolder makes a session's folder. Its name is short, because a socket's path
// must be, and says nothing: the facts inside name the session.
func (l *launcher) newFolder() (string, error) {
	for {
		dir := filepath.Join(l.h.dir.root, strings.ToLower(rand.Text()[:8]))
		err := os.Mkdir(dir, 0o700)
		if err == nil {
			return dir, nil
		}
		if !errors.Is(err, os.ErrExist) {
			return "", diskError(err)
		}
	}
}

func (l *launcher) spawn(boot *api.Bootstrap) (*child, error) {
	inR, inW, err := os.Pipe()
	if err != nil {
		return nil, err
	}
	defer inR.Close()
	outR, outW, err := os.Pipe()
	if err != nil {
		inW.Close()
		return nil, err
	}
	defer outW.Close()
	cmd, err := platform.StartDetached(platform.Role{
		Args: []string{"session-host"}, Stdin: inR, Ready: outW, Log: filepath.Join(boot.Dir, "log"),
	})
	if err != nil {
		inW.Close()
		outR.Close()
		return nil, err
	}
	c := &child{dir: boot.Dir, key: bootKey(boot), cmd: cmd, in: inW, out: outR, ready: bufio.NewReader(outR)}
	go cmd.Wait() // a child that ends must be reaped; how it ended stands in its facts
	if err := json.NewEncoder(inW).Encode(boot); err != nil {
		c.kill()
		return nil, fmt.Errorf("bootstrap: %w", err)
	}
	return c, nil
}

// wait returns the process's next word.
func (c *child) wait(ctx context.Context) (*api.RunspaceInfo, error) {
	deadline := time.Now().Add(startTimeout)
	if d, ok := ctx.Deadline(); ok && d.Before(deadline) {
		deadline = d
	}
	c.out.SetReadDeadline(deadline)
	line, err := c.ready.ReadBytes('\n')
	if err != nil {
		log, _ := os.ReadFile(filepath.Join(c.dir, "log"))
		return nil, api.Errorf(api.CodeInternal, "the session host did not start: %v %s", err, lastLine(log)).WithID("SessionHostStartFailed")
	}
	var r api.BootstrapReply
	if err := json.Unmarshal(line, &r); err != nil {
		return nil, err
	}
	if r.Error != nil {
		return nil, r.Error
	}
	return r.Info, nil
}

// adopt makes the spare the session that boot describes.
func (c *child) adopt(boot *api.Bootstrap) (*api.RunspaceInfo, error) {
	if err := json.NewEncoder(c.in).Encode(&api.Adoption{Open: boot.Open, Attach: boot.Attach, Start: boot.Start}); err != nil {
		return nil, err
	}
	info, err := c.wait(context.Background())
	if err == nil {
		c.release()
	}
	return info, err
}

// release lets go of a child that stands on its own feet.
func (c *child) release() {
	c.in.Close()
	c.out.Close()
}

func (c *child) kill() {
	c.release()
	_ = c.cmd.Process.Kill()
}

// bootKey says what a prepared process is good for.
func bootKey(b *api.Bootstrap) string {
	return strings.Join(append(append([]string{b.WorkingDir}, b.Engines...), b.Environment...), "\x00")
}

func (l *launcher) takeSpare(key string) *child {
	l.mu.Lock()
	defer l.mu.Unlock()
	c := l.spare
	if c == nil || c.key != key {
		return nil
	}
	l.spare = nil
	return c
}

// prepareSpare starts the next spare in a moment.
func (l *launcher) prepareSpare(boot *api.Bootstrap, key string) {
	if n := l.h.conf().SpareSessions; n != nil && *n == 0 {
		return
	}
	b := *boot
	b.Role, b.Dir, b.Open, b.Attach, b.Start = api.BootstrapSpare, "", nil, nil, nil
	l.mu.Lock()
	defer l.mu.Unlock()
	l.want = key
	if l.timer == nil && !l.closed {
		l.timer = time.AfterFunc(spareDelay, func() { l.makeSpare(&b, key) })
	}
}

func (l *launcher) makeSpare(boot *api.Bootstrap, key string) {
	l.mu.Lock()
	l.timer = nil
	old := l.spare
	if l.closed || old != nil && old.key == key || l.want != key {
		l.mu.Unlock()
		return
	}
	l.spare = nil
	l.making.Add(1)
	l.mu.Unlock()
	defer l.making.Done()
	if old != nil {
		old.release() // it sees its standard input end, and leaves
	}
	c, _, err := l.start(context.Background(), boot)
	if err != nil {
		l.h.log.Warn("no spare", "error", err)
		return
	}
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.closed || l.spare != nil || l.want != key {
		c.release()
		return
	}
	l.spare = c
}

// close ends the spare, for good. One that is being started is waited for: half
// started it would leave its folder behind.
func (l *launcher) close() {
	l.mu.Lock()
	l.closed = true
	l.mu.Unlock()
	l.dropSpare()
	l.making.Wait()
}

// dropSpare ends the spare: the last session is gone, and nothing shall be left
// behind. The next session brings the next spare.
func (l *launcher) dropSpare() {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.want = ""
	if l.timer != nil {
		l.timer.Stop()
		l.timer = nil
	}
	if l.spare != nil {
		l.spare.release()
		l.spare = nil
	}
}

func lastLine(log []byte) string {
	lines := strings.Split(strings.TrimSpace(string(log)), "\n")
	return lines[len(lines)-1]
}

// diskError names what a full disk means for the caller.
func diskError(err error) error {
	if platform.DiskFull(err) {
		return api.Errorf(api.CodeDiskFull, "the host's disk is full: %v", err).
			Hint("make room on the host, or remove sessions whose output is not needed (pss remove-pssession)")
	}
	return err
}

// retainMs is how long a dead session's output is kept.
func (h *Host) retainMs() int64 {
	return h.conf().RetainOutput.Or(config.DefaultRetainOutput).Milliseconds()
}
