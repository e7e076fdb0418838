package mapping

import (
	"encoding/json"
	"fmt"
	"go/ast"
	"go/parser"
	"go/token"
	"io/fs"
	"path/filepath"
	"reflect"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
	"go.yaml.in/yaml/v3"
)

func TestTheSchemaFileIsUpToDate(t *testing.T) {
	got, err := Schema()
	require.NoError(t, err)
	golden(t, "schema.json", string(got))
}

// formats are the parts of a table as the reader names them.
func formats() map[string]reflect.Type {
	return map[string]reflect.Type{
		"a table": reflect.TypeFor[tableFormat](), "a table of a body": reflect.TypeFor[bodyFormat](),
		"a file of value tables": reflect.TypeFor[valuesFormat](), "key": reflect.TypeFor[keyFormat](),
		"a named value": reflect.TypeFor[letFormat](), "a row": reflect.TypeFor[rowFormat](),
		"a row of a body": reflect.TypeFor[bodyRowFormat](), "a value table": reflect.TypeFor[valueTableFormat](),
		"a code": reflect.TypeFor[codeFormat](), "a drop": reflect.TypeFor[dropFormat](), "a field of gone": reflect.TypeFor[goneFormat](),
		"a rule of back": reflect.TypeFor[backFormat](), "a parameter": reflect.TypeFor[parameterFormat](),
	}
}

// The reader says in code which members each part takes: reader.mapping(node, "a row", needed…, "", others…).
func TestTheSchemaHasTheMembersThatTheReaderTakes(t *testing.T) {
	checked := map[string]bool{}
	for _, call := range readerCalls(t) {
		what, members := call[0], call[1:]
		typ, ok := formats()[what]
		if !ok {
			continue
		}
		checked[what] = true
		needed := members[:max(slices.Index(members, ""), 0)]
		var all, must []string
		for i := range typ.NumField() {
			all = append(all, typ.Field(i).Tag.Get("json"))
			if typ.Field(i).Tag.Get("need") != "" {
				must = append(must, typ.Field(i).Tag.Get("json"))
			}
			assert.NotEmpty(t, typ.Field(i).Tag.Get("doc"), "%s.%s", typ.Name(), typ.Field(i).Name)
		}
		assert.ElementsMatch(t, slices.DeleteFunc(slices.Clone(members), func(m string) bool { return m == "" }), all, what)
		assert.ElementsMatch(t, needed, must, "what %s needs", what)
	}
	for what := range formats() {
		assert.True(t, checked[what], "the reader reads no %q", what)
	}
}

// readerCalls gives the texts of every call of Reader.Mapping in this package.
func readerCalls(t *testing.T) [][]string {
	t.Helper()
	files, err := filepath.Glob("*.go")
	require.NoError(t, err)
	require.NotEmpty(t, files)
	var out [][]string
	for _, name := range files {
		file, err := parser.ParseFile(token.NewFileSet(), name, nil, 0)
		require.NoError(t, err)
		ast.Inspect(file, func(n ast.Node) bool {
			call, ok := n.(*ast.CallExpr)
			if !ok {
				return true
			}
			if s, ok := call.Fun.(*ast.SelectorExpr); !ok || s.Sel.Name != "Mapping" {
				return true
			}
			var texts []string
			for _, a := range call.Args[1:] {
				if lit, ok := a.(*ast.BasicLit); ok {
					text, _ := strconv.Unquote(lit.Value)
					texts = append(texts, text)
				}
			}
			if len(texts) > 1 {
				out = append(out, texts)
			}
			return true
		})
	}
	require.NotEmpty(t, out)
	return out
}

func TestTheStarterTablesFitTheSchema(t *testing.T) {
	names, err := fs.Glob(Default(), "*.yaml")
	require.NoError(t, err)
	require.NotEmpty(t, names)
	for _, name := range names {
		src, err := fs.ReadFile(Default(), name)
		require.NoError(t, err)
		assert.Empty(t, againstSchema(t, src), name)
	}
}

func TestAMisspeltKeyDoesNotFitTheSchema(t *testing.T) {
	for misspelt, table := range map[string]string{
		"frm":       "object: Account\nsource: Patient\nkey: {field: K__c, from: id}\nrows: [{field: Name, frm: id}]\n",
		"sorce":     "object: Account\nsorce: Patient\nkey: {field: K__c, from: id}\nrows: []\n",
		"transfrom": "object: Account\nsource: Patient\nkey: {field: K__c, from: id, transfrom: hash(12)}\nrows: []\n",
		"cods":      "values: {a: {cods: []}}\n",
		"purpos":    "object: Account\nsource: Patient\nkey: {field: K__c, from: id}\nrows: []\ndrop: [{path: id, purpos: x}]\n",
		"requird":   "object: A__c\nsource: Patient\nkey: {field: K__c, from: id}\nrows: []\nback: [{dialect: ers, changed: X, operation: $ers.acceptReferral, parameters: [{name: x, code: y, requird: true}]}]\n",
	} {
		assert.NotEmpty(t, againstSchema(t, []byte(table)), misspelt)
		assert.Empty(t, againstSchema(t, []byte(rightly(table))), "the same without %s", misspelt)
	}
}

