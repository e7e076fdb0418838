package erssim

import (
	"encoding/json"
	"maps"
	"slices"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

// faulty sets faults as a user sets them.
func (c *client) faulty(faults any) {
	c.t.Helper()
	text, err := json.Marshal(faults)
	require.NoError(c.t, err)
	got := c.control("/control/faults", string(text))
	require.Equal(c.t, 200, got.status, "%s", got.body)
}

// fields are the worklist's fields of one referral.
func (c *client) fields(list, ubrn string) map[string]any {
	c.t.Helper()
	got := c.worklist(list, c.row(ubrn).Service).json(c.t)
	for _, e := range got["entry"].([]any) {
		entry := e.(map[string]any)
		if entry["item"].(map[string]any)["reference"] != "ReferralRequest/"+ubrn {
			continue
		}
		out := map[string]any{}
		for _, f := range entry["extension"].([]any)[0].(map[string]any)["extension"].([]any) {
			field := f.(map[string]any)
			name := field["url"].(string)
			delete(field, "url")
			for v := range maps.Values(field) {
				out[name] = v
			}
		}
		return out
	}
	c.t.Fatalf("%s is not on the list", ubrn)
	return nil
}

func (c *client) version(ubrn string) any {
	return c.referral(ubrn).json(c.t)["meta"].(map[string]any)["versionId"]
}

func codeIn(v any) any {
	return v.(map[string]any)["coding"].([]any)[0].(map[string]any)["code"]
}

func TestTheWorklistMayBeAheadOfTheReferralUntilA005CatchesUp(t *testing.T) {
	c := start(t, Options{Referrals: 20, Clean: true})
	row := c.inState(awaitingTriage)
	c.faulty(Faults{Ahead: map[string]int{row.UBRN: 7}})
	assert.EqualValues(t, row.Version+7, c.fields(referralsForReview, row.UBRN)["referralRequestVersion"])
	assert.EqualValues(t, json.Number(digitsOf(row.Version)), json.Number(c.version(row.UBRN).(string)))
	c.faulty(Faults{Edits: map[string]Edit{row.UBRN: {Comments: "caught up"}}})
	assert.EqualValues(t, row.Version+1, c.fields(referralsForReview, row.UBRN)["referralRequestVersion"])
}

func digitsOf(n int) string {
	out, _ := json.Marshal(n)
	return string(out)
}

func TestA005MayLagBehindWhatHappened(t *testing.T) {
	c := start(t, Options{Referrals: 20, Clean: true})
	row := c.inState(awaitingTriage)
	c.faulty(Faults{Frozen: []string{row.UBRN}})
	c.faulty(Faults{Frozen: []string{row.UBRN}, Edits: map[string]Edit{row.UBRN: {Priority: "TWO_WEEK_WAIT", RequestContext: "PRIORITY_CHANGED"}}})
	assert.Equal(t, digitsOf(row.Version), c.version(row.UBRN), "as it was when it froze")
	assert.Equal(t, "PRIORITY_CHANGED", codeIn(c.fields(referralsForReview, row.UBRN)["requestContextStatus"]))
	c.faulty(Faults{})
	assert.Equal(t, digitsOf(row.Version+1), c.version(row.UBRN))
}

func TestOneAppointmentNumberMayBeInTwoReferrals(t *testing.T) {
	c := start(t, Options{Referrals: 30, Clean: true})
	var rows []Referral
	for _, row := range c.sim.Referrals() {
		if row.State == booked && row.Appointment != "" && len(rows) < 2 {
			rows = append(rows, row)
		}
	}
	require.Len(t, rows, 2)
	c.faulty(Faults{Edits: map[string]Edit{rows[0].UBRN: {Appointment: 70009}, rows[1].UBRN: {Appointment: 70009}}})
	for _, row := range rows {
		assert.Contains(t, string(c.referral(row.UBRN).body), `"reference":"Appointment/70009"`)
		assert.Equal(t, "70009", c.row(row.UBRN).Appointment)
	}
}

func TestAnAcceptMayBeTakenAgain(t *testing.T) {
	c := start(t, Options{Referrals: 20, Clean: true})
	row := c.inState(booked)
	require.Equal(t, 200, c.operate(row.UBRN, "acceptReferral", "").status)
	require.Equal(t, 422, c.operate(row.UBRN, "acceptReferral", "").status)
	c.faulty(Faults{AcceptAgain: true})
	require.Equal(t, 200, c.operate(row.UBRN, "acceptReferral", "").status)
	assert.Equal(t, booked, c.row(row.UBRN).State)
	assert.Equal(t, row.Version+2, c.row(row.UBRN).Version)
}

func TestEveryReasonCanBeTheStatesAndTheAppointments(t *testing.T) {
	c := start(t, Options{Referrals: 20, Clean: true})
	row := c.inState(booked)
	reasons := append(referralCancelReasons(), appointmentCancelReasons()...)
	for _, reason := range reasons {
		c.faulty(Faults{Edits: map[string]Edit{row.UBRN: {State: cancelledReferral, Reason: reason.code, Comments: "Synthetic comment"}}})
		got := c.referral(row.UBRN).json(t)
		assert.Equal(t, "cancelled", got["status"])
		state := stateParts(got)
		assert.Equal(t, reason.code, state["reason"].(map[string]any)["code"])
		assert.Equal(t, "Synthetic comment", state["comments"])
	}
	assert.True(t, slices.ContainsFunc(reasons, func(r concept) bool { return r.code == "PATIENT_DIED" }))
	assert.True(t, slices.ContainsFunc(reasons, func(r concept) bool { return r.code == "RAISED_IN_ERROR" }))
}

func stateParts(referral map[string]any) map[string]any {
	out := map[string]any{}
	for _, e := range referral["extension"].([]any) {
		e := e.(map[string]any)
		if e["url"] != definition("Extension-eRS-ReferralState-1") {
			continue
		}
		for _, p := range e["extension"].([]any) {
			part := p.(map[string]any)
			for _, key := range []string{"valueCoding", "valueString"} {
				if v, ok := part[key]; ok {
					out[part["url"].(string)] = v
				}
			}
		}
	}
	return out
}

func TestAReferralMayComeOfAdviceAndGuidance(t *testing.T) {
	c := start(t, Options{Referrals: 20, Clean: true})
	row := c.inState(awaitingTriage)
	c.faulty(Faults{Edits: map[string]Edit{row.UBRN: {
		State: triaged, Reason: converted, Comments: "Converted", NestedSearch: true, OnBehalfOf: "021600556111",
		Documents: []string{"ADVICE_REQUEST", "GUIDANCE_RESPONSE"},
	}}})
	got := c.referral(row.UBRN)
	assert.Equal(t, reviewOutcome, last(stateParts(got.json(t))["reason"].(map[string]any)["system"].(string)))
	for _, want := range []string{
		`"code":"ADVICE_REQUEST"`, `"code":"GUIDANCE_RESPONSE"`, "Extension-eRS-AttachedOnBehalfOf-1", "021600556111",
		`"reference":"CommunicationRequest/` + row.UBRN + `"`,
	} {
		assert.Contains(t, string(got.body), want)
	}
	for _, r := range got.json(t)["contained"].([]any) {
		resource := r.(map[string]any)
		assert.NotEqual(t, "serviceSearchCriteria", resource["id"])
		if resource["id"] == "shortlist" {
			assert.Equal(t, "serviceSearchCriteria", resource["contained"].([]any)[0].(map[string]any)["id"])
		}
	}
}

func last(system string) string { return system[len("https://fhir.nhs.uk/STU3/CodeSystem/"):] }

func TestWorklistsSayWhatOnlyTheyKnow(t *testing.T) {
	c := start(t, Options{Referrals: 20, Clean: true})
	review, issue := c.inState(awaitingTriage), c.inState(deferred)
	c.faulty(Faults{Edits: map[string]Edit{
		review.UBRN: {AllocatedClinician: "021600556514", RequestContext: "LETTER_CHANGED"},
		issue.UBRN:  {ClinicalInformation: "OVERDUE"},
	}})
	fields := c.fields(referralsForReview, review.UBRN)
	assert.Equal(t, "#Practitioner-021600556514", fields["allocatedClinician"].(map[string]any)["reference"])
	assert.Equal(t, "LETTER_CHANGED", codeIn(fields["requestContextStatus"]))
	fields = c.fields(slotIssues, issue.UBRN)
	assert.Equal(t, "OVERDUE", codeIn(fields["clinicalInformationStatus"]))
	assert.NotEmpty(t, fields["patientContactExpected"])
}

func TestAKnownReferralMayBecomeAPatientError(t *testing.T) {
	c := start(t, Options{Referrals: 20, Clean: true})
	row := c.inState(booked)
	require.Equal(t, 200, c.referral(row.UBRN).status)
	c.faulty(Faults{Edits: map[string]Edit{row.UBRN: {PatientError: true}}})
	c.referral(row.UBRN).refused(t, 422, "PATIENT_ERROR")
}

func TestFaultsThatCannotBeAreRefusedAndChangeNothing(t *testing.T) {
	c := start(t, Options{Referrals: 20, Clean: true})
	row := c.inState(booked)
	c.faulty(Faults{Locked: []string{row.UBRN}})
	for _, text := range []string{
		`{"ahaed":{}}`, `{"ahead":{"1":2}}`, `{"frozen":["1"]}`, `{"locked":["1"]}`, `{"edits":{"1":{}}}`,
		`{"edits":{"` + row.UBRN + `":{"reason":"NOBODY_KNOWS"}}}`,
	} {
		assert.Equal(t, 400, c.control("/control/faults", text).status, text)
	}
	assert.Equal(t, 423, c.operate(row.UBRN, "acceptReferral", "").status)
}
