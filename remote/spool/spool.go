package spool

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"sort"
	"sync"

	"pss/remote/api"
	"pss/remote/planted"
	"pss/remote/platform"
)

// Errors of a spool that takes no more of what was asked.
var (
	// ErrClosed says that the spool was closed.
	ErrClosed = errors.New("spool is closed")
	// ErrSealed says that the pipeline has ended: only AppendLate adds records.
	ErrSealed = errors.New("spool is sealed")
)

const (
	defaultRetain      = 64 << 20
	defaultSegmentSize = 8 << 20
	maxSegmentSize     = 1 << 30 // marks are 32 bits wide
	lateLimit          = 1 << 20 // ring of output after the end
	maxSpares          = 2
	copyBelow          = 480 // bytes of data that are cheaper to copy than to gather
)

// Options says how a spool behaves. SessionID and Pipeline must be the same at
// every Open; the rest may differ.
type Options struct {
	SessionID   string                  // at most 64 bytes; in every segment header
	Pipeline    uint32                  // the number in every record
	Mode        api.OutputBufferingMode // Block or Drop; None and "" mean Block
	Limit       int64                   // unacknowledged bytes at which Block blocks and Drop discards; > 0
	Retain      int64                   // acknowledged bytes kept for replay; 0: 64 MiB; < 0: none
	SegmentSize int64                   // 0: 8 MiB
	// OnChange, if set, is called after Stats.Blocked, Dropping or NearlyFull changed,
	// without any lock held, in the goroutine that caused it. Calls may overlap.
	OnChange func()
}

// Stats is a consistent view of a spool. Bytes count the data of stream records;
// Records count every Seq, control records included.
type Stats struct {
	First          uint64 // oldest record that is kept; Last+1 if none is
	Last           uint64 // newest record, kept or not; 0 before the first
	Acked          uint64 // all records up to here are acknowledged
	UnreadBytes    int64  // neither acknowledged nor discarded
	UnreadRecords  uint64 // neither acknowledged nor discarded
	Blocked        bool   // a writer waits at Limit
	Dropping       bool   // unacknowledged records were discarded and the gap is not acknowledged
	DroppedRecords uint64 // discarded unacknowledged since the beginning
	DroppedBytes   int64  // discarded unacknowledged since the beginning
	NearlyFull     bool   // Block mode: unread bytes have reached 80 % of Limit, and not fallen to 50 % since
	Sealed         bool
}

// Spool is the output of one pipeline. All methods may be called concurrently.
type Spool struct {
	dir  string
	o    Options
	open opener
	buf  [api.FrameHeaderSize + copyBelow]byte // under wr

	// wr serializes the writers. Lock order: wr before mu. Nothing waits for room
	// or calls OnChange while it holds wr, so a control record always gets through.
	wr sync.Mutex

	// mu guards everything below. It is never held during a write of data or a
	// read for a Reader: Stats and Ack stay quick when the disk is slow.
	mu       sync.Mutex
	mode     api.OutputBufferingMode
	limit    int64
	segs     []*segment // by Seq; between two of them records may be missing
	active   *segment   // the last of segs while it is being written
	warm     *segmentFile
	spares   []*segmentFile
	spareNum int

	last, acked       uint64
	total, ackedBytes int64 // stream bytes up to last and acked
	front             cut   // discarded from the beginning
	late              cut   // discarded from sealSeq on
	sealSeq           uint64
	sealBytes         int64
	dropped           cut // count of records, not a Seq

	sealed, closed, unblocked bool
	waiting                   int // writers
	wake, room                chan struct{}
	shown                     shown
	state                     stateFile
	dirDirty                  bool
}

// cut is a Seq and the stream bytes up to it.
type cut struct {
	seq uint64
	cum int64
}

func newSpool(dir string, o Options) (*Spool, error) {
	switch {
	case len(o.SessionID) > maxSessionID:
		return nil, api.Errorf(api.CodeInvalidArgument, "spool: session id is longer than %d bytes", maxSessionID)
	case o.Limit <= 0:
		return nil, api.Errorf(api.CodeInvalidArgument, "spool: limit %d is not positive", o.Limit)
	}
	if o.Retain == 0 {
		o.Retain = defaultRetain
	}
	if o.SegmentSize <= 0 {
		o.SegmentSize = defaultSegmentSize
	}
	o.SegmentSize = min(o.SegmentSize, maxSegmentSize)
	mode := o.Mode
	if mode != api.BufferingDrop {
		mode = api.BufferingBlock
	}
	s := &Spool{dir: dir, o: o, open: openOS, mode: mode, limit: o.Limit}
	s.state.path = filepath.Join(dir, stateName)
	return s, nil
}

