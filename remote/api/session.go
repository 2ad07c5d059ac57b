package api

import (
	"cmp"
	"strings"
	"time"
)

// ClientID names a client session: an opaque pair. Principal is set by whoever
// authenticated it and is never taken from a request; ID is the client's own.
type ClientID struct {
	Principal string
	ID        string
}

// Attachment is the one client that holds a session.
type Attachment struct {
	Client ClientID
	Agent  string    `json:",omitempty"` // whose heartbeat keeps the lease
	Epoch  uint64    // made new by each attach
	Since  time.Time // wall clock
	From   string    `json:",omitempty"` // computer or address, for people
}

// RunspaceInfo is the truth about one session: what its session host keeps on
// disk and everybody else reads.
type RunspaceInfo struct {
	Format              int    // of this file; 1
	HostID              string // made once per host; a session is (HostID, InstanceID)
	InstanceID          string // GUID
	Name                string
	Owner               string // the principal that it belongs to
	ConfigurationName   string
	Engine              string // "bash", "sh" …
	Version             string // of the session host
	Life                Life
	Reason              string `json:",omitempty"` // of Broken and Closed
	Pid                 int    // of the session host
	BootID              string `json:",omitempty"`
	InitStart           uint64 `json:",omitempty"` // of the first process that it saw: tells a container's lives apart
	Created             time.Time
	Epoch               uint64      // the newest that was given out
	Attached            *Attachment `json:",omitempty"`
	Detached            string      `json:",omitempty"` // who ended the last attachment: "Client", "Outage"
	DisconnectedOn      *time.Time  `json:",omitempty"`
	ExpiresOn           *time.Time  `json:",omitempty"`
	IdleTimeoutMs       int64
	MaxIdleTimeoutMs    int64
	OutputBufferingMode OutputBufferingMode
	OutputBufferSize    int64
	// What the session configuration says; see SessionConfiguration. 0 is no limit.
	IdleClockStopsWhileBusy bool              `json:",omitempty"`
	MaxCommands             int               `json:",omitempty"`
	MaxMemoryBytes          int64             `json:",omitempty"`
	MaxProcesses            int               `json:",omitempty"`
	OnFinish                string            `json:",omitempty"` // of commands that bring none of their own
	Pipelines               []Pipeline        `json:",omitempty"` // running, unread and the newest one
	Changed                 time.Time         `json:",omitzero"`  // when this was written
	Connection              *ConnectionOption `json:",omitempty"`
	NetworkAccess           bool              `json:",omitempty"` // it has its maker's credentials: only its own computer reaches it
	NextFields                                // what a later version adds: none, but in the tests' own build
}

// Reasons of RunspaceInfo.Detached.
const (
	DetachedByClient = "Client"
	DetachedByOutage = "Outage"
)

// Running returns the pipeline that has not ended, or nil.
func (r *RunspaceInfo) Running() *Pipeline {
	for i := range r.Pipelines {
		if r.Pipelines[i].Running() {
			return &r.Pipelines[i]
		}
	}
	return nil
}

// Brief returns the facts as a listing shows them: of the pipelines only those
// that run, that are unread, and the newest one, and nothing that only processes of
// its computer want to know. There may be thousands in one listing.
func (r *RunspaceInfo) Brief() *RunspaceInfo {
	b := *r
	b.BootID, b.InitStart, b.Changed = "", 0, time.Time{}
	if b.Attached != nil {
		a := *b.Attached
		a.Agent = ""
		b.Attached = &a
	}
	b.Pipelines = make([]Pipeline, 0, 1)
	for i := range r.Pipelines {
		if p := &r.Pipelines[i]; p.Running() || p.Unread() || i == len(r.Pipelines)-1 {
			b.Pipelines = append(b.Pipelines, *p)
		}
	}
	return &b
}

// Unread returns data bytes and records that wait for a receiver.
func (r *RunspaceInfo) Unread() (bytes int64, records uint64) {
	for i := range r.Pipelines {
		if p := &r.Pipelines[i]; p.Unread() {
			bytes += p.Bytes
			records += p.LastSeq - p.Acked
		}
	}
	return bytes, records
}

// Session is a session as one client sees it. Id, Name for the reader and
// ComputerName are the agent's; the rest is the host's.
type Session struct {
	ID           int    `json:",omitempty"` // of the asker's client session
	ComputerName string `json:",omitempty"` // as typed
	// ConnectionURI is how the computer was named, where that was by more than a name:
	// HTTPSTarget.Ref or SSHTarget.Ref.
	ConnectionURI string `json:"ConnectionUri,omitempty"`
	// Transport is how the agent reaches the computer: TransportHTTPS or TransportSSH.
	Transport    string `json:",omitempty"`
	State        RunspaceState
	Availability Availability
	CommandState CommandState
	Runspace     RunspaceInfo
	Unreachable  bool `json:",omitempty"` // its computer does not answer: this is what the agent remembers
	// LastSeen is when the host last heard of the client that is attached.
	LastSeen *time.Time `json:",omitempty"`
	// Existed answers CreateRequest.IfAbsent: nothing was made.
	Existed bool `json:",omitempty"`
}

// The transports, as PowerShell names them.
const (
	TransportHTTPS = "HTTPS"
	TransportSSH   = "SSH"
)

