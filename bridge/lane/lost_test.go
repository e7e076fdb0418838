package lane_test

import (
	"bytes"
	"context"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"refbridge/bridge/back"
	"refbridge/ers/erssim"
	"refbridge/fhir"
	"refbridge/ledger"
	"refbridge/sfdc"
	"refbridge/sfdc/sfdcsim"
	"refbridge/sfdc/sobject"
)

func (w *world) wardWork(status string) ledger.Work {
	require.NoError(w.t, w.ward.Poll(w.t.Context()))
	due, err := w.ledger.Due(w.t.Context(), "ward", ledger.Turn{})
	require.NoError(w.t, err)
	for _, d := range due {
		if d.Ref.Type == "ServiceRequest" && bytes.Contains(d.Body, []byte(`"status":"`+status+`"`)) {
			return d
		}
	}
	w.t.Fatal("none")
	return ledger.Work{}
}

func (w *world) observe(ref fhir.Reference, version string, body []byte) {
	ref.Version = version
	require.NoError(w.t, w.ledger.Observe(w.t.Context(), ledger.Answer{Source: "ward"}, []ledger.Sighting{{Ref: ref, Body: body}}))
}

func TestContentThatComesBackAfterALostWriteIsComparedAndNotTakenForApplied(t *testing.T) {
	w := newWorld(t, setting{memory: true, ward: 12})
	a := w.wardWork("active")
	w.sync(w.ward)
	key := "ward.sr." + a.Ref.ID
	require.Equal(t, "Active", w.row("ClinicalServiceRequest", key)["Status"])
	b := bytes.Replace(a.Body, []byte(`"status":"active"`), []byte(`"status":"on-hold"`), 1)
	w.observe(a.Ref, "8", b)
	w.ward.Applier.Journal = crashing{w.ledger}
	_, err := w.ward.Sync(t.Context())
	require.ErrorIs(t, err, errCrash)
	w.reopen(nil)
	w.observe(a.Ref, "9", a.Body)
	w.sync(w.ward)
	w.wait(time.Hour) // the write of the crash cannot take effect any more
	w.sync(w.ward)
	open, err := w.ledger.Unresolved(t.Context())
	require.NoError(t, err)
	assert.Empty(t, open)
	assert.Equal(t, "Active", w.row("ClinicalServiceRequest", key)["Status"])
}

func TestWaitingForAPatientUsesUpNoAttempts(t *testing.T) {
	w := newWorld(t, setting{memory: true, referrals: 42})
	w.run(w.eRS)
	for range 10 {
		w.wait(10 * time.Minute)
		w.sync(w.eRS)
	}
	held, err := w.ledger.Entries(t.Context(), ledger.Filter{Source: "ers", Fates: []ledger.Fate{ledger.Held}})
	require.NoError(t, err)
	require.Equal(t, "patient-not-found", held[0].Reason.Code)
	require.NoError(t, w.org.AddPerson(36))
	require.NoError(t, w.org.Break(sfdcsim.Fault{Kind: sfdcsim.Lock, Object: "ClinicalServiceRequest", Every: 1}))
	w.wait(10 * time.Minute)
	w.sync(w.eRS)
	e := w.entry(held[0].Ref.ID)
	assert.Equal(t, ledger.Held, e.Fate)
}

func TestAnApprovalIsWorthNothingOnceTheOperationIsSwitchedOff(t *testing.T) {
	w := newWorld(t, setting{memory: true, referrals: 20, permits: cancelling(true)})
	w.run(w.eRS)
	w.edit(w.booked(), map[string]any{"Status": "Revoked", "Bridge_Action_Reason__c": "TREATMENT_NO_LONGER_REQUIRED"})
	w.sync(w.eRS)
	waiting, _ := w.ledger.Writebacks(t.Context(), "ers", ledger.Waiting)
	require.Len(t, waiting, 1)
	require.NoError(t, w.ledger.Approve(t.Context(), waiting[0].ID, "op", "uc"))
	w.reopen(nil) // A036 is switched off in the configuration, restart
	w.sync(w.eRS)
	assert.Empty(t, w.ers.Report().Operations, "A036 is switched off")
}

func TestAnApprovalIsForOneOperationAndNotForAnother(t *testing.T) {
	w := newWorld(t, setting{memory: true, referrals: 20, permits: cancelling(true)})
	w.run(w.eRS)
	ubrn := w.booked()
	w.edit(ubrn, map[string]any{"Status": "Revoked", "Bridge_Action_Reason__c": "TREATMENT_NO_LONGER_REQUIRED"})
	w.sync(w.eRS)
	waiting, _ := w.ledger.Writebacks(t.Context(), "ers", ledger.Waiting)
	require.Len(t, waiting, 1)
	require.NoError(t, w.ledger.Approve(t.Context(), waiting[0].ID, "op", "uc"))
	w.edit(ubrn, map[string]any{"Status": "Active", "IsAccepted": true})
	w.sync(w.eRS)
	assert.Empty(t, w.ers.Report().Operations, "accepting was never switched on")
}

