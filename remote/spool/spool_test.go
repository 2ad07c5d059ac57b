package spool

import (
	"context"
	"encoding/json"
	"io"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"pss/remote/api"
)

const testSession = "8a5c0f6e-6c1f-4f0e-9a53-2f3b0f7c1d11"

func options(limit int64) Options {
	return Options{SessionID: testSession, Pipeline: 7, Limit: limit}
}

// memoryDir is a temporary folder without a disk below it, where there is one: tests
// that make thousands of files measure the disk otherwise.
func memoryDir(t testing.TB) string {
	dir, err := os.MkdirTemp("/dev/shm", "spool")
	if err != nil {
		return t.TempDir()
	}
	t.Cleanup(func() { _ = os.RemoveAll(dir) })
	return dir
}

// small makes segments of a few records, so that all that happens between
// segments happens often.
func small(mode api.OutputBufferingMode, limit int64) Options {
	o := options(limit)
	o.Mode, o.SegmentSize, o.Retain = mode, 1<<10, -1
	return o
}

func create(t testing.TB, o Options) *Spool {
	t.Helper()
	s, err := Create(filepath.Join(t.TempDir(), "7"), o)
	require.NoError(t, err)
	t.Cleanup(func() { _ = s.Close() })
	return s
}

func reopen(t testing.TB, s *Spool) (*Spool, Repair) {
	t.Helper()
	_ = s.Close()
	n, rep, err := Open(s.dir, s.o)
	require.NoError(t, err)
	t.Cleanup(func() { _ = n.Close() })
	return n, rep
}

func put(t testing.TB, s *Spool, texts ...string) {
	t.Helper()
	for _, d := range texts {
		_, err := s.Append(api.KindOutput, []byte(d))
		require.NoError(t, err)
	}
}

// tester is what testing and rapid have in common.
type tester interface {
	require.TestingT
	Helper()
}

// parse splits frames; the records own their data.
func parse(t tester, frames []byte) []api.Record {
	t.Helper()
	var out []api.Record
	for len(frames) > 0 {
		rec, n, err := api.ParseFrame(frames)
		require.NoError(t, err)
		rec.Data = append([]byte(nil), rec.Data...)
		out = append(out, rec)
		frames = frames[n:]
	}
	return out
}

// drain reads all there is now.
func drain(t tester, r *Reader) []api.Record {
	t.Helper()
	var out []api.Record
	buf := make([]byte, 4<<10)
	for {
		frames, ok, err := r.TryNext(buf)
		if !ok && (err == nil || err == io.EOF) {
			return out
		}
		require.NoError(t, err)
		out = append(out, parse(t, frames)...)
	}
}

func gapOf(t tester, rec api.Record) api.Gap {
	t.Helper()
	require.Equal(t, api.KindGap, rec.Kind)
	var g api.Gap
	require.NoError(t, json.Unmarshal(rec.Data, &g))
	return g
}

func texts(recs []api.Record) []string {
	var out []string
	for _, r := range recs {
		out = append(out, string(r.Data))
	}
	return out
}

func segmentFiles(t testing.TB, dir string) []string {
	t.Helper()
	files, err := filepath.Glob(filepath.Join(dir, "*"+segmentSuffix))
	require.NoError(t, err)
	return files
}

func TestEmptySpoolCostsNoFileAndReopens(t *testing.T) {
	s := create(t, options(100))
	entries, err := os.ReadDir(s.dir)
	require.NoError(t, err)
	require.Empty(t, entries)
	s, rep := reopen(t, s)
	require.Equal(t, Repair{}, rep)
	require.Equal(t, Stats{First: 1}, s.Stats())
	put(t, s, "a")
	require.Equal(t, []string{"a"}, texts(drain(t, s.NewReader(0))))
}

func TestCreateAndOptions(t *testing.T) {
	dir := filepath.Join(t.TempDir(), "7")
	_, err := Create(dir, Options{})
	require.True(t, api.IsCode(err, api.CodeInvalidArgument), err)
	_, err = Create(dir, Options{Limit: 1, SessionID: strings.Repeat("x", 65)})
	require.True(t, api.IsCode(err, api.CodeInvalidArgument), err)
	_, err = Create(dir, options(1))
	require.NoError(t, err)
	_, err = Create(dir, options(1))
	require.ErrorIs(t, err, os.ErrExist)
	_, _, err = Open(dir+"x", options(1))
	require.ErrorIs(t, err, os.ErrNotExist)
}

