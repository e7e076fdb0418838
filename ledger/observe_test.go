package ledger

import (
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"refbridge/fhir"
)

func TestAnAnswerSurvivesARestartUntilItIsObserved(t *testing.T) {
	w := newWorld(t)
	id, err := w.Receive(t.Context(), Answer{Source: "ers", Kind: "worklist", Received: start(), Body: []byte("one")}, Cursor{"since", "a"})
	require.NoError(t, err)
	_, err = w.Receive(t.Context(), Answer{Source: "fhir", Kind: "search"}, Cursor{})
	require.NoError(t, err)
	w.restart()

	unread := w.unread("ers")
	want := Answer{ID: id, Source: "ers", Kind: "worklist", Received: start(), Body: []byte("one")}
	assert.Equal(t, []Answer{want}, unread)
	cursor, err := w.Cursor(t.Context(), "ers", "since")
	require.NoError(t, err)
	assert.Equal(t, "a", cursor)
	cursor, err = w.Cursor(t.Context(), "fhir", "since")
	require.NoError(t, err)
	assert.Empty(t, cursor)
	assert.Equal(t, Statement{Unread: 2}, w.statement())

	for range 2 { // observing twice is observing once
		require.NoError(t, w.Observe(t.Context(), want, []Sighting{{Ref: ref("1", "1")}}))
		assert.Equal(t, Statement{Observed: 1, Pending: 1, Unread: 1}, w.statement())
	}
	assert.Empty(t, w.unread("ers"))
}

func TestAnAnswerThatIsNotThereIsAnErrorAndNothingIsObserved(t *testing.T) {
	w := newWorld(t)
	id, err := w.Receive(t.Context(), Answer{Source: "fhir"}, Cursor{})
	require.NoError(t, err)
	err = w.Observe(t.Context(), Answer{ID: id, Source: "ers"}, []Sighting{{Ref: ref("1", "1")}})
	require.ErrorIs(t, err, ErrNotFound)
	assert.Equal(t, Statement{Unread: 1}, w.statement())
}

func TestTheNewestVersionOfARefIsDueOnceAndInTheOrderOfSighting(t *testing.T) {
	w := newWorld(t)
	w.observe(Sighting{Ref: ref("2", "9")})
	w.now = w.now.Add(time.Minute)
	w.observe(Sighting{Ref: ref("1", "10")}, Sighting{Ref: ref("1", "9")}, Sighting{Ref: ref("2", "9")}, Sighting{Ref: ref("3", "1")})

	assert.Equal(t, []string{
		"ReferralRequest/2/_history/9 pending 0",
		"ReferralRequest/1/_history/10 pending 0",
		"ReferralRequest/3/_history/1 pending 0",
	}, w.due())
	assert.Equal(t, Statement{Observed: 4, Pending: 3, Superseded: 1}, w.statement())
	work, err := w.Due(t.Context(), "ers", Turn{Limit: 1})
	require.NoError(t, err)
	assert.Len(t, work, 1)
	work, err = w.Due(t.Context(), "fhir", Turn{})
	require.NoError(t, err)
	assert.Empty(t, work, "another source")
}

func TestAVersionBelowTheAppliedOneIsSupersededWhenItIsSighted(t *testing.T) {
	w := newWorld(t)
	w.observe(Sighting{Ref: ref("1", "10"), Body: body("1", "10", "active")})
	w.settle(Settlement{Ref: ref("1", "10"), Fate: Applied})
	w.observe(Sighting{Ref: ref("1", "9"), Body: body("1", "9", "draft")})

	assert.Empty(t, w.due())
	assert.Contains(t, w.fates(ref("1", "9")), "ReferralRequest/1/_history/9 superseded older-version")
	assert.Equal(t, Statement{Observed: 2, Applied: 1, Superseded: 1}, w.statement())
}

