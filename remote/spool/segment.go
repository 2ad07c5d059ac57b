package spool

import (
	"encoding/binary"
	"errors"
	"fmt"
	"hash/crc32"
	"io"
	"os"
	"path/filepath"
	"runtime"
	"sort"
	"strconv"
	"strings"
	"sync"

	"pss/remote/api"
)

// Segment header, little-endian, twice: crc32c u32 (of the rest of the copy)
// | version u32 | magic [8] | pipeline u32 | length of session id u32
// | first seq u64 | stream bytes before it i64 | session id, zero-padded.
const (
	headerCopySize    = 128
	segmentHeaderSize = 2 * headerCopySize
	segmentMagic      = "PSSSPOOL"
	segmentVersion    = 1
	segmentSuffix     = ".seg"
	spareSuffix       = ".spare"
	maxSessionID      = 64
)

// indexStep is the distance in bytes between two marks of a segment's index.
const indexStep = 64 << 10

// castagnoli is made on first use: a process without a spool starts without.
var castagnoli = sync.OnceValue(func() *crc32.Table { return crc32.MakeTable(crc32.Castagnoli) })

// errHeader says that a file does not start with a valid segment header.
var errHeader = errors.New("no valid segment header")

// file is what a spool needs of an open file; tests make it fail.
type file interface {
	io.ReaderAt
	WriteAt(b []byte, off int64) (int, error)
	// WriteRecord writes h and then data at off. On failure any part of both may
	// be on disk.
	WriteRecord(h, data []byte, off int64) error
	Truncate(size int64) error
	Sync() error
	Close() error
}

// opener opens the file at path.
type opener func(path string, flag int) (file, error)

type osFile struct{ *os.File }

func (f osFile) WriteRecord(h, data []byte, off int64) error {
	if len(data) == 0 {
		_, err := f.WriteAt(h, off)
		return err
	}
	return writeRecord(f.File, h, data, off)
}

func openOS(path string, flag int) (file, error) {
	f, err := os.OpenFile(path, flag, 0o600)
	if err != nil {
		return nil, err
	}
	return osFile{f}, nil
}

// segmentHeader identifies a segment.
type segmentHeader struct {
	session  string
	pipeline uint32
	first    uint64
	cum      int64
}

func (h *segmentHeader) encode() []byte {
	b := make([]byte, segmentHeaderSize)
	binary.LittleEndian.PutUint32(b[4:], segmentVersion)
	copy(b[8:16], segmentMagic)
	binary.LittleEndian.PutUint32(b[16:], h.pipeline)
	binary.LittleEndian.PutUint32(b[20:], uint32(len(h.session)))
	binary.LittleEndian.PutUint64(b[24:], h.first)
	binary.LittleEndian.PutUint64(b[32:], uint64(h.cum))
	copy(b[40:40+maxSessionID], h.session)
	binary.LittleEndian.PutUint32(b, crc32.Checksum(b[4:headerCopySize], castagnoli()))
	copy(b[headerCopySize:], b[:headerCopySize])
	return b
}

// decodeHeader returns the first intact copy of the header at the start of b.
func decodeHeader(b []byte) (segmentHeader, error) {
	for ; len(b) >= headerCopySize; b = b[headerCopySize:] {
		c := b[:headerCopySize]
		id := binary.LittleEndian.Uint32(c[20:])
		if crc32.Checksum(c[4:], castagnoli()) != binary.LittleEndian.Uint32(c) ||
			string(c[8:16]) != segmentMagic || id > maxSessionID ||
			binary.LittleEndian.Uint32(c[4:]) != segmentVersion {
			continue
		}
		return segmentHeader{
			session:  string(c[40 : 40+id]),
			pipeline: binary.LittleEndian.Uint32(c[16:]),
			first:    binary.LittleEndian.Uint64(c[24:]),
			cum:      int64(binary.LittleEndian.Uint64(c[32:])),
		}, nil
	}
	return segmentHeader{}, errHeader
}

func segmentName(first uint64) string { return fmt.Sprintf("%016x%s", first, segmentSuffix) }

func parseSegmentName(name string) (uint64, bool) {
	hex, ok := strings.CutSuffix(name, segmentSuffix)
	if !ok || len(hex) != 16 {
		return 0, false
	}
	first, err := strconv.ParseUint(hex, 16, 64)
	return first, err == nil && first > 0
}

// segmentFile is one file on disk. Its fields are guarded by Spool.mu.
type segmentFile struct {
	path  string
	f     file // nil while closed
	refs  int  // reads and writes under way; they keep the file from being recycled
	parts int  // segments in this file: more than one after a repair
	gone  bool // unlinked: close at the last release
	dirty bool // written since the last Sync
	lent  bool // handed to a socket by Extent
}

// segment is a run of records without a gap. Its fields are guarded by Spool.mu;
// the bytes of its frames never change.
type segment struct {
	file        *segmentFile
	first, next uint64 // Seq of the first record, and of the one after the last
	start, size int64  // the frames lie in [start, size) of the file
	cum, end    int64  // stream bytes before the first and up to the last record
	index       []mark
	gone        bool // freed: what a Reader remembers of it is void
}

// mark is a sparse index entry, relative to its segment.
type mark struct{ seq, off, cum uint32 }

