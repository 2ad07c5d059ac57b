package verbs

import (
	"slices"
	"strings"
	"unicode"
	"unicode/utf8"
)

// CommandName is a command as FindCommand knows it.
type CommandName struct {
	Name    string // "New-PSSession"
	Aliases []string
}

// KebabOf returns the flag spelling of a PascalCase name: a hyphen before each
// word, where a run of capitals is one word (UseSSL is use-ssl, SkipCACheck is
// skip-ca-check) and digits belong to the word before them.
func KebabOf(pascal string) string {
	runes := []rune(pascal)
	var b strings.Builder
	for i, r := range runes {
		if i > 0 && unicode.IsUpper(r) {
			after := runes[i-1]
			endsRun := unicode.IsUpper(after) && i+1 < len(runes) && unicode.IsLower(runes[i+1])
			if unicode.IsLower(after) || unicode.IsDigit(after) || endsRun {
				b.WriteByte('-')
			}
		}
		b.WriteRune(unicode.ToLower(r))
	}
	return b.String()
}

// FindCommand returns the name of the command that word names, exactly or by an
// alias, in any case. For an unknown word it returns false and what may have
// been meant, the nearest first.
func FindCommand(commands []CommandName, word string) (string, bool, []string) {
	for _, c := range commands {
		if len(c.Name) == len(word) && strings.EqualFold(c.Name, word) || slices.ContainsFunc(c.Aliases, func(a string) bool { return strings.EqualFold(a, word) }) {
			return c.Name, true, nil
		}
	}
	var names []string
	spellings := make(map[string][]string, len(commands))
	for _, c := range commands {
		names = append(names, c.Name)
		spellings[c.Name] = append([]string{c.Name}, c.Aliases...)
	}
	return "", false, nearest(word, names, func(name string) []string { return spellings[name] })
}

// SplitList splits the value of a list at its commas. Blanks behind a comma are
// no part of the values, and \, is a comma inside one.
func SplitList(text string) []string {
	var values []string
	var b strings.Builder
	for i := 0; i < len(text); i++ {
		switch {
		case text[i] == '\\' && i+1 < len(text) && text[i+1] == ',':
			i++
			b.WriteByte(',')
		case text[i] == ',':
			values = append(values, b.String())
			b.Reset()
			for i+1 < len(text) && text[i+1] == ' ' {
				i++
			}
		default:
			b.WriteByte(text[i])
		}
	}
	return append(values, b.String())
}

func endsWithComma(text string) bool {
	return strings.HasSuffix(text, ",") && !strings.HasSuffix(text, `\,`)
}

// foldName makes the spellings of a parameter equal: -ComputerName,
// --computer-name and -computer_name.
func foldName(name string) string {
	return strings.Map(func(r rune) rune {
		if r == '-' || r == '_' {
			return -1
		}
		return unicode.ToLower(r)
	}, name)
}

// spellings returns the folded names that p answers to.
func (p *Parameter) spellings() []string {
	names := make([]string, 0, 4)
	names = append(names, foldName(p.Name))
	if p.Flag != "" { // KebabOf(Name) folds to the same
		names = append(names, foldName(p.Flag))
	}
	for _, alias := range p.Aliases {
		names = append(names, foldName(alias))
	}
	return names
}

func isExact(params []Parameter, folded string) bool {
	return slices.ContainsFunc(params, func(p Parameter) bool { return slices.Contains(p.spellings(), folded) })
}

// findParameter returns the parameter that name means, or the several that it
// may mean: an exact name or alias wins over prefixes, and among prefixes the
// command's own parameter wins over common ones if it is the only one.
func findParameter(params []Parameter, name string) (*Parameter, []*Parameter) {
	key := foldName(name)
	var all, own []*Parameter
	for i := range params {
		p := &params[i]
		spellings := p.spellings()
		if slices.Contains(spellings, key) {
			return p, nil
		}
		if slices.ContainsFunc(spellings, func(s string) bool { return strings.HasPrefix(s, key) }) {
			all = append(all, p)
			if !p.Common {
				own = append(own, p)
			}
		}
	}
	if len(own) == 1 {
		return own[0], nil
	}
	if len(all) == 1 {
		return all[0], nil
	}
	return nil, all
}

// nearestParameter returns the parameter that a wrong name was meant to be.
func nearestParameter(params []Parameter, name string) *Parameter {
	names := make([]string, len(params))
	for i := range params {
		names[i] = params[i].Name
	}
	byName := func(n string) *Parameter {
		return &params[slices.Index(names, n)]
	}
	near := nearest(foldName(name), names, func(n string) []string { return byName(n).spellings() })
	if len(near) == 0 {
		return nil
	}
	return byName(near[0])
}

// spelled returns the name of p in the style that the user typed.
func spelled(p *Parameter, typed string) string {
	if strings.HasPrefix(typed, "--") || typed == strings.ToLower(typed) && strings.Contains(strings.TrimLeft(typed, "-"), "-") {
		return "--" + p.FlagName()
	}
	return "-" + p.Name
}

// maxSuggestions keeps "did you mean" to one line.
const maxSuggestions = 3

// nearest returns the names of which a spelling is near word, best first.
func nearest(word string, names []string, spellings func(string) []string) []string {
	word = strings.ToLower(word)
	if utf8.RuneCountInString(word) > 64 {
		return nil // no typing mistake, and the distance costs its square
	}
	limit := 2
	if utf8.RuneCountInString(word) > 8 {
		limit = 3
	}
	type scored struct {
		name     string
		distance int
	}
	var found []scored
	for _, name := range names {
		best := limit + 1
		for _, s := range spellings(name) {
			// Of a short name two edits leave nothing.
			if d := editDistance(word, strings.ToLower(s)); d < best && 2*d <= utf8.RuneCountInString(s) {
				best = d
			}
		}
		if best <= limit {
			found = append(found, scored{name, best})
		}
	}
	slices.SortStableFunc(found, func(a, b scored) int {
		if a.distance != b.distance {
			return a.distance - b.distance
		}
		return strings.Compare(a.name, b.name)
	})
	var out []string
	for _, s := range found[:min(len(found), maxSuggestions)] {
		out = append(out, s.name)
	}
	return out
}

// editDistance counts insertions, deletions, replacements and swaps of
// neighbours that turn a into b.
func editDistance(a, b string) int {
	x, y := []rune(a), []rune(b)
	before, last, row := make([]int, len(y)+1), make([]int, len(y)+1), make([]int, len(y)+1)
	for j := range row {
		last[j] = j
	}
	for i := 1; i <= len(x); i++ {
		row[0] = i
		for j := 1; j <= len(y); j++ {
			cost := 1
			if x[i-1] == y[j-1] {
				cost = 0
			}
			row[j] = min(last[j]+1, row[j-1]+1, last[j-1]+cost)
			if i > 1 && j > 1 && x[i-1] == y[j-2] && x[i-2] == y[j-1] {
				row[j] = min(row[j], before[j-2]+1)
			}
		}
		before, last, row = last, row, before
	}
	return last[len(y)]
}
