package lint

import (
	"go/ast"
	"go/parser"
	"go/token"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

// docs/tables.md tells the reader of a finding what its check means: it has each check of the code, with what it can be, and no
// other.
func TestTheDocumentListsEveryCheck(t *testing.T) {
	page, err := os.ReadFile("../../docs/tables.md")
	require.NoError(t, err)
	_, section, ok := strings.Cut(string(page), "## What lint says")
	require.True(t, ok)
	section, _, _ = strings.Cut(section, "\n## ")
	documented := map[string]string{}
	for _, m := range regexp.MustCompile("(?m)^\\| `([a-z-]+)` \\| (error|warning|error or warning) \\| [^|]+ \\| [^|]+ \\|$").FindAllStringSubmatch(section, -1) {
		assert.Empty(t, documented[m[1]], "%s stands twice", m[1])
		documented[m[1]] = m[2]
	}
	assert.Equal(t, checksOfTheCode(t), documented)
}

// checksOfTheCode gives what stands as the name of a check in the calls that make findings and faults of loading.
func checksOfTheCode(t *testing.T) map[string]string {
	t.Helper()
	found := map[string][]string{}
	for _, pattern := range []string{"*.go", "../*.go"} {
		files, err := filepath.Glob(pattern)
		require.NoError(t, err)
		require.NotEmpty(t, files)
		for _, name := range files {
			if strings.HasSuffix(name, "_test.go") {
				continue
			}
			file, err := parser.ParseFile(token.NewFileSet(), name, nil, 0)
			require.NoError(t, err)
			ast.Inspect(file, func(n ast.Node) bool {
				for _, check := range checksIn(n) {
					found[check[0]] = append(found[check[0]], check[1])
				}
				return true
			})
		}
	}
	out := map[string]string{}
	for check, severities := range found {
		slices.Sort(severities)
		out[check] = strings.Join(slices.Compact(severities), " or ")
	}
	return out
}

// checksIn gives name and severity of the checks that a call or an assignment names.
func checksIn(n ast.Node) [][2]string {
	switch n := n.(type) {
	case *ast.CallExpr:
		return checksOfCall(n)
	case *ast.AssignStmt:
		for i, left := range n.Lhs {
			name := ""
			switch left := left.(type) {
			case *ast.Ident:
				name = left.Name
			case *ast.SelectorExpr:
				name = left.Sel.Name
			}
			if text, ok := literal(n.Rhs[min(i, len(n.Rhs)-1)]); ok && strings.EqualFold(name, "check") {
				return [][2]string{{text, "error"}}
			}
		}
	}
	return nil
}

func checksOfCall(call *ast.CallExpr) [][2]string {
	method, ok := call.Fun.(*ast.SelectorExpr)
	if !ok || len(call.Args) < 2 {
		return nil
	}
	name, first := method.Sel.Name, call.Args[0]
	if name == "judged" {
		first = call.Args[1]
	}
	text, ok := literal(first)
	switch {
	case !ok:
		return nil
	case name == "warn":
		return [][2]string{{text, "warning"}}
	case name == "judged":
		return [][2]string{{text, "warning"}, {text, "error"}}
	case name == "fail" || name == "found" || name == "noted":
		return [][2]string{{text, "error"}}
	}
	return nil
}

func literal(e ast.Expr) (string, bool) {
	lit, ok := e.(*ast.BasicLit)
	if !ok || lit.Kind != token.STRING {
		return "", false
	}
	text, err := strconv.Unquote(lit.Value)
	return text, err == nil
}
