package ledger

import (
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"refbridge/fhir"
)

// The order of versions, a row a case: a is older than b, b is older than a, or the two are one.
func TestFinding_code_T3_TheOrderOfVersionsIsToldPartByPart(t *testing.T) {
	for _, c := range []struct {
		about string
		a, b  stamp
		want  int
	}{
		{"numbers by value", stamp{version: "9", seq: 2}, stamp{version: "10", seq: 1}, -1},
		{"numbers with leading zeros", stamp{version: "007", seq: 2}, stamp{version: "8", seq: 1}, -1},
		{"numbers of any length", stamp{version: "99999999999999999999", seq: 2}, stamp{version: "100000000000000000000", seq: 1}, -1},
		{"numbers whatever lastUpdated says", stamp{version: "3", updated: 9, seq: 2}, stamp{version: "4", updated: 1, seq: 1}, -1},
		{"the same version", stamp{version: "3-p1", seq: 1}, stamp{version: "3-p1", seq: 2}, 0},
		{"an older record, a newer patient", stamp{version: "2-p9", seq: 2}, stamp{version: "3-p1", seq: 1}, -1},
		{"the same record, an older patient", stamp{version: "3-p1", seq: 2}, stamp{version: "3-p2", seq: 1}, -1},
		{"patients by value", stamp{version: "3-p9", seq: 2}, stamp{version: "3-p10", seq: 1}, -1},
		{"patients that are no numbers by their lastUpdated", stamp{version: "3-pzz", beside: 1, seq: 2}, stamp{version: "3-paa", beside: 2, seq: 1}, -1},
		{"patients that say nothing by sighting", stamp{version: "3-pzz", seq: 1}, stamp{version: "3-paa", seq: 2}, -1},
		{"with a patient and without: by sighting", stamp{version: "3-p4", updated: 5, seq: 1}, stamp{version: "3", updated: 5, seq: 2}, -1},
		{"an older record without its patient", stamp{version: "2", seq: 2}, stamp{version: "3-p1", seq: 1}, -1},
		{"what a worklist says, by sighting", stamp{version: "5-wffff", seq: 1}, stamp{version: "5-w0000", seq: 2}, -1},
		{"digests of digits are no numbers that count", stamp{version: "5-w9", seq: 1}, stamp{version: "6-w1", seq: 2}, -1},
		{"changes of worklists by their number", stamp{version: "5-w9", seq: 2}, stamp{version: "5-w10", seq: 1}, -1},
		{"an older referral that the worklist says more of", stamp{version: "5-w3", seq: 2}, stamp{version: "6-w1", seq: 1}, -1},
		{"with a worklist and without: by sighting", stamp{version: "5", seq: 1}, stamp{version: "5-w1", seq: 2}, -1},
		{"deleted after what the worklist said", stamp{version: "5-w3", seq: 2}, stamp{version: "5-w2~gone", seq: 1}, -1},
		{"opaque by lastUpdated", stamp{version: "b9f", updated: 1, seq: 2}, stamp{version: "a1c", updated: 2, seq: 1}, -1},
		{"opaque by lastUpdated with a patient", stamp{version: "b9f-p7", updated: 1, beside: 9, seq: 2}, stamp{version: "a1c-p1", updated: 2, beside: 3, seq: 1}, -1},
		{"opaque and silent by sighting", stamp{version: "b9f", seq: 1}, stamp{version: "a1c", seq: 2}, -1},
		{"opaque, one of them silent, by sighting", stamp{version: "b9f", updated: 9, seq: 1}, stamp{version: "a1c", seq: 2}, -1},
		{"a uuid that begins with digits is no number", stamp{version: "90000000-1111-4111-8111-111111111111", updated: 1, seq: 2},
			stamp{version: "10000000-1111-4111-8111-111111111111", updated: 2, seq: 1}, -1},
		{"a number and none by lastUpdated", stamp{version: "12", updated: 1, seq: 2}, stamp{version: "a1c", updated: 2, seq: 1}, -1},
		{"deleted after the version", stamp{version: "3-p1", seq: 2}, stamp{version: "3-p1~gone", seq: 1}, -1},
		{"a newer patient does not undo a deletion", stamp{version: "3-p2", seq: 2}, stamp{version: "3-p1~gone", seq: 1}, -1},
		{"given again after the deletion", stamp{version: "3-p1~gone", seq: 2}, stamp{version: "3-p1~back", seq: 1}, -1},
		{"deleted twice", stamp{version: "3-p1~back", seq: 2}, stamp{version: "3-p1~gone.3", seq: 1}, -1},
		{"a new version after the deletion", stamp{version: "3-p1~gone", seq: 2}, stamp{version: "4-p1", seq: 1}, -1},
		{"an opaque version after its deletion", stamp{version: "b9f", updated: 5, seq: 2}, stamp{version: "b9f~gone", updated: 5, seq: 1}, -1},
	} {
		assert.Equal(t, c.want, c.a.compare(c.b), c.about)
		assert.Equal(t, -c.want, c.b.compare(c.a), c.about)
	}
}

