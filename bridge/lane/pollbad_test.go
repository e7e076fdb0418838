package lane_test

import (
	"fmt"
	"net/http"
	"net/url"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"refbridge/bridge/source"
	"refbridge/ledger"
)

func TestFinding_SEC5_ABadEntryIsOneRecordHoweverOftenItIsPolled(t *testing.T) {
	for name, raw := range map[string]string{
		"a member twice":       `{"resourceType":"ServiceRequest","id":"bad","status":"active","status":"active"}`,
		"half an emoji":        `{"resourceType":"ServiceRequest","id":"bad","patientInstruction":"x \ud83d"}`,
		"a byte of Latin-1":    "{\"resourceType\":\"ServiceRequest\",\"id\":\"bad\",\"patientInstruction\":\"\xe9\"}",
		"no resource":          `{}`,
		"a resource of no use": `{"resourceType":"ServiceRequest"}`,
	} {
		t.Run(name, func(t *testing.T) {
			w := newWard(t)
			w.put("a", time.Minute)
			w.put("bad", time.Minute).raw = raw
			w.put("z", time.Minute)
			w.add("Appointment", "ap", time.Minute)
			_, err := w.poll()
			require.NoError(t, err)
			seen := w.versions()
			assert.Subset(t, seen, map[string]string{"a": "1", "z": "1", "ap": "1"}, "its neighbours, and the other type")
			held := w.entries(ledger.Held)
			require.Len(t, held, 1)
			assert.Equal(t, "unreadable", held[0].Reason.Code)
			named := strings.Contains(raw, `"id":"bad"`)
			assert.Equal(t, named, held[0].Ref.ID == "bad", held[0].Ref)
			stored := w.stored()
			for range 4 {
				w.put("a", 0) // the page is another one each time
				_, err = w.poll()
				require.NoError(t, err)
			}
			assert.Len(t, w.entries(ledger.Held), 1, "not anew at each poll")
			assert.Equal(t, stored+4, w.stored())
			if !named {
				return
			}
			w.put("bad", 0).raw = "" // the source puts it right
			_, err = w.poll()
			require.NoError(t, err)
			assert.Equal(t, "2", newest(t, w, "bad"))
		})
	}
}

// newest returns the version of a record that waits to be decided.
func newest(t *testing.T, w *ward, id string) string {
	t.Helper()
	due, err := w.ledger.Due(t.Context(), "ward", ledger.Turn{At: w.now(), Limit: 1000})
	require.NoError(t, err)
	for _, work := range due {
		if work.Ref.ID == id {
			return work.Ref.Version
		}
	}
	return ""
}

func TestFinding_SEC4_APageOfGarbageIsOneHeldAnswer(t *testing.T) {
	w := newWard(t)
	w.add("Appointment", "ap", time.Minute)
	page := func(id string) string {
		return `{"resourceType":"Bundle","id":"` + id + `","type":"searchset","entry":[` + strings.Repeat("{},", 200_000) + `{}]}`
	}
	for i := range 3 {
		w.raw = page(fmt.Sprint("answer-", i)) // each answer has a name of its own
		_, err := w.poll()
		require.NoError(t, err)
	}
	held := w.entries(ledger.Held)
	require.Len(t, held, 1)
	assert.Equal(t, "unreadable", held[0].Reason.Code)
	assert.Equal(t, "1", w.versions()["ap"])
}

func TestGoodRowsAmongManyBadOnesAreFoundBySmallerPages(t *testing.T) {
	w := newWard(t)
	for i := range 60 {
		row := w.put(fmt.Sprintf("r%02d", i), 2*time.Hour-time.Duration(i)*time.Minute)
		if i%2 == 0 {
			row.raw = fmt.Sprintf(`{"resourceType":"ServiceRequest","id":"r%02d","x":"\ud83d"}`, i)
		}
	}
	_, err := w.poll()
	require.NoError(t, err)
	assert.Len(t, w.versions(), 60)
	assert.Len(t, w.entries(ledger.Held), 30)
}

func TestFinding_inputs_B8_APageThatIsTooLargeIsReadInSmallerOnesDownToOneRecord(t *testing.T) {
	w := newWard(t)
	for i := range 40 {
		w.put(fmt.Sprintf("r%02d", i), 2*time.Hour-time.Duration(i)*time.Minute)
	}
	w.break_ = func(q url.Values, rows []*wardRow) int {
		if q.Get("_elements") == "" && len(rows) > 5 {
			return http.StatusRequestEntityTooLarge // it would be
		}
		return 0
	}
	_, err := w.poll()
	require.NoError(t, err)
	assert.Len(t, w.versions(), 40)
}

