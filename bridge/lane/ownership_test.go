package lane_test

import (
	"bytes"
	"regexp"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"refbridge/fhir"
	"refbridge/ledger"
)

func TestFinding_server_MP2_AnAppointmentThatMovesToAnotherReferralIsHeldAndNotCalledApplied(t *testing.T) {
	// Before: an appointment stands under its referral. The source hangs it under another one.
	w := newWorld(t, setting{memory: true, ward: 12})
	require.NoError(t, w.ward.Poll(t.Context()))
	due, err := w.ledger.Due(t.Context(), "ward", ledger.Turn{})
	require.NoError(t, err)
	w.sync(w.ward)
	w.wait(2 * time.Minute)
	w.sync(w.ward)
	based := regexp.MustCompile(`"basedOn":\[\{"reference":"ServiceRequest/([^"]+)"`)
	var moved ledger.Work
	old, other := "", ""
	for _, d := range due {
		m := based.FindSubmatch(d.Body)
		if len(m) != 2 || w.row("ServiceAppointment", "ward.ap."+d.Ref.ID) == nil {
			continue
		}
		switch {
		case moved.Body == nil:
			moved, old = d, string(m[1])
		case string(m[1]) != old && w.row("ClinicalServiceRequest", "ward.sr."+string(m[1])) != nil:
			other = string(m[1])
		}
	}
	require.NotEmpty(t, other)
	before := w.row("ServiceAppointment", "ward.ap."+moved.Ref.ID)
	w.observe(moved.Ref, "9", bytes.ReplaceAll(moved.Body, []byte("ServiceRequest/"+old+`"`), []byte("ServiceRequest/"+other+`"`)))
	w.sync(w.ward)

	held, err := w.ledger.Entries(t.Context(), ledger.Filter{Source: "ward", Ref: moved.Ref.Current(), Fates: []ledger.Fate{ledger.Held}})
	require.NoError(t, err)
	require.Len(t, held, 1)
	assert.Contains(t, []string{"moved", "appointment-patient"}, held[0].Reason.Code)
	if held[0].Reason.Code == "moved" {
		assert.Contains(t, held[0].Reason.Text, "ward.sr."+old)
		assert.Contains(t, held[0].Reason.Text, "ward.sr."+other)
	}
	assert.Equal(t, before, w.row("ServiceAppointment", "ward.ap."+moved.Ref.ID), "nothing of it is written")
}

func TestFinding_clients_J2_AnAppointmentNumberFromAnotherReferralTouchesNothing(t *testing.T) {
	// Before: the referral of one patient has an appointment. Another patient's referral comes with the same number.
	w := newWorld(t, setting{memory: true, referrals: 20})
	w.run(w.eRS)
	number := regexp.MustCompile(`"reference":"Appointment/([0-9]+)`)
	bodies := map[string][]byte{}
	var refs []fhir.Reference
	for _, r := range w.ers.Referrals() {
		if r.State != "BOOKED" || w.row("ClinicalServiceRequest", "ers.sr."+r.UBRN) == nil {
			continue
		}
		ref, body, err := w.eRS.Source.Read(t.Context(), fhir.Reference{Type: "ReferralRequest", ID: r.UBRN})
		require.NoError(t, err)
		if m := number.FindSubmatch(body); m != nil && w.row("ServiceAppointment", "ers.ap."+string(m[1])) != nil {
			refs = append(refs, ref)
			bodies[ref.ID] = body
		}
	}
	require.GreaterOrEqual(t, len(refs), 2)
	one, two := refs[0], refs[1]
	first := string(number.FindSubmatch(bodies[one.ID])[1])
	second := string(number.FindSubmatch(bodies[two.ID])[1])
	before := w.row("ServiceAppointment", "ers.ap."+first)

	same := bytes.ReplaceAll(bodies[two.ID], []byte("Appointment/"+second), []byte("Appointment/"+first))
	same = bytes.ReplaceAll(same, []byte(`"versionId":"`+two.Version+`"`), []byte(`"versionId":"90"`))
	two.Version = "90"
	require.NoError(t, w.ledger.Observe(t.Context(), ledger.Answer{Source: "ers"}, []ledger.Sighting{{Ref: two, Body: same}}))
	w.sync(w.eRS)
	held := w.entry(two.ID)
	assert.Equal(t, "row-of-another", held.Reason.Code)
	assert.Contains(t, held.Reason.Text, one.ID)
	assert.Contains(t, held.Reason.Text, two.ID)
	assert.Equal(t, before, w.row("ServiceAppointment", "ers.ap."+first))

	// The other referral loses its booking: the row of the first one is not canceled by it.
	gone := regexp.MustCompile(`\{[^{}]*Extension-eRS-Appointment-Reference-1"[^{}]*\{[^{}]*\}\},?`).ReplaceAll(same, nil)
	gone = bytes.ReplaceAll(gone, []byte(`"versionId":"90"`), []byte(`"versionId":"91"`))
	two.Version = "91"
	require.NoError(t, w.ledger.Observe(t.Context(), ledger.Answer{Source: "ers"}, []ledger.Sighting{{Ref: two, Body: gone}}))
	w.sync(w.eRS)
	assert.Equal(t, before, w.row("ServiceAppointment", "ers.ap."+first))
}
