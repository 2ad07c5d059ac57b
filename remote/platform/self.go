package platform

import "os"

// OpenSelf opens the binary that runs now, also where its file was replaced since on
// Linux.
func OpenSelf() (*os.File, error) {
	path, err := selfPath()
	if err != nil {
		return nil, err
	}
	return os.Open(path)
}

// SelfFor is a path by which another process can start this very binary while we run.
func SelfFor() (string, error) { return selfForOthers() }
