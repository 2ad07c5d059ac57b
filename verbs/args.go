package verbs

import (
	"strings"
	"unicode"
	"unicode/utf8"

	"pss/remote/api"
)

// ParamKind says what follows the name of a parameter.
type ParamKind uint8

// The kinds.
const (
	KindSwitch ParamKind = iota // nothing: its presence means true
	KindValue                   // one value
	KindList                    // values separated by commas
)

// Parameter declares one parameter of a command. Flags, help and completion
// are all derived from it.
type Parameter struct {
	Name    string   // PascalCase, as PowerShell spells it: "ComputerName"
	Aliases []string // "Cn"
	Kind    ParamKind
	Flag    string // spelling of the flag where KebabOf(Name) is not the right one
	Common  bool   // of every command: loses a tie of prefixes against one of the command's own
	Block   bool   // a script: a value that starts with { runs to the matching }
	Objects bool   // JSON or a table is one value: its commas separate nothing
}

// whole reports whether text is one value of the list p.
func (p *Parameter) whole(text string) bool {
	text = strings.TrimSpace(text)
	return p.Objects && (strings.HasPrefix(text, "[") || strings.HasPrefix(text, "{") && !isBracedGUID(text) || strings.Contains(text, "\n"))
}

// FlagName returns the spelling of the parameter as a flag: "computer-name".
func (p *Parameter) FlagName() string {
	if p.Flag != "" {
		return p.Flag
	}
	return KebabOf(p.Name)
}

// Normalized is a command line in the one form that the framework reads right.
type Normalized struct {
	Args           []string // --flag=value only, in the order typed; a list has one element per value
	Positional     []string // words that belong to no parameter
	Passthrough    []string // what stood behind --, untouched
	HasPassthrough bool     // there was a --
	Brace          bool     // a script came as a brace block: the local shell has seen its words
	HelpWanted     bool     // -?, -h or --help; nothing behind it was read
}

// Argv returns a command line that Normalize reads as n again.
func (n *Normalized) Argv(params []Parameter) []string {
	argv := append([]string(nil), n.Positional...)
	for _, arg := range n.Args {
		flag, value, _ := strings.Cut(arg, "=")
		if p, _ := findParameter(params, strings.TrimLeft(flag, "-")); p != nil && p.Kind == KindList && !p.whole(value) {
			value = strings.ReplaceAll(value, ",", `\,`)
		}
		argv = append(argv, flag+"="+value)
	}
	if n.HelpWanted {
		return append(argv, "--help")
	}
	if n.HasPassthrough {
		argv = append(append(argv, "--"), n.Passthrough...)
	}
	return argv
}

// Normalize reads argv, which has neither program nor command name, in
// PowerShell's syntax and in that of flags, mixed as the user likes, and
// returns it in one form. Parameters are found in any case, with one dash or
// two, by name, alias or unique prefix. Its errors are usage errors with the
// FullyQualifiedErrorId of PowerShell's binder; cmd is named in their hints.
func Normalize(cmd string, params []Parameter, argv []string) (Normalized, error) {
	r := argReader{cmd: cmd, params: params, words: argv, bound: make([]bool, len(params))}
	for r.next < len(r.words) && !r.out.HelpWanted && !r.out.HasPassthrough {
		if err := r.word(); err != nil {
			return Normalized{}, err
		}
	}
	return r.out, nil
}

// argReader is one run of Normalize.
type argReader struct {
	cmd    string
	params []Parameter
	words  []string
	next   int    // the word to read
	bound  []bool // by index of params
	out    Normalized
}

// word reads one parameter with its value, or one positional word.
func (r *argReader) word() error {
	word := r.words[r.next]
	switch {
	case word == "--":
		r.out.HasPassthrough = true
		r.out.Passthrough = r.words[r.next+1:]
		return nil
	case r.isHelp(word):
		r.out.HelpWanted = true
		return nil
	case looksLikeParameter(word):
		r.next++
		return r.parameter(word)
	}
	if p := r.blockParameter(); p != nil && strings.HasPrefix(word, "{") {
		text, found, err := r.block("-" + p.Name)
		if err != nil {
			return err
		}
		if found {
			return r.bind(p, "{", text)
		}
	}
	r.next++
	r.out.Positional = append(r.out.Positional, word)
	return nil
}

// parameter reads the rest of a parameter; its first word is already consumed.
func (r *argReader) parameter(word string) error {
	name, value, sep := splitParameter(word)
	typed := word[:len(word)-len(value)-len(sep)]
	p, candidates := findParameter(r.params, name)
	if p == nil {
		return r.notOne(typed, name, candidates)
	}
	var err error
	switch p.Kind {
	case KindSwitch:
		if value, err = r.switchValue(typed, value, sep); err != nil {
			return err
		}
		return r.bind(p, typed, value)
	case KindList:
		values, err := r.listValue(p, typed, value, sep)
		if err != nil || r.out.HelpWanted {
			return err
		}
		return r.bind(p, typed, values...)
	}
	if value, err = r.value(p, typed, value, sep); err != nil || r.out.HelpWanted {
		return err
	}
	return r.bind(p, typed, value)
}

// bind adds values to the output. Only lists may be named twice.
func (r *argReader) bind(p *Parameter, typed string, values ...string) error {
	for i := range r.params {
		if p != &r.params[i] {
			continue
		}
		if r.bound[i] && p.Kind != KindList {
			return usage("ParameterAlreadyBound", "the parameter %s is given more than once: %s is one too many", spelled(p, typed), typed).
				Hint("give it once")
		}
		r.bound[i] = true
	}
	for _, value := range values {
		r.out.Args = append(r.out.Args, "--"+p.FlagName()+"="+value)
	}
	return nil
}

