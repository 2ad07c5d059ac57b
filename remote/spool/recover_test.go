package spool

import (
	"bytes"
	"context"
	"fmt"
	"io"
	"math/rand/v2"
	"os"
	"path/filepath"
	"testing"

	"github.com/stretchr/testify/require"

	"pss/remote/api"
)

// fill writes n records whose data can be told from their Seq.
func fill(t testing.TB, s *Spool, n int) {
	t.Helper()
	for range n {
		put(t, s, content(s.Stats().Last+1))
	}
}

func content(seq uint64) string {
	return fmt.Sprintf("record %d %s", seq, bytes.Repeat([]byte{'a' + byte(seq%26)}, int(seq*37%150)))
}

// requireHonest reads all of s: Seq order, gaps that account for what is missing,
// and nothing that was not written. It returns how many records were left.
func requireHonest(t testing.TB, s *Spool) (kept int) {
	t.Helper()
	var seq uint64
	for _, rec := range drain(t, s.NewReader(0)) {
		if rec.Kind == api.KindGap {
			g := gapOf(t, rec)
			require.Equal(t, rec.Seq-seq, g.Records)
			require.GreaterOrEqual(t, g.Bytes, int64(0))
		} else {
			require.Equal(t, seq+1, rec.Seq)
			require.Equal(t, content(rec.Seq), string(rec.Data))
			kept++
		}
		seq = rec.Seq
	}
	require.Equal(t, s.Stats().Last, seq)
	return kept
}

// appendWorks checks that the spool goes on, also over one more crash.
func appendWorks(t testing.TB, s *Spool) {
	t.Helper()
	kept := requireHonest(t, s)
	fill(t, s, 3)
	require.Equal(t, kept+3, requireHonest(t, s))
	n, _, err := Open(s.dir, s.o) // s is left open, as a killed process leaves it
	require.NoError(t, err)
	require.Equal(t, kept+3, requireHonest(t, n))
	require.NoError(t, n.Close())
	require.NoError(t, s.Close())
}

func TestThousandDamagedEnds(t *testing.T) {
	const n = 60
	o := small(api.BufferingBlock, 1<<30)
	o.SegmentSize = 2 << 10
	s := create(t, o)
	fill(t, s, n)
	require.NoError(t, s.Close())
	files := segmentFiles(t, s.dir)
	require.Greater(t, len(files), 3)
	images := map[string][]byte{}
	for _, f := range append(files, filepath.Join(s.dir, stateName)) {
		b, err := os.ReadFile(f)
		require.NoError(t, err)
		images[filepath.Base(f)] = b
	}
	last := filepath.Base(files[len(files)-1])
	intactBefore, ok := parseSegmentName(last)
	require.True(t, ok)
	rng := rand.New(rand.NewPCG(1, 2))
	dir := filepath.Join(memoryDir(t), "7")
	for i := range 1000 {
		require.NoError(t, os.RemoveAll(dir))
		require.NoError(t, os.Mkdir(dir, 0o700))
		for name, b := range images {
			if name == last {
				b = damage(rng, b)
			}
			require.NoError(t, os.WriteFile(filepath.Join(dir, name), b, 0o600))
		}
		s, rep, err := Open(dir, o)
		require.NoError(t, err, i)
		require.GreaterOrEqual(t, s.Stats().Last, intactBefore-1, i)
		require.LessOrEqual(t, s.Stats().Last, uint64(n), i)
		kept := requireHonest(t, s)
		require.Equal(t, s.Stats().Last-rep.DamagedRecords, uint64(kept), i)
		appendWorks(t, s)
	}
}

// damage is what a loss of power may do to the end of a file.
func damage(rng *rand.Rand, b []byte) []byte {
	b = bytes.Clone(b)
	at := rng.IntN(len(b))
	switch rng.IntN(6) {
	case 0: // cut
		return b[:at]
	case 1: // a flipped bit
		b[at] ^= 1 << rng.IntN(8)
	case 2: // zeros to the end
		clear(b[at:])
	case 3: // a lost sector in between
		clear(b[at:min(len(b), at+64)])
	case 4: // garbage behind the end
		for range rng.IntN(500) {
			b = append(b, byte(rng.Uint32()))
		}
	default: // the end twice, cut
		b = append(b, b[at:len(b)-rng.IntN(len(b)-at)]...)
	}
	return b
}

