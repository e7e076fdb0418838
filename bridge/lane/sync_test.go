package lane_test

import (
	"context"
	"errors"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"refbridge/bridge"
	"refbridge/bridge/lane"
	"refbridge/ers/erssim"
	"refbridge/fhir"
	"refbridge/fhir/fhirsim"
	"refbridge/ledger"
	"refbridge/sfdc/sfdcsim"
)

func TestTheFirstSyncCarriesEveryReferralAndTheSecondWritesNothing(t *testing.T) {
	w := newWorld(t, setting{referrals: 30, ward: 12})
	// before: Salesforce knows most of the people, and no referral
	first, ward := w.run(w.eRS), w.run(w.ward)
	s := w.statement()
	assert.Zero(t, s.Pending)
	assert.Equal(t, s.Applied, first.Applied+ward.Applied)
	assert.Greater(t, first.Applied, 25)
	assert.Greater(t, ward.Applied, 12)
	assert.Equal(t, 0, w.org.Report().Duplicates.Count())
	// source: nothing but versions that move without content
	w.days(1)
	w.ers.Evolve(erssim.Changes{InternalBumps: 10})
	w.fhir.Evolve(fhirsim.Changes{VersionBumps: 3})
	before := w.org.Writes()
	w.run(w.eRS)
	w.run(w.ward)
	assert.Equal(t, before, w.org.Writes(), "versions without a change of content write nothing")
	assert.Empty(t, w.ers.Report().Violations)
	assert.Empty(t, w.org.Report().Violations)
	assert.Zero(t, w.statement().Pending)
}

func TestADryRunChangesNothingAnywhere(t *testing.T) {
	w := newWorld(t, setting{referrals: 20})
	require.NoError(t, w.eRS.Poll(t.Context()))
	before := w.statement()
	steps, counts := w.plan(w.eRS)
	assert.Len(t, steps, 20)
	assert.Positive(t, counts.Writes)
	assert.Equal(t, before, w.statement())
	assert.Zero(t, w.org.Writes())
}

func TestWhatChangesAtTheSourceIsWrittenAndNothingElse(t *testing.T) {
	w := newWorld(t, setting{referrals: 30, ward: 12})
	w.run(w.eRS)
	w.run(w.ward)
	w.days(1)
	events := w.ers.Evolve(erssim.Changes{Cancellations: 3, NotAttended: 1})
	moved := w.fhir.Evolve(fhirsim.Changes{Cancellations: 2})
	r := w.run(w.eRS)
	ward := w.run(w.ward)
	assert.Positive(t, r.Writes)
	assert.LessOrEqual(t, r.Writes, 3*len(events))
	assert.Positive(t, moved.Cancellations)
	assert.LessOrEqual(t, ward.Writes, moved.Cancellations)
	for _, e := range events {
		row := w.row("ClinicalServiceRequest", "ers.sr."+e.UBRN)
		if row == nil {
			continue // its patient is not in Salesforce
		}
		assert.Equal(t, e.State, row["Bridge_Source_State__c"], "%+v", w.entry(e.UBRN))
		if e.State == "CANCELLED_REFERRAL" {
			assert.Equal(t, "Revoked", row["Status"])
		}
	}
	assert.Zero(t, w.org.Report().Duplicates.Count())
}

func TestTroublesomeRecordsAreHeldOrDeadWithAReasonAndTheirNeighboursGoOn(t *testing.T) {
	w := newWorld(t, setting{memory: true, referrals: 40, people: 36, messy: true})
	w.run(w.eRS)
	for ubrn, want := range map[string]struct {
		fate ledger.Fate
		code string
	}{
		"000000070006": {ledger.Held, "patient-identity"},
		"000000070007": {ledger.Held, "patient-identity"},
		"000000070008": {ledger.Held, "unknown-code"},
		"000000070009": {ledger.Held, "unknown-code"},
		"000000070010": {ledger.Dead, "patient-error"},
	} {
		e := w.entry(ubrn)
		assert.Equal(t, want.fate, e.Fate, ubrn)
		assert.Equal(t, want.code, e.Reason.Code, "%s: %s", ubrn, e.Reason.Text)
	}
	s := w.statement()
	assert.Equal(t, 40, s.Observed)
	assert.Zero(t, s.Pending)
	assert.Greater(t, s.Applied, 30)
	// a patient that e-RS asked not to be tried again is never asked for again
	w.days(1)
	w.run(w.eRS)
	assert.Empty(t, w.ers.Report().Violations)
}

