package erssim

import (
	"encoding/json"
	"slices"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

func index(rows []Referral) map[string]Referral {
	out := map[string]Referral{}
	for _, r := range rows {
		out[r.UBRN] = r
	}
	return out
}

func TestEvolveChangesReferralsAsTheStateMachineAllows(t *testing.T) {
	c := start(t, Options{Referrals: 200})
	before := index(c.sim.Referrals())

	events := c.sim.Evolve(Changes{Bookings: 5, Cancellations: 6, TriageOutcomes: 4, NotAttended: 3, InternalBumps: 7, MovedOn: 1})

	after := index(c.sim.Referrals())
	kinds := map[string]int{}
	touched := map[string]bool{}
	for _, e := range events {
		kinds[e.Change]++
		assert.False(t, touched[e.UBRN], "%s changed twice", e.UBRN)
		touched[e.UBRN] = true
		old, now := before[e.UBRN], after[e.UBRN]
		assert.Equal(t, old.Version+1, now.Version, e.Change)
		assert.Equal(t, e.State, now.State)
		switch e.Change {
		case "booking":
			assert.Contains(t, []string{deferred, triaged, cancelledByPatient, cancelledByProvider}, old.State)
			assert.Equal(t, booked, now.State)
			assert.NotEqual(t, old.Appointment, now.Appointment, "a new appointment")
			assert.Equal(t, "booked", now.Status)
		case "appointment-cancelled":
			assert.Equal(t, []string{booked, cancelledByPatient, "cancelled"}, []string{old.State, now.State, now.Status})
			assert.NotContains(t, contained(c.referral(e.UBRN).json(t), "Appointment"), "start")
		case "referral-cancelled":
			assert.Equal(t, cancelledReferral, now.State)
			assert.Equal(t, "cancelled", c.referral(e.UBRN).json(t)["status"])
		case "triage":
			assert.Equal(t, awaitingTriage, old.State)
			assert.Contains(t, []string{bookLater, withAdvice}, now.Reason)
		case "not-attended":
			assert.Equal(t, []string{booked, didNotAttend, "noshow"}, []string{old.State, now.State, now.Status})
		case "moved-on":
			assert.True(t, now.MovedOn)
		case "bump":
			old.Version++
			assert.Equal(t, old, now)
		}
	}
	assert.Equal(t, map[string]int{
		"booking": 5, "appointment-cancelled": 4, "referral-cancelled": 2, "triage": 4, "not-attended": 3, "bump": 7, "moved-on": 1,
	}, kinds)
	for ubrn, old := range before {
		if !touched[ubrn] {
			assert.Equal(t, old, after[ubrn])
		}
	}
}

func TestAnInternalBumpChangesTheVersionAndNothingElse(t *testing.T) {
	c := start(t, Options{Referrals: 30})
	contents := map[string]map[string]any{}
	for _, r := range c.sim.Referrals() {
		if !r.Sensitive {
			contents[r.UBRN] = c.referral(r.UBRN).json(t)
		}
	}
	events := c.sim.Evolve(Changes{InternalBumps: 10})
	require.Len(t, events, 10)
	for _, e := range events {
		old, now := contents[e.UBRN], c.referral(e.UBRN).json(t)
		assert.NotEqual(t, old["meta"], now["meta"])
		delete(old, "meta")
		delete(now, "meta")
		assert.Equal(t, old, now)
	}
}

func TestEvolveDoesWhatIsPossibleAndNoMore(t *testing.T) {
	c := start(t, Options{Referrals: 12, Clean: true})
	events := c.sim.Evolve(Changes{TriageOutcomes: 1000, NotAttended: -1})
	assert.Len(t, events, len(slices.DeleteFunc(c.sim.Referrals(), func(r Referral) bool {
		return r.Reason != bookLater && r.Reason != withAdvice
	})))
	assert.Empty(t, start(t, Options{}).sim.Evolve(Changes{Bookings: 3, MovedOn: 2}))
}

func TestAMissedAppointmentLiesInThePast(t *testing.T) {
	c := start(t, Options{Referrals: 40})
	e := c.sim.Evolve(Changes{NotAttended: 1})
	require.Len(t, e, 1)
	appointment := contained(c.referral(e[0].UBRN).json(t), "Appointment")
	at, err := time.Parse(time.RFC3339, appointment["start"].(string))
	require.NoError(t, err)
	assert.True(t, at.Before(c.now()))
}

func TestTheSameSeedGivesTheSameWorld(t *testing.T) {
	world := func(seed uint64) string {
		s, err := New(Options{Seed: seed, Referrals: 150, AllStates: true, Key: testKey(), Now: func() time.Time { return noon }})
		require.NoError(t, err)
		events := []any{s.Evolve(Changes{Bookings: 4, Cancellations: 5, TriageOutcomes: 3, InternalBumps: 4})}
		for _, ubrn := range s.order {
			events = append(events, view{s.referrals[ubrn], "http://here"}.resource())
		}
		out, err := json.Marshal(events)
		require.NoError(t, err)
		return string(out)
	}
	assert.Equal(t, world(7), world(7))
	assert.NotEqual(t, world(7), world(8))
}

func TestWorldsOfOneSeedThatStartSecondsApartAreEqual(t *testing.T) {
	world := func(after time.Duration) string {
		s, err := New(Options{Seed: 7, Referrals: 60, AllStates: true, Key: testKey(), Now: func() time.Time { return noon.Add(after) }})
		require.NoError(t, err)
		var all []any
		for _, ubrn := range s.order {
			all = append(all, view{s.referrals[ubrn], "http://here"}.resource())
		}
		out, err := json.Marshal(all)
		require.NoError(t, err)
		return string(out)
	}
	assert.Equal(t, world(0), world(2*time.Second))
	assert.NotEqual(t, world(0), world(time.Hour))
}
