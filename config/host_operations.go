package config

import (
	"fmt"
	"log/slog"
	"net"
	"reflect"
	"strings"
	"time"
)

// HostOperations are the settings of host.toml for whoever runs a host: what it tells
// about itself, and what one client may use up. All of them but MetricsListen count
// again when the host reads its file anew. 0 is the default.
type HostOperations struct {
	LogLevel      string `toml:"log_level"`       // debug, info, warn or error
	LogCommands   bool   `toml:"log_commands"`    // the audit log has the text of commands
	AuditMaxBytes int64  `toml:"audit_max_bytes"` // of one file, which is then put aside
	AuditKeep     int    `toml:"audit_keep"`      // files that were put aside
	AuditRequired bool   `toml:"audit_required"`  // what cannot be audited is refused
	MetricsListen string `toml:"metrics_listen"`  // a loopback address, or empty: none

	MaxConnectionsPerAddress int      `toml:"max_connections_per_address"`
	MaxUnauthenticated       int      `toml:"max_unauthenticated"` // connections on which nobody has proved who he is
	MaxHandshakes            int      `toml:"max_handshakes"`      // at a time
	HandshakeTimeout         Duration `toml:"handshake_timeout"`
	LoginGrace               Duration `toml:"login_grace"` // how long a connection may stay unauthenticated
	HeaderTimeout            Duration `toml:"header_timeout"`
	MaxHeaderBytes           int      `toml:"max_header_bytes"`
	BodyTimeout              Duration `toml:"body_timeout"`
	MaxControlBytes          int64    `toml:"max_control_bytes"` // body of a request that carries no script
	MaxRequests              int      `toml:"max_requests"`      // under way, attachments included
	MaxRequestsPerUser       int      `toml:"max_requests_per_user"`
	MaxWaitsPerUser          int      `toml:"max_waits_per_user"`    // requests for records that wait
	MaxMemoryBytes           int64    `toml:"max_memory_bytes"`      // large bodies and replies under way
	WriteTimeout             Duration `toml:"write_timeout"`         // in which a client takes 64 KiB of an answer
	StreamStall              Duration `toml:"stream_stall"`          // after which an attachment that takes nothing is cut
	MaxEnvironmentBytes      int64    `toml:"max_environment_bytes"` // that a client gives a session
}

// OperationDefaults are what counts where host.toml says nothing.
var OperationDefaults = HostOperations{
	LogLevel: "info", AuditMaxBytes: 64 << 20, AuditKeep: 10,
	MaxConnectionsPerAddress: 512, MaxUnauthenticated: 128, MaxHandshakes: 64,
	HandshakeTimeout: Duration(10 * time.Second), LoginGrace: Duration(60 * time.Second),
	HeaderTimeout: Duration(10 * time.Second), MaxHeaderBytes: 32 << 10,
	BodyTimeout: Duration(60 * time.Second), MaxControlBytes: 64 << 10,
	MaxRequests: 4096, MaxRequestsPerUser: 2048, MaxWaitsPerUser: 512, MaxMemoryBytes: 256 << 20,
	WriteTimeout: Duration(30 * time.Second), StreamStall: Duration(15 * time.Minute),
	MaxEnvironmentBytes: 1 << 20,
}

// Complete returns the settings with the default in the place of what is not given.
func (o HostOperations) Complete() HostOperations {
	v, def := reflect.ValueOf(&o).Elem(), reflect.ValueOf(OperationDefaults)
	for i := range v.NumField() {
		if v.Field(i).IsZero() {
			v.Field(i).Set(def.Field(i))
		}
	}
	return o
}

// Level is LogLevel as slog takes it.
func (o HostOperations) Level() slog.Level {
	var l slog.Level
	if l.UnmarshalText([]byte(o.LogLevel)) != nil {
		return slog.LevelInfo
	}
	return l
}

// check refuses what no host could work with.
func (o *HostOperations) check() error {
	v := reflect.ValueOf(o).Elem()
	for i := range v.NumField() {
		if f := v.Field(i); f.CanInt() && f.Int() < 0 {
			key := v.Type().Field(i).Tag.Get("toml")
			return fmt.Errorf("%s cannot be negative; leave it out for the default", key)
		}
	}
	switch strings.ToLower(o.LogLevel) {
	case "", "debug", "info", "warn", "error":
	default:
		return fmt.Errorf("log_level is debug, info, warn or error, not %q", o.LogLevel)
	}
	if o.MetricsListen == "" {
		return nil
	}
	host, _, err := net.SplitHostPort(o.MetricsListen)
	if err != nil {
		return fmt.Errorf("metrics_listen %q is no HOST:PORT", o.MetricsListen)
	}
	// Numbers tell strangers when and how much people work; a name may mean anything.
	if ip := net.ParseIP(host); ip == nil || !ip.IsLoopback() {
		return fmt.Errorf("metrics_listen %q is not on a loopback address (127.0.0.1:9464, [::1]:9464): the numbers are for this computer; "+
			"let a proxy of your own pass them on", o.MetricsListen)
	}
	return nil
}