func TestFlippedBitCostsOneRecord(t *testing.T) {
	s := create(t, options(1<<20))
	fill(t, s, 50)
	require.NoError(t, s.Close())
	path := segmentFiles(t, s.dir)[0]
	b, err := os.ReadFile(path)
	require.NoError(t, err)
	b[bytes.Index(b, []byte("record 20 "))] ^= 4
	require.NoError(t, os.WriteFile(path, b, 0o600))
	s, rep := reopen(t, s)
	require.Equal(t, Repair{DamagedRecords: 1}, rep)
	require.True(t, rep.Damaged())
	recs := drain(t, s.NewReader(0))
	require.Equal(t, api.Gap{Records: 1, Bytes: int64(len(content(20))), Reason: "Damaged"}, gapOf(t, recs[19]))
	require.Len(t, recs, 50)
	appendWorks(t, s)
}

func TestMissingAndForeignFiles(t *testing.T) {
	other := create(t, Options{SessionID: "other", Pipeline: 7, Limit: 1 << 20})
	put(t, other, "foreign")
	require.NoError(t, other.Close())
	foreign, err := os.ReadFile(segmentFiles(t, other.dir)[0])
	require.NoError(t, err)
	for name, tc := range map[string]struct {
		change  func(files []string) error
		damaged bool
		skipped int
	}{
		"first missing":  {func(f []string) error { return os.Remove(f[0]) }, true, 0},
		"middle missing": {func(f []string) error { return os.Remove(f[1]) }, true, 0},
		"last missing":   {func(f []string) error { return os.Remove(f[len(f)-1]) }, false, 0},
		"empty":          {func(f []string) error { return os.Truncate(f[1], 0) }, true, 1},
		"header only":    {func(f []string) error { return os.Truncate(f[1], segmentHeaderSize) }, true, 0},
		"half a header":  {func(f []string) error { return os.Truncate(f[1], 200) }, true, 0},
		"garbage":        {func(f []string) error { return os.WriteFile(f[0], bytes.Repeat([]byte("g"), 5000), 0o600) }, true, 1},
		"other session":  {func(f []string) error { return os.WriteFile(f[0], foreign, 0o600) }, true, 1},
		"other name":     {func(f []string) error { return os.Rename(f[1], f[1][:len(f[1])-5]+"e"+segmentSuffix) }, true, 1},
		"a folder": {func(f []string) error {
			return os.Mkdir(filepath.Join(filepath.Dir(f[0]), segmentName(999)), 0o700)
		}, false, 1},
		"state torn": {func(f []string) error {
			return os.Truncate(filepath.Join(filepath.Dir(f[0]), stateName), 100)
		}, false, 0},
	} {
		t.Run(name, func(t *testing.T) {
			s := create(t, small(api.BufferingBlock, 1<<20))
			fill(t, s, 60)
			require.NoError(t, s.Close())
			require.NoError(t, tc.change(segmentFiles(t, s.dir)))
			s, rep := reopen(t, s)
			require.Equal(t, tc.damaged, rep.Damaged(), rep)
			require.Equal(t, tc.skipped, rep.SkippedFiles)
			require.Greater(t, requireHonest(t, s), 30)
			appendWorks(t, s)
		})
	}
}

func TestOneHeaderCopyIsEnough(t *testing.T) {
	s := create(t, options(1<<20))
	fill(t, s, 5)
	require.NoError(t, s.Close())
	path := segmentFiles(t, s.dir)[0]
	b, err := os.ReadFile(path)
	require.NoError(t, err)
	clear(b[:headerCopySize])
	require.NoError(t, os.WriteFile(path, b, 0o600))
	s, rep := reopen(t, s)
	require.Equal(t, Repair{}, rep)
	require.Equal(t, 5, requireHonest(t, s))
}

func TestAcknowledgedButLostKeepsItsNumbers(t *testing.T) {
	s := create(t, options(1<<20))
	fill(t, s, 20)
	require.NoError(t, s.Ack(20))
	require.NoError(t, s.Close())
	path := segmentFiles(t, s.dir)[0]
	require.NoError(t, os.Truncate(path, 1000))
	s, _ = reopen(t, s)
	require.EqualValues(t, 20, s.Stats().Last)
	require.Zero(t, s.Stats().UnreadBytes)
	require.Empty(t, drain(t, s.NewReader(20)))
	requireHonest(t, s)
	appendWorks(t, s)
}

