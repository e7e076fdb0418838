package ledger

import (
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"refbridge/sfdc/sobject"
)

func TestAnImageIsWhatWasLastSyncedWithEveryKindOfValue(t *testing.T) {
	w := newWorld(t)
	w.observe(Sighting{Ref: ref("1", "1")})
	to := sobject.Target{Object: "Account", Field: "nhsNumber"}
	full := record("ClinicalServiceRequest", "ers.sr.1", field("Status", "Active"),
		sobject.Field{Name: "Urgent__c", Value: sobject.BoolValue(true), Owner: sobject.Latest},
		sobject.Field{Name: "Score__c", Value: sobject.NumberValue("1.50")},
		sobject.Field{Name: "Start", Value: sobject.DateTimeValue(start()), KeepIfAbsent: true},
		sobject.Field{Name: "PatientId", Value: sobject.LookupValue(to, "9990000018")},
		sobject.Field{Name: "Empty__c"})
	w.settle(Settlement{Ref: ref("1", "1"), Fate: Applied, Images: imagesOf(record("ClinicalServiceRequest", "ers.sr.1"))})
	w.settle(Settlement{Ref: ref("1", "1"), Fate: Applied, Images: imagesOf(full)})

	got, found := image(t, w.Ledger, "ClinicalServiceRequest", "ers.sr.1")
	require.True(t, found)
	assert.Equal(t, full, got)
	_, found = image(t, w.Ledger, "Account", "ers.sr.1")
	assert.False(t, found)
}

func TestARecordThatSeveralRefsShareBelongsToEachOfThem(t *testing.T) {
	w := newWorld(t)
	w.observe(Sighting{Ref: ref("1", "1")}, Sighting{Ref: ref("2", "1")})
	shared, one, two := record("Account", "p"), record("ClinicalServiceRequest", "ers.sr.1"), record("ClinicalServiceRequest", "ers.sr.2")
	w.settle(Settlement{Ref: ref("1", "1"), Fate: Applied, Images: imagesOf(shared, one)},
		Settlement{Ref: ref("2", "1"), Fate: Applied, Images: imagesOf(shared, two)})

	for id, want := range map[string]sobject.Record{"1": one, "2": two} {
		images := imagesOfRef(t, w.Ledger, "ers", ref(id))
		assert.Equal(t, []sobject.Record{shared, want}, images)
	}
	rows, err := w.Rows(t.Context(), "ClinicalServiceRequest", []string{"ers.sr.2", "ers.sr.3", "ers.sr.1"})
	require.NoError(t, err)
	require.Len(t, rows, 2)
	assert.Equal(t, one, rows["ers.sr.1"].Image.Record)
	assert.Equal(t, two, rows["ers.sr.2"].Image.Record)
}

func TestWhatIsKnownOfARowComesBackWhole(t *testing.T) {
	w := newWorld(t)
	w.observe(Sighting{Ref: ref("1", "1")})
	at := start().Add(time.Hour)
	known := Image{Record: sobject.Record{Object: "ServiceAppointment", Key: sobject.Key{Field: "Bridge_Key__c", Value: "k"}, ID: "08p", Modified: at,
		Fields: []sobject.Field{field("Status", "Scheduled")}}, Unseen: true, Deleted: true, Unclear: []string{"Subject"},
		Said: []sobject.Field{{Name: "Start", Value: sobject.DateTimeValue(at), Owner: sobject.Latest, KeepIfAbsent: true}},
		Carried: []Carried{{Field: "Status", Value: sobject.TextValue("Canceled"), Against: "3", Made: "4", Seen: true, After: sobject.TextValue(`,"state":{`)},
			{Field: "Subject", Value: sobject.TextValue("x")}}}
	plain := Image{Record: record("Account", "p", field("Name", `,"state":{"unseen":true}`))}
	w.settle(Settlement{Ref: ref("1", "1"), Fate: Held, Images: []Image{known, plain}})

	rows, err := w.RowsOf(t.Context(), "ers", ref("1"))
	require.NoError(t, err)
	require.Len(t, rows, 2)
	assert.Equal(t, known, rows[0].Image)
	assert.Equal(t, plain, rows[1].Image)
	assert.NoError(t, w.Verify(t.Context()))
}

func TestDoubtRule06_TheRowsOfARefAreThoseThatMayExist(t *testing.T) {
	w := newWorld(t)
	w.observe(Sighting{Ref: ref("1", "1")}, Sighting{Ref: ref("2", "1")})
	meant := record("ServiceAppointment", "ap.1", field("Status", "Scheduled"))
	ids, err := w.Intend(t.Context(), []Intent{
		{Source: "ers", Ref: ref("1", "1"), Object: "ServiceAppointment", Key: "ap.1", Meant: meant, Creates: true},
		{Source: "ers", Ref: ref("2", "1"), Object: "ServiceAppointment", Key: "ap.2", Meant: meant}})
	require.NoError(t, err)

	rows, err := w.RowsOf(t.Context(), "ers", ref("1"))
	require.NoError(t, err)
	require.Len(t, rows, 1)
	assert.Equal(t, "ap.1", rows[0].Key)
	assert.False(t, rows[0].Known)
	require.Len(t, rows[0].Open, 1)
	assert.Equal(t, meant, rows[0].Open[0].Meant)
	assert.Equal(t, ref("1"), rows[0].Ref)

	w.must(w.Probed(t.Context(), []Probe{{Source: "ers", Ref: ref("1", "1"), Images: imagesOf(meant), Intents: ids[:1]}}))
	rows, err = w.RowsOf(t.Context(), "ers", ref("1"))
	require.NoError(t, err)
	require.Len(t, rows, 1)
	assert.True(t, rows[0].Known)
	assert.Empty(t, rows[0].Open)
	assert.NoError(t, w.Verify(t.Context()))
}

