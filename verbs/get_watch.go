package verbs

import (
	"context"
	"os"
	"reflect"
	"slices"
	"time"

	"golang.org/x/term"
	"pss/format"
	"pss/remote/api"
)

// watchSessions shows the sessions again whenever something about them has changed:
// in a terminal the whole table anew, elsewhere the sessions that changed. Ctrl-C ends
// it, and that is no failure.
func watchSessions(ctx context.Context, rt *Runtime, in *input, sel *selector) error {
	if rt.mode.Mode == format.ModeJSON {
		return usage("AmbiguousParameterSet", "--watch has no end, and one JSON array would have none").Hint("--output ndjson prints one object a line")
	}
	interrupts, stop := rt.interrupts()
	defer stop()
	pace := time.Second
	if d, err := api.ParseDuration(in.String("interval"), time.Second); err == nil {
		pace = d
	}
	w := &watcher{rt: rt, shown: map[string]PSSession{}}
	if f, ok := rt.Stdout.(*os.File); ok && !rt.machine() && term.IsTerminal(int(f.Fd())) {
		w.screen = f
	}
	for {
		f := &failures{rt: rt, cmd: in.cmd}
		found, err := getSessions(ctx, rt, in, sel, f)
		if err == nil {
			err = w.show(newPSSessions(found))
		}
		if err != nil {
			return err
		}
		select {
		case <-interrupts:
			rt.behindKey()
			return nil
		case <-ctx.Done():
			return nil
		case <-time.After(pace):
		}
	}
}

// watcher knows what was shown last.
type watcher struct {
	rt     *Runtime
	screen *os.File // a terminal that can be cleared
	began  bool
	shown  map[string]PSSession // by InstanceId
}

// clearScreen leaves nothing on a terminal but the cursor in its upper left corner.
const clearScreen = "\x1b[H\x1b[2J"

// show shows what is different from last time. A session that is gone is shown once
// more, as Closed.
func (w *watcher) show(now []PSSession) error {
	there := map[string]bool{}
	var changed []PSSession
	for _, s := range now {
		there[s.InstanceID] = true
		was, known := w.shown[s.InstanceID]
		was.LastSeen, was.Age = s.LastSeen, s.Age // that time passes is no change
		if !known || !reflect.DeepEqual(was, s) {
			changed = append(changed, s)
		}
		w.shown[s.InstanceID] = s
	}
	var gone []PSSession
	for id, s := range w.shown {
		if !there[id] {
			s.State, s.Availability = string(api.StateClosed), string(api.AvailabilityNone)
			gone = append(gone, s)
			delete(w.shown, id)
		}
	}
	slices.SortFunc(gone, func(a, b PSSession) int { return a.ID - b.ID })
	changed = append(changed, gone...)
	if w.began && len(changed) == 0 {
		return nil
	}
	first := !w.began
	w.began = true
	if w.screen == nil {
		w.rt.mode.NoHeader = !first
		return w.rt.write(changed)
	}
	if _, err := w.screen.WriteString(clearScreen); err != nil {
		return err
	}
	return w.rt.write(now)
}
