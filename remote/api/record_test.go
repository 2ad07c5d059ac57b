package api_test

import (
	"bufio"
	"bytes"
	"errors"
	"io"
	"os"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"pss/remote/api"
)

// FuzzFrame: parsing never panics, what it accepts is exactly what appending
// writes, and whatever record is appended is read back unchanged.
func FuzzFrame(f *testing.F) {
	f.Add([]byte{}, uint32(1), uint64(1), uint8(1), int64(0), []byte("data"))
	frame := api.AppendFrame(nil, &api.Record{Pipeline: 7, Seq: 9, Kind: api.KindEnd, Time: time.Unix(0, 5), Data: []byte(`{"ExitCode":3}`)})
	f.Add(frame, uint32(0), uint64(1<<63), uint8(200), int64(-1), []byte{})
	f.Add(append(frame, frame...), uint32(1<<31), uint64(0), uint8(0), int64(1)<<62, bytes.Repeat([]byte{0xff}, 100))
	f.Add(frame[:len(frame)-1], uint32(1), uint64(1), uint8(90), int64(1), frame)
	f.Add(bytes.Repeat([]byte{0xff}, 64), uint32(1), uint64(1), uint8(1), int64(1), frame[:31])
	f.Fuzz(func(t *testing.T, raw []byte, pipeline uint32, seq uint64, kind uint8, nanos int64, data []byte) {
		rec, n, err := api.ParseFrame(raw)
		switch {
		case err == nil:
			require.LessOrEqual(t, n, len(raw))
			require.GreaterOrEqual(t, n, api.FrameHeaderSize)
			// The three bytes behind the kind are reserved: a reader ignores them.
			if bytes.Equal(raw[9:12], []byte{0, 0, 0}) {
				require.Equal(t, raw[:n], api.AppendFrame(nil, &rec))
			}
		case errors.Is(err, api.ErrShortFrame), errors.Is(err, api.ErrCorruptFrame):
			require.Zero(t, n)
		default:
			t.Fatalf("unexpected error: %v", err)
		}
		readAll(t, raw)

		want := api.Record{Pipeline: pipeline, Seq: seq, Kind: api.Kind(kind), Time: time.Unix(0, nanos), Data: data}
		prefix := []byte("before")
		b := api.AppendFrame(prefix, &want)
		require.Equal(t, prefix, b[:len(prefix)])
		b = b[len(prefix):]
		got, n, err := api.ParseFrame(append(bytes.Clone(b), raw...))
		require.NoError(t, err)
		require.Equal(t, len(b), n)
		requireSame(t, want, got)
		for _, cut := range []int{0, 1, api.FrameHeaderSize - 1, len(b) - 1} {
			_, _, err := api.ParseFrame(b[:min(cut, len(b)-1)])
			require.ErrorIs(t, err, api.ErrShortFrame)
		}
		flipped := bytes.Clone(b)
		flipped[int(seq%uint64(len(b)))] ^= 1 << (nanos & 7)
		_, _, err = api.ParseFrame(flipped)
		require.Error(t, err, "one flipped bit")
	})
}

// readAll reads frames until the first error, which must be an orderly one.
func readAll(t *testing.T, raw []byte) {
	r := api.NewFrameReader(bufio.NewReader(bytes.NewReader(raw)))
	for {
		if _, err := r.Next(); err != nil {
			if !errors.Is(err, io.EOF) && !errors.Is(err, io.ErrUnexpectedEOF) && !errors.Is(err, api.ErrCorruptFrame) {
				t.Fatalf("unexpected error: %v", err)
			}
			return
		}
	}
}

func requireSame(t *testing.T, want, got api.Record) {
	t.Helper()
	require.True(t, want.Time.Equal(got.Time))
	require.Equal(t, string(want.Data), string(got.Data))
	want.Time, got.Time, want.Data, got.Data = time.Time{}, time.Time{}, nil, nil
	require.Equal(t, want, got)
}

func TestFrameReaderTakesFramesInAnyPieces(t *testing.T) {
	var stream []byte
	var want []api.Record
	for i := range 50 {
		rec := api.Record{Pipeline: 3, Seq: uint64(i + 1), Kind: api.Kind(i * 5), Time: time.Unix(5, int64(i)), Data: bytes.Repeat([]byte{byte(i)}, i*i*20)}
		want = append(want, rec)
		stream = api.AppendFrame(stream, &rec)
	}
	for _, size := range []int{16, 32, 33, 4096, 1 << 20} {
		r := api.NewFrameReader(bufio.NewReaderSize(io.MultiReader(bytes.NewReader(stream[:100]), bytes.NewReader(stream[100:])), max(size, api.FrameHeaderSize)))
		for i := range want {
			rec, err := r.Next()
			require.NoError(t, err)
			requireSame(t, want[i], rec)
		}
		_, err := r.Next()
		require.ErrorIs(t, err, io.EOF)
	}
	r := api.NewFrameReader(bufio.NewReader(bytes.NewReader(stream[:len(stream)-1])))
	var err error
	for err == nil {
		_, err = r.Next()
	}
	require.ErrorIs(t, err, io.ErrUnexpectedEOF)
}

// late is a stream on which a deadline passes between its two parts.
type late struct {
	parts  [2][]byte
	passed bool
}

func (l *late) Read(p []byte) (n int, err error) {
	if len(l.parts[0]) > 0 {
		n = copy(p, l.parts[0])
		l.parts[0] = l.parts[0][n:]
		return n, nil
	}
	if !l.passed {
		l.passed = true
		return 0, os.ErrDeadlineExceeded
	}
	if len(l.parts[1]) == 0 {
		return 0, io.EOF
	}
	n = copy(p, l.parts[1])
	l.parts[1] = l.parts[1][n:]
	return n, nil
}

// A deadline that passes in the middle of a frame costs nothing of it.
func TestFrameReaderGoesOn(t *testing.T) {
	data := api.AppendFrame(nil, &api.Record{Pipeline: 1, Seq: 1, Kind: api.KindOutput, Data: []byte("first")})
	data = api.AppendFrame(data, &api.Record{Pipeline: 1, Seq: 2, Kind: api.KindOutput, Data: bytes.Repeat([]byte("second"), 100)})
	for cut := range len(data) {
		f := api.NewFrameReader(bufio.NewReaderSize(&late{parts: [2][]byte{data[:cut], data[cut:]}}, 64))
		var got []uint64
		for {
			rec, err := f.Next()
			if errors.Is(err, os.ErrDeadlineExceeded) {
				continue
			}
			if err != nil {
				require.ErrorIs(t, err, io.EOF, "cut after %d bytes", cut)
				break
			}
			got = append(got, rec.Seq)
		}
		require.Equal(t, []uint64{1, 2}, got, "cut after %d bytes", cut)
	}
}
