package verbs

import (
	"path"
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"
)

func TestMatchWildcard(t *testing.T) {
	for _, test := range []struct {
		pattern string
		match   []string
		differ  []string
	}{
		{"Session2", []string{"Session2", "SESSION2"}, []string{"Session22", "aSession2", ""}},
		{"", []string{""}, []string{"a"}},
		{"*", []string{"", "a", "本番"}, nil},
		{"**a**", []string{"a", "bab", "A"}, []string{"", "b"}},
		{"Se*ion*", []string{"Session", "seion", "Session2 ion"}, []string{"Se", "ession"}},
		{"a*b*c", []string{"abc", "axbxbxc", "abcbc"}, []string{"abcb", "acb"}},
		{"?x", []string{"ax", "本x", "\u00e9X"}, []string{"x", "aax"}},
		{"[abc]1", []string{"a1", "B1"}, []string{"d1", "1", "ab1"}},
		{"[a-cX]", []string{"b", "C", "x"}, []string{"d", "-"}},
		{"[a-]", []string{"a", "-"}, []string{"b"}},
		{"[-a]", []string{"a", "-"}, []string{"b"}},
		{"[z-a]", nil, []string{"m", "z"}},
		{"[]a]", []string{"]", "a"}, []string{"[]a]"}},
		{"[!a]", []string{"!", "a"}, []string{"b"}},
		{"[a`-c]", []string{"a", "-", "c"}, []string{"b"}},
		{"[a`]b]", []string{"a", "]", "b"}, []string{"`"}},
		{"a`*", []string{"a*"}, []string{"ab", "a`b"}},
		{"``*", []string{"`", "`x"}, []string{"x"}},
		{"`[a]", []string{"[a]"}, []string{"a"}},
		{"end`", []string{"end`"}, []string{"end"}},
		{"web[1", []string{"web[1"}, []string{"web1"}},
		{"[]", []string{"[]"}, []string{"]"}},
		{"[[]", []string{"["}, []string{"[["}},
	} {
		for _, s := range test.match {
			assert.True(t, MatchWildcard(test.pattern, s), "%q %q", test.pattern, s)
		}
		for _, s := range test.differ {
			assert.False(t, MatchWildcard(test.pattern, s), "%q %q", test.pattern, s)
		}
	}
}

func TestHasWildcard(t *testing.T) {
	for _, s := range []string{"*", "a?", "[a]", "web[1-3]", "``*"} {
		assert.True(t, HasWildcard(s), s)
	}
	for _, s := range []string{"", "a", "`*", "a`?", "`[a]", "web[1", "]", "[]", "[a`]"} {
		assert.False(t, HasWildcard(s), s)
	}
}

// A matcher that tries every * anew would not come back from these.
func TestWildcardTimeStaysBounded(t *testing.T) {
	assert.False(t, MatchWildcard(strings.Repeat("a*", 100)+"b", strings.Repeat("a", 10_000)))
	assert.False(t, MatchWildcard(strings.Repeat("[", 100_000), "a"))
	assert.False(t, HasWildcard(strings.Repeat("[", 100_000)))
}

func FuzzWildcard(f *testing.F) {
	f.Add("a*[b-d]?", "axcz")
	f.Add("`[*", "[")
	f.Add("*a*b*", "xxaxxbxx")
	f.Fuzz(func(t *testing.T, pattern, s string) {
		if len(pattern) > 1000 || len(s) > 1000 {
			return
		}
		got := MatchWildcard(pattern, s)
		assert.True(t, MatchWildcard(EscapeWildcard(s), s))
		assert.False(t, HasWildcard(EscapeWildcard(s)))
		if simple := func(s string) bool { return strings.Trim(s, "ab*?") == "" }; simple(pattern) && simple(s) {
			want, err := path.Match(pattern, s)
			assert.NoError(t, err)
			assert.Equal(t, want, got, "%q %q", pattern, s)
		}
	})
}
