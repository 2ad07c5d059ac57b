package verbs

import (
	"strings"
	"unicode"
)

// HasWildcard reports whether s is a pattern: whether it has a *, a ? or a
// [set] that no backtick takes its meaning from.
func HasWildcard(s string) bool {
	for _, t := range wildcardTokens(s) {
		if t.kind != wildLiteral {
			return true
		}
	}
	return false
}

// MatchWildcard reports whether the whole of s matches a PowerShell pattern: *
// is any text, ? any one character, [abc] and [a-z] one of a set, and a
// backtick makes the next character literal. Case does not matter. A [ without
// its ] stands for itself. The time is at most the product of both lengths.
func MatchWildcard(pattern, s string) bool {
	tokens, text := wildcardTokens(pattern), []rune(s)
	// Only the last * has to be tried again: whatever an earlier one could
	// take as well, the last one can take instead.
	i, star, resume := 0, -1, 0
	for j := 0; j < len(text) || i < len(tokens); {
		switch {
		case i < len(tokens) && tokens[i].kind == wildStar:
			star, resume = i, j
			i++
		case i < len(tokens) && j < len(text) && tokens[i].matches(text[j]):
			i++
			j++
		case star >= 0 && resume < len(text):
			resume++
			i, j = star+1, resume
		default:
			return false
		}
	}
	return true
}

type wildcardKind uint8

const (
	wildLiteral wildcardKind = iota
	wildStar
	wildAny
	wildSet
)

// wildcardToken matches one character, or any text if it is a star.
type wildcardToken struct {
	kind   wildcardKind
	char   rune
	ranges [][2]rune // folded, of a set
}

func (t *wildcardToken) matches(r rune) bool {
	switch t.kind {
	case wildAny:
		return true
	case wildLiteral:
		return foldRune(r) == t.char
	}
	r = foldRune(r)
	for _, span := range t.ranges {
		if span[0] <= r && r <= span[1] {
			return true
		}
	}
	return false
}

// foldRune makes upper and lower case equal.
func foldRune(r rune) rune { return unicode.ToLower(unicode.ToUpper(r)) }

// wildcardTokens reads a pattern; a run of stars is one.
func wildcardTokens(pattern string) []wildcardToken {
	runes := []rune(pattern)
	// Where there is no ] to come, no [ begins a set.
	lastClose := len(runes) - 1
	for lastClose >= 0 && runes[lastClose] != ']' {
		lastClose--
	}
	var tokens []wildcardToken
	for i := 0; i < len(runes); i++ {
		switch runes[i] {
		case '*':
			if n := len(tokens); n == 0 || tokens[n-1].kind != wildStar {
				tokens = append(tokens, wildcardToken{kind: wildStar})
			}
			continue
		case '?':
			tokens = append(tokens, wildcardToken{kind: wildAny})
			continue
		case '[':
			if i < lastClose {
				if ranges, end := wildcardSet(runes, i+1); end > 0 {
					tokens = append(tokens, wildcardToken{kind: wildSet, ranges: ranges})
					i = end
					continue
				}
				lastClose = i // the rest has none that closes a set
			}
		case '`':
			if i+1 < len(runes) {
				i++
			}
		}
		tokens = append(tokens, wildcardToken{char: foldRune(runes[i])})
	}
	return tokens
}

// wildcardSet reads a set from behind its [ and returns the index of its ], or
// 0 if there is none. A ] right behind the [ is a member.
func wildcardSet(runes []rune, from int) (ranges [][2]rune, end int) {
	var members []rune
	var escaped []bool
	for i := from; i < len(runes); i++ {
		switch {
		case runes[i] == ']' && i > from:
			return setRanges(members, escaped), i
		case runes[i] == '`' && i+1 < len(runes):
			i++
			members, escaped = append(members, runes[i]), append(escaped, true)
		default:
			members, escaped = append(members, runes[i]), append(escaped, false)
		}
	}
	return nil, 0
}

// setRanges turns a-z into a range. Its ends are folded like the characters that
// are compared with it, so that [A-Z], [a-z] and [A-z] are the same set.
func setRanges(members []rune, escaped []bool) [][2]rune {
	var ranges [][2]rune
	for i := 0; i < len(members); i++ {
		low, high := foldRune(members[i]), foldRune(members[i])
		if i+2 < len(members) && members[i+1] == '-' && !escaped[i+1] {
			high = foldRune(members[i+2])
			i += 2
		}
		ranges = append(ranges, [2]rune{low, high})
	}
	return ranges
}

// EscapeWildcard returns a pattern that matches only s.
func EscapeWildcard(s string) string {
	return strings.NewReplacer("`", "``", "*", "`*", "?", "`?", "[", "`[", "]", "`]").Replace(s)
}
