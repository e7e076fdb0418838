package ers

import (
	"slices"
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"refbridge/fhir"
)

// onList is one entry of a worklist about the referral, with the fields given.
func onList(t *testing.T, name string, contained string, fields ...string) fhir.Resource {
	t.Helper()
	r, err := fhir.Parse([]byte(`{"resourceType":"List","contained":[` + contained + `],"entry":[{"extension":[{` +
		`"url":"https://fhir.nhs.uk/STU3/StructureDefinition/Extension-eRS-` + name + `-1","extension":[` + strings.Join(fields, ",") +
		`]}],"item":{"reference":"ReferralRequest/` + ubrn + `"}}]}`))
	require.NoError(t, err)
	return r
}

// deferredJSON is a referral that waits for the provider, noted on a Monday.
func deferredJSON(state string) string {
	return referralJSON(`"code":"BOOKED"`, `"code":"`+state+`"`, `"status":"active"`, `"status":"active","contained":[{"resourceType":"Appointment",`+
		`"id":"appointment","status":"proposed","created":"2026-03-02T09:00:00Z","reason":[{"coding":[{"code":"NO_SLOTS_AT_SERVICE"}]}],`+
		`"participant":[{"actor":{"identifier":{"system":"http://fhir.nhs.net/Id/ers-service","value":"1"}},"status":"accepted"}]}]`,
		`"extension":[`, `"extension":[{"url":"https://fhir.nhs.uk/STU3/StructureDefinition/Extension-eRS-ReferralPriority-1",`+
			`"valueCodeableConcept":{"coding":[{"code":"URGENT"}]}},`)
}

func TestFinding_values_O11_TheDayByWhichThePatientIsToBeContactedIsTheWorklists(t *testing.T) {
	day := func(value string) string { return `{"url":"patientContactExpected","valueDate":` + value + `}` }
	for _, c := range []struct{ about, state, list, field, want string }{
		{"the worklist says it", "DEFERRED_TO_PROVIDER", "AppointmentSlotIssues-WorkListItem", day(`"2026-03-05"`), "2026-03-05"},
		{"the name of the list in another case", "DEFERRED_TO_PROVIDER", "appointmentSlotIssues-WorklistItem", day(`"2026-03-05"`), "2026-03-05"},
		{"the worklist does not say it: ten working days", "DEFERRED_TO_PROVIDER", "AppointmentSlotIssues-WorkListItem", `{"url":"clinicalInfoPrinted","valueBoolean":true}`, "2026-03-16"},
		{"no day", "DEFERRED_TO_PROVIDER", "AppointmentSlotIssues-WorkListItem", day(`"soon"`), "2026-03-16"},
		{"no string", "DEFERRED_TO_PROVIDER", "AppointmentSlotIssues-WorkListItem", day(`7`), "2026-03-16"},
		{"in triage: five working days", "AWAITING_TRIAGE", "ReferralsforReview-WorkListItem", `{"url":"clinicalInfoPrinted","valueBoolean":true}`, "2026-03-09"},
		{"accepted meanwhile: it waits no more", "TRIAGED_PROVIDER_TO_ACTION", "AppointmentSlotIssues-WorkListItem", day(`"2026-03-05"`), ""},
	} {
		r, err := fhir.Parse([]byte(deferredJSON(c.state)))
		require.NoError(t, err)
		b, err := Normalise(r, onList(t, c.list, "", c.field))
		require.NoError(t, err, c.about)
		sound(t, c.about, b)
		task := b.Related[len(b.Related)-1]
		require.Equal(t, "Task", task.Type(), c.about)
		assert.Equal(t, c.want, task.Root().Get("restriction").Get("period").Get("end").Text(), c.about)
	}
}

