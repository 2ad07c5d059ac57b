package spool

import (
	"os"
)

// Extent is a run of whole frames as they lie in a file, for a sender that can
// give a file to its system. Its file is kept from being reused until Done.
type Extent struct {
	File   *os.File
	Offset int64
	Length int64

	r  *Reader
	g  *segment
	to position
}

// maxExtent keeps one extent from holding up what else a connection has to say.
const maxExtent = 4 << 20

// Extent returns the frames behind r that lie together in one file, if they have
// at least least bytes now. r moves when Done is told that they were sent. Unlike
// those of Next, their headers are not looked at here: the receiver's checksum is
// what finds a disk that changed. Only the consumer that acknowledges may use it: a
// file is reused once its records are acknowledged, and what a socket held of it for
// anybody else would change.
func (r *Reader) Extent(least int64) (*Extent, bool) {
	s := r.s
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.closed {
		return nil, false
	}
	if to, _ := s.missingLocked(r); to.seq != r.pos.seq {
		return nil, false // Next tells of the gap
	}
	g, err := r.placeLocked()
	if err != nil || g == nil || g.size-r.pos.off < least {
		return nil, false
	}
	if err := s.acquireLocked(g.file); err != nil {
		return nil, false
	}
	to := position{g.next - 1, g.size, g.end}
	for i := len(g.index) - 1; i >= 0 && to.off-r.pos.off > maxExtent; i-- {
		if m := g.index[i]; g.start+int64(m.off) > r.pos.off {
			to = position{g.first + uint64(m.seq) - 1, g.start + int64(m.off), g.cum + int64(m.cum)}
		}
	}
	of, ok := g.file.f.(osFile)
	if !ok {
		s.releaseLocked(g.file)
		return nil, false
	}
	return &Extent{File: of.File, Offset: r.pos.off, Length: to.off - r.pos.off, r: r, g: g, to: to}, true
}

// Done gives the file free, and moves the reader behind the extent if it was sent.
func (e *Extent) Done(sent bool) {
	s := e.r.s
	s.mu.Lock()
	defer s.mu.Unlock()
	s.releaseLocked(e.g.file)
	if sent {
		e.r.pos = e.to
		e.g.file.lent = true
	}
}
