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

// floors says on which floor each package stands, and on which line of it: 33 is floor 3, line 3. A package imports only from what is
// below its own. A package that is not listed here has no place yet.
func floors() map[string]int {
	return map[string]int{
		"cmd/refbridge": 50,
		"daemon":        40, "console": 40,
		"bridge/lane": 33,
		"bridge/plan": 32, "bridge/back": 32, "bridge/deliver": 32,
		"bridge/source": 31, "bridge/report": 31, "preflight": 31,
		"bridge": 30, "mapping/batch": 30, "mapping/cases": 30, "mapping/lint": 30, "mapping/measure": 30, "mapping/review": 30,
		"bridge/plan/shelf": 31, "bridge/bridgetest": 30, // for tests: nothing but tests imports them
		"ers": 20, "pds": 20, "mapping": 20, "sfdc/metadata": 20,
		"fhir/rest": 10, "fhir/fhirpath": 10, "fhir/ndjson": 10, "sfdc": 10, "ledger": 10,
		"fhir": 0, "sfdc/sobject": 0, "config": 0, "wire": 0,
		"config/pattern": -1, "config/spelling": -1,
	}
}

// forTests are packages that nothing but tests imports.
func forTests() []string { return []string{"bridge/bridgetest", "bridge/plan/shelf"} }

// simulators are the far ends of the wire: nothing of refbridge's clients may help them.
func simulators() []string { return []string{"ers/erssim", "fhir/fhirsim", "sfdc/sfdcsim"} }

// allowed top-level names of the repository.
func topLevel() []string {
	return strings.Fields(`cmd fhir mapping sfdc ers config testdata go.mod go.sum README.md bridge preflight ledger
		wire daemon console pds docs deploy LICENSE SECURITY.md CONTRIBUTING.md .ci .git .github .gitignore`)
}

type goFile struct {
	path string // relative to the repository
	dir  string
	file *ast.File
	fset *token.FileSet
}

func (s goFile) line(p token.Pos) int { return s.fset.Position(p).Line }

func (s goFile) test() bool { return strings.HasSuffix(s.path, "_test.go") }

func repository(t *testing.T) (string, []goFile) {
	t.Helper()
	root, err := filepath.Abs("../..")
	require.NoError(t, err)
	var out []goFile
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
			out = append(out, goFile{path: rel, dir: filepath.Dir(rel), file: file, fset: fset})
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
			require.True(t, slices.Contains(forTests(), f.dir) || !slices.Contains(forTests(), imp), "%s imports %s, which is for tests", f.path, imp)
			simulator := slices.Contains(simulators(), imp) && mine == 50 || slices.Contains(forTests(), f.dir)
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

func internalImports(f goFile) []string {
	var out []string
	for _, imp := range f.file.Imports {
		if path, ok := strings.CutPrefix(strings.Trim(imp.Path.Value, `"`), "refbridge/"); ok {
			out = append(out, path)
		}
	}
	return out
}
