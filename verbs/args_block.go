package verbs

import "strings"

// block reads a brace block that begins at the next word and returns the text
// between its braces, the words joined by one blank. It returns false, and
// consumes nothing, for a word that only looks like one: {a,b}.txt, or a quoted
// script such as '{ a; } && { b; }'.
func (r *argReader) block(typed string) (text string, found bool, err error) {
	depth := 0
	for i := r.next; i < len(r.words); i++ {
		word, first := r.words[i], i == r.next
		closed := false
		for at, c := range word {
			if first && at == 0 && c != '{' || closed { // text in front of or behind the block
				if first {
					return "", false, nil
				}
				return "", false, r.unbalanced(typed, word)
			}
			switch c {
			case '{':
				depth++
			case '}':
				depth--
				closed = depth == 0
			}
		}
		if closed {
			r.out.Brace = true
			text = strings.Join(r.words[r.next:i+1], " ")
			r.next = i + 1
			return strings.TrimSpace(text[1 : len(text)-1]), true, nil
		}
		if first && (word == "" || strings.ContainsAny(word, " \t\n")) {
			return "", false, nil // quoted: a whole script that happens to begin with a brace
		}
	}
	return "", false, usage("MissingEndCurlyBrace",
		"the script block of %s has no closing }: the local shell has taken ;, |, & or a line end out of it", typed).
		Hint("quote the block: -ScriptBlock '...'")
}

// unbalanced is the error for a closing brace in the middle of a word.
func (r *argReader) unbalanced(typed, word string) error {
	return usage("MissingEndCurlyBrace", "the script block of %s ends inside the word %q", typed, word).
		Hint("quote the block: -ScriptBlock '...'")
}
