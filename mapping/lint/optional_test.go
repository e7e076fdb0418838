package lint

import (
	"slices"
	"testing"
	"testing/fstest"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"refbridge/mapping"
	"refbridge/sfdc/sobject"
)

func TestFinding_values_O9_ALintAgainstAnOrgWithoutAnOptionalFieldWarnsAndTheTablesStillRun(t *testing.T) {
	t.Parallel()
	for _, c := range []struct{ object, field string }{
		{"ServiceAppointment", "StatusReason"}, {"Account", "MiddleName"}, {"Account", "PersonOtherPhone"},
	} {
		org := defaultSnapshot(t)
		i := slices.IndexFunc(org.Objects, func(d sobject.Description) bool { return d.Name == c.object })
		before := len(org.Objects[i].Fields)
		org.Objects[i].Fields = slices.DeleteFunc(slices.Clone(org.Objects[i].Fields), func(f sobject.FieldType) bool { return f.Name == c.field })
		require.Less(t, len(org.Objects[i].Fields), before, c.field)
		r := lint(t, mapping.Default(), org)
		assert.Empty(t, r.Unfit(), c.field)
		assert.Zero(t, r.Count(Error), c.field)
		require.NotEmpty(t, r.Findings, c.field)
		for _, f := range r.Findings {
			assert.Equal(t, "unknown-field", f.Check)
			assert.Equal(t, c.object+" has no field "+c.field+": the row is left out", f.Message)
		}
	}
}

func TestFinding_values_O9_AFieldIsOptionalOnlyWhereEveryRowForItSaysSo(t *testing.T) {
	t.Parallel()
	const head = "object: ServiceAppointment\nsource: Appointment\nkey: {field: Bridge_Key__c, from: id}\nrows:\n" +
		"  - {field: ParentRecordId, from: id, ref: ClinicalServiceRequest.Bridge_Key__c, required: true, owner: create-only}\n"
	for rows, want := range map[string]Severity{
		"  - {field: Nowhere__c, from: status, optional: true}\n":                                                          Warning,
		"  - {field: Nowhere__c, from: status}\n":                                                                          Error,
		"  - {field: Nowhere__c, from: status, optional: false}\n":                                                         Error,
		"  - {field: Nowhere__c, when: start.exists(), from: status}\n  - {field: Nowhere__c, from: id, optional: true}\n": Error,
	} {
		for _, f := range lint(t, fstest.MapFS{"a.yaml": {Data: []byte(head + rows)}}, defaultSnapshot(t)).Findings {
			if f.Check == "unknown-field" {
				assert.Equal(t, want, f.Severity, rows)
			}
		}
	}
}
