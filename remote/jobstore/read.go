package jobstore

import (
	"bufio"
	"encoding/json"
	"fmt"
	"io"
	"os"
	"time"

	"pss/remote/api"
	"pss/remote/platform"
)

// kindHeader is the kind of a segment's first frame, on disk only; its Data is the JSON
// of a segmentHeader.
const kindHeader api.Kind = 254

// segmentHeader is where the store stood when a segment was begun.
type segmentHeader struct {
	After map[uint32]uint64
	Data  uint64
}

func (h segmentHeader) encode() ([]byte, error) {
	data, err := json.Marshal(h)
	if err != nil {
		return nil, err
	}
	return api.AppendFrame(nil, &api.Record{Kind: kindHeader, Time: time.Now(), Data: data}), nil
}

// walk reads the records of a segment one after the other.
type walk struct {
	f      io.ReaderAt
	frames *api.FrameReader
	offset int64  // behind what was read
	limit  int64  // behind what is read without asking again
	count  uint64 // of records
}

// unlimited is the limit of a segment that is not written any more.
const unlimited = 1 << 62

// openWalk reads the header of a segment, whose whole frames end at limit.
func openWalk(f io.ReaderAt, limit int64) (h segmentHeader, w *walk, err error) {
	w = &walk{f: f}
	w.reach(limit)
	rec, err := w.frames.Next()
	if err != nil {
		return h, nil, err
	}
	if rec.Kind != kindHeader || json.Unmarshal(rec.Data, &h) != nil {
		return h, nil, api.ErrCorruptFrame
	}
	if h.After == nil {
		h.After = map[uint32]uint64{}
	}
	w.offset = int64(api.FrameHeaderSize + len(rec.Data))
	return h, w, nil
}

// reach lets w read on up to limit.
func (w *walk) reach(limit int64) {
	rest := limit - w.offset
	buffer := int(max(2*api.FrameHeaderSize, min(rest, 64<<10)))
	w.frames, w.limit = api.NewFrameReader(bufio.NewReaderSize(io.NewSectionReader(w.f, w.offset, rest), buffer)), limit
}

func (w *walk) next() (api.Record, error) {
	rec, err := w.frames.Next()
	if err == nil {
		w.offset += int64(api.FrameHeaderSize + len(rec.Data))
		w.count++
	}
	return rec, err
}

// Reader is a position in a store. Reading takes nothing. It must not be used
// concurrently, and is closed in the end.
type Reader struct {
	s    *Store
	pos  uint64 // of the last record that was read
	seg  segment
	f    *os.File
	walk *walk
}

// NewReader returns a Reader behind position after, or behind what was taken if that is
// more.
func (s *Store) NewReader(after uint64) *Reader {
	s.mu.Lock()
	defer s.mu.Unlock()
	return &Reader{s: s, pos: max(after, s.taken)}
}

// Next returns the next record, numbered as it came, and its position. ok is false if there is
// none yet. Records that are damaged come as one KindGap record with the last one's
// position. Data is valid until the following call.
func (r *Reader) Next() (rec api.Record, pos uint64, ok bool, err error) {
	r.s.mu.Lock()
	last, closed := r.s.last, r.s.closed
	g, end, limit := r.s.segmentLocked(r.pos + 1)
	r.s.mu.Unlock()
	switch {
	case closed:
		return rec, 0, false, ErrClosed
	case r.pos >= last:
		return rec, 0, false, nil
	case g.path == "" || g.first > r.pos+1: // lost with the power, or by a hand
		return r.gap(max(end, r.pos+1))
	}
	if r.seg != g || r.walk == nil {
		if err := r.place(g, limit); err != nil {
			return r.gap(end)
		}
	}
	if r.walk.offset >= r.walk.limit {
		r.walk.reach(limit)
	}
	if rec, err = r.walk.next(); err != nil {
		return r.gap(end)
	}
	r.pos++
	return rec, r.pos, true, nil
}

// place goes to the record behind r.pos, which is in g.
func (r *Reader) place(g segment, limit int64) (err error) {
	r.Close()
	if r.f, err = os.Open(g.path); err != nil {
		return err
	}
	_, w, err := openWalk(r.f, limit)
	if err != nil {
		return err
	}
	for g.first+w.count <= r.pos {
		if _, err := w.next(); err != nil {
			return err
		}
	}
	r.walk, r.seg = w, g
	return nil
}

// gap stands for everything up to position end.
func (r *Reader) gap(end uint64) (api.Record, uint64, bool, error) {
	data, err := json.Marshal(api.Gap{Records: end - r.pos, Reason: "Damaged"})
	if err != nil {
		return api.Record{}, 0, false, fmt.Errorf("encode gap: %w", err)
	}
	r.Close()
	r.pos = end
	return api.Record{Kind: api.KindGap, Seq: end, Time: time.Now(), Data: data}, end, true, nil
}

// segmentLocked returns the segment of a position, the position of its last record, and
// where its whole frames end.
func (s *Store) segmentLocked(pos uint64) (g segment, end uint64, limit int64) {
	for i := len(s.segs) - 1; i >= 0; i-- {
		end, limit = s.last, s.size
		if i+1 < len(s.segs) {
			end, limit = s.segs[i+1].first-1, unlimited
		} else if s.f == nil {
			limit = unlimited
		}
		if s.segs[i].first <= pos || i == 0 {
			return s.segs[i], end, limit
		}
	}
	return segment{}, s.last, unlimited
}

// Close closes the reader's file.
func (r *Reader) Close() {
	if r.f != nil {
		r.f.Close()
	}
	r.f, r.walk, r.seg = nil, nil, segment{}
}

// diskFull gives a full disk its code.
func diskFull(err error) error {
	if platform.DiskFull(err) {
		return api.Errorf(api.CodeDiskFull, "the disk is full: %v", err).
			Hint("free some space; what the job does not have yet stays in its session")
	}
	return err
}
