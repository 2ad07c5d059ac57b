package verbs

import (
	"fmt"
	"io"
	"os"
	"sync"

	"github.com/vbauerster/mpb/v8"
	"github.com/vbauerster/mpb/v8/decor"
	"golang.org/x/term"
)

// progress tells on standard error how far a cmdlet with several targets is: in a
// terminal a bar, elsewhere a line for each target that is done. A nil progress tells
// nothing.
type progress struct {
	rt    *Runtime
	what  string // "computers"
	total int
	lines bool // where there is no bar, a line for each target

	mu           sync.Mutex
	done, failed int
	pool         *mpb.Progress // of a terminal
	bar          *mpb.Bar
}

// newProgress returns nil for a single target, and where nobody wants to know. lines
// is for commands that deliver output: the others are done in a moment, and what they
// did is what they print.
func (rt *Runtime) newProgress(what string, total int, lines bool) *progress {
	if total < 2 || rt.quiet || rt.noProgress || rt.machine() {
		return nil
	}
	p := &progress{rt: rt, what: what, total: total, lines: lines}
	f, ok := rt.Stderr.(*os.File)
	if !ok || rt.Getenv("TERM") == "dumb" || !term.IsTerminal(int(f.Fd())) {
		return p
	}
	p.pool = mpb.New(mpb.WithOutput(f), mpb.WithWidth(barWidth), mpb.WithAutoRefresh())
	p.bar = p.pool.New(int64(total), mpb.BarStyle().Lbound("[").Filler("=").Tip(">").Padding(" ").Rbound("]"), mpb.BarRemoveOnComplete(),
		mpb.PrependDecorators(decor.CountersNoUnit("%d of %d "+what+" ")), mpb.AppendDecorators(decor.Any(p.failures), decor.Elapsed(decor.ET_STYLE_GO)))
	return p
}

// barWidth is that of the bar alone, in columns.
const barWidth = 40

// failures is what stands behind the bar.
func (p *progress) failures(decor.Statistics) string {
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.failed == 0 {
		return " "
	}
	return fmt.Sprintf(" %d failed ", p.failed)
}

// above returns where whole lines can be written while the bar is shown, or w itself.
func (p *progress) above(w io.Writer) io.Writer {
	if f, ok := w.(*os.File); p.barred() && ok && term.IsTerminal(int(f.Fd())) {
		return p.pool
	}
	return w
}

// barred reports whether a bar is shown.
func (p *progress) barred() bool { return p != nil && p.pool != nil }

// finished counts a target.
func (p *progress) finished(name, how string, failed bool) {
	if p == nil {
		return
	}
	p.mu.Lock()
	p.done++
	if failed {
		p.failed++
	}
	done := p.done
	p.mu.Unlock()
	switch {
	case p.bar != nil:
		if failed {
			p.rt.tell("%s: %s", name, how)
		}
		p.bar.Increment()
	case p.lines:
		p.rt.tell("%s: %s (%d of %d)", name, how, done, p.total)
	}
}

// end takes the bar away and counts.
func (p *progress) end() {
	if p == nil {
		return
	}
	if p.pool != nil {
		p.bar.Abort(true)
		p.pool.Wait()
	}
	if !p.lines {
		return
	}
	p.rt.tell("%d %s: %d done, %d failed", p.total, p.what, p.done-p.failed, p.failed)
}
