package main

import (
	"context"
	"errors"
	"sort"
	"time"
)

// warmUp is how many samples of each subject are thrown away.
const warmUp = 5

// subject is one of the things that take turns.
type subject struct {
	command command
	before  func() error // untimed, ahead of each sample; or nil
	pause   time.Duration
}

// takeTurns samples the subjects in turn, n times each after drop that do not
// count, and returns their medians.
func takeTurns(ctx context.Context, n, drop int, subjects ...subject) ([]time.Duration, error) {
	samples := make([][]time.Duration, len(subjects))
	for i := range n + drop {
		for j, s := range subjects {
			took, err := s.sample(ctx)
			if err != nil {
				return nil, err
			}
			if i >= drop {
				samples[j] = append(samples[j], took)
			}
		}
	}
	medians := make([]time.Duration, len(subjects))
	for j := range subjects {
		medians[j] = median(samples[j])
	}
	return medians, nil
}

func (s *subject) sample(ctx context.Context) (time.Duration, error) {
	if s.before != nil {
		if err := s.before(); err != nil {
			return 0, err
		}
	}
	if err := sleep(ctx, s.pause); err != nil {
		return 0, err
	}
	return s.command.time(ctx)
}

// sleep waits unless the run is over.
func sleep(ctx context.Context, d time.Duration) error {
	if d == 0 {
		return ctx.Err()
	}
	select {
	case <-ctx.Done():
		return ctx.Err()
	case <-time.After(d):
		return nil
	}
}

// errTimeout says that something did not happen in time.
var errTimeout = errors.New("it did not happen in time")

// until asks again and again until done says so.
func until(ctx context.Context, limit time.Duration, done func() (bool, error)) error {
	for began := time.Now(); time.Since(began) < limit; {
		if ok, err := done(); ok || err != nil {
			return err
		}
		if err := sleep(ctx, 50*time.Millisecond); err != nil {
			return err
		}
	}
	return errTimeout
}

func median(d []time.Duration) time.Duration {
	sort.Slice(d, func(i, j int) bool { return d[i] < d[j] })
	if n := len(d); n%2 == 0 {
		return (d[n/2-1] + d[n/2]) / 2
	}
	return d[len(d)/2]
}
