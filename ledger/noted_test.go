package ledger

import (
	"testing"
	"time"

	"github.com/stretchr/testify/assert"

	"refbridge/fhir"
)

// What is applied with a reason is listed by it, for as long as it is asked for, and what was read of it is given out.
func TestWhatIsAppliedWithAReasonIsListedByIt(t *testing.T) {
	w := newWorld(t)
	at := func(id string) fhir.Reference { return fhir.Reference{Type: "ReferralRequest", ID: id, Version: "1"} }
	for _, id := range []string{"plain", "noted", "held"} {
		w.observe(Sighting{Ref: at(id), Body: []byte(`{"id":"` + id + `"}`)})
	}
	reason := Reason{Code: "patient-kept", Text: "the source changed the patient's name"}
	w.settle(Settlement{Ref: at("plain"), Fate: Applied}, Settlement{Ref: at("noted"), Fate: Applied, Reason: reason},
		Settlement{Ref: at("held"), Fate: Held, Reason: reason, Next: Never()})
	listed := func(code string, ago time.Duration) (ids []string) {
		list, err := w.Noted(t.Context(), code, w.now.Add(-ago))
		w.must(err)
		for _, e := range list {
			ids = append(ids, e.Ref.ID)
		}
		return ids
	}
	assert.Equal(t, []string{"noted"}, listed("patient-kept", time.Hour))
	assert.Empty(t, listed("patient-kept", -time.Hour), "not since then")
	assert.Empty(t, listed("mapping", time.Hour), "another reason")
	body, err := w.Body(t.Context(), "ers", at("noted"))
	w.must(err)
	assert.JSONEq(t, `{"id":"noted"}`, string(body))
	body, err = w.Body(t.Context(), "ers", at("nobody"))
	w.must(err)
	assert.Empty(t, body)
	w.must(w.Close())
	_, err = w.Noted(t.Context(), "patient-kept", time.Time{})
	assert.Error(t, err)
	w.open()
}
