package main

import (
	"bytes"
	"go/ast"
	"go/token"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

// The budgets of the style page. A budget is raised only in a commit that says why.
const (
	maxFunctionLines = 60
	p90FunctionLines = 33
	maxFileLines     = 500
	maxNesting       = 3
	maxParameters    = 5
	maxMethods       = 3
)

func TestStyleBudgetsHold(t *testing.T) {
	root, files := repository(t)
	var lengths []int
	for _, f := range files {
		src, err := os.ReadFile(filepath.Join(root, f.path))
		require.NoError(t, err)
		assert.LessOrEqual(t, bytes.Count(src, []byte("\n")), maxFileLines, "%s is too long", f.path)
		if f.test() {
			continue
		}
		for _, d := range f.file.Decls {
			lengths = append(lengths, declaration(t, f, d)...)
		}
		identifiers(t, f)
	}
	slices.Sort(lengths)
	assert.LessOrEqual(t, lengths[len(lengths)*9/10], p90FunctionLines, "the 90th percentile of function lengths")
}

func declaration(t *testing.T, f goFile, d ast.Decl) []int {
	switch d := d.(type) {
	case *ast.FuncDecl:
		return []int{function(t, f, d)}
	case *ast.GenDecl:
		for _, s := range d.Specs {
			specification(t, f, d, s)
		}
	}
	return nil
}

func function(t *testing.T, f goFile, d *ast.FuncDecl) int {
	lines := f.line(d.End()) - f.line(d.Pos()) + 1
	at := f.path + " " + d.Name.Name
	assert.LessOrEqual(t, lines, maxFunctionLines, "%s is too long", at)
	assert.NotEqual(t, "init", d.Name.Name, "%s: no init functions", f.path)
	assert.LessOrEqual(t, d.Type.Params.NumFields(), maxParameters, "%s has too many parameters", at)
	if d.Body != nil {
		assert.LessOrEqual(t, nesting(d.Body.List), maxNesting, "%s nests too deeply", at)
	}
	if d.Name.IsExported() && (d.Recv == nil || exportedReceiver(d.Recv)) {
		assert.NotEmpty(t, d.Doc.Text(), "%s is not documented", at)
	}
	return lines
}

func exportedReceiver(r *ast.FieldList) bool {
	typ := r.List[0].Type
	if star, ok := typ.(*ast.StarExpr); ok {
		typ = star.X
	}
	if index, ok := typ.(*ast.IndexExpr); ok {
		typ = index.X
	}
	id, ok := typ.(*ast.Ident)
	return ok && id.IsExported()
}

func specification(t *testing.T, f goFile, d *ast.GenDecl, s ast.Spec) {
	switch s := s.(type) {
	case *ast.TypeSpec:
		if s.Name.IsExported() {
			assert.NotEmpty(t, d.Doc.Text()+s.Doc.Text(), "%s type %s is not documented", f.path, s.Name)
		}
		if i, ok := s.Type.(*ast.InterfaceType); ok {
			assert.LessOrEqual(t, i.Methods.NumFields(), maxMethods, "%s interface %s", f.path, s.Name)
		}
	case *ast.ValueSpec:
		values(t, f, d, s)
	}
}

func values(t *testing.T, f goFile, d *ast.GenDecl, s *ast.ValueSpec) {
	for i, name := range s.Names {
		if name.IsExported() {
			documented := d.Doc.Text() + s.Doc.Text() + s.Comment.Text()
			assert.NotEmpty(t, documented, "%s %s is not documented", f.path, name)
		}
		if d.Tok == token.VAR {
			assert.True(t, allowedVariable(name.Name, s, i), "%s: package variable %s", f.path, name)
		}
	}
}

// allowedVariable: Err… values, embedded files, the blank identifier, and compiled constants (regular expressions,
// templates, parsed tables: a call to something named Must…).
func allowedVariable(name string, s *ast.ValueSpec, i int) bool {
	if name == "_" || strings.HasPrefix(name, "Err") || strings.HasPrefix(name, "err") {
		return true
	}
	if sel, ok := s.Type.(*ast.SelectorExpr); ok && sel.Sel.Name == "FS" {
		return true
	}
	if s.Type != nil {
		id, ok := s.Type.(*ast.Ident)
		return ok && len(s.Values) == 0 && id.Name == "string" // set by the linker (-X) or by go:embed
	}
	if i < len(s.Values) {
		call, ok := s.Values[i].(*ast.CallExpr)
		return ok && mustCall(call)
	}
	return false
}

func mustCall(call *ast.CallExpr) bool {
	switch fn := call.Fun.(type) {
	case *ast.SelectorExpr:
		return strings.HasPrefix(fn.Sel.Name, "Must")
	case *ast.Ident:
		return strings.HasPrefix(fn.Name, "must")
	}
	return false
}

func identifiers(t *testing.T, f goFile) {
	ast.Inspect(f.file, func(n ast.Node) bool {
		switch n := n.(type) {
		case *ast.Ident:
			assert.NotEqual(t, "dryrun", strings.ToLower(n.Name), "%s:%d", f.path, f.line(n.Pos()))
			assert.NotEqual(t, "InsecureSkipVerify", n.Name, "%s:%d", f.path, f.line(n.Pos()))
		case *ast.CallExpr:
			if id, ok := n.Fun.(*ast.Ident); ok {
				assert.NotEqual(t, "panic", id.Name, "%s:%d", f.path, f.line(n.Pos()))
			}
		}
		return true
	})
}

// nesting gives the depth of blocks inside blocks; an else-if chain and a case count as their statement's level.
func nesting(list []ast.Stmt) int {
	deepest := 0
	for _, s := range list {
		deepest = max(deepest, statement(s))
	}
	return deepest
}

func statement(s ast.Stmt) int {
	switch s := s.(type) {
	case *ast.BlockStmt:
		return nesting(s.List)
	case *ast.LabeledStmt:
		return statement(s.Stmt)
	case *ast.IfStmt:
		deep := 1 + nesting(s.Body.List)
		if s.Else != nil {
			next := statement(s.Else)
			if _, block := s.Else.(*ast.BlockStmt); block {
				next++
			}
			deep = max(deep, next)
		}
		return deep
	case *ast.ForStmt:
		return 1 + nesting(s.Body.List)
	case *ast.RangeStmt:
		return 1 + nesting(s.Body.List)
	case *ast.SwitchStmt:
		return 1 + nesting(s.Body.List)
	case *ast.TypeSwitchStmt:
		return 1 + nesting(s.Body.List)
	case *ast.SelectStmt:
		return 1 + nesting(s.Body.List)
	case *ast.CaseClause:
		return nesting(s.Body)
	case *ast.CommClause:
		return nesting(s.Body)
	}
	return 0
}
