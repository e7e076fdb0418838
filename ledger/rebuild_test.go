package ledger

import (
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"refbridge/fhir"
	"refbridge/sfdc/sobject"
)

func TestDoubtRule10_WhatAnOlderLedgerSaysIsForgotten(t *testing.T) {
	// Before: an applied record with an image, an open intent, a change that waits to go back; another source beside it.
	w := newWorld(t)
	w.observe(Sighting{Ref: ref("1", "5"), Body: body("1", "5", "active")}, Sighting{Ref: ref("2", "1"), Body: body("2", "1", "active")})
	known := Image{Record: record("ClinicalServiceRequest", "ers.sr.1", field("Status", "Active")), Unclear: []string{"Priority"}}
	gone := Image{Record: record("ServiceAppointment", "ers.ap.1", field("Status", "Scheduled")), Deleted: true}
	w.settle(Settlement{Ref: ref("1", "5"), Fate: Applied, Known: &Known{Version: "5", Digest: "d", Patient: "p"}, Images: []Image{known, gone}},
		Settlement{Ref: ref("2", "1"), Fate: Held, Reason: Reason{Code: "parent"}, Next: Never()})
	w.must(intend(t.Context(), w.Ledger, []Intent{{ID: "op", Source: "ers", Ref: ref("1", "5"), Object: "ClinicalServiceRequest", Key: "ers.sr.1"},
		{ID: "other", Source: "ward", Ref: ref("1", "5"), Object: "ClinicalServiceRequest", Key: "ward.sr.1"}}))
	w.must(w.Propose(t.Context(), []Writeback{proposal("5", "Revoked", Waiting)}))

	w.must(w.Forget(t.Context(), "ers"))
	w.must(w.Forget(t.Context(), "ers")) // a crash in between, and again

	rows, err := w.Rows(t.Context(), "ClinicalServiceRequest", []string{"ers.sr.1"})
	require.NoError(t, err)
	assert.True(t, rows["ers.sr.1"].Known)
	assert.Empty(t, rows["ers.sr.1"].Image.Record.Fields)
	assert.Empty(t, rows["ers.sr.1"].Image.Unclear)
	rows, err = w.Rows(t.Context(), "ServiceAppointment", []string{"ers.ap.1"})
	require.NoError(t, err)
	assert.True(t, rows["ers.ap.1"].Image.Deleted, "a deletion stays a deletion")
	open, err := w.Unresolved(t.Context())
	require.NoError(t, err)
	require.Len(t, open, 1)
	assert.Equal(t, "other", open[0].ID)
	back, err := w.Writebacks(t.Context(), "ers")
	require.NoError(t, err)
	require.Len(t, back, 1)
	assert.Equal(t, Refused, back[0].State)
	assert.Equal(t, CodeRebuilt, back[0].Reason.Code)
	got, err := w.Known(t.Context(), "ers", ref("1"))
	require.NoError(t, err)
	assert.Equal(t, Known{Version: "5", Patient: "p"}, got, "whose patient it is stays known")
	assert.Equal(t, []string{"ReferralRequest/1/_history/5 pending 0"}, w.due(), "what was applied is due, what is held stays held")
	w.statement()
	assert.NoError(t, w.Verify(t.Context()))
}

func TestDoubtRule10_WhatSalesforceHoldsIsTakenOverForRecordsThatNobodyKnowsYet(t *testing.T) {
	w := newWorld(t)
	theirs := Image{Record: record("ClinicalServiceRequest", "ers.sr.9"), Deleted: true}
	ours := Image{Record: record("ServiceAppointment", "ers.ap.9", sobject.Field{Name: "Status", Value: sobject.TextValue("Scheduled")})}
	for range 2 {
		w.must(w.Rebuild(t.Context(), "ers", []Rebuilt{{ref("9"), theirs}, {ref("9"), ours}}))
	}
	rows, err := w.RowsOf(t.Context(), "ers", fhir.Reference{Type: "ReferralRequest", ID: "9"})
	require.NoError(t, err)
	require.Len(t, rows, 2)
	assert.Equal(t, theirs, rows[0].Image)
	assert.Equal(t, ours, rows[1].Image)
	assert.Equal(t, Statement{}, w.statement(), "no version was observed by that")
	assert.NoError(t, w.Verify(t.Context()))
	w.observe(Sighting{Ref: ref("9", "3"), Body: body("9", "3", "active")})
	assert.Equal(t, []string{"ReferralRequest/9/_history/3 pending 0"}, w.due())
}