func TestAPatientWhoIsNotInSalesforceIsLookedForAgainEachRun(t *testing.T) {
	w := newWorld(t, setting{referrals: 42})
	w.run(w.eRS)
	held, err := w.ledger.Entries(t.Context(), ledger.Filter{Source: "ers", Fates: []ledger.Fate{ledger.Held}})
	require.NoError(t, err)
	require.NotEmpty(t, held, "person 36 of the population has no Account")
	require.Equal(t, "patient-not-found", held[0].Reason.Code)
	require.NoError(t, w.org.AddPerson(36))
	w.days(1)
	w.sync(w.eRS)
	assert.NotNil(t, w.row("ClinicalServiceRequest", "ers.sr."+held[0].Ref.ID))
	assert.Zero(t, w.statement().Held)
}

func TestALostAnswerOfSalesforceNeverMakesADuplicate(t *testing.T) {
	w := newWorld(t, setting{memory: true, referrals: 20})
	require.NoError(t, w.eRS.Poll(t.Context()))
	require.NoError(t, w.org.Break(sfdcsim.Fault{Kind: sfdcsim.Drop, Calls: 8}))
	_, _ = w.eRS.Sync(t.Context())
	w.org.Repair()
	w.days(1)
	w.sync(w.eRS)
	s := w.statement()
	assert.Zero(t, s.Unknown+s.Pending)
	assert.Equal(t, 20, s.Applied+s.Held)
	assert.Zero(t, w.org.Report().Duplicates.Count())
}

// crashing is a journal whose process dies before it can write down what came of a plan.
type crashing struct{ *ledger.Ledger }

var errCrash = errors.New("the process died")

func (crashing) Settle(context.Context, []ledger.Settlement) error { return errCrash }

func TestACrashBetweenWritingAndSettlingLosesNothingAndRepeatsNothing(t *testing.T) {
	w := newWorld(t, setting{referrals: 20, ward: 10})
	for _, f := range []*lane.Flow{w.eRS, w.ward} {
		require.NoError(t, f.Poll(t.Context()))
		f.Applier.Journal = crashing{w.ledger}
		_, err := f.Sync(t.Context())
		require.ErrorIs(t, err, errCrash)
	}
	written := w.org.Writes()
	require.Positive(t, written)
	w.reopen(nil) // the restart
	w.sync(w.eRS)
	w.sync(w.ward)
	assert.Equal(t, written, w.org.Writes(), "everything was there already")
	assert.Zero(t, w.org.Report().Duplicates.Count())
	assert.Zero(t, w.statement().Pending)
	assert.Positive(t, w.statement().Unknown, "nobody saw the answers: another of these writes may still take effect")
	w.wait(15 * time.Minute)
	w.sync(w.eRS)
	w.sync(w.ward)
	assert.Equal(t, written, w.org.Writes())
	assert.Zero(t, w.statement().Unknown)
	open, err := w.ledger.Unresolved(t.Context())
	require.NoError(t, err)
	assert.Empty(t, open)
}

func TestALostLedgerIsRebuiltFromSalesforceByKeyWithoutADuplicate(t *testing.T) {
	w := newWorld(t, setting{referrals: 20})
	w.run(w.eRS)
	records := w.org.Report().Records["ClinicalServiceRequest"]
	w.path += ".new"
	w.reopen(nil)
	w.days(1)
	require.ErrorIs(t, w.eRS.Poll(t.Context()), bridge.ErrHalted)
	w.days(1)
	w.run(w.eRS)
	assert.Equal(t, records, w.org.Report().Records["ClinicalServiceRequest"])
	assert.Zero(t, w.org.Report().Duplicates.Count())
}

func TestAValidationRuleHoldsWhatItHitsUntilItIsRepaired(t *testing.T) {
	w := newWorld(t, setting{memory: true, referrals: 20})
	require.NoError(t, w.org.Break(sfdcsim.Fault{Kind: sfdcsim.Rule, Object: "ClinicalServiceRequest", Field: "Priority",
		Equals: "Urgent", Message: "Marker Humperdinck says no"}))
	r := w.run(w.eRS)
	require.Positive(t, r.Held)
	require.Positive(t, r.Applied)
	held, err := w.ledger.Entries(t.Context(), ledger.Filter{Fates: []ledger.Fate{ledger.Held}})
	require.NoError(t, err)
	assert.Equal(t, "salesforce-validation", held[0].Reason.Code)
	assert.NotContains(t, held[0].Reason.Text, "Humperdinck", "texts of the org can echo values")
	w.org.Repair()
	n, err := w.eRS.ReopenHeld(t.Context())
	require.NoError(t, err)
	require.Equal(t, r.Held, n)
	w.sync(w.eRS)
	assert.Zero(t, w.statement().Held)
}

