package mapping

import (
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"refbridge/fhir"
	"refbridge/sfdc/sobject"
)

// row makes a record of an object from field, value, field, value …; "true" and "false" are checkboxes.
func recordOf(object string, pairs ...string) sobject.Record {
	r := sobject.Record{Object: object}
	for i := 0; i+1 < len(pairs); i += 2 {
		v := sobject.TextValue(pairs[i+1])
		if pairs[i+1] == "true" || pairs[i+1] == "false" {
			v = sobject.BoolValue(pairs[i+1] == "true")
		}
		r.Set(pairs[i], v)
	}
	return r
}

func TestStatusChangesInSalesforceBecomeOperations(t *testing.T) {
	const state, comment, reason = "Bridge_Source_State__c", "Bridge_Action_Comment__c", "Bridge_Action_Reason__c"
	type fields []string
	accept := fhir.Parameter{Name: "reviewOutcome", System: "https://fhir.nhs.uk/STU3/CodeSystem/eRS-ReviewOutcome-1", Code: "ACCEPT_REFER_BOOK_LATER"}
	cancel := func(code string) fhir.Parameter {
		return fhir.Parameter{Name: "cancellationReason", System: "REFERRAL-CANCELLATION-REASON", Code: code}
	}
	status := func(code string) []fhir.Parameter { return []fhir.Parameter{{Name: "status", Code: code}} }
	cases := []struct {
		name, dialect, object string
		image, now            fields
		operation             string
		parameters            []fhir.Parameter
		fault                 FaultKind
		field                 string
	}{
		{"accept a booked referral", "ers", "ClinicalServiceRequest",
			fields{state, "BOOKED", "Status", "Active"}, fields{"Status", "Active", "IsAccepted", "true"},
			"$ers.acceptReferral", nil, "", ""},
		{"accepted already", "ers", "ClinicalServiceRequest",
			fields{state, "BOOKED", "IsAccepted", "true"}, fields{"IsAccepted", "true"}, "", nil, "", ""},
		{"not accepted is no news", "ers", "ClinicalServiceRequest",
			fields{state, "BOOKED"}, fields{"IsAccepted", "false"}, "", nil, "", ""},
		{"accept in triage", "ers", "ClinicalServiceRequest",
			fields{state, "AWAITING_TRIAGE", "IsAccepted", "false"}, fields{"IsAccepted", "true", comment, "We will book."},
			"$ers.recordReviewOutcome", []fhir.Parameter{accept, {Name: "reviewComments", Text: "We will book."}}, "", ""},
		{"accept a referral without a slot", "ers", "ClinicalServiceRequest",
			fields{state, "DEFERRED_TO_PROVIDER"}, fields{"IsAccepted", "true", comment, "We will book."},
			"$ers.recordReviewOutcome", []fhir.Parameter{accept, {Name: "reviewComments", Text: "We will book."}}, "", ""},
		{"accept in triage without a comment", "ers", "ClinicalServiceRequest",
			fields{state, "AWAITING_TRIAGE"}, fields{"IsAccepted", "true", comment, ""}, "", nil, RequiredMissing, comment},
		{"accept where e-RS has nothing to accept", "ers", "ClinicalServiceRequest",
			fields{state, "TRIAGE_RESPONSE"}, fields{"IsAccepted", "true"}, "", nil, "", ""},
		{"cancel, reason of the patient", "ers", "ClinicalServiceRequest",
			fields{state, "BOOKED", "Status", "Active"}, fields{"Status", "Revoked", reason, "PATIENT_DIED"},
			"$ers.cancelReferral", []fhir.Parameter{cancel("PATIENT_DIED")}, "", ""},
		{"cancel with a comment", "ers", "ClinicalServiceRequest",
			fields{state, "AWAITING_TRIAGE", "Status", "Active"}, fields{"Status", "Revoked", reason, "PATIENT_REQUEST_CANCELLATION_OTHER", comment, "Moves away."},
			"$ers.cancelReferral", []fhir.Parameter{cancel("PATIENT_REQUEST_CANCELLATION_OTHER"), {Name: "cancellationComments", Text: "Moves away."}}, "", ""},
		{"cancel without the comment that the reason needs", "ers", "ClinicalServiceRequest",
			fields{state, "AWAITING_TRIAGE", "Status", "Active"}, fields{"Status", "Revoked", reason, "PATIENT_REQUEST_CANCELLATION_OTHER"},
			"", nil, RequiredMissing, comment},
		{"cancel without a reason", "ers", "ClinicalServiceRequest",
			fields{state, "BOOKED", "Status", "Active"}, fields{"Status", "Revoked"}, "", nil, RequiredMissing, reason},
		{"cancel before triage with a reason of triage", "ers", "ClinicalServiceRequest",
			fields{state, "BOOKED", "Status", "Active"}, fields{"Status", "Revoked", reason, "TRIAGE_ENDED"}, "", nil, UnknownCode, reason},
		{"cancel after triage", "ers", "ClinicalServiceRequest",
			fields{state, "TRIAGED_PROVIDER_TO_ACTION", "Status", "Active"}, fields{"Status", "Revoked", reason, "TRIAGE_ENDED"},
			"$ers.cancelReferral", []fhir.Parameter{cancel("TRIAGE_ENDED")}, "", ""},
		{"cancel after triage, comment needed", "ers", "ClinicalServiceRequest",
			fields{state, "TRIAGED_PROVIDER_TO_ACTION", "Status", "Active"}, fields{"Status", "Revoked", reason, "STRAIGHT_TO_TEST"},
			"", nil, RequiredMissing, comment},
		{"cancel after triage with a reason of the patient", "ers", "ClinicalServiceRequest",
			fields{state, "TRIAGED_PROVIDER_TO_ACTION", "Status", "Active"}, fields{"Status", "Revoked", reason, "PATIENT_DIED"},
			"", nil, UnknownCode, reason},
		{"cancelled already", "ers", "ClinicalServiceRequest",
			fields{state, "CANCELLED_REFERRAL", "Status", "Revoked"}, fields{"Status", "Revoked"}, "", nil, "", ""},
		{"revoked where it is over", "ers", "ClinicalServiceRequest",
			fields{state, "TRIAGE_RESPONSE", "Status", "Active"}, fields{"Status", "Revoked", reason, "PATIENT_DIED"}, "", nil, "", ""},
		{"accepted and cancelled at once", "ers", "ClinicalServiceRequest",
			fields{state, "BOOKED", "Status", "Active"}, fields{"Status", "Revoked", "IsAccepted", "true", reason, "PATIENT_DIED"},
			"", nil, BadValue, ""},
		{"other statuses mean nothing to e-RS", "ers", "ClinicalServiceRequest",
			fields{state, "BOOKED", "Status", "Active"}, fields{"Status", "Completed"}, "", nil, "", ""},
		{"appointments mean nothing to e-RS", "ers", "ServiceAppointment",
			fields{"Status", "Scheduled"}, fields{"Status", "Canceled"}, "", nil, "", ""},

		{"completed", "fhir", "ClinicalServiceRequest",
			fields{"Status", "Active"}, fields{"Status", "Completed"}, "update", status("completed"), "", ""},
		{"the platform schedules", "fhir", "ClinicalServiceRequest",
			fields{"Status", "Active"}, fields{"Status", "Scheduled"}, "", nil, "", ""},
		{"the platform schedules what was on hold", "fhir", "ClinicalServiceRequest",
			fields{"Status", "On-Hold"}, fields{"Status", "Scheduled"}, "update", status("active"), "", ""},
		{"a status of the org's own", "fhir", "ClinicalServiceRequest",
			fields{"Status", "Active"}, fields{"Status", "Triage-Huddle"}, "", nil, UnknownCode, "Status"},
		{"a status that was emptied", "fhir", "ClinicalServiceRequest",
			fields{"Status", "Active"}, fields{"Status", ""}, "", nil, RequiredMissing, "Status"},
		{"nothing synced yet", "fhir", "ClinicalServiceRequest",
			nil, fields{"Status", "Completed"}, "", nil, "", ""},
		{"appointment kept", "fhir", "ServiceAppointment",
			fields{"Status", "Scheduled"}, fields{"Status", "Completed"}, "update", status("fulfilled"), "", ""},
		{"appointment missed", "fhir", "ServiceAppointment",
			fields{"Status", "Scheduled"}, fields{"Status", "Cannot Complete", "StatusReason", "NoShow"}, "update", status("noshow"), "", ""},
		{"appointment that could not be kept", "fhir", "ServiceAppointment",
			fields{"Status", "Scheduled"}, fields{"Status", "Cannot Complete"}, "update", status("cancelled"), "", ""},
		{"dispatched is booked to the source", "fhir", "ServiceAppointment",
			fields{"Status", "Scheduled", "StatusReason", "None"}, fields{"Status", "Dispatched", "StatusReason", "None"}, "", nil, "", ""},
		{"checked in is arrived to Salesforce", "fhir", "ServiceAppointment",
			fields{"Status", "In Progress", "StatusReason", "None"}, fields{"Status", "CheckedIn", "StatusReason", "None"}, "", nil, "", ""},
		{"a wait list stays one", "fhir", "ServiceAppointment",
			fields{"Status", "None", "StatusReason", "Proposed"}, fields{"Status", "None", "StatusReason", "Proposed"}, "", nil, "", ""},
		{"proposed becomes pending", "fhir", "ServiceAppointment",
			fields{"Status", "None", "StatusReason", "Proposed"}, fields{"Status", "None"}, "update", status("pending"), "", ""},
		{"an appointment status of the org's own", "fhir", "ServiceAppointment",
			fields{"Status", "Scheduled"}, fields{"Status", "Waiting"}, "", nil, UnknownCode, "Status"},
	}
	set := starterTables(t)
	ref := fhir.Reference{Type: "ReferralRequest", ID: "000099000101", Version: "5"}
	for _, c := range cases {
		t.Run(c.name, func(t *testing.T) {
			ops, err := set.Back(Change{Dialect: c.dialect, Ref: ref, Image: recordOf(c.object, c.image...), Now: recordOf(c.object, c.now...)})
			if c.fault != "" {
				f := faults(t, err)
				require.Len(t, f, 1)
				assert.Equal(t, c.fault, f[0].Kind)
				assert.Equal(t, c.field, f[0].Field)
				assert.NotZero(t, f[0].Line)
				assert.Empty(t, ops)
				return
			}
			require.NoError(t, err)
			if c.operation == "" {
				assert.Empty(t, ops)
				return
			}
			assert.Equal(t, []fhir.Operation{{On: ref, Name: c.operation, Parameters: c.parameters}}, ops)
		})
	}
}

