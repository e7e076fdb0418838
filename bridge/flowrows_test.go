package bridge

import (
	"context"
	"errors"
	"fmt"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"refbridge/fhir"
	"refbridge/ledger"
)

func TestWhenASyncErasesOldBodies(t *testing.T) {
	for _, c := range []struct {
		name, last, now string
		retention       time.Duration
		want            bool
	}{
		{"they are kept for ever", "2026-11-29T12:00:00Z", "2026-11-30T12:00:00Z", 0, false},
		{"the first sync ever", "", "2026-11-30T12:00:00Z", time.Hour, true},
		{"a cursor that is no time", "x", "2026-11-30T12:00:00Z", time.Hour, true},
		{"the first of a day", "2026-11-29T23:59:59Z", "2026-11-30T00:00:00Z", time.Hour, true},
		{"the second of a day", "2026-11-30T00:00:00Z", "2026-11-30T23:59:59Z", time.Hour, false},
		{"the same day of another year", "2025-11-30T12:00:00Z", "2026-11-30T12:00:00Z", time.Hour, true},
		{"the same day of another month", "2026-10-30T12:00:00Z", "2026-11-30T12:00:00Z", time.Hour, true},
		{"two zones, one day of UTC", "2026-11-30T00:30:00+01:00", "2026-11-29T23:40:00Z", time.Hour, false},
	} {
		assert.Equal(t, c.want, purgeDue(c.last, at(c.now), c.retention), c.name)
	}
}

func TestWhenEveryLiveRecordIsReadAgain(t *testing.T) {
	for _, c := range []struct {
		name, last string
		want       bool
	}{
		{"never so far", "", true},
		{"a cursor that is no time", "x", true},
		{"a second too early", "2026-11-30T08:00:01Z", false},
		{"at its time", "2026-11-30T08:00:00Z", true},
		{"long since", "2026-11-01T08:00:00Z", true},
	} {
		assert.Equal(t, c.want, elapsed(c.last, noon, 4*time.Hour), c.name)
	}
}

// What lets held records be tried again: a row a case. noted are the hashes of the last sync, empty where there are none.
func TestWhatASyncReleases(t *testing.T) {
	stopped, stop := context.WithCancel(t.Context())
	stop()
	broken := errors.New("x")
	s := newShelf()
	tables := s.planner(t).Tables
	says := func(hash string, err error) func(context.Context) (string, error) {
		return func(context.Context) (string, error) { return hash, err }
	}
	for _, c := range []struct {
		name     string
		ctx      context.Context
		describe func(context.Context) (string, error)
		noted    map[string]string
		want     []string
		err      error
	}{
		{"nobody asks the org", t.Context(), nil, map[string]string{"tables": "old"}, releases(true, false), nil},
		{"nothing changed", t.Context(), says("a", nil), map[string]string{"tables": tables.Hash(), "describe": "a"}, releases(false, false), nil},
		{"the first sync ever", t.Context(), says("a", nil), nil, releases(false, false), nil},
		{"the tables changed", t.Context(), says("a", nil), map[string]string{"tables": "old", "describe": "a"}, releases(true, false), nil},
		{"the org changed", t.Context(), says("b", nil), map[string]string{"tables": tables.Hash(), "describe": "a"}, releases(false, true), nil},
		{"both changed", t.Context(), says("b", nil), map[string]string{"tables": "old", "describe": "a"}, releases(true, true), nil},
		{"the org says nothing now", t.Context(), says("", broken), map[string]string{"tables": "old", "describe": "a"}, releases(true, false), nil},
		{"somebody asked for an end", stopped, says("", context.Canceled), map[string]string{"tables": "old"}, nil, context.Canceled},
	} {
		f := Flow{Planner: Planner{Tables: tables}, Describe: c.describe}
		got, err := f.released(c.ctx, func(_ context.Context, name, hash string) (bool, error) { return differs(c.noted[name], hash), nil })
		assert.ErrorIs(t, err, c.err, c.name)
		assert.Equal(t, c.want, got, c.name)
	}
	f := Flow{Planner: Planner{Tables: tables}, Describe: says("a", nil)}
	_, err := f.released(t.Context(), func(context.Context, string, string) (bool, error) { return false, broken })
	assert.ErrorIs(t, err, broken, "a ledger that cannot be read")
}

