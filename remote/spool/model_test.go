package spool

import (
	"os"
	"path/filepath"
	"testing"

	"github.com/stretchr/testify/require"
	"pgregory.net/rapid"

	"pss/remote/api"
)

// model is a spool as a plain slice; record n has Seq n+1.
type model struct {
	recs  []api.Record
	acked uint64
	seal  uint64 // 0: not sealed
}

func (m *model) bytes(from, to uint64) (n int64) {
	for _, r := range m.recs[from:to] {
		n += streamBytes(r.Kind, len(r.Data))
	}
	return n
}

// check compares what a reader from after gets with the model. Everything that is
// missing must be in a gap with exact counts, and be either acknowledged or counted
// as dropped.
func (m *model) check(t *rapid.T, s *Spool, recs []api.Record, after uint64) {
	st := s.Stats()
	require.EqualValues(t, len(m.recs), st.Last)
	require.Equal(t, m.acked, st.Acked)
	seq := after
	var missing uint64
	for _, got := range recs {
		if got.Kind == api.KindGap {
			g := gapOf(t, got)
			require.Equal(t, api.Gap{Records: got.Seq - seq, Bytes: m.bytes(seq, got.Seq), Reason: "Dropped"}, g)
			missing += got.Seq - max(seq, min(m.acked, got.Seq))
		} else {
			want := m.recs[seq]
			require.Equal(t, seq+1, got.Seq)
			require.Equal(t, want.Kind, got.Kind)
			require.Equal(t, string(want.Data), string(got.Data))
		}
		seq = got.Seq
	}
	require.EqualValues(t, len(m.recs), seq)
	require.LessOrEqual(t, missing, st.DroppedRecords)
	if after == m.acked {
		require.EqualValues(t, uint64(len(m.recs))-m.acked-missing, st.UnreadRecords)
		var kept int64
		for _, r := range recs {
			if r.Kind != api.KindGap {
				kept += streamBytes(r.Kind, len(r.Data))
			}
		}
		require.Equal(t, kept, st.UnreadBytes)
	}
}

// machine drives a Spool and its model.
type machine struct {
	model
	s    *Spool
	o    Options
	live *Reader
}

func (m *machine) add(kind api.Kind, data []byte) {
	m.recs = append(m.recs, api.Record{Kind: kind, Data: data})
}

func (m *machine) append(t *rapid.T) {
	for range rapid.IntRange(1, 8).Draw(t, "n") {
		kind := api.Kind(rapid.IntRange(1, 7).Draw(t, "kind"))
		data := rapid.SliceOfN(rapid.Byte(), 0, 400).Draw(t, "data")
		if m.seal > 0 {
			require.NoError(t, m.s.AppendLate(kind, data))
		} else {
			_, err := m.s.Append(kind, data)
			require.NoError(t, err)
		}
		m.add(kind, data)
	}
}

func (m *machine) control(t *rapid.T) {
	_, err := m.s.AppendControl(api.KindInputState, []byte("state"))
	if m.seal > 0 {
		require.ErrorIs(t, err, ErrSealed)
		return
	}
	require.NoError(t, err)
	m.add(api.KindInputState, []byte("state"))
}

// ack acknowledges what a reader could have got: not the middle of a gap.
func (m *machine) ack(t *rapid.T) {
	first := max(m.acked, m.s.Stats().First-1)
	seq := rapid.Uint64Range(first, uint64(len(m.recs))).Draw(t, "seq")
	require.NoError(t, m.s.Ack(seq))
	m.acked = max(m.acked, seq)
}

func (m *machine) reopen(t *rapid.T) {
	if rapid.Bool().Draw(t, "killed") { // what is written is written
		killed := m.s
		defer func() { _ = killed.Close() }()
		require.NoError(t, os.CopyFS(killed.dir+"x", os.DirFS(killed.dir)))
		m.s = &Spool{dir: killed.dir + "x"}
	} else {
		require.NoError(t, m.s.Close())
	}
	n, rep, err := Open(m.s.dir, m.o)
	require.NoError(t, err)
	require.Zero(t, rep.DamagedRecords)
	n.Unblock()
	m.s, m.live = n, n.NewReader(m.acked)
}

func (m *machine) sealNow(t *rapid.T) {
	if m.seal == 0 && rapid.IntRange(0, 9).Draw(t, "dice") == 0 {
		require.NoError(t, m.s.Seal())
		m.seal = max(1, uint64(len(m.recs)))
	}
}

func TestModel(t *testing.T) {
	base := memoryDir(t)
	rapid.Check(t, func(t *rapid.T) {
		dir, err := os.MkdirTemp(base, "")
		require.NoError(t, err)
		defer os.RemoveAll(dir)
		m := &machine{o: small(rapid.SampledFrom([]api.OutputBufferingMode{api.BufferingBlock, api.BufferingDrop}).Draw(t, "mode"), 3000)}
		m.o.Retain = rapid.Int64Range(-1, 2000).Draw(t, "retain")
		m.s, err = Create(filepath.Join(dir, "7"), m.o)
		require.NoError(t, err)
		defer func() { _ = m.s.Close() }()
		m.s.Unblock()
		m.live = m.s.NewReader(0)
		t.Repeat(map[string]func(*rapid.T){
			"append": m.append, "control": m.control, "ack": m.ack, "reopen": m.reopen, "seal": m.sealNow,
			"live":   func(t *rapid.T) { at := m.live.Seq(); m.check(t, m.s, drain(t, m.live), at) },
			"unread": func(t *rapid.T) { m.check(t, m.s, drain(t, m.s.NewReader(m.acked)), m.acked) },
			"replay": func(t *rapid.T) { m.check(t, m.s, drain(t, m.s.NewReader(0)), 0) },
			"": func(t *rapid.T) {
				if m.s.mode == api.BufferingDrop && m.seal == 0 {
					require.LessOrEqual(t, m.s.Stats().UnreadBytes, int64(3000))
				}
			},
		})
	})
}
