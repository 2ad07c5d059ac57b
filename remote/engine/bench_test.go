//go:build unix

package engine

import (
	"context"
	"os"
	"slices"
	"sync/atomic"
	"testing"
	"time"

	"pss/remote/api"
)

type nullSink struct{ n atomic.Int64 }

func (s *nullSink) Write(_ api.Kind, b []byte) error { s.n.Add(int64(len(b))); return nil }
func (s *nullSink) Late(api.Kind, []byte)            {}
func (s *nullSink) End(Result)                       {}

func benchmarkScript(b *testing.B, name, script string) {
	e, _ := Lookup(name)
	rs, err := e.Open(context.Background(), Spec{Dir: b.TempDir(), Environment: os.Environ()})
	if err != nil {
		b.Skip(err)
	}
	defer rs.Close()
	s := &nullSink{}
	var times []time.Duration
	for i := 0; b.Loop(); i++ {
		start := time.Now()
		p, err := rs.Invoke(Command{Number: uint32(i + 1), Script: script}, s)
		if err != nil {
			b.Fatal(err)
		}
		<-p.Done()
		times = append(times, time.Since(start))
	}
	b.SetBytes(s.n.Load() / int64(len(times)))
	slices.Sort(times)
	b.ReportMetric(float64(times[len(times)/2].Microseconds()), "p50-µs")
	b.ReportMetric(float64(times[len(times)*99/100].Microseconds()), "p99-µs")
}

func BenchmarkTrue(b *testing.B) {
	for _, n := range []string{"bash", "sh"} {
		b.Run(n, func(b *testing.B) { benchmarkScript(b, n, "true") })
	}
}

func BenchmarkExitMinus(b *testing.B) {
	for _, n := range []string{"bash", "sh"} {
		b.Run(n, func(b *testing.B) { benchmarkScript(b, n, "exit -1") })
	}
}

func BenchmarkZeros(b *testing.B) { benchmarkScript(b, "bash", "head -c 1G /dev/zero") }