func TestFinding_code_T16_AVersionIsTakenApartAsItWasPutTogether(t *testing.T) {
	for _, own := range []string{"3", "abc", "a-p3", "x-", "0f-px-p", "9-w3", "90000000-1111-4111-8111-111111111111"} {
		seen := map[string]bool{}
		for _, patient := range []string{"", "1", "p1", "q-p7", "-p"} {
			v := WithPatient(own, patient)
			assert.Equal(t, own, OwnVersion(v), v)
			assert.False(t, seen[v], v)
			seen[v] = true
			for turn := range 5 {
				assert.Equal(t, own, OwnVersion(inTurn(v, turn)), v)
				assert.Equal(t, turn, split(inTurn(v, turn)).turn)
			}
		}
	}
	assert.Equal(t, "3-p1", WithPatient("3", "1"))
	assert.Equal(t, "3", WithPatient("3", ""))
}

func TestFinding_code_T3_AnOlderPageDoesNotRollAReferralBack(t *testing.T) {
	w := newWorld(t)
	w.observe(Sighting{Ref: ref("1", "3-p1"), Body: body("1", "3", "stat")})
	w.settle(Settlement{Ref: ref("1", "3-p1"), Fate: Applied})
	w.observe(Sighting{Ref: ref("1", "2-p4"), Body: body("1", "2", "urgent")})
	assert.Empty(t, w.due())
	assert.Equal(t, []string{"ReferralRequest/1/_history/2-p4 superseded older-version"}, w.fates(ref("1", "2-p4")))
	w.observe(Sighting{Ref: ref("1", "3-p2"), Body: body("1", "3", "stat")})
	assert.Equal(t, []string{"ReferralRequest/1/_history/3-p2 pending 0"}, w.due(), "new demographics of the patient")
	assert.NoError(t, w.Verify(t.Context()))
}

func TestFinding_inputs_B15_OpaqueVersionsAreOrderedByWhatTheSourceSaysOfTheirTime(t *testing.T) {
	at := func(minute int) time.Time { return start().Add(time.Duration(minute) * time.Minute) }
	for _, order := range [][]int{{5, 1}, {1, 5}} {
		w := newWorld(t)
		for _, minute := range order {
			version := map[int]string{1: "zz", 5: "aa"}[minute]
			w.observe(Sighting{Ref: ref("1", version), Body: body("1", version, "s"), Updated: at(minute)})
		}
		assert.Equal(t, []string{"ReferralRequest/1/_history/aa pending 0"}, w.due())
		w.restart()
		w.settle(Settlement{Ref: ref("1", "aa"), Fate: Applied})
		assert.Contains(t, w.fates(ref("1", "zz"))[0], "superseded")
		w.observe(Sighting{Ref: ref("1", "yy"), Body: body("1", "yy", "s"), Updated: at(3)})
		assert.Empty(t, w.due(), "older than what was applied, though it was seen later")
		assert.NoError(t, w.Verify(t.Context()))
	}
}

