package mapping

import (
	"strings"
	"testing"
	"testing/fstest"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

const rightTable = `object: Account
source: Patient
key:
  field: Bridge_Key__c
  from: id
rows:
  - field: LastName
    from: name.family
    purpose: >-
      Whose it is: the
      family's.
  - field: FirstName
    from: [name.given.first(),
      name.text]
    purpose: x
  - field: Salutation
    from: name.prefix.first()
drop:
  - {path: photo, purpose: Not needed.}
`

func TestAFileThatIsNoYAMLIsOneFaultInTheLineToPutRight(t *testing.T) {
	require.Empty(t, notYAML(t, rightTable))
	for _, c := range []struct{ from, to, want string }{
		{"    from: name.family", "\tfrom: name.family", `8:1: not YAML: a tab in the indentation (indent with spaces)`},
		{"    from: name.family", "  \tfrom: name.family", `8:3: not YAML: a tab in the indentation (indent with spaces)`},
		{"    from: name.family", "   from: name.family", `8:4: not YAML: a line indented by 3 cannot stand here (4 spaces would fit)`},
		{"    from: name.family", "  from: name.family", `8:3: not YAML: a line indented by 2 cannot stand here (4 spaces would fit)`},
		{"    from: name.prefix", "      from: name.prefix", `17:7: not YAML: a line indented by 6 cannot stand here (4 spaces would fit)`},
		{"  - field: Salutation", "   - field: Salutation", `16:4: not YAML: a line indented by 3 cannot stand here (2 spaces would fit)`},
		{"source: Patient", " source: Patient", `2:2: not YAML: a line indented by 1 cannot stand here (0 spaces would fit)`},
		{"rows:", "rows", `6:5: not YAML: a name without a colon (write rows:)`},
		{"from: id", "from: %source + id", `5:9: not YAML: an unquoted text cannot begin with % (put the text in double quotes)`},
		{"from: id", "from: 'ers.' + id", `5:16: not YAML: the text goes on behind its closing quote (put the whole text in double quotes)`},
		{"from: id", `from: "ers." + id`, `5:16: not YAML: the text goes on behind its closing quote (put the whole text in double quotes)`},
		{"from: id", `from: "ers.`, `5:9: not YAML: a quote that is never closed (end the text with ")`},
		{"purpose: x", `purpose: x: y`, `15:15: not YAML: ": " inside of an unquoted text (put the text in double quotes)`},
		{"from: id", `from: "matches('\d+')"`, `5:19: not YAML: \d means nothing in double quotes (write \\ for a backslash)`},
		{"photo, ", "photo, why: %x, ", `19:24: not YAML: an unquoted text cannot begin with % (put the text in double quotes)`},
		{"photo, ", "'a' + photo, ", `19:16: not YAML: the text goes on behind its closing quote (put the whole text in double quotes)`},
		{"Not needed.}", "Not needed.", `19:5: not YAML: a { that is never closed (close it; a text that holds brackets stands in double quotes)`},
		{"Not needed.}", "Not #needed.}", `19:32: not YAML: a comment begins at " #", before the bracket is closed (put a text that holds " #" in double quotes)`},
		{"Not needed.}", "Not needed: at all: no}", `19:5: not YAML: what stands in {…} cannot be read (inside of brackets a text that holds , : [ ] { or } stands in double quotes)`},
	} {
		require.Contains(t, rightTable, c.from)
		assert.Equal(t, "a.yaml:"+c.want, notYAML(t, strings.Replace(rightTable, c.from, c.to, 1)), c.to)
	}
}

// notYAML loads one table and gives its only fault; empty where it has none that is about YAML.
func notYAML(t *testing.T, text string) string {
	t.Helper()
	_, f, err := Read(fstest.MapFS{"a.yaml": {Data: []byte(text)}}, Options{})
	require.NoError(t, err)
	if len(f) == 0 || f[0].Check != "yaml" {
		return ""
	}
	assert.Len(t, f, 1)
	return f[0].String()
}

func TestAFileThatCannotBeReadIsReportedFirst(t *testing.T) {
	_, f, err := Read(fstest.MapFS{"a.yaml": {Data: []byte("object: Account\n")}, "b.yaml": {Data: []byte(rightTable + "\tx")}}, Options{})
	require.NoError(t, err)
	assert.Equal(t, "b.yaml", f[0].File)
	assert.Greater(t, len(f), 1)
}

func TestAPathThatACommentCutsOffSaysSo(t *testing.T) {
	_, f, err := Read(fstest.MapFS{"a.yaml": {Data: []byte(strings.Replace(rightTable, "from: id", "from: extension('urn:x #y').value", 1))}}, Options{})
	require.NoError(t, err)
	require.Len(t, f, 1)
	assert.Contains(t, f[0].Hint, `the text ends before " #"`)
	assert.Equal(t, "path", f[0].Check)
}
