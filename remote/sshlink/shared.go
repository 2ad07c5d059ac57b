package sshlink

import (
	"context"
	"errors"
	"os/exec"
	"time"
)

const (
	// doubtAfter is how long ssh may take before the connection that it may share is asked
	// whether it lives.
	doubtAfter = 2 * time.Second
	// checkTime is how long that may take to answer: it is a process on this computer.
	checkTime = 2 * time.Second
)

// errSharedHangs says that the connection which ssh shares leads nowhere.
var errSharedHangs = errors.New("the shared connection hangs")

// openShared is open for an ssh that shares a connection of the user's if there is one,
// unless alone. One that hangs is given up before the time for connecting is over, and
// an ssh of our own is tried; whether it was one of our own, it returns, too.
func (l *Link) openShared(ctx context.Context, c *Caller, alone bool) (*process, bool, error) {
	if alone {
		p, err := l.open(ctx, c, true)
		return p, true, err
	}
	first, give := context.WithCancelCause(ctx)
	defer give(nil)
	doubt := time.AfterFunc(doubtAfter, func() {
		if l.sharedHangs(first, c) {
			give(errSharedHangs)
		}
	})
	defer doubt.Stop()
	p, err := l.open(first, c, false)
	if err == nil || !errors.Is(context.Cause(first), errSharedHangs) {
		return p, false, err
	}
	p, err = l.open(ctx, c, true)
	return p, true, err
}

// sharedHangs reports whether a connection is there to be shared and does not answer.
func (l *Link) sharedHangs(ctx context.Context, c *Caller) bool {
	ssh, err := lookPath("ssh", c.Env)
	if err != nil {
		return false
	}
	short, cancel := context.WithTimeout(ctx, checkTime)
	defer cancel()
	cmd := exec.CommandContext(short, ssh, checking(l.s.Target, l.s.Heartbeat)...)
	cmd.Env, cmd.WaitDelay = c.Env, 100*time.Millisecond
	_ = cmd.Run() // how it ended says nothing, but that it did
	return ctx.Err() == nil && short.Err() != nil
}
