package verbs

import (
	"slices"
	"strings"
)

// powerShellAliases are PowerShell's own. Those that shells have for themselves, as
// ls, are none for a link: it would stand in front of the shell's own command.
var powerShellAliases = []string{
	"nsn", "gsn", "rsn", "etsn", "exsn", "cnsn", "dnsn", "rcsn", "icm", "gjb", "rcjb", "wjb", "spjb", "rjb",
}

// LinkNames returns the names under which the binary may be linked: the cmdlets in
// PowerShell's spelling, and with aliases PowerShell's aliases of them.
func LinkNames(aliases bool) []string {
	var names []string
	for _, c := range commandNames {
		if strings.Contains(c.Name, "-") {
			names = append(names, c.Name)
		}
		for _, a := range c.Aliases {
			if aliases && slices.Contains(powerShellAliases, a) {
				names = append(names, a)
			}
		}
	}
	slices.Sort(names)
	return names
}
