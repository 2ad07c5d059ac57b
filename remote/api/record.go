package api

import (
	"bufio"
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"time"
)

// Kind says what a Record carries. Kinds below KindEnd are PowerShell's
// streams; those from KindEnd on are spooled control records; those from
// KindHello on exist only on an attachment's connection and are never spooled.
// A reader passes kinds that it does not know through, or skips them.
type Kind uint8

// The kinds. Their numbers are on disks and wires: never change one.
const (
	KindOutput      Kind = 1
	KindError       Kind = 2
	KindWarning     Kind = 3
	KindVerbose     Kind = 4
	KindDebug       Kind = 5
	KindInformation Kind = 6
	KindProgress    Kind = 7

	// KindEnd closes a pipeline; Data is the JSON of a PipelineEnd.
	KindEnd Kind = 64
	// KindGap stands for records that were discarded; Data is the JSON of a Gap.
	KindGap Kind = 65
	// KindInputState tells that the pipeline's InputState changed; Data is its text.
	KindInputState Kind = 66

	// KindHello opens an attachment; Data is the JSON of a StreamHello.
	KindHello Kind = 128
	// KindAck acknowledges all records of Pipeline up to Seq (client to session host).
	KindAck Kind = 129
	// KindInput carries standard input; Seq is the offset of its first byte.
	KindInput Kind = 130
	// KindInputEnd is the client's end-of-file; Seq is the total length.
	KindInputEnd Kind = 131
	// KindInputWindow lets the client send input up to the offset in Seq.
	KindInputWindow Kind = 132
	// KindHeartbeat keeps a quiet attachment known to be alive.
	KindHeartbeat Kind = 133
	// KindSignal asks for a signal to the running command; Data is its name ("INT").
	KindSignal Kind = 134
	// KindDone tells that everything asked for was delivered (session host to client).
	KindDone Kind = 135
	// KindFault ends an attachment early; Data is the JSON of an Error.
	KindFault Kind = 136
	// KindAcked answers the client's last KindAck before it closes (session host to client).
	KindAcked Kind = 137
	// KindJobState tells the new state of a job; Data is the JSON of a Job (agent to client).
	KindJobState Kind = 138
)

// kindNames are PowerShell's names of the streams, as JSON output shows them.
var kindNames = map[Kind]string{
	KindOutput: "Output", KindError: "Error", KindWarning: "Warning", KindVerbose: "Verbose",
	KindDebug: "Debug", KindInformation: "Information", KindProgress: "Progress",
	KindEnd: "End", KindGap: "Gap", KindInputState: "InputState",
}

// String returns PowerShell's name of the stream, or Kind(N) for others.
func (k Kind) String() string {
	if s, ok := kindNames[k]; ok {
		return s
	}
	return fmt.Sprintf("Kind(%d)", uint8(k))
}

// IsStream reports whether k is one of PowerShell's output streams.
func (k Kind) IsStream() bool { return k >= KindOutput && k <= KindProgress }

// Record is one entry of a pipeline's output, the same in memory, in the spool
// and on the wire. Seq counts from 1 within its pipeline without gaps, except
// where a KindGap record says so.
type Record struct {
	Pipeline uint32
	Seq      uint64
	Kind     Kind
	Time     time.Time // wall clock of arrival, nanoseconds
	Data     []byte
}

const (
	// FrameHeaderSize is the length in bytes of an encoded record without its data.
	FrameHeaderSize = 32
	// MaxFrameData is the largest Data of one record in bytes.
	MaxFrameData = 1 << 20
)

// ErrShortFrame says that the buffer ends inside a frame.
var ErrShortFrame = errors.New("frame is incomplete")

// ErrCorruptFrame says that the bytes are no frame, or fail their checksum.
var ErrCorruptFrame = errors.New("frame is corrupt")

