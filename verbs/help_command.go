package verbs

import (
	"fmt"
	"io"
	"reflect"
	"slices"
	"strings"

	"pss/format"
)

// helpWidth is how wide help is at most.
const helpWidth = 98

// helpOn prints the help of one command in the order of Get-Help.
func helpOn(w io.Writer, c *command) {
	fmt.Fprintf(w, "NAME\n  %s", c.name)
	if len(c.aliases) > 0 {
		fmt.Fprintf(w, " (%s)", strings.Join(c.aliases, ", "))
	}
	fmt.Fprintf(w, "\n\nSYNOPSIS\n  %s\n\nSYNTAX\n", c.synopsis)
	for _, line := range c.syntax() {
		fmt.Fprintln(w, line)
	}
	helpParams(w, "PARAMETERS", c.params, func(p *param) bool { return !p.Common && p.refusal == "" && p.unused == "" })
	if c.words != "" {
		fmt.Fprintf(w, "  -- WORDS\n      %s\n", c.words)
	}
	helpParams(w, "COMMON PARAMETERS", c.params, func(p *param) bool { return p.Common && p.refusal == "" && p.unused == "" })
	if len(c.examples) > 0 {
		fmt.Fprint(w, "\nEXAMPLES\n")
		for _, e := range c.examples {
			e.print(w)
		}
	}
	if c.prints != nil {
		fmt.Fprintf(w, "\nOUTPUTS\n%s\n", wrap(c.outputs(), "  "))
	}
	if c.notes != "" {
		fmt.Fprintf(w, "\nNOTES\n%s\n", wrap(c.notes, "  "))
	}
	c.helpOthers(w)
}

func (e *example) print(w io.Writer) {
	fmt.Fprintf(w, "  %s\n", e.command)
	if e.says != "" {
		fmt.Fprintf(w, "      %s\n", e.says)
	}
	if e.output != "" {
		for line := range strings.Lines(e.output) {
			fmt.Fprintln(w, strings.TrimRight("      "+line, " \n"))
		}
	}
}

// syntax returns a line for each parameter set, wrapped; sets that differ in their
// mandatory parameter alone share one.
func (c *command) syntax() []string {
	type form struct {
		heads []string
		rest  string
	}
	var forms []form
	for _, s := range c.sets {
		head, rest := c.syntaxOf(s)
		if n := len(forms); n > 0 && forms[n-1].rest == rest && len(s.mandatory) == 1 && forms[n-1].heads[0] != "" {
			forms[n-1].heads = append(forms[n-1].heads, head)
			continue
		}
		forms = append(forms, form{[]string{head}, rest})
	}
	if c.sets == nil {
		head, rest := c.syntaxOf(paramSet{})
		forms = []form{{[]string{head}, rest}}
	}
	var lines []string
	for _, f := range forms {
		head := strings.Join(f.heads, "\x00|\x00")
		if len(f.heads) > 1 {
			head = "{" + head + "}"
		}
		parts := strings.Split("pss "+strings.ToLower(c.name)+"\x00"+head+"\x00"+f.rest, "\x00")
		parts = slices.DeleteFunc(parts, func(p string) bool { return p == "" })
		lines = append(lines, "  "+wrapParts(append(parts, "[common parameters]"), "      "))
	}
	return lines
}

// syntaxOf returns the mandatory parameters of a set, and the others. Its parts are
// separated by NUL: only there a line may break.
func (c *command) syntaxOf(s paramSet) (mandatory, others string) {
	var must, may []string
	for i := range c.params {
		p := &c.params[i]
		if !p.inSet(s.name) || p.Common || p.refusal != "" || p.unused != "" || slices.Contains(c.forms, p.Name) {
			continue
		}
		word := "--" + p.FlagName()
		if slices.ContainsFunc(c.positional, func(names []string) bool { return slices.Contains(names, p.Name) }) {
			word = "[" + word + "]"
		}
		if v := p.placeholder(); v != "" {
			word += " " + v
		}
		if slices.Contains(s.mandatory, p.Name) {
			must = append(must, word)
		} else {
			may = append(may, "["+word+"]")
		}
	}
	if len(c.forms) > 0 {
		may = append(may, "{"+strings.Join(c.formWords(), " | ")+"}")
	}
	return strings.Join(must, "\x00"), strings.Join(may, "\x00")
}

