package mapping

import (
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

func TestAResourceWithoutIDIsHeldAndSharesNoKeyWithAnother(t *testing.T) {
	set := starterTables(t)
	patient := `"subject":{"identifier":{"system":"https://fhir.nhs.uk/Id/nhs-number","value":"9990000018"}}`
	for _, src := range []string{
		`{"resourceType":"ServiceRequest","status":"active","intent":"order",` + patient + `}`,
		`{"resourceType":"ServiceRequest","status":"active","intent":"plan","identifier":[{"value":"1"}],` +
			`"bodySite":[{"coding":[{"system":"http://snomed.info/sct","code":"1"}]}],` + patient + `}`,
		`{"resourceType":"Appointment","status":"proposed","created":"2026-01-01","basedOn":[{"reference":"ServiceRequest/1"}]}`,
	} {
		out, err := set.Map(Input{Focus: resource(t, []byte(src)), Variables: world("fhir-")})
		var faults Faults
		require.ErrorAs(t, err, &faults, "%s", src)
		assert.Empty(t, out.Records)
		assert.True(t, faults.Has(RequiredMissing))
		assert.Contains(t, err.Error(), "the source has nothing to make a key of")
	}
}

func TestAnAppointmentWhoseReferralIsNotNamedIsHeld(t *testing.T) {
	src := `{"resourceType":"Appointment","id":"1","status":"proposed","created":"2026-01-01"}`
	_, err := starterTables(t).Map(Input{Focus: resource(t, []byte(src)), Variables: world("fhir-")})
	assert.ErrorContains(t, err, "ParentRecordId")
}

func TestAKeyWithAnEmptyPartIsRefused(t *testing.T) {
	set, err := Load(files("a.yaml", "object: A__c\nsource: ServiceRequest\nkey: {field: K__c, from: id}\nrows: [{field: F__c, default: x}]\n"), Options{})
	require.NoError(t, err)
	for key, good := range map[string]bool{
		"ers.sr.1": true, "1": true, "a-b_c.D": true, strings.Repeat("x", maxKey): true,
		"ers.sr.": false, "ers.sr. ": false, ".sr.1": false, "ers..1": false, ".": false, "": false, strings.Repeat("x", maxKey+1): false, "a/b": false,
	} {
		src := `{"resourceType":"ServiceRequest","id":"` + key + `"}`
		_, err := set.Map(Input{Focus: resource(t, []byte(src)), Variables: world("fhir-")})
		assert.Equal(t, good, err == nil, "%q: %v", key, err)
	}
}
