package api

// Bootstrap is the one message that a session host reads from its standard
// input before it does anything: nothing of it shows in ps or in an environment.
type Bootstrap struct {
	Format      int    // 1
	Dir         string // the session's folder, which exists
	Role        BootstrapRole
	HostLock    string   // held while the host lives
	LeaseMs     int64    // silence of host or agent after which the client counts as lost
	RetainMs    int64    // how long a closed or broken session's output is kept
	Engines     []string // names; the first one that this computer has is used
	Environment []string // complete, of the engine
	WorkingDir  string
	Open        *RunspaceInfo // identity and settings; nil for a spare, which gets it later
	Attach      *Attachment   // the first client, if it attaches at once
	Start       *FirstCommand // begins with the session
	MinIdleMs   int64
	// StartupScript runs in the shell before anybody can use the session; its failure is
	// that of making the session. No spare is used for one.
	StartupScript string `json:",omitempty"`
}

// BootstrapRole says what a session host is started for.
type BootstrapRole string

// The roles. A spare opens its engine and waits for an Adoption on standard
// input; Recover serves what a dead session left on disk, without an engine.
const (
	BootstrapOpen    BootstrapRole = "Open"
	BootstrapSpare   BootstrapRole = "Spare"
	BootstrapRecover BootstrapRole = "Recover"
)

// Adoption makes a spare a session.
type Adoption struct {
	Open   *RunspaceInfo
	Attach *Attachment
	Start  *FirstCommand `json:",omitempty"`
}

// BootstrapReply is one line on the ready descriptor: after the bootstrap, and
// for a spare once more after its adoption.
type BootstrapReply struct {
	Info  *RunspaceInfo `json:",omitempty"`
	Error *Error        `json:",omitempty"`
}