func TestASightingWithoutVersionAndBodyIsReadOnceHoweverOftenItIsSeen(t *testing.T) {
	w := newWorld(t)
	w.observe(Sighting{Ref: ref("1")}, Sighting{Ref: ref("1")})
	w.observe(Sighting{Ref: ref("1")})
	assert.Equal(t, []string{"ReferralRequest/1 pending 0"}, w.due())
	assert.Equal(t, Statement{Observed: 1, Pending: 1}, w.statement())

	fresh, err := w.Keep(t.Context(), "ers", ref("1", "4"), body("1", "4", "active"))
	require.NoError(t, err)
	assert.True(t, fresh)
	work, err := w.Due(t.Context(), "ers", Turn{})
	require.NoError(t, err)
	require.Len(t, work, 1)
	assert.Equal(t, ref("1", "4"), work[0].Ref)
	assert.Equal(t, body("1", "4", "active"), work[0].Body)
	assert.Equal(t, Statement{Observed: 1, Pending: 1}, w.statement())

	w.settle(Settlement{Ref: ref("1", "4"), Fate: Applied})
	w.observe(Sighting{Ref: ref("1")}) // on the worklist again the next day
	assert.Equal(t, []string{"ReferralRequest/1 pending 0"}, w.due())
	fresh, err = w.Keep(t.Context(), "ers", ref("1", "4"), body("1", "4", "active"))
	require.NoError(t, err)
	assert.False(t, fresh, "this very version is applied")
	assert.Empty(t, w.due())
	assert.Equal(t, Statement{Observed: 1, Applied: 1}, w.statement())
}

func TestAMarkThatCannotBeReadIsHeldLikeAVersionAndIsNeverApplied(t *testing.T) {
	w := newWorld(t)
	w.observe(Sighting{Ref: ref("1")})
	w.settle(Settlement{Ref: ref("1"), Fate: Held, Reason: Reason{Code: "not-visible"}, Next: w.now.Add(time.Hour)})
	assert.Empty(t, w.due())
	w.observe(Sighting{Ref: ref("1")})
	assert.Empty(t, w.due(), "seeing it again does not shorten the wait")
	w.now = w.now.Add(time.Hour)
	assert.Equal(t, []string{"ReferralRequest/1 held 1"}, w.due())
	assert.Equal(t, Statement{Observed: 1, Held: 1}, w.statement())

	for _, fate := range []Fate{Applied, Superseded} {
		err := w.Settle(t.Context(), []Settlement{{Source: "ers", Ref: ref("1"), Fate: fate}})
		assert.ErrorIs(t, err, ErrTransition)
	}
	_, err := w.Keep(t.Context(), "ers", ref("1", "1"), body("1", "1", "active"))
	require.NoError(t, err)
	assert.Equal(t, Statement{Observed: 1, Pending: 1}, w.statement())
	assert.NoError(t, w.Verify(t.Context()))
}

func TestWhileARefIsToBeReadItsOlderVersionWaits(t *testing.T) {
	w := newWorld(t)
	w.observe(Sighting{Ref: ref("1", "4"), Body: body("1", "4", "active")}, Sighting{Ref: ref("1")})
	assert.Equal(t, []string{"ReferralRequest/1 pending 0"}, w.due())

	w.settle(Settlement{Ref: ref("1"), Fate: Held, Reason: Reason{Code: "locked"}, Next: w.now.Add(time.Hour)})
	assert.Equal(t, []string{"ReferralRequest/1/_history/4 pending 0"}, w.due(), "the read waits, the version does not")
}

func TestABodyWithoutVersionGetsOneOfItsContentEvenWhenItComesBack(t *testing.T) {
	w := newWorld(t)
	a, b := body("1", "", "active"), body("1", "", "draft")
	for _, content := range [][]byte{a, a, b, b, a, a, b} {
		w.observe(Sighting{Ref: ref("1"), Body: content})
		work, err := w.Due(t.Context(), "ers", Turn{})
		require.NoError(t, err)
		if len(work) == 0 {
			continue
		}
		require.Equal(t, content, work[0].Body)
		w.settle(Settlement{Ref: work[0].Ref, Fate: Applied})
	}
	var versions []string
	entries, err := w.Entries(t.Context(), Filter{Source: "ers"})
	require.NoError(t, err)
	for _, e := range entries {
		versions = append(versions, e.Ref.Version)
		assert.Equal(t, Applied, e.Fate)
	}
	short := func(content []byte) string { return "d-" + shortDigest(content) }
	assert.Equal(t, []string{short(b) + ".2", short(a) + ".2", short(b), short(a)}, versions)
}

