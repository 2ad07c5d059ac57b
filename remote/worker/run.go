package worker

import (
	"context"
	"errors"
	"io"
	"log/slog"
	"net"
	"net/http"
	"os"
	"time"

	"pss/remote/api"
	"pss/remote/client"
	"pss/remote/platform"
)

// handOnTimeout bounds how long the user's own host may take to start and to take a
// connection.
const handOnTimeout = 30 * time.Second

// Run hands each connection that comes by control on to the own host of the user that we
// run as, which dial reaches and starts. It returns when the daemon lets go of us.
func Run(ctx context.Context, control *net.UnixConn, dial client.Dialer, log *slog.Logger) error {
	defer context.AfterFunc(ctx, func() { control.Close() })()
	for {
		var b [1]byte
		n, f, err := platform.TakeFile(control, b[:])
		if f != nil && err == nil {
			go handOn(context.WithoutCancel(ctx), dial, f, log)
			continue
		}
		if n == 0 || err != nil {
			if ctx.Err() != nil || err == nil || errors.Is(err, io.EOF) {
				return nil
			}
			return err
		}
	}
}

// handOn gives f to the own host. Where that does not run and cannot be started, who is
// at the other end is told.
func handOn(ctx context.Context, dial client.Dialer, f *os.File, log *slog.Logger) {
	ctx, cancel := context.WithTimeout(ctx, handOnTimeout)
	defer cancel()
	err := client.HandOwner(ctx, dial, f)
	if err == nil {
		f.Close()
		return
	}
	log.Warn("connection not handed on", "error", err)
	c, cerr := platform.ConnOf(f)
	if cerr != nil {
		return
	}
	e := api.AsError(err)
	if e.Code == api.CodeInternal {
		e = api.Errorf(api.CodeUnreachable, "the host of user %s does not start: %v", os.Getenv("USER"), err).
			Hint("that user's home folder must be there and writable; see the host's log in it")
	}
	client.ServeOne(c, client.Serve(func(http.ResponseWriter, *http.Request) (any, error) { return nil, e }), log)
}
