package ledger

import (
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"refbridge/fhir"
	"refbridge/sfdc/sobject"
)

func TestASettlementWritesEverythingDownAndSurvivesARestart(t *testing.T) {
	w := newWorld(t)
	w.observe(Sighting{Ref: ref("1", "5"), Body: body("1", "5", "active")})
	intents := []Intent{
		{ID: "op-1", Source: "ers", Ref: ref("1", "5"), Object: "ClinicalServiceRequest", Key: "ers.sr.1", Digest: "sent-1", Tables: "t1", Deadline: start(), Created: start()},
		{ID: "op-2", Source: "ers", Ref: ref("1", "5"), Object: "ServiceAppointment", Key: "ers.ap.1", Digest: "sent-2", Tables: "t1", Created: start()},
	}
	w.must(intend(t.Context(), w.Ledger, intents))
	w.restart()
	unresolved, err := w.Unresolved(t.Context())
	require.NoError(t, err)
	assert.Equal(t, intents, unresolved)

	known := Known{Version: "5", Digest: "content", Tables: "t1", Patient: "token"}
	account, request := record("Account", "hmac.1", field("LastName", "Ashworth")), record("ClinicalServiceRequest", "ers.sr.1", field("Status", "Active"))
	w.settle(Settlement{Ref: ref("1", "5"), Fate: Applied, Known: &known, Images: imagesOf(account, request), Intents: []string{"op-1"}})
	w.restart()

	got, err := w.Known(t.Context(), "ers", ref("1", "99"))
	require.NoError(t, err)
	assert.Equal(t, known, got)
	unresolved, err = w.Unresolved(t.Context())
	require.NoError(t, err)
	assert.Equal(t, intents[1:], unresolved)
	images := imagesOfRef(t, w.Ledger, "ers", ref("1"))
	assert.Equal(t, []sobject.Record{account, request}, images, "parents first")
	assert.Equal(t, Statement{Observed: 1, Applied: 1}, w.statement())
	assert.Equal(t, [][4]string{
		{"", "", "content", "applied"},
		{"ClinicalServiceRequest", "ers.sr.1", "sent-1", "applied"},
		{"Account", "hmac.1", "", "applied"},
	}, w.chain())
	assert.NoError(t, w.Verify(t.Context()))
}

// chain gives object, key, digest and fate of each entry.
func (w *world) chain() [][4]string {
	w.t.Helper()
	var out [][4]string
	w.must(eachLink(w.t.Context(), w.read, func(k link) {
		out = append(out, [4]string{k.object, k.key, k.digest, k.fate})
	}, selectLinks+` ORDER BY seq`))
	return out
}

func TestEachWriteIsInTheChainOnceAlsoWhenItWasTriedTwice(t *testing.T) {
	w := newWorld(t)
	w.observe(Sighting{Ref: ref("1", "5")})
	for _, id := range []string{"op-1", "op-2"} {
		w.must(intend(t.Context(), w.Ledger, []Intent{{ID: id, Source: "ers", Ref: ref("1", "5"), Object: "Account", Key: "k", Digest: id}}))
	}
	w.settle(Settlement{Ref: ref("1", "5"), Fate: Applied, Intents: []string{"op-1", "op-2"}, Images: imagesOf(record("Account", "k"))})
	w.settle(Settlement{Ref: ref("1", "5"), Fate: Applied, Intents: []string{"op-1", "op-2"}})
	assert.Equal(t, [][4]string{
		{"", "", "", "applied"}, {"Account", "k", "op-1", "applied"}, {"Account", "k", "op-2", "applied"}, {"", "", "", "applied"},
	}, w.chain())
	assert.NoError(t, w.Verify(t.Context()))
}

