package jobstore

import (
	"bytes"
	"errors"
	"fmt"
	"io/fs"
	"maps"
	"os"
	"path/filepath"
	"sort"
	"strconv"
	"strings"
	"sync"

	"pss/config"
	"pss/remote/api"
	"pss/remote/planted"
	"pss/remote/platform"
)

// ErrClosed says that the store was closed.
var ErrClosed = errors.New("job store is closed")

const (
	defaultSegment = 8 << 20
	segmentSuffix  = ".seg"
	takenName      = "taken"
)

// Store is what one child job keeps. All methods may be called concurrently.
type Store struct {
	dir         string
	segmentSize int64

	mu     sync.Mutex // guards what follows
	segs   []segment  // by position; between two of them nothing is missing
	f      *os.File   // the last of segs, or nil before the first record
	size   int64      // its whole frames
	dirty  bool
	last   uint64 // the newest record; 0 before the first
	taken  uint64 // up to here the reader has everything
	data   uint64 // the newest record that is not merely the end of a pipeline
	after  map[uint32]uint64
	end    []byte
	wake   chan struct{} // closed at the next change
	closed bool
}

// segment is a file of records.
type segment struct {
	path  string
	first uint64
}

// Open opens the store at dir, and makes it (0700) if there is none. A torn end, of a
// process that was killed or a power cut, is cut off.
func Open(dir string) (*Store, error) {
	if err := os.MkdirAll(dir, 0o700); err != nil {
		return nil, fmt.Errorf("open job store: %w", diskFull(err))
	}
	s := &Store{dir: dir, segmentSize: defaultSegment, after: map[uint32]uint64{}}
	if err := s.load(); err != nil {
		return nil, fmt.Errorf("open job store: %w", diskFull(err))
	}
	return s, nil
}

func (s *Store) load() error {
	var taken struct{ Taken uint64 }
	if err := config.ReadJSON(filepath.Join(s.dir, takenName), &taken); err != nil && !errors.Is(err, fs.ErrNotExist) {
		return err
	}
	s.taken = taken.Taken
	entries, err := os.ReadDir(s.dir)
	if err != nil {
		return err
	}
	for _, e := range entries {
		name, ok := strings.CutSuffix(e.Name(), segmentSuffix)
		first, err := strconv.ParseUint(name, 16, 64)
		if ok && err == nil && first > 0 {
			s.segs = append(s.segs, segment{filepath.Join(s.dir, e.Name()), first})
		}
	}
	sort.Slice(s.segs, func(i, j int) bool { return s.segs[i].first < s.segs[j].first })
	for len(s.segs) > 0 {
		ok, err := s.loadLast()
		if ok || err != nil {
			return err
		}
	}
	s.last = s.taken
	return nil
}

// loadLast opens the last segment. One that has no whole header holds nothing: it is
// deleted, and the one before it is the last.
func (s *Store) loadLast() (ok bool, err error) {
	g := s.segs[len(s.segs)-1]
	f, err := os.OpenFile(g.path, os.O_RDWR, 0)
	if err != nil {
		return false, err
	}
	h, w, err := openWalk(f, unlimited)
	if err != nil {
		f.Close()
		s.segs = s.segs[:len(s.segs)-1]
		return false, os.Remove(g.path)
	}
	s.after, s.data = h.After, h.Data
	s.last = g.first - 1
	for {
		rec, err := w.next()
		if err != nil {
			break // torn here, whatever is behind
		}
		s.last++
		s.noteLocked(&rec)
	}
	s.f, s.size = f, w.offset
	s.last = max(s.last, s.taken)
	if s.last >= g.first+w.count { // what was taken is torn: positions go on behind it
		s.f = nil
		return true, f.Close()
	}
	return true, f.Truncate(w.offset)
}

// After tells how far the store has each pipeline, by number.
func (s *Store) After() map[uint32]uint64 {
	s.mu.Lock()
	defer s.mu.Unlock()
	return maps.Clone(s.after)
}

// Positions are what was stored and what was taken of it.
type Positions struct {
	Last  uint64 // the newest record; 0 before the first
	Taken uint64 // up to here the reader has everything
	Data  uint64 // the newest record that is not merely the end of a pipeline
}

// Positions returns where the store stands.
func (s *Store) Positions() Positions {
	s.mu.Lock()
	defer s.mu.Unlock()
	return Positions{s.last, s.taken, s.data}
}