func TestCommentsThatAreTooLongForERSAreNotCut(t *testing.T) {
	long := make([]byte, 2001)
	for i := range long {
		long[i] = 'x'
	}
	_, err := starterTables(t).Back(Change{Dialect: "ers",
		Image: recordOf("ClinicalServiceRequest", "Bridge_Source_State__c", "AWAITING_TRIAGE"),
		Now:   recordOf("ClinicalServiceRequest", "IsAccepted", "true", "Bridge_Action_Comment__c", string(long))})
	f := faults(t, err)
	assert.Equal(t, TooLong, f[0].Kind)
	assert.NotContains(t, err.Error(), "xxx")
}

func TestAnOperationThatIsNoNewsHoldsNothing(t *testing.T) {
	const comment = "      - {name: comment, from: Comment__c, required: true, purpose: x}\n"
	const status = "      - {name: status, from: Status, values: back, forward: {Status: there}, purpose: x}\n"
	for _, parameters := range []string{comment + status, status + comment} {
		set, err := Load(files("t.yaml", `
object: Thing__c
source: ServiceRequest
key: {field: Key__c, from: "%source & '.' & id"}
values:
  there:
    codes: [{code: a, to: One}]
  back:
    codes: [{code: One, to: a}, {code: Uno, to: a}]
rows:
  - {field: Status, from: status, values: there, purpose: x}
back:
  - dialect: fhir
    changed: Status
    operation: update
    purpose: x
    parameters:
`+parameters), Options{})
		require.NoError(t, err)
		ops, err := set.Back(Change{Dialect: "fhir", Image: recordOf("Thing__c", "Status", "One"), Now: recordOf("Thing__c", "Status", "Uno")})
		require.NoError(t, err)
		assert.Empty(t, ops)
	}
}