func TestAnUnreadableEntryIsHeldWithItsReasonEvenWithoutAReference(t *testing.T) {
	w := newWorld(t)
	why := Reason{Code: "unreadable-entry", Text: "no UBRN", Field: "entry[3]"}
	for range 2 {
		w.observe(Sighting{Ref: ref("1", "2"), Body: []byte(`{"x":1}`), Reason: why}, Sighting{Body: []byte(`{"y":1}`), Reason: why})
	}
	assert.Empty(t, w.due())
	entries, err := w.Entries(t.Context(), Filter{Fates: []Fate{Held}})
	require.NoError(t, err)
	require.Len(t, entries, 2)
	for _, e := range entries {
		assert.Equal(t, why, e.Reason)
		assert.Equal(t, Never(), e.Next)
	}
	assert.Equal(t, Statement{Observed: 2, Held: 2}, w.statement())

	n, err := w.Reopen(t.Context(), "ers", ref("1"))
	require.NoError(t, err)
	assert.Equal(t, 1, n)
	assert.Equal(t, []string{"ReferralRequest/1/_history/2 pending 0"}, w.due())
}

func TestAnUnreadableEntryDoesNotDisturbAVersionThatIsKnown(t *testing.T) {
	w := newWorld(t)
	w.observe(Sighting{Ref: ref("1", "2"), Body: body("1", "2", "active")})
	w.observe(Sighting{Ref: ref("1", "2"), Body: []byte(`{"x":1}`), Reason: Reason{Code: "unreadable-entry"}})
	assert.Equal(t, []string{"ReferralRequest/1/_history/2 pending"}, w.fates(ref("1")))
}

func TestTheSameVersionWithOtherContentIsHeldAndReopenAppliesTheNewContent(t *testing.T) {
	for _, before := range []Fate{Pending, Applied, Dead, Superseded} {
		w := newWorld(t)
		w.observe(Sighting{Ref: ref("1", "5"), Body: body("1", "5", "active")})
		w.settle(Settlement{Ref: ref("1", "5"), Fate: before})
		w.observe(Sighting{Ref: ref("1", "5"), Body: body("1", "5", "draft")})
		assert.Equal(t, []string{"ReferralRequest/1/_history/5 held same-version-other-content"}, w.fates(ref("1")), before)
		assert.Empty(t, w.due())
		fresh, err := w.Keep(t.Context(), "ers", ref("1", "5"), body("1", "5", "draft"))
		require.NoError(t, err)
		assert.False(t, fresh, "not to be applied before a person has looked")

		_, err = w.Reopen(t.Context(), "ers", ref("1"))
		require.NoError(t, err)
		work, err := w.Due(t.Context(), "ers", Turn{})
		require.NoError(t, err)
		require.Len(t, work, 1)
		assert.Equal(t, body("1", "5", "draft"), work[0].Body)
		assert.NoError(t, w.Verify(t.Context()))
	}
}

func TestTheSameContentWrittenInAnotherWayIsTheSameContent(t *testing.T) {
	w := newWorld(t)
	w.observe(Sighting{Ref: ref("1", "5"), Body: body("1", "5", "active")})
	w.observe(Sighting{Ref: ref("1", "5"), Body: []byte(`{ "id":"1", "status":"active", "resourceType":"ReferralRequest", "meta":{"versionId":"5"} }`)})
	assert.Equal(t, []string{"ReferralRequest/1/_history/5 pending"}, w.fates(ref("1")))
}