// At names the session's computer by ref: a name, or the URI of its host.
func (s *Session) At(ref string) {
	s.ComputerName = ComputerOf(ref)
	if s.ConnectionURI = ""; s.ComputerName != ref {
		s.ConnectionURI = ref
	}
}

// Computer is the reverse of At.
func (s *Session) Computer() string { return cmp.Or(s.ConnectionURI, s.ComputerName) }

// ComputerOf returns the computer's name in ref, which is a name, or what the Ref of an
// HTTPSTarget or an SSHTarget returns.
func ComputerOf(ref string) string {
	if t, ok := ParseSSHRef(ref); ok {
		return t.Host
	}
	if t, ok := ParseHTTPSRef(ref); ok {
		return t.Host
	}
	return strings.TrimPrefix(ref, httpsScheme)
}

// SessionList answers GET sessions. Errors are the computers that did not
// answer and the sessions that could not be read: one never hides the others.
type SessionList struct {
	Version  string
	Sessions []Session
	Errors   []*Error `json:",omitempty"`
	// Elsewhere is how many sessions the user's other client sessions hold, if this
	// listing is empty; the agent's.
	Elsewhere int `json:",omitempty"`
}

// CreateRequest makes a session; the path carries the InstanceID, so that a
// repeated request finds the first one's session.
type CreateRequest struct {
	Name              string
	ComputerName      string            `json:",omitempty"` // for the agent
	ConfigurationName string            `json:",omitempty"`
	Options           SessionOption     `json:",omitzero"`
	Environment       map[string]string `json:",omitempty"`
	Locale            map[string]string `json:",omitempty"` // LANG and LC_* of the client
	WorkingDirectory  string            `json:",omitempty"`
	Temporary         bool              `json:",omitempty"` // of Invoke-Command -ComputerName; for the agent
	Turn              Turn              `json:",omitzero"`  // for the agent
	Attach            *AttachRequest    `json:",omitempty"` // attach at once
	// IfAbsent makes nothing if a session of that name is there, in whatever state.
	IfAbsent bool `json:",omitempty"`
	// Start begins a command together with the session: there is no moment in which
	// the one exists without the other.
	Start    *FirstCommand `json:",omitempty"`
	OnFinish string        `json:",omitempty"` // of every command that brings none of its own
	// NetworkAccess asks for a session with Credentials. The agent asks on only for one
	// on its own computer, and fills them in; a host heeds them only from there.
	NetworkAccess bool              `json:",omitempty"`
	Credentials   map[string]string `json:",omitempty"` // of ForwardedCredentials
	// Front is what the daemon of a computer orders of a user's own host; from anybody else
	// it counts for nothing.
	Front *FrontOrder `json:",omitempty"`
}

// FrontOrder is how a session is made that was asked for at the daemon of a computer.
type FrontOrder struct {
	Configuration SessionConfiguration // which the daemon has checked
	MaxSpoolBytes int64                `json:",omitempty"` // of unread output of all sessions of the user; 0: as the host says
}

// Turn orders requests that one cmdlet makes at once: the agent numbers and names
// their sessions in the order of Index, which counts from 0 within Batch.
type Turn struct {
	Batch string
	Index int
}

// FirstCommand is the command that a session is made with.
type FirstCommand struct {
	Pipeline string // GUID
	Command  Command
}

// AttachRequest asks to become the one client of a session.
type AttachRequest struct {
	ID      string        // ClientID.ID
	Agent   string        // whose heartbeat keeps the lease
	From    string        `json:",omitempty"`
	IfEpoch uint64        `json:",omitempty"` // only while this is still the newest epoch
	Force   bool          `json:",omitempty"` // also from another client of the same user
	Options SessionOption `json:",omitzero"`  // only OutputBufferingMode takes effect
	// Connection replaces what is kept with the session; nil leaves it.
	Connection *ConnectionOption `json:",omitempty"`
}

// RoomRequest tells a session how many bytes of unread output it may keep now: what
// the quota of its user leaves it, however large its buffer is.
type RoomRequest struct {
	Bytes int64
}

// DetachRequest ends an attachment.
type DetachRequest struct {
	Epoch   uint64
	By      string        `json:",omitempty"` // DetachedByClient unless said otherwise
	Later   bool          `json:",omitempty"` // for the agent: at the latest when the computer answers; nobody waits for that
	Options SessionOption `json:",omitzero"`  // IdleTimeout and OutputBufferingMode
}

// Heartbeat keeps the leases of one agent; Interval is its own pace.
type Heartbeat struct {
	Agent string
}

// HeartbeatReply tells the agent how long its silence is borne.
type HeartbeatReply struct {
	Version string
	HostID  string
	LeaseMs int64
	// Fingerprints are those of the keys that the host has, or will have: clients that
	// remember one of them remember them all.
	Fingerprints []string `json:",omitempty"`
}

// VersionInfo answers GET version on every hop.
type VersionInfo struct {
	Version  string // of the build
	Protocol int    // 1
	Role     string // "agent", "host", "session-host"
	Pid      int
	HostID   string `json:",omitempty"`
	// User, Method and Time are a host's: as whom it sees the asker and what proved that
	// (MethodToken …), and what its clock shows. Older ones do not tell.
	User   string    `json:",omitempty"`
	Method string    `json:",omitempty"`
	Time   time.Time `json:",omitzero"`
	// Fingerprints are HeartbeatReply's.
	Fingerprints []string `json:",omitempty"`
}