func TestStepsAreCountedByWhatBecomesOfThem(t *testing.T) {
	write := func(a Action) []*Write { return []*Write{{Action: a}} }
	for _, c := range []struct {
		name    string
		step    Step
		outcome string
		want    Counts
	}{
		{"created", Step{Fate: ledger.Pending, Writes: write(Create)}, "create", Counts{Create: 1, Writes: 1}},
		{"updated", Step{Fate: ledger.Pending, Writes: write(Update)}, "update", Counts{Update: 1, Writes: 1}},
		{"a code that is new, of a referral that is not", Step{Fate: ledger.Pending, Writes: []*Write{{Action: Create, sharedBy: "code"}, {Action: Same}}}, "update", Counts{Update: 1, Writes: 1}},
		{"as it should be", Step{Fate: ledger.Pending, Writes: write(Same)}, "same", Counts{Same: 1}},
		{"nothing to do", Step{Fate: ledger.Applied}, "same", Counts{Same: 1}},
		{"held", Step{Fate: ledger.Held, Writes: write(Create)}, "held", Counts{Held: 1}},
		{"held, with a flag", Step{Fate: ledger.Held, Ahead: write(Update)}, "held", Counts{Held: 1, Writes: 1}},
		{"dead", Step{Fate: ledger.Dead}, "dead", Counts{Dead: 1}},
		{"superseded", Step{Fate: ledger.Superseded}, "superseded", Counts{Superseded: 1}},
		{"written by another step", Step{Fate: ledger.Pending, Writes: []*Write{{Action: Create, shared: true}}}, "create", Counts{Create: 1}},
	} {
		assert.Equal(t, c.outcome, c.step.Outcome(), c.name)
		assert.Equal(t, c.want, Plan{Steps: []*Step{&c.step}}.Counts(), c.name)
		twice := c.want
		twice.Add(c.want)
		assert.Equal(t, Plan{Steps: []*Step{&c.step, &c.step}}.Counts(), twice, c.name)
		assert.Equal(t, c.step.Fate == ledger.Pending && c.outcome != "same", c.step.Changes(), c.name)
	}
}

// What a read says of the time of a record and of its patient: a row a case.
func TestWhatAReadSaysOfItsTimes(t *testing.T) {
	const stamp, other = "2026-11-30T10:00:00Z", "2026-11-30T11:00:00Z"
	resource := func(typ, id, at string) string {
		return fmt.Sprintf(`{"resourceType":%q,"id":%q,"meta":{"versionId":"3","lastUpdated":%q}}`, typ, id, at)
	}
	for _, c := range []struct {
		name            string
		body            []byte
		updated, beside string
		patient         string
	}{
		{"no resource", []byte("{"), "", "", ""},
		{"a resource by itself", []byte(resource("ServiceRequest", "r1", stamp)), stamp, "", ""},
		{"with its patient", collected(resource("ServiceRequest", "r1", stamp), resource("Patient", "p1", other)), stamp, other, "Patient/p1/_history/3"},
		{"the first of two patients", collected(resource("ServiceRequest", "r1", stamp), resource("Patient", "p1", other), resource("Patient", "p2", stamp)), stamp, other, "Patient/p1/_history/3"},
		{"another record of its type", collected(resource("ServiceRequest", "r2", stamp)), "", "", ""},
		{"a record of another type", collected(resource("Appointment", "r1", stamp)), "", "", ""},
		{"an entry without a resource", []byte(`{"resourceType":"Bundle","entry":[{},{"resource":` + resource("ServiceRequest", "r1", stamp) + `}]}`), stamp, "", ""},
	} {
		s := readAs(fhir.Reference{Type: "ServiceRequest", ID: "r1"}, c.body)
		assert.True(t, at(c.updated).Equal(s.Updated), c.name)
		assert.True(t, at(c.beside).Equal(s.Beside), c.name)
		if c.patient == "" {
			assert.Zero(t, s.Patient, c.name)
			continue
		}
		assert.Equal(t, c.patient, s.Patient.String(), c.name)
	}
}

// Where references may be called the owner's of a record: a row a case.
func TestWhereOneRecordStandsAndWhereTheSourceWantsIt(t *testing.T) {
	s := newShelf()
	p := s.planner(t)
	s.put(planned(p, referral("r1", "1", aNumber, isActive), referral("r2", "1", aNumber, isActive))...)
	s.put(planned(p, due("Appointment", "a1", "1", met("a1", "r1", `"status":"booked"`)))...)
	move := due("Appointment", "a1", "2", met("a1", "r2", `"status":"booked"`))
	for _, c := range []struct {
		name, says string
		there      values
		forgot     bool
	}{
		{"by its key", "belongs to ClinicalServiceRequest ward.sr.r1 in Salesforce, and to ClinicalServiceRequest ward.sr.r2", nil, false},
		{"by an id that is known", "belongs to ClinicalServiceRequest ward.sr.r1 in Salesforce", values{"ParentRecordId": text("a01")}, false},
		{"by an id that nobody knows: as it was synced", "belongs to ClinicalServiceRequest ward.sr.r1 in Salesforce", values{"ParentRecordId": text("zzz")}, false},
		{"by an id that nobody knows, and nothing is remembered", "belongs to another record in Salesforce", values{"ParentRecordId": text("zzz")}, true},
	} {
		t.Run(c.name, func(t *testing.T) {
			const id = "ServiceAppointment ward.ap.a1"
			was, last := s.rows[id], s.images[id]
			s.edit(id, c.there)
			if c.forgot {
				delete(s.images, id)
			}
			step := plan(t, p, move)[0]
			s.rows[id], s.images[id] = was, last
			require.Equal(t, codeMoved, step.Reason.Code, step.Reason.Text)
			assert.Contains(t, step.Reason.Text, c.says)
		})
	}
}
