package spool

import (
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"math"
	"os"
	"path/filepath"
	"sort"
	"strings"

	"pss/remote/api"
	"pss/remote/planted"
)

// scanWindow is how much of a segment is read at a time.
const scanWindow = 256 << 10

// maxScan bounds how much of one file is looked at: marks are 32 bits wide.
const maxScan = math.MaxUint32 - 2*api.MaxFrameData

// Repair tells what Open found wrong, and did.
type Repair struct {
	TruncatedBytes int64  // cut off behind the last intact record of a file
	DamagedRecords uint64 // missing between intact ones; readers get a gap
	SkippedFiles   int    // not readable as a segment of this spool, left as they are
}

// Damaged reports whether records that were written are missing.
func (r Repair) Damaged() bool { return r.DamagedRecords > 0 }

// candidate is a file with a good header.
type candidate struct {
	path  string
	first uint64
	cum   int64
}

// Open reads the spool at dir after its process ended in whatever way. It cuts a
// torn end off; damage with intact records behind it becomes a gap. New records go
// on behind the highest Seq that is intact or acknowledged.
func Open(dir string, o Options) (*Spool, Repair, error) {
	var rep Repair
	s, err := newSpool(dir, o)
	if err != nil {
		return nil, rep, err
	}
	entries, err := os.ReadDir(dir)
	if err != nil {
		return nil, rep, fmt.Errorf("open spool: %w", err)
	}
	if err := s.state.load(o.SessionID); err != nil {
		return nil, rep, fmt.Errorf("open spool: %w", err)
	}
	s.restore()
	var found []candidate
	for _, e := range entries {
		if strings.HasSuffix(e.Name(), spareSuffix) {
			_ = os.Remove(filepath.Join(dir, e.Name())) // holds nothing that counts
			continue
		}
		first, ok := parseSegmentName(e.Name())
		if !ok {
			continue
		}
		c, err := s.examine(filepath.Join(dir, e.Name()), first)
		if errors.Is(err, errHeader) {
			rep.SkippedFiles++
			continue
		}
		if err != nil {
			return nil, rep, fmt.Errorf("open spool: %w", err)
		}
		found = append(found, c)
	}
	sort.Slice(found, func(i, j int) bool { return found[i].first < found[j].first })
	s.mu.Lock() // nobody else knows s; the lock is for the names' sake
	defer s.mu.Unlock()
	for i, c := range found {
		limit := uint64(math.MaxUint64)
		if i+1 < len(found) {
			limit = found[i+1].first
		}
		if err := s.loadLocked(c, limit, &rep); err != nil {
			return nil, rep, fmt.Errorf("open spool: %w", err)
		}
	}
	s.takeStockLocked(&rep)
	return s, rep, nil
}

// examine checks that the file at path is a segment of s that starts at first.
func (s *Spool) examine(path string, first uint64) (candidate, error) {
	f, err := os.Open(path)
	if err != nil {
		return candidate{}, err
	}
	defer f.Close()
	b := make([]byte, segmentHeaderSize)
	n, err := io.ReadFull(f, b)
	if err != nil && err != io.EOF && err != io.ErrUnexpectedEOF {
		return candidate{}, errHeader // a folder, for one: not ours
	}
	h, err := decodeHeader(b[:n])
	if err != nil || h.session != s.o.SessionID || h.pipeline != s.o.Pipeline || h.first != first || h.cum < 0 {
		return candidate{}, errHeader
	}
	return candidate{path: path, first: first, cum: h.cum}, nil
}

// loadLocked adds the segments of c, whose records all lie below limit, and cuts off
// what follows them.
func (s *Spool) loadLocked(c candidate, limit uint64, rep *Repair) error {
	f, err := s.open(c.path, os.O_RDWR)
	if err != nil {
		return err
	}
	defer f.Close()
	fi, err := os.Stat(c.path)
	if err != nil {
		return err
	}
	size := fi.Size()
	sc := scanner{f: f, size: min(size, maxScan), pipeline: s.o.Pipeline, limit: limit}
	segs, err := sc.segments(c.first, c.cum)
	if err != nil {
		return err
	}
	if len(segs) == 0 {
		rep.TruncatedBytes += size - min(size, segmentHeaderSize)
		// A failure does not matter: the next segment of this name replaces it.
		_ = os.Remove(c.path)
		return nil
	}
	end := segs[len(segs)-1].size
	if size > end && segs[len(segs)-1].next != limit {
		rep.TruncatedBytes += size - end
		// Not needed for correctness: nothing is ever added to this file.
		_ = f.Truncate(end)
	}
	sf := &segmentFile{path: c.path, parts: len(segs), dirty: true}
	for _, g := range segs {
		g.file = sf
	}
	s.segs = append(s.segs, segs...)
	return nil
}

// takeStockLocked derives the rest of the state from segments and positions.
func (s *Spool) takeStockLocked(rep *Repair) {
	s.last, s.total = s.acked, s.ackedBytes
	for _, c := range []cut{s.front, {s.sealSeq, s.sealBytes}, s.late} {
		if c.seq > s.last {
			s.last, s.total = c.seq, c.cum
		}
	}
	at := s.front.seq
	for _, g := range s.segs {
		from := max(at, s.front.seq)
		if s.sealed && from >= s.sealSeq {
			from = max(from, s.late.seq)
		}
		if g.first > from+1 {
			rep.DamagedRecords += g.first - from - 1
		}
		at = max(at, g.next-1)
	}
	if k := len(s.segs); k > 0 && s.segs[k-1].next-1 >= s.last {
		s.last, s.total = s.segs[k-1].next-1, max(s.total, s.segs[k-1].end)
	}
	if s.sealed && s.late.seq < s.sealSeq {
		s.late = cut{s.sealSeq, s.sealBytes}
	}
	_ = s.settleLocked() // frees what was to be freed; if not now, with the next Ack
	s.state.closeFile()
	s.shown = shown{blocked: s.blockedLocked(), dropping: s.droppingLocked(), near: s.nearLocked()}
}

