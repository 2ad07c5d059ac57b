package spool

import (
	"errors"
	"fmt"
	"os"
	"runtime"
	"syscall"

	"pss/remote/api"
	"pss/remote/planted"
)

// dropStep bounds how far Drop mode goes below the limit, so that not every record
// costs a look at the oldest ones.
const dropStep = 64 << 10

// SetMode changes the mode and the limit at once, also for a writer that waits.
// Mode None or "" leaves the mode, limit <= 0 leaves the limit.
func (s *Spool) SetMode(m api.OutputBufferingMode, limit int64) {
	s.mu.Lock()
	if m == api.BufferingBlock || m == api.BufferingDrop {
		s.mode = m
	}
	if limit > 0 {
		s.limit = limit
	}
	if !s.closed {
		// An error leaves the limit exceeded for now; the next record tries again.
		_ = s.enforceLocked()
	}
	s.freeRoomLocked()
	changed := s.changedLocked()
	s.mu.Unlock()
	s.notify(changed)
}

// Unblock lets Append go over the limit from now on, also one that waits: the
// command is being stopped, and its last words are worth more than the limit.
func (s *Spool) Unblock() {
	s.mu.Lock()
	s.unblocked = true
	s.freeRoomLocked()
	changed := s.changedLocked()
	s.mu.Unlock()
	s.notify(changed)
}

// mainUnreadLocked is what counts against the limit: unread output of the pipeline.
func (s *Spool) mainUnreadLocked() int64 {
	end := s.total
	if s.sealed {
		end = s.sealBytes
	}
	return max(0, end-max(s.ackedBytes, s.front.cum))
}

// lateUnreadLocked is unread output of background children.
func (s *Spool) lateUnreadLocked() int64 {
	if !s.sealed {
		return 0
	}
	return max(0, s.total-max(s.sealBytes, s.ackedBytes, s.front.cum, s.late.cum))
}

// fullLocked reports whether a record of the command has to wait.
func (s *Spool) fullLocked() bool {
	return s.mode == api.BufferingBlock && !s.unblocked && s.mainUnreadLocked() >= s.limit
}

func (s *Spool) blockedLocked() bool {
	return s.waiting > 0 && !s.sealed && !s.closed && s.fullLocked()
}

func (s *Spool) droppingLocked() bool {
	return s.dropped.seq > 0 && (s.mode == api.BufferingDrop && s.front.seq > s.acked ||
		s.late.seq > max(s.acked, s.sealSeq))
}

// nearLocked reports whether Block mode will soon let the command wait. It stays
// so until half of the room is free, so that a reader who keeps pace at the brink
// is not warned with every record.
func (s *Spool) nearLocked() bool {
	if s.mode != api.BufferingBlock || s.sealed {
		return false
	}
	unread := s.mainUnreadLocked()
	return unread >= s.limit/5*4 || s.shown.near && unread > s.limit/2
}

// shown is what OnChange told last.
type shown struct{ blocked, dropping, near bool }

// changedLocked reports whether what OnChange tells differs from the last time.
func (s *Spool) changedLocked() bool {
	now := shown{s.blockedLocked(), s.droppingLocked(), s.nearLocked()}
	changed := now != s.shown
	s.shown = now
	return changed
}

func (s *Spool) notify(changed bool) {
	if changed && s.o.OnChange != nil {
		s.o.OnChange()
	}
}

// freeRoomLocked lets waiting writers look again.
func (s *Spool) freeRoomLocked() {
	if s.room != nil {
		close(s.room)
		s.room = nil
	}
}

// wakeLocked lets waiting readers look again.
func (s *Spool) wakeLocked() {
	if s.wake != nil {
		close(s.wake)
		s.wake = nil
	}
}

// enforceLocked discards the oldest unread records that are too many. It keeps the
// newest record in any case.
func (s *Spool) enforceLocked() error {
	if s.sealed {
		if over := s.lateUnreadLocked(); over > lateLimit {
			from := max(s.sealSeq, s.late.seq, s.acked)
			return s.discardLocked(&s.late, from, s.total-lateLimit+dropStep)
		}
		return nil
	}
	if s.mode != api.BufferingDrop || s.mainUnreadLocked() <= s.limit {
		return nil
	}
	slack := min(dropStep, s.limit/8)
	return s.discardLocked(&s.front, max(s.front.seq, s.acked), s.total-s.limit+slack)
}

