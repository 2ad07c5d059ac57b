// Command benchmark measures pss side by side with its peers, in one run and on
// one machine: OpenSSH on loopback over a warm ControlMaster connection, tmux
// behind it, and an empty Go program; and pss over ssh beside that ssh alone. It prints one table with the medians, their
// ratio and what must be reached.
//
// One sample is the wall time of one process from its start to its exit, with
// standard input and output on /dev/null. Samples of pss and of the peer take
// turns, so that noise of the machine meets both; the first few of each are
// thrown away.
//
// Everything lives in one temporary folder: the state of pss, the keys and the
// configuration of an sshd of its own on a free port of 127.0.0.1, and the socket
// of a tmux of its own. Everything that was started is stopped at the end, also
// after an interrupt.
package main

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"os"
	"os/signal"
	"path/filepath"
	"regexp"
	"syscall"
)

func main() { os.Exit(run()) }

func run() int {
	var o options
	only := flag.String("only", "", "measure only the operations that match this `regexp`")
	flag.StringVar(&o.pss, "pss", "bin/pss", "the binary to measure")
	flag.BoolVar(&o.quick, "quick", false, "fewer samples: for a first look, not for a verdict")
	flag.Parse()
	if flag.NArg() > 0 {
		fmt.Fprintf(os.Stderr, "bench: unexpected argument %q\n", flag.Arg(0))
		return 2
	}
	var err error
	if o.only, err = regexp.Compile("(?i)" + *only); err != nil {
		fmt.Fprintf(os.Stderr, "bench: --only: %v\n", err)
		return 2
	}
	if o.pss, err = filepath.Abs(o.pss); err != nil {
		fmt.Fprintln(os.Stderr, "bench:", err)
		return 2
	}
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM, syscall.SIGHUP)
	defer stop()
	results, err := benchmark(ctx, o)
	report(os.Stdout, results)
	if err != nil {
		fmt.Fprintln(os.Stderr, "bench:", err)
		return 2
	}
	for _, r := range results {
		if !r.ok() {
			return 1
		}
	}
	return 0
}

// options are the command line.
type options struct {
	pss   string
	quick bool
	only  *regexp.Regexp
}

// benchmark prepares everything, measures the wanted rows and cleans up.
func benchmark(ctx context.Context, o options) (results []result, err error) {
	b, err := newBench(ctx, o)
	if err != nil {
		return nil, err
	}
	defer func() { err = errors.Join(err, b.close()) }()
	if err := b.start(); err != nil {
		return nil, err
	}
	for _, r := range rows {
		if !o.only.MatchString(r.name) {
			continue
		}
		fmt.Fprintf(os.Stderr, "measuring %s\n", r.name)
		got, err := r.measure(b)
		if err != nil {
			return results, fmt.Errorf("%s: %w", r.name, err)
		}
		results = append(results, got...)
	}
	return results, nil
}
