package lane_test

import (
	"context"
	"errors"
	"os"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"refbridge/bridge"
	"refbridge/bridge/back"
	"refbridge/bridge/lane"
	"refbridge/bridge/source"
	"refbridge/ers/erssim"
	"refbridge/fhir"
	"refbridge/fhir/fhirsim"
	"refbridge/ledger"
	"refbridge/sfdc"
	"refbridge/sfdc/sfdcsim"
	"refbridge/sfdc/sobject"
)

// keep copies the ledger's file as a backup would.
func (w *world) keep() []byte {
	w.t.Helper()
	require.NoError(w.t, w.ledger.Close())
	kept, err := os.ReadFile(w.path)
	require.NoError(w.t, err)
	w.openLedger()
	w.open(nil)
	return kept
}

// restore puts another file in the ledger's place; nil: the ledger is lost.
func (w *world) restore(kept []byte, permits []back.Permit) {
	w.t.Helper()
	require.NoError(w.t, w.ledger.Close())
	for _, end := range []string{"", "-wal", "-shm"} {
		_ = os.Remove(w.path + end)
	}
	if kept != nil {
		require.NoError(w.t, os.WriteFile(w.path, kept, 0o600))
	}
	w.openLedger()
	w.open(permits)
}

// keys returns the keys of the rows of an object.
func (w *world) keys(object string) []string {
	var out []string
	for _, r := range w.org.Rows(object) {
		out = append(out, r["Bridge_Key__c"].(string))
	}
	return out
}

// halts says that a lane does nothing until its ledger can be made anew.
func (w *world) halts(f *lane.Flow) {
	w.t.Helper()
	written := w.org.Writes()
	require.ErrorIs(w.t, f.Poll(w.t.Context()), bridge.ErrHalted)
	_, err := f.Sync(w.t.Context())
	require.ErrorIs(w.t, err, bridge.ErrHalted)
	assert.ErrorContains(w.t, err, "older than Salesforce")
	assert.Equal(w.t, written, w.org.Writes(), "nothing is written meanwhile")
}

func TestFinding_doubt_C5_C6_C15_ALostLedgerIsMadeAnewFromSalesforce(t *testing.T) {
	// Before: referrals are synced; a person has deleted one and set the state of another.
	w := newWorld(t, setting{memory: true, referrals: 20, ward: 12, permits: cancelling(false)})
	w.run(w.eRS)
	w.run(w.ward)
	rows := w.keys("ClinicalServiceRequest")
	calls := w.ers.Report().WorklistCalls
	deleted, edited := w.booked(), ""
	for _, r := range w.ers.Referrals() {
		if key := "ers.sr." + r.UBRN; r.UBRN != deleted && w.row("ClinicalServiceRequest", key) != nil {
			edited = r.UBRN
			break
		}
	}
	w.remove("ClinicalServiceRequest", "ers.sr."+deleted)
	w.edit(edited, map[string]any{"Status": "Revoked", "Bridge_Action_Reason__c": "TREATMENT_NO_LONGER_REQUIRED"})

	// The ledger is lost. Nothing is written, no worklist is asked for today, until what was sent before cannot take effect.
	w.restore(nil, cancelling(false))
	w.halts(w.eRS)
	w.halts(w.ward)
	w.wait(5 * time.Minute)
	w.halts(w.eRS)
	assert.Equal(t, calls, w.ers.Report().WorklistCalls, "rations count as spent")

	// The source moves on: a referral that no worklist names any more is read all the same.
	var moved string
	for _, e := range w.ers.Evolve(erssim.Changes{Cancellations: 3}) {
		if e.UBRN != deleted && e.UBRN != edited && w.row("ClinicalServiceRequest", "ers.sr."+e.UBRN) != nil {
			moved = e.UBRN
		}
	}
	require.NotEmpty(t, moved)
	w.wait(15 * time.Minute)
	w.run(w.eRS)
	w.run(w.ward)

	assert.Equal(t, calls, w.ers.Report().WorklistCalls, "of the day")
	assert.Nil(t, w.row("ClinicalServiceRequest", "ers.sr."+deleted), "a deletion stays a deletion")
	assert.Equal(t, "Revoked", w.row("ClinicalServiceRequest", "ers.sr."+edited)["Status"], "an edit stays, and is listed")
	assert.Equal(t, "both-sides-changed", w.entry(edited).Reason.Code)
	assert.Equal(t, "deleted-in-salesforce", w.entry(deleted).Reason.Code)
	assert.Equal(t, ledger.Held, w.entry(moved).Fate, "nobody can say who set what Salesforce has: listed, not overwritten")
	for _, key := range rows {
		if key != "ers.sr."+deleted {
			assert.NotNil(t, w.row("ClinicalServiceRequest", key), key)
		}
	}
	assert.Zero(t, w.org.Report().Duplicates.Count())
	assert.Empty(t, w.ers.Report().Operations, "no operation that nobody asked for")
	notices, err := source.NoticesOf(t.Context(), w.ledger, "ers")
	require.NoError(t, err)
	require.Len(t, notices, 1)
	assert.True(t, strings.Contains(notices[0], "a new epoch"), notices[0])
	w.statement()

	// It ends there: the next run rebuilds nothing and writes nothing.
	written := w.org.Writes()
	w.wait(time.Hour)
	w.sync(w.eRS)
	w.sync(w.ward)
	assert.Equal(t, written, w.org.Writes())
}