func TestAReadFillsTheVersionThatWasOnlyHintedAt(t *testing.T) {
	w := newWorld(t)
	w.observe(Sighting{Ref: ref("1", "5")})
	work, err := w.Due(t.Context(), "ers", Turn{})
	require.NoError(t, err)
	require.Len(t, work, 1)
	assert.Nil(t, work[0].Body)

	fresh, err := w.Keep(t.Context(), "ers", ref("1", "5"), body("1", "5", "active"))
	require.NoError(t, err)
	assert.True(t, fresh)
	w.restart()
	work, err = w.Due(t.Context(), "ers", Turn{})
	require.NoError(t, err)
	require.Len(t, work, 1)
	assert.Equal(t, body("1", "5", "active"), work[0].Body)
}

func TestAReadThatFindsAHigherVersionClosesTheNamedOne(t *testing.T) {
	w := newWorld(t)
	w.observe(Sighting{Ref: ref("1", "5")})
	fresh, err := w.Keep(t.Context(), "ers", ref("1", "7"), body("1", "7", "active"))
	require.NoError(t, err)
	assert.True(t, fresh)
	assert.Equal(t, []string{"ReferralRequest/1/_history/7 pending 0"}, w.due())
	assert.Equal(t, []string{"ReferralRequest/1/_history/5 superseded newer-version"}, w.fates(ref("1", "5")))
	assert.Equal(t, Statement{Observed: 2, Pending: 1, Superseded: 1}, w.statement())
}

func TestAReadThatFindsALowerVersionThanTheAppliedOneIsNotFresh(t *testing.T) {
	w := newWorld(t)
	w.observe(Sighting{Ref: ref("1", "7")})
	w.settle(Settlement{Ref: ref("1", "7"), Fate: Applied})
	fresh, err := w.Keep(t.Context(), "ers", ref("1", "6"), body("1", "6", "active"))
	require.NoError(t, err)
	assert.False(t, fresh)
	assert.Equal(t, []string{"ReferralRequest/1/_history/6 superseded older-version"}, w.fates(ref("1", "6")))
}

func TestAReadOfNothingIsAnError(t *testing.T) {
	w := newWorld(t)
	_, err := w.Keep(t.Context(), "ers", ref("1", "6"), nil)
	require.Error(t, err)
	assert.Equal(t, Statement{}, w.statement())
}

func TestASourceThatChangesFromNumbersToNoneKeepsTheLatestSightingNewest(t *testing.T) {
	w := newWorld(t)
	w.observe(Sighting{Ref: ref("1", "5"), Body: body("1", "5", "active")})
	w.settle(Settlement{Ref: ref("1", "5"), Fate: Applied})
	w.observe(Sighting{Ref: ref("1"), Body: body("1", "", "draft")})
	w.observe(Sighting{Ref: ref("1", "4")}) // a late one of the old kind
	version := "d-" + shortDigest(body("1", "", "draft"))
	assert.Equal(t, []string{"ReferralRequest/1/_history/" + version + " pending 0"}, w.due())
	w.settle(Settlement{Ref: fhir.Reference{Type: "ReferralRequest", ID: "1", Version: version}, Fate: Applied})
	assert.Empty(t, w.due())
	assert.NoError(t, w.Verify(t.Context()))
}

func TestACursorMovesByItselfToo(t *testing.T) {
	w := newWorld(t)
	for _, value := range []string{"a", "b"} {
		w.must(w.SetCursor(t.Context(), "ers", Cursor{"polled", value}))
		w.restart()
		got, err := w.Cursor(t.Context(), "ers", "polled")
		require.NoError(t, err)
		assert.Equal(t, value, got)
	}
	assert.NoError(t, w.Verify(t.Context()))
}

func TestWhatIsToBeReadIsWhatIsDueWithoutABody(t *testing.T) {
	w := newWorld(t)
	w.observe(Sighting{Ref: ref("1", "1"), Body: body("1", "1", "active")}, Sighting{Ref: ref("2", "1")}, Sighting{Ref: ref("3")},
		Sighting{Ref: ref("4", "1")})
	w.settle(Settlement{Ref: ref("4", "1"), Fate: Held, Next: w.now.Add(time.Hour)})
	work, err := w.ToRead(t.Context(), "ers")
	require.NoError(t, err)
	require.Len(t, work, 2)
	assert.Equal(t, ref("2", "1"), work[0].Ref)
	assert.Equal(t, ref("3"), work[1].Ref)
}
