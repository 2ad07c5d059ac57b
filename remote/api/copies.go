package api

// CopyStatus says what became of a copy of pss.
type CopyStatus string

// What a purge makes of a copy.
const (
	CopyDeleted CopyStatus = "Deleted"
	CopyInUse   CopyStatus = "InUse" // a session runs it
	CopyFailed  CopyStatus = "Failed"
)

// BinaryCopy is a file that --copy-binary left on a computer.
type BinaryCopy struct {
	Path   string
	Size   int64 // bytes
	Status CopyStatus
	Reason string `json:",omitempty"` // of CopyFailed
}

// CopyList answers a purge.
type CopyList struct {
	Version string
	Copies  []BinaryCopy
}
