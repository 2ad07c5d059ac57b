package spool

import (
	"fmt"
	"math"
	"os"
	"path/filepath"
	"time"

	"pss/remote/api"
	"pss/remote/planted"
)

// A writer's class says which rules its records follow.
type class int

const (
	ofCommand class = iota // waits at the limit
	ofControl              // never waits
	ofLate                 // never waits, allowed after the seal
)

// Append writes data as records of kind, several if it exceeds api.MaxFrameData or
// a sixteenth of the limit, and returns the Seq of the last. In Block mode it waits, before each record, while
// the unread bytes reach the limit; in Drop mode it discards the oldest unread
// records instead. It fails with ErrClosed, ErrSealed, or an error of code
// api.CodeDiskFull; then last is the last record that was written, and a later call
// works again when there is room.
func (s *Spool) Append(kind api.Kind, data []byte) (last uint64, err error) {
	return s.append(kind, data, ofCommand)
}

// AppendControl is Append without waiting, for records that are no output of the
// command (its end, warnings of ours).
func (s *Spool) AppendControl(kind api.Kind, data []byte) (uint64, error) {
	return s.append(kind, data, ofControl)
}

// AppendLate writes output that comes after the pipeline's end, from children in the
// background. It never waits: of unread late output the newest 1 MiB is kept.
func (s *Spool) AppendLate(kind api.Kind, data []byte) error {
	_, err := s.append(kind, data, ofLate)
	return err
}

func (s *Spool) append(kind api.Kind, data []byte, c class) (last uint64, err error) {
	piece := s.piece(len(data))
	for {
		planted.Point("spool-append")
		chunk := data[:min(len(data), piece)]
		data = data[len(chunk):]
		seq, changed, err := s.appendRecord(kind, chunk, c)
		s.notify(changed)
		if err != nil {
			return last, fmt.Errorf("append to spool: %w", diskFull(err))
		}
		last = seq
		if len(data) == 0 {
			return last, nil
		}
	}
}

// piece is how large a record may be: a small limit is not to be passed by far with
// a single one, and what Drop mode discards is whole records.
func (s *Spool) piece(n int) int {
	const least = 4 << 10
	if n <= least {
		return api.MaxFrameData
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	return int(max(least, min(s.limit/16, api.MaxFrameData)))
}

// admit returns with wr held once a record of class c may be written.
func (s *Spool) admit(c class) error {
	for {
		s.wr.Lock()
		s.mu.Lock()
		var err error
		switch {
		case s.closed:
			err = ErrClosed
		case s.sealed && c != ofLate:
			err = ErrSealed
		case c != ofCommand || !s.fullLocked():
			s.mu.Unlock()
			return nil
		}
		if err != nil {
			s.mu.Unlock()
			s.wr.Unlock()
			return err
		}
		if s.room == nil {
			s.room = make(chan struct{})
		}
		room := s.room
		s.waiting++
		changed := s.changedLocked()
		s.mu.Unlock()
		s.wr.Unlock()
		s.notify(changed)
		<-room
		s.mu.Lock()
		s.waiting--
		s.mu.Unlock()
	}
}

// appendRecord writes one record. changed asks for a call of notify.
func (s *Spool) appendRecord(kind api.Kind, data []byte, c class) (seq uint64, changed bool, err error) {
	if err := s.admit(c); err != nil {
		return 0, false, err
	}
	defer s.wr.Unlock()
	s.mu.Lock()
	g, err := s.roomForLocked(int64(api.FrameHeaderSize + len(data)))
	if err == nil {
		err = s.acquireLocked(g.file)
	}
	if err != nil {
		s.mu.Unlock()
		return 0, false, err
	}
	seq = s.last + 1
	off := g.size
	f := g.file.f
	s.mu.Unlock()

	rec := api.Record{Pipeline: s.o.Pipeline, Seq: seq, Kind: kind, Time: time.Now(), Data: data}
	api.PutFrameHeader(s.buf[:], &rec)
	if n := len(data); n <= copyBelow {
		copy(s.buf[api.FrameHeaderSize:], data)
		err = f.WriteRecord(s.buf[:api.FrameHeaderSize+n], nil, off)
	} else {
		err = f.WriteRecord(s.buf[:api.FrameHeaderSize], data, off)
	}
	if err != nil {
		// Readers stop at g.size and never saw it; the cut is for recovery, and
		// gives back what little room the torn record took.
		_ = f.Truncate(off)
	}
	planted.Point("spool-appended")

	s.mu.Lock()
	defer s.mu.Unlock()
	s.releaseLocked(g.file)
	if err != nil {
		return 0, false, err
	}
	g.file.dirty = true
	g.note(kind, len(data))
	s.last, s.total = seq, s.total+streamBytes(kind, len(data))
	// The record is written. A failure to discard older ones is tried again with
	// the next record; it is no failure of this one.
	_ = s.enforceLocked()
	s.wakeLocked()
	return seq, s.changedLocked(), nil
}

// roomForLocked returns the active segment, a new one if n more bytes do not fit.
// Marks hold 32-bit distances, so a segment also ends before they overflow.
func (s *Spool) roomForLocked(n int64) (*segment, error) {
	size := s.o.SegmentSize
	if s.sealed {
		size = min(size, lateLimit/4) // a ring frees whole segments
	}
	if g := s.active; g != nil && (g.size+n <= size || g.size == g.start) && g.size+n < math.MaxUint32 {
		return g, nil
	}
	// A discarded range that was never written down would be damage after a crash,
	// and a full disk must not keep an acknowledgement from freeing room: the file
	// of positions is there before the first record is.
	if !s.state.written {
		if err := s.saveLocked(); err != nil {
			return nil, err
		}
	}
	sf, err := s.newFileLocked()
	if err != nil {
		return nil, err
	}
	g := &segment{
		file: sf, first: s.last + 1, next: s.last + 1,
		start: segmentHeaderSize, size: segmentHeaderSize, cum: s.total, end: s.total,
	}
	old := s.active
	s.active = g
	s.segs = append(s.segs, g)
	s.dirDirty = true
	if old != nil {
		// Its turn is over: it may be closed, or freed if everything in it is read.
		old.file.refs++
		s.releaseLocked(old.file)
		_ = s.settleLocked()
	}
	return g, nil
}

// newFileLocked returns a file that has the header of the next segment and its name.
func (s *Spool) newFileLocked() (*segmentFile, error) {
	var sf *segmentFile
	if k := len(s.spares); k > 0 {
		sf = s.spares[k-1]
		s.spares = s.spares[:k-1]
	} else {
		sf = &segmentFile{path: filepath.Join(s.dir, "new"+spareSuffix)}
		f, err := s.open(sf.path, os.O_RDWR|os.O_CREATE|os.O_TRUNC)
		if err != nil {
			return nil, err
		}
		sf.f = f
	}
	sf.parts, sf.dirty = 1, true
	err := s.acquireLocked(sf)
	if err != nil {
		return nil, err
	}
	h := segmentHeader{session: s.o.SessionID, pipeline: s.o.Pipeline, first: s.last + 1, cum: s.total}
	_, err = sf.f.WriteAt(h.encode(), 0)
	sf.refs--
	planted.Point("spool-segment")
	if err == nil {
		err = s.moveLocked(sf, segmentName(s.last+1))
	}
	if err != nil {
		sf.closeLocked()
		_ = os.Remove(sf.path) // the next Open deletes it as well
		return nil, err
	}
	return sf, nil
}
