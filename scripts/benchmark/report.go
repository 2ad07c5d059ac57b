package main

import (
	"fmt"
	"io"
	"runtime"
	"text/tabwriter"
	"time"
)

// result is one line of the table.
type result struct {
	operation string
	peer      string // what it is compared with
	ours      string // as printed
	theirs    string
	ratio     float64 // ours to the peer's or, without a peer, to the limit
	limit     float64 // or 0: the number is only for information
	atLeast   bool    // the ratio must reach the limit, else it must not exceed it
}

// latency compares two wall times: ours may be at most limit times the peer's.
func latency(operation, peer string, ours, theirs time.Duration, limit float64) result {
	return result{
		operation: operation, peer: peer, ours: millis(ours), theirs: millis(theirs),
		ratio: float64(ours) / float64(theirs), limit: limit,
	}
}

func millis(d time.Duration) string { return fmt.Sprintf("%.2f ms", d.Seconds()*1000) }

// throughput compares the times that bulkSize bytes took: ours must be at least
// limit times as fast as the peer.
func throughput(operation, peer string, ours, theirs time.Duration, limit float64) result {
	return result{
		operation: operation, peer: peer, ours: speed(ours), theirs: speed(theirs),
		ratio: theirs.Seconds() / ours.Seconds(), limit: limit, atLeast: true,
	}
}

func speed(d time.Duration) string { return fmt.Sprintf("%.0f MB/s", bulkSize/d.Seconds()/1e6) }

// memory compares a session's size with the limit.
func memory(operation string, s sizes) result {
	sum := s.host + s.shell
	return result{
		operation: operation, peer: fmt.Sprintf("session host %.2f, shell %.2f MiB", s.host/1024, s.shell/1024),
		ours: fmt.Sprintf("%.2f MiB", sum/1024), theirs: fmt.Sprintf("%.2f MiB", float64(idleLimit)/1024),
		ratio: sum / idleLimit, limit: 1,
	}
}

// ok reports whether the number was reached.
func (r *result) ok() bool {
	if r.limit == 0 {
		return true
	}
	if r.atLeast {
		return r.ratio >= r.limit
	}
	return r.ratio <= r.limit
}

// must says what has to be reached.
func (r *result) must() string {
	if r.limit == 0 {
		return "-"
	}
	if r.atLeast {
		return fmt.Sprintf("≥ %.2f", r.limit)
	}
	return fmt.Sprintf("≤ %.2f", r.limit)
}

// report prints the table.
func report(w io.Writer, results []result) {
	if len(results) == 0 {
		return
	}
	t := tabwriter.NewWriter(w, 0, 0, 2, ' ', 0)
	fmt.Fprintln(t, "operation\tpss\tpeer\tratio\tmust reach\t\tpeer is")
	for i := range results {
		r := &results[i]
		verdict := "ok"
		if r.limit == 0 {
			verdict = "-"
		} else if !r.ok() {
			verdict = "MISSED"
		}
		fmt.Fprintf(t, "%s\t%s\t%s\t%.2f\t%s\t%s\t%s\n", r.operation, r.ours, r.theirs, r.ratio, r.must(), verdict, r.peer)
	}
	t.Flush()
	fmt.Fprintf(w, "%d CPUs, %s/%s, %s, load averages at the end %s\n", runtime.NumCPU(), runtime.GOOS, runtime.GOARCH, runtime.Version(), load())
}