func TestFinding_values_O11_WhatOnlyTheWorklistSaysIsInTheBundle(t *testing.T) {
	const practitioner = `{"resourceType":"Practitioner","id":"Practitioner-7","identifier":[{"system":"http://fhir.nhs.net/Id/sds-user-id","value":"021600556514"}]}`
	for _, c := range []struct{ about, field, want, lost string }{
		{about: "a code", field: `{"url":"requestContextStatus","valueCodeableConcept":{"coding":[{"system":"https://fhir.nhs.uk/STU3/CodeSystem/eRS-RequestContextStatus-1","code":"LETTER_CHANGED"}]}}`,
			want: `{"url":"requestContextStatus","valueCodeableConcept":{"coding":[{"system":"https://fhir.nhs.uk/CodeSystem/eRS-RequestContextStatus","code":"LETTER_CHANGED"}]}}`},
		{about: "a contained clinician", field: `{"url":"allocatedClinician","valueReference":{"reference":"#Practitioner-7"}}`,
			want: `{"url":"allocatedClinician","valueReference":{"type":"Practitioner","identifier":{"system":"https://fhir.nhs.uk/Id/sds-user-id","value":"021600556514"}}}`},
		{about: "the service and its name", field: `{"url":"service","valueReference":{"identifier":{"system":"http://fhir.nhs.net/Id/ers-service","value":"11012"},"display":"Cardiology 12"}}`,
			want: `{"url":"service","valueReference":{"type":"HealthcareService","identifier":{"system":"http://fhir.nhs.net/Id/ers-service","value":"11012"},"display":"Cardiology 12"}}`},
		{about: "a time", field: `{"url":"ubrnReceived","valueDateTime":"2026-03-02T09:00:00.000Z"}`, want: `{"url":"ubrnReceived","valueDateTime":"2026-03-02T09:00:00.000Z"}`},
		{about: "a yes or no", field: `{"url":"clinicalInfoPrinted","valueBoolean":false}`, want: `{"url":"clinicalInfoPrinted","valueBoolean":false}`},
		{about: "what e-RS begins to send", field: `{"url":"waitingBand","valueString":"W1"}`, want: `{"url":"waitingBand","valueString":"W1"}`},
		{about: "what R4 has no type for", field: `{"url":"waitingBand","valueOdd":"W1"}`, lost: ""},
		{about: "what the referral says itself", field: `{"url":"priority","valueCodeableConcept":{"coding":[{"code":"ROUTINE"}]}}`, lost: "The referral has its own, read after the worklist."},
		{about: "the patient of the referral", field: `{"url":"patient","valueReference":{"identifier":{"system":"http://fhir.nhs.net/Id/nhs-number","value":"` + nhs + `"}}}`, lost: notListed("patient")},
		{about: "a contained clinician that is not there", field: `{"url":"allocatedClinician","valueReference":{"reference":"#Practitioner-8"}}`},
	} {
		r, err := fhir.Parse([]byte(referralJSON()))
		require.NoError(t, err)
		list := onList(t, "ReferralsforReview-WorkListItem", practitioner, c.field)
		b, err := Normalise(r, list)
		require.NoError(t, err, c.about)
		sound(t, c.about, b)
		exts := b.Focus[0].Root().Get("extension")
		field := list.Root().Get("entry").At(0).Get("extension").At(0).Get("extension").At(0)
		lost := map[string]bool{}
		for n, why := range Lost(r, list) {
			if below(n, field) {
				lost[why] = true
			}
		}
		if c.want == "" {
			assert.Equal(t, 1, exts.Len(), c.about)
			if !strings.Contains(c.about, "not there") {
				assert.Equal(t, map[string]bool{c.lost: true}, lost, c.about)
			}
			continue
		}
		require.Equal(t, 2, exts.Len(), c.about)
		assert.Empty(t, lost, c.about)
		assert.Equal(t, "https://fhir.nhs.uk/STU3/StructureDefinition/Extension-eRS-ReferralsforReview-WorkListItem-1", exts.At(1).Get("url").Text(), c.about)
		assert.JSONEq(t, c.want, string(exts.At(1).Get("extension").At(0).AppendRaw(nil)), c.about)
	}
}

func below(n, of fhir.Node) bool {
	for ; n.Exists(); n = n.Parent() {
		if n.Same(of) {
			return true
		}
	}
	return false
}

func TestFinding_values_O11_AnEntryAboutAnotherPatientHoldsTheReferral(t *testing.T) {
	const other = `{"resourceType":"Patient","id":"Patient-2","identifier":[{"system":"http://fhir.nhs.net/Id/nhs-number","value":"9990000107"}]}`
	for about, c := range map[string]struct{ field, contained string }{
		"inline":    {field: `{"url":"patient","valueReference":{"identifier":{"system":"http://fhir.nhs.net/Id/nhs-number","value":"9990000107"}}}`},
		"contained": {field: `{"url":"patient","valueReference":{"reference":"#Patient-2"}}`, contained: other},
	} {
		r, err := fhir.Parse([]byte(referralJSON()))
		require.NoError(t, err)
		_, err = Normalise(r, onList(t, "AppointmentSlotIssues-WorkListItem", c.contained, c.field))
		require.ErrorIs(t, err, ErrOtherPatient, about)
		assert.NotContains(t, err.Error(), "9990000107", about)
	}
}

