package client

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"net"
	"os"
	"strings"
	"time"

	"pss/remote/platform"
)

// startTimeout bounds how long a role may take until it is ready.
const startTimeout = 15 * time.Second

// OnDemand returns a Dialer to the unix socket of a role that is started when
// nobody listens there.
func OnDemand(socket string, start func(context.Context) error) Dialer {
	return func(ctx context.Context) (net.Conn, error) {
		c, err := platform.Dial(ctx, socket)
		if err == nil || !platform.NotListening(err) {
			return c, err
		}
		if err := start(ctx); err != nil {
			return nil, err
		}
		return platform.Dial(ctx, socket)
	}
}

// StartRole starts a role of this binary detached from the caller and waits for
// its line on the ready descriptor, which it returns.
func StartRole(ctx context.Context, log string, args ...string) (string, error) {
	r, w, err := os.Pipe()
	if err != nil {
		return "", err
	}
	defer r.Close()
	cmd, err := platform.StartDetached(platform.Role{Args: args, Ready: w, Log: log})
	w.Close()
	if err != nil {
		return "", err
	}
	exit := make(chan error, 1)
	go func() { exit <- cmd.Wait() }()
	deadline := time.Now().Add(startTimeout)
	if d, ok := ctx.Deadline(); ok && d.Before(deadline) {
		deadline = d
	}
	r.SetReadDeadline(deadline)
	line, err := bufio.NewReader(r).ReadString('\n')
	if err == nil {
		return strings.TrimSpace(line), nil
	}
	select {
	case werr := <-exit:
		err = fmt.Errorf("pss %s ended at once (%v); its log is %s", args[0], werr, log)
	case <-time.After(100 * time.Millisecond):
		if errors.Is(err, os.ErrDeadlineExceeded) {
			err = fmt.Errorf("pss %s was not ready within %v; its log is %s", args[0], startTimeout, log)
		}
	}
	return "", err
}
