package main

import (
	"go/ast"
	"go/parser"
	"go/token"
	"io/fs"
	"path/filepath"
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

const (
	root        = "../.."
	maxFile     = 400
	maxFunction = 60
)

// allowed says which packages of ours each package may import. Agent, host and
// session host never import one another: they meet on the wire. The verbs know
// no process at all, and format nothing of ours.
var allowed = map[string][]string{
	"cmd/pss":                  {"*"},
	"verbs":                    {"format", "config", "remote/client", "remote/identity", "remote/api", "remote/planted"}, // identity for the password file
	"format":                   {},
	"config":                   {"remote/api", "remote/platform", "remote/planted"},
	"remote":                   {},
	"remote/api":               {},
	"remote/planted":           {},
	"remote/platform":          {"remote/api", "remote/planted"},
	"remote/client":            {"remote/api", "remote/platform", "remote/planted"},
	"remote/agent":             {"config", "remote/jobstore", "remote/sshlink", "remote/client", "remote/identity", "remote/api", "remote/platform", "remote/planted"},
	"remote/sshlink":           {"remote/api", "remote/platform", "remote/planted"},
	"remote/jobstore":          {"config", "remote/api", "remote/platform", "remote/planted"}, // config for files that appear by rename
	"remote/worker":            {"remote/client", "remote/identity", "remote/api", "remote/platform", "remote/planted"},
	"remote/identity":          {"config", "remote/api", "remote/platform", "remote/planted"}, // config for files that appear by rename
	"remote/host":              {"config", "remote/worker", "remote/identity", "remote/client", "remote/api", "remote/platform", "remote/planted"},
	"remote/install":           {"config", "remote/api", "remote/platform", "remote/planted"},
	"remote/sessionhost":       {"remote/engine", "remote/spool", "remote/client", "remote/api", "remote/platform", "remote/planted"},
	"remote/engine":            {"remote/api", "remote/platform", "remote/planted"},
	"remote/engine/enginetest": {"remote/engine", "remote/api", "remote/platform"},
	"remote/spool":             {"remote/api", "remote/platform", "remote/planted"},
	"scripts/benchmark":        {},
}

// sourceFiles parses every Go file of the module, by folder.
func sourceFiles(t *testing.T, fset *token.FileSet) map[string][]*ast.File {
	files := map[string][]*ast.File{}
	require.NoError(t, filepath.WalkDir(root, func(path string, d fs.DirEntry, err error) error {
		if err != nil {
			return err
		}
		if d.IsDir() && strings.HasPrefix(d.Name(), ".") && path != root {
			return fs.SkipDir
		}
		if filepath.Ext(path) != ".go" {
			return nil
		}
		f, err := parser.ParseFile(fset, path, nil, parser.ParseComments)
		if err != nil {
			return err
		}
		dir, err := filepath.Rel(root, filepath.Dir(path))
		files[filepath.ToSlash(dir)] = append(files[filepath.ToSlash(dir)], f)
		return err
	}))
	return files
}

func isTest(fset *token.FileSet, f *ast.File) bool {
	return strings.HasSuffix(fset.Position(f.Pos()).Filename, "_test.go")
}

func TestImportsGoOneWay(t *testing.T) {
	fset := token.NewFileSet()
	for dir, files := range sourceFiles(t, fset) {
		may, known := allowed[dir]
		assert.True(t, known, "package %s is not in the list of dependency directions", dir)
		for _, f := range files {
			if isTest(fset, f) {
				continue
			}
			for _, imp := range f.Imports {
				pkg, ours := strings.CutPrefix(strings.Trim(imp.Path.Value, `"`), "pss/")
				if ours && !contains(may, pkg) && !contains(may, "*") {
					t.Errorf("%s: %s may not import %s", fset.Position(imp.Pos()), dir, pkg)
				}
			}
		}
	}
}

func TestPackagesAndExportedNamesAreDocumented(t *testing.T) {
	fset := token.NewFileSet()
	for dir, files := range sourceFiles(t, fset) {
		doc := false
		for _, f := range files {
			if isTest(fset, f) {
				continue
			}
			doc = doc || f.Doc != nil
			for _, decl := range f.Decls {
				checkDoc(t, fset, decl)
			}
		}
		assert.True(t, doc, "package %s has no package comment", dir)
	}
}

func checkDoc(t *testing.T, fset *token.FileSet, decl ast.Decl) {
	switch d := decl.(type) {
	case *ast.FuncDecl:
		exported := d.Name.IsExported() && (d.Recv == nil || ast.IsExported(receiver(d)))
		if exported && d.Doc == nil {
			t.Errorf("%s: %s has no comment", fset.Position(d.Pos()), d.Name)
		}
	case *ast.GenDecl:
		for _, spec := range d.Specs {
			switch s := spec.(type) {
			case *ast.TypeSpec:
				if s.Name.IsExported() && d.Doc == nil && s.Doc == nil {
					t.Errorf("%s: %s has no comment", fset.Position(s.Pos()), s.Name)
				}
			case *ast.ValueSpec:
				if s.Names[0].IsExported() && d.Doc == nil && s.Doc == nil && s.Comment == nil {
					t.Errorf("%s: %s has no comment", fset.Position(s.Pos()), s.Names[0])
				}
			}
		}
	}
}

func receiver(d *ast.FuncDecl) string {
	typ := d.Recv.List[0].Type
	if star, ok := typ.(*ast.StarExpr); ok {
		typ = star.X
	}
	if id, ok := typ.(*ast.Ident); ok {
		return id.Name
	}
	return ""
}

func TestFilesAndFunctionsStayReadable(t *testing.T) {
	fset := token.NewFileSet()
	for _, files := range sourceFiles(t, fset) {
		for _, f := range files {
			pos := fset.Position(f.Pos())
			assert.LessOrEqual(t, fset.Position(f.End()).Line, maxFile, "%s has too many lines", pos.Filename)
			if isTest(fset, f) {
				continue
			}
			for _, decl := range f.Decls {
				if fn, ok := decl.(*ast.FuncDecl); ok && !strings.HasPrefix(fn.Name.Name, "test") {
					lines := fset.Position(fn.End()).Line - fset.Position(fn.Pos()).Line
					assert.LessOrEqual(t, lines, maxFunction, "%s: %s has too many lines", fset.Position(fn.Pos()), fn.Name)
				}
			}
		}
	}
}

// os.Exit belongs to main, so that every deferred call of a role runs.
func TestOnlyMainExits(t *testing.T) {
	fset := token.NewFileSet()
	for _, files := range sourceFiles(t, fset) {
		for _, f := range files {
			if isTest(fset, f) || f.Name.Name == "main" {
				continue
			}
			ast.Inspect(f, func(n ast.Node) bool {
				if sel, ok := n.(*ast.SelectorExpr); ok {
					if id, ok := sel.X.(*ast.Ident); ok && id.Name == "os" && sel.Sel.Name == "Exit" {
						t.Errorf("%s: os.Exit", fset.Position(n.Pos()))
					}
				}
				return true
			})
		}
	}
}

func contains(list []string, s string) bool {
	for _, v := range list {
		if v == s {
			return true
		}
	}
	return false
}
