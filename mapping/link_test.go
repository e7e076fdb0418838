package mapping

import (
	"fmt"
	"testing"
	"testing/fstest"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

// readFaults reads tables that stand in one file each.
func readFaults(t *testing.T, tables ...string) []string {
	t.Helper()
	fsys := fstest.MapFS{}
	for i, table := range tables {
		fsys[fmt.Sprintf("%c.yaml", 'a'+i)] = &fstest.MapFile{Data: []byte(table)}
	}
	_, faults, err := Read(fsys, Options{})
	require.NoError(t, err)
	var out []string
	for _, f := range faults {
		out = append(out, f.String())
	}
	return out
}

func TestTwoTablesThatMakeTheSameRecordsDoNotLoad(t *testing.T) {
	const table = "object: A__c\nsource: Patient\n%skey: {field: K__c, from: \"%s\"}\nrows: [{field: F__c, from: gender}]\n"
	plain := fmt.Sprintf(table, "", "id  + '.a'")
	assert.Equal(t, []string{"b.yaml:3:6: a.yaml:3 makes the same records of A__c: they would be held, or lose the fields of one table " +
		"(move the rows into one of the two tables, or give each a when)"}, readFaults(t, plain, fmt.Sprintf(table, "", "id + '.a'")))
	for _, other := range []string{
		fmt.Sprintf(table, "", "id + '.b'"), fmt.Sprintf(table, "forEach: contact\n", "id + '.a'"),
		fmt.Sprintf(table, "when: active\n", "id + '.a'"),
	} {
		assert.Empty(t, readFaults(t, plain, other), other)
	}
	named := func(path string) string { return fmt.Sprintf(table, "let: {no: "+path+"}\n", "%no + '.a'") }
	assert.Len(t, readFaults(t, named("id"), named("id")), 1)
	assert.Empty(t, readFaults(t, named("id"), named("meta.versionId")), "one name, another value")
}

func TestOneMistakeIsOneFault(t *testing.T) {
	const head = "object: A__c\nsource: Patient\nkey: {field: K__c, from: id}\n"
	for table, want := range map[string]string{
		head + "rows: [{field: F__c, from: id, when: activ = true}, {field: F__c, from: gender}]": "no resource has an element activ",
		head + "row: [{field: F__c, from: id}]":                                                   "does not take \"row\"",
		head + "rows: [{field: F__c, from: id}]\nnote: is no list":                                "does not take \"note\"",
		head + "rows: [{feild: F__c, from: id}]":                                                  "does not take \"feild\"",
		head + "rows: [{field: F__c, frm: id}]":                                                   "does not take \"frm\"",
		"objekt" + head[len("object"):] + "rows: [{field: F__c, from: id}]":                       "does not take \"objekt\"",
		head[len("object: A__c\n"):] + "rows: [{field: F__c, from: id, ref: B__c.K__c}]":          "needs \"object\"",
	} {
		got := readFaults(t, table)
		if assert.Len(t, got, 1, "%v", got) {
			assert.Contains(t, got[0], want)
		}
	}
}