func TestAppendSplitsAndReadsBack(t *testing.T) {
	s := create(t, options(1<<30))
	data := make([]byte, 2*api.MaxFrameData+5)
	for i := range data {
		data[i] = byte(i * 7 / 3)
	}
	last, err := s.Append(api.KindError, data)
	require.NoError(t, err)
	require.EqualValues(t, 3, last)
	last, err = s.AppendControl(api.KindEnd, []byte("{}"))
	require.NoError(t, err)
	require.EqualValues(t, 4, last)
	var got []byte
	recs := drain(t, s.NewReader(0))
	require.Len(t, recs, 4)
	for i, r := range recs {
		require.EqualValues(t, i+1, r.Seq)
		require.EqualValues(t, 7, r.Pipeline)
		if r.Kind == api.KindError {
			got = append(got, r.Data...)
		}
	}
	require.Equal(t, data, got)
	require.Equal(t, Stats{First: 1, Last: 4, UnreadBytes: int64(len(data)), UnreadRecords: 4}, s.Stats())
	require.Equal(t, []string{"{}"}, texts(drain(t, s.NewReader(3))))
	require.Empty(t, drain(t, s.NewReader(99)))
}

func TestAck(t *testing.T) {
	s := create(t, options(1<<20))
	put(t, s, "one", "two", "three")
	require.True(t, api.IsCode(s.Ack(4), api.CodeInvalidArgument))
	require.NoError(t, s.Ack(2))
	require.NoError(t, s.Ack(1))
	want := Stats{First: 1, Last: 3, Acked: 2, UnreadBytes: 5, UnreadRecords: 1}
	require.Equal(t, want, s.Stats())
	s, rep := reopen(t, s)
	require.Equal(t, want, s.Stats())
	require.Equal(t, Repair{}, rep)
	require.NoError(t, s.Ack(3))
	require.Zero(t, s.Stats().UnreadBytes)
	put(t, s, "four")
	require.Equal(t, []string{"three", "four"}, texts(drain(t, s.NewReader(2))))
}

func TestRetainKeepsAcknowledgedForReplay(t *testing.T) {
	o := small(api.BufferingBlock, 1<<20)
	o.Retain = 4 << 10
	s := create(t, o)
	for range 100 {
		put(t, s, strings.Repeat("x", 200))
	}
	require.EqualValues(t, 1, s.Stats().First)
	require.NoError(t, s.Ack(100))
	st := s.Stats()
	require.Greater(t, st.First, uint64(50))
	require.Less(t, st.First, uint64(85))
	recs := drain(t, s.NewReader(0))
	require.Equal(t, api.Gap{Records: st.First - 1, Bytes: int64(st.First-1) * 200, Reason: "Dropped"}, gapOf(t, recs[0]))
	require.Equal(t, st.First-1, recs[0].Seq)
	require.Len(t, recs, int(100-st.First)+2)
	require.Zero(t, st.DroppedRecords, "acknowledged records are not dropped ones")
}

func TestSealAndLate(t *testing.T) {
	s := create(t, options(1<<20))
	put(t, s, "out")
	_, err := s.AppendControl(api.KindEnd, []byte("end"))
	require.NoError(t, err)
	r := s.NewReader(0)
	require.NoError(t, s.Seal())
	require.NoError(t, s.Seal())
	_, err = s.Append(api.KindOutput, nil)
	require.ErrorIs(t, err, ErrSealed)
	_, err = s.AppendControl(api.KindEnd, nil)
	require.ErrorIs(t, err, ErrSealed)
	require.Equal(t, []string{"out", "end"}, texts(drain(t, r)))
	_, err = r.Next(context.Background(), nil)
	require.Equal(t, io.EOF, err)
	require.NoError(t, s.AppendLate(api.KindOutput, []byte("late")))
	require.Equal(t, []string{"late"}, texts(drain(t, r)))
	s, _ = reopen(t, s)
	require.True(t, s.Stats().Sealed)
	require.NoError(t, s.AppendLate(api.KindOutput, []byte("later")))
	require.Equal(t, []string{"out", "end", "late", "later"}, texts(drain(t, s.NewReader(0))))
}

func TestLateRingKeepsOutputOfTheCommand(t *testing.T) {
	s := create(t, options(1<<20))
	put(t, s, "out")
	require.NoError(t, s.Seal())
	const n = 300
	for range n {
		require.NoError(t, s.AppendLate(api.KindOutput, make([]byte, 10_000)))
	}
	check := func(s *Spool) {
		st := s.Stats()
		recs := drain(t, s.NewReader(0))
		require.Equal(t, "out", string(recs[0].Data))
		require.Equal(t, api.Gap{Records: st.DroppedRecords, Bytes: st.DroppedBytes, Reason: "Dropped"}, gapOf(t, recs[1]))
		kept := len(recs) - 2
		require.EqualValues(t, n-kept, st.DroppedRecords)
		require.EqualValues(t, 3+kept*10_000, st.UnreadBytes)
		require.InDelta(t, lateLimit, kept*10_000, dropStep+10_000)
		require.True(t, st.Dropping)
		require.EqualValues(t, kept+1, st.UnreadRecords)
	}
	check(s)
	s, rep := reopen(t, s)
	require.Equal(t, Repair{}, rep)
	check(s)
	require.LessOrEqual(t, len(segmentFiles(t, s.dir)), 7)
}