func TestFatesThatWaitAreDueAgainAtTheirTime(t *testing.T) {
	for _, fate := range []Fate{Pending, Held, Unknown} {
		w := newWorld(t)
		w.observe(Sighting{Ref: ref("1", "5")})
		w.settle(Settlement{Ref: ref("1", "5"), Fate: fate, Reason: Reason{Code: "busy"}, Next: w.now.Add(15 * time.Minute)})
		assert.Empty(t, w.due())
		w.now = w.now.Add(15 * time.Minute)
		assert.Equal(t, []string{"ReferralRequest/1/_history/5 " + string(fate) + " 1"}, w.due())
		w.settle(Settlement{Ref: ref("1", "5"), Fate: fate, Reason: Reason{Code: "busy"}})
		assert.Equal(t, []string{"ReferralRequest/1/_history/5 " + string(fate) + " 2"}, w.due(), "no time: at once")
		w.settle(Settlement{Ref: ref("1", "5"), Fate: fate, Next: Never()})
		w.now = w.now.AddDate(1000, 0, 0)
		assert.Empty(t, w.due())
	}
}

func TestFinalFatesAreNotDueAndCountAttemptsUnlessSuperseded(t *testing.T) {
	for fate, attempts := range map[Fate]int{Dead: 1, Superseded: 0} {
		w := newWorld(t)
		w.observe(Sighting{Ref: ref("1", "5")})
		reason := Reason{Code: "c", Text: "t", Rule: "r.yaml:1", Field: "f"}
		w.settle(Settlement{Ref: ref("1", "5"), Fate: fate, Reason: reason, Next: w.now})
		assert.Empty(t, w.due())
		entries, err := w.Entries(t.Context(), Filter{Source: "ers", Ref: ref("1", "5"), Limit: 1})
		require.NoError(t, err)
		assert.Equal(t, []Entry{{Source: "ers", Ref: ref("1", "5"), Fate: fate, Reason: reason, Attempts: attempts, First: start(), Changed: start()}}, entries)
	}
}

func TestKnownIsUpdatedWhenAppliedOrWhenGivenAndNeverGoesDown(t *testing.T) {
	w := newWorld(t)
	known := func() Known {
		k, err := w.Known(t.Context(), "ers", ref("1"))
		require.NoError(t, err)
		return k
	}
	assert.Equal(t, Known{}, known())
	w.observe(Sighting{Ref: ref("1", "5")})
	w.settle(Settlement{Ref: ref("1", "5"), Fate: Applied})
	assert.Equal(t, Known{Version: "5"}, known())

	w.observe(Sighting{Ref: ref("1", "6")})
	w.settle(Settlement{Ref: ref("1", "6"), Fate: Held})
	assert.Equal(t, Known{Version: "5"}, known())
	w.settle(Settlement{Ref: ref("1", "6"), Fate: Superseded, Known: &Known{Version: "6", Digest: "same"}})
	assert.Equal(t, Known{Version: "6", Digest: "same"}, known(), "a version without news is known all the same")

	w.settle(Settlement{Ref: ref("1", "5"), Fate: Applied, Known: &Known{Version: "5", Digest: "old"}, Images: imagesOf(record("Account", "k"))})
	assert.Equal(t, Known{Version: "6", Digest: "same"}, known())
	w.observe(Sighting{Ref: ref("1", "7")})
	w.settle(Settlement{Ref: ref("1", "7"), Fate: Dead, Known: &Known{Version: "4", Digest: "same", Patient: "token"}})
	assert.Equal(t, Known{Version: "6", Digest: "same", Patient: "token"}, known())
	_, found := image(t, w.Ledger, "Account", "k")
	assert.False(t, found)
	assert.Equal(t, []string{"ReferralRequest/1/_history/5 superseded older-version"}, w.fates(ref("1", "5")))
	assert.NoError(t, w.Verify(t.Context()))
}

func TestALateSettlementDoesNotBringBackWhatWasSuperseded(t *testing.T) {
	w := newWorld(t)
	w.observe(Sighting{Ref: ref("1", "5")})
	w.must(intend(t.Context(), w.Ledger, []Intent{{ID: "op", Source: "ers", Ref: ref("1", "5")}}))
	w.observe(Sighting{Ref: ref("1", "6")})
	w.settle(Settlement{Ref: ref("1", "6"), Fate: Applied})
	w.settle(Settlement{Ref: ref("1", "5"), Fate: Held, Reason: Reason{Code: "late"}, Intents: []string{"op"}})

	assert.Equal(t, []string{"ReferralRequest/1/_history/5 superseded newer-version"}, w.fates(ref("1", "5")))
	unresolved, err := w.Unresolved(t.Context())
	require.NoError(t, err)
	assert.Empty(t, unresolved, "its intents are closed all the same")
}

