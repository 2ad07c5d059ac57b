package main

import (
	"bytes"
	"context"
	"flag"
	"os"
	"path/filepath"
	"reflect"
	"regexp"
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
	"pss/remote/api"
	"pss/verbs"
)

var update = flag.Bool("update", false, "write the golden files anew")

// helpOf runs pss in this process and returns what it prints.
func helpOf(t *testing.T, args ...string) string {
	t.Helper()
	var out, errs bytes.Buffer
	rt := &verbs.Runtime{Stdin: os.Stdin, Stdout: &out, Stderr: &errs, Getenv: func(string) string { return "" }}
	code := verbs.Run(context.Background(), rt, append([]string{"pss"}, args...))
	require.Equal(t, 0, code, "pss %s: %s", strings.Join(args, " "), errs.String())
	return strings.ReplaceAll(out.String(), api.Version, "VERSION")
}

// listed returns the names below a heading of the overview.
func listed(overview, heading string) (names []string) {
	_, section, _ := strings.Cut(overview, "\n"+heading+"\n")
	section, _, _ = strings.Cut(section, "\n\n")
	for _, m := range regexp.MustCompile(`(?m)^  (\S+)`).FindAllStringSubmatch(section, -1) {
		names = append(names, m[1])
	}
	return names
}

// TestHelp compares the help of everything that the overview lists with its
// golden file, and finds no golden file without a command.
func TestHelp(t *testing.T) {
	dir := filepath.Join(root, "testdata", "golden", "help")
	overview := helpOf(t, "help")
	golden(t, filepath.Join(dir, "pss.txt"), overview)
	for _, args := range [][]string{{}, {"--help"}, {"-h"}, {"-?"}, {"HELP"}, {"Get-Help"}} {
		assert.Equal(t, overview, helpOf(t, args...), "pss %s", strings.Join(args, " "))
	}
	known := map[string]bool{"pss.txt": true}
	commands := listed(overview, "COMMANDS")
	require.NotEmpty(t, commands)
	for _, verb := range commands {
		t.Run(verb, func(t *testing.T) {
			text := helpOf(t, "help", verb)
			golden(t, filepath.Join(dir, verb+".txt"), text)
			for _, args := range [][]string{
				{verb, "--help"}, {verb, "-h"}, {verb, "-?"}, {strings.ToUpper(verb), "--help"}, {"--help", verb}, {"get-help", strings.ToUpper(verb)},
			} {
				assert.Equal(t, text, helpOf(t, args...), "pss %s", strings.Join(args, " "))
			}
			assert.NotRegexp(t, `(?m) +$`, text, "blanks at the end of a line")
			for _, part := range []string{"NAME\n", "\nSYNOPSIS\n", "\nSYNTAX\n", "\nPARAMETERS\n"} {
				assert.Contains(t, text, part)
			}
		})
		known[verb+".txt"] = true
	}
	topics := listed(overview, "TOPICS")
	require.NotEmpty(t, topics)
	for _, topic := range topics {
		assert.Contains(t, helpOf(t, "help", strings.ToLower(topic)), topic)
	}
	files, err := os.ReadDir(dir)
	require.NoError(t, err)
	for _, f := range files {
		assert.True(t, known[f.Name()], "%s belongs to no command", f.Name())
	}
}

// TestHelpNamesOnlyTopicsThatExist follows every reference from a help text or a
// source file to an about topic.
func TestHelpNamesOnlyTopicsThatExist(t *testing.T) {
	overview := helpOf(t, "help")
	exists := map[string]bool{}
	for _, topic := range listed(overview, "TOPICS") {
		exists[strings.ToLower(topic)] = true
	}
	reference := regexp.MustCompile(`pss help (about_\w+)`)
	for _, folder := range []string{"verbs", "config", "remote", "cmd"} {
		err := filepath.WalkDir(filepath.Join(root, folder), func(path string, d os.DirEntry, err error) error {
			if err != nil || d.IsDir() || strings.HasSuffix(path, "_test.go") {
				return err
			}
			text, err := os.ReadFile(path)
			for _, m := range reference.FindAllSubmatch(text, -1) {
				assert.True(t, exists[strings.ToLower(string(m[1]))], "%s sends to %s, which does not exist", path, m[1])
			}
			return err
		})
		require.NoError(t, err)
	}
}

func golden(t *testing.T, path, got string) {
	t.Helper()
	if *update {
		require.NoError(t, os.MkdirAll(filepath.Dir(path), 0o755))
		require.NoError(t, os.WriteFile(path, []byte(got), 0o644))
		return
	}
	want, err := os.ReadFile(path)
	require.NoError(t, err, "go test ./cmd/pss -run TestHelp -update writes it")
	assert.Equal(t, string(want), got, "go test ./cmd/pss -run TestHelp -update, if this is meant")
}

// TestConfigurationKeysAreDocumented finds every key of the configuration files in
// their help topic.
func TestConfigurationKeysAreDocumented(t *testing.T) {
	topic := helpOf(t, "help", "about_Configuration")
	for _, file := range []string{"client.go", "host.go", "host_operations.go"} {
		text, err := os.ReadFile(filepath.Join(root, "config", file))
		require.NoError(t, err)
		keys := regexp.MustCompile(`toml:"(\w+)"`).FindAllSubmatch(text, -1)
		require.NotEmpty(t, keys)
		for _, m := range keys {
			assert.Regexp(t, `(?m)^  \[?`+string(m[1])+`\b`, topic)
		}
	}
	conf := reflect.TypeFor[api.SessionConfiguration]()
	for i := range conf.NumField() {
		if f := conf.Field(i); f.Tag.Get("toml") != "-" {
			assert.Regexp(t, `(?m)^  \[?`+f.Name+`\b`, topic)
		}
	}
}
