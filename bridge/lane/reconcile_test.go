package lane_test

import (
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"refbridge/bridge/back"
	"refbridge/ers/erssim"
	"refbridge/fhir"
	"refbridge/ledger"
)

func cancelling(approval bool) []back.Permit {
	return []back.Permit{{Operation: "$ers.cancelReferral", Authority: "test", Approval: approval}}
}

// booked gives a referral that e-RS has as BOOKED and Salesforce holds.
func (w *world) booked() string {
	w.t.Helper()
	for _, r := range w.ers.Referrals() {
		if r.State == "BOOKED" && w.row("ClinicalServiceRequest", "ers.sr."+r.UBRN) != nil {
			return r.UBRN
		}
	}
	w.t.Fatal("no booked referral")
	return ""
}

func (w *world) edit(ubrn string, fields map[string]any) {
	w.t.Helper()
	require.NoError(w.t, w.org.Edit("ClinicalServiceRequest", "ers.sr."+ubrn, fields))
}

func TestACancellationInSalesforceIsCarriedToERSOnceWithIfMatch(t *testing.T) {
	w := newWorld(t, setting{memory: true, referrals: 20, permits: cancelling(false)})
	w.run(w.eRS)
	ubrn := w.booked()
	w.edit(ubrn, map[string]any{"Status": "Revoked", "Bridge_Action_Reason__c": "TREATMENT_NO_LONGER_REQUIRED"})
	r := w.sync(w.eRS)
	assert.Equal(t, 1, r.StatusBack)
	for range 3 {
		w.days(1)
		w.run(w.eRS)
	}
	ops := w.ers.Report().Operations
	require.Len(t, ops, 1)
	assert.Equal(t, ubrn, ops[0].UBRN)
	assert.Equal(t, "A036", ops[0].Name)
	assert.Equal(t, "Revoked", w.row("ClinicalServiceRequest", "ers.sr."+ubrn)["Status"])
	assert.Equal(t, "CANCELLED_REFERRAL", w.row("ClinicalServiceRequest", "ers.sr."+ubrn)["Bridge_Source_State__c"])
	assert.Empty(t, w.ers.Report().Violations)
	open, err := w.ledger.Writebacks(t.Context(), "ers", ledger.Reported, ledger.Approved, ledger.Sent, ledger.Unclear)
	require.NoError(t, err)
	assert.Empty(t, open)
}

func TestWhatIsNotSwitchedOnIsReportedAndNotSent(t *testing.T) {
	w := newWorld(t, setting{memory: true, referrals: 20})
	w.run(w.eRS)
	ubrn := w.booked()
	w.edit(ubrn, map[string]any{"Status": "Revoked", "Bridge_Action_Reason__c": "TREATMENT_NO_LONGER_REQUIRED"})
	r := w.sync(w.eRS)
	assert.Equal(t, 1, r.Divergent)
	assert.Zero(t, r.StatusBack)
	w.sync(w.eRS)
	open, err := w.ledger.Writebacks(t.Context(), "ers", ledger.Reported)
	require.NoError(t, err)
	require.Len(t, open, 1, "reported once")
	assert.Equal(t, "not-switched-on", open[0].Reason.Code)
	assert.Empty(t, w.ers.Report().Operations)
}

func TestAChangeWaitsForAnOperatorUnlessConfiguredOtherwise(t *testing.T) {
	w := newWorld(t, setting{memory: true, referrals: 20, permits: cancelling(true)})
	w.run(w.eRS)
	w.edit(w.booked(), map[string]any{"Status": "Revoked", "Bridge_Action_Reason__c": "TREATMENT_NO_LONGER_REQUIRED"})
	w.sync(w.eRS)
	assert.Empty(t, w.ers.Report().Operations)
	waiting, err := w.ledger.Writebacks(t.Context(), "ers", ledger.Waiting)
	require.NoError(t, err)
	require.Len(t, waiting, 1)
	require.NoError(t, w.ledger.Approve(t.Context(), waiting[0].ID, "an operator", "use case 1"))
	assert.Equal(t, 1, w.sync(w.eRS).StatusBack)
	assert.Len(t, w.ers.Report().Operations, 1)
}