// Create makes the folder dir (0700), which must not exist, and an empty spool in
// it. Files appear with the first record.
func Create(dir string, o Options) (*Spool, error) {
	s, err := newSpool(dir, o)
	if err != nil {
		return nil, err
	}
	if err := os.Mkdir(dir, 0o700); err != nil {
		return nil, fmt.Errorf("create spool: %w", diskFull(err))
	}
	return s, nil
}

// Remove deletes the spool at dir, which must be closed. The folder vanishes by
// rename first, so that a crash leaves no half spool. No spool is no error.
func Remove(dir string) error {
	gone := dir + ".removed"
	if err := os.RemoveAll(gone); err != nil { // of an interrupted Remove
		return fmt.Errorf("remove spool: %w", err)
	}
	if err := os.Rename(dir, gone); err != nil && !errors.Is(err, fs.ErrNotExist) {
		return fmt.Errorf("remove spool: %w", err)
	}
	if err := os.RemoveAll(gone); err != nil {
		return fmt.Errorf("remove spool: %w", err)
	}
	return nil
}

// Stats returns the spool's figures.
func (s *Spool) Stats() Stats {
	s.mu.Lock()
	defer s.mu.Unlock()
	st := Stats{
		First: s.last + 1, Last: s.last, Acked: s.acked,
		UnreadBytes:   s.mainUnreadLocked() + s.lateUnreadLocked(),
		UnreadRecords: s.unreadRecordsLocked(),
		Blocked:       s.blockedLocked(), Dropping: s.droppingLocked(),
		DroppedRecords: s.dropped.seq, DroppedBytes: s.dropped.cum,
		NearlyFull: s.shown.near, Sealed: s.sealed,
	}
	if len(s.segs) > 0 {
		st.First = max(s.segs[0].first, s.front.seq+1)
	}
	return st
}

// unreadRecordsLocked counts the kept records behind acked.
func (s *Spool) unreadRecordsLocked() uint64 {
	var n uint64
	for i := len(s.segs) - 1; i >= 0 && s.segs[i].next > s.acked+1; i-- {
		n += s.keptLocked(s.segs[i], s.acked)
	}
	return n
}

// keptLocked counts the records of g behind after that no cut covers.
func (s *Spool) keptLocked(g *segment, after uint64) uint64 {
	from := max(g.first, after+1, s.front.seq+1)
	if s.sealed && g.first > s.sealSeq {
		from = max(from, s.late.seq+1)
	}
	return g.next - min(from, g.next)
}

// Ack acknowledges all records up to seq. It never goes back; a repeated one does
// nothing. A seq behind Last is refused with api.CodeInvalidArgument. Any other
// error says that the position may be lost by a crash; it holds in this process.
func (s *Spool) Ack(seq uint64) error {
	s.mu.Lock()
	switch {
	case s.closed:
		s.mu.Unlock()
		return ErrClosed
	case seq > s.last:
		last := s.last
		s.mu.Unlock()
		return api.Errorf(api.CodeInvalidArgument, "record %d cannot be acknowledged: the last one is %d", seq, last)
	case seq <= s.acked:
		s.mu.Unlock()
		return nil
	}
	s.ackedBytes = max(s.ackedBytes, s.bytesToLocked(seq))
	s.acked = seq
	planted.Point("spool-ack")
	err := s.settleLocked()
	s.freeRoomLocked()
	changed := s.changedLocked()
	s.mu.Unlock()
	s.notify(changed)
	return err
}

// segmentLocked returns the index of the first segment that reaches behind seq.
func (s *Spool) segmentLocked(seq uint64) int {
	return sort.Search(len(s.segs), func(i int) bool { return s.segs[i].next > seq+1 })
}

// seekLocked returns the exact position seq, which lies in g.
func (s *Spool) seekLocked(g *segment, seq uint64) (position, error) {
	p := g.near(seq)
	if p.seq == seq {
		return p, nil
	}
	if err := s.acquireLocked(g.file); err != nil {
		return p, err
	}
	defer s.releaseLocked(g.file)
	return walk(g.file.f, s.o.Pipeline, g.size, p, func(p position) bool { return p.seq >= seq })
}

