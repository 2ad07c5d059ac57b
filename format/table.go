package format

import (
	"bufio"
	"io"
	"strings"
	"sync"

	"github.com/olekukonko/ll"
	"github.com/olekukonko/tablewriter"
	"github.com/olekukonko/tablewriter/pkg/twwidth"
	"github.com/olekukonko/tablewriter/tw"
)

// gapAfter is the number of blanks behind column i.
func gapAfter(i int) int {
	if i == 0 {
		return 1
	}
	return 2
}

// narrow makes the library measure as Width does. It reads the locale while it
// starts, and the same table would differ from machine to machine.
func narrow() { once.Do(func() { twwidth.SetEastAsian(false) }) }

var once sync.Once

// table prints the shown columns through the table library.
func (v *view) table(b *bufio.Writer) error {
	if len(v.rows) == 0 {
		return nil
	}
	lines := make([][]string, 0, len(v.rows)+1)
	header := make([]string, len(v.shown))
	for i, f := range v.shown {
		header[i] = f.label
	}
	lines = append(lines, header)
	for _, row := range v.rows {
		cells := make([]string, len(v.shown))
		for i := range v.shown {
			cells[i] = text(v.shown[i].value(row))
		}
		lines = append(lines, cells)
	}
	if v.options.Width > 0 {
		lines = fit(lines, v.options.Width)
	}
	return v.render(b, lines)
}

// render hands the lines, the first of them the header, to the library.
func (v *view) render(b *bufio.Writer, lines [][]string) error {
	narrow()
	aligns := make([]tw.Align, len(lines[0]))
	for i := range aligns {
		aligns[i] = tw.AlignLeft
		if v.shown[i].right {
			aligns[i] = tw.AlignRight
		}
	}
	r := &renderer{w: b, options: &v.options}
	t := tablewriter.NewTable(b, tablewriter.WithRenderer(r)).Configure(func(c *tablewriter.Config) {
		c.Behavior.TrimSpace = tw.Off
		for _, section := range []*tw.CellConfig{&c.Header, &c.Row} {
			section.Formatting = tw.CellFormatting{AutoFormat: tw.Off, AutoWrap: tw.WrapNone}
			section.Padding = tw.CellPadding{Global: tw.PaddingNone}
			section.Alignment = tw.CellAlignment{Global: tw.AlignLeft, PerColumn: aligns}
		}
	})
	t.Header(lines[0])
	for _, line := range lines[1:] {
		if err := t.Append(line); err != nil {
			return err
		}
	}
	if err := t.Render(); err != nil {
		return err
	}
	return r.err
}

// renderer writes the lines of a table: the library measures and aligns, the
// renderer sets the gaps, the underlines, and no blank at the end of a line.
type renderer struct {
	w       *bufio.Writer
	options *Options
	err     error
}

func (r *renderer) Start(io.Writer) error                 { return nil }
func (r *renderer) Close() error                          { return nil }
func (r *renderer) Logger(*ll.Logger)                     {}
func (r *renderer) Line(tw.Formatting)                    {}
func (r *renderer) Footer([][]string, tw.Formatting)      {}
func (r *renderer) Config() tw.Rendition                  { return tw.Rendition{Streaming: true} }
func (r *renderer) Row(cells []string, ctx tw.Formatting) { r.line(cells, ctx) }

// Header writes the labels and, below each, dashes of its own length.
func (r *renderer) Header(lines [][]string, ctx tw.Formatting) {
	if r.options.NoHeader {
		return
	}
	if r.options.Colour {
		r.write(headColour)
		defer r.write(plainColour)
	}
	for _, labels := range lines {
		r.line(labels, ctx)
		dashes := make([]string, len(labels))
		for i, label := range labels {
			dashes[i] = strings.Repeat("-", Width(label))
		}
		r.line(dashes, ctx)
	}
}

// line writes one line. Blanks wait until a cell follows them.
func (r *renderer) line(cells []string, ctx tw.Formatting) {
	pending := 0
	for i, cell := range cells {
		room := ctx.Row.Widths.Get(i) - Width(cell)
		if ctx.Row.Current[i].Align == tw.AlignRight {
			pending, room = pending+room, 0
		}
		if trimmed := strings.TrimRight(cell, " "); trimmed != "" {
			for ; pending > 0; pending-- {
				r.write(" ")
			}
			r.write(trimmed)
			pending = len(cell) - len(trimmed)
		} else {
			pending += len(cell)
		}
		pending += room + gapAfter(i)
	}
	r.write("\n")
}

func (r *renderer) write(s string) {
	if r.err == nil {
		_, r.err = r.w.WriteString(s)
	}
}