// Changed returns a channel that is closed when a record is added or the store closed.
func (s *Store) Changed() <-chan struct{} {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.wake == nil {
		s.wake = make(chan struct{})
		if s.closed {
			close(s.wake)
		}
	}
	return s.wake
}

func (s *Store) wakeLocked() {
	if s.wake != nil {
		close(s.wake)
		s.wake = nil
	}
}

// Append writes the record behind the others. It survives this process at once, a loss
// of power after Sync.
func (s *Store) Append(rec *api.Record) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.closed {
		return ErrClosed
	}
	frame := api.AppendFrame(nil, rec)
	if s.f == nil || s.size+int64(len(frame)) > s.segmentSize {
		if err := s.startLocked(); err != nil {
			return fmt.Errorf("append to job store: %w", diskFull(err))
		}
	}
	if _, err := s.f.WriteAt(frame, s.size); err != nil {
		_ = s.f.Truncate(s.size) // what is torn is not read: this only gives room back
		return fmt.Errorf("append to job store: %w", diskFull(err))
	}
	planted.Point("job-append")
	s.size += int64(len(frame))
	s.last++
	s.dirty = true
	s.noteLocked(rec)
	s.wakeLocked()
	return nil
}

// noteLocked keeps what has to be known of the records without reading them again. One
// without a Seq is made for a reader, and counts for nothing.
func (s *Store) noteLocked(rec *api.Record) {
	s.after[rec.Pipeline] = max(s.after[rec.Pipeline], rec.Seq)
	if rec.Kind == api.KindEnd {
		s.end = bytes.Clone(rec.Data)
	} else {
		s.data = s.last
	}
}

// End returns the data of the KindEnd record that was stored last, or nil. It may have
// been forgotten if much was stored behind it.
func (s *Store) End() []byte {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.end
}

// startLocked starts a segment for the next record.
func (s *Store) startLocked() error {
	g := segment{filepath.Join(s.dir, fmt.Sprintf("%016x%s", s.last+1, segmentSuffix)), s.last + 1}
	head, err := segmentHeader{s.after, s.data}.encode()
	if err != nil {
		return err
	}
	if err := config.WriteFile(g.path, head); err != nil {
		return err
	}
	f, err := os.OpenFile(g.path, os.O_RDWR, 0)
	if err != nil {
		return err
	}
	if s.f != nil {
		err = s.syncLocked()
		s.f.Close()
	}
	s.f, s.size, s.dirty = f, int64(len(head)), true
	s.segs = append(s.segs, g)
	if err == nil {
		err = platform.SyncDir(s.dir)
	}
	return err
}

// Sync makes everything appended before it survive a loss of power.
func (s *Store) Sync() error {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.closed {
		return ErrClosed
	}
	return s.syncLocked()
}

func (s *Store) syncLocked() error {
	if !s.dirty || s.f == nil {
		return nil
	}
	if err := s.f.Sync(); err != nil {
		return fmt.Errorf("sync job store: %w", diskFull(err))
	}
	s.dirty = false
	return nil
}

// Take forgets all records up to position seq: their reader has them. It never goes back.
func (s *Store) Take(seq uint64) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	switch {
	case s.closed:
		return ErrClosed
	case seq > s.last:
		return api.Errorf(api.CodeInvalidArgument, "record %d of a job cannot be taken: the last one is %d", seq, s.last)
	case seq <= s.taken:
		return nil
	}
	if err := config.WriteJSON(filepath.Join(s.dir, takenName), map[string]uint64{"Taken": seq}); err != nil {
		return fmt.Errorf("take from job store: %w", diskFull(err))
	}
	s.taken = seq
	for len(s.segs) > 1 && s.segs[1].first <= seq+1 {
		if err := os.Remove(s.segs[0].path); err != nil && !errors.Is(err, fs.ErrNotExist) {
			return fmt.Errorf("take from job store: %w", err)
		}
		s.segs = s.segs[1:]
	}
	return nil
}

// Close ends the use of the store and keeps its files.
func (s *Store) Close() {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.closed {
		return
	}
	s.closed = true
	_ = s.syncLocked() // what this does not save, the next process finds all the same
	if s.f != nil {
		s.f.Close()
	}
	s.wakeLocked()
}
