package verbs

import (
	"strings"

	"pss/remote/api"
)

// later are cmdlets of PowerShell's that pss does not have yet, and what there is
// meanwhile.
var later = map[string]string{
	"Enter-PSSession": "run commands in the session, which keeps its directory and variables: pss invoke-command --session ID --script-block '…'",
	"Exit-PSSession":  "there is no interactive session to leave",
	"Test-WSMan":      "pss get-pssession --computer-name COMPUTER tells whether a computer answers",
}

// notYet returns the error for a cmdlet that is a later step, or nil.
func notYet(word string) error {
	for name, instead := range later {
		if strings.EqualFold(name, word) || name == "Enter-PSSession" && strings.EqualFold(word, "etsn") {
			return api.Errorf(api.CodeUsage, "%s is a later step of pss", name).WithID("CommandNotFoundException").Hint("%s", instead)
		}
	}
	return nil
}