func TestASettlementOfAnOlderVersionLeavesTheNewerOneDue(t *testing.T) {
	w := newWorld(t)
	w.observe(Sighting{Ref: ref("1", "4"), Body: body("1", "4", "a")}, Sighting{Ref: ref("1", "5"), Body: body("1", "5", "a")},
		Sighting{Ref: ref("1", "6"), Body: body("1", "6", "a")})
	w.settle(Settlement{Ref: ref("1", "5"), Fate: Dead})
	assert.Equal(t, []string{"ReferralRequest/1/_history/6 pending 0"}, w.due())
	assert.Equal(t, Statement{Observed: 3, Dead: 1, Pending: 1, Superseded: 1}, w.statement())
}

func TestAnOpenIntentOfASupersededVersionStaysUnresolved(t *testing.T) {
	w := newWorld(t)
	w.observe(Sighting{Ref: ref("1", "5")})
	w.must(intend(t.Context(), w.Ledger, []Intent{{ID: "op", Source: "ers", Ref: ref("1", "5")}}))
	w.settle(Settlement{Ref: ref("1", "5"), Fate: Unknown})
	w.observe(Sighting{Ref: ref("1", "6")})
	w.settle(Settlement{Ref: ref("1", "6"), Fate: Applied})
	unresolved, err := w.Unresolved(t.Context())
	require.NoError(t, err)
	assert.Len(t, unresolved, 1)
}

func TestASettlementThatCannotBeIsRefusedWholeAndChangesNothing(t *testing.T) {
	w := newWorld(t)
	w.observe(Sighting{Ref: ref("1", "5")})
	good := Settlement{Source: "ers", Ref: ref("1", "5"), Fate: Applied}
	for name, bad := range map[string]struct {
		s    Settlement
		want error
	}{
		"never observed":    {Settlement{Source: "ers", Ref: ref("2", "1"), Fate: Applied}, ErrNotFound},
		"no such intent":    {Settlement{Source: "ers", Ref: ref("1", "5"), Fate: Applied, Intents: []string{"nope"}}, ErrNotFound},
		"no such fate":      {Settlement{Source: "ers", Ref: ref("1", "5"), Fate: "lost"}, ErrTransition},
		"an image of whom?": {Settlement{Source: "ers", Ref: ref("1", "5"), Fate: Applied, Images: imagesOf(sobject.Record{Object: "Account"})}, nil},
	} {
		err := w.Settle(t.Context(), []Settlement{good, bad.s})
		require.Error(t, err, name)
		if bad.want != nil {
			assert.ErrorIs(t, err, bad.want, name)
		}
		assert.Equal(t, []string{"ReferralRequest/1/_history/5 pending 0"}, w.due(), name)
	}
	assert.Empty(t, w.chain())
}

func TestDoubtRule01_TheSameWriteSentAgainIsAnotherIntent(t *testing.T) {
	w := newWorld(t)
	again := Intent{Source: "ers", Ref: ref("1", "5"), Object: "Account", Key: "k", Digest: "a", Creates: true, Meant: record("Account", "k", field("Name", "A"))}
	ids, err := w.Intend(t.Context(), []Intent{again, again})
	require.NoError(t, err)
	require.Len(t, ids, 2)
	assert.NotEqual(t, ids[0], ids[1])

	open, err := w.Unresolved(t.Context())
	require.NoError(t, err)
	require.Len(t, open, 2)
	for i := range open {
		assert.Equal(t, ids[i], open[i].ID, "oldest first")
		assert.Equal(t, again.Meant, open[i].Meant)
		assert.True(t, open[i].Creates)
	}
	assert.NoError(t, w.Verify(t.Context()))
}