// scanner reads a segment file that may hold anything.
type scanner struct {
	f        io.ReaderAt
	size     int64
	pipeline uint32
	limit    uint64 // records from here on belong to the next file
	win      []byte
	base     int64
}

// at returns n bytes at off, fewer at the end of the file.
func (c *scanner) at(off int64, n int) ([]byte, error) {
	n = int(min(int64(n), c.size-off))
	if n <= 0 {
		return nil, nil
	}
	if off < c.base || off+int64(n) > c.base+int64(len(c.win)) {
		want := int(min(max(int64(n), scanWindow), c.size-off))
		if cap(c.win) < want {
			c.win = make([]byte, want)
		}
		c.win, c.base = c.win[:want], off
		m, err := c.f.ReadAt(c.win, off)
		c.win = c.win[:m]
		if err != nil && err != io.EOF {
			return nil, err
		}
	}
	n = min(n, int(c.base-off)+len(c.win)) // the file may have shrunk
	if n <= 0 {
		return nil, nil
	}
	return c.win[off-c.base:][:n], nil
}

// rest returns what the window holds from off on, at least a frame header unless the
// file ends before.
func (c *scanner) rest(off int64) ([]byte, error) {
	if _, err := c.at(off, api.FrameHeaderSize); err != nil || off >= c.base+int64(len(c.win)) {
		return nil, err
	}
	return c.win[off-c.base:], nil
}

// frame returns the intact frame at off, ok = false if there is none of pipeline.
func (c *scanner) frame(off int64) (rec api.Record, n int, ok bool, err error) {
	h, err := c.at(off, api.FrameHeaderSize)
	if err != nil || len(h) < api.FrameHeaderSize || binary.LittleEndian.Uint32(h[12:]) != c.pipeline {
		return rec, 0, false, err
	}
	n, err = api.FrameLength(h)
	if err != nil {
		return rec, 0, false, nil
	}
	b, err := c.at(off, n)
	if err != nil {
		return rec, 0, false, err
	}
	rec, n, err = api.ParseFrame(b)
	if planted.On("checksum-not-checked") && errors.Is(err, api.ErrCorruptFrame) {
		rec = api.Record{Kind: api.Kind(h[8]), Pipeline: c.pipeline, Seq: binary.LittleEndian.Uint64(h[16:]), Data: b[api.FrameHeaderSize:]}
		err = nil
	}
	return rec, n, err == nil && rec.Seq < c.limit, nil
}

// segments returns the runs of intact records in the file, cut where some are
// missing in between.
func (c *scanner) segments(first uint64, cum int64) ([]*segment, error) {
	var out []*segment
	run := func(first uint64, off, cum int64) *segment {
		return &segment{first: first, next: first, start: off, size: off, cum: cum, end: cum}
	}
	g := run(first, segmentHeaderSize, cum)
	for g.next < c.limit {
		rec, _, ok, err := c.frame(g.size)
		if err != nil {
			return nil, err
		}
		if ok && (rec.Seq == g.next || planted.On("stale-frame-accepted")) {
			g.note(rec.Kind, len(rec.Data))
			continue
		}
		off, seq, ok, err := c.resync(g.size, g.next)
		if err != nil {
			return nil, err
		}
		if !ok {
			break
		}
		if g.next > g.first {
			out = append(out, g)
		}
		// What a missing record's frame took, less its header, was its data.
		lost := max(0, off-g.size-int64(seq-g.next)*api.FrameHeaderSize)
		g = run(seq, off, g.end+lost)
	}
	if g.next > g.first {
		out = append(out, g)
	}
	return out, nil
}

// resync looks behind the bad frame seq at off for an intact one. Only a Seq that
// fits counts: above seq, but with no more records missing than the bytes in between
// can hold. So neither a recycled file's old frames, which are below, nor frames that
// a command printed come in by chance. The place that the bad frame itself names is
// tried first, lest something within its data be taken for a frame.
func (c *scanner) resync(off int64, seq uint64) (int64, uint64, bool, error) {
	fits := func(at int64, got uint64) bool {
		return got > seq && got-seq <= uint64(at-off)/api.FrameHeaderSize
	}
	h, err := c.at(off, api.FrameHeaderSize)
	if err != nil {
		return 0, 0, false, err
	}
	if len(h) == api.FrameHeaderSize {
		if n, err := api.FrameLength(h); err == nil && off+int64(n) < c.size {
			rec, _, ok, err := c.frame(off + int64(n))
			if err != nil || ok && rec.Seq == seq+1 {
				return off + int64(n), seq + 1, err == nil, err
			}
		}
	}
	for at := off + api.FrameHeaderSize; ; {
		w, err := c.rest(at)
		if err != nil || len(w) < api.FrameHeaderSize {
			return 0, 0, false, err
		}
		i := 0
		for ; i+api.FrameHeaderSize <= len(w); i++ {
			if binary.LittleEndian.Uint32(w[i+12:]) == c.pipeline && fits(at+int64(i), binary.LittleEndian.Uint64(w[i+16:])) {
				break
			}
		}
		at += int64(i)
		if i+api.FrameHeaderSize > len(w) {
			continue
		}
		rec, _, ok, err := c.frame(at)
		if err != nil || ok {
			return at, rec.Seq, err == nil, err
		}
		at++
	}
}
