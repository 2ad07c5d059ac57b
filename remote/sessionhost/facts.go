package sessionhost

import (
	"os"
	"path/filepath"
	"time"

	"encoding/json"

	"pss/remote/api"
)

// FactsFile is the name of the facts in a session's folder.
const FactsFile = "facts.json"

// snapshot returns a copy of the facts with the pipelines' live numbers.
func (s *Session) snapshot() api.RunspaceInfo {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.snapshotLocked()
}

func (s *Session) snapshotLocked() api.RunspaceInfo {
	info := s.info
	info.Pipelines = make([]api.Pipeline, 0, len(s.pipelines))
	for _, p := range s.pipelines {
		info.Pipelines = append(info.Pipelines, p.factsLocked())
	}
	return info
}

// saveLocked writes the facts. Whoever cannot write them must not claim them,
// so a failure reaches the caller; the next save tries again.
func (s *Session) saveLocked() error {
	info := s.snapshotLocked()
	info.Changed = time.Now()
	data, err := json.Marshal(&info)
	if err != nil {
		return err
	}
	s.dirty = true
	// One fixed name for the new file: there is one writer, under the mutex.
	path := filepath.Join(s.dir, FactsFile)
	if err := os.WriteFile(path+".new", data, 0o600); err != nil {
		return diskError(err)
	}
	if err := os.Rename(path+".new", path); err != nil {
		return diskError(err)
	}
	s.dirty = false
	return nil
}

// noteLocked saves facts that changed by themselves: there is nobody to tell of
// a failure but the log, and watch tries again.
func (s *Session) noteLocked() {
	if err := s.saveLocked(); err != nil {
		s.log.Warn("facts not saved", "error", err)
	}
}