func TestReopenConcernsTheNewestVersionAndTheMarkOnly(t *testing.T) {
	w := newWorld(t)
	w.observe(Sighting{Ref: ref("1", "5"), Body: body("1", "5", "a")})
	w.settle(Settlement{Ref: ref("1", "5"), Fate: Dead, Reason: Reason{Code: "a"}})
	w.observe(Sighting{Ref: ref("1", "6"), Body: body("1", "6", "a")}, Sighting{Ref: ref("1")})
	w.settle(Settlement{Ref: ref("1", "6"), Fate: Held, Reason: Reason{Code: "b"}, Next: Never()},
		Settlement{Ref: ref("1"), Fate: Unknown, Next: Never()})

	n, err := w.Reopen(t.Context(), "ers", ref("1", "5"))
	require.NoError(t, err)
	assert.Zero(t, n, "5 is dead and 6 is newer")
	n, err = w.Reopen(t.Context(), "ers", ref("1", "6"))
	require.NoError(t, err)
	assert.Equal(t, 1, n)
	assert.Equal(t, []string{"ReferralRequest/1/_history/6 pending 0"}, w.due())
	n, err = w.Reopen(t.Context(), "ers", ref("1"))
	require.NoError(t, err)
	assert.Equal(t, 1, n, "the mark; 6 is pending already")
	n, err = w.Reopen(t.Context(), "ers", ref("77"))
	require.NoError(t, err)
	assert.Zero(t, n)
	assert.Equal(t, Statement{Observed: 3, Dead: 1, Pending: 2}, w.statement())
	assert.NoError(t, w.Verify(t.Context()))
}

func TestLiveRefsAreThoseThatWereAppliedAndAreNotTerminal(t *testing.T) {
	w := newWorld(t)
	for _, id := range []string{"3", "1", "2", "4"} {
		w.observe(Sighting{Ref: ref(id, "1")})
	}
	w.settle(Settlement{Ref: ref("3", "1"), Fate: Applied},
		Settlement{Ref: ref("1", "1"), Fate: Applied, Known: &Known{}},
		Settlement{Ref: ref("2", "1"), Fate: Applied, Known: &Known{Terminal: true}})
	live, err := w.Live(t.Context(), "ers")
	require.NoError(t, err)
	assert.Equal(t, []fhir.Reference{ref("1"), ref("3")}, live)
}

func TestEntriesAreFilteredAndTheLatestChangeComesFirst(t *testing.T) {
	w := newWorld(t)
	w.observe(Sighting{Ref: ref("1", "1")}, Sighting{Ref: ref("2", "1")}, Sighting{Ref: ref("3", "1")})
	w.must(w.Observe(t.Context(), Answer{Source: "fhir"}, []Sighting{{Ref: ref("1", "1")}}))
	w.now = w.now.Add(time.Second)
	w.settle(Settlement{Ref: ref("2", "1"), Fate: Dead})
	ids := func(f Filter) []string {
		entries, err := w.Entries(t.Context(), f)
		require.NoError(t, err)
		out := []string{}
		for _, e := range entries {
			out = append(out, e.Source+" "+e.Ref.ID)
		}
		return out
	}
	assert.Equal(t, []string{"ers 2", "ers 1", "ers 3", "fhir 1"}, ids(Filter{}))
	assert.Equal(t, []string{"ers 1", "fhir 1"}, ids(Filter{Ref: ref("1")}))
	assert.Equal(t, []string{"fhir 1"}, ids(Filter{Source: "fhir"}))
	assert.Equal(t, []string{"ers 2"}, ids(Filter{Fates: []Fate{Held, Dead}}))
	assert.Equal(t, []string{"ers 2", "ers 1"}, ids(Filter{Limit: 2}))
	assert.Empty(t, ids(Filter{Ref: ref("1", "2")}))
}

func TestABudgetIsNotOverspentHoweverOftenTheDaemonRestarts(t *testing.T) {
	w := newWorld(t)
	made := 0
	for range 50 {
		if w.Spend(t.Context(), "a008.svc1", "2026-03-29", 2) == nil {
			made++
		}
		w.restart()
	}
	assert.Equal(t, 2, made)
	assert.ErrorIs(t, w.Spend(t.Context(), "a008.svc1", "2026-03-29", 2), ErrSpent)
	assert.NoError(t, w.Spend(t.Context(), "a008.svc1", "2026-03-30", 2), "another day")
	assert.NoError(t, w.Spend(t.Context(), "a008.svc2", "2026-03-29", 2), "another service")
	assert.NoError(t, w.Spend(t.Context(), "a008.svc1", "2026-03-29", 3), "a raised limit")
	assert.ErrorIs(t, w.Spend(t.Context(), "none", "2026-03-29", 0), ErrSpent)
}
