package verbs

import (
	"slices"
	"strings"
)

// want is what may stand where the cursor is.
type want string

const (
	wantNothing     want = ""
	wantCommand     want = "command"
	wantHelp        want = "help" // a command or a topic
	wantParameter   want = "parameter"
	wantValue       want = "value"
	wantFiles       want = "files"
	wantDirectories want = "directories"
)

// prompt is an unfinished command line, as far as completion has to understand it.
type prompt struct {
	want   want
	verb   string              // as it was typed
	cmd    *command            // nil as long as none is named
	params []*param            // that the value may belong to
	given  map[string][]string // the values of what stands in front
	before string              // of the word at the cursor: what stays as it is
	typed  string              // and what may go on
	taken  []string            // elements of a list that are there already

	words    []string // what stands behind the command
	next     int
	position int // of the next bare word
}

// readPrompt finds out what may stand in the place of the last word. Whatever is
// wrong in front of it is left to the command itself.
func readPrompt(words []string) *prompt {
	p := &prompt{given: map[string][]string{}, typed: words[len(words)-1]}
	base := words[0][strings.LastIndexByte(words[0], '/')+1:]
	name, linked, _ := FindCommand(commandNames, base)
	words = words[1:]
	if p.verb = base; !linked {
		p.verb = words[0]
		if len(words) == 1 {
			p.want = wantCommand
			return p
		}
		if isHelpWord(words[0]) {
			if len(words) == 2 {
				p.want = wantHelp
			}
			return p
		}
		var ok bool
		if name, ok, _ = FindCommand(commandNames, words[0]); !ok {
			return p
		}
		words = words[1:]
	}
	p.cmd = constructors[strings.ToLower(name)]().complete()
	p.words = words
	p.read()
	return p
}

func isHelpWord(word string) bool {
	return strings.EqualFold(word, "help") || strings.EqualFold(word, "get-help") || strings.EqualFold(trimDashes(word), "help")
}

// read walks over the words as Normalize does, and stops at the last one.
func (p *prompt) read() {
	for ; p.next < len(p.words)-1; p.next++ {
		switch word := p.words[p.next]; {
		case word == "--":
			p.want = wantFiles // arguments of a command that is not ours
			return
		case looksLikeParameter(word):
			if p.parameter(word) {
				return
			}
		case strings.HasPrefix(word, "{"):
			if p.block() {
				return
			}
		default:
			if p.positional(word) {
				return
			}
		}
	}
	if strings.HasPrefix(p.typed, "-") && trimDashes(p.typed) == "" || looksLikeParameter(p.typed) {
		p.atParameter()
		return
	}
	p.valueOf(p.place()...)
}

// parameter passes a parameter and its value, and reports whether the cursor is in
// that value.
func (p *prompt) parameter(word string) bool {
	name, value, sep := splitParameter(word)
	q := p.find(name)
	if q == nil {
		return false
	}
	p.given[q.Name] = append(p.given[q.Name], SplitList(value)...)
	if q.Kind == KindSwitch || sep == "=" || value != "" && q.Kind == KindValue {
		return false
	}
	if value == "" {
		if p.next++; p.next == len(p.words)-1 {
			p.valueOf(q)
			return true
		}
		value = p.words[p.next]
	}
	if q.Block && strings.HasPrefix(value, "{") {
		return p.block()
	}
	return p.rest(q, value)
}

// rest passes the words that a comma joins to a value, and reports whether the
// cursor is among them.
func (p *prompt) rest(q *param, value string) bool {
	for q.Kind == KindList && endsWithComma(value) {
		if p.next++; p.next == len(p.words)-1 {
			p.valueOf(q)
			return true
		}
		value += p.words[p.next]
	}
	p.given[q.Name] = append(p.given[q.Name], SplitList(value)...)
	return false
}

// place returns the parameters that a bare word here can mean, and goes on to the next
// place. Like resolve, it passes over a place of which nothing is possible any more.
func (p *prompt) place() []*param {
	for p.position < len(p.cmd.positional) {
		var possible []*param
		for _, name := range p.cmd.positional[p.position] {
			if q := p.cmd.param(name); p.possible(q) && p.given[name] == nil {
				possible = append(possible, q)
			}
		}
		p.position++
		if len(possible) > 0 {
			return possible
		}
	}
	return nil
}

// positional passes a bare word: it belongs to the first parameter that takes it.
func (p *prompt) positional(word string) bool {
	for _, q := range p.place() {
		if q.checkAll(SplitList(strings.TrimRight(word, ","))) == nil {
			return p.rest(q, word)
		}
	}
	return false
}

// possible reports whether the parameter can still be given: it does something, and
// belongs to a parameter set of all that are there.
func (p *prompt) possible(q *param) bool {
	if q.refusal != "" || q.unused != "" || p.given[q.Name] != nil && q.Kind != KindList {
		return false
	}
	if p.cmd.sets == nil {
		return true
	}
	sets := setsWith(p.cmd.sets, q)
	for name := range p.given {
		sets = setsWith(sets, p.cmd.param(name))
	}
	return len(sets) > 0
}

// block passes a brace block, and reports whether the cursor is in it: there stands
// a script, which is the shell's own.
func (p *prompt) block() bool {
	depth := 0
	for ; p.next < len(p.words)-1; p.next++ {
		depth += strings.Count(p.words[p.next], "{") - strings.Count(p.words[p.next], "}")
		if depth <= 0 {
			return false
		}
	}
	p.want = wantFiles
	return true
}

// atParameter is for a cursor in a parameter's name, or in a value that is joined to it.
func (p *prompt) atParameter() {
	name, value, sep := splitParameter(p.typed)
	if sep == "" {
		p.want = wantParameter
		return
	}
	q := p.find(name)
	if q == nil {
		return
	}
	p.before, p.typed = p.typed[:len(p.typed)-len(value)], value
	p.valueOf(q)
}

// valueOf is for a cursor in the value of one of the parameters: of a list, in its
// last element.
func (p *prompt) valueOf(params ...*param) {
	if len(params) == 0 {
		return
	}
	p.want, p.params = wantValue, params
	if i := strings.LastIndexByte(p.typed, ','); i >= 0 && params[0].Kind == KindList && !strings.HasSuffix(p.typed[:i], `\`) {
		p.taken = SplitList(p.typed[:i])
		p.before, p.typed = p.before+p.typed[:i+1], p.typed[i+1:]
	}
	for _, q := range params {
		switch source := sourceOf(p.cmd, q); {
		case source == fromFiles:
			p.want = wantFiles
		case source == fromDirectories:
			p.want = wantDirectories
		case source == fromComputers && hasPrefixFold(p.typed, listFile):
			p.want, p.before, p.typed = wantFiles, p.before+p.typed[:len(listFile)], p.typed[len(listFile):]
			return
		}
	}
}

// has reports whether a value stands in the list already.
func (p *prompt) has(value string) bool {
	return slices.ContainsFunc(p.taken, func(t string) bool { return strings.EqualFold(t, value) })
}

// find returns the parameter that name means, or nil.
func (p *prompt) find(name string) *param {
	params := make([]Parameter, len(p.cmd.params))
	for i := range p.cmd.params {
		params[i] = p.cmd.params[i].Parameter
	}
	q, _ := findParameter(params, name)
	if q == nil {
		return nil
	}
	return p.cmd.param(q.Name)
}