func TestFinding_doubt_C7_ARestoredLedgerAsksForNothing(t *testing.T) {
	for name, c := range map[string]struct{ hidden []string }{"by the run number": {}, "by rows alone": {[]string{"Bridge_Ledger__c"}}} {
		t.Run(name, func(t *testing.T) {
			permits := []back.Permit{{Operation: fhir.OperationUpdate}}
			w := newWorld(t, setting{memory: true, ward: 12, hidden: c.hidden})
			w.run(w.ward)
			kept := w.keep()
			// The daemon runs on: the source changes, and Salesforce has it. Then the ledger of before comes back.
			require.Positive(t, w.fhir.Evolve(fhirsim.Changes{StatusChanges: 4}).StatusChanges)
			w.wait(time.Minute)
			w.run(w.ward)
			w.restore(kept, permits)

			if c.hidden == nil {
				require.ErrorIs(t, w.ward.Poll(t.Context()), bridge.ErrHalted, "before anything is polled")
			} else {
				require.NoError(t, w.ward.Poll(t.Context()))
			}
			_, err := w.ward.Sync(t.Context())
			require.ErrorIs(t, err, bridge.ErrHalted)
			w.halts(w.ward)
			w.wait(15 * time.Minute)
			w.run(w.ward)
			for _, e := range w.entriesOf("ward", ledger.Held) {
				assert.NotContains(t, []string{"both-sides-changed", "value-in-doubt"}, e.Reason.Code, "both sides say the same")
			}
			for range 3 {
				w.days(1)
				w.run(w.ward)
			}

			assert.Empty(t, w.fhir.Report().Updates, "nothing goes to the source that nobody asked for")
			open, err := w.ledger.Writebacks(t.Context(), "ward")
			require.NoError(t, err)
			assert.Empty(t, open, "and nothing is proposed")
			assert.Empty(t, w.entriesOf("ward", ledger.Unknown))
			w.statement()
		})
	}
}

func TestDoubtRule10_ASoundLedgerIsNotRebuilt(t *testing.T) {
	// Before: a run that was killed before it settled, answers that got lost, a person who edits, a restart.
	w := newWorld(t, setting{memory: true, referrals: 12, ward: 12})
	require.NoError(t, w.ward.Poll(t.Context()))
	w.ward.Applier.Journal = crashing{w.ledger}
	_, err := w.ward.Sync(t.Context())
	require.ErrorIs(t, err, errCrash)
	w.reopen(nil)
	w.run(w.ward)
	w.run(w.eRS)
	require.NoError(t, w.org.Break(sfdcsim.Fault{Kind: sfdcsim.Drop, Calls: 6}))
	w.fhir.Evolve(fhirsim.Changes{StatusChanges: 3})
	w.wait(time.Minute)
	_ = w.ward.Poll(t.Context())
	_, _ = w.ward.Sync(t.Context())
	w.org.Repair()
	w.edit(w.booked(), map[string]any{"Status": "On-Hold"})
	for range 3 {
		w.reopen(nil)
		w.wait(20 * time.Minute)
		w.run(w.ward)
		w.sync(w.eRS)
	}
	for _, f := range []string{"ward", "ers"} {
		notices, err := source.NoticesOf(t.Context(), w.ledger, f)
		require.NoError(t, err)
		assert.Empty(t, notices)
	}
	w.statement()
}