func TestFinding_clients_J1_AVersionThatIsOnlyNamedDoesNotBlockTheOneThatWasRead(t *testing.T) {
	w := newWorld(t)
	w.observe(Sighting{Ref: ref("1", "12")}) // the worklist
	work, err := w.ToRead(t.Context(), "ers")
	require.NoError(t, err)
	require.Len(t, work, 1)
	fresh, err := w.Keep(t.Context(), "ers", ref("1", "5"), body("1", "5", "active")) // A005
	require.NoError(t, err)
	require.True(t, fresh)
	assert.Equal(t, []string{"ReferralRequest/1/_history/5 pending 0"}, w.due())
	assert.Equal(t, []string{"ReferralRequest/1/_history/12 superseded named-only"}, w.fates(ref("1", "12")))
	w.settle(Settlement{Ref: ref("1", "5"), Fate: Applied})
	assert.Equal(t, Statement{Observed: 2, Applied: 1, Superseded: 1}, w.statement())

	for range 2 { // each poll that names it is a hint to read once more, and the read closes it once more
		w.observe(Sighting{Ref: ref("1", "12")})
		assert.Equal(t, []string{"ReferralRequest/1/_history/12 pending 0"}, w.due())
		_, err = w.Keep(t.Context(), "ers", ref("1", "5"), body("1", "5", "active"))
		require.NoError(t, err)
		assert.Empty(t, w.due())
	}
	w.observe(Sighting{Ref: ref("1", "12")})
	_, err = w.Keep(t.Context(), "ers", ref("1", "6"), body("1", "6", "cancelled"))
	require.NoError(t, err)
	assert.Equal(t, []string{"ReferralRequest/1/_history/6 pending 0"}, w.due(), "a cancellation arrives while the list says 12")
	w.settle(Settlement{Ref: ref("1", "6"), Fate: Applied})
	w.observe(Sighting{Ref: ref("1", "12")})
	_, err = w.Keep(t.Context(), "ers", ref("1", "12"), body("1", "12", "completed"))
	require.NoError(t, err)
	assert.Equal(t, []string{"ReferralRequest/1/_history/12 pending 0"}, w.due(), "the source has caught up with its list")
	assert.NoError(t, w.Verify(t.Context()))
}

func TestFinding_clients_J1_ANameThatCannotBeReadHoldsUpNothingThatWasRead(t *testing.T) {
	w := newWorld(t)
	w.observe(Sighting{Ref: ref("1", "5"), Body: body("1", "5", "active")})
	w.settle(Settlement{Ref: ref("1", "5"), Fate: Held, Reason: Reason{Code: "patient-not-found"}, Next: w.now.Add(time.Minute)})
	w.observe(Sighting{Ref: ref("1", "12")})
	w.settle(Settlement{Ref: ref("1", "12"), Fate: Held, Reason: Reason{Code: "not-visible"}, Next: w.now.Add(4 * time.Hour)})
	w.now = w.now.Add(time.Minute)
	assert.Equal(t, []string{"ReferralRequest/1/_history/5 held 1"}, w.due())
	n, err := w.Reopen(t.Context(), "ers", ref("1"))
	require.NoError(t, err)
	assert.Equal(t, 2, n, "a person's retry reads the named one, too")
}

func TestAReadThatGoesOnGivingAnOlderVersionIsHeldAndAPersonMayTakeIt(t *testing.T) {
	w := newWorld(t)
	keep := func(version, status string) {
		_, err := w.Keep(t.Context(), "ers", ref("1", version), body("1", version, status))
		require.NoError(t, err)
	}
	keep("6", "draft")
	w.settle(Settlement{Ref: ref("1", "6"), Fate: Applied})
	keep("7", "active")
	w.settle(Settlement{Ref: ref("1", "7"), Fate: Applied})
	keep("6", "draft") // a copy that lags
	assert.Equal(t, []string{"ReferralRequest/1/_history/6 applied"}, w.fates(ref("1", "6")), "what it was stays")
	w.now = w.now.Add(2 * time.Hour)
	keep("7", "active")
	keep("6", "draft")
	assert.Empty(t, w.fatesOf(Held), "in between it had caught up")
	w.now = w.now.Add(2 * time.Hour)
	keep("6", "draft")
	assert.Equal(t, []string{"ReferralRequest/1/_history/6 held source-went-back"}, w.fatesOf(Held))
	assert.Empty(t, w.due())

	keep("7", "active") // it was a copy after all
	assert.Empty(t, w.fatesOf(Held))
	for range 2 {
		keep("6", "draft")
		w.now = w.now.Add(2 * time.Hour)
	}
	n, err := w.Reopen(t.Context(), "ers", ref("1")) // no: a backup was restored
	require.NoError(t, err)
	require.Equal(t, 1, n)
	assert.Equal(t, []string{"ReferralRequest/1/_history/6 pending 0"}, w.due())
	w.settle(Settlement{Ref: ref("1", "6"), Fate: Applied, Known: &Known{Version: "6"}})
	known, err := w.Known(t.Context(), "ers", ref("1"))
	require.NoError(t, err)
	assert.Equal(t, "6", known.Version)
	keep("7", "other content")
	assert.Equal(t, []string{"ReferralRequest/1/_history/7 held same-version-other-content"}, w.fatesOf(Held), "the number is used again")
	assert.NoError(t, w.Verify(t.Context()))
}

