package verbs

import (
	"strconv"
	"sync"

	"golang.org/x/sync/errgroup"
	"pss/format"
	"pss/remote/api"
)

// defaultThrottle is PowerShell's ThrottleLimit: how much is asked for at once.
const defaultThrottle = 32

func throttleParam() param {
	return value("ThrottleLimit", "how many computers or sessions are asked at once").takes(wholeNumber(0, maxInt32)).byDefault(strconv.Itoa(defaultThrottle))
}

// throttle reads --throttle-limit; 0 is the default, as in PowerShell.
func throttle(in *input) int {
	if n, err := strconv.Atoi(in.String("throttle-limit")); err == nil && n > 0 {
		return n
	}
	return defaultThrottle
}

// outcome is what became of one of several targets.
type outcome[T any] struct {
	value T
	err   error
}

// each calls do for all targets, limit at a time, and returns the outcomes in their
// order.
func each[S, T any](targets []S, limit int, do func(i int, target S) (T, error)) []outcome[T] {
	out := make([]outcome[T], len(targets))
	var calls errgroup.Group
	calls.SetLimit(limit)
	for i, t := range targets {
		calls.Go(func() error {
			out[i].value, out[i].err = do(i, t)
			return nil // one that fails ends no other
		})
	}
	_ = calls.Wait()
	return out
}

// printEach does something to all targets, limit at a time, reports what fails, and
// prints the sessions that come of it: as they come under NDJSON, else in the order of
// the targets at the end. Before that tell may say something of each.
func printEach[S any](f *failures, targets []S, limit int, name func(S) string, do func(i int, target S) (*api.Session, error), tell func(*api.Session)) error {
	rt := f.rt
	p := rt.newProgress("targets", len(targets), false)
	var mu sync.Mutex // of standard output, and of what tell says before it
	live := rt.mode.Mode == format.ModeNDJSON
	outcomes := each(targets, limit, func(i int, t S) (*api.Session, error) {
		s, err := do(i, t)
		p.finished(name(t), howEnded(err), err != nil)
		if err != nil {
			f.add(err)
			return nil, nil
		}
		if !live {
			return s, nil
		}
		mu.Lock()
		defer mu.Unlock()
		if tell != nil {
			tell(s)
		}
		return nil, rt.write([]PSSession{newPSSession(s)})
	})
	p.end()
	var sessions []*api.Session
	for _, o := range outcomes {
		switch {
		case o.err != nil:
			return o.err
		case o.value != nil:
			if tell != nil {
				tell(o.value)
			}
			sessions = append(sessions, o.value)
		}
	}
	if live {
		return nil
	}
	return rt.write(newPSSessions(sessions))
}
