package format

import (
	"strings"
	"unicode/utf8"

	"github.com/mattn/go-runewidth"
)

// ellipsis ends a cell that was cut.
const ellipsis = "…"

// Sanitize returns s safe to show on a terminal and on one line: a run of line
// breaks and tabs becomes one blank, every other control character (C0, DEL,
// C1, so ESC too) and the marks that turn the direction of text are dropped,
// and bytes that are not UTF-8 become U+FFFD, since a terminal may read a bare
// 0x9B as the start of a command.
func Sanitize(s string) string {
	if isPrintableASCII(s) {
		return s
	}
	var b strings.Builder
	b.Grow(len(s))
	broken := false // the last rune was a line break
	for _, r := range s {
		breaks := '\t' <= r && r <= '\r' || r == '\u2028' || r == '\u2029'
		switch {
		case breaks && !broken:
			b.WriteByte(' ')
		case breaks || isControl(r):
		default:
			b.WriteRune(r) // utf8.RuneError for an invalid byte
		}
		broken = breaks
	}
	return b.String()
}

func isControl(r rune) bool {
	return r < 0x20 || 0x7f <= r && r <= 0x9f ||
		0x202a <= r && r <= 0x202e || 0x2066 <= r && r <= 0x2069
}

func isPrintableASCII(s string) bool {
	for i := range len(s) {
		if s[i] < 0x20 || s[i] >= 0x7f {
			return false
		}
	}
	return true
}

// Width returns how many terminal columns s takes; East Asian wide characters
// take two. It does not depend on the environment, so that a table has the same
// bytes everywhere.
func Width(s string) int {
	if isPrintableASCII(s) {
		return len(s)
	}
	return condition().StringWidth(s)
}

// condition measures as the table library does once its East Asian setting is
// off: ambiguous characters are narrow.
func condition() *runewidth.Condition {
	return &runewidth.Condition{StrictEmojiNeutral: true}
}

// Truncate cuts s to width columns and ends what it cut with an ellipsis.
func Truncate(s string, width int) string {
	if width <= 0 {
		return ""
	}
	if isPrintableASCII(s) {
		if len(s) <= width {
			return s
		}
		return s[:width-1] + ellipsis
	}
	return condition().Truncate(s, width, ellipsis)
}

// Prefix returns the longest beginning of s that takes at most width columns. It
// is narrower than that where a wide character does not fit any more.
func Prefix(s string, width int) string {
	if width <= 0 {
		return ""
	}
	if isPrintableASCII(s) {
		return s[:min(width, len(s))]
	}
	return condition().Truncate(s, width, "")
}

// pad returns s filled with blanks on the right up to width columns.
func pad(s string, width int) string {
	if n := width - Width(s); n > 0 {
		return s + strings.Repeat(" ", n)
	}
	return s
}

// escapeC1 replaces DEL and the C1 controls, which JSON allows as they are, by
// their escapes: the value stays the same and a terminal is left alone.
func escapeC1(b []byte) []byte {
	const hex = "0123456789abcdef"
	var out []byte
	last := 0
	for i := 0; i < len(b); {
		r, size := rune(b[i]), 1
		if r >= utf8.RuneSelf {
			r, size = utf8.DecodeRune(b[i:])
		}
		if 0x7f <= r && r <= 0x9f {
			out = append(out, b[last:i]...)
			out = append(out, '\\', 'u', '0', '0', hex[r>>4], hex[r&15])
			last = i + size
		}
		i += size
	}
	if last == 0 {
		return b
	}
	return append(out, b[last:]...)
}
