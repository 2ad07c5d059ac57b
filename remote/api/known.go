package api

// Known is what an agent has in memory for one client session, without asking any
// computer: completion reads it at every key.
type Known struct {
	Sessions  []KnownSession
	Computers []string // that the user has used: names, and URIs of hosts
}

// KnownSession names a session that the client session has seen. Whether it still
// lives only its computer knows.
type KnownSession struct {
	ID           int
	Name         string
	InstanceID   string
	ComputerName string
	Mine         bool // made or connected in this client session
}