func rightly(table string) string {
	return strings.NewReplacer("frm:", "from:", "sorce:", "source:", "transfrom:", "transform:", "cods:", "codes:", "purpos:", "purpose:",
		"requird:", "required:").Replace(table)
}

func TestAValueOutOfAClosedListDoesNotFitTheSchema(t *testing.T) {
	const table = "object: Account\nsource: Patient\nkey: {field: K__c, from: id}\nrows:\n  - {field: Name, from: id, %s}\n"
	for _, good := range []string{"owner: latest", "transform: \"truncate(5, cut)\"", "transform: [upper, utc]", "default: 01", "required: true", "when: false"} {
		assert.Empty(t, againstSchema(t, fmt.Appendf(nil, table, good)), good)
	}
	for _, bad := range []string{"owner: sauce", "transform: uper", "required: maybe", "transform: []"} {
		assert.NotEmpty(t, againstSchema(t, fmt.Appendf(nil, table, bad)), bad)
	}
}

// againstSchema checks a table as an editor does.
func againstSchema(t *testing.T, src []byte) []string {
	t.Helper()
	text, err := Schema()
	require.NoError(t, err)
	var schema, value any
	require.NoError(t, json.Unmarshal(text, &schema))
	require.NoError(t, yaml.Unmarshal(src, &value))
	return validator{root: schema.(map[string]any)}.faults(schema.(map[string]any), value, "")
}

// validator knows as much of JSON Schema as the schema uses.
type validator struct{ root map[string]any }

func (v validator) faults(schema map[string]any, value any, at string) []string {
	var out []string
	for word, rule := range schema {
		switch word {
		case "$ref":
			name := strings.TrimPrefix(rule.(string), "#/definitions/")
			out = append(out, v.faults(v.root["definitions"].(map[string]any)[name].(map[string]any), value, at)...)
		case "allOf":
			for _, s := range rule.([]any) {
				out = append(out, v.faults(s.(map[string]any), value, at)...)
			}
		case "anyOf":
			out = append(out, v.any(rule.([]any), value, at)...)
		case "type":
			out = append(out, typeFaults(rule, value, at)...)
		case "enum":
			if !slices.Contains(rule.([]any), value) {
				out = append(out, fmt.Sprintf("%s: %v is not listed", at, value))
			}
		case "pattern":
			if s, ok := value.(string); ok && !regexp.MustCompile(rule.(string)).MatchString(s) {
				out = append(out, at+": pattern")
			}
		case "minItems":
			if list, ok := value.([]any); ok && float64(len(list)) < rule.(float64) {
				out = append(out, at+": empty")
			}
		case "items":
			list, _ := value.([]any)
			for i, item := range list {
				out = append(out, v.faults(rule.(map[string]any), item, fmt.Sprintf("%s[%d]", at, i))...)
			}
		}
	}
	if members, ok := value.(map[string]any); ok {
		out = append(out, v.members(schema, members, at)...)
	}
	return out
}

func (v validator) any(choices []any, value any, at string) []string {
	var out []string
	for _, s := range choices {
		faults := v.faults(s.(map[string]any), value, at)
		if len(faults) == 0 {
			return nil
		}
		out = append(out, faults...)
	}
	return out
}

func (v validator) members(schema, value map[string]any, at string) []string {
	var out []string
	properties, _ := schema["properties"].(map[string]any)
	needed, _ := schema["required"].([]any)
	for _, name := range needed {
		if value[name.(string)] == nil {
			out = append(out, fmt.Sprintf("%s: needs %s", at, name))
		}
	}
	for name, member := range value {
		rule := properties[name]
		if rule == nil {
			rule = schema["additionalProperties"]
		}
		switch rule := rule.(type) {
		case bool:
			out = append(out, fmt.Sprintf("%s: does not take %s", at, name))
		case map[string]any:
			out = append(out, v.faults(rule, member, at+"."+name)...)
		}
	}
	return out
}

func typeFaults(rule, value any, at string) []string {
	types, ok := rule.([]any)
	if !ok {
		types = []any{rule}
	}
	name := "null"
	switch value.(type) {
	case string:
		name = "string"
	case bool:
		name = "boolean"
	case int:
		name = "integer"
	case float64:
		name = "number"
	case map[string]any:
		name = "object"
	case []any:
		name = "array"
	}
	if slices.Contains(types, any(name)) || name == "integer" && slices.Contains(types, any("number")) {
		return nil
	}
	return []string{fmt.Sprintf("%s: %s where %v is wanted", at, name, types)}
}
