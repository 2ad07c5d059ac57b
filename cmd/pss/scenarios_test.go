package main

import (
	"go/ast"
	"go/token"
	"os"
	"path/filepath"
	"regexp"
	"strconv"
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

// lastScenario is the last of the conformance scenarios, which count from 1.
const lastScenario = 80

// later are the scenarios of what pss does not have yet: other users.
var later = numbers(44)

// pending are the scenarios that no test shows yet.
var pending = numbers()

func numbers(list ...int) map[int]bool {
	set := map[int]bool{}
	for _, n := range list {
		set[n] = true
	}
	return set
}

// citation is a comment's line that says which scenarios a test shows:
// "Scenario 27: what it says" or "Scenarios 27, 28: what they say".
var citation = regexp.MustCompile(`(?m)^Scenarios? (\d+(?:, \d+)*): `)

// cited returns the numbers that a comment, bare of its marks, cites.
func cited(t *testing.T, where, comment string) (list []int) {
	for _, m := range citation.FindAllStringSubmatch(comment, -1) {
		for _, s := range strings.Split(m[1], ", ") {
			n, err := strconv.Atoi(s)
			require.NoError(t, err)
			assert.True(t, n >= 1 && n <= lastScenario, "%s cites scenario %d, which does not exist", where, n)
			list = append(list, n)
		}
	}
	return list
}

// citedByScripts adds the scenarios of the comments at the beginning of scripts.
func citedByScripts(t *testing.T, shown map[int][]string) {
	scripts, err := filepath.Glob(filepath.Join(root, "testdata", "script", "*", "*.txtar"))
	require.NoError(t, err)
	require.NotEmpty(t, scripts)
	named := regexp.MustCompile(`^(\d+-)+`)
	for _, path := range scripts {
		text, err := os.ReadFile(path)
		require.NoError(t, err)
		var head strings.Builder
		for line := range strings.Lines(string(text)) {
			comment, ok := strings.CutPrefix(line, "# ")
			if !ok {
				break
			}
			head.WriteString(comment)
		}
		where := filepath.Base(path)
		list := cited(t, where, head.String())
		for _, n := range list {
			shown[n] = append(shown[n], where)
		}
		if filepath.Base(filepath.Dir(path)) != "scenarios" {
			continue
		}
		var want []int
		for _, s := range strings.Split(strings.TrimSuffix(named.FindString(where), "-"), "-") {
			n, err := strconv.Atoi(s)
			require.NoError(t, err, "%s is not named after its scenarios", where)
			want = append(want, n)
		}
		assert.Equal(t, want, list, "%s is named after other scenarios than it cites", where)
	}
}

// citedByTests adds the scenarios of the comments of test functions.
func citedByTests(t *testing.T, shown map[int][]string) {
	fset := token.NewFileSet()
	for _, files := range sourceFiles(t, fset) {
		for _, f := range files {
			if !isTest(fset, f) {
				continue
			}
			for _, decl := range f.Decls {
				fn, ok := decl.(*ast.FuncDecl)
				if !ok || !strings.HasPrefix(fn.Name.Name, "Test") {
					continue
				}
				for _, n := range cited(t, fn.Name.Name, fn.Doc.Text()) {
					shown[n] = append(shown[n], fn.Name.Name)
				}
			}
		}
	}
}

// TestEveryScenarioIsShown finds a script or test for each conformance scenario.
func TestEveryScenarioIsShown(t *testing.T) {
	shown := map[int][]string{}
	citedByScripts(t, shown)
	citedByTests(t, shown)
	for n := 1; n <= lastScenario; n++ {
		switch {
		case pending[n]:
			assert.Empty(t, shown[n], "scenario %d is pending and shown", n)
			assert.False(t, later[n], "scenario %d is pending and for later", n)
		case !later[n]:
			assert.NotEmpty(t, shown[n], "scenario %d is shown by no script and no test", n)
		}
	}
}
