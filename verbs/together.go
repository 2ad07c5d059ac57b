package verbs

import (
	"bytes"
	"encoding/json"
	"io"
	"os"
	"sync"

	"golang.org/x/term"
	"pss/format"
	"pss/remote/api"
)

// together is what the deliveries of one cmdlet share: our streams, the one JSON
// array, and how far they are.
type together struct {
	rt       *Runtime
	several  bool
	hide     bool // label no lines
	progress *progress
	names    map[string]int // of computers, and how many targets each has
	stderr   io.Writer      // our own, where several share it

	mu      sync.Mutex
	writers []*labelled
	array   bool      // the JSON array has begun
	midline *labelled // whose last line has not ended
}

// alone is for a single delivery.
func alone(rt *Runtime) *together { return &together{rt: rt} }

// newTogether is for the deliveries of these targets, out of n that were named. Its end
// is to be called.
func newTogether(rt *Runtime, in *input, n int, targets []*api.Session) *together {
	g := &together{rt: rt, several: n > 1, hide: in.Bool("hide-computer-name"), names: map[string]int{}}
	if !g.several {
		return g
	}
	for _, t := range targets {
		g.names[t.ComputerName]++
	}
	what := "computers"
	if len(g.names) < len(targets) {
		what = "sessions"
	}
	g.progress = rt.newProgress(what, len(targets), true)
	// Notes and errors stand on lines of their own, too.
	g.stderr = rt.Stderr
	rt.Stderr = &labelled{g: g, w: g.progress.above(rt.Stderr), whole: true}
	return g
}

// name is how a target is called where there are several: by its computer, and by the
// session's name if that does not tell it from others.
func (g *together) name(s *api.Session) string {
	name := format.Sanitize(s.ComputerName)
	if g.names[s.ComputerName] > 1 && s.Runspace.Name != "" {
		name += "/" + format.Sanitize(s.Runspace.Name)
	}
	return name
}

// writer returns w for the output of one target: the target's alone, or shared line
// by line.
func (g *together) writer(w io.Writer, s *api.Session) io.Writer {
	if !g.several {
		return w
	}
	l := &labelled{g: g, w: w}
	if guard, ok := w.(*labelled); ok { // standard error
		l.w, l.whole = guard.w, g.progress.barred()
	} else if l.w = g.progress.above(w); l.w != w {
		l.whole = true
	}
	// Objects, and lines above a progress bar, must be whole.
	l.whole = l.whole || g.rt.machine()
	if !g.hide && !g.rt.machine() {
		l.label = []byte(g.name(s) + ": ")
	}
	g.mu.Lock()
	defer g.mu.Unlock()
	g.writers = append(g.writers, l)
	return l
}

// add writes objects into the JSON array, which grows with them: what was received
// counts as delivered only when it is written out.
func (g *together) add(objects ...any) error {
	g.mu.Lock()
	defer g.mu.Unlock()
	var text bytes.Buffer
	for _, v := range objects {
		if g.array {
			text.WriteString(",\n  ")
		} else {
			text.WriteString("[\n  ")
		}
		g.array = true
		enc := json.NewEncoder(&text)
		enc.SetEscapeHTML(false)
		enc.SetIndent("  ", "  ")
		if err := enc.Encode(v); err != nil {
			return err
		}
		text.Truncate(text.Len() - 1) // the line end comes with what follows
	}
	_, err := g.rt.Stdout.Write(text.Bytes())
	return writeFailed(err)
}

// end ends a line that has not ended and the JSON array, and counts.
func (g *together) end() error {
	if g.stderr != nil {
		g.rt.Stderr = g.stderr
	}
	for _, l := range g.writers {
		l.end()
	}
	g.mu.Lock()
	defer g.mu.Unlock()
	if m := g.midline; m != nil {
		g.midline = nil
		if f, ok := m.w.(*os.File); ok && term.IsTerminal(int(f.Fd())) {
			m.w.Write([]byte{'\n'})
		}
	}
	g.progress.end()
	if g.rt.mode.Mode != format.ModeJSON {
		return nil
	}
	last := "\n]\n"
	if !g.array {
		last = "[]\n"
	}
	_, err := io.WriteString(g.rt.Stdout, last)
	return writeFailed(err)
}

// labelled writes the lines of one target, each with its label, to a stream that
// several share. What has no line end yet is written all the same: it will count as
// delivered. A line of another target breaks it.
type labelled struct {
	g     *together
	w     io.Writer
	label []byte
	whole bool   // write whole lines only
	tail  []byte // of a line that is not whole
}

// Write never writes a part of a line's label.
func (l *labelled) Write(p []byte) (int, error) {
	l.g.mu.Lock()
	defer l.g.mu.Unlock()
	data := p
	if l.whole {
		data = append(l.tail, p...)
		end := bytes.LastIndexByte(data, '\n') + 1
		data, l.tail = data[:end], bytes.Clone(data[end:])
	}
	if len(data) == 0 {
		return len(p), nil
	}
	var out []byte
	starts := l.g.midline != l
	if m := l.g.midline; m != nil && m != l {
		if _, err := m.w.Write([]byte{'\n'}); err != nil {
			return 0, err
		}
	}
	for line := range bytes.Lines(data) {
		if starts {
			out = append(out, l.label...)
		}
		out = append(out, line...)
		starts = line[len(line)-1] == '\n'
	}
	if l.g.midline = nil; !starts {
		l.g.midline = l
	}
	if _, err := l.w.Write(out); err != nil {
		return 0, err
	}
	return len(p), nil
}

// end writes what was held back as a line of its own.
func (l *labelled) end() {
	if len(l.tail) > 0 {
		l.Write([]byte{'\n'})
	}
}

func hideParam() param {
	return flag("HideComputerName", "of several targets: no computer's name before their lines").alias("HCN")
}
