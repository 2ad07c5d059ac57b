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

// restartAfter is how long a role that was started may take to listen before
// another start is tried.
const restartAfter = time.Second

// OnDemand returns a Dialer to the unix socket of a role that is started when
// nobody listens there.
func OnDemand(socket string, start func(context.Context) error) Dialer {
	return func(ctx context.Context) (net.Conn, error) {
		var began time.Time
		for end := time.Now().Add(startTimeout); ; {
			c, err := platform.Dial(ctx, socket)
			if err == nil || !platform.NotListening(err) || time.Now().After(end) {
				return c, err
			}
			// Whoever was faster with the start may hold the role's lock for a moment
			// before it listens, and may itself be killed meanwhile.
			if time.Since(began) > restartAfter {
				if err := start(ctx); err != nil {
					return nil, err
				}
				began = time.Now()
				continue
			}
			select {
			case <-ctx.Done():
				return nil, ctx.Err()
			case <-time.After(5 * time.Millisecond):
			}
		}
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
	began := int64(0)
	if st, err := os.Stat(log); err == nil {
		began = st.Size()
	}
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
		err = fmt.Errorf("pss %s ended at once (%v)%s; its log is %s", args[0], werr, lastWords(log, began), log)
	case <-time.After(100 * time.Millisecond):
		if errors.Is(err, os.ErrDeadlineExceeded) {
			err = fmt.Errorf("pss %s was not ready within %v; its log is %s", args[0], startTimeout, log)
		}
	}
	return "", err
}

// Lingerer returns the user for whom starting a role has enabled lingering, so that the
// role outlives the login; mostly there is none.
func Lingerer() string { return platform.AtLogout().Lingerer }

// lastWords returns what a role wrote to its log first, from offset began on: why
// it did not start.
func lastWords(log string, began int64) string {
	data, err := os.ReadFile(log)
	if err != nil || int64(len(data)) <= began {
		return ""
	}
	first := ""
	for line := range strings.Lines(string(data[began:])) {
		if line = strings.TrimSpace(line); first == "" || strings.HasPrefix(first, "{") && line != "" {
			first = line // what is written for people goes before what is logged
		}
	}
	return ": " + first
}