// PutFrameHeader writes the header of rec, whose Data must not exceed
// MaxFrameData, into h[:FrameHeaderSize]; h followed by rec.Data is the frame.
//
// Layout, little-endian: crc32c u32 (of all that follows) | length u32 | kind u8
// | flags u8 (0) | reserved u16 (0) | pipeline u32 | seq u64 | unix nanoseconds i64.
func PutFrameHeader(h []byte, rec *Record) {
	_ = h[FrameHeaderSize-1]
	binary.LittleEndian.PutUint32(h[4:], uint32(len(rec.Data)))
	h[8], h[9], h[10], h[11] = byte(rec.Kind), 0, 0, 0
	binary.LittleEndian.PutUint32(h[12:], rec.Pipeline)
	binary.LittleEndian.PutUint64(h[16:], rec.Seq)
	binary.LittleEndian.PutUint64(h[24:], uint64(rec.Time.UnixNano()))
	crc := checksum(0, h[4:FrameHeaderSize])
	binary.LittleEndian.PutUint32(h, checksum(crc, rec.Data))
}

// AppendFrame appends rec's frame to dst.
func AppendFrame(dst []byte, rec *Record) []byte {
	var h [FrameHeaderSize]byte
	PutFrameHeader(h[:], rec)
	return append(append(dst, h[:]...), rec.Data...)
}

// FrameLength returns the whole length of the frame that starts with the header
// h, or ErrCorruptFrame if h announces more than MaxFrameData.
func FrameLength(h []byte) (int, error) {
	n := binary.LittleEndian.Uint32(h[4:])
	if n > MaxFrameData {
		return 0, fmt.Errorf("%w: length %d", ErrCorruptFrame, n)
	}
	return FrameHeaderSize + int(n), nil
}

// ParseFrame decodes the frame at the start of b and returns its length. Data
// aliases b. It fails with ErrShortFrame or ErrCorruptFrame.
func ParseFrame(b []byte) (rec Record, n int, err error) {
	if len(b) < FrameHeaderSize {
		return Record{}, 0, ErrShortFrame
	}
	n, err = FrameLength(b)
	if err != nil {
		return Record{}, 0, err
	}
	if len(b) < n {
		return Record{}, 0, ErrShortFrame
	}
	if checksum(0, b[4:n]) != binary.LittleEndian.Uint32(b) {
		return Record{}, 0, fmt.Errorf("%w: checksum", ErrCorruptFrame)
	}
	return Record{
		Kind:     Kind(b[8]),
		Pipeline: binary.LittleEndian.Uint32(b[12:]),
		Seq:      binary.LittleEndian.Uint64(b[16:]),
		Time:     time.Unix(0, int64(binary.LittleEndian.Uint64(b[24:]))),
		Data:     b[FrameHeaderSize:n:n],
	}, n, nil
}

// FrameReader reads frames from a stream.
type FrameReader struct {
	r    *bufio.Reader
	buf  []byte
	have int // of the frame that is under way
}

// NewFrameReader returns a FrameReader on r.
func NewFrameReader(r *bufio.Reader) *FrameReader { return &FrameReader{r: r} }

// Next returns the next record; its Data is valid until the following call. At
// the end of the stream it returns io.EOF, inside a frame io.ErrUnexpectedEOF. After
// an error of the stream that passes, as a deadline's, the next call goes on where this
// one was.
func (f *FrameReader) Next() (Record, error) {
	if f.have == 0 {
		h, err := f.r.Peek(FrameHeaderSize)
		if err != nil {
			if err == io.EOF && len(h) > 0 {
				err = io.ErrUnexpectedEOF
			}
			return Record{}, err
		}
		n, err := FrameLength(h)
		if err != nil {
			return Record{}, err
		}
		if cap(f.buf) < n {
			f.buf = make([]byte, n, max(n, 4<<10))
		}
		f.buf = f.buf[:n]
	}
	n, err := io.ReadFull(f.r, f.buf[f.have:])
	f.have += n
	if err != nil {
		if err == io.EOF {
			err = io.ErrUnexpectedEOF
		}
		return Record{}, err
	}
	f.have = 0
	rec, _, err := ParseFrame(f.buf)
	return rec, err
}

// WriteFrame writes rec as one frame to w in a single Write.
func WriteFrame(w io.Writer, rec *Record) error {
	_, err := w.Write(AppendFrame(make([]byte, 0, FrameHeaderSize+len(rec.Data)), rec))
	return err
}
