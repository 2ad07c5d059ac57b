package verbs

import (
	"path/filepath"
	"strings"

	"pss/remote/api"
)

// shells are the interpreters whose scripts the session's own shell runs.
var shells = map[string]bool{"sh": true, "bash": true, "dash": true, "ash": true, "ksh": true}

// interpreted makes a script file with another shebang run through that: the
// session's shell writes it to a file of its own and starts the interpreter.
func interpreted(cmd *api.Command, path string) {
	first, _, _ := strings.Cut(cmd.Script, "\n")
	line, ok := strings.CutPrefix(first, "#!")
	if path == "" || !ok {
		return
	}
	words := strings.Fields(line)
	if len(words) == 0 {
		return
	}
	program := filepath.Base(words[0])
	if program == "env" && len(words) > 1 {
		words = words[1:]
		if words[0] == "-S" && len(words) > 1 {
			words = words[1:]
		}
		program = filepath.Base(words[0])
	}
	if shells[program] {
		return
	}
	mark := "PSS_END_OF_SCRIPT"
	for strings.Contains(cmd.Script, mark) {
		mark += "_"
	}
	name := shellQuote(filepath.Base(path))
	cmd.Script = "__pss_d=$(mktemp -d) || exit 126\n" +
		"cat >\"$__pss_d/\"" + name + " <<'" + mark + "'\n" + strings.TrimSuffix(cmd.Script, "\n") + "\n" + mark + "\n" +
		strings.Join(quoteAll(words), " ") + " \"$__pss_d/\"" + name + " \"$@\"\n" +
		"set -- $?; rm -rf \"$__pss_d\"; unset __pss_d; (exit $1)\n"
}

// shellQuote makes s one word of a POSIX shell.
func shellQuote(s string) string { return "'" + strings.ReplaceAll(s, "'", `'\''`) + "'" }

func quoteAll(words []string) []string {
	out := make([]string, len(words))
	for i, w := range words {
		out[i] = shellQuote(w)
	}
	return out
}