func TestFinding_SEC12_ARecordThatIsTooLargeAloneIsHeldAndTheOthersCome(t *testing.T) {
	w := newWard(t)
	for i := range 10 {
		w.put(fmt.Sprintf("r%02d", i), 2*time.Hour-time.Duration(i)*time.Minute)
	}
	huge := w.put("r04", 2*time.Hour-4*time.Minute)
	huge.note = strings.Repeat("x", 17<<20)
	w.break_ = func(q url.Values, _ []*wardRow) int {
		huge.note = strings.Repeat("x", 17<<20)
		if q.Get("_elements") != "" {
			huge.note = ""
		}
		return 0
	}
	_, err := w.poll()
	require.NoError(t, err)
	held := w.entries(ledger.Held)
	require.Len(t, held, 1)
	assert.Equal(t, "r04", held[0].Ref.ID)
	assert.Contains(t, held[0].Reason.Text, "larger than any that is read")
	seen := w.versions()
	assert.Len(t, seen, 10)
	delete(seen, "r04")
	for id, version := range seen {
		assert.Equal(t, "1", version, id)
	}
}

func TestFinding_server_MP12_OneTypeThatFailsLeavesTheOthersAndItsOwnWatermarkAlone(t *testing.T) {
	w := newWard(t)
	w.put("a", time.Hour)
	w.add("Appointment", "ap", time.Hour)
	_, err := w.poll()
	require.NoError(t, err)
	mark := w.Cursor("lastUpdated:ServiceRequest")
	w.wait(time.Hour)
	w.rows["ap"].version, w.rows["ap"].at = 2, w.clock
	w.break_ = func(q url.Values, _ []*wardRow) int {
		if strings.HasSuffix(w.asked[len(w.asked)-1].Path, "/ServiceRequest") {
			return http.StatusForbidden
		}
		return 0
	}
	_, err = w.poll()
	require.ErrorContains(t, err, "poll ServiceRequest")
	assert.Equal(t, "2", w.versions()["ap"])
	assert.Equal(t, mark, w.Cursor("lastUpdated:ServiceRequest"))
	assert.NotEqual(t, mark, w.Cursor("lastUpdated:Appointment"))
}

func TestFinding_inputs_B18_WhatTheServerSaysOfItsOwnAnswerIsTold(t *testing.T) {
	w := newWard(t)
	w.raw = `{"resourceType":"Bundle","type":"searchset","entry":[{"search":{"mode":"outcome"},"resource":{"resourceType":"OperationOutcome",
		"issue":[{"severity":"warning","code":"incomplete","diagnostics":"3 results left out, Plantedname"}]}}]}`
	_, err := w.poll()
	require.NoError(t, err)
	notices, err := source.NoticesOf(t.Context(), w.ledger, "ward")
	require.NoError(t, err)
	require.Len(t, notices, 1)
	assert.Contains(t, notices[0], "incomplete")
	assert.Contains(t, w.log.String(), "incomplete")
	assert.NotContains(t, notices[0]+w.log.String(), "Plantedname")
	w.raw = ""
	_, err = w.poll()
	require.NoError(t, err)
	notices, err = source.NoticesOf(t.Context(), w.ledger, "ward")
	require.NoError(t, err)
	assert.Empty(t, notices)
}

func TestFinding_code_T10_ABackfillMarksWhatItFoundAndNothingElse(t *testing.T) {
	w := newWard(t)
	w.put("live", time.Minute)
	w.put("old", 2000*time.Hour)
	w.put("known", 2000*time.Hour)
	page := []byte(`{"resourceType":"Bundle","type":"searchset","entry":[{"resource":` + w.rows["live"].json() + `}]}`)
	_, err := w.ledger.Receive(t.Context(), ledger.Answer{Source: "ward", Kind: "ServiceRequest", Body: page}, ledger.Cursor{}) // and a crash
	require.NoError(t, err)
	require.NoError(t, w.ledger.Observe(t.Context(), ledger.Answer{Source: "ward"}, sightingsOf(t, w, "known")))
	server := w.flow.Poller.(*source.FHIRServer)
	require.NoError(t, w.flow.Window(t.Context(), server, w.clock.Add(-3000*time.Hour), w.clock.Add(-1000*time.Hour)))
	assert.Equal(t, map[string]string{"live": "1", "old": "1", "known": "1"}, w.versions())
	assert.Equal(t, "backfill", w.Cursor("run:ServiceRequest/old"))
	assert.Empty(t, w.Cursor("run:ServiceRequest/live"), "its automations run")
	assert.Empty(t, w.Cursor("run:ServiceRequest/known"))
	assert.Empty(t, w.Cursor("lastUpdated:ServiceRequest"), "a backfill moves no watermark")
}

func sightingsOf(t *testing.T, w *ward, id string) []ledger.Sighting {
	t.Helper()
	page := `{"resourceType":"Bundle","type":"searchset","entry":[{"resource":` + w.rows[id].json() + `}]}`
	seen, err := w.flow.Poller.Sightings(ledger.Answer{Kind: "ServiceRequest", Body: []byte(page)})
	require.NoError(t, err)
	return seen
}