func TestAMissingReasonHoldsTheChangeAndItGoesOnWhenGiven(t *testing.T) {
	w := newWorld(t, setting{memory: true, referrals: 20, permits: cancelling(false)})
	w.run(w.eRS)
	ubrn := w.booked()
	w.edit(ubrn, map[string]any{"Status": "Revoked"})
	w.sync(w.eRS)
	assert.Empty(t, w.ers.Report().Operations)
	w.edit(ubrn, map[string]any{"Bridge_Action_Reason__c": "TREATMENT_NO_LONGER_REQUIRED"})
	assert.Equal(t, 1, w.sync(w.eRS).StatusBack)
}

func TestAnOperationWhoseAnswerWasLostIsNotSentTwice(t *testing.T) {
	w := newWorld(t, setting{memory: true, referrals: 20, permits: cancelling(false)})
	w.run(w.eRS)
	ubrn := w.booked()
	w.edit(ubrn, map[string]any{"Status": "Revoked", "Bridge_Action_Reason__c": "TREATMENT_NO_LONGER_REQUIRED"})
	// source: the hospital's system answers late: the cancellation takes effect, the answer is 504
	w.ers.SetFaults(erssim.Faults{Next: []erssim.Fault{{Call: "A036", Status: 504, Late: true}}})
	w.sync(w.eRS)
	for range 3 {
		w.days(1)
		w.run(w.eRS)
	}
	require.Len(t, w.ers.Report().Operations, 1)
	open, err := w.ledger.Writebacks(t.Context(), "ers", ledger.Reported, ledger.Approved, ledger.Sent, ledger.Unclear)
	require.NoError(t, err)
	assert.Empty(t, open)
	assert.Empty(t, w.ers.Report().Violations)
}

func TestARefusedVersionIsDecidedAgainOnTheNewOne(t *testing.T) {
	w := newWorld(t, setting{memory: true, referrals: 20, permits: cancelling(false)})
	w.run(w.eRS)
	ubrn := w.booked()
	w.edit(ubrn, map[string]any{"Status": "Revoked", "Bridge_Action_Reason__c": "TREATMENT_NO_LONGER_REQUIRED"})
	w.ers.SetFaults(erssim.Faults{Next: []erssim.Fault{{Call: "A036", Status: 409}}})
	w.sync(w.eRS)
	assert.Empty(t, w.ers.Report().Operations)
	w.days(1)
	w.run(w.eRS)
	assert.Len(t, w.ers.Report().Operations, 1)
}

func TestACoordinatorsChangeIsKeptWhileTheSourceChangesSomethingElse(t *testing.T) {
	w := newWorld(t, setting{memory: true, referrals: 30})
	w.run(w.eRS)
	var ubrn string
	for _, r := range w.ers.Referrals() {
		if r.State == "AWAITING_TRIAGE" && w.row("ClinicalServiceRequest", "ers.sr."+r.UBRN) != nil {
			ubrn = r.UBRN
			break
		}
	}
	require.NotEmpty(t, ubrn)
	w.edit(ubrn, map[string]any{"IsAccepted": true})
	w.days(1)
	w.run(w.eRS)
	assert.Equal(t, true, w.row("ClinicalServiceRequest", "ers.sr."+ubrn)["IsAccepted"])
}

func TestAStatusOfTheWardGoesBackToItsFHIRServerByIfMatch(t *testing.T) {
	w := newWorld(t, setting{memory: true, ward: 12, permits: []back.Permit{{Operation: fhir.OperationUpdate}}})
	w.run(w.ward)
	var key string
	for _, row := range w.org.Rows("ClinicalServiceRequest") {
		if row["Status"] == "Active" {
			key, _ = row["Bridge_Key__c"].(string)
			break
		}
	}
	require.NotEmpty(t, key)
	require.NoError(t, w.org.Edit("ClinicalServiceRequest", key, map[string]any{"Status": "On-Hold"}))
	assert.Equal(t, 1, w.sync(w.ward).StatusBack)
	w.days(1)
	w.run(w.ward)
	updates := w.fhir.Report().Updates
	require.Len(t, updates, 1)
	assert.NotEmpty(t, updates[0].IfMatch)
	assert.Equal(t, "On-Hold", w.row("ClinicalServiceRequest", key)["Status"])
	assert.Zero(t, w.sync(w.ward).StatusBack)
}
