package verbs

import (
	"fmt"
	"path/filepath"
	"slices"
	"strings"

	"pss/config"
	"pss/remote/api"
)

// ManCommand is the hidden word by which a build has the manual pages written:
// pss __man DIR
const ManCommand = "__man"

// WriteManPages writes the manual into the folder: pss.1, a page of section 1 for each
// command and one of section 7 for each topic. They say what pss help says.
func WriteManPages(dir string) error {
	pages := map[string]string{"pss.1": overviewPage()}
	for _, c := range sortedCommands() {
		name := "pss-" + strings.ReplaceAll(strings.ToLower(c.name), " ", "-")
		pages[name+".1"] = commandPage(name, c.complete())
	}
	for _, t := range topics() {
		text, err := topicText(t, "")
		if err != nil {
			return err
		}
		pages["pss-"+t+".7"] = topicPage("pss-"+t, text)
	}
	for name, text := range pages {
		if err := config.WriteFile(filepath.Join(dir, name), []byte(text)); err != nil {
			return err
		}
	}
	return nil
}

// roff is a manual page that is being written.
type roff struct{ strings.Builder }

// newPage begins a page with its title and its NAME section.
func newPage(name string, section int, says string) *roff {
	r := &roff{}
	fmt.Fprintf(r, ".TH %s %d \"\" \"pss %s\" pss\n.nh\n.ad l\n", name, section, api.Version)
	r.heading("NAME")
	fmt.Fprintf(r, "%s \\- %s\n", escape(name), escape(strings.TrimSuffix(says, ".")))
	return r
}

func (r *roff) heading(title string) { fmt.Fprintf(r, ".SH %s\n", escape(title)) }

func (r *roff) paragraph(text string) { fmt.Fprintf(r, ".PP\n%s\n", escapeLines(text)) }

// term is a heading with a text that belongs to it.
func (r *roff) term(head, text string) {
	fmt.Fprintf(r, ".TP\n\\fB%s\\fR\n%s\n", escape(head), escapeLines(text))
}

// literal is text that keeps its lines.
func (r *roff) literal(text string) {
	fmt.Fprintf(r, ".PP\n.nf\n.RS 2\n%s\n.RE\n.fi\n", escapeLines(text))
}

// escape makes every character stand for itself: a hyphen that can be searched for and
// copied, and those beyond ASCII by their number.
func escape(text string) string {
	var b strings.Builder
	for _, c := range text {
		switch {
		case c == '\\':
			b.WriteString(`\e`)
		case c == '-':
			b.WriteString(`\-`)
		case c == '\'':
			b.WriteString(`\(aq`)
		case c == '^':
			b.WriteString(`\(ha`)
		case c == '~':
			b.WriteString(`\(ti`)
		case c == '`':
			b.WriteString(`\(ga`)
		case c > '~':
			fmt.Fprintf(&b, `\[u%04X]`, c)
		default:
			b.WriteRune(c)
		}
	}
	return b.String()
}

// escapeLines is escape for whole lines, of which none may begin as a request does.
func escapeLines(text string) string {
	lines := strings.Split(escape(text), "\n")
	for i, line := range lines {
		if strings.HasPrefix(line, ".") {
			lines[i] = `\&` + line
		}
	}
	return strings.Join(lines, "\n")
}

func overviewPage() string {
	r := newPage("pss", 1, "sessions that outlive their client")
	r.heading("SYNOPSIS")
	r.literal("pss COMMAND [PARAMETERS]\npss help [COMMAND | TOPIC]")
	r.heading("DESCRIPTION")
	r.paragraph("Start work on a computer, disconnect, and receive what it printed from anywhere. " +
		"Names and parameters may be spelled as in PowerShell, in any case: pss New-PSSession -ComputerName server01.")
	r.heading("COMMANDS")
	var pages []string
	for _, c := range sortedCommands() {
		r.term(strings.ToLower(c.name), c.synopsis)
		pages = append(pages, "pss-"+strings.ReplaceAll(strings.ToLower(c.name), " ", "-")+"(1)")
	}
	r.heading("TOPICS")
	for _, t := range topics() {
		if text, err := topicText(t, ""); err == nil {
			r.term(t, shortDescription(text))
			pages = append(pages, "pss-"+t+"(7)")
		}
	}
	r.heading("EXIT STATUS")
	r.paragraph("See pss-about_Exit_Codes(7).")
	r.heading("ENVIRONMENT")
	r.paragraph("See pss-about_Remote_Variables(7).")
	r.heading("FILES")
	r.paragraph("See pss-about_Configuration(7).")
	r.heading("SEE ALSO")
	r.paragraph(strings.Join(pages, ", "))
	return r.String()
}

// commandPage is the help of a command in the same order.
func commandPage(name string, c *command) string {
	r := newPage(name, 1, c.synopsis)
	r.heading("SYNOPSIS")
	for _, line := range c.syntax() {
		r.paragraph(strings.Join(strings.Fields(line), " "))
	}
	if len(c.aliases) > 0 {
		r.paragraph("Aliases: " + strings.Join(c.aliases, ", "))
	}
	works := func(p *param) bool { return p.refusal == "" && p.unused == "" }
	if c.words != "" || slices.ContainsFunc(c.params, func(p param) bool { return !p.Common && works(&p) }) {
		r.heading("PARAMETERS")
	}
	for i := range c.params {
		if p := &c.params[i]; !p.Common && works(p) {
			r.term(p.heading(), p.text())
		}
	}
	if c.words != "" {
		r.term("-- WORDS", c.words)
	}
	r.heading("COMMON PARAMETERS")
	for i := range c.params {
		if p := &c.params[i]; p.Common && works(p) {
			r.term(p.heading(), p.text())
		}
	}
	if len(c.examples) > 0 {
		r.heading("EXAMPLES")
	}
	for _, e := range c.examples {
		r.literal(e.command)
		if e.says != "" {
			r.paragraph(e.says)
		}
		if e.output != "" {
			r.literal(strings.TrimRight(e.output, "\n"))
		}
	}
	if c.notes != "" {
		r.heading("NOTES")
		r.paragraph(c.notes)
	}
	for _, g := range c.others() {
		r.heading(g.title)
		for _, text := range g.texts {
			r.paragraph(text)
		}
	}
	r.heading("SEE ALSO")
	r.paragraph("pss(1), pss-about_Exit_Codes(7), pss-about_Remote(7)")
	return r.String()
}

// topicPage makes a page of a topic: its headings are headings, its paragraphs are
// filled, and what is indented keeps its lines.
func topicPage(name, text string) string {
	r := newPage(name, 7, shortDescription(text))
	_, text, _ = strings.Cut(text, "\n\n")
	began := false
	for _, part := range strings.Split(strings.TrimRight(text, "\n"), "\n\n") {
		switch {
		case isHeading(part) && !strings.Contains(part, "\n"):
			r.heading(part)
			began = true
			continue
		case !began:
			r.heading("DESCRIPTION")
			began = true
		}
		r.part(part)
	}
	return r.String()
}

// part is a piece of a topic between two empty lines: text, and below it perhaps what
// keeps its lines.
func (r *roff) part(text string) {
	lines := strings.Split(text, "\n")
	n := slices.IndexFunc(lines, func(l string) bool { return strings.HasPrefix(l, " ") })
	if n < 0 {
		n = len(lines)
	}
	if n > 0 {
		r.paragraph(strings.Join(lines[:n], "\n"))
	}
	if n < len(lines) {
		for i := n; i < len(lines); i++ {
			lines[i] = strings.TrimPrefix(lines[i], "  ")
		}
		r.literal(strings.Join(lines[n:], "\n"))
	}
}
