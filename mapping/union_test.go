package mapping

import (
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"refbridge/fhir"
)

const thingTable = "object: Thing__c\nsource: ServiceRequest\nkey: {field: Key__c, from: \"%source & '.' & id\"}\nrows:\n"

func TestResourcesOfOneSampleThatMakeOneKeyAreOneRecordOnlyWhereTheyAreTheSame(t *testing.T) {
	set, err := Load(files("thing.yaml", thingTable+"  - {field: A__c, from: status, purpose: x}\n"), Options{})
	require.NoError(t, err)
	of := func(statuses ...string) ([]Mapped, Faults) {
		in := Sample{Variables: map[string]string{"source": "s"}}
		for _, status := range statuses {
			in.Focus = append(in.Focus, resource(t, []byte(`{"resourceType":"ServiceRequest","id":"1","status":"`+status+`"}`)))
		}
		return set.MapAll(in)
	}
	records, faults := of("active", "active")
	assert.Empty(t, faults)
	assert.Len(t, records, 1)

	records, faults = of("active", "revoked")
	assert.Empty(t, records)
	require.Len(t, faults, 1)
	assert.Equal(t, "thing.yaml:3:6: Key__c: two records have this key and differ in A__c (make the key of what tells them apart; rows with owner: "+
		"target may differ, the first counts)", faults[0].String())
}

func TestAFieldThatTheSecondOfTwoRecordsClearsIsNotForgotten(t *testing.T) {
	table := `
object: Thing__c
source: ServiceRequest
forEach: identifier
key: {field: Key__c, from: "%source & '.' & %resource.id"}
rows:
  - {field: A__c, from: value, when: "use = 'official'", purpose: x}
  - {field: B__c, from: system, purpose: x}
`
	set, err := Load(files("t.yaml", table), Options{})
	require.NoError(t, err)
	of := func(identifiers string) (string, error) {
		r, err := fhir.Parse([]byte(`{"resourceType":"ServiceRequest","id":"1","identifier":[` + identifiers + `]}`))
		require.NoError(t, err)
		out, err := set.Map(Input{Focus: r, Variables: map[string]string{"source": "s"}})
		return string(AppendRecords(nil, out.Records)), err
	}
	_, err = of(`{"use":"usual","system":"s"},{"use":"official","system":"s"}`)
	assert.ErrorContains(t, err, "differ in A__c")
	out, err := of(`{"use":"official","system":"s"},{"use":"usual","system":"s"}`)
	require.NoError(t, err, "the first says all that the second does")
	assert.Contains(t, out, `"A__c":null`)
}
