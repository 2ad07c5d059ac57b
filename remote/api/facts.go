package api

import (
	"encoding/binary"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
)

// FactsFile is the name of the facts in a session's folder.
//
// They change twice with each command, and replacing a file costs a file system
// as much as the rest of a short command takes. So the file is written in place,
// in two slots by turns, each with a counter and a checksum: a reader takes the
// newest whole slot, and a write that was torn leaves the other one. A slot is
// crc32c u32 (of what follows) | length u32 | counter u64 | JSON of RunspaceInfo.
const FactsFile = "facts"

// EngineDir is the name of the engine's folder in a session's folder. A dead session
// that still has it may have left processes (platform.EndOrphans).
const EngineDir = "e"

// PipelinesDir is the name of the folder with what the session's commands printed.
const PipelinesDir = "p"

// GonePrefix stands before the name of a session's folder that is being deleted.
const GonePrefix = ".gone-"

const (
	factsHeader = 16
	// factsSlot is the distance of the slots; the file is sparse.
	factsSlot = 16 << 20
)

// ErrNoFacts says that the file holds no whole slot.
var ErrNoFacts = errors.New("no readable facts")

// FactsWriter writes the facts of one session; it has one user at a time.
type FactsWriter struct {
	f       *os.File
	counter uint64
}

// OpenFacts opens the facts file at path for writing and makes it (0600) if
// there is none. What it holds stays until the next Write.
func OpenFacts(path string) (*FactsWriter, error) {
	f, err := os.OpenFile(path, os.O_RDWR|os.O_CREATE, 0o600)
	if err != nil {
		return nil, err
	}
	w := &FactsWriter{f: f}
	_, w.counter, err = readFacts(f)
	if err != nil && !errors.Is(err, ErrNoFacts) {
		f.Close()
		return nil, err
	}
	return w, nil
}

// Write makes info the session's facts.
func (w *FactsWriter) Write(info *RunspaceInfo) error {
	data, err := json.Marshal(info)
	if err != nil {
		return err
	}
	if len(data) > factsSlot-factsHeader {
		return fmt.Errorf("facts of %d bytes are too large", len(data))
	}
	next := w.counter + 1
	b := make([]byte, factsHeader, factsHeader+len(data))
	binary.LittleEndian.PutUint32(b[4:], uint32(len(data)))
	binary.LittleEndian.PutUint64(b[8:], next)
	b = append(b, data...)
	binary.LittleEndian.PutUint32(b, checksum(0, b[4:]))
	if _, err := w.f.WriteAt(b, int64(next%2)*factsSlot); err != nil {
		return err
	}
	w.counter = next
	return nil
}

// Sync makes the facts survive a loss of power.
func (w *FactsWriter) Sync() error { return w.f.Sync() }

// Close closes the file.
func (w *FactsWriter) Close() error { return w.f.Close() }

// ReadFacts reads the newest whole facts at path, also while they are written.
// It fails with fs.ErrNotExist or ErrNoFacts.
func ReadFacts(path string) (*RunspaceInfo, error) {
	f, err := os.Open(path)
	if err != nil {
		return nil, err
	}
	defer f.Close()
	info, _, err := readFacts(f)
	return info, err
}

func readFacts(f io.ReaderAt) (*RunspaceInfo, uint64, error) {
	// Twice: between reading both headers and the slot, the writer may have come
	// round to that slot again.
	for try := 0; ; try++ {
		data, counter := newestSlot(f)
		if data != nil {
			info := &RunspaceInfo{}
			if err := json.Unmarshal(data, info); err != nil {
				return nil, 0, fmt.Errorf("%w: %v", ErrNoFacts, err)
			}
			return info, counter, nil
		}
		if try == 3 {
			return nil, 0, ErrNoFacts
		}
	}
}

// newestSlot returns the JSON of the whole slot with the higher counter, or nil.
func newestSlot(f io.ReaderAt) ([]byte, uint64) {
	var heads [2][factsHeader]byte
	for i := range heads {
		if _, err := f.ReadAt(heads[i][:], int64(i)*factsSlot); err != nil {
			clear(heads[i][:])
		}
	}
	first := 0
	if binary.LittleEndian.Uint64(heads[1][8:]) > binary.LittleEndian.Uint64(heads[0][8:]) {
		first = 1
	}
	for _, i := range []int{first, 1 - first} {
		if data := slotData(f, i, heads[i][:]); data != nil {
			return data, binary.LittleEndian.Uint64(heads[i][8:])
		}
	}
	return nil, 0
}

// slotData returns the JSON of slot i, whose header was read, or nil if it is torn.
func slotData(f io.ReaderAt, i int, head []byte) []byte {
	n := binary.LittleEndian.Uint32(head[4:])
	if n == 0 || n > factsSlot-factsHeader {
		return nil
	}
	data := make([]byte, n)
	if _, err := f.ReadAt(data, int64(i)*factsSlot+factsHeader); err != nil {
		return nil
	}
	crc := checksum(checksum(0, head[4:]), data)
	if crc != binary.LittleEndian.Uint32(head) {
		return nil
	}
	return data
}
