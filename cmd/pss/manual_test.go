package main

import (
	"bytes"
	"go/ast"
	"go/token"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strconv"
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
	"pss/verbs"
)

// TestManualHasAPageForEverything also has groff read the pages, where there is one.
func TestManualHasAPageForEverything(t *testing.T) {
	dir := t.TempDir()
	require.NoError(t, verbs.WriteManPages(dir))
	want := map[string]bool{"pss.1": true, "pss-host-rotate.1": true, "pss-host-passwd.1": true} // a command of another has no line of its own
	overview := helpOf(t, "help")
	for _, verb := range listed(overview, "COMMANDS") {
		want["pss-"+verb+".1"] = true
	}
	for _, topic := range listed(overview, "TOPICS") {
		want["pss-"+topic+".7"] = true
	}
	files, err := os.ReadDir(dir)
	require.NoError(t, err)
	_, err = exec.LookPath("groff")
	groff := err == nil
	for _, f := range files {
		assert.True(t, want[f.Name()], "%s: a page for nothing", f.Name())
		delete(want, f.Name())
		data, err := os.ReadFile(filepath.Join(dir, f.Name()))
		require.NoError(t, err)
		for _, line := range strings.Split(string(data), "\n") {
			assert.NotRegexp(t, `^'|^\.$|[^ -~]`, line, f.Name())
		}
		if groff {
			var complaints bytes.Buffer
			cmd := exec.Command("groff", "-Tutf8", "-man", "-ww", filepath.Join(dir, f.Name()))
			cmd.Stderr = &complaints
			require.NoError(t, cmd.Run())
			assert.Empty(t, complaints.String(), f.Name())
		}
	}
	assert.Empty(t, want, "pages that are missing")
}

// TestVariablesAreDocumented finds every variable of pss that stands in the source, in
// the topic about variables. Those of the tests are nobody else's concern.
func TestVariablesAreDocumented(t *testing.T) {
	topic := helpOf(t, "help", "about_Remote_Variables")
	variable := regexp.MustCompile(`^(PSS_[A-Z_]+|PSSession(Option|ConfigurationName|ApplicationName)|NO_COLOR)(=|$)`)
	fset := token.NewFileSet()
	found := 0
	for dir, files := range sourceFiles(t, fset) {
		if strings.HasPrefix(dir, "scripts") {
			continue
		}
		for _, f := range files {
			if isTest(fset, f) {
				continue
			}
			ast.Inspect(f, func(n ast.Node) bool {
				lit, ok := n.(*ast.BasicLit)
				if !ok || lit.Kind != token.STRING {
					return true
				}
				text, err := strconv.Unquote(lit.Value)
				require.NoError(t, err)
				name := variable.FindStringSubmatch(text)
				if name == nil || strings.HasPrefix(text, "PSS_TEST_") || text == "PSS_END_OF_SCRIPT" { // the end of a here-document
					return true
				}
				found++
				assert.Regexp(t, `(?m)^  `+name[1]+`\b`, topic, "%s", fset.Position(lit.Pos()))
				return true
			})
		}
	}
	assert.Greater(t, found, 5)
}
