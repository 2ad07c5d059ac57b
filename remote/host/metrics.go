package host

import (
	"bufio"
	"fmt"
	"io"
	"maps"
	"net/http"
	"os"
	"runtime"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"time"

	"pss/remote/api"
)

// metrics counts what happens. The names are part of pss help about_Auditing and stay.
type metrics struct {
	began time.Time

	received, sent               atomic.Int64 // bytes by the port
	handshakes, handshakesFailed atomic.Int64
	refused, evicted             atomic.Int64 // connections
	panics                       atomic.Int64
	inFlight                     atomic.Int64

	mu       sync.Mutex // guards what follows; routes and codes are few
	requests map[requestKind]int64
	refusals map[string]int64 // by code
}

type requestKind struct {
	route string
	code  int
}

func newMetrics() *metrics {
	return &metrics{began: time.Now(), requests: map[requestKind]int64{}, refusals: map[string]int64{}}
}

// request counts an answer.
func (m *metrics) request(route string, code int) {
	m.mu.Lock()
	defer m.mu.Unlock()
	m.requests[requestKind{route, code}]++
}

// refusal counts a request that was refused.
func (m *metrics) refusal(code api.Code) {
	m.mu.Lock()
	defer m.mu.Unlock()
	m.refusals[string(code)]++
}

// exposition writes metrics in Prometheus' text format, version 0.0.4.
type exposition struct{ w *bufio.Writer }

func (e exposition) family(name, kind, help string) {
	fmt.Fprintf(e.w, "# HELP %s %s\n# TYPE %s %s\n", name, help, name, kind)
}

// one is a family of a single number.
func (e exposition) one(name, kind, help string, v any) {
	e.family(name, kind, help)
	fmt.Fprintf(e.w, "%s %v\n", name, v)
}

// label quotes a label's value.
func label(s string) string {
	return `"` + strings.NewReplacer(`\`, `\\`, `"`, `\"`, "\n", `\n`).Replace(strings.ToValidUTF8(s, "\uFFFD")) + `"`
}

// writeMetrics writes all numbers of the host.
func (h *Host) writeMetrics(to io.Writer) error {
	e, m := exposition{bufio.NewWriter(to)}, h.metrics
	e.family("pss_build_info", "gauge", "The version that runs.")
	fmt.Fprintf(e.w, "pss_build_info{version=%s,go=%s} 1\n", label(api.Version), label(runtime.Version()))
	e.one("pss_host_start_time_seconds", "gauge", "When the host started, in Unix time.", m.began.Unix())
	e.family("pss_host_sessions", "gauge", "Sessions by state, as they are to whoever holds none of them.")
	states := h.sessionStates()
	for _, s := range slices.Sorted(maps.Keys(states)) {
		fmt.Fprintf(e.w, "pss_host_sessions{state=%s} %d\n", label(s), states[s])
	}
	m.mu.Lock()
	requests, refusals := maps.Clone(m.requests), maps.Clone(m.refusals)
	m.mu.Unlock()
	e.family("pss_host_requests_total", "counter", "Requests that were answered, by route and HTTP status.")
	for _, k := range slices.SortedFunc(maps.Keys(requests), func(a, b requestKind) int {
		return strings.Compare(a.route+fmt.Sprint(a.code), b.route+fmt.Sprint(b.code))
	}) {
		fmt.Fprintf(e.w, "pss_host_requests_total{route=%s,code=\"%d\"} %d\n", label(k.route), k.code, requests[k])
	}
	e.family("pss_host_refusals_total", "counter", "Requests that were refused, by the code of the error.")
	for _, k := range slices.Sorted(maps.Keys(refusals)) {
		fmt.Fprintf(e.w, "pss_host_refusals_total{code=%s} %d\n", label(k), refusals[k])
	}
	h.writeGauges(e)
	return e.w.Flush()
}

func (h *Host) writeGauges(e exposition) {
	m, all, strangers := h.metrics, 0, 0
	if g := h.gate.Load(); g != nil {
		all, strangers = g.open()
	}
	e.one("pss_host_requests_in_flight", "gauge", "Requests under way, attachments included.", m.inFlight.Load())
	e.one("pss_host_connections", "gauge", "Connections to the port.", all)
	e.one("pss_host_connections_unauthenticated", "gauge", "Those on which nobody has proved who he is.", strangers)
	e.one("pss_host_connections_refused_total", "counter", "Connections that found no place.", m.refused.Load())
	e.one("pss_host_connections_evicted_total", "counter", "Connections of strangers that were ended for others, or for their silence.", m.evicted.Load())
	e.family("pss_host_handshakes_total", "counter", "TLS handshakes.")
	fmt.Fprintf(e.w, "pss_host_handshakes_total{result=\"done\"} %d\npss_host_handshakes_total{result=\"failed\"} %d\n", m.handshakes.Load(), m.handshakesFailed.Load())
	e.one("pss_host_received_bytes_total", "counter", "Bytes that came by the port, as they were on the wire.", m.received.Load())
	e.one("pss_host_sent_bytes_total", "counter", "Bytes that went by the port, as they were on the wire.", m.sent.Load())
	e.one("pss_host_leases", "gauge", "Clients that give signs of life.", h.leases.count())
	e.one("pss_host_audit_lines_total", "counter", "Lines of the audit log.", h.audit.lines.Load())
	e.one("pss_host_audit_errors_total", "counter", "Lines that could not be written.", h.audit.errors.Load())
	e.one("pss_host_panics_total", "counter", "Defects of pss that a request met.", m.panics.Load())
	e.one("pss_host_goroutines", "gauge", "Goroutines of the host's process.", runtime.NumGoroutine())
	if names, err := os.ReadDir("/proc/self/fd"); err == nil {
		e.one("pss_host_open_fds", "gauge", "File descriptors of the host's process.", len(names))
	}
}

// sessionStates counts the sessions; every state is there, also with none.
func (h *Host) sessionStates() map[string]int {
	n := map[string]int{string(api.StateOpened): 0, string(api.StateDisconnected): 0, string(api.StateBroken): 0, string(api.StateClosed): 0}
	for _, e := range h.dir.all() {
		info, err := e.facts()
		if err != nil {
			continue
		}
		switch {
		case info.Life == api.LifeOpen && info.Attached != nil:
			n[string(api.StateOpened)]++
		default:
			state, _ := api.View(info, api.ClientID{}, true)
			n[string(state)]++
		}
	}
	return n
}

// serveMetrics answers GET /metrics, and nothing that a browser's page sends.
func (h *Host) serveMetrics(w http.ResponseWriter, r *http.Request) {
	if isBrowsers(r) || !isLoopbackName(r.Host) {
		http.Error(w, "requests of web pages are refused", http.StatusForbidden)
		return
	}
	if r.URL.Path != "/metrics" || r.Method != http.MethodGet && r.Method != http.MethodHead {
		http.Error(w, "there is GET /metrics", http.StatusNotFound)
		return
	}
	w.Header().Set("Content-Type", "text/plain; version=0.0.4; charset=utf-8")
	if err := h.writeMetrics(w); err != nil {
		h.log.Debug("metrics not taken", "error", err)
	}
}
