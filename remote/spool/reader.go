package spool

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"time"

	"pss/remote/api"
)

// Reader is a position in a spool. Reading acknowledges nothing and holds nothing
// up: a reader that stays behind finds a gap. It must not be used concurrently,
// costs no descriptor, and needs no closing.
type Reader struct {
	s   *Spool
	pos position
	seg *segment // that pos.off belongs to; nil if it has to be found
	own []byte
}

// NewReader returns a Reader behind record after; 0 is the beginning. If records
// behind after are discarded by then, it first yields one KindGap record with their
// count, whose Seq is that of the last missing one. The gap's Bytes are exact,
// unless after itself is among the discarded and was not the acknowledged position;
// then they are an estimate. An after behind Last means Last.
func (s *Spool) NewReader(after uint64) *Reader {
	s.mu.Lock()
	defer s.mu.Unlock()
	after = min(after, s.last)
	r := &Reader{s: s, pos: position{seq: after}}
	switch {
	case after == s.acked:
		r.pos.cum = s.ackedBytes
	case after > 0:
		r.pos.cum = s.bytesToLocked(after)
	}
	return r
}

// Seq returns the Seq up to which r has read, gaps included.
func (r *Reader) Seq() uint64 { return r.pos.seq }

// Next returns whole frames, as many as buf holds, and waits until there is one.
// They lie in buf, or, if it is too small for the first of them, in memory of r's
// own that the following call overwrites. It returns io.EOF when the spool is sealed
// and everything was read (and more if it is asked again after AppendLate),
// ErrClosed, the error of ctx, or api.ErrCorruptFrame if the disk changed under it.
func (r *Reader) Next(ctx context.Context, buf []byte) ([]byte, error) {
	for {
		frames, ok, wake, err := r.try(buf, true)
		if ok || err != nil {
			return frames, err
		}
		select {
		case <-wake:
		case <-ctx.Done():
			return nil, ctx.Err()
		}
	}
}

// TryNext is Next without waiting: ok is false if there is nothing new.
func (r *Reader) TryNext(buf []byte) (frames []byte, ok bool, err error) {
	frames, ok, _, err = r.try(buf, false)
	return frames, ok, err
}

// try reads once. With wait it also returns what will tell that there is more.
func (r *Reader) try(buf []byte, wait bool) (frames []byte, ok bool, wake <-chan struct{}, err error) {
	s := r.s
	s.mu.Lock()
	if s.closed {
		s.mu.Unlock()
		return nil, false, nil, ErrClosed
	}
	if gap, missing := r.skipLocked(); missing {
		s.mu.Unlock()
		frames, err = r.gapFrame(buf, gap)
		return frames, err == nil, nil, err
	}
	g, err := r.placeLocked()
	if err == nil && g == nil {
		defer s.mu.Unlock()
		if s.sealed {
			return nil, false, nil, io.EOF
		}
		if wait && s.wake == nil {
			s.wake = make(chan struct{})
		}
		return nil, false, s.wake, nil
	}
	if err == nil {
		err = s.acquireLocked(g.file)
	}
	if err != nil {
		s.mu.Unlock()
		return nil, false, nil, fmt.Errorf("read spool: %w", err)
	}
	f, end, pos := g.file.f, g.size, r.pos
	s.mu.Unlock()

	frames, pos, err = r.read(f, pos, end, buf)

	s.mu.Lock()
	s.releaseLocked(g.file)
	s.mu.Unlock()
	if err != nil {
		return nil, false, nil, fmt.Errorf("read spool: %w", err)
	}
	r.pos = pos
	return frames, true, nil, nil
}

// skipLocked moves r over records that are missing and returns their sum.
func (r *Reader) skipLocked() (gap api.Gap, missing bool) {
	for {
		to, reason := r.s.missingLocked(r)
		if to.seq == r.pos.seq {
			return gap, missing
		}
		gap.Records += to.seq - r.pos.seq
		gap.Bytes += max(0, to.cum-r.pos.cum)
		if gap.Reason != reasonDamaged {
			gap.Reason = reason
		}
		r.pos = position{seq: to.seq, cum: to.cum}
		r.seg = nil
		missing = true
	}
}