// discardLocked moves c forward over the records behind from until the stream bytes
// up to it reach target, and counts what it passed.
func (s *Spool) discardLocked(c *cut, from uint64, target int64) error {
	began := cut{from, s.bytesToLocked(from)}
	p := position{seq: began.seq, cum: began.cum}
	var walkErr error
	var gone uint64
	for i := s.segmentLocked(from); i < len(s.segs) && p.cum < target; i++ {
		g := s.segs[i]
		if g.end <= target && g.next <= s.last { // wholly: no need to read it
			gone += g.next - max(g.first, p.seq+1)
			p = position{seq: g.next - 1, cum: g.end}
			continue
		}
		before := max(p.seq, g.first-1)
		p, walkErr = s.walkToLocked(g, before, target)
		if walkErr != nil && g != s.active {
			p, walkErr = position{seq: g.next - 1, cum: g.end}, nil // unreadable: let go of it
		}
		gone += p.seq - before
		break
	}
	if p.seq > from {
		s.dropped.seq += gone
		if planted.On("drop-count-off") {
			s.dropped.seq++
		}
		s.dropped.cum += p.cum - began.cum
		*c = cut{p.seq, p.cum}
	}
	return errors.Join(walkErr, s.settleLocked())
}

// walkToLocked goes from seq to the first position in g whose bytes reach target.
func (s *Spool) walkToLocked(g *segment, seq uint64, target int64) (position, error) {
	p, err := s.seekLocked(g, seq)
	if err != nil {
		return position{seq: seq, cum: p.cum}, err
	}
	// Jump over what the index can tell without reading.
	for i := range g.index {
		m := g.index[len(g.index)-1-i]
		at := position{g.first + uint64(m.seq) - 1, g.start + int64(m.off), g.cum + int64(m.cum)}
		if at.seq <= p.seq {
			break
		}
		if at.cum <= target {
			p = at
			break
		}
	}
	if err := s.acquireLocked(g.file); err != nil {
		return p, err
	}
	defer s.releaseLocked(g.file)
	return walk(g.file.f, s.o.Pipeline, g.size, p, func(p position) bool {
		return p.cum >= target || p.seq+1 >= s.last
	})
}

// settleLocked persists the positions and then frees the segments that nobody may
// need any more. In the other order a crash would turn discarded records into damage.
func (s *Spool) settleLocked() error {
	n := s.freeableLocked()
	if n > 0 {
		if g := s.segs[n-1]; g.next-1 > s.front.seq {
			s.front = cut{g.next - 1, g.end}
		}
	}
	if err := s.saveLocked(); err != nil {
		return err
	}
	planted.Point("spool-free")
	for _, g := range s.segs[:n] {
		s.freeLocked(g)
	}
	kept := s.segs[n:]
	if s.sealed && s.late.seq > s.sealSeq {
		rest := kept[:0:0]
		for _, g := range kept {
			if g != s.active && g.first > s.sealSeq && g.next-1 <= s.late.seq {
				s.freeLocked(g)
			} else {
				rest = append(rest, g)
			}
		}
		kept = rest
	}
	if n > 0 {
		kept = append([]*segment(nil), kept...) // lets go of the freed ones
	}
	s.segs = kept
	return nil
}

// freeableLocked counts the leading segments that are discarded, or acknowledged
// and above Retain.
func (s *Spool) freeableLocked() int {
	var acked int64
	for _, g := range s.segs {
		if g == s.active || g.next-1 > s.acked {
			break
		}
		if g.next-1 > s.front.seq {
			acked += g.size - g.start
		}
	}
	n := 0
	for _, g := range s.segs {
		switch {
		case g == s.active:
			return n
		case g.next-1 <= s.front.seq:
		case g.next-1 <= s.acked && acked-(g.size-g.start) >= max(0, s.o.Retain):
			acked -= g.size - g.start
		default:
			return n
		}
		n++
	}
	return n
}

// freeLocked gives up g's file: as a spare if it can be reused at once.
func (s *Spool) freeLocked(g *segment) {
	g.gone = true
	sf := g.file
	sf.parts--
	if sf.parts > 0 {
		return
	}
	if s.warm == sf {
		s.warm = nil
	}
	s.dirDirty = true
	// What a socket still holds of discarded records must not change under it.
	inFlight := sf.lent && g.next-1 > s.acked
	if sf.refs == 0 && !inFlight && !s.sealed && !s.closed && len(s.spares) < maxSpares {
		s.spareNum++
		if err := s.moveLocked(sf, fmt.Sprintf("%d%s", s.spareNum, spareSuffix)); err == nil {
			s.spares = append(s.spares, sf)
			return
		}
	}
	// A reader that has the file open goes on reading it until it is done.
	sf.gone = true
	sf.closeLocked()
	_ = os.Remove(sf.path) // if it stays, the cut covers it at the next Open
}

// diskFull gives err the code api.CodeDiskFull if it says that there is no room.
func diskFull(err error) error {
	const windowsDiskFull, windowsHandleDiskFull = syscall.Errno(112), syscall.Errno(39)
	if errors.Is(err, syscall.ENOSPC) || errors.Is(err, syscall.EDQUOT) || errors.Is(err, syscall.EFBIG) ||
		runtime.GOOS == "windows" && (errors.Is(err, windowsDiskFull) || errors.Is(err, windowsHandleDiskFull)) {
		return fmt.Errorf("%w: %w", api.Errorf(api.CodeDiskFull, "no room for output on the disk"), err)
	}
	return err
}
