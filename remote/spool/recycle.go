package spool

import (
	"fmt"
	"os"
	"path/filepath"

	"pss/remote/planted"
)

// recycleMost is the size of a segment file that is still worth reusing: a new
// file is cheaper than a large one's blocks are worth.
const recycleMost = 1 << 20

// CreateFrom is Create with the folder of another pipeline of the same session,
// old, whose spool is closed and will not be asked for again: its files are
// reused, because making a file costs more than a short command does. What they
// held is never read again: every frame carries its pipeline's number.
func CreateFrom(dir, old string, o Options) (*Spool, error) {
	s, err := newSpool(dir, o)
	if err != nil {
		return nil, err
	}
	if err := os.Rename(old, dir); err != nil {
		return nil, fmt.Errorf("recycle spool: %w", err)
	}
	planted.Point("spool-recycle")
	if err := s.reuse(); err != nil {
		return nil, fmt.Errorf("recycle spool: %w", diskFull(err))
	}
	return s, nil
}

// reuse forgets what the folder's files say and keeps the first segment's as a
// spare; anything else is deleted.
func (s *Spool) reuse() error {
	entries, err := os.ReadDir(s.dir)
	if err != nil {
		return err
	}
	for _, e := range entries {
		path := filepath.Join(s.dir, e.Name())
		info, err := e.Info()
		switch {
		case err != nil:
			return err
		case e.Name() == stateName:
			if err := s.state.load(s.o.SessionID); err != nil {
				return err
			}
		case e.Name() == segmentName(1) && info.Size() <= recycleMost:
			s.spares = append(s.spares, &segmentFile{path: path})
		default:
			if err := os.Remove(path); err != nil {
				return err
			}
		}
	}
	// A crash before the first record must not find the old pipeline's header
	// or positions.
	if len(s.spares) > 0 {
		if err := s.newHeader(s.spares[0]); err != nil {
			return err
		}
	}
	if !s.state.written {
		return nil
	}
	return s.saveLocked()
}

func (s *Spool) newHeader(sf *segmentFile) error {
	f, err := s.open(sf.path, os.O_RDWR)
	if err != nil {
		return err
	}
	h := segmentHeader{session: s.o.SessionID, pipeline: s.o.Pipeline, first: 1}
	_, err = f.WriteAt(h.encode(), 0)
	sf.f = f
	return err
}
