//go:build linux

package main

import (
	"crypto/tls"
	"encoding/json"
	"fmt"
	"io"
	"log"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"sync"
	"time"

	"github.com/rogpeppe/go-internal/testscript"
	"pss/remote/api"
	"pss/remote/client"
)

// cmdListener starts a TLS server that is no host of this build, and makes its name
// known in config.toml: listener win winrm -pinned -tls12
//
//	winrm    Windows Remote Management, which lets nobody in
//	other    a web server that knows no path
//	old      a host that tells neither its clock nor its user
//	ahead    a host whose clock is 90 seconds ahead
//	behind   a host whose clock is 2.5 seconds behind
//	hostile  a host whose every text would change the terminal that shows it
//
//	-pinned  config.toml has its fingerprint
//	-token   config.toml names a token, so that nobody is asked who they are
//	-tls12   it knows no TLS 1.3
//
// $NAME is its address. NAME.log gets a line for each request: how it is asked, and
// with which Authorization.
func cmdListener(ts *testscript.TestScript, neg bool, args []string) {
	if neg || len(args) < 2 {
		ts.Fatalf("usage: listener NAME winrm|other|old|ahead|behind|hostile [-pinned] [-token] [-tls12]")
	}
	name := args[0]
	answer, known := map[string]http.HandlerFunc{
		"winrm": answerWinRM, "other": http.NotFound,
		"old":    answerVersion(func(*api.VersionInfo) {}),
		"ahead":  answerVersion(clockOff(90 * time.Second)),
		"behind": answerVersion(clockOff(-2500 * time.Millisecond)), "hostile": answerHostile,
	}[args[1]]
	if !known {
		ts.Fatalf("listener: unknown kind %q", args[1])
	}
	file, err := os.Create(ts.MkAbs(name + ".log"))
	ts.Check(err)
	var mu sync.Mutex // of the file
	srv := httptest.NewUnstartedServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		mu.Lock()
		fmt.Fprintf(file, "%s %s %q\n", r.Method, r.URL.Path, r.Header.Get("Authorization"))
		mu.Unlock()
		answer(w, r)
	}))
	srv.Config.ErrorLog = log.New(io.Discard, "", 0)
	srv.TLS = &tls.Config{}
	entry := fmt.Sprintf("[computers.%s]\n", name)
	pinned := false
	for _, word := range args[2:] {
		switch word {
		case "-pinned":
			pinned = true
		case "-token":
			ts.Check(os.WriteFile(ts.MkAbs(name+".token"), []byte("secret\n"), 0o600))
			entry += fmt.Sprintf("token_file = %q\n", ts.MkAbs(name+".token"))
		case "-tls12":
			srv.TLS.MaxVersion = tls.VersionTLS12
		default:
			ts.Fatalf("listener: unknown option %q", word)
		}
	}
	srv.StartTLS()
	ts.Defer(func() {
		srv.Close()
		file.Close()
	})
	entry += fmt.Sprintf("address = %q\n", srv.Listener.Addr())
	if pinned {
		entry += fmt.Sprintf("fingerprint = %q\n", client.Fingerprint(srv.Certificate()))
	}
	ts.Check(appendTo(filepath.Join(ts.Getenv("PSS_HOME"), "config.toml"), entry))
	ts.Setenv(name, srv.Listener.Addr().String())
}

// answerWinRM answers as Windows Server 2022 does to whoever has not said who he is.
func answerWinRM(w http.ResponseWriter, r *http.Request) {
	w.Header().Set("Server", "Microsoft-HTTPAPI/2.0")
	if r.Method != http.MethodPost || r.URL.Path != "/wsman" {
		w.WriteHeader(http.StatusNotFound)
		return
	}
	for _, offer := range []string{"Negotiate", "Kerberos", `Basic realm="WSMAN"`} {
		w.Header().Add("WWW-Authenticate", offer)
	}
	w.WriteHeader(http.StatusUnauthorized)
}

// answerVersion answers as a host, whose version tells adds to.
func answerVersion(tells func(*api.VersionInfo)) http.HandlerFunc {
	return func(w http.ResponseWriter, _ *http.Request) {
		v := api.VersionInfo{Version: "0.0.9", Protocol: api.ProtocolVersion, Role: "host", HostID: "4b1b5ba0-0000-4000-8000-000000000001"}
		tells(&v)
		w.Header().Set(api.HeaderVersion, v.Version)
		_ = json.NewEncoder(w).Encode(&v) // a client that has left misses it
	}
}

// answerHostile lists a session of which every text holds an escape sequence, and answers
// everything else with an error of such texts.
func answerHostile(w http.ResponseWriter, r *http.Request) {
	const evil = "a\x1b]0;owned\x07\u009b31m\r\nb\u202ec"
	w.Header().Set(api.HeaderVersion, "0.0.9")
	w.Header().Set("Content-Type", api.TypeJSON)
	switch {
	case r.URL.Path == api.RouteVersion:
		_ = json.NewEncoder(w).Encode(&api.VersionInfo{Version: evil, Protocol: api.ProtocolVersion, Role: "host", User: evil, Time: time.Now(), HostID: evil})
	case r.URL.Path == api.RouteHeartbeat:
		_ = json.NewEncoder(w).Encode(&api.HeartbeatReply{Version: evil, HostID: evil, LeaseMs: 30000})
	case r.Method == http.MethodGet && r.URL.Path == api.RouteSessions:
		_ = json.NewEncoder(w).Encode(&api.SessionList{Version: evil, Sessions: []api.Session{{
			ComputerName: evil, State: api.StateDisconnected, Availability: evil, CommandState: evil,
			Runspace: api.RunspaceInfo{HostID: evil, InstanceID: "11111111-2222-4333-8444-555555555555", Name: evil, Owner: evil, ConfigurationName: evil, Reason: evil},
		}}})
	default:
		w.WriteHeader(http.StatusConflict)
		_ = json.NewEncoder(w).Encode(&api.Error{Code: evil, Message: evil, Category: evil, FullyQualifiedErrorID: evil, RecommendedAction: evil, Target: evil, Holder: evil})
	}
}

func clockOff(by time.Duration) func(*api.VersionInfo) {
	return func(v *api.VersionInfo) { v.User, v.Time = "ops", time.Now().Add(by) }
}
