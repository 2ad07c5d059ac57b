package spool

import (
	"bytes"
	"context"
	"fmt"
	"os"
	"path/filepath"
	"runtime"
	"strings"
	"sync/atomic"
	"syscall"
	"testing"

	"github.com/stretchr/testify/require"

	"pss/remote/api"
)

func TestBlockAtTheLimitAndResume(t *testing.T) {
	for name, resume := range map[string]func(s *Spool) error{
		"Ack":       func(s *Spool) error { return s.Ack(1) },
		"Drop":      func(s *Spool) error { s.SetMode(api.BufferingDrop, 0); return nil },
		"Limit":     func(s *Spool) error { s.SetMode(api.BufferingNone, 11); return nil },
		"Unblock":   func(s *Spool) error { s.Unblock(); return nil },
		"Close":     func(s *Spool) error { return s.Close() },
		"Seal":      func(s *Spool) error { return s.Seal() },
		"AckReopen": func(s *Spool) error { return s.Ack(3) },
	} {
		t.Run(name, func(t *testing.T) {
			changes := make(chan struct{}, 10)
			o := options(10)
			o.OnChange = func() { changes <- struct{}{} }
			s := create(t, o)
			put(t, s, "1234567") // 7 of 10: no reason to speak
			require.Empty(t, changes)
			put(t, s, "89") // 9 of 10: not full, but nearly
			<-changes
			require.True(t, s.Stats().NearlyFull)
			put(t, s, "0") // exactly 10: the next one waits
			require.False(t, s.Stats().Blocked)
			done := make(chan error)
			go func() {
				_, err := s.Append(api.KindOutput, []byte("a"))
				done <- err
			}()
			select {
			case <-changes:
			case <-done:
				t.Fatal("did not block")
			}
			require.True(t, s.Stats().Blocked)
			_, err := s.AppendControl(api.KindInputState, []byte("never waits"))
			require.NoError(t, err)
			require.EqualValues(t, 10, s.Stats().UnreadBytes)
			select {
			case <-done:
				t.Fatal("did not block")
			default:
			}
			require.NoError(t, resume(s))
			<-changes
			err = <-done
			switch name {
			case "Close":
				require.ErrorIs(t, err, ErrClosed)
			case "Seal":
				require.ErrorIs(t, err, ErrSealed)
			default:
				require.NoError(t, err)
				require.EqualValues(t, 5, s.Stats().Last)
			}
			require.False(t, s.Stats().Blocked)
		})
	}
}

func TestUnblockIsForGood(t *testing.T) {
	s := create(t, options(1))
	s.Unblock()
	put(t, s, "one", "two", "three")
	s.SetMode(api.BufferingBlock, 1)
	put(t, s, "four")
	require.EqualValues(t, 15, s.Stats().UnreadBytes)
}

func TestDropCountsAreExact(t *testing.T) {
	for _, size := range []int{1, 99, 100, 5000} {
		t.Run(fmt.Sprint(size), func(t *testing.T) {
			limit := int64(20 * size)
			s := create(t, small(api.BufferingDrop, limit))
			early := s.NewReader(0)
			data := bytes.Repeat([]byte("d"), size)
			const n = 100
			put(t, s, string(data))
			require.Len(t, drain(t, early), 1)
			for range n - 1 {
				put(t, s, string(data))
			}
			check := func(s *Spool, after uint64, recs []api.Record) {
				st := s.Stats()
				require.True(t, st.Dropping)
				require.LessOrEqual(t, st.UnreadBytes, limit)
				require.GreaterOrEqual(t, st.UnreadBytes, limit-limit/8-int64(size))
				require.EqualValues(t, n-st.UnreadBytes/int64(size), st.DroppedRecords)
				require.EqualValues(t, int64(st.DroppedRecords)*int64(size), st.DroppedBytes)
				require.Equal(t, st.First, st.DroppedRecords+1)
				require.Equal(t, api.Gap{
					Records: st.DroppedRecords - after,
					Bytes:   int64(st.DroppedRecords-after) * int64(size), Reason: "Dropped",
				}, gapOf(t, recs[0]))
				require.Equal(t, st.DroppedRecords, recs[0].Seq)
				for i, r := range recs[1:] {
					require.Equal(t, st.First+uint64(i), r.Seq)
				}
				require.Len(t, recs[1:], int(n-st.DroppedRecords))
			}
			check(s, 1, drain(t, early))
			check(s, 0, drain(t, s.NewReader(0)))
			s, rep := reopen(t, s)
			require.Equal(t, Repair{}, rep)
			check(s, 0, drain(t, s.NewReader(0)))
			require.NoError(t, s.Ack(n))
			require.False(t, s.Stats().Dropping)
		})
	}
}

