package spool

import (
	"context"
	"fmt"
	"path/filepath"
	"testing"

	"github.com/stretchr/testify/require"

	"pss/remote/api"
)

// BenchmarkLive is the live path: one writer, one reader that acknowledges.
func BenchmarkLive(b *testing.B) {
	for _, n := range []int{100, 4 << 10, 64 << 10, 256 << 10} {
		b.Run(fmt.Sprint(n), func(b *testing.B) {
			s, err := Create(filepath.Join(b.TempDir(), "1"), options(64<<20))
			require.NoError(b, err)
			b.SetBytes(int64(n))
			b.ReportAllocs()
			done := make(chan error, 1)
			go func() {
				r, buf := s.NewReader(0), make([]byte, 512<<10)
				for r.Seq() < uint64(b.N) {
					if _, err := r.Next(context.Background(), buf); err != nil {
						done <- err
						return
					}
					if err := s.Ack(r.Seq()); err != nil {
						done <- err
						return
					}
				}
				done <- nil
			}()
			data := make([]byte, n)
			b.ResetTimer()
			for range b.N {
				if _, err := s.Append(api.KindOutput, data); err != nil {
					b.Fatal(err)
				}
			}
			require.NoError(b, <-done)
			b.StopTimer()
			require.NoError(b, s.Close())
		})
	}
}

// BenchmarkAppend has no reader: Block never reached, and Drop at work.
func BenchmarkAppend(b *testing.B) {
	for _, mode := range []api.OutputBufferingMode{api.BufferingBlock, api.BufferingDrop} {
		for _, n := range []int{100, 256 << 10} {
			b.Run(fmt.Sprintf("%s/%d", mode, n), func(b *testing.B) {
				o := options(32 << 20)
				o.Mode = mode
				s, err := Create(filepath.Join(b.TempDir(), "1"), o)
				require.NoError(b, err)
				if mode == api.BufferingBlock {
					s.Unblock()
				}
				data := make([]byte, n)
				b.SetBytes(int64(n))
				b.ResetTimer()
				for range b.N {
					if _, err := s.Append(api.KindOutput, data); err != nil {
						b.Fatal(err)
					}
				}
				b.StopTimer()
				require.NoError(b, s.Close())
			})
		}
	}
}

func BenchmarkOpen(b *testing.B) {
	dir := filepath.Join(b.TempDir(), "1")
	s, err := Create(dir, options(1<<30))
	require.NoError(b, err)
	for range 1024 {
		_, err := s.Append(api.KindOutput, make([]byte, 64<<10))
		require.NoError(b, err)
	}
	require.NoError(b, s.Close())
	b.SetBytes(64 << 20)
	for b.Loop() {
		s, _, err := Open(dir, options(1<<30))
		require.NoError(b, err)
		require.NoError(b, s.Close())
	}
}