// The reasons of an api.Gap.
const (
	reasonDropped = "Dropped"
	reasonDamaged = "Damaged"
)

// missingLocked returns the end of the missing records right behind r, which is r's
// own position if there are none.
func (s *Spool) missingLocked(r *Reader) (cut, string) {
	seq := r.pos.seq
	switch {
	case seq < s.front.seq:
		return s.front, reasonDropped
	case s.sealed && seq >= s.sealSeq && seq < s.late.seq:
		return s.late, reasonDropped
	case r.seg != nil && !r.seg.gone && seq+1 < r.seg.next:
		return cut{seq: seq}, ""
	}
	i := s.segmentLocked(seq)
	switch {
	case i == len(s.segs) && seq < s.last: // acknowledged, then lost with the power
		return cut{s.last, s.total}, reasonDamaged
	case i < len(s.segs) && s.segs[i].first > seq+1:
		return cut{s.segs[i].first - 1, s.segs[i].cum}, reasonDamaged
	}
	return cut{seq: seq}, ""
}

// placeLocked returns the segment of the next record and sets r.pos.off, or nil if
// there is no next record.
func (r *Reader) placeLocked() (*segment, error) {
	s := r.s
	if r.seg != nil && !r.seg.gone && r.pos.seq+1 < r.seg.next {
		return r.seg, nil
	}
	i := s.segmentLocked(r.pos.seq)
	if i == len(s.segs) {
		return nil, nil
	}
	g := s.segs[i]
	p, err := s.seekLocked(g, r.pos.seq)
	if err != nil {
		return nil, err
	}
	r.pos, r.seg = p, g
	return g, nil
}

// read fills buf with whole frames from f[pos.off:end] and returns the position
// behind them. The bytes there never change: the writer only adds behind end, and
// the file is not recycled while it is acquired.
func (r *Reader) read(f file, pos position, end int64, buf []byte) ([]byte, position, error) {
	if len(buf) < api.FrameHeaderSize {
		buf = r.grow(api.FrameHeaderSize)
	}
	for {
		b := buf[:min(int64(len(buf)), end-pos.off)]
		if _, err := f.ReadAt(b, pos.off); err != nil {
			return nil, pos, unexpected(err)
		}
		used := 0
		for used < len(b) {
			n, err := frameSize(b[used:], r.s.o.Pipeline, pos.seq+1)
			if errors.Is(err, api.ErrShortFrame) {
				break
			}
			if err != nil {
				return nil, pos, err
			}
			if n > len(b)-used {
				if used > 0 {
					break
				}
				if int64(n) > end-pos.off {
					return nil, pos, fmt.Errorf("%w: record %d exceeds its segment", api.ErrCorruptFrame, pos.seq+1)
				}
				buf = r.grow(n)
				break
			}
			pos.cum += streamBytes(api.Kind(b[used+8]), n-api.FrameHeaderSize)
			pos.seq++
			used += n
		}
		if used > 0 {
			pos.off += int64(used)
			return b[:used], pos, nil
		}
		if len(b) < api.FrameHeaderSize {
			return nil, pos, fmt.Errorf("%w: record %d is cut", api.ErrCorruptFrame, pos.seq+1)
		}
	}
}

func (r *Reader) grow(n int) []byte {
	if len(r.own) < n {
		r.own = make([]byte, n)
	}
	return r.own
}

// gapFrame returns the record that stands for gap.
func (r *Reader) gapFrame(buf []byte, gap api.Gap) ([]byte, error) {
	data, err := json.Marshal(gap)
	if err != nil {
		return nil, fmt.Errorf("encode gap: %w", err)
	}
	if n := api.FrameHeaderSize + len(data); len(buf) < n {
		buf = r.grow(n)
	}
	rec := api.Record{Pipeline: r.s.o.Pipeline, Seq: r.pos.seq, Kind: api.KindGap, Time: time.Now(), Data: data}
	return api.AppendFrame(buf[:0], &rec), nil
}