func TestDropBehindTheAcknowledged(t *testing.T) {
	s := create(t, small(api.BufferingDrop, 100))
	put(t, s, strings.Repeat("a", 40), strings.Repeat("b", 40))
	require.NoError(t, s.Ack(1))
	put(t, s, strings.Repeat("c", 40), strings.Repeat("d", 40))
	st := s.Stats()
	require.Equal(t, Stats{
		First: 3, Last: 4, Acked: 1, UnreadBytes: 80, UnreadRecords: 2,
		Dropping: true, DroppedRecords: 1, DroppedBytes: 40,
	}, st)
	require.Equal(t, api.Gap{Records: 1, Bytes: 40, Reason: "Dropped"}, gapOf(t, drain(t, s.NewReader(1))[0]))
	require.Equal(t, api.Gap{Records: 2, Bytes: 80, Reason: "Dropped"}, gapOf(t, drain(t, s.NewReader(0))[0]))
}

func TestSetModeDropTakesEffectAtOnce(t *testing.T) {
	s := create(t, options(1000))
	for range 10 {
		put(t, s, strings.Repeat("x", 100))
	}
	s.SetMode(api.BufferingDrop, 300)
	require.LessOrEqual(t, s.Stats().UnreadBytes, int64(300))
	require.EqualValues(t, 7*100, s.Stats().DroppedBytes+s.Stats().UnreadBytes-300)
}

func TestRecycledFilesKeepTheirNumber(t *testing.T) {
	s := create(t, small(api.BufferingBlock, 1<<20))
	for i := range 500 {
		put(t, s, strings.Repeat("r", 100))
		require.NoError(t, s.Ack(uint64(i+1)))
	}
	entries, err := os.ReadDir(s.dir)
	require.NoError(t, err)
	require.LessOrEqual(t, len(entries), 1+1+maxSpares)
	require.NotEmpty(t, s.spares)
	require.NoError(t, s.Seal())
	require.Empty(t, s.spares)
}

// A recycled file holds intact old frames behind the new ones, at frame boundaries.
func TestStaleFramesOfARecycledSegmentAreNoData(t *testing.T) {
	s := create(t, small(api.BufferingBlock, 1<<20))
	for i := range 40 {
		put(t, s, fmt.Sprintf("%0100d", i))
		require.NoError(t, s.Ack(uint64(i+1)))
	}
	for len(s.spares) == 0 || s.active.next != s.active.first+2 {
		put(t, s, fmt.Sprintf("%0100d", 99))
		require.NoError(t, s.Ack(s.Stats().Last))
	}
	active := s.active
	full, err := os.Stat(active.file.path)
	require.NoError(t, err)
	require.Greater(t, full.Size(), active.size, "the file is a recycled one")
	last := s.Stats().Last
	dir := copyDir(t, s.dir)

	n, rep, err := Open(dir, s.o)
	require.NoError(t, err)
	defer n.Close()
	require.Zero(t, rep.DamagedRecords)
	require.Equal(t, full.Size()-active.size, rep.TruncatedBytes)
	require.Equal(t, last, n.Stats().Last)
	put(t, n, "next")
	require.Equal(t, []string{"next"}, texts(drain(t, n.NewReader(last))))
}

func TestSlowPeekReaderSeesAGapNotGarbage(t *testing.T) {
	s := create(t, small(api.BufferingBlock, 1<<20))
	slow, quick := s.NewReader(0), s.NewReader(0)
	var stop atomic.Bool
	done := make(chan error, 1)
	go func() {
		buf := make([]byte, 400)
		next := uint64(1)
		for !stop.Load() {
			frames, ok, err := slow.TryNext(buf)
			if err != nil {
				done <- err
				return
			}
			for ok && len(frames) > 0 {
				rec, n, err := api.ParseFrame(frames)
				if err != nil {
					done <- err
					return
				}
				if rec.Kind != api.KindGap && (rec.Seq != next || string(rec.Data) != fmt.Sprintf("%0100d", rec.Seq)) {
					done <- fmt.Errorf("record %d is %q, want %d", rec.Seq, rec.Data, next)
					return
				}
				next = rec.Seq + 1
				frames = frames[n:]
			}
			runtime.Gosched()
		}
		done <- nil
	}()
	buf := make([]byte, 4<<10)
	for i := 1; i <= 5000; i++ {
		put(t, s, fmt.Sprintf("%0100d", i))
		if i%5 == 0 {
			_, err := quick.Next(context.Background(), buf)
			require.NoError(t, err)
			require.NoError(t, s.Ack(quick.Seq()))
		}
	}
	stop.Store(true)
	require.NoError(t, <-done)
}

