package config

import (
	"cmp"
	"errors"
	"time"
)

// Host is host.toml. pss never writes it; flags of pss host override it.
type Host struct {
	Listen           string   `toml:"listen"`                 // host:port, or none: only by ssh and by its own user on this computer; default 127.0.0.1:0 for a user's own host
	Linger           Duration `toml:"linger"`                 // of an embedded host without sessions; default 60s
	Lease            Duration `toml:"lease"`                  // silence after which a client counts as lost; default 30s
	MinIdleTimeout   Duration `toml:"min_idle_timeout"`       // default 60s
	RetainOutput     Duration `toml:"retain_output"`          // of closed and broken sessions; default 7d
	MaxConnections   int      `toml:"max_connections"`        // default 1024
	MaxSessions      int      `toml:"max_sessions"`           // per user; default 2048
	MaxProcesses     *int     `toml:"max_processes_per_user"` // processes and threads that the daemon for all users lets each have; 0: no limit; default a third of the computer's
	OutputBufferSize int64    `toml:"output_buffer_size"`     // bytes; default the smaller of 4 GiB and 10 % of the free disk
	MaxSpoolBytes    int64    `toml:"max_spool_bytes"`        // unread output of all sessions of a user; default 50 % of the disk that was free when the host started
	SpareSessions    *int     `toml:"spare_session_hosts"`    // 0 or 1 prestarted session host; default 1
	CertificateFile  string   `toml:"certificate_file"`       // PEM, the host's own first; default one that the host makes
	KeyFile          string   `toml:"key_file"`               // PEM; default certificate_file
	NextCertificate  string   `toml:"next_certificate_file"`  // PEM of the certificate that comes next, whose key is announced
	SurviveLogout    *bool    `toml:"survive_logout"`         // false: sessions are also made where they end with the login; default true

	HostOperations
	HostIdentity
}

// The host's defaults.
const (
	DefaultListen         = "127.0.0.1:0"
	DefaultSystemListen   = ":5986" // of the daemon for all users: every address, IPv6 and IPv4
	ListenNone            = "none"
	DefaultLease          = 30 * time.Second
	DefaultMinIdle        = 60 * time.Second
	DefaultRetainOutput   = 7 * 24 * time.Hour
	DefaultMaxConnections = 1024
	DefaultMaxSessions    = 2048
	// DefaultSpoolShare is how much of the free disk unread output may take by default: 1/2.
	DefaultSpoolShare = 2
)

// HostInfo is what a running daemon tells about itself, in info.json and as its
// one line on standard output. It appears once the daemon takes requests.
type HostInfo struct {
	Address     string // empty and 0: it listens on no port, but for its own user on a socket
	Port        int
	Fingerprint string // "sha256:…"
	// Fingerprints are all that it has or will have, while its key changes.
	Fingerprints []string `json:",omitempty"`
	Pid          int
	InitStart    uint64 `json:",omitempty"` // of the first process that it sees: whether Pid means anything to the reader
	HostID       string
	Version      string
	Serves       string // the one user whom it serves; ServesAll: everybody who has an account
}

// ServesAll stands in HostInfo.Serves of a host that runs as root.
const ServesAll = "*"

// LoadHost reads host.toml; a missing file gives the defaults.
func (p Paths) LoadHost() (*Host, error) {
	h := &Host{}
	if err := load(p.HostFile(), h); err != nil {
		return h, err
	}
	var own error
	if h.MaxProcesses != nil && *h.MaxProcesses < 0 {
		own = errors.New("max_processes_per_user cannot be negative; 0 is no limit")
	}
	if err := errors.Join(own, h.HostOperations.check(), h.HostIdentity.check()); err != nil {
		return h, fileError(p.HostFile(), err)
	}
	return h, nil
}

// SessionLimit is how many sessions a user may have.
func (h *Host) SessionLimit() int {
	return cmp.Or(h.MaxSessions, DefaultMaxSessions)
}
