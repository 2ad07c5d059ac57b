package platform

// Logout is what the end of the login that a process belongs to does to it and to the
// roles that it starts. The zero value says that they go on.
type Logout struct {
	Ends     bool   // it ends them, and nothing that we may do prevents it
	Cause    string // why
	Remedy   string // what prevents it
	Lingerer string // the user for whom we have enabled lingering, so that they go on
}
