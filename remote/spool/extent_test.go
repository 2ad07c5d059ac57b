package spool

import (
	"io"
	"path/filepath"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
	"pss/remote/api"
)

// Extents and Next together bring every record once, in order.
func TestExtentsAreTheSameFrames(t *testing.T) {
	s, err := Create(filepath.Join(t.TempDir(), "s"), Options{SessionID: "x", Pipeline: 3, Limit: 1 << 30, SegmentSize: 6 << 20})
	require.NoError(t, err)
	defer s.Close()
	const records = 200
	for i := range records {
		_, err := s.Append(api.KindOutput, make([]byte, 1000+i*700))
		require.NoError(t, err)
	}
	require.NoError(t, s.Seal())
	rd := s.NewReader(5)
	_, ok := rd.Extent(1 << 40)
	require.False(t, ok)
	want, extents := uint64(6), 0
	take := func(frames []byte) {
		for len(frames) > 0 {
			rec, n, err := api.ParseFrame(frames)
			require.NoError(t, err)
			require.Equal(t, want, rec.Seq)
			want++
			frames = frames[n:]
		}
	}
	for turn := 0; ; turn++ {
		if ext, ok := rd.Extent(64 << 10); ok && turn%2 == 0 {
			b := make([]byte, ext.Length)
			_, err := ext.File.ReadAt(b, ext.Offset)
			require.NoError(t, err)
			assert.LessOrEqual(t, ext.Length, int64(maxExtent+indexStep+api.MaxFrameData))
			ext.Done(turn%4 == 0) // one that was not sent comes again
			if turn%4 == 0 {
				take(b)
				extents++
			}
			continue
		}
		frames, err := rd.Next(t.Context(), make([]byte, 8<<10))
		if err == io.EOF {
			break
		}
		require.NoError(t, err)
		take(frames)
	}
	assert.EqualValues(t, records+1, want)
	assert.Greater(t, extents, 3)
}
