package lane_test

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

// docs/fates.md tells an operator what each reason means: it has each reason of the code, and no other.
func TestTheDocumentListsEveryReason(t *testing.T) {
	page, err := os.ReadFile("../../docs/fates.md")
	require.NoError(t, err)
	_, tables, ok := strings.Cut(string(page), "## Reasons")
	require.True(t, ok)
	var documented []string
	for _, m := range regexp.MustCompile("(?m)^\\| `([a-z-]+)` \\| ").FindAllStringSubmatch(tables, -1) {
		documented = append(documented, m[1])
	}
	slices.Sort(documented)
	assert.Equal(t, reasonsOfTheCode(t), slices.Compact(documented))
}

// reasonsOfTheCode gives the texts of the constants code… and Code…, sorted, and checks that no Reason has a text of its own.
func reasonsOfTheCode(t *testing.T) []string {
	t.Helper()
	var out []string
	for _, pattern := range []string{"../*.go", "../*/*.go", "../../ledger/*.go"} {
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
				if pair, ok := n.(*ast.KeyValueExpr); ok && named(pair.Key, "Code") {
					_, literal := pair.Value.(*ast.BasicLit)
					assert.False(t, literal, "%s: a reason that is no constant", name)
				}
				out = append(out, codesIn(t, n)...)
				return true
			})
		}
	}
	slices.Sort(out)
	return out
}

func codesIn(t *testing.T, n ast.Node) []string {
	t.Helper()
	spec, ok := n.(*ast.ValueSpec)
	if !ok || len(spec.Values) != 1 || !strings.HasPrefix(strings.ToLower(spec.Names[0].Name), "code") {
		return nil
	}
	lit, ok := spec.Values[0].(*ast.BasicLit)
	if !ok {
		return nil
	}
	text, err := strconv.Unquote(lit.Value)
	require.NoError(t, err)
	return []string{text}
}

func named(e ast.Expr, name string) bool {
	id, ok := e.(*ast.Ident)
	return ok && id.Name == name
}
