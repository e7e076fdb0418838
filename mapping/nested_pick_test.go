package mapping

import (
	"testing"
	"testing/fstest"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"refbridge/fhir"
)

func TestAConditionInAConditionGivesWhatItsBranchGives(t *testing.T) {
	const table = `
object: Thing__c
source: ServiceRequest
key: {field: Key__c, from: "%source & '.' & id"}
values:
  v:
    unlisted: keep
    codes: [{code: zzz, to: Zzz}]
rows:
  - {field: A__c, from: "iif(intent.exists(), iif(status = 'draft', patientInstruction, status))", purpose: x}
  - {field: B__c, from: id, when: "iif(intent.exists(), iif(status = 'draft', patientInstruction))", purpose: x}
  - {field: C__c, from: "iif(intent.exists(), iif(status = 'active', status))", values: v, purpose: x}
`
	set, err := Load(fstest.MapFS{"thing.yaml": {Data: []byte(table)}}, Options{})
	require.NoError(t, err)
	r, err := fhir.Parse([]byte(`{"resourceType":"ServiceRequest","id":"1","status":"active","intent":"order","code":{"coding":[{"code":"x"}]}}`))
	require.NoError(t, err)
	out, err := set.Map(Input{Focus: r, Variables: map[string]string{"source": "s"}})
	require.NoError(t, err)
	assert.Equal(t, `{"records":[{"object":"Thing__c","key":{"Key__c":"s.1"},"fields":{"A__c":"active","C__c":"active"}}]}`, string(AppendRecords(nil, out.Records)))
}

func TestAConditionInAConditionOfEachCodingIsNotTheCodingItself(t *testing.T) {
	const table = `
object: Thing__c
source: ServiceRequest
forEach: code.coding
key: {field: Key__c, from: "%source & '.' & %resource.id & '.' & code"}
values:
  v:
    codes: [{system: s, code: x, to: Ex}, {code: Dee, to: Display}]
rows:
  - {field: A__c, from: "iif(display.exists(), iif(userSelected.exists(), display))", values: v, purpose: x}
  - {field: B__c, from: "iif(display.exists(), iif(userSelected.exists(), display))", transform: text, purpose: x}
`
	set, err := Load(fstest.MapFS{"thing.yaml": {Data: []byte(table)}}, Options{})
	require.NoError(t, err)
	r, err := fhir.Parse([]byte(`{"resourceType":"ServiceRequest","id":"1","code":{"coding":[{"system":"s","code":"x","display":"Dee"}]}}`))
	require.NoError(t, err)
	out, err := set.Map(Input{Focus: r, Variables: map[string]string{"source": "s"}})
	require.NoError(t, err)
	assert.Equal(t, `{"records":[{"object":"Thing__c","key":{"Key__c":"s.1.x"},"fields":{"A__c":null,"B__c":null}}]}`, string(AppendRecords(nil, out.Records)))
}

func TestAConditionInAWhenIsTheBranchAndNotTheResource(t *testing.T) {
	const table = `
object: Thing__c
source: ServiceRequest
key: {field: Key__c, from: "%source & '.' & id"}
when: "iif(intent.exists(), iif(status = 'draft', doNotPerform))"
rows:
  - {field: A__c, from: status, purpose: x}
`
	set, err := Load(fstest.MapFS{"thing.yaml": {Data: []byte(table)}}, Options{})
	require.NoError(t, err)
	r, err := fhir.Parse([]byte(`{"resourceType":"ServiceRequest","id":"1","status":"active","intent":"order"}`))
	require.NoError(t, err)
	out, err := set.Map(Input{Focus: r, Variables: map[string]string{"source": "s"}})
	require.NoError(t, err)
	assert.Empty(t, out.Records)
}
