package format_test

import (
	"strings"
	"testing"
	"unicode/utf8"

	"github.com/stretchr/testify/assert"

	"pss/format"
)

func TestSanitize(t *testing.T) {
	for in, want := range map[string]string{
		"":                              "",
		"plain":                         "plain",
		"\x1b[31mred\x1b[0m":            "[31mred[0m",
		"\x1b]0;title\x07x":             "]0;titlex",
		"a\r\nb\tc\x00\x7f":             "a b c",
		"C1 \u009b31m":                  "C1 31m",
		"raw \x9b31m":                   "raw \ufffd31m",
		"abc\u202etxt.exe":              "abctxt.exe",
		"a\u2028b":                      "a b",
		"本番 \U0001F468\u200d\U0001F469": "本番 \U0001F468\u200d\U0001F469",
	} {
		assert.Equal(t, want, format.Sanitize(in), "%q", in)
	}
}

func TestWidthAndTruncate(t *testing.T) {
	assert.Equal(t, []int{0, 3, 4, 4, 1}, []int{
		format.Width(""), format.Width("abc"), format.Width("本番"), format.Width("ｆｕ"), format.Width("é"),
	})
	for _, test := range []struct {
		in    string
		width int
		want  string
	}{
		{"abcdef", 6, "abcdef"}, {"abcdef", 5, "abcd…"}, {"abcdef", 1, "…"}, {"abcdef", 0, ""}, {"a", -1, ""},
		{"本番サーバー", 12, "本番サーバー"}, {"本番サーバー", 11, "本番サーバ…"}, {"本番サーバー", 4, "本…"}, {"本番", 1, "…"},
	} {
		assert.Equal(t, test.want, format.Truncate(test.in, test.width), "%q %d", test.in, test.width)
	}
}

func FuzzSanitize(f *testing.F) {
	for _, s := range []string{"", "a\x1b[0m", "\xff\x9b", "a\n\n b", "本\u0301\u202e", "\u200d\ufe0f"} {
		f.Add(s, 3)
	}
	f.Fuzz(func(t *testing.T, s string, width int) {
		clean := format.Sanitize(s)
		assert.True(t, utf8.ValidString(clean))
		assert.False(t, strings.ContainsFunc(clean, func(r rune) bool { return r < 0x20 || 0x7f <= r && r <= 0x9f }))
		assert.Equal(t, clean, format.Sanitize(clean))
		width %= 100
		assert.LessOrEqual(t, format.Width(format.Truncate(clean, width)), max(width, 0))
	})
}
