package verbs

import (
	"fmt"
	"io"
	"strings"

	"pss/remote/api"
)

// help prints the overview, or the help of the command that args name.
func help(rt *Runtime, args []string) int {
	for _, word := range args {
		if strings.HasPrefix(word, "-") || strings.EqualFold(word, "help") || strings.EqualFold(word, "get-help") {
			continue
		}
		if strings.HasPrefix(strings.ToLower(word), "about_") {
			return topic(rt, word)
		}
		name, ok, near := FindCommand(commandNames, word)
		if !ok {
			e := usage("HelpNotFound", "there is no help on %q", word).Hint("pss help lists the commands")
			if len(near) > 0 {
				e = e.Hint("did you mean %s?", strings.Join(near, " or "))
			}
			return rt.fail(nil, e)
		}
		cmd := constructors[strings.ToLower(name)]()
		cmd.params = append(cmd.params, commonParams()...)
		helpOn(rt.Stdout, cmd)
		return 0
	}
	overview(rt.Stdout)
	return 0
}

func overview(w io.Writer) {
	fmt.Fprintf(w, "pss %s: sessions that outlive their client. Start work on a computer, disconnect, and receive what it printed from anywhere.\n\n", api.Version)
	fmt.Fprintf(w, "USAGE\n  pss <command> [parameters]\n\nCOMMANDS\n")
	for _, c := range sortedCommands() {
		fmt.Fprintf(w, "  %-22s %s\n", strings.ToLower(c.name), c.synopsis)
	}
	fmt.Fprintf(w, "\nTOPICS\n")
	for _, t := range topics() {
		fmt.Fprintf(w, "  %s\n", t)
	}
	fmt.Fprintf(w, "\nNames and parameters may be spelled as in PowerShell, in any case: pss New-PSSession -ComputerName server01\npss help <command> says more.\n")
}

// helpOn prints the help of one command in the order of Get-Help.
func helpOn(w io.Writer, c *command) {
	verb := strings.ToLower(c.name)
	fmt.Fprintf(w, "NAME\n  %s", c.name)
	if len(c.aliases) > 0 {
		fmt.Fprintf(w, " (%s)", strings.Join(c.aliases, ", "))
	}
	fmt.Fprintf(w, "\n\nSYNOPSIS\n  %s\n\nSYNTAX\n  pss %s", c.synopsis, verb)
	for _, p := range c.positional {
		fmt.Fprintf(w, " [%s]", p)
	}
	fmt.Fprint(w, " [parameters]")
	if c.words != "" {
		fmt.Fprint(w, " [-- WORDS]")
	}
	fmt.Fprint(w, "\n\nPARAMETERS\n")
	for i := range c.params {
		helpParam(w, &c.params[i])
	}
	if c.words != "" {
		fmt.Fprintf(w, "  -- WORDS\n      %s\n", c.words)
	}
	if c.notes != "" {
		fmt.Fprintf(w, "\nNOTES\n%s\n", wrap(c.notes, "  ", 98))
	}
	if len(c.examples) > 0 {
		fmt.Fprint(w, "\nEXAMPLES\n")
		for _, e := range c.examples {
			fmt.Fprintf(w, "  %s\n", e.command)
			if e.says != "" {
				fmt.Fprintf(w, "      %s\n", e.says)
			}
		}
	}
}

func helpParam(w io.Writer, p *param) {
	value := ""
	switch p.Kind {
	case KindValue:
		value = " VALUE"
	case KindList:
		value = " A,B"
	}
	fmt.Fprintf(w, "  --%s%s  (-%s", p.FlagName(), value, p.Name)
	for _, a := range p.Aliases {
		fmt.Fprintf(w, ", -%s", a)
	}
	fmt.Fprintf(w, ")\n      %s", p.help)
	if p.def != "" {
		fmt.Fprintf(w, " (default: %s)", p.def)
	}
	fmt.Fprintln(w)
}

// wrap breaks text into lines of at most width columns.
func wrap(text, indent string, width int) string {
	var b strings.Builder
	col := 0
	for _, word := range strings.Fields(text) {
		switch {
		case col == 0:
			b.WriteString(indent)
			col = len(indent)
		case col+1+len(word) > width:
			b.WriteString("\n" + indent)
			col = len(indent)
		default:
			b.WriteByte(' ')
			col++
		}
		b.WriteString(word)
		col += len(word)
	}
	return b.String()
}