func TestTheRefOfAKeyIsFoundBySettlementOrIntent(t *testing.T) {
	w := newWorld(t)
	_, _, err := w.RefOfKey(t.Context(), "ClinicalServiceRequest", "ers.sr.1")
	require.ErrorIs(t, err, ErrNotFound)
	w.observe(Sighting{Ref: ref("1", "1")})
	w.must(intend(t.Context(), w.Ledger, []Intent{{ID: "op", Source: "ers", Ref: ref("1", "1"), Object: "ClinicalServiceRequest", Key: "ers.sr.1"}}))
	for range 2 {
		source, found, err := w.RefOfKey(t.Context(), "ClinicalServiceRequest", "ers.sr.1")
		require.NoError(t, err)
		assert.Equal(t, "ers", source)
		assert.Equal(t, ref("1"), found)
		w.settle(Settlement{Ref: ref("1", "1"), Fate: Applied, Images: imagesOf(record("ClinicalServiceRequest", "ers.sr.1")), Intents: []string{"op"}})
	}
}

func TestAPurgeErasesWhatIsOverAndKeepsWhatIsInFlightOrLive(t *testing.T) {
	w := newWorld(t)
	read, err := w.Receive(t.Context(), Answer{Source: "ers", Body: []byte("read")}, Cursor{})
	require.NoError(t, err)
	_, err = w.Receive(t.Context(), Answer{Source: "ers", Body: []byte("unread")}, Cursor{})
	require.NoError(t, err)
	var seen []Sighting
	for _, id := range []string{"applied", "dead", "held", "pending", "terminal"} {
		seen = append(seen, Sighting{Ref: ref(id, "1"), Body: body(id, "1", "active")})
	}
	w.must(w.Observe(t.Context(), Answer{ID: read, Source: "ers"}, seen))
	shared, own := record("Account", "shared"), record("ClinicalServiceRequest", "own")
	w.settle(Settlement{Ref: ref("applied", "1"), Fate: Applied, Images: imagesOf(shared)},
		Settlement{Ref: ref("terminal", "1"), Fate: Applied, Known: &Known{Terminal: true}, Images: imagesOf(shared, own)},
		Settlement{Ref: ref("dead", "1"), Fate: Dead}, Settlement{Ref: ref("held", "1"), Fate: Held})
	old := w.ciphertexts()
	require.Len(t, old, 9)
	before := w.statement()

	n, err := w.Purge(t.Context(), start())
	require.NoError(t, err)
	assert.Zero(t, n, "nothing is older than the time")
	w.now = w.now.Add(30 * 24 * time.Hour)
	n, err = w.Purge(t.Context(), w.now)
	require.NoError(t, err)
	assert.Equal(t, 5, n, "three bodies, one answer, one image")

	left := w.ciphertexts()
	for place, sealed := range old {
		_, kept := left[place]
		assert.Equal(t, kept, w.onDisk(sealed), place)
	}
	assert.Len(t, left, 4)
	assert.Equal(t, before, w.statement())
	assert.NoError(t, w.Verify(t.Context()))

	unread := w.unread("ers")
	require.Len(t, unread, 1)
	assert.Equal(t, []byte("unread"), unread[0].Body)
	images := imagesOfRef(t, w.Ledger, "ers", ref("terminal"))
	assert.Equal(t, []sobject.Record{shared}, images, "a live referral needs it")
	_, found, err := w.RefOfKey(t.Context(), "ClinicalServiceRequest", "own")
	require.NoError(t, err)
	assert.Equal(t, ref("terminal"), found, "the key stays known")
	rows, err := w.Rows(t.Context(), "ClinicalServiceRequest", []string{"own"})
	require.NoError(t, err)
	assert.True(t, rows["own"].Purged, "so does that the row was there")
	assert.False(t, rows["own"].Known)
	n, err = w.Purge(t.Context(), w.now)
	require.NoError(t, err)
	assert.Zero(t, n)
}

func TestWhatIsSeenAgainAfterAPurgeIsStillKnownAndADeadOneIsReadAgain(t *testing.T) {
	w := newWorld(t)
	w.observe(Sighting{Ref: ref("1", "1"), Body: body("1", "1", "active")}, Sighting{Ref: ref("2", "1"), Body: body("2", "1", "active")})
	w.settle(Settlement{Ref: ref("1", "1"), Fate: Applied}, Settlement{Ref: ref("2", "1"), Fate: Dead})
	w.now = w.now.Add(time.Hour)
	_, err := w.Purge(t.Context(), w.now)
	require.NoError(t, err)

	w.observe(Sighting{Ref: ref("1", "1"), Body: body("1", "1", "active")})
	assert.Empty(t, w.due())
	assert.Empty(t, w.ciphertexts(), "and its body does not come back")
	_, err = w.Reopen(t.Context(), "ers", ref("2"))
	require.NoError(t, err)
	work, err := w.Due(t.Context(), "ers", Turn{})
	require.NoError(t, err)
	require.Len(t, work, 1)
	assert.Nil(t, work[0].Body)
	fresh, err := w.Keep(t.Context(), "ers", ref("2", "1"), body("2", "1", "active"))
	require.NoError(t, err)
	assert.True(t, fresh)
	work, err = w.Due(t.Context(), "ers", Turn{})
	require.NoError(t, err)
	assert.Equal(t, body("2", "1", "active"), work[0].Body)
}