func TestAnAppointmentThatWasRebookedIsMarkedAndTheNewOneIsCreated(t *testing.T) {
	w := newWorld(t, setting{memory: true, referrals: 30})
	w.run(w.eRS)
	w.days(1)
	events := w.ers.Evolve(erssim.Changes{Bookings: 5})
	require.NotEmpty(t, events)
	w.run(w.eRS)
	for _, e := range events {
		open := 0
		for _, row := range w.org.Rows("ServiceAppointment") {
			if csr := w.row("ClinicalServiceRequest", "ers.sr."+e.UBRN); csr != nil && row["ParentRecordId"] == csr["Id"] && row["Status"] == "Scheduled" {
				open++
			}
		}
		assert.LessOrEqual(t, open, 1, e.UBRN)
	}
	assert.Zero(t, w.org.Report().Duplicates.Count())
}

func TestWhatAPersonDeletedInSalesforceIsNotRecreated(t *testing.T) {
	w := newWorld(t, setting{referrals: 20})
	w.run(w.eRS)
	w.days(1)
	events := w.ers.Evolve(erssim.Changes{Cancellations: 1})
	require.Len(t, events, 1)
	w.remove("ClinicalServiceRequest", "ers.sr."+events[0].UBRN)
	w.run(w.eRS)
	e := w.entry(events[0].UBRN)
	assert.Equal(t, ledger.Dead, e.Fate)
	assert.Equal(t, "deleted-in-salesforce", e.Reason.Code)
}

func TestAWorklistIsNeverAskedForMoreThanItsRationAllows(t *testing.T) {
	w := newWorld(t, setting{referrals: 10})
	for range 5 {
		w.run(w.eRS)
	}
	w.reopen(nil) // a crash loop does not get a new ration
	w.run(w.eRS)
	assert.Equal(t, 2, w.ers.Report().WorklistCalls)
	w.days(1)
	w.run(w.eRS)
	assert.Equal(t, 4, w.ers.Report().WorklistCalls)
	assert.Empty(t, w.ers.Report().Violations)
}

func TestNothingPersonalReachesTheLog(t *testing.T) {
	w := newWorld(t, setting{referrals: 40, people: 30, ward: 12, messy: true})
	require.NoError(t, w.org.Break(sfdcsim.Fault{Kind: sfdcsim.Rule, Object: "ClinicalServiceRequest", Field: "Priority",
		Equals: "Urgent", Message: "Marker Humperdinck says no"}))
	w.run(w.eRS)
	w.run(w.ward)
	text := w.log.String()
	for _, p := range w.ers.People() {
		assert.NotContains(t, text, p.NHSNumber)
	}
	assert.NotContains(t, text, "Humperdinck")
	entries, err := w.ledger.Entries(t.Context(), ledger.Filter{})
	require.NoError(t, err)
	for _, e := range entries {
		for _, p := range w.ers.People() {
			assert.NotContains(t, e.Reason.Text, p.NHSNumber)
		}
	}
}

func TestAKnownReferralThatComesWithAnotherPatientIsDeadAndUntouched(t *testing.T) {
	w := newWorld(t, setting{memory: true, referrals: 5})
	ref := fhir.Reference{Type: "ReferralRequest", ID: "000000070001"}
	w.run(w.eRS)
	known, err := w.ledger.Known(t.Context(), "ers", ref)
	require.NoError(t, err)
	known.Patient, known.Digest = "another patient's token", "another content"
	require.NoError(t, w.ledger.Settle(t.Context(), []ledger.Settlement{{Source: "ers",
		Ref: fhir.Reference{Type: ref.Type, ID: ref.ID, Version: known.Version}, Fate: ledger.Applied, Known: &known}}))
	w.days(1)
	w.ers.Evolve(erssim.Changes{InternalBumps: 5})
	before := w.org.Writes()
	w.run(w.eRS)
	assert.Equal(t, ledger.Dead, w.entry(ref.ID).Fate)
	assert.Equal(t, "patient-changed", w.entry(ref.ID).Reason.Code)
	assert.Equal(t, before, w.org.Writes())
}
