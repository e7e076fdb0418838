package main

import (
	"go/ast"
	"go/parser"
	"go/token"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
)

// floors says on which floor each package stands. A package imports only from floors below its own. A package that is not
// listed here has no place yet.
func floors() map[string]int {
	return map[string]int{
		"cmd/refbridge": 5,
		"daemon":        4, "console": 4,
		"bridge": 3, "preflight": 3,
		"mapping/batch": 3, "mapping/cases": 3, "mapping/lint": 3, "mapping/measure": 3, "mapping/review": 3,
		"ers": 2, "pds": 2, "mapping": 2, "sfdc/metadata": 2,
		"fhir/rest": 1, "fhir/fhirpath": 1, "fhir/ndjson": 1, "sfdc": 1, "ledger": 1,
		"fhir": 0, "sfdc/sobject": 0, "config": 0, "wire": 0,
		"config/pattern": -1, "config/spelling": -1,
	}
}

// simulators are the far ends of the wire: nothing of refbridge's clients may help them.
func simulators() []string { return []string{"ers/erssim", "fhir/fhirsim", "sfdc/sfdcsim"} }

// allowed top-level names of the repository.
func topLevel() []string {
	return strings.Fields(`cmd fhir mapping sfdc ers config testdata go.mod go.sum README.md bridge preflight ledger
		wire daemon console pds docs deploy LICENSE SECURITY.md CONTRIBUTING.md .ci .git .github .gitignore`)
}

type source struct {
	path string // relative to the repository
	dir  string
	file *ast.File
	fset *token.FileSet
}

func (s source) line(p token.Pos) int { return s.fset.Position(p).Line }

func (s source) test() bool { return strings.HasSuffix(s.path, "_test.go") }

func repository(t *testing.T) (string, []source) {
	t.Helper()
	root, err := filepath.Abs("../..")
	require.NoError(t, err)
	var out []source
	err = filepath.WalkDir(root, func(path string, d fs.DirEntry, err error) error {
		if err == nil && d.IsDir() && path != root && strings.HasPrefix(d.Name(), ".") {
			return filepath.SkipDir // no package, as Go sees it
		}
		if err != nil || d.IsDir() || !strings.HasSuffix(path, ".go") {
			return err
		}
		fset := token.NewFileSet()
		file, err := parser.ParseFile(fset, path, nil, parser.ParseComments)
		rel, _ := filepath.Rel(root, path)
		if err == nil && !ast.IsGenerated(file) {
			out = append(out, source{path: rel, dir: filepath.Dir(rel), file: file, fset: fset})
		}
		return err
	})
	require.NoError(t, err)
	require.NotEmpty(t, out)
	return root, out
}

func TestTopLevelOfTheRepositoryIsWhatTheCustomerFixed(t *testing.T) {
	root, _ := repository(t)
	entries, err := os.ReadDir(root)
	require.NoError(t, err)
	for _, e := range entries {
		ignored := e.Name() == "refbridge" || strings.HasPrefix(e.Name(), "refbridge-")
		require.True(t, ignored || slices.Contains(topLevel(), e.Name()), "%s has no place at the top level", e.Name())
	}
}

func TestPackagesImportOnlyFromFloorsBelow(t *testing.T) {
	_, files := repository(t)
	floor := floors()
	for _, f := range files {
		if f.test() || slices.Contains(simulators(), f.dir) {
			continue
		}
		mine, known := floor[f.dir]
		require.True(t, known, "%s: package %s stands on no floor", f.path, f.dir)
		for _, imp := range internalImports(f) {
			theirs, known := floor[imp]
			simulator := slices.Contains(simulators(), imp) && mine == 5
			require.True(t, simulator || known && theirs < mine, "%s imports %s, which is not below it", f.path, imp)
		}
	}
}

func TestSimulatorsDoNotImportWhatTheyJudge(t *testing.T) {
	_, files := repository(t)
	seen := 0
	for _, f := range files {
		if f.test() || !slices.Contains(simulators(), f.dir) {
			continue
		}
		seen++
		require.Empty(t, internalImports(f), "%s: a simulator writes and reads the wire by itself", f.path)
	}
	require.NotZero(t, seen)
}

func internalImports(f source) []string {
	var out []string
	for _, imp := range f.file.Imports {
		if path, ok := strings.CutPrefix(strings.Trim(imp.Path.Value, `"`), "refbridge/"); ok {
			out = append(out, path)
		}
	}
	return out
}
