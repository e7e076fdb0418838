//go:build ignore

// Mutate turns single conditions of named functions round, one at a time, on copies of the repository, and runs the tests of the package
// after each: its own, in the package itself and short, and for a room of the bridge those of the other rooms; scenarios from outside are
// left out. A change that no test fails on is a
// decision that no test holds: it is printed, and the exit code is 1.
//
//	go run .ci/mutate/main.go            every function of targets.txt
//	go run .ci/mutate/main.go ledger     those of a package, or of functions with this in their name
//
// Each condition of an if, and each case of a switch without a tag, is negated; each comparison in it is moved by one (< to <=), == and
// != are exchanged, as are && and ||. What does not compile, and what goes on without end, counts as noticed. alike.txt lists changes that
// make no difference, each with its reason; one that a test notices all the same fails too.
package main

import (
	"bufio"
	"bytes"
	"context"
	"errors"
	"fmt"
	"go/ast"
	"go/parser"
	"go/token"
	"io/fs"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strings"
	"sync"
	"time"
)

// limit is how long the tests of a package may take before a change counts as one that never ends.
const limit = time.Minute

// workers are how many copies are tried at once.
const workers = 2

type target struct{ file, function, tests string }

// mutant is one change of a file: the bytes from a place to another give way to a text.
type mutant struct {
	target
	from, to int
	text     string
	line     int
	what     string
}

// name says which change it is, whatever its line.
func (m mutant) name() string { return m.file + " " + m.function + ": " + m.what }

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
	alike, err := alike()
	if err != nil {
		return err
	}
	todo := make(chan mutant)
	var mu sync.Mutex
	var faults []string
	var all sync.WaitGroup
	for range workers {
		dir, err := os.MkdirTemp("", "mutate-")
		if err != nil {
			return err
		}
		defer os.RemoveAll(dir)
		if err := copyTree(".", dir); err != nil {
			return err
		}
		all.Go(func() {
			for m := range todo {
				fault := m.try(dir, alike[m.name()])
				if fault == "" {
					continue
				}
				mu.Lock()
				faults = append(faults, fault)
				fmt.Println(fault)
				mu.Unlock()
			}
		})
	}
	tried := 0
	for _, t := range targets {
		found, err := t.mutants()
		if err != nil {
			return fmt.Errorf("%s %s: %w", t.file, t.function, err)
		}
		for _, m := range found {
			todo <- m
			tried++
		}
	}
	close(todo)
	all.Wait()
	fmt.Printf("%d changes, %d at fault\n", tried, len(faults))
	if len(faults) > 0 {
		return fmt.Errorf("%d decisions are held by no test, or are listed for nothing", len(faults))
	}
	return nil
}

// alike reads the list of changes that make no difference.
func alike() (map[string]bool, error) {
	text, err := os.ReadFile(".ci/mutate/alike.txt")
	out := map[string]bool{}
	for line := range strings.Lines(string(text)) {
		if name, _, found := strings.Cut(strings.TrimSpace(line), " # "); found {
			out[strings.TrimSpace(name)] = true
		}
	}
	return out, err
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

// try runs the tests on one change, and puts the file back. It returns what is wrong.
func (m mutant) try(dir string, alike bool) string {
	path := filepath.Join(dir, m.file)
	src, err := os.ReadFile(path)
	if err != nil {
		return err.Error()
	}
	changed := append(append(append([]byte{}, src[:m.from]...), m.text...), src[m.to:]...)
	err = os.WriteFile(path, changed, 0o600)
	noticed := noticed(dir, m.target)
	if err = errors.Join(err, os.WriteFile(path, src, 0o600)); err != nil {
		return err.Error()
	}
	switch {
	case noticed && alike:
		return fmt.Sprintf("%s:%d %s: %s: listed as making no difference, and a test notices it", m.file, m.line, m.function, m.what)
	case !noticed && !alike:
		return fmt.Sprintf("%s:%d %s: %s", m.file, m.line, m.function, m.what)
	}
	return ""
}

// noticed reports whether a test fails on the tree as it is now: of the package itself, and then of the other rooms of the bridge where it
// is one of them.
func noticed(dir string, t target) bool {
	own := filepath.Dir(t.file)
	if fails(dir, t.tests, "./"+own) {
		return true
	}
	return strings.HasPrefix(own, "bridge") && fails(dir, t.tests, "./bridge/...")
}

func fails(dir, tests, packages string) bool {
	ctx, stop := context.WithTimeout(context.Background(), limit)
	defer stop()
	c := exec.CommandContext(ctx, "go", "test", "-short", "-failfast", "-vet=off", "-run", tests, packages)
	c.Dir = dir
	return c.Run() != nil
}

// mutants lists the changes of a target, in the order of the text.
func (t target) mutants() (out []mutant, err error) {
	src, err := os.ReadFile(t.file)
	if err != nil {
		return nil, err
	}
	fset := token.NewFileSet()
	file, err := parser.ParseFile(fset, t.file, src, 0)
	if err != nil {
		return nil, err
	}
	found := false
	for _, d := range file.Decls {
		f, ok := d.(*ast.FuncDecl)
		if !ok || t.function != "*" && f.Name.Name != t.function {
			continue
		}
		found = true
		out = append(out, mutantsOf(target{t.file, f.Name.Name, t.tests}, f, src, fset)...)
	}
	if !found {
		return nil, fmt.Errorf("no such function")
	}
	return out, nil
}

func mutantsOf(t target, f *ast.FuncDecl, src []byte, fset *token.FileSet) (out []mutant) {
	at := func(p token.Pos) int { return fset.Position(p).Offset }
	for _, cond := range conditions(f) {
		text := string(src[at(cond.Pos()):at(cond.End())])
		line := fset.Position(cond.Pos()).Line
		short := strings.Join(strings.Fields(text), " ")
		out = append(out, mutant{t, at(cond.Pos()), at(cond.End()), "!(" + text + ")", line, "not (" + short + ")"})
		n := 0
		ast.Inspect(cond, func(node ast.Node) bool {
			b, ok := node.(*ast.BinaryExpr)
			if to := other(b); ok && to != "" && (b != cond || b.Op != token.EQL && b.Op != token.NEQ) { // == alone is negated above
				from := at(b.OpPos)
				n++
				out = append(out, mutant{t, from, from + len(b.Op.String()), to, line, fmt.Sprintf("%s to %s (%d) in %s", b.Op, to, n, short)})
			}
			return true
		})
	}
	return out
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

// copyTree copies a folder without what stands beside the code, and without tests that look at a package from outside.
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
		if err != nil || strings.HasSuffix(path, "_test.go") && outside.Match(text) {
			return err
		}
		return os.WriteFile(target, text, 0o600)
	})
}

var outside = regexp.MustCompile(`(?m)^package \w+_test$`)