func (c *command) formWords() []string {
	var words []string
	for _, f := range c.forms {
		if f == wordsForm {
			words = append(words, "-- WORDS")
			continue
		}
		p := c.param(f)
		words = append(words, "--"+p.FlagName()+" "+p.placeholder())
	}
	return words
}

func helpParams(w io.Writer, title string, params []param, shown func(*param) bool) {
	fmt.Fprintf(w, "\n%s\n", title)
	for i := range params {
		if shown(&params[i]) {
			helpParam(w, &params[i])
		}
	}
}

func helpParam(w io.Writer, p *param) {
	fmt.Fprintf(w, "  %s\n%s\n", p.heading(), wrap(p.text(), "      "))
}

// heading is the parameter with its value and its other names.
func (p *param) heading() string {
	head := "--" + p.FlagName()
	if v := p.placeholder(); v != "" {
		head += " " + v
	}
	head += "  (-" + p.Name
	for _, a := range p.Aliases {
		head += ", -" + a
	}
	return head + ")"
}

// text is what help says of the parameter.
func (p *param) text() string {
	text := p.help
	if p.kind.says != nil {
		text += "; " + p.kind.says()
	}
	if p.def != "" {
		text += " (default: " + p.def + ")"
	}
	return text
}

// helpOthers lists PowerShell's parameters that do nothing here, with the reason.
func (c *command) helpOthers(w io.Writer) {
	for _, g := range c.others() {
		fmt.Fprintf(w, "\n%s\n", g.title)
		for _, text := range g.texts {
			fmt.Fprintf(w, "%s\n", wrap(text, "  "))
		}
	}
}

// group is a section of help with a text for each of several parameters.
type group struct {
	title string
	texts []string
}

// others are PowerShell's parameters that do nothing here, grouped by the reason.
func (c *command) others() (groups []group) {
	gather := func(title string, of func(*param) string) {
		var reasons []string
		names := map[string][]string{}
		for i := range c.params {
			if why := of(&c.params[i]); why != "" {
				if names[why] == nil {
					reasons = append(reasons, why)
				}
				names[why] = append(names[why], "-"+c.params[i].Name)
			}
		}
		g := group{title: title}
		for _, why := range reasons {
			g.texts = append(g.texts, strings.Join(names[why], ", ")+": "+why)
		}
		if len(g.texts) > 0 {
			groups = append(groups, g)
		}
	}
	gather("ACCEPTED WITHOUT EFFECT", func(p *param) string { return p.unused })
	gather("NOT AVAILABLE", func(p *param) string { return p.refusal })
	return groups
}

// wrapParts joins parts with blanks, and begins a new line before one that does not
// fit behind indent.
func wrapParts(parts []string, indent string) string {
	var b strings.Builder
	col := len(indent)
	for i, part := range parts {
		switch {
		case i == 0:
		case col+1+len(part) > helpWidth:
			b.WriteString("\n" + indent)
			col = len(indent)
		default:
			b.WriteByte(' ')
			col++
		}
		b.WriteString(part)
		col += len(part)
	}
	return b.String()
}

// wrap breaks text into lines of at most helpWidth columns.
func wrap(text, indent string) string { return indent + wrapParts(strings.Fields(text), indent) }

// outputs names what the cmdlet prints, and its properties.
func (c *command) outputs() string {
	name := reflect.TypeOf(c.prints).Name()
	return strings.ToUpper(name[:1]) + name[1:] + ": " + strings.Join(format.Properties(c.prints), ", ")
}
