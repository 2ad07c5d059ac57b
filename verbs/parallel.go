package verbs

import (
	"strconv"
	"sync"
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

// parallel calls do for 0 to n-1, limit at a time, and returns when all have returned.
func parallel(n, limit int, do func(i int)) {
	if n == 1 {
		do(0)
		return
	}
	slots := make(chan struct{}, limit)
	var wg sync.WaitGroup
	for i := range n {
		slots <- struct{}{}
		wg.Add(1)
		go func() {
			defer wg.Done()
			defer func() { <-slots }()
			do(i)
		}()
	}
	wg.Wait()
}

// outcome is what became of one of several targets.
type outcome[T any] struct {
	value T
	err   error
}

// each calls do for all targets in parallel and returns the outcomes in their order.
func each[S, T any](targets []S, limit int, do func(i int, target S) (T, error)) []outcome[T] {
	out := make([]outcome[T], len(targets))
	parallel(len(targets), limit, func(i int) { out[i].value, out[i].err = do(i, targets[i]) })
	return out
}
