package platform

import (
	"bytes"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"time"

	"pss/remote/planted"
)

// Marker is the variable that every process of a session inherits, with the folder
// of the session's engine as its value: whatever parent and whatever session of the
// kernel's a process has later, this tells whose it is. The folder's name is random
// and its whole path is compared, so a copy of a PSS_HOME claims nobody's processes.
const Marker = "PSS_RUNSPACE"

// Marked reports whether an environment, as /proc shows it, holds Marker=value.
func Marked(environ []byte, value string) bool {
	return bytes.Contains(append([]byte{0}, environ...), []byte("\x00"+Marker+"="+value+"\x00"))
}

const (
	// orphanPatience is how long an orphan may take to end by itself.
	orphanPatience = time.Second
	// orphanLimit bounds the whole; what is left then cannot be ended.
	orphanLimit = 5 * time.Second
)

// EndOrphans ends the processes that the engine with this folder left behind, whose
// own process must be gone, and deletes the folder: while it is there, this has still
// to be done. It returns how many there were.
func EndOrphans(engineDir string) (ended int, err error) {
	if _, err := os.Lstat(engineDir); err != nil {
		if errors.Is(err, fs.ErrNotExist) {
			err = nil
		}
		return 0, err
	}
	if planted.On("orphans-left") {
		return 0, os.RemoveAll(engineDir)
	}
	ended, left := endMarked(engineDir, orphanPatience, orphanLimit)
	if len(left) > 0 {
		return ended, fmt.Errorf("%d processes cannot be ended, the first is %d", len(left), left[0].pid)
	}
	return ended, os.RemoveAll(engineDir)
}

// processID is a process as it is known again: a pid alone may be used anew.
type processID struct {
	pid   int
	start uint64
}
