package main

import (
	"io/fs"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

// TestThreatTable reads the table of package host: each row is whole, and each test and
// script that it names exists.
func TestThreatTable(t *testing.T) {
	tests := map[string]bool{}
	declared := regexp.MustCompile(`(?m)^func ((?:Test|Fuzz)\w+)\(`)
	require.NoError(t, filepath.WalkDir(root, func(path string, d fs.DirEntry, err error) error {
		if err != nil || !strings.HasSuffix(path, "_test.go") {
			return err
		}
		text, err := os.ReadFile(path)
		for _, m := range declared.FindAllSubmatch(text, -1) {
			tests[string(m[1])] = true
		}
		return err
	}))
	text, err := os.ReadFile(filepath.Join(root, "remote", "host", "doc.go"))
	require.NoError(t, err)
	rows := 0
	for _, line := range strings.Split(string(text), "\n") {
		cells := strings.Split(strings.TrimPrefix(line, "//"), "|")
		if len(cells) < 2 || strings.TrimSpace(cells[0]) == "Asset" {
			continue
		}
		rows++
		if !assert.Len(t, cells, 4, line) {
			continue
		}
		for _, cell := range cells {
			assert.NotEmpty(t, strings.TrimSpace(cell), line)
		}
		for _, name := range strings.Split(cells[3], ",") {
			name = strings.TrimSpace(name)
			if script, ok := strings.CutPrefix(name, "script "); ok {
				assert.FileExists(t, filepath.Join(root, "testdata", "script", script+".txtar"), line)
				continue
			}
			test, _, _ := strings.Cut(name, "/")
			assert.True(t, tests[test], "%s: there is no test %s", line, name)
		}
	}
	assert.GreaterOrEqual(t, rows, 28)
}
