package spool

import (
	"bytes"
	"errors"
	"io"
	"sort"
	"time"

	"pss/remote/api"
	"pss/remote/planted"
)

// firstLook is how many records Tail looks at first; it doubles until they suffice.
const firstLook = 64

// Tail finds the last lines of output, of both streams in their order of arrival:
// they lie behind record after, except for the first skip lines there. found is how
// many there are, at most lines. Text behind the last line end counts as a line.
func (s *Spool) Tail(lines int) (after uint64, skip, found int, err error) {
	st := s.Stats()
	if st.Last == 0 || lines <= 0 {
		return st.Last, 0, 0, nil
	}
	for look := uint64(firstLook); ; look *= 2 {
		after = st.Last - min(look, st.Last)
		whole := after < st.First
		if whole {
			after = st.First - 1
		}
		n, err := s.countLines(after, st.Last)
		switch {
		case err != nil:
			return 0, 0, 0, err
		case n > lines: // the first of them may be the end of one that began before
			if planted.On("tail-from-record") {
				n = lines
			}
			return after, n - lines, lines, nil
		case whole:
			return after, 0, n, nil
		}
	}
}

// countLines counts the lines in the records behind after up to last.
func (s *Spool) countLines(after, last uint64) (n int, err error) {
	open := false
	err = s.Each(after, func(rec *api.Record) bool {
		if rec.Kind == api.KindOutput || rec.Kind == api.KindError {
			n += bytes.Count(rec.Data, []byte{'\n'})
			if len(rec.Data) > 0 {
				open = rec.Data[len(rec.Data)-1] != '\n'
			}
		}
		return rec.Seq < last
	})
	if open {
		n++
	}
	return n, err
}

// Each calls f with the records behind after, a gap's among them (see NewReader), until
// f returns false or there is no more now. A record is valid until f returns.
func (s *Spool) Each(after uint64, f func(*api.Record) bool) error {
	rd := s.NewReader(after)
	buf := make([]byte, 64<<10)
	for {
		frames, ok, err := rd.TryNext(buf)
		if !ok || err != nil {
			if errors.Is(err, io.EOF) {
				err = nil
			}
			return err
		}
		for len(frames) > 0 {
			rec, n, err := api.ParseFrame(frames)
			if err != nil {
				return err
			}
			frames = frames[n:]
			if !f(&rec) {
				return nil
			}
		}
	}
}

// Since returns the record before the first one that arrived at t or later, as far
// as the wall clock of the host went forward.
func (s *Spool) Since(t time.Time) (after uint64, err error) {
	st := s.Stats()
	if st.First > st.Last {
		return st.Last, nil
	}
	n := sort.Search(int(st.Last-st.First+1), func(i int) bool {
		late := true // behind the last record
		e := s.Each(st.First-1+uint64(i), func(rec *api.Record) bool {
			if rec.Kind == api.KindGap {
				return true // made by the reader, and of this moment
			}
			late = !rec.Time.Before(t)
			return false
		})
		if e != nil && err == nil {
			err = e
		}
		return late
	})
	return st.First - 1 + uint64(n), err
}
