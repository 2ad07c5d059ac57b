package platform

// As is the user whom a process is started as.
type As struct {
	UID, GID uint32
	Groups   []uint32
	Limits   []UserLimit
	Tasks    int `json:"-"` // that the user may have in all that is started so; 0: as many as there are
}

// UserLimit is a resource limit (setrlimit(2)).
type UserLimit struct {
	Resource   int
	Soft, Hard uint64
}
