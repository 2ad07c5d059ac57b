package spool

import (
	"encoding/binary"
	"errors"
	"fmt"
	"hash/crc32"
	"io"
	"io/fs"
	"os"

	"pss/remote/planted"
)

// The file "state" has two slots that are written in turn, in place: of a torn
// write the other slot is left, which is one acknowledgement older. A slot,
// little-endian: crc32c u32 (of the rest) | version u32 | counter u64 | acked u64,
// i64 | front u64, i64 | late u64, i64 | dropped u64, i64 | seal u64, i64
// | sealed u32 | length of session id u32 | session id, zero-padded.
const (
	stateName    = "state"
	stateVersion = 1
	slotSize     = 176
	slotStride   = 512 // a sector each
)

// positions is what a spool must not forget.
type positions struct {
	acked, front, late, dropped, seal cut
	sealed                            bool
}

// stateFile is guarded by Spool.mu.
type stateFile struct {
	path    string
	f       file
	counter uint64
	saved   positions
	written bool
	dirty   bool
}

func encodeSlot(session string, counter uint64, p positions) []byte {
	b := make([]byte, slotSize)
	binary.LittleEndian.PutUint32(b[4:], stateVersion)
	binary.LittleEndian.PutUint64(b[8:], counter)
	for i, c := range []cut{p.acked, p.front, p.late, p.dropped, p.seal} {
		binary.LittleEndian.PutUint64(b[16+16*i:], c.seq)
		binary.LittleEndian.PutUint64(b[24+16*i:], uint64(c.cum))
	}
	if p.sealed {
		b[96] = 1
	}
	binary.LittleEndian.PutUint32(b[100:], uint32(len(session)))
	copy(b[104:104+maxSessionID], session)
	binary.LittleEndian.PutUint32(b, crc32.Checksum(b[4:], castagnoli()))
	return b
}

// decodeSlot returns ok = false for a slot that is torn, or another session's.
func decodeSlot(b []byte, session string) (counter uint64, p positions, ok bool) {
	if len(b) < slotSize {
		return 0, p, false
	}
	b = b[:slotSize]
	id := binary.LittleEndian.Uint32(b[100:])
	if crc32.Checksum(b[4:], castagnoli()) != binary.LittleEndian.Uint32(b) ||
		binary.LittleEndian.Uint32(b[4:]) != stateVersion ||
		id > maxSessionID || string(b[104:104+id]) != session {
		return 0, p, false
	}
	for i, c := range []*cut{&p.acked, &p.front, &p.late, &p.dropped, &p.seal} {
		c.seq = binary.LittleEndian.Uint64(b[16+16*i:])
		c.cum = int64(binary.LittleEndian.Uint64(b[24+16*i:]))
	}
	p.sealed = b[96] == 1
	return binary.LittleEndian.Uint64(b[8:]), p, true
}

// load reads the newest intact slot. No file is no error.
func (t *stateFile) load(session string) error {
	b := make([]byte, slotStride+slotSize)
	f, err := os.Open(t.path)
	if errors.Is(err, fs.ErrNotExist) {
		return nil
	}
	if err != nil {
		return fmt.Errorf("read spool state: %w", err)
	}
	defer f.Close()
	n, err := io.ReadFull(f, b)
	if err != nil && err != io.EOF && err != io.ErrUnexpectedEOF {
		return fmt.Errorf("read spool state: %w", err)
	}
	b = b[:n]
	for off := 0; off < len(b); off += slotStride {
		if c, p, ok := decodeSlot(b[off:], session); ok && (!t.written || c > t.counter) {
			t.counter, t.saved, t.written = c, p, true
		}
	}
	return nil
}

func (t *stateFile) save(open opener, session string, p positions) error {
	if t.written && p == t.saved {
		return nil
	}
	if err := t.openFile(open); err != nil {
		return err
	}
	next := t.counter + 1
	if _, err := t.f.WriteAt(encodeSlot(session, next, p), int64(next%2)*slotStride); err != nil {
		return fmt.Errorf("write spool state: %w", err)
	}
	t.counter, t.saved, t.written, t.dirty = next, p, true, true
	return nil
}

func (t *stateFile) openFile(open opener) error {
	if t.f != nil {
		return nil
	}
	f, err := open(t.path, os.O_RDWR|os.O_CREATE)
	if err != nil {
		return fmt.Errorf("open spool state: %w", err)
	}
	t.f = f
	return nil
}

func (t *stateFile) closeFile() {
	if t.f != nil {
		_ = t.f.Close() // nothing is buffered here: an error has nothing to add
		t.f = nil
	}
}

// saveLocked writes the positions if they changed.
func (s *Spool) saveLocked() error {
	p := positions{
		acked: cut{s.acked, s.ackedBytes}, front: s.front, late: s.late, dropped: s.dropped,
		seal: cut{s.sealSeq, s.sealBytes}, sealed: s.sealed,
	}
	if planted.On("ack-not-persisted") {
		p.acked = cut{}
	}
	err := s.state.save(s.open, s.o.SessionID, p)
	if s.sealed || s.closed {
		s.state.closeFile()
	}
	return diskFull(err)
}

// restore takes over the positions of the last process.
func (s *Spool) restore() {
	p := s.state.saved
	s.acked, s.ackedBytes = p.acked.seq, p.acked.cum
	s.front, s.late, s.dropped = p.front, p.late, p.dropped
	s.sealSeq, s.sealBytes, s.sealed = p.seal.seq, p.seal.cum, p.sealed
}

// syncFile syncs through a descriptor of its own, which no lock has to guard.
func (s *Spool) syncFile(path string) error {
	f, err := s.open(path, os.O_RDWR)
	if err != nil {
		return err
	}
	return errors.Join(f.Sync(), f.Close())
}
