package sessionhost

import (
	"os"
	"path/filepath"
	"time"

	"encoding/json"

	"pss/remote/api"
	"pss/remote/platform"
)

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

// signLocked says which process the facts are of.
func (s *Session) signLocked() {
	life := platform.PresentLife()
	s.info.Version, s.info.Pid, s.info.BootID, s.info.InitStart = api.Version, os.Getpid(), life.BootID, life.Init
}

// saveLocked writes the facts. Whoever cannot write them must not claim them,
// so a failure reaches the caller; the next save tries again.
func (s *Session) saveLocked() error {
	info := s.snapshotLocked()
	info.Changed = time.Now()
	s.dirty = true
	if s.factsFile == nil {
		w, err := api.OpenFacts(filepath.Join(s.dir, api.FactsFile))
		if err != nil {
			return diskError(err)
		}
		s.factsFile = w
	}
	if err := s.factsFile.Write(&info); err != nil {
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

// introduce writes the facts once more as plain JSON, for people and tools: who
// this process is does not change.
func (s *Session) introduce() error {
	info := s.snapshotLocked()
	data, err := json.MarshalIndent(&info, "", "  ")
	if err != nil {
		return err
	}
	path := filepath.Join(s.dir, "facts.json")
	if err := os.WriteFile(path+".new", append(data, '\n'), 0o600); err != nil {
		return diskError(err)
	}
	return diskError(os.Rename(path+".new", path))
}