// A reader that is inside a read keeps its file from being written over.
func TestSegmentBeingReadIsNotRecycled(t *testing.T) {
	s := create(t, small(api.BufferingBlock, 1<<20))
	for range 40 {
		put(t, s, strings.Repeat("k", 100))
	}
	first := s.segs[0]
	s.mu.Lock()
	require.NoError(t, s.acquireLocked(first.file))
	s.mu.Unlock()
	require.NoError(t, s.Ack(40))
	for range 100 {
		put(t, s, strings.Repeat("z", 100))
	}
	b := make([]byte, first.size-first.start)
	_, err := first.file.f.ReadAt(b, first.start)
	require.NoError(t, err)
	for i, rec := range parse(t, b) {
		require.EqualValues(t, i+1, rec.Seq)
	}
	s.mu.Lock()
	s.releaseLocked(first.file)
	require.Nil(t, first.file.f)
	s.mu.Unlock()
}

// faultyFile fails writes of records once room is used up, after writing a part.
type faultyFile struct {
	file
	room *int64
}

func (f faultyFile) WriteRecord(h, data []byte, off int64) error {
	all := append(append([]byte(nil), h...), data...)
	if n := int64(len(all)); n > *f.room {
		if _, err := f.WriteAt(all[:*f.room], off); err != nil {
			return err
		}
		return &os.PathError{Op: "write", Path: "segment", Err: syscall.ENOSPC}
	}
	*f.room -= int64(len(all))
	return f.file.WriteRecord(h, data, off)
}

func TestDiskFullLeavesNothingHalfWritten(t *testing.T) {
	for _, room := range []int64{0, 10, 131, 132, 200, 132*3 + 31} {
		s := create(t, small(api.BufferingBlock, 1<<20))
		left := room
		s.open = func(path string, flag int) (file, error) {
			f, err := openOS(path, flag)
			return faultyFile{f, &left}, err
		}
		written := 0
		var err error
		for err == nil {
			if _, err = s.Append(api.KindOutput, bytes.Repeat([]byte("e"), 100)); err == nil {
				written++
			}
		}
		require.True(t, api.IsCode(err, api.CodeDiskFull), err)
		require.ErrorIs(t, err, syscall.ENOSPC)
		require.EqualValues(t, room/132, written)
		require.Len(t, drain(t, s.NewReader(0)), written)
		n, rep, err := Open(copyDir(t, s.dir), s.o)
		require.NoError(t, err)
		require.Equal(t, Repair{}, rep)
		require.EqualValues(t, written, n.Stats().Last)
		require.NoError(t, n.Close())
		left = 1 << 20
		put(t, s, "room again")
		recs := drain(t, s.NewReader(0))
		require.Equal(t, "room again", string(recs[written].Data))
		require.NoError(t, s.Seal())
		require.NoError(t, s.AppendLate(api.KindOutput, []byte("late")))
	}
}

func TestFailedFirstWriteThenSealThenLate(t *testing.T) {
	s := create(t, options(100))
	left := int64(0)
	s.open = func(path string, flag int) (file, error) {
		f, err := openOS(path, flag)
		return faultyFile{f, &left}, err
	}
	_, err := s.Append(api.KindOutput, []byte("x"))
	require.Error(t, err)
	require.NoError(t, s.Seal())
	left = 1 << 20
	require.NoError(t, s.AppendLate(api.KindOutput, []byte("late")))
	require.Equal(t, []string{"late"}, texts(drain(t, s.NewReader(0))))
	s, rep := reopen(t, s)
	require.Equal(t, Repair{}, rep)
	require.Equal(t, []string{"late"}, texts(drain(t, s.NewReader(0))))
}

func TestNoDescriptorIsLeft(t *testing.T) {
	fds := func() int {
		entries, err := os.ReadDir("/proc/self/fd")
		if err != nil {
			t.Skip("no /proc")
		}
		return len(entries)
	}
	before := fds()
	var spools []*Spool
	for range 50 {
		s := create(t, small(api.BufferingBlock, 1<<20))
		for i := range 60 {
			put(t, s, strings.Repeat("f", 100))
			if i%10 == 0 {
				drain(t, s.NewReader(0))
				require.NoError(t, s.Ack(uint64(i/2)))
			}
		}
		require.LessOrEqual(t, fds(), before+4+maxSpares+1, "while it runs")
		require.NoError(t, s.Seal())
		drain(t, s.NewReader(0))
		require.NoError(t, s.AppendLate(api.KindOutput, []byte("late")))
		require.NoError(t, s.Sync())
		require.NoError(t, s.Ack(61))
		require.Equal(t, before, fds(), "sealed, but still in use")
		spools = append(spools, s)
	}
	for _, s := range spools {
		require.NoError(t, s.Close())
	}
	require.Equal(t, before, fds())
}

func copyDir(t testing.TB, dir string) string {
	t.Helper()
	to := filepath.Join(t.TempDir(), filepath.Base(dir))
	require.NoError(t, os.CopyFS(to, os.DirFS(dir)))
	return to
}
