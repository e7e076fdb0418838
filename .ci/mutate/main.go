//go:build ignore

// Mutate turns single conditions of named functions round, one at a time, on a copy of the repository, and runs the short tests of the
// package after each. A change that no test fails on is a decision that no test holds: it is printed, and the exit code is 1.
//
//	go run .ci/mutate/main.go            every function of targets.txt
//	go run .ci/mutate/main.go ledger     those of a package, or of functions with this in their name
//
// Each condition of an if, and each case of a switch without a tag, is negated; each comparison in it is moved by one (< to <=), == and
// != are exchanged, as are && and ||. What does not compile, and what goes on without end, counts as noticed.
package main

import (
	"bufio"
	"bytes"
	"context"
	"fmt"
	"go/ast"
	"go/parser"
	"go/token"
	"io/fs"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"time"
)

// limit is how long the tests of a package may take before a change counts as one that never ends.
const limit = 3 * time.Minute

type target struct{ file, function, tests string }

// mutant is one change of a file: the bytes from a place to another give way to a text.
type mutant struct {
	from, to int
	text     string
	line     int
	what     string
}

func main() {
	if err := run(os.Args[1:]); err != nil {
		fmt.Fprintln(os.Stderr, "mutate:", err)
		os.Exit(1)
	}
}

func run(words []string) error {
	targets, err := targets(words)
	if err != nil {
		return err
	}
	dir, err := os.MkdirTemp("", "mutate-")
	if err != nil {
		return err
	}
	defer os.RemoveAll(dir)
	if err := copyTree(".", dir); err != nil {
		return err
	}
	tried, survived := 0, 0
	for _, t := range targets {
		n, left, err := t.try(dir)
		if err != nil {
			return fmt.Errorf("%s %s: %w", t.file, t.function, err)
		}
		tried, survived = tried+n, survived+left
	}
	fmt.Printf("%d changes, %d that no test noticed\n", tried, survived)
	if survived > 0 {
		return fmt.Errorf("%d decisions are held by no test", survived)
	}
	return nil
}

// targets reads the list beside this program: file, function, and where not all tests of its package are meant, their pattern.
func targets(words []string) (out []target, err error) {
	text, err := os.ReadFile(".ci/mutate/targets.txt")
	if err != nil {
		return nil, err
	}
	for s := bufio.NewScanner(bytes.NewReader(text)); s.Scan(); {
		f := strings.Fields(s.Text())
		if len(f) < 2 || f[0][0] == '#' {
			continue
		}
		t := target{file: f[0], function: f[1], tests: "."}
		if len(f) > 2 {
			t.tests = f[2]
		}
		if chosen(t, words) {
			out = append(out, t)
		}
	}
	if len(out) == 0 {
		return nil, fmt.Errorf("nothing of that name in .ci/mutate/targets.txt")
	}
	return out, nil
}

func chosen(t target, words []string) bool {
	for _, w := range words {
		if filepath.Dir(t.file) == w || strings.Contains(t.function, w) {
			return true
		}
	}
	return len(words) == 0
}

// try runs the tests on each change of a target, and puts the file back.
func (t target) try(dir string) (tried, survived int, err error) {
	path := filepath.Join(dir, t.file)
	src, err := os.ReadFile(path)
	if err != nil {
		return 0, 0, err
	}
	all, err := mutants(path, src, t.function)
	if err != nil {
		return 0, 0, err
	}
	for _, m := range all {
		changed := append(append(append([]byte{}, src[:m.from]...), m.text...), src[m.to:]...)
		if err := os.WriteFile(path, changed, 0o600); err != nil {
			return tried, survived, err
		}
		tried++
		if !noticed(dir, t) {
			survived++
			fmt.Printf("%s:%d %s: %s\n", t.file, m.line, t.function, m.what)
		}
	}
	return tried, survived, os.WriteFile(path, src, 0o600)
}

// noticed reports whether a test fails on the tree as it is now.
func noticed(dir string, t target) bool {
	ctx, stop := context.WithTimeout(context.Background(), limit)
	defer stop()
	c := exec.CommandContext(ctx, "go", "test", "-short", "-failfast", "-run", t.tests, "./"+filepath.Dir(t.file))
	c.Dir = dir
	return c.Run() != nil
}

// mutants lists the changes of a function, in the order of the text.
func mutants(path string, src []byte, function string) (out []mutant, err error) {
	fset := token.NewFileSet()
	file, err := parser.ParseFile(fset, path, src, 0)
	if err != nil {
		return nil, err
	}
	at := func(p token.Pos) int { return fset.Position(p).Offset }
	found := false
	for _, d := range file.Decls {
		f, ok := d.(*ast.FuncDecl)
		if !ok || f.Name.Name != function {
			continue
		}
		found = true
		for _, cond := range conditions(f) {
			text := string(src[at(cond.Pos()):at(cond.End())])
			line := fset.Position(cond.Pos()).Line
			out = append(out, mutant{at(cond.Pos()), at(cond.End()), "!(" + text + ")", line, "not (" + text + ")"})
			ast.Inspect(cond, func(n ast.Node) bool {
				b, ok := n.(*ast.BinaryExpr)
				if to := other(b); ok && to != "" && (b != cond || b.Op != token.EQL && b.Op != token.NEQ) { // == alone is negated above
					from := at(b.OpPos)
					out = append(out, mutant{from, from + len(b.Op.String()), to, line, b.Op.String() + " to " + to + " in " + text})
				}
				return true
			})
		}
	}
	if !found {
		return nil, fmt.Errorf("no such function")
	}
	return out, nil
}

// conditions lists what a function decides by.
func conditions(f *ast.FuncDecl) (out []ast.Expr) {
	ast.Inspect(f, func(n ast.Node) bool {
		switch n := n.(type) {
		case *ast.IfStmt:
			out = append(out, n.Cond)
		case *ast.SwitchStmt:
			if n.Tag != nil {
				return true
			}
			for _, c := range n.Body.List {
				out = append(out, c.(*ast.CaseClause).List...)
			}
		case *ast.ReturnStmt:
			for _, r := range n.Results {
				if b, ok := r.(*ast.BinaryExpr); ok && other(b) != "" {
					out = append(out, r)
				}
			}
		}
		return true
	})
	return out
}

// other returns the operator that is tried in place of a comparison or a junction, empty for what is none.
func other(b *ast.BinaryExpr) string {
	if b == nil {
		return ""
	}
	return map[token.Token]string{token.LSS: "<=", token.LEQ: "<", token.GTR: ">=", token.GEQ: ">", token.EQL: "!=", token.NEQ: "==",
		token.LAND: "||", token.LOR: "&&"}[b.Op]
}

// copyTree copies a folder without what stands beside the code.
func copyTree(from, to string) error {
	return filepath.WalkDir(from, func(path string, d fs.DirEntry, err error) error {
		if err != nil {
			return err
		}
		if d.Name() == ".git" {
			if d.IsDir() {
				return filepath.SkipDir
			}
			return nil
		}
		target := filepath.Join(to, path)
		if d.IsDir() {
			return os.MkdirAll(target, 0o700)
		}
		text, err := os.ReadFile(path)
		if err != nil {
			return err
		}
		return os.WriteFile(target, text, 0o600)
	})
}
