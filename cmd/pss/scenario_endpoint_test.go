//go:build linux

package main_test

import (
	"encoding/json"
	"fmt"
	"io"
	"log"
	"net/http"
	"net/http/httptest"
	"path"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"pss/remote/api"
	"pss/remote/client"
)

// oldEndpoint answers as the host of a protocol without disconnection: it makes and
// shows one session, and knows nothing else.
func oldEndpoint(t *testing.T, unknown http.HandlerFunc) *httptest.Server {
	session := &api.Session{State: api.StateOpened, Availability: api.AvailabilityAvailable, CommandState: api.CommandNone}
	session.Runspace.Attached = &api.Attachment{Epoch: 1}
	answer := func(w http.ResponseWriter, v any) { _ = json.NewEncoder(w).Encode(v) }
	mux := http.NewServeMux()
	mux.HandleFunc("GET "+api.RouteSessions, func(w http.ResponseWriter, _ *http.Request) {
		answer(w, &api.SessionList{Sessions: []api.Session{*session}})
	})
	mux.HandleFunc("PUT "+api.RouteSession, func(w http.ResponseWriter, r *http.Request) {
		var req api.CreateRequest
		if err := json.NewDecoder(r.Body).Decode(&req); err != nil {
			t.Errorf("create: %v", err)
		}
		session.Runspace.InstanceID, session.Runspace.Name = path.Base(r.URL.Path), req.Name
		answer(w, session)
	})
	mux.HandleFunc("GET "+api.RouteSession, func(w http.ResponseWriter, _ *http.Request) { answer(w, session) })
	mux.HandleFunc("POST "+api.RouteHeartbeat, func(w http.ResponseWriter, _ *http.Request) { answer(w, &api.HeartbeatReply{}) })
	mux.HandleFunc("/", unknown)
	srv := httptest.NewUnstartedServer(mux)
	srv.Config.ErrorLog = log.New(io.Discard, "", 0)
	srv.StartTLS()
	t.Cleanup(srv.Close)
	return srv
}

// Scenario 79: an endpoint whose protocol knows no disconnection says so to who
// disconnects, at once, and the session stays Opened.
func TestScenario79EndpointWithoutDisconnect(t *testing.T) {
	t.Parallel()
	for name, unknown := range map[string]http.HandlerFunc{
		"older pss": func(w http.ResponseWriter, r *http.Request) {
			w.WriteHeader(http.StatusNotImplemented)
			_ = json.NewEncoder(w).Encode(api.Errorf(api.CodeVersion, "this host (version 0.0.1) does not know %s %s", r.Method, r.URL.Path))
		},
		"something else": http.NotFound,
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			srv := oldEndpoint(t, unknown)
			w := newWorld(t, racePSS, map[string]string{"config.toml": fmt.Sprintf("[computers.old]\naddress = %q\nfingerprint = %q\n",
				strings.TrimPrefix(srv.URL, "https://"), client.Fingerprint(srv.Certificate()))})
			w.must("new-pssession", "--computer-name", "old", "--name", "s", "--output", "id")
			began := time.Now()
			r := w.pss("disconnect-pssession", "--name", "s")
			require.Less(t, time.Since(began), patience)
			require.Equal(t, 1, r.code, r.err)
			require.Empty(t, r.out)
			require.Contains(t, r.err, "the endpoint on old does not support disconnect")
			require.Contains(t, r.err, "FullyQualifiedErrorId : EndpointDoesNotSupportDisconnect\n")
			require.Contains(t, r.err, "RecommendedAction     : update pss on old\n")
			require.Equal(t, "Opened/Available/None", w.list("old")["s"].status())
		})
	}
}