func TestNextWaitsAndIsWoken(t *testing.T) {
	s := create(t, options(1<<20))
	r := s.NewReader(0)
	_, ok, err := r.TryNext(nil)
	require.False(t, ok)
	require.NoError(t, err)
	type result struct {
		frames []byte
		err    error
	}
	got := make(chan result)
	next := func(ctx context.Context) {
		f, err := r.Next(ctx, nil)
		got <- result{f, err}
	}
	go next(context.Background())
	put(t, s, "x")
	res := <-got
	require.NoError(t, res.err)
	require.Equal(t, []string{"x"}, texts(parse(t, res.frames)))
	ctx, cancel := context.WithCancel(context.Background())
	go next(ctx)
	cancel()
	require.ErrorIs(t, (<-got).err, context.Canceled)
	go next(context.Background())
	require.NoError(t, s.Seal())
	require.Equal(t, io.EOF, (<-got).err)
	require.NoError(t, s.Close())
	_, _, err = r.TryNext(nil)
	require.ErrorIs(t, err, ErrClosed)
	_, err = s.Append(api.KindOutput, nil)
	require.ErrorIs(t, err, ErrClosed)
	require.ErrorIs(t, s.Ack(1), ErrClosed)
	require.ErrorIs(t, s.Sync(), ErrClosed)
}

func TestTwoReadersAndTwoWriters(t *testing.T) {
	o := small(api.BufferingBlock, 4<<10)
	s := create(t, o)
	const n = 2000
	write := func(kind api.Kind, done chan<- error) {
		for range n {
			if _, err := s.Append(kind, []byte(kind.String())); err != nil {
				done <- err
				return
			}
		}
		done <- nil
	}
	writers := make(chan error, 2)
	go write(api.KindOutput, writers)
	go write(api.KindError, writers)
	peeked := make(chan int)
	go func() { // never acknowledges, may find gaps
		r, count := s.NewReader(0), 0
		for {
			frames, err := r.Next(context.Background(), make([]byte, 300))
			if err != nil {
				peeked <- count
				return
			}
			for len(frames) > 0 {
				rec, k, err := api.ParseFrame(frames)
				if err != nil {
					peeked <- -1
					return
				}
				var g api.Gap
				if rec.Kind == api.KindGap && json.Unmarshal(rec.Data, &g) == nil {
					count += int(g.Records)
				} else {
					count++
				}
				frames = frames[k:]
			}
		}
	}()
	r := s.NewReader(0)
	counts := map[api.Kind]int{}
	for seq := uint64(1); seq <= 2*n; {
		frames, err := r.Next(context.Background(), make([]byte, 1<<10))
		require.NoError(t, err)
		for _, rec := range parse(t, frames) {
			require.Equal(t, seq, rec.Seq)
			require.Equal(t, rec.Kind.String(), string(rec.Data))
			counts[rec.Kind]++
			seq++
		}
		require.NoError(t, s.Ack(r.Seq()))
	}
	require.NoError(t, <-writers)
	require.NoError(t, <-writers)
	require.NoError(t, s.Seal())
	require.Equal(t, 2*n, <-peeked)
	require.Equal(t, map[api.Kind]int{api.KindOutput: n, api.KindError: n}, counts)
}

func TestRemove(t *testing.T) {
	s := create(t, options(10))
	put(t, s, "x")
	require.NoError(t, s.Close())
	require.NoError(t, os.MkdirAll(s.dir+".removed/rest", 0o700))
	require.NoError(t, Remove(s.dir))
	require.NoError(t, Remove(s.dir))
	entries, err := os.ReadDir(filepath.Dir(s.dir))
	require.NoError(t, err)
	require.Empty(t, entries)
}

func TestSync(t *testing.T) {
	s := create(t, small(api.BufferingBlock, 1<<20))
	for range 20 {
		put(t, s, strings.Repeat("y", 300))
	}
	require.NoError(t, s.Sync())
	require.NoError(t, s.Sync())
	require.NoError(t, s.Seal())
	require.NoError(t, s.Sync())
}
