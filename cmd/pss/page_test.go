package main

import (
	"io/fs"
	"os"
	"path/filepath"
	"regexp"
	"strconv"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

// The page about_Remote_Disconnected_Sessions has 32 commands and twelve rules in its
// prose. Each is cited by a script that runs it: "Row 7", "Rows 1 to 5", "P3".
func TestEveryRowOfThePageIsShown(t *testing.T) {
	rows, rules := map[int]bool{}, map[int]bool{}
	row, rule := regexp.MustCompile(`Rows? (\d+)(?: to (\d+))?`), regexp.MustCompile(`\bP(\d+)\b`)
	err := filepath.WalkDir(filepath.Join(root, "testdata", "script"), func(path string, d fs.DirEntry, err error) error {
		if err != nil || filepath.Ext(path) != ".txtar" {
			return err
		}
		text, err := os.ReadFile(path)
		for _, m := range row.FindAllSubmatch(text, -1) {
			from, _ := strconv.Atoi(string(m[1]))
			to, _ := strconv.Atoi(string(m[2]))
			for n := from; n <= max(from, to); n++ {
				rows[n] = true
			}
		}
		for _, m := range rule.FindAllSubmatch(text, -1) {
			n, _ := strconv.Atoi(string(m[1]))
			rules[n] = true
		}
		return err
	})
	require.NoError(t, err)
	for n := 1; n <= 32; n++ {
		assert.True(t, rows[n], "row %d of the page is cited by no script", n)
	}
	for n := 1; n <= 12; n++ {
		assert.True(t, rules[n], "rule P%d of the page is cited by no script", n)
	}
}
