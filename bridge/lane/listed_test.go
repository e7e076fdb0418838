package lane_test

import (
	"encoding/json"
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"refbridge/ers/erssim"
	"refbridge/ledger"
)

// deferredHere gives a referral without a slot that Salesforce holds.
func (w *world) deferredHere() string {
	w.t.Helper()
	for _, r := range w.ers.Referrals() {
		if r.State == "DEFERRED_TO_PROVIDER" && w.row("ClinicalServiceRequest", "ers.sr."+r.UBRN) != nil {
			return r.UBRN
		}
	}
	w.t.Fatal("no deferred referral")
	return ""
}

// said is a field that the worklist says, in the R4 that tables get of what the ledger has of a referral.
func (w *world) said(ubrn, field string) string {
	w.t.Helper()
	var newest []byte
	require.NoError(w.t, w.ledger.Bodies(w.t.Context(), "ers", 1000, func(b ledger.Body) error {
		if newest == nil && b.Ref.ID == ubrn {
			newest = b.JSON
		}
		return nil
	}))
	b, _, err := w.eRS.Planner.Source.Normalise(w.t.Context(), newest)
	require.NoError(w.t, err)
	for ext := range b.Focus[0].Root().Get("extension").Items() {
		for f := range ext.Get("extension").Items() {
			if f.Get("url").Text() == field && strings.HasSuffix(ext.Get("url").Text(), "-WorkListItem-1") {
				return string(f.AppendRaw(nil))
			}
		}
	}
	return ""
}

func TestFinding_values_O11_WhatOnlyTheWorklistSaysReachesSalesforceAndEndsWithIt(t *testing.T) {
	// Before: a referral without a slot is in Salesforce, with the day of the worklist.
	w := newWorld(t, setting{memory: true, referrals: 30})
	w.run(w.eRS)
	ubrn := w.deferredHere()
	row := func() map[string]any { return w.row("ClinicalServiceRequest", "ers.sr."+ubrn) }
	first, version := row()["Bridge_Contact_By__c"], row()["Bridge_Version__c"]
	require.NotEmpty(t, first)
	var says struct{ ValueDate string }
	require.NoError(t, json.Unmarshal([]byte(w.said(ubrn, "patientContactExpected")), &says))
	assert.Equal(t, says.ValueDate, first)
	assert.Contains(t, w.said(ubrn, "service"), "21012")

	// The worklist alone says another day, and that the letter is overdue: e-RS gives the referral the version that it had.
	w.days(1)
	w.ers.SetFaults(erssim.Faults{Edits: map[string]erssim.Edit{ubrn: {Quiet: true, ContactExpected: "2031-02-03", ClinicalInformation: "OVERDUE"}}})
	w.run(w.eRS)
	assert.Equal(t, "2031-02-03", row()["Bridge_Contact_By__c"])
	assert.Equal(t, version, row()["Bridge_Version__c"])
	assert.Contains(t, w.said(ubrn, "clinicalInformationStatus"), "OVERDUE")

	// As before: nothing is written.
	w.days(1)
	writes := w.org.Writes()
	w.run(w.eRS)
	assert.Equal(t, writes, w.org.Writes())

	// It leaves the worklist, booked at last: nothing of what the worklist said is left.
	w.days(1)
	w.ers.SetFaults(erssim.Faults{Edits: map[string]erssim.Edit{ubrn: {State: "TRIAGED_PROVIDER_TO_ACTION"}}})
	w.eRS.Refresh = 0 // no schedule: leaving the worklist alone makes it be read
	w.run(w.eRS)
	assert.Equal(t, "TRIAGED_PROVIDER_TO_ACTION", row()["Bridge_Source_State__c"])
	assert.Empty(t, row()["Bridge_Contact_By__c"])
	assert.Empty(t, w.said(ubrn, "patientContactExpected"))
	assert.Zero(t, w.statement().Pending)
	assert.Empty(t, w.ers.Report().Violations)
}

func TestFinding_values_O11_AnEntryAboutAnotherPatientWritesNothing(t *testing.T) {
	w := newWorld(t, setting{memory: true, referrals: 20})
	w.run(w.eRS)
	ubrn := w.deferredHere()
	key := "ers.sr." + ubrn
	before := w.row("ClinicalServiceRequest", key)
	entry := `{"resourceType":"List","entry":[{"extension":[{"url":"https://fhir.nhs.uk/STU3/StructureDefinition/Extension-eRS-AppointmentSlotIssues-WorkListItem-1",` +
		`"extension":[{"url":"patientContactExpected","valueDate":"2031-02-03"},{"url":"patient","valueReference":{"identifier":` +
		`{"system":"http://fhir.nhs.net/Id/nhs-number","value":"9990000000"}}}]}],"item":{"reference":"ReferralRequest/` + ubrn + `"}}]}`
	_, err := w.ledger.Receive(t.Context(), ledger.Answer{Source: "ers", Kind: "APPOINTMENT_SLOT_ISSUES of service 21012", Body: []byte(entry)}, ledger.Cursor{})
	require.NoError(t, err)
	w.sync(w.eRS)
	held := w.entry(ubrn)
	assert.Equal(t, ledger.Held, held.Fate)
	assert.Equal(t, "worklist-patient", held.Reason.Code)
	assert.NotContains(t, held.Reason.Text, "9990000000")
	assert.Equal(t, before, w.row("ClinicalServiceRequest", key))

	// The worklist is right again with the next poll: the referral goes on by itself.
	w.days(1)
	w.run(w.eRS)
	assert.Zero(t, w.statement().Held)
	assert.Equal(t, ledger.Applied, w.entry(ubrn).Fate)
}

func TestFinding_values_O11_APlanNamesTheReferralOfWhichAnUnreadWorklistSaysSomethingNew(t *testing.T) {
	w := newWorld(t, setting{referrals: 20})
	w.run(w.eRS)
	ubrn := w.deferredHere()
	entry := `{"resourceType":"List","entry":[{"extension":[{"url":"https://fhir.nhs.uk/STU3/StructureDefinition/Extension-eRS-AppointmentSlotIssues-WorkListItem-1",` +
		`"extension":[{"url":"patientContactExpected","valueDate":"2031-02-03"}]}],"item":{"reference":"ReferralRequest/` + ubrn + `"}}]}`
	_, err := w.ledger.Receive(t.Context(), ledger.Answer{Source: "ers", Kind: "APPOINTMENT_SLOT_ISSUES of service 21012", Body: []byte(entry)}, ledger.Cursor{})
	require.NoError(t, err)
	steps, _ := w.plan(w.eRS)
	var named []string
	for _, s := range steps {
		named = append(named, s.Work.Ref.ID)
	}
	assert.Contains(t, named, ubrn)

	// The answer does not name the other deferrals any more: they are read too. Observing makes the same due.
	require.NoError(t, w.eRS.Observe(t.Context()))
	due, err := w.ledger.ToRead(t.Context(), "ers")
	require.NoError(t, err)
	var then []string
	for _, d := range due {
		then = append(then, d.Ref.ID)
	}
	assert.ElementsMatch(t, then, named)
}
