package jobstore

import (
	"fmt"
	"os"
	"path/filepath"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"pss/remote/api"
)

func record(pipeline uint32, seq uint64) *api.Record {
	return &api.Record{Pipeline: pipeline, Seq: seq, Kind: api.KindOutput, Time: time.Unix(int64(seq), 5), Data: fmt.Appendf(nil, "line %d of %d\n", seq, pipeline)}
}

func open(t *testing.T, dir string) *Store {
	t.Helper()
	s, err := Open(dir)
	require.NoError(t, err)
	t.Cleanup(s.Close)
	return s
}

// rest reads everything behind after.
func rest(t *testing.T, s *Store, after uint64) (text string, gaps int) {
	t.Helper()
	r := s.NewReader(after)
	defer r.Close()
	for {
		rec, pos, ok, err := r.Next()
		require.NoError(t, err)
		if !ok {
			return text, gaps
		}
		require.Greater(t, pos, after)
		after = pos
		if rec.Kind == api.KindGap {
			gaps++
			continue
		}
		text += string(rec.Data)
	}
}

func lines(pipeline uint32, from, to uint64) (text string) {
	for n := from; n <= to; n++ {
		text += string(record(pipeline, n).Data)
	}
	return text
}

// What was appended is there again, as it came, with the position of each pipeline.
func TestAStoreIsOpenedAgain(t *testing.T) {
	dir := filepath.Join(t.TempDir(), "1")
	s := open(t, dir)
	for n := uint64(7); n <= 9; n++ {
		require.NoError(t, s.Append(record(2, n)))
	}
	require.NoError(t, s.Sync())
	require.NoError(t, s.Append(record(3, 1)))
	s.Close()
	require.ErrorIs(t, s.Append(record(3, 2)), ErrClosed)

	s = open(t, dir)
	assert.Equal(t, map[uint32]uint64{2: 9, 3: 1}, s.After())
	assert.Equal(t, Positions{Last: 4, Data: 4}, s.Positions())
	r := s.NewReader(0)
	defer r.Close()
	rec, pos, ok, err := r.Next()
	require.NoError(t, err)
	require.True(t, ok)
	assert.EqualValues(t, 1, pos)
	assert.Equal(t, *record(2, 7), rec)
	require.NoError(t, s.Append(record(3, 2)))
	text, gaps := rest(t, s, 0)
	assert.Zero(t, gaps)
	assert.Equal(t, lines(2, 7, 9)+lines(3, 1, 2), text)
}

// A reader follows the writer through many segments, and what it took is deleted.
func TestReadAndTakeWhileItIsWritten(t *testing.T) {
	dir := filepath.Join(t.TempDir(), "1")
	s := open(t, dir)
	s.segmentSize = 300
	r := s.NewReader(0)
	defer r.Close()
	for n := uint64(1); n <= 200; n++ {
		changed := s.Changed()
		require.NoError(t, s.Append(record(1, n)))
		<-changed
		if n%3 != 0 {
			continue
		}
		for {
			rec, pos, ok, err := r.Next()
			require.NoError(t, err)
			if !ok {
				break
			}
			require.Equal(t, rec.Seq, pos)
			require.Equal(t, string(record(1, pos).Data), string(rec.Data))
		}
		require.NoError(t, s.Take(n))
	}
	require.Error(t, s.Take(201))
	require.NoError(t, s.Take(10), "it never goes back")
	files, err := filepath.Glob(filepath.Join(dir, "*"+segmentSuffix))
	require.NoError(t, err)
	assert.LessOrEqual(t, len(files), 2)
	s.Close()
	s = open(t, dir)
	assert.Equal(t, Positions{Last: 200, Taken: 198, Data: 200}, s.Positions())
	text, gaps := rest(t, s, 0)
	assert.Equal(t, lines(1, 199, 200), text)
	assert.Zero(t, gaps)
}

// Wherever the last write was torn, everything before it is kept and the store goes on.
func TestATornEndIsCut(t *testing.T) {
	dir := filepath.Join(t.TempDir(), "1")
	s := open(t, dir)
	for n := uint64(1); n <= 4; n++ {
		require.NoError(t, s.Append(record(1, n)))
	}
	s.Close()
	path := filepath.Join(dir, "0000000000000001.seg")
	whole, err := os.ReadFile(path)
	require.NoError(t, err)
	frame := len(api.AppendFrame(nil, record(1, 1)))
	for cut := 1; cut <= len(whole); cut++ {
		require.NoError(t, os.WriteFile(path, whole[:len(whole)-cut], 0o600))
		s := open(t, dir)
		kept := uint64(max(0, 4-(cut+frame-1)/frame))
		require.Equal(t, kept, s.Positions().Last, "%d bytes cut", cut)
		require.Equal(t, kept, s.After()[1])
		require.NoError(t, s.Append(record(1, kept+1)))
		text, gaps := rest(t, s, 0)
		require.Equal(t, lines(1, 1, kept+1), text)
		require.Zero(t, gaps)
		s.Close()
	}
}

// A damaged byte costs the rest of its segment, and the reader is told how much.
func TestDamageIsAGap(t *testing.T) {
	dir := filepath.Join(t.TempDir(), "1")
	s := open(t, dir)
	s.segmentSize = 300
	for n := uint64(1); n <= 20; n++ {
		require.NoError(t, s.Append(record(1, n)))
	}
	first := s.segs[0].path
	second := s.segs[1].first
	data, err := os.ReadFile(first)
	require.NoError(t, err)
	data[len(data)-1] ^= 1
	require.NoError(t, os.WriteFile(first, data, 0o600))
	text, gaps := rest(t, s, 0)
	assert.Equal(t, 1, gaps)
	assert.Equal(t, lines(1, 1, second-2)+lines(1, second, 20), text)
	require.NoError(t, os.Remove(first))
	text, gaps = rest(t, s, 0)
	assert.Equal(t, 1, gaps)
	assert.Equal(t, lines(1, second, 20), text)
	s.Close()

	// What was taken stays taken, also if the power cut cost what was behind it.
	require.NoError(t, os.WriteFile(filepath.Join(dir, takenName), []byte(`{"Taken":30}`), 0o600))
	s = open(t, dir)
	require.NoError(t, s.Append(record(1, 31)))
	assert.EqualValues(t, 31, s.Positions().Last)
	text, _ = rest(t, s, 0)
	assert.Equal(t, lines(1, 31, 31), text)
}

// An end is no data, and is known again, also from the segment before.
func TestEndIsNoData(t *testing.T) {
	dir := filepath.Join(t.TempDir(), "1")
	s := open(t, dir)
	require.NoError(t, s.Append(record(1, 1)))
	s.segmentSize = 1
	require.NoError(t, s.Append(&api.Record{Pipeline: 1, Seq: 2, Kind: api.KindEnd, Data: []byte(`{"ExitCode":3}`)}))
	for range 2 {
		assert.Equal(t, Positions{Last: 2, Data: 1}, s.Positions())
		assert.Equal(t, `{"ExitCode":3}`, string(s.End()))
		s.Close()
		s = open(t, dir)
	}
}