func TestAnApprovalIsForOneValueAndNotForAnother(t *testing.T) {
	w := newWorld(t, setting{memory: true, ward: 12, permits: []back.Permit{{Operation: fhir.OperationUpdate, Approval: true}}})
	w.run(w.ward)
	var key string
	for _, row := range w.org.Rows("ClinicalServiceRequest") {
		if row["Status"] == "Active" {
			key, _ = row["Bridge_Key__c"].(string)
			break
		}
	}
	require.NoError(t, w.org.Edit("ClinicalServiceRequest", key, map[string]any{"Status": "On-Hold"}))
	w.sync(w.ward)
	waiting, _ := w.ledger.Writebacks(t.Context(), "ward", ledger.Waiting)
	require.Len(t, waiting, 1)
	require.NoError(t, w.ledger.Approve(t.Context(), waiting[0].ID, "op", "uc"))
	require.NoError(t, w.org.Edit("ClinicalServiceRequest", key, map[string]any{"Status": "Entered-in-Error"}))
	w.sync(w.ward)
	assert.Empty(t, w.fhir.Report().Updates, "approved was On-Hold, not Entered-in-Error")
}

func TestWhatTheSourceRefusedIsNotSentAgainUntilSomebodyEditsTheRecord(t *testing.T) {
	w := newWorld(t, setting{memory: true, referrals: 20, permits: cancelling(false)})
	w.run(w.eRS)
	w.edit(w.booked(), map[string]any{"Status": "Revoked", "Bridge_Action_Reason__c": "TREATMENT_NO_LONGER_REQUIRED"})
	w.ers.SetFaults(erssim.Faults{Next: []erssim.Fault{{Call: "A036", Status: 422, Times: -1}}})
	for range 6 {
		w.wait(10 * time.Minute)
		w.sync(w.eRS)
	}
	all, _ := w.ledger.Writebacks(t.Context(), "ers")
	assert.Len(t, all, 1)
}

func TestAReadThatFailsRefusesNobodysChange(t *testing.T) {
	for _, status := range []int{401, 403, 404} {
		w := newWorld(t, setting{memory: true, referrals: 20, permits: cancelling(false)})
		w.run(w.eRS)
		w.edit(w.booked(), map[string]any{"Status": "Revoked", "Bridge_Action_Reason__c": "TREATMENT_NO_LONGER_REQUIRED"})
		// someone edits another record later, so the overlap does not re-propose
		w.ers.SetFaults(erssim.Faults{Next: []erssim.Fault{{Call: "A005", Status: status, Times: 3}}})
		_, _ = w.eRS.Sync(t.Context()) // may halt
		all, _ := w.ledger.Writebacks(t.Context(), "ers")
		for _, a := range all {
			assert.NotEqual(t, ledger.Refused, a.State)
		}
	}
}

func TestAReferralThatWasLostIsReadAgainWhenSomethingNamesIt(t *testing.T) {
	w := newWorld(t, setting{memory: true, referrals: 20})
	w.run(w.eRS)
	ubrn := w.booked()
	w.ers.SetFaults(erssim.Faults{Next: []erssim.Fault{{Call: "A005", Status: 422, Code: "NO_RELATIONSHIP"}}})
	require.NoError(t, w.eRS.Sight(t.Context(), []fhir.Reference{{Type: "ReferralRequest", ID: ubrn}}))
	w.sync(w.eRS)
	w.ers.SetFaults(erssim.Faults{})
	calls := w.ers.Report().Calls
	// comes back: ASI worklist without a version, refresh, backfill --ubrns: all sight it without a version
	for range 3 {
		w.days(1)
		require.NoError(t, w.eRS.Sight(t.Context(), []fhir.Reference{{Type: "ReferralRequest", ID: ubrn}}))
		w.sync(w.eRS)
	}
	assert.Greater(t, w.ers.Report().Calls, calls, "it is read again")
	assert.Zero(t, w.statement().Dead)
}

type slow struct {
	*sfdc.Client
	w    *world
	n    int
	stop context.CancelFunc
}

func (s *slow) FindParents(ctx context.Context, l sfdc.Lookup, keys []string) (map[string][]string, error) {
	s.w.wait(20 * time.Second) // 20 s for 200 records
	if s.n++; s.n == 40 {
		s.stop()
	}
	return s.Client.FindParents(ctx, l, keys)
}