// failingTarget is an org that does not answer from one call on.
type failingTarget struct {
	*sfdc.Client
	left int
}

var errGone = errors.New("the org does not answer")

func (f *failingTarget) ask() error {
	if f.left--; f.left < 0 {
		return errGone
	}
	return nil
}

func (f *failingTarget) Retrieve(ctx context.Context, s ...sfdc.Selection) ([]sobject.Record, error) {
	if err := f.ask(); err != nil {
		return nil, err
	}
	return f.Client.Retrieve(ctx, s...)
}

func (f *failingTarget) Changed(ctx context.Context, s sfdc.Selection, since time.Time, prefix string, take func([]sobject.Record) error) error {
	if err := f.ask(); err != nil {
		return err
	}
	return f.Client.Changed(ctx, s, since, prefix, take)
}

func (f *failingTarget) DeletedUnder(ctx context.Context, s sfdc.Selection, prefix string) ([]sobject.Record, error) {
	if err := f.ask(); err != nil {
		return nil, err
	}
	return f.Client.DeletedUnder(ctx, s, prefix)
}

func (f *failingTarget) Upsert(ctx context.Context, object, keyField string, records []sobject.Record, before func(context.Context, []int) error) ([]sfdc.SaveResult, error) {
	if err := f.ask(); err != nil {
		return nil, err
	}
	return f.Client.Upsert(ctx, object, keyField, records, before)
}

func TestDoubtRule10_ARebuildThatFailsAnywhereIsDoneAgain(t *testing.T) {
	w := newWorld(t, setting{memory: true, ward: 6})
	w.run(w.ward)
	rows := len(w.keys("ClinicalServiceRequest"))
	failed := 0
	for answered := 0; ; answered++ {
		w.restore(nil, nil)
		client := w.ward.Planner.Target.(*sfdc.Client)
		w.ward.Recovery.Target = &failingTarget{client, answered}
		if err := w.ward.Poll(t.Context()); errors.Is(err, errGone) {
			failed++ // not even noticed: nothing is written
			continue
		}
		w.wait(15 * time.Minute)
		if err := w.ward.Poll(t.Context()); err == nil {
			break
		}
		failed++
		_, err := w.ward.Sync(t.Context())
		require.ErrorIs(t, err, bridge.ErrHalted, "after %d answers", answered)
		w.ward.Recovery.Target = client
		require.NoError(t, w.ward.Poll(t.Context()), "after %d answers", answered)
	}
	assert.Greater(t, failed, 10)
	w.ward.Recovery.Target = w.ward.Planner.Target.(*sfdc.Client)
	w.sync(w.ward)
	assert.Len(t, w.keys("ClinicalServiceRequest"), rows)
	assert.Zero(t, w.org.Report().Duplicates.Count())
	w.statement()
}

func TestDoubtRule10_ASourceWhoseRowsCannotBeToldHalts(t *testing.T) {
	w := newWorld(t, setting{memory: true, ward: 6})
	w.run(w.ward)
	w.restore(nil, nil)
	require.ErrorIs(t, w.ward.Poll(t.Context()), bridge.ErrHalted)
	w.ward.Source = unrooted{w.ward.Source}
	w.wait(15 * time.Minute)
	require.ErrorContains(t, w.ward.Poll(t.Context()), "cannot be told by their keys")
}

// unrooted is a source that can only be read.
type unrooted struct {
	read interface {
		Read(ctx context.Context, ref fhir.Reference) (fhir.Reference, []byte, error)
	}
}

func (u unrooted) Read(ctx context.Context, ref fhir.Reference) (fhir.Reference, []byte, error) {
	return u.read.Read(ctx, ref)
}
