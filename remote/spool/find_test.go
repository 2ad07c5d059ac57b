package spool

import (
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	"pss/remote/api"
)

// tailOf is what a reader of Tail shows.
func tailOf(t *testing.T, s *Spool, lines int) string {
	t.Helper()
	after, skip, found, err := s.Tail(lines)
	require.NoError(t, err)
	var all strings.Builder
	for _, rec := range drain(t, s.NewReader(after)) {
		all.Write(rec.Data)
	}
	text := all.String()
	for range skip {
		_, text, _ = strings.Cut(text, "\n")
	}
	n := strings.Count(text, "\n")
	if !strings.HasSuffix(text, "\n") && text != "" {
		n++
	}
	require.Equal(t, found, n)
	return text
}

func TestTail(t *testing.T) {
	for _, c := range []struct {
		name    string
		records []string
		lines   int
		want    string
	}{
		{"nothing", nil, 3, ""},
		{"fewer", []string{"a\n", "b\n"}, 3, "a\nb\n"},
		{"as many", []string{"a\n", "b\n"}, 2, "a\nb\n"},
		{"one record", []string{"a\nb\nc\n"}, 2, "b\nc\n"},
		{"a line over records", []string{"a\nb", "b", "b\nc\n"}, 2, "bbb\nc\n"},
		{"open end", []string{"a\nb\nc"}, 2, "b\nc"},
		{"only an open end", []string{"abc"}, 1, "abc"},
		{"none wanted", []string{"a\n"}, 0, ""},
	} {
		t.Run(c.name, func(t *testing.T) {
			s := create(t, options(1<<20))
			put(t, s, c.records...)
			require.Equal(t, c.want, tailOf(t, s, c.lines))
		})
	}
}

// The end of a long output is found over several looks, whatever was discarded.
func TestTailOfMuch(t *testing.T) {
	s := create(t, options(1<<20))
	for i := range 1000 {
		put(t, s, fmt.Sprintf("%d ", i))
		if i%10 == 9 {
			put(t, s, "\n")
		}
	}
	for _, n := range []int{1, 7, 50, 99, 100} {
		require.Equal(t, n, strings.Count(tailOf(t, s, n), "\n"))
	}
	d := create(t, small(api.BufferingDrop, 100))
	for i := range 100 {
		put(t, d, fmt.Sprintf("%02d\n", i))
	}
	require.Equal(t, "98\n99\n", tailOf(t, d, 2))
}

func TestSince(t *testing.T) {
	s := create(t, options(1<<20))
	after, err := s.Since(time.Now())
	require.NoError(t, err)
	require.Zero(t, after)
	for i := range 200 {
		put(t, s, fmt.Sprintf("%d\n", i))
	}
	recs := drain(t, s.NewReader(0))
	for _, i := range []int{0, 1, 99, 199} {
		after, err := s.Since(recs[i].Time)
		require.NoError(t, err)
		require.LessOrEqual(t, after, uint64(i))
		if after > 0 {
			require.True(t, recs[after-1].Time.Before(recs[i].Time))
		}
	}
	after, err = s.Since(time.Now().Add(time.Hour))
	require.NoError(t, err)
	require.Equal(t, uint64(200), after)
}
