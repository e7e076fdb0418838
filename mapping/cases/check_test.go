package cases

import (
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"refbridge/mapping"
)

func TestWhatNoTableGivesIsAFaultOfTheCase(t *testing.T) {
	list, faults := read("bad.yaml", []byte(`
input: {resourceType: ServiceRequest, id: a}
cases:
  - name: a
    expect:
      - {object: ClinicalServiceReqest, count: 0}
      - object: ClinicalServiceRequest
        key: k
        fields: {Statu: Active, Bridge_Key__c: k, PerformerTypeId: {Nam: x, CodeSet1Id: {Code: y}}, Status: {Name: x}}
        absent: [Prioritee, Priority]
  - name: b
    hold: {kind: unknown-code, field: Stats}
  - name: c
    hold: {kind: unknown-code, field: Status}
`), nil)
	require.Empty(t, faults)
	err := Check(starterTables(t), list)
	require.Error(t, err)
	assert.Equal(t, []string{
		"cases/bad.yaml:6:9: no table makes ClinicalServiceReqest (did you mean ClinicalServiceRequest?)",
		"cases/bad.yaml:9:18: no row of ClinicalServiceRequest writes Statu (did you mean Status?)",
		"cases/bad.yaml:9:69: no row of CodeSetBundle writes Nam (did you mean Name?)",
		"cases/bad.yaml:9:101: Status points to no record (write its value; only of a field with ref: the fields of another record are compared)",
		"cases/bad.yaml:10:18: no row of ClinicalServiceRequest writes Prioritee (did you mean Priority?)",
		"cases/bad.yaml:12:11: no row writes Stats (did you mean Status?)",
	}, strings.Split(err.Error(), "\n"))
}

func TestTheShippedCasesAndThoseOfBodiesNameWhatTheTablesGive(t *testing.T) {
	list, err := Read(mapping.DefaultCases())
	require.NoError(t, err)
	assert.NoError(t, Check(starterTables(t), list))

	set := tables(t, map[string]string{"a.yaml": "body: referral\nsource: ServiceRequest\nrows:\n  - {path: patient.id, from: id}\n" +
		"  - {path: referral.fields.Name, from: patientInstruction}\n", "b.yaml": "body: referral\nsource: ServiceRequest\nforEach: note\nrows:\n  - {path: \"performers[].fields.Name\", from: text}\n"})
	list, faults := read("x.yaml", []byte("input: {resourceType: ServiceRequest, id: a}\ncases:\n  - name: x\n    expect:\n      - {object: referral, fields: {\"performers[1].fields.Name\": x}}\n"), nil)
	require.Empty(t, faults)
	assert.NoError(t, Check(set, list))
}
