package mapping

import (
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

func TestFinding_values_O3_SuspectedCancerIsToldFromUrgentWithOrWithoutTheExtension(t *testing.T) {
	for priority, want := range map[string]string{"ROUTINE": "Routine", "URGENT": "Urgent", "TWO_WEEK_WAIT": "ASAP"} {
		record := ersMapped(t, "BOOKED", "", priority)
		assert.Equal(t, want, record("Priority"), priority)
		assert.Equal(t, priority, record("Bridge_Source_Priority__c"))
	}
	out, err := starterTables(t).Map(Input{Variables: map[string]string{"source": "s"}, Focus: resource(t, []byte(
		`{"resourceType":"ServiceRequest","id":"1","status":"active","intent":"order","priority":"asap","subject":{"identifier":{"system":"https://fhir.nhs.uk/Id/nhs-number","value":"9990000018"}}}`))})
	require.NoError(t, err)
	assert.Equal(t, "ASAP", reveal(t, mapped(t, out, "ClinicalServiceRequest").Record, "Priority"))
}

func TestFinding_values_O4_O5_O8_O18_StatesMeanWhatNHSsOwnRenderingSays(t *testing.T) {
	for _, c := range []struct{ state, status, name, accepted string }{
		{"DEFERRED_TO_PROVIDER", "Active", "DEFERRED_TO_PROVIDER", ""},
		{"DEFER_TO_PROVIDER", "Active", "DEFERRED_TO_PROVIDER", ""},
		{"REJECTED", "Active", "REJECTED", "false"},
		{"TRIAGE_RESPONSE", "Active", "TRIAGE_RESPONSE", "false"},
		{"APPOINTMENT_CANCELLED_BY_PATIENT", "Active", "APPT_CANCELLED_BY_PATIENT", ""},
		{"APPOINTMENT_CANCELLED_BY_PROVIDER", "Active", "APPT_CANCELLED_BY_PROVIDER", ""},
		{"CANCELLED_REFERRAL", "Revoked", "CANCELLED_REFERRAL", ""},
	} {
		record := ersMapped(t, c.state, "", "ROUTINE")
		assert.Equal(t, c.status, record("Status"), c.state)
		assert.Equal(t, c.name, record("Bridge_Source_State__c"), c.state)
		assert.Equal(t, c.accepted, record("IsAccepted"), c.state)
	}
	for _, undocumented := range []string{"CARL", "ARBL", "CARBL_OR_ARL", "bookable", "bookableWasCancelled", "inReview"} {
		_, err := starterTables(t).Map(ersReferral(t, undocumented, "X", "active"))
		assert.True(t, faults(t, err).Has(UnknownCode), "NHS does not say what %s means", undocumented)
	}
}

func TestFinding_values_O6_clients_J10_TheReasonOfAStateReachesAField(t *testing.T) {
	for _, reason := range []string{"PATIENT_DIED", "RAISED_IN_ERROR", "FURTHER_INFORMATION_REQUIRED", "NO_SLOTS_AT_SERVICE"} {
		assert.Equal(t, reason, ersMapped(t, "CANCELLED_REFERRAL", reason, "ROUTINE")("Bridge_Source_Reason__c"))
	}
	for status, want := range map[string]string{"cancelled": "PATIENT_DIED", "noshow": "PATIENT_DIED", "booked": ""} {
		out, err := starterTables(t).Map(Input{Variables: map[string]string{"source": "s"}, Focus: resource(t, []byte(
			`{"resourceType":"Appointment","id":"1","status":"`+status+`","start":"2026-06-01T10:00:00Z","end":"2026-06-01T10:00:00Z",
			"basedOn":[{"reference":"ServiceRequest/1"}],"cancelationReason":{"coding":[{"code":"PATIENT_DIED"}]}}`))})
		require.NoError(t, err)
		assert.Equal(t, want, reveal(t, mapped(t, out, "ServiceAppointment").Record, "Bridge_Source_Reason__c"), status)
	}
}

func TestFinding_clients_J5_ACancelledDateStaysOnWhatIsOverOnly(t *testing.T) {
	for status, kept := range map[string]bool{"cancelled": true, "noshow": true, "entered-in-error": true,
		"proposed": false, "pending": false, "waitlist": false} {
		out, err := starterTables(t).Map(Input{Variables: map[string]string{"source": "s"}, Focus: resource(t, []byte(
			`{"resourceType":"Appointment","id":"1","status":"`+status+`","created":"2026-06-01T10:00:00Z","basedOn":[{"reference":"ServiceRequest/1"}]}`))})
		require.NoError(t, err)
		for _, f := range mapped(t, out, "ServiceAppointment").Record.Fields {
			if f.Name == "SchedStartTime" || f.Name == "SchedEndTime" {
				assert.True(t, f.Value.IsNull())
				assert.Equal(t, kept, f.KeepIfAbsent, "%s of %s", f.Name, status)
			}
		}
	}
}

// ersMapped maps a referral of e-RS and returns its fields.
func ersMapped(t *testing.T, state, reason, priority string) func(field string) string {
	t.Helper()
	ext := `{"url":"state","valueCoding":{"system":"https://fhir.nhs.uk/CodeSystem/eRS-ReferralState","code":"` + state + `"}}`
	if reason != "" {
		ext += `,{"url":"reason","valueCoding":{"code":"` + reason + `"}}`
	}
	out, err := starterTables(t).Map(Input{Variables: map[string]string{"source": "ers"}, Focus: resource(t, []byte(
		`{"resourceType":"ServiceRequest","id":"000000070001","status":"active","intent":"order","extension":[
		{"url":"https://fhir.nhs.uk/StructureDefinition/Extension-eRS-ServiceRequest-State","extension":[`+ext+`]},
		{"url":"https://fhir.nhs.uk/StructureDefinition/Extension-ServiceRequest-Priority","valueCoding":{"system":"https://fhir.nhs.uk/CodeSystem/eRS-Priority","code":"`+priority+`"}}],
		"subject":{"identifier":{"system":"https://fhir.nhs.uk/Id/nhs-number","value":"9990000018"}}}`))})
	require.NoError(t, err)
	record := mapped(t, out, "ClinicalServiceRequest").Record
	return func(field string) string { return reveal(t, record, field) }
}

func TestFinding_values_O22_ADayOfDeathIsThatDayForEverybody(t *testing.T) {
	for death, want := range map[string]string{"2026-05-01": "2026-05-01T12:00:00.000Z", "2026-12-01": "2026-12-01T12:00:00.000Z",
		"2026-05-01T23:30:00+01:00": "2026-05-01T22:30:00.000Z", "2026-05": "", "2026": ""} {
		out, err := starterTables(t).Map(Input{Variables: map[string]string{"source": "s", "patientMode": "create"}, Focus: resource(t, []byte(
			`{"resourceType":"ServiceRequest","id":"1","status":"active","intent":"order","subject":{"reference":"#p"},"contained":[{"resourceType":"Patient","id":"p",
			"name":[{"family":"Synthetic"}],"identifier":[{"system":"https://fhir.nhs.uk/Id/nhs-number","value":"9990000018"}],"deceasedDateTime":"`+death+`"}]}`))})
		require.NoError(t, err, death)
		account := mapped(t, out, "Account").Record
		assert.Equal(t, want, reveal(t, account, "PersonDeceasedDate"), death)
		assert.Equal(t, "true", reveal(t, account, "Bridge_Stop_Contact__c"), death)
	}
}
