package mapping

import (
	"fmt"
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

func repeated(n int, f func(i int) string) string {
	parts := make([]string, n)
	for i := range parts {
		parts[i] = f(i)
	}
	return strings.Join(parts, ",")
}

// members gives n members, in one order or the other.
func members(n int, back bool) string {
	return repeated(n, func(i int) string {
		if back {
			i = n - 1 - i
		}
		return fmt.Sprintf(`"m%05d":%d`, i, i)
	})
}

// ofEachNote gives a table that does the same for each note, in several fields.
func ofEachNote(from string) string {
	rows := ""
	for i := range 20 {
		rows += fmt.Sprintf("  - {field: F%d__c, %s, purpose: x}\n", i, from)
	}
	return "object: Thing__c\nsource: ServiceRequest\nforEach: note\nkey: {field: Key__c, from: \"%source & '.' & %resource.id\"}\n" +
		"values:\n  v:\n    unlisted: none\n    codes: [{code: zzz, to: Zzz}]\nrows:\n" + rows
}

// TestWorkThatGrowsWithAnElementCountsForSteps: what is cheap for a short element is done ten thousand times for a long one.
func TestWorkThatGrowsWithAnElementCountsForSteps(t *testing.T) {
	notes := `"note":[` + repeated(10000, func(int) string { return `{}` }) + `]`
	code := `"code":{"coding":[{"code":"` + strings.Repeat("x", 70000) + `"}]}`
	for name, c := range map[string]struct{ from, in string }{
		"codings looked up": {`from: "%resource.code", values: v`,
			`"code":{"coding":[` + repeated(3500, func(i int) string { return fmt.Sprintf(`{"code":"%d"}`, i) }) + `]}`},
		"a coding hashed":   {`from: "%resource.code.coding", transform: codingKey`, code},
		"a concept to read": {`from: "%resource.code", transform: text`, `"code":{"coding":[` + repeated(20000, func(int) string { return `{}` }) + `,{"display":"x"}]}`},
		"members passed":    {`from: "%resource.priority"`, members(900, false)},
		"objects equal": {`from: "iif(%resource.extension[1] = %resource.extension[0], %resource.id)"`,
			`"extension":[{` + members(900, false) + `},{` + members(900, true) + `}]`},
		"lists alike": {`from: "iif(%resource.extension[1] ~ %resource.extension[0], %resource.id)"`,
			`"extension":[{"x":[` + repeated(500, func(i int) string { return fmt.Sprint(i) }) + `]},{"x":[` + repeated(500, func(i int) string { return fmt.Sprint(499 - i) }) + `]}]`},
	} {
		set, err := Load(files("thing.yaml", ofEachNote(c.from)), Options{})
		require.NoError(t, err, name)
		_, err = set.Map(Input{Focus: resource(t, []byte(`{"resourceType":"ServiceRequest","id":"1",`+notes+`,`+c.in+`}`)), Variables: map[string]string{"source": "s"}})
		require.Error(t, err, name)
		assert.Regexp(t, "the tables need more than [0-9]+ steps for this record", err.Error(), name)
	}
}

func TestTwoLongListsAreNotComparedToTheEnd(t *testing.T) {
	set, err := Load(files("thing.yaml", thingTable+"  - {field: A__c, from: \"iif(extension[0] ~ extension[1], id)\", purpose: x}\n"), Options{})
	require.NoError(t, err)
	list := func(number func(i int) int) string {
		return `{"url":"u","x":[` + repeated(8000, func(i int) string { return fmt.Sprint(number(i)) }) + `]}`
	}
	_, err = set.Map(Input{Variables: map[string]string{"source": "s"}, Focus: resource(t, []byte(`{"resourceType":"ServiceRequest","id":"1","extension":[`+
		list(func(i int) int { return i })+`,`+list(func(i int) int { return 7999 - i })+`]}`))})
	assert.ErrorContains(t, err, "too many steps")
}

func TestARecordHasAThousandFaultsAtMost(t *testing.T) {
	set, err := Load(files("thing.yaml", ofEachNote("from: text, transform: truncate(1), required: true")), Options{})
	require.NoError(t, err)
	m := set.Mapper()
	_, err = m.Map(Input{Variables: map[string]string{"source": "s"}, Focus: resource(t, []byte(`{"resourceType":"ServiceRequest","id":"1","note":[`+
		repeated(10000, func(int) string { return `{"text":"long"}` })+`]}`))})
	assert.ErrorContains(t, err, "these are 1000 faults, and the rest of the record was skipped")
	assert.Len(t, m.faults, maxFaults+1)
}