func TestFinding_values_O11_EntriesOfOtherReferralsSayNothing(t *testing.T) {
	r, err := fhir.Parse([]byte(referralJSON()))
	require.NoError(t, err)
	list, err := fhir.Parse([]byte(list(slotIssue("000000000001"), review("000000000002", "3"), `{"item":{"reference":"x"}}`)))
	require.NoError(t, err)
	alone, err := Normalise(r)
	require.NoError(t, err)
	beside, err := Normalise(r, list)
	require.NoError(t, err)
	assert.Equal(t, alone.Digest(), beside.Digest())
}

func TestFinding_values_O11_AReferralAndItsEntriesAreOneDocument(t *testing.T) {
	for _, entries := range [][][]byte{nil, {[]byte(list(slotIssue(ubrn)))}, {[]byte(list(slotIssue(ubrn))), []byte(list(review(ubrn, "5")))}} {
		got, err := Referrals(WithListed([]byte(referralJSON()), entries))
		require.NoError(t, err)
		require.Len(t, got, 1)
		assert.Equal(t, referralJSON(), string(got[0].Raw()))
		require.Len(t, got[0].Listed, len(entries))
		for i, e := range entries {
			assert.Equal(t, string(e), string(got[0].Listed[i].Raw()))
		}
	}
}

func TestFinding_values_O11_EveryFieldOfThePublishedWorklistsIsTakenOverOrLeftOutWithAReason(t *testing.T) {
	fields := map[string]bool{}
	for name, body := range published(t, "retrieveWorklist/responses/*.json") {
		entries, err := ReadWorklist(body)
		require.NoError(t, err, name)
		for _, e := range entries {
			l, err := fhir.Parse(e.Listed)
			require.NoError(t, err, name)
			r, err := fhir.Parse([]byte(strings.ReplaceAll(referralJSON(nhs, patientOf(l)), ubrn, e.Ref.ID)))
			require.NoError(t, err, name)
			b, err := Normalise(r, l)
			require.NoError(t, err, name)
			sound(t, name, b)
			for ext := range b.Focus[0].Root().Get("extension").Items() {
				for field := range ext.Get("extension").Items() {
					fields[field.Get("url").Text()] = true
				}
			}
			for n, why := range Lost(r, l) {
				assert.NotEmpty(t, why, "%s: %s %s", name, place(n), n.Parent().Name())
			}
		}
	}
	for _, field := range []string{"patientContactExpected", "requestContextStatus", "clinicalInformationStatus", "allocatedClinician", "service",
		"ubrnReceived", "referralType", "reason", "clinicalInfoPrinted"} {
		assert.True(t, fields[field], field)
	}
}

// patientOf is the number of the patient that an entry names.
func patientOf(list fhir.Resource) string {
	entry := list.Root().Get("entry").At(0).Get("extension").At(0)
	ref := part(entry, "patient").Get("valueReference")
	if c := containedIn(list.Root(), ref); c.Exists() {
		return c.Get("identifier").At(0).Get("value").Text()
	}
	return ref.Get("identifier").Get("value").Text()
}

func TestFinding_values_O7_TriageAndDeferralAreATaskAndNoAppointment(t *testing.T) {
	for state, kind := range map[string]string{"AWAITING_TRIAGE": "TRIAGE_DEFERRAL", "DEFERRED_TO_PROVIDER": "APPOINTMENT_DEFERRAL", "TRIAGED_PROVIDER_TO_ACTION": "APPOINTMENT_DEFERRAL"} {
		r, err := fhir.Parse([]byte(deferredJSON(state)))
		require.NoError(t, err)
		b, err := Normalise(r)
		require.NoError(t, err, state)
		sound(t, state, b)
		var types []string
		for _, one := range slices.Concat(b.Focus, b.Related) {
			types = append(types, one.Type())
			if one.Type() == "Task" {
				assert.Equal(t, kind, one.Root().Get("code").Get("coding").At(0).Get("code").Text(), state)
			}
		}
		assert.Len(t, b.Focus, 1, state)
		assert.NotContains(t, types, "Appointment", state)
		assert.Contains(t, types, "Task", state)
	}
}
