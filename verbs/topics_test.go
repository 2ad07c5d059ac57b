package verbs

import (
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"

	"github.com/mattn/go-runewidth"
	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

func TestLanguageOf(t *testing.T) {
	for _, test := range []struct {
		all, messages, lang, want string
	}{
		{"", "", "", ""},
		{"", "", "zh_TW", chinese},
		{"", "", "zh_TW.UTF-8", chinese},
		{"", "", "zh_TW.utf8@radical", chinese},
		{"", "", "zh_Hant", chinese},
		{"", "", "zh-Hant-TW", chinese},
		{"", "", "zh_HK.UTF-8", chinese},
		{"", "", "zh_TW.BIG5", ""},
		{"", "", "zh_CN.UTF-8", ""},
		{"", "", "zh_Hans_HK", ""},
		{"", "", "zh", ""},
		{"", "", "en_US.UTF-8", ""},
		{"C.UTF-8", "zh_TW", "zh_TW", ""},
		{"", "zh_TW", "en_US.UTF-8", chinese},
		{"zh_TW", "C", "C", chinese},
		{"", "C", "zh_TW", ""},
	} {
		env := map[string]string{"LC_ALL": test.all, "LC_MESSAGES": test.messages, "LANG": test.lang}
		assert.Equal(t, test.want, languageOf(func(name string) string { return env[name] }), "%+v", test)
	}
}

// everyTopic returns all topics in all languages by file name.
func everyTopic(t *testing.T) map[string]string {
	t.Helper()
	all := map[string]string{}
	for _, folder := range []string{"about", "about/" + strings.TrimSuffix(chinese, "/")} {
		files, err := filepath.Glob(folder + "/*.txt")
		require.NoError(t, err)
		require.NotEmpty(t, files)
		for _, f := range files {
			data, err := aboutFiles.ReadFile(filepath.ToSlash(f))
			require.NoError(t, err, "%s is not part of the binary", f)
			all[f] = string(data)
		}
	}
	return all
}

func TestTopicsAreWellFormed(t *testing.T) {
	wide := &runewidth.Condition{}
	for file, text := range everyTopic(t) {
		name := strings.TrimSuffix(filepath.Base(file), ".txt")
		assert.Contains(t, topics(), name, "%s: the English topic is missing", file)
		assert.True(t, strings.HasPrefix(text, name+"\n\n"), "%s: the first line is not its name", file)
		assert.NotEmpty(t, shortDescription(text), file)
		for i, line := range strings.Split(text, "\n") {
			assert.LessOrEqual(t, wide.StringWidth(line), 98, "%s:%d: %s", file, i+1, line)
			assert.Equal(t, strings.TrimRight(line, " \t"), line, "%s:%d", file, i+1)
			assert.NotContains(t, line, "\t", "%s:%d", file, i+1)
		}
		for _, m := range regexp.MustCompile(`about_\w+`).FindAllString(text, -1) {
			assert.Contains(t, topics(), m, "%s names a topic that does not exist", file)
		}
	}
}

// prompted begins a command line in a topic.
var prompted = regexp.MustCompile(`^  (?:\[\d\] )?\$ (.*)`)

// shownCommands returns the command lines of a topic by the blocks in which they stand.
func shownCommands(text string) (blocks [][]string) {
	for _, part := range strings.Split(text, "\n\n") {
		var block []string
		more := false
		for _, line := range strings.Split(part, "\n") {
			m := prompted.FindStringSubmatch(line)
			switch {
			case m != nil:
				block = append(block, m[1])
			case more:
				block[len(block)-1] += "\n" + line
			default:
				continue // what it prints
			}
			more = strings.HasSuffix(line, `\`) || strings.HasSuffix(line, "|")
		}
		if len(block) > 0 {
			blocks = append(blocks, block)
		}
	}
	return blocks
}

// callsOf runs a command line in a shell that knows nothing but pss and its links, which
// only write down how they are called. It returns these calls, in no order.
func callsOf(t *testing.T, line string) (calls [][]string) {
	t.Helper()
	dir := t.TempDir()
	require.NoError(t, os.WriteFile(filepath.Join(dir, "computers.txt"), []byte("server01\n"), 0o600))
	script := "exec 9>>calls; PATH= s=1 o={} id=1\npss() { local c; printf -v c '%s\\037' \"$@\"; printf '%s\\036' \"$c\" >&9; echo 1; }\n"
	for _, name := range LinkNames(true) {
		script += name + "() { pss " + name + " \"$@\"; }\n"
	}
	cmd := exec.Command("bash", "-c", script+"{ "+line+"\n} >/dev/null 2>&1\n:")
	cmd.Dir = dir
	out, err := cmd.CombinedOutput()
	require.NoError(t, err, "%s: %s", line, out)
	data, err := os.ReadFile(filepath.Join(dir, "calls"))
	require.NoError(t, err)
	for _, call := range strings.Split(strings.TrimSuffix(string(data), "\036"), "\036") {
		if call != "" {
			calls = append(calls, strings.Split(strings.TrimSuffix(call, "\037"), "\037"))
		}
	}
	return calls
}

// understood reads a call as pss would and returns it in one form.
func understood(t *testing.T, where string, words []string) string {
	t.Helper()
	if strings.EqualFold(words[0], "help") {
		return strings.Join(words, " ")
	}
	name, ok, near := FindCommand(commandNames, words[0])
	if !assert.True(t, ok, "%s: there is no %s, but %v", where, words[0], near) {
		return ""
	}
	name, rest := subcommand(name, words[1:])
	cmd := constructors[strings.ToLower(name)]().complete()
	params := make([]Parameter, len(cmd.params))
	for i := range cmd.params {
		params[i] = cmd.params[i].Parameter
	}
	n, err := Normalize(cmd.name, params, rest)
	if err == nil {
		n, _, err = cmd.resolve(n)
	}
	assert.NoError(t, err, where)
	return strings.Join(append(append([]string{name}, n.Args...), n.Passthrough...), " ")
}

// TestCommandsInTopicsAreUnderstood reads every command line that a topic shows as pss
// would. A line in PowerShell's spelling means the same as the one above it.
func TestCommandsInTopicsAreUnderstood(t *testing.T) {
	if _, err := exec.LookPath("bash"); err != nil {
		t.Skip("no bash")
	}
	for file, text := range everyTopic(t) {
		for _, block := range shownCommands(text) {
			var above []string
			for _, line := range block {
				where := file + ": " + line
				linked := false
				var read []string
				for _, words := range callsOf(t, line) {
					read = append(read, understood(t, where, words))
					linked = linked || slices.Contains(LinkNames(false), words[0])
				}
				assert.False(t, strings.HasPrefix(line, "pss ") && len(read) == 0, where)
				slices.Sort(read)
				if linked && len(above) == len(read) {
					assert.Equal(t, above, read, where)
				}
				above = read
			}
		}
	}
}

// TestTopicsInOtherLanguagesShowTheSameCommands compares them with the English ones.
func TestTopicsInOtherLanguagesShowTheSameCommands(t *testing.T) {
	all := everyTopic(t)
	indented := func(text string) (blocks []string) {
		for _, part := range strings.Split(text, "\n\n") {
			if strings.HasPrefix(part, "  $ ") || strings.HasPrefix(part, "  [") {
				blocks = append(blocks, strings.TrimSpace(part))
			}
		}
		return blocks
	}
	for file, text := range all {
		if english := filepath.Join("about", filepath.Base(file)); english != file {
			assert.True(t, slices.Equal(indented(all[english]), indented(text)), "%s shows other commands than %s", file, english)
		}
	}
}
