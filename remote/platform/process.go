package platform

// Peer is who stands at the other end of a unix socket.
type Peer struct {
	UID int
	PID int // when it connected; 0 where the system does not say
}

// ProcStat is what is asked of a process.
type ProcStat struct {
	State   byte // 'Z' is dead
	PPID    int
	Session int    // pid of its session leader
	TTY     int    // 0: no controlling terminal
	Start   uint64 // clock ticks after boot, or a time: tells a pid from its next user
}
