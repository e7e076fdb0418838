package mapping

import (
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

// aReferral is a referral of a plain FHIR server with more members, as JSON.
func aReferral(t *testing.T, more string) Input {
	t.Helper()
	return Input{Variables: world("fhir-x"), Focus: resource(t, []byte(`{"resourceType":"ServiceRequest","id":"v-1","status":"active","intent":"order",
		"subject":{"identifier":{"system":"https://fhir.nhs.uk/Id/nhs-number","value":"9990000018"}}`+more+`}`))}
}

func anAppointment(t *testing.T, more string) Input {
	t.Helper()
	return Input{Variables: world("fhir-x"), Focus: resource(t, []byte(`{"resourceType":"Appointment","id":"v-2","status":"booked",
		"basedOn":[{"reference":"ServiceRequest/v-1"}]`+more+`}`))}
}

func TestFinding_inputs_B5_TheEndOfAPeriodIncludesAllOfIt(t *testing.T) {
	set := starterTables(t)
	for end, want := range map[string]string{
		"2027-03-28":           "2027-03-28T22:59:59.000Z", // the day on which the clocks go forward
		"2027-10-31":           "2027-10-31T23:59:59.000Z", // and back
		"2027-07":              "2027-07-31T22:59:59.000Z",
		"2027":                 "2027-12-31T23:59:59.000Z",
		"2027-07-04T10:00:00Z": "2027-07-04T10:00:00.000Z",
	} {
		out, err := set.Map(aReferral(t, `,"occurrencePeriod":{"end":"`+end+`"},"identifier":[{"system":"https://x.example/n","value":"1","period":{"end":"`+end+`"}}]`))
		require.NoError(t, err, end)
		assert.Equal(t, want, reveal(t, mapped(t, out, "ClinicalServiceRequest").Record, "EndDate"))
		assert.Equal(t, want, reveal(t, mapped(t, out, "Identifier").Record, "EndDate"))
		out, err = set.Map(anAppointment(t, `,"requestedPeriod":[{"start":"2027-01-01","end":"`+end+`"}]`))
		require.NoError(t, err, end)
		assert.Equal(t, want, reveal(t, mapped(t, out, "ServiceAppointment").Record, "DueDate"))
	}
}

func TestFinding_inputs_B9_AnInstantThatNamesNoTimeIsHeld(t *testing.T) {
	set := starterTables(t)
	for _, text := range []string{"2027-02-03", "2027-02", "2027", "2027-02-03T10:00:00", "2027-02-03T9:00:00Z"} {
		for _, more := range []string{`,"start":"` + text + `"`, `,"start":"2027-02-03T09:00:00Z","end":"` + text + `"`} {
			_, err := set.Map(anAppointment(t, more))
			assert.Equal(t, BadValue, faults(t, err)[0].Kind, more)
		}
		_, err := set.Map(aReferral(t, `,"meta":{"lastUpdated":"`+text+`"}`))
		assert.Equal(t, BadValue, faults(t, err)[0].Kind, text)
	}
	out, err := set.Map(anAppointment(t, `,"start":"2027-02-03T09:00:00+01:00","created":"2027-02"`))
	require.NoError(t, err)
	assert.Equal(t, "2027-02-03T08:00:00.000Z", reveal(t, mapped(t, out, "ServiceAppointment").Record, "SchedStartTime"))
}

func TestFinding_inputs_B19_ASecondRequestedPeriodHoldsTheAppointment(t *testing.T) {
	_, err := starterTables(t).Map(anAppointment(t, `,"requestedPeriod":[{"start":"2027-01-01","end":"2027-01-05"},{"start":"2027-02-01","end":"2027-02-05"}]`))
	assert.Equal(t, BadValue, faults(t, err)[0].Kind)
}