// bytesToLocked returns the stream bytes up to seq. Where the records are gone, and
// seq is no position that is remembered, it is an estimate between two that are.
func (s *Spool) bytesToLocked(seq uint64) int64 {
	known := []cut{{s.last, s.total}, {s.acked, s.ackedBytes}, s.front, {s.sealSeq, s.sealBytes}, s.late}
	for _, k := range known {
		if k.seq == seq {
			return k.cum
		}
	}
	if i := s.segmentLocked(seq); i < len(s.segs) && s.segs[i].first <= seq+1 {
		if p, err := s.seekLocked(s.segs[i], seq); err == nil {
			return p.cum
		}
	}
	lo, hi := cut{}, cut{s.last, s.total}
	for _, g := range s.segs {
		known = append(known, cut{g.first - 1, g.cum}, cut{g.next - 1, g.end})
	}
	for _, k := range known {
		if k.seq <= seq && k.seq >= lo.seq {
			lo = k
		}
		if k.seq >= seq && k.seq <= hi.seq {
			hi = k
		}
	}
	if lo.seq >= seq || hi.seq <= lo.seq {
		return lo.cum
	}
	return lo.cum + int64(float64(hi.cum-lo.cum)*float64(seq-lo.seq)/float64(hi.seq-lo.seq))
}

// Seal ends the pipeline's own output: Append and AppendControl fail from now on,
// and readers get io.EOF once they have everything. Its second call does nothing.
func (s *Spool) Seal() error {
	s.wr.Lock()
	s.mu.Lock()
	err := s.sealLocked()
	changed := s.changedLocked()
	s.mu.Unlock()
	s.wr.Unlock()
	s.notify(changed)
	return err
}

func (s *Spool) sealLocked() error {
	if s.closed {
		return ErrClosed
	}
	if s.sealed {
		return nil
	}
	s.sealed, s.sealSeq, s.sealBytes = true, s.last, s.total
	s.late = cut{s.last, s.total}
	s.closeFilesLocked()
	err := s.settleLocked()
	s.freeRoomLocked()
	s.wakeLocked()
	if err != nil {
		return fmt.Errorf("seal spool: %w", err)
	}
	return nil
}

// closeFilesLocked ends the active segment, closes what is not in use and deletes
// the spare files.
func (s *Spool) closeFilesLocked() {
	if g := s.active; g != nil {
		s.active = nil
		if g.next == g.first { // its only write failed; its name will be needed again
			s.segs = s.segs[:len(s.segs)-1]
			s.freeLocked(g)
		} else if g.file.f != nil {
			// Stale frames behind the last one only take up room now.
			_ = g.file.f.Truncate(g.size)
		}
	}
	for _, g := range s.segs {
		g.file.closeLocked()
	}
	for _, sp := range s.spares {
		sp.closeLocked()
		_ = os.Remove(sp.path) // the next Open deletes it as well
	}
	s.spares, s.warm = nil, nil
}

// Sync makes everything written before it survive a loss of power.
func (s *Spool) Sync() error {
	s.mu.Lock()
	if s.closed {
		s.mu.Unlock()
		return ErrClosed
	}
	var files []*segmentFile
	var errs []error
	for _, g := range s.segs {
		if !g.file.dirty {
			continue
		}
		if err := s.acquireLocked(g.file); err != nil {
			errs = append(errs, err)
			continue
		}
		g.file.dirty = false
		files = append(files, g.file)
	}
	dir, state := s.dirDirty, s.state.dirty
	s.dirDirty, s.state.dirty = false, false
	s.mu.Unlock()

	failed := make([]error, len(files))
	for i, sf := range files {
		failed[i] = sf.f.Sync()
	}
	var stateErr, dirErr error
	if state {
		stateErr = s.syncFile(s.state.path)
	}
	if dir {
		dirErr = platform.SyncDir(s.dir)
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	s.state.dirty = s.state.dirty || stateErr != nil
	s.dirDirty = s.dirDirty || dirErr != nil
	for i, sf := range files {
		sf.dirty = sf.dirty || failed[i] != nil
		s.releaseLocked(sf)
	}
	errs = append(append(errs, failed...), stateErr, dirErr)
	if err := errors.Join(errs...); err != nil {
		return fmt.Errorf("sync spool: %w", diskFull(err))
	}
	return nil
}

// Close ends the use of the spool and keeps its files. Waiting writers and readers
// get ErrClosed. It waits for a write under way, not for reads.
func (s *Spool) Close() error {
	s.wr.Lock()
	s.mu.Lock()
	s.closed = true
	s.closeFilesLocked()
	s.state.closeFile()
	s.freeRoomLocked()
	s.wakeLocked()
	changed := s.changedLocked()
	s.mu.Unlock()
	s.wr.Unlock()
	s.notify(changed)
	return nil
}
