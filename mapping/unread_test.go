package mapping

import (
	"testing"
	"testing/fstest"

	"github.com/stretchr/testify/require"
)

func TestAFileThatCannotBeReadHidesNoOtherFaultAndBringsNoneOfItsOwn(t *testing.T) {
	tables := fstest.MapFS{
		"values.yaml":   {Data: []byte("values:\n  priority:\n    codes:\n   - {code: a, to: b}\n")},
		"referral.yaml": {Data: []byte("object: A__c\nsource: ServiceRequest\nkey: {field: K__c, from: id}\nrows:\n  - {field: P__c, from: priority, values: priority}\n  - {field: Q__c, form: status}\n")},
	}
	set, faults, err := Read(tables, Options{})
	require.NoError(t, err)
	require.Len(t, faults, 2, "the YAML and the misspelt member, and no value table that is said to be missing: %v", faults)
	require.Contains(t, faults.Error(), "not YAML")
	require.NotContains(t, faults.Error(), "there is no value table")
	_, err = set.Map(Input{})
	require.ErrorAs(t, err, &faults, "tables with faults never run")
}
