//go:build unix

package engine

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"os"
	"strings"
	"time"
)

// start starts a shell and makes it ours; with restore it takes its state from the
// snapshot. The prelude runs again behind that, because a snapshot must have the
// last word on nothing that is ours.
func (rs *runspace) start(ctx context.Context, restore bool) (*shell, error) {
	ctx, cancel := context.WithTimeout(ctx, startTimeout)
	defer cancel()
	if err := os.WriteFile(rs.spec.Dir+"/snapshot.new", nil, 0o600); err != nil {
		return nil, fmt.Errorf("prepare snapshot: %w", err)
	}
	if err := os.WriteFile(rs.spec.Dir+"/names", nil, 0o600); err != nil {
		return nil, fmt.Errorf("prepare snapshot: %w", err)
	}
	sh, err := spawn(rs.spec, rs.d, rs.env, rs.dir)
	if err != nil {
		return nil, err
	}
	rs.family.addShell(sh.pid)
	go func() { <-sh.exited; rs.shellEnded(sh) }()
	steps := []string{"0"}
	if restore {
		steps = []string{"0", "1", "2"}
	}
	for i, number := range steps {
		line := rs.d.preludeLine(rs.spec.Dir)
		if number == "1" {
			line = rs.d.restoreLine(rs.spec.Dir)
		} else if err = rs.d.write(rs.spec.Dir, sh.nonce, i); err != nil {
			break
		}
		if err = sh.send(line); err != nil {
			break
		}
		if sh.last, err = sh.await(ctx, number); err != nil {
			break
		}
	}
	if err != nil {
		sh.signal(9)
		<-sh.exited
		return nil, err
	}
	return sh, nil
}

// promote makes the snapshot that the ended shell wrote the current one. It
// reports whether there was a whole one, and whether there is any at all.
func (rs *runspace) promote() (fresh, found bool) {
	written, current := rs.spec.Dir+"/snapshot.new", rs.spec.Dir+"/snapshot"
	if b, err := os.ReadFile(written); err == nil && bytes.HasSuffix(b, []byte("\n#end\n")) {
		return os.Rename(written, current) == nil, true
	}
	_, err := os.Stat(current)
	return false, err == nil
}

// restart replaces the shell by a new one with the state of the snapshot. It
// returns a warning that says what is lost, and why; nothing if nothing is.
// Its caller has the turn.
func (rs *runspace) restart(why string) (string, error) {
	old := rs.sh
	if old.alive() {
		old.end(time.Second)
	}
	fresh, found := rs.promote()
	ctx, cancel := context.WithCancel(context.Background())
	defer cancel()
	go func() {
		select {
		case <-rs.closing:
			cancel()
		case <-ctx.Done():
		}
	}()
	sh, err := rs.start(ctx, found)
	if err != nil && found && ctx.Err() == nil {
		rs.log.Warn("snapshot cannot be restored", "error", err)
		fresh, found = false, false
		sh, err = rs.start(ctx, false)
	}
	if err != nil {
		return "", fmt.Errorf("start the shell again: %w", err)
	}
	rs.mu.Lock()
	rs.sh = sh
	closed := rs.closed
	if closed {
		sh.sent.Store(^uint64(0))
	}
	lossy := rs.lossy && rs.d.name != "bash" && !isBash(rs.d, sh)
	rs.lossy = rs.lossy && !lossy
	rs.mu.Unlock()
	if closed {
		sh.signal(9)
		return "", errClosed
	}
	rs.log.Info("shell was started again", "why", why, "fresh", fresh, "found", found, "pid", sh.pid)
	return lossText(why, fresh, found, lossy, len(rs.family.jobs(sh.pid, false)) > 0), nil
}

var errClosed = errors.New("the runspace was closed")

// lossText words the warning of a restart.
func lossText(why string, fresh, found, lossy, jobs bool) string {
	var lost []string
	switch {
	case fresh:
	case found:
		lost = append(lost, "what changed since the last snapshot of its state is lost")
	default:
		lost = append(lost, "its state (directory, variables, functions) is lost")
	}
	if lossy && (fresh || found) {
		lost = append(lost, "functions are lost")
	}
	if jobs {
		lost = append(lost, "background processes keep running, but wait and jobs no longer know them")
	}
	if len(lost) == 0 && why == "" {
		return ""
	}
	text := "the shell was started again"
	if why != "" {
		text += " because " + why
	}
	if len(lost) > 0 {
		text += ": " + strings.Join(lost, "; ")
	}
	return text
}
