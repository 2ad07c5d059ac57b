package client

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"io"
	"log/slog"
	"net"
	"net/http"
	"strconv"
	"strings"
	"sync"
	"time"

	"github.com/google/uuid"
	"pss/remote/api"
)

// MaxBody is the largest body of a request in bytes; a script is the largest
// thing that travels in one.
const MaxBody = 16 << 20

// drainTimeout bounds how long the rest of a body is waited for that nobody reads.
const drainTimeout = 2 * time.Second

// Handler answers a request with a value that becomes JSON, or an error that
// becomes its *api.Error. A nil value and nil error say that the handler has
// answered by itself.
type Handler func(w http.ResponseWriter, r *http.Request) (any, error)

// Serve makes an http.HandlerFunc of h: the one place where an error gets its
// HTTP status, and where every reply gets the version.
func Serve(h Handler) http.HandlerFunc {
	return func(w http.ResponseWriter, r *http.Request) {
		w.Header().Set(api.HeaderVersion, api.Version)
		v, err := h(w, r)
		if (err != nil || v != nil) && r.Body != http.NoBody {
			// What the handler left of the body is read before the next request; a
			// client that does not send it must not keep its connection for that.
			_ = http.NewResponseController(w).SetReadDeadline(time.Now().Add(drainTimeout))
		}
		switch {
		case err != nil:
			WriteError(w, err)
		case v != nil:
			writeJSON(w, http.StatusOK, v)
		}
	}
}

// WriteError answers with err.
func WriteError(w http.ResponseWriter, err error) {
	e := api.AsError(err)
	writeJSON(w, e.Status(), e)
}

func writeJSON(w http.ResponseWriter, status int, v any) {
	data, err := json.Marshal(v)
	if err != nil {
		status, data = http.StatusInternalServerError, []byte(`{"Code":"Internal","Message":"unencodable reply"}`)
	}
	w.Header().Set("Content-Type", api.TypeJSON)
	w.Header().Set("Content-Length", strconv.Itoa(len(data)))
	w.WriteHeader(status)
	w.Write(data)
}

// ReadBody reads a request's JSON into v, bounded in size and time.
func ReadBody(w http.ResponseWriter, r *http.Request, v any) error {
	_ = http.NewResponseController(w).SetReadDeadline(time.Now().Add(bodyTime(r)))
	data, err := io.ReadAll(http.MaxBytesReader(w, r.Body, MaxBody))
	if err != nil {
		var tooLarge *http.MaxBytesError
		if errors.As(err, &tooLarge) {
			return api.Errorf(api.CodeTooLarge, "the request has more than %d bytes", tooLarge.Limit).
				Hint("send large data as standard input")
		}
		return api.Errorf(api.CodeInvalidArgument, "the request could not be read: %v", err)
	}
	_ = http.NewResponseController(w).SetReadDeadline(time.Time{})
	if raw, ok := v.(*[]byte); ok {
		*raw = data
		return nil
	}
	if len(data) == 0 {
		return nil
	}
	if err := json.Unmarshal(data, v); err != nil {
		return api.Errorf(api.CodeInvalidArgument, "the request is no valid JSON: %v", err)
	}
	return nil
}

type bodyTimeKey struct{}

// WithBodyTime bounds how long ReadBody waits for the body of a request with this context;
// DefaultTimeout where nothing else is said.
func WithBodyTime(ctx context.Context, d time.Duration) context.Context {
	return context.WithValue(ctx, bodyTimeKey{}, d)
}

func bodyTime(r *http.Request) time.Duration {
	if d, ok := r.Context().Value(bodyTimeKey{}).(time.Duration); ok {
		return d
	}
	return DefaultTimeout
}

// PathGUID returns the GUID that stands for name in the path of a request's route, in
// its usual form.
func PathGUID(r *http.Request, name string) (string, error) {
	id, err := uuid.Parse(r.PathValue(name))
	if err != nil {
		return "", api.Errorf(api.CodeInvalidArgument, "%q is no GUID", r.PathValue(name))
	}
	return id.String(), nil
}

// Accept answers a request for an attachment with 101 and w's header, and takes the
// connection over. It fails if the request does not ask for api.UpgradeProtocol.
func Accept(w http.ResponseWriter, r *http.Request) (*Stream, error) {
	if err := RequireUpgrade(r); err != nil {
		return nil, err
	}
	nc, rw, err := http.NewResponseController(w).Hijack()
	if err != nil {
		return nil, err
	}
	nc.SetDeadline(time.Time{})
	var head bytes.Buffer
	head.WriteString("HTTP/1.1 101 Switching Protocols\r\nConnection: Upgrade\r\nUpgrade: " + api.UpgradeProtocol + "\r\n")
	h := w.Header()
	h.Set(api.HeaderVersion, api.Version)
	_ = h.Write(&head) // a buffer takes everything
	head.WriteString("\r\n")
	if _, err := nc.Write(head.Bytes()); err != nil {
		nc.Close()
		return nil, err
	}
	return newStream(nc, rw.Reader), nil
}

// RequireUpgrade refuses a request for an attachment that does not ask for
// api.UpgradeProtocol, before anything is done for it.
func RequireUpgrade(r *http.Request) error {
	if WantsUpgrade(r) {
		return nil
	}
	return api.Errorf(api.CodeInvalidArgument, "this path needs 'Upgrade: %s'", api.UpgradeProtocol)
}

// WantsUpgrade reports whether r asks for an attachment.
func WantsUpgrade(r *http.Request) bool {
	return strings.EqualFold(r.Header.Get("Upgrade"), api.UpgradeProtocol)
}

// NewServer returns a server for h whose waits are all bounded: a slow or silent
// client cannot hold it up. log takes its errors, and a line for each request with an
// id (api.HeaderRequestID).
func NewServer(h http.Handler, log *slog.Logger) *http.Server {
	return &http.Server{
		Handler:           traced(log, h),
		ErrorLog:          slog.NewLogLogger(log.Handler(), slog.LevelDebug),
		ReadHeaderTimeout: 10 * time.Second,
		IdleTimeout:       60 * time.Second,
		MaxHeaderBytes:    32 << 10,
	}
}

// LimitListener refuses connections beyond n at once rather than letting them wait.
func LimitListener(l net.Listener, n int) net.Listener {
	return &limitListener{Listener: l, free: make(chan struct{}, n)}
}

type limitListener struct {
	net.Listener
	free chan struct{}
}

// Accept returns the next connection that is within the limit.
func (l *limitListener) Accept() (net.Conn, error) {
	for {
		c, err := l.Listener.Accept()
		if err != nil {
			return nil, err
		}
		select {
		case l.free <- struct{}{}:
			return &limitedConn{Conn: c, free: l.free}, nil
		default:
			c.Close()
		}
	}
}

type limitedConn struct {
	net.Conn
	free chan struct{}
	once sync.Once
}

// Close gives the place free, once.
func (c *limitedConn) Close() error {
	c.once.Do(func() { <-c.free })
	return c.Conn.Close()
}