// position is a place between two records.
type position struct {
	seq uint64 // the record before the place
	off int64  // file offset of the record behind it; used within a segment only
	cum int64  // stream bytes of all records up to seq
}

// streamBytes is what a record counts against a limit: control records are free.
func streamBytes(kind api.Kind, n int) int64 {
	if kind.IsStream() {
		return int64(n)
	}
	return 0
}

// note books a frame with n data bytes that was written at g.size.
func (g *segment) note(kind api.Kind, n int) {
	if k := len(g.index); k == 0 || g.size-g.start-int64(g.index[k-1].off) >= indexStep {
		g.index = append(g.index, mark{uint32(g.next - g.first), uint32(g.size - g.start), uint32(g.end - g.cum)})
	}
	g.size += int64(api.FrameHeaderSize + n)
	g.end += streamBytes(kind, n)
	g.next++
}

// near returns an indexed position at or before seq, and the exact one at both ends.
func (g *segment) near(seq uint64) position {
	if seq+1 >= g.next {
		return position{g.next - 1, g.size, g.end}
	}
	if seq < g.first {
		return position{g.first - 1, g.start, g.cum}
	}
	rel := uint32(seq + 1 - g.first)
	i := sort.Search(len(g.index), func(i int) bool { return g.index[i].seq > rel }) - 1
	m := g.index[i]
	return position{g.first + uint64(m.seq) - 1, g.start + int64(m.off), g.cum + int64(m.cum)}
}

var walkBuffers = sync.Pool{New: func() any { b := make([]byte, indexStep); return &b }}

// walk passes over frames of pipeline in f[p.off:end] until done says so. It reads
// headers only where frames are large, and whole windows where they are small.
func walk(f io.ReaderAt, pipeline uint32, end int64, p position, done func(position) bool) (position, error) {
	pooled := walkBuffers.Get().(*[]byte)
	defer walkBuffers.Put(pooled)
	var win []byte
	var base, last int64
	for p.off < end && !done(p) {
		if p.off < base || p.off+api.FrameHeaderSize > base+int64(len(win)) {
			n := min(end-p.off, indexStep)
			if last > indexStep/8 {
				n = api.FrameHeaderSize
			}
			win, base = (*pooled)[:n], p.off
			if _, err := f.ReadAt(win, base); err != nil {
				return p, fmt.Errorf("read record %d: %w", p.seq+1, unexpected(err))
			}
		}
		n, err := frameSize(win[p.off-base:], pipeline, p.seq+1)
		if err != nil {
			return p, err
		}
		h := win[p.off-base:]
		p.seq++
		p.off += int64(n)
		p.cum += streamBytes(api.Kind(h[8]), n-api.FrameHeaderSize)
		last = int64(n)
	}
	return p, nil
}

// unexpected keeps the end of a file from being taken for the end of the output.
func unexpected(err error) error {
	if errors.Is(err, io.EOF) {
		return io.ErrUnexpectedEOF
	}
	return err
}

// frameSize returns the length of the frame whose header starts b, which must be
// record seq of pipeline. It does not look at the checksum.
func frameSize(b []byte, pipeline uint32, seq uint64) (int, error) {
	if len(b) < api.FrameHeaderSize {
		return 0, api.ErrShortFrame
	}
	if p, q := binary.LittleEndian.Uint32(b[12:]), binary.LittleEndian.Uint64(b[16:]); p != pipeline || q != seq {
		return 0, fmt.Errorf("%w: record %d of pipeline %d where %d of %d belongs", api.ErrCorruptFrame, q, p, seq, pipeline)
	}
	return api.FrameLength(b)
}

// acquireLocked opens sf if need be and keeps it from being closed or recycled.
func (s *Spool) acquireLocked(sf *segmentFile) error {
	if sf.f == nil {
		f, err := s.open(sf.path, os.O_RDWR)
		if err != nil {
			return fmt.Errorf("open segment: %w", err)
		}
		sf.f = f
	}
	sf.refs++
	return nil
}

// releaseLocked undoes acquireLocked. Of the files that are not being written one
// stays open while the pipeline runs, none after it: thousands of finished
// pipelines must not cost descriptors.
func (s *Spool) releaseLocked(sf *segmentFile) {
	sf.refs--
	switch {
	case sf.refs > 0:
	case sf.gone || s.sealed || s.closed:
		sf.closeLocked()
	case !s.isActiveLocked(sf) && s.warm != sf:
		old := s.warm
		s.warm = sf
		if old != nil && !s.isActiveLocked(old) {
			old.closeLocked()
		}
	}
}

func (s *Spool) isActiveLocked(sf *segmentFile) bool {
	return s.active != nil && s.active.file == sf
}

func (sf *segmentFile) closeLocked() {
	if sf.f != nil && sf.refs == 0 {
		_ = sf.f.Close() // nothing is buffered here: an error has nothing to add
		sf.f = nil
	}
}

// moveLocked renames sf, which must not be in use, within the spool's folder.
func (s *Spool) moveLocked(sf *segmentFile, name string) error {
	if runtime.GOOS == "windows" { // where an open file has its name for good
		sf.closeLocked()
	}
	to := filepath.Join(s.dir, name)
	if err := os.Rename(sf.path, to); err != nil {
		return err
	}
	sf.path = to
	return nil
}
