package verbs

import (
	"fmt"
	"io"
	"slices"
	"strings"

	"pss/remote/api"
)

// help prints the overview, or the help of the command that args name.
func help(rt *Runtime, args []string) int {
	for i, word := range args {
		if strings.HasPrefix(word, "-") || strings.EqualFold(word, "help") || strings.EqualFold(word, "get-help") {
			continue
		}
		if strings.HasPrefix(strings.ToLower(word), "about_") {
			return topic(rt, word)
		}
		name, ok, near := FindCommand(commandNames, word)
		if !ok {
			e := usage("HelpNotFound", "there is no help on %q", word).Hint("pss help lists the commands")
			if near = append(near, nearTopics(word)...); len(near) > 0 {
				e = e.Hint("did you mean %s?", strings.Join(near, " or "))
			}
			return rt.fail(nil, e)
		}
		name, _ = subcommand(name, args[i+1:])
		helpOn(rt.Stdout, constructors[strings.ToLower(name)]().complete())
		return 0
	}
	overview(rt.Stdout)
	return 0
}

func overview(w io.Writer) {
	fmt.Fprintf(w, "pss %s: sessions that outlive their client. Start work on a computer, disconnect, and receive what it printed from anywhere.\n\n", api.Version)
	fmt.Fprintf(w, "USAGE\n  pss <command> [parameters]\n\nCOMMANDS\n")
	commands := slices.DeleteFunc(sortedCommands(), func(c *command) bool { return strings.Contains(c.name, " ") })
	longest := 0
	for _, c := range commands {
		longest = max(longest, len(c.name))
	}
	for _, c := range commands {
		says := wrap(c.synopsis, strings.Repeat(" ", longest+4))
		fmt.Fprintf(w, "  %-*s%s\n", longest, strings.ToLower(c.name), says[longest+2:])
	}
	fmt.Fprintf(w, "\nTOPICS\n")
	for _, t := range topics() {
		fmt.Fprintf(w, "  %s\n", t)
	}
	fmt.Fprintf(w, "\nNames and parameters may be spelled as in PowerShell, in any case: pss New-PSSession -ComputerName server01\npss help <command> says more.\n")
}
