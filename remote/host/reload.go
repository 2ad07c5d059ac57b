package host

import (
	"context"
	"net"
	"net/http"
	"reflect"
	"slices"
	"strings"
	"time"

	"pss/config"
	"pss/remote/api"
	"pss/remote/client"
)

// fixed are the keys of host.toml that count at the start alone. The files that the last
// three name are read again when they are replaced.
var fixed = []string{
	"listen", "linger", "lease", "metrics_listen", "header_timeout", "max_header_bytes", "spare_session_hosts",
	"certificate_file", "key_file", "next_certificate_file",
}

// conf is host.toml as it stands now. What was read must not be changed.
func (h *Host) conf() *config.Host { return h.settings.Load() }

// operations are the settings for whoever runs the host, complete.
func (h *Host) operations() config.HostOperations { return h.conf().Complete() }

// mostConnections is how many connections the port takes.
func (h *Host) mostConnections() int {
	if n := h.conf().MaxConnections; n > 0 {
		return n
	}
	return config.DefaultMaxConnections
}

// reloads does what each SIGHUP asks for, until ctx ends.
func (h *Host) reloads(ctx context.Context) {
	t := time.NewTicker(5 * time.Second)
	defer t.Stop()
	for {
		select {
		case <-ctx.Done():
			return
		case now := <-t.C:
			h.audit.summarise(now, false)
		case <-h.o.Reload:
			h.reload(ctx)
		}
	}
}

// reload reads host.toml anew and opens the audit log again. A file that is not right
// changes nothing.
func (h *Host) reload(context.Context) {
	h.audit.reopen()
	line := &auditLine{Action: "Reload", User: h.owner}
	defer func() { h.audit.event(line) }()
	if h.o.Load == nil {
		return
	}
	fresh, err := h.o.Load()
	var t *terms
	if err == nil {
		t, err = newTerms(fresh)
	}
	if err != nil {
		line.refused(err)
		h.log.Error("host.toml not taken; what was read before still counts", "error", err)
		return
	}
	changed, waits := h.take(fresh)
	h.auth.take(t)
	line.Detail = strings.Join(changed, " ")
	h.log.Info("host.toml read anew", "changed", changed)
	if len(waits) > 0 {
		h.log.Warn("a restart is needed for these changes of host.toml", "keys", waits)
	}
}

// take lets the settings count, but for those that are fixed. It returns the keys of
// both that differ from before.
func (h *Host) take(fresh *config.Host) (changed, waits []string) {
	next, old := *fresh, *h.conf()
	var walk func(to, from reflect.Value)
	walk = func(to, from reflect.Value) {
		for i := range to.NumField() {
			f := to.Type().Field(i)
			if f.Anonymous {
				walk(to.Field(i), from.Field(i))
				continue
			}
			if reflect.DeepEqual(to.Field(i).Interface(), from.Field(i).Interface()) {
				continue
			}
			key := f.Tag.Get("toml")
			if slices.Contains(fixed, key) {
				to.Field(i).Set(from.Field(i))
				waits = append(waits, key)
				continue
			}
			changed = append(changed, key)
		}
	}
	walk(reflect.ValueOf(&next).Elem(), reflect.ValueOf(&old).Elem())
	h.settings.Store(&next)
	if h.o.Level != nil {
		h.o.Level.Set(next.Complete().Level())
	}
	h.quota.set(&next)
	return changed, waits
}

// listenMetrics serves the numbers on the loopback address of host.toml, if there is one,
// until the returned function is called.
func (h *Host) listenMetrics() (stop func(), err error) {
	addr := h.conf().MetricsListen
	if addr == "" {
		return func() {}, nil
	}
	l, err := net.Listen("tcp", addr)
	if err != nil {
		return nil, api.Errorf(api.CodeInvalidArgument, "cannot listen on %s for metrics: %v", addr, err).WithID("ListenFailed").
			On(addr).Hint("choose another metrics_listen in host.toml")
	}
	srv := client.NewServer(http.HandlerFunc(h.serveMetrics), h.log)
	srv.ConnContext = func(ctx context.Context, _ net.Conn) context.Context { return client.LogLater(ctx) }
	srv.ReadTimeout, srv.WriteTimeout = 10*time.Second, 10*time.Second
	go func() { _ = srv.Serve(client.LimitListener(l, maxScrapers)) }() // it ends with stop
	h.log.Info("metrics", "address", l.Addr().String())
	return func() { srv.Close() }, nil
}

// maxScrapers is how many may ask for metrics at a time.
const maxScrapers = 16

// isLoopbackName reports whether a request was meant for an address of this computer, and
// not for a name that somebody made point here.
func isLoopbackName(hostport string) bool {
	host := addressOf(hostport)
	ip := net.ParseIP(strings.Trim(host, "[]"))
	return host == "localhost" || ip != nil && ip.IsLoopback()
}