func TestASyncTakesEachRecordOnceHoweverLongItLasts(t *testing.T) {
	w := newWorld(t, setting{referrals: 1000, people: 20})
	require.NoError(t, w.eRS.Poll(t.Context()))
	ctx, stop := context.WithCancel(t.Context())
	s := &slow{Client: w.eRS.Planner.Target.(*sfdc.Client), w: w, stop: stop}
	w.eRS.Planner.Target = s
	_, err := w.eRS.Sync(ctx)
	require.NoError(t, err)
	assert.Less(t, s.n, 10, "1000 records are five batches")
}

func TestOneRestrictedReferralDoesNotStopTheOthers(t *testing.T) {
	w := newWorld(t, setting{memory: true, referrals: 20})
	w.ers.SetFaults(erssim.Faults{Next: []erssim.Fault{{Call: "A005", Status: 403}}})
	require.NoError(t, w.eRS.Poll(t.Context()))
	w.ers.SetFaults(erssim.Faults{Next: []erssim.Fault{{Call: "A005", Status: 403}}})
	r, err := w.eRS.Sync(t.Context())
	require.NoError(t, err)
	assert.Positive(t, r.Applied)
}

func TestLiveReferralsAreReadAgainBetweenPolls(t *testing.T) {
	w := newWorld(t, setting{memory: true, referrals: 20})
	w.run(w.eRS)
	ev := w.ers.Evolve(erssim.Changes{Cancellations: 3})
	for range 10 { // 10 hours of syncs, Refresh = 1h, next poll is tomorrow
		w.wait(time.Hour)
		w.sync(w.eRS)
	}
	stale := 0
	for _, e := range ev {
		if row := w.row("ClinicalServiceRequest", "ers.sr."+e.UBRN); row != nil && row["Bridge_Source_State__c"] != e.State {
			stale++
		}
	}
	assert.Zero(t, stale)
}

func TestAChangeThatTheSourceCannotTellIsNoDivergence(t *testing.T) {
	w := newWorld(t, setting{memory: true, ward: 12, permits: []back.Permit{{Operation: fhir.OperationUpdate}}})
	w.run(w.ward)
	for _, row := range w.org.Rows("ServiceAppointment") {
		if row["Status"] == "Scheduled" {
			require.NoError(t, w.org.Edit("ServiceAppointment", row["Bridge_Key__c"].(string), map[string]any{"Status": "Dispatched"}))
			break
		}
	}
	r := w.sync(w.ward)
	assert.Zero(t, r.Divergent)
}

func TestAReferralThatWaitsIsReadAgainBeforeItIsApplied(t *testing.T) {
	w := newWorld(t, setting{memory: true, referrals: 42})
	w.run(w.eRS)
	held, _ := w.ledger.Entries(t.Context(), ledger.Filter{Source: "ers", Fates: []ledger.Fate{ledger.Held}})
	var ubrn string
	for i := 0; i < 30 && ubrn == ""; i++ {
		for _, e := range w.ers.Evolve(erssim.Changes{Cancellations: 3}) {
			if e.UBRN == held[0].Ref.ID && e.State == "CANCELLED_REFERRAL" {
				ubrn = e.UBRN
			}
		}
	}
	require.NoError(t, w.org.AddPerson(36))
	w.wait(5 * time.Hour)
	require.NoError(t, w.eRS.Poll(t.Context()))
	w.sync(w.eRS)
}

type stopping struct {
	*sfdc.Client
	stop  context.CancelFunc
	after int
}

func (s *stopping) Upsert(ctx context.Context, object, keyField string, records []sobject.Record,
	before func(context.Context, []int) error) ([]sfdc.SaveResult, error) {
	if s.after--; s.after == 0 {
		s.stop()
	}
	return s.Client.Upsert(ctx, object, keyField, records, before)
}

func TestAStopLeavesWhatWasNotSentWhereItWas(t *testing.T) {
	w := newWorld(t, setting{memory: true, referrals: 20})
	require.NoError(t, w.eRS.Poll(t.Context()))
	ctx, stop := context.WithCancel(t.Context())
	w.eRS.Applier.Target = &stopping{w.eRS.Planner.Target.(*sfdc.Client), stop, 3}
	_, err := w.eRS.Sync(ctx)
	require.ErrorIs(t, err, context.Canceled)
	s := w.statement()
	assert.Equal(t, 20, s.Pending, "nothing was refused and nothing is unclear: %+v", s)
	w.eRS.Applier.Target = w.eRS.Planner.Target.(*sfdc.Client)
	w.sync(w.eRS)
	assert.Zero(t, w.statement().Pending)
}