// switchValue returns "true" or "false". A switch never takes the next word.
func (r *argReader) switchValue(typed, value, sep string) (string, error) {
	if sep == "" {
		return "true", nil
	}
	switch strings.ToLower(strings.TrimPrefix(value, "$")) {
	case "true":
		return "true", nil
	case "false":
		return "false", nil
	case "":
		return "", usage("CannotConvertArgument", "the switch %s%s has no value: the local shell has replaced $true or $false by nothing", typed, sep).
			Hint("quote it, '%s%s$false', or write %s%sfalse", typed, sep, typed, sep)
	}
	return "", usage("CannotConvertArgument", "the switch %s cannot be %q", typed, value).
		Hint("write %s:true or %s:false", typed, typed)
}

// value returns the value of a KindValue parameter: behind the separator, or
// the next word. Like PowerShell, -Name: takes the next word too; --name= is
// the empty string.
func (r *argReader) value(p *Parameter, typed, value, sep string) (string, error) {
	if sep == "=" && !(p.Block && value == "{") {
		return value, nil
	}
	if value != "" {
		if !p.Block || !strings.HasPrefix(value, "{") {
			return value, nil
		}
		r.next-- // the block begins inside this word
		r.words = append([]string(nil), r.words...)
		r.words[r.next] = value
	} else if err := r.needWord(typed); err != nil || r.out.HelpWanted {
		return "", err
	}
	if p.Block {
		if text, found, err := r.block(typed); found || err != nil {
			return text, err
		}
	}
	r.next++
	return r.words[r.next-1], nil
}

// listValue returns the values of a KindList parameter. The list goes on over
// the next words as long as a comma joins them.
func (r *argReader) listValue(p *Parameter, typed, value, sep string) ([]string, error) {
	if sep == "" || sep == ":" && value == "" {
		if err := r.needWord(typed); err != nil || r.out.HelpWanted {
			return nil, err
		}
		value = r.words[r.next]
		r.next++
	}
	if p.whole(value) {
		return []string{value}, nil
	}
	return r.list(typed, value)
}

// list reads on from the text that is already there.
func (r *argReader) list(typed, text string) ([]string, error) {
	for r.next < len(r.words) {
		word := r.words[r.next]
		if !strings.HasPrefix(word, ",") && !(endsWithComma(text) && !looksLikeParameter(word) && word != "--") {
			break
		}
		text += word
		r.next++
	}
	values := SplitList(text)
	for _, value := range values {
		if value == "" && len(values) > 1 {
			return nil, usage("MissingArgument", "the list %q of %s has an empty element", text, typed).
				Hint(`give a value on both sides of each comma; a comma inside a value is written \,`)
		}
	}
	return values, nil
}

// needWord checks that the next word can be a value.
func (r *argReader) needWord(typed string) error {
	if r.next < len(r.words) {
		word := r.words[r.next]
		if r.isHelp(word) {
			r.out.HelpWanted = true
			return nil
		}
		if word != "--" && !looksLikeParameter(word) {
			return nil
		}
		if word != "--" {
			return usage("MissingArgument", "the parameter %s has no value: %s is read as the next parameter", typed, word).
				Hint("if it is the value, write %s=%s", typed, word)
		}
	}
	return usage("MissingArgument", "the parameter %s has no value", typed).Hint("pss help %s", r.cmd)
}

// isHelp tells the words that ask for help, unless a parameter has that name.
func (r *argReader) isHelp(word string) bool {
	if trimDashes(word) == "?" {
		return len(word) > 1
	}
	name := foldName(trimDashes(word))
	return looksLikeParameter(word) && (name == "h" || name == "help") && !isExact(r.params, name)
}

func (r *argReader) blockParameter() *Parameter {
	for i := range r.params {
		if r.params[i].Block {
			return &r.params[i]
		}
	}
	return nil
}

// notOne is the error for a name that is no parameter, or several.
func (r *argReader) notOne(typed, name string, candidates []*Parameter) error {
	if len(candidates) > 0 {
		names := make([]string, len(candidates))
		for i, p := range candidates {
			names[i] = spelled(p, typed)
		}
		return usage("AmbiguousParameter", "the parameter %s is ambiguous: it can mean %s", typed, strings.Join(names, ", ")).
			Hint("write more of the name")
	}
	err := usage("NamedParameterNotFound", "there is no parameter %s", typed)
	if p := nearestParameter(r.params, name); p != nil {
		return err.Hint("did you mean %s? pss help %s", spelled(p, typed), r.cmd)
	}
	return err.Hint("pss help %s", r.cmd)
}

// usage returns a usage error with an id of PowerShell's binder.
func usage(id, format string, args ...any) *api.Error {
	return api.Errorf(api.CodeUsage, format, args...).WithID(id)
}

// looksLikeParameter tells -Name from values like -3 and a lone dash.
func looksLikeParameter(word string) bool {
	rest := trimDashes(word)
	if len(rest) == len(word) {
		return false
	}
	first, _ := utf8.DecodeRuneInString(rest)
	return unicode.IsLetter(first)
}

// trimDashes removes one dash or two. Word processors turn hyphens into en
// dashes, em dashes and bars; PowerShell reads them all.
func trimDashes(word string) string {
	for range 2 {
		r, size := utf8.DecodeRuneInString(word)
		if r != '-' && r != '–' && r != '—' && r != '―' {
			break
		}
		word = word[size:]
	}
	return word
}

// splitParameter cuts a word into name, value and the separator between them.
func splitParameter(word string) (name, value, sep string) {
	name = trimDashes(word)
	if i := strings.IndexAny(name, ":="); i >= 0 {
		return name[:i], name[i+1:], name[i : i+1]
	}
	return name, "", ""
}