func TestStateSlots(t *testing.T) {
	s := create(t, options(1<<20))
	fill(t, s, 10)
	require.NoError(t, s.Ack(4))
	require.NoError(t, s.Ack(7))
	newest := int64(s.state.counter%2) * slotStride
	require.NoError(t, s.Close())
	path := filepath.Join(s.dir, stateName)
	b, err := os.ReadFile(path)
	require.NoError(t, err)
	b[newest+20] ^= 1
	require.NoError(t, os.WriteFile(path, b, 0o600))
	s, _ = reopen(t, s)
	require.EqualValues(t, 4, s.Stats().Acked, "the older slot")
	require.Equal(t, int64(len(content(5)+content(6)+content(7)+content(8)+content(9)+content(10))), s.Stats().UnreadBytes)
	require.NoError(t, s.Close())
	o := s.o
	o.SessionID = "another"
	other, rep, err := Open(s.dir, o)
	require.NoError(t, err)
	require.Zero(t, other.Stats().Acked, "another session's state")
	require.Equal(t, 1, rep.SkippedFiles)
}

// A command may print what looks like frames; damage must not bring them in.
func TestPrintedFramesAreNoRecords(t *testing.T) {
	s := create(t, options(1<<20))
	fake := api.AppendFrame(nil, &api.Record{Pipeline: 7, Seq: 4, Kind: api.KindOutput, Data: []byte("invented")})
	put(t, s, content(1), content(2))
	last, err := s.Append(api.KindOutput, append([]byte("padding padding padding padding padding "), fake...))
	require.NoError(t, err)
	require.EqualValues(t, 3, last)
	put(t, s, content(4))
	require.NoError(t, s.Close())
	path := segmentFiles(t, s.dir)[0]
	b, err := os.ReadFile(path)
	require.NoError(t, err)
	b[bytes.Index(b, []byte("padding"))] ^= 1
	require.NoError(t, os.WriteFile(path, b, 0o600))
	s, _ = reopen(t, s)
	recs := drain(t, s.NewReader(2))
	require.EqualValues(t, 1, gapOf(t, recs[0]).Records)
	require.Equal(t, []string{content(4)}, texts(recs[1:]))
}

// FuzzSegment opens arbitrary bytes behind a good header, or as a whole file.
func FuzzSegment(f *testing.F) {
	h := segmentHeader{session: testSession, pipeline: 7, first: 1}
	frame := func(seq uint64, data string) []byte {
		return api.AppendFrame(nil, &api.Record{Pipeline: 7, Seq: seq, Kind: api.KindOutput, Data: []byte(data)})
	}
	f.Add([]byte{}, true)
	f.Add(h.encode(), false)
	f.Add(append(frame(1, "one"), frame(2, "two")...), true)
	f.Add(append(frame(1, "one"), append([]byte("torn"), frame(3, "three")...)...), true)
	f.Add(append(frame(5, "five"), frame(1, "stale")...), true)
	f.Add(append(frame(1, "one")[:30], frame(2, "two")...), true)
	f.Fuzz(func(t *testing.T, data []byte, headed bool) {
		dir := t.TempDir()
		if headed {
			data = append(h.encode(), data...)
		}
		require.NoError(t, os.WriteFile(filepath.Join(dir, segmentName(1)), data, 0o600))
		s, _, err := Open(dir, options(1<<20))
		require.NoError(t, err)
		defer s.Close()
		r, seq := s.NewReader(0), uint64(0)
		for {
			frames, ok, err := r.TryNext(nil)
			if !ok {
				require.NoError(t, err)
				break
			}
			for _, rec := range parse(t, frames) {
				if rec.Kind == api.KindGap && !bytes.Contains(data, frames) {
					require.Equal(t, rec.Seq-seq, gapOf(t, rec).Records)
				} else {
					require.Equal(t, seq+1, rec.Seq)
					require.True(t, bytes.Contains(data, frames), "invented")
				}
				seq = rec.Seq
			}
		}
		last, err := s.Append(api.KindOutput, []byte("goes on"))
		require.NoError(t, err)
		frames, err := s.NewReader(last-1).Next(context.Background(), nil)
		require.NoError(t, err)
		require.Equal(t, []string{"goes on"}, texts(parse(t, frames)))
		_, err = r.Next(context.Background(), nil)
		require.NotEqual(t, io.EOF, err)
	})
}
