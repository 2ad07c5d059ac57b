package api

// TestReply is what came of trying each way to a computer: first that by which the
// computer is reached when a session is asked for.
type TestReply struct {
	Version string
	Ways    []Way
}

// Way is one way to a computer, and what came of trying it: a Host or an Error.
type Way struct {
	Transport   string       // TransportHTTPS or TransportSSH
	Address     string       `json:",omitempty"` // HOST:PORT, what ssh is told, or the path of a socket
	Host        *VersionInfo `json:",omitempty"` // what answered
	LatencyMs   int64        // of a request, once connected
	ClockSkewMs *int64       `json:",omitempty"` // by how much the clock there is ahead; nil: it does not tell
	Error       *Error       `json:",omitempty"`
}