func TestADeletionIsAVersionOfItsOwnAndTheRecordCanComeBack(t *testing.T) {
	w := newWorld(t)
	gone := []byte(`{"resourceType":"Bundle","type":"history"}`)
	fhirRef := func(version string) fhir.Reference { return ref("1", version) }
	w.observe(Sighting{Ref: fhirRef("3-p1"), Body: body("1", "3", "active")})
	w.settle(Settlement{Ref: fhirRef("3-p1"), Fate: Applied})
	for i := range 2 {
		w.observe(Sighting{Ref: ref("1")})
		fresh, err := w.KeepGone(t.Context(), "ers", ref("1"), gone)
		require.NoError(t, err)
		assert.Equal(t, i == 0, fresh, "told again it is nothing new")
		if fresh {
			assert.Equal(t, []string{"ReferralRequest/1/_history/3-p1~gone pending 0"}, w.due())
			w.settle(Settlement{Ref: fhirRef("3-p1~gone"), Fate: Applied})
		}
	}
	w.observe(Sighting{Ref: fhirRef("3-p2"), Body: body("1", "3", "active")})
	assert.Empty(t, w.due(), "a page of a copy that lags undoes no deletion")

	_, err := w.Keep(t.Context(), "ers", fhirRef("3-p1"), body("1", "3", "active"))
	require.NoError(t, err)
	assert.Equal(t, []string{"ReferralRequest/1/_history/3-p1~back pending 0"}, w.due(), "a read is the truth")
	w.settle(Settlement{Ref: fhirRef("3-p1~back"), Fate: Applied})
	_, err = w.Keep(t.Context(), "ers", fhirRef("3-p1"), body("1", "3", "active"))
	require.NoError(t, err)
	assert.Empty(t, w.due())
	w.observe(Sighting{Ref: fhirRef("3-p3"), Body: body("1", "3", "active")})
	assert.Equal(t, []string{"ReferralRequest/1/_history/3-p3~back pending 0"}, w.due(), "its patient has moved on")
	w.observe(Sighting{Ref: fhirRef("4-p3"), Body: body("1", "4", "completed")})
	assert.Equal(t, []string{"ReferralRequest/1/_history/4-p3 pending 0"}, w.due())
	assert.NoError(t, w.Verify(t.Context()))
}

func (w *world) fatesOf(fate Fate) []string {
	w.t.Helper()
	entries, err := w.Entries(w.t.Context(), Filter{Source: "ers", Fates: []Fate{fate}})
	w.must(err)
	var out []string
	for _, e := range entries {
		out = append(out, e.Ref.String()+" "+string(e.Fate)+" "+e.Reason.Code)
	}
	return out
}

func TestALedgerOfAnEarlierSchemaKeepsItsHashes(t *testing.T) {
	v := versionRow{source: "ers", typ: "ReferralRequest", id: "1", version: "3", fate: string(Applied)}
	before := rowHash(&v)
	v.updated = 5
	assert.NotEqual(t, before, rowHash(&v))
	v.updated, v.beside = 0, 5
	moved := rowHash(&v)
	v.updated, v.beside = 5, 0
	assert.NotEqual(t, moved, rowHash(&v))
	v.updated = 0
	assert.Equal(t, before, rowHash(&v), "columns that came later count where they are set")
	assert.Equal(t, "11a918d924", before[:10], "as schema 2 had it")
}
