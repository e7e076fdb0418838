package plan

import (
	"errors"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"refbridge/bridge"
	"refbridge/bridge/bridgetest"
	"refbridge/bridge/plan/shelf"
	"refbridge/ledger"
	"refbridge/sfdc/sobject"
)

// A row that an older refbridge may have made, of which no value is known, and that the source does not have any more: it is neither
// marked nor forgotten, and the lane goes on.
func TestARowOfWhichNothingIsKnownIsLeftToAPerson(t *testing.T) {
	const id = "ServiceAppointment ward.ap.a1"
	for _, c := range []struct {
		about   string
		deleted bool // the source has deleted the referral; else it only names the appointment no more
		there   bool
		late    bool // the write is past its deadline
		code    string
	}{
		{"dropped, and there", false, true, true, bridge.CodeUnclearValue},
		{"dropped, and there, within its time", false, true, false, bridge.CodeUnclearValue},
		{"dropped, and not there", false, false, true, ""},
		{"deleted, and there", true, true, true, bridge.CodeUnclearValue},
		{"deleted, and not there", true, false, true, bridge.CodeSourceDeleted},
	} {
		s := shelf.New()
		p := planner(s, t)
		s.Put(plan(t, p, bridgetest.Referral("r1", "1", bridgetest.ANumber, bridgetest.IsActive))...)
		s.Put(plan(t, p, bridgetest.Due("Appointment", "a1", "1", bridgetest.Met("a1", "r1", `"status":"booked"`)))...)
		s.Owners[id] = s.Owners[bridgetest.TheCSR] // as of e-RS, which sends both together
		delete(s.Images, id)
		in := ledger.Intent{ID: "old", Source: "ward", Ref: bridgetest.Referral("r1", "1", bridgetest.ANumber, bridgetest.IsActive).Ref, Object: "ServiceAppointment", Key: "ward.ap.a1", Deadline: bridgetest.Noon().Add(time.Minute)}
		if c.late {
			in.Deadline = bridgetest.Noon().Add(-time.Minute)
		}
		s.Open[id] = []ledger.Intent{in}
		if !c.there {
			delete(s.There, id)
		}
		work := bridgetest.Referral("r1", "2", bridgetest.ANumber, bridgetest.IsActive+`,"priority":"urgent"`)
		if c.deleted {
			work.Body = bridge.Tombstone(work.Ref)
		}
		out, err := p.Inbound(t.Context(), []ledger.Work{work})
		require.NoError(t, err, c.about)
		step := out.Steps[0]
		assert.Equal(t, c.code, step.Reason.Code, "%s: %s", c.about, step.Reason.Text)
		seen := false
		for _, w := range step.Writes {
			if w.Object == "ServiceAppointment" {
				seen = true
				assert.Empty(t, w.Send.Fields, c.about)
				assert.Equal(t, c.late, len(w.Closes) == 1, c.about)
			}
		}
		assert.True(t, seen, c.about)
	}
}

// What is read of a row that is to be marked: its values, and not the ids of what it refers to, which stay the keys that are known.
func TestARowThatIsMarkedKeepsTheKeysOfWhatItRefersTo(t *testing.T) {
	s := shelf.New()
	to := sobject.RefValue(sobject.Target{Object: "Account", Field: "Bridge_Key__c"}, "ward.pt.1")
	image := sobject.Record{Object: bridgetest.CSRType, Key: sobject.Key{Field: "Bridge_Key__c", Value: "ward.sr.r1"},
		Fields: []sobject.Field{{Name: "PatientId", Value: to}, {Name: "OwnerId", Value: sobject.LookupValue(sobject.Target{Object: "Group", Field: "Name"}, "Ward")}, {Name: "Status", Value: bridgetest.Text("Active")}}}
	s.There[bridgetest.TheCSR] = sobject.Record{Object: bridgetest.CSRType, Key: image.Key, ID: "a01", Modified: bridgetest.Noon(), Theirs: true, Fields: []sobject.Field{
		{Name: "PatientId", Value: bridgetest.Text("001000000000001AAA")}, {Name: "OwnerId", Value: bridgetest.Text("00G000000000001AAA")}, {Name: "Status", Value: bridgetest.Text("Revoked")}}}
	c := &comparison{planner: planner(s, t)}
	got, there, err := c.asItIs(t.Context(), image)
	require.NoError(t, err)
	require.True(t, there)
	for name, kind := range map[string]sobject.Kind{"PatientId": sobject.Ref, "OwnerId": sobject.Lookup} {
		v, _ := got.Get(name)
		assert.Equal(t, kind, v.Kind(), name)
	}
	status, _ := got.Get("Status")
	assert.Equal(t, "Revoked", status.Reveal())
	assert.True(t, got.Theirs && got.Modified.Equal(bridgetest.Noon()) && got.ID == "a01")
}

// A row that is not there, of a write that is in doubt, is looked for among the deleted before it is made; one whose image was purged was
// there, so that somebody has deleted it: a row a case.
func TestWhatIsPlannedForARowInDoubtThatIsNotThere(t *testing.T) {
	for _, c := range []struct {
		name   string
		world  func(s *shelf.Shelf)
		fate   ledger.Fate
		does   string
		closes int
		stops  bool
	}{
		{name: "it never arrived", fate: ledger.Pending, does: "create"},
		{name: "somebody deleted it", world: func(s *shelf.Shelf) {
			s.Removed[bridgetest.TheCSR] = sobject.Record{Object: bridgetest.CSRType, Key: sobject.Key{Value: "ward.sr.r1"}, ID: "a01"}
		}, fate: ledger.Dead, does: "dead"},
		{name: "the deleted cannot be asked for", world: func(s *shelf.Shelf) { s.Broken, s.Only = bridgetest.RefusedRow("INVALID_FIELD"), "deleted" }, stops: true},
		{name: "it was there once, and its image is purged", world: func(s *shelf.Shelf) {
			s.Purged, s.Open[bridgetest.TheCSR] = map[string]bool{bridgetest.TheCSR: true}, nil
		}, fate: ledger.Dead, does: "dead"},
		{name: "its write cannot take effect any more", world: func(s *shelf.Shelf) {
			in := bridgetest.Attempted(bridgetest.Values{"Status": bridgetest.Text("Active")}, true)
			in.Deadline = bridgetest.Noon().Add(-time.Minute)
			s.Open[bridgetest.TheCSR] = []ledger.Intent{in}
		}, fate: ledger.Pending, does: "create", closes: 1},
	} {
		s := shelf.New()
		p := planner(s, t)
		s.Open[bridgetest.TheCSR] = []ledger.Intent{bridgetest.Attempted(bridgetest.Values{"Status": bridgetest.Text("Active")}, true)}
		s.Owners[bridgetest.TheCSR] = bridge.Owner{Source: "ward", Ref: bridgetest.Referral("r1", "1", bridgetest.ANumber, bridgetest.IsActive).Ref.Current()}
		if c.world != nil {
			c.world(s)
		}
		out, err := p.Inbound(t.Context(), []ledger.Work{bridgetest.Referral("r1", "2", bridgetest.ANumber, bridgetest.IsActive)})
		if c.stops {
			assert.ErrorIs(t, err, bridge.ErrHalted, c.name)
			continue
		}
		require.NoError(t, err, c.name)
		assert.Equal(t, c.fate, out.Steps[0].Fate, c.name)
		assert.Equal(t, c.does, out.Steps[0].Outcome(), c.name)
		w := out.Steps[0].Writes[0]
		assert.Len(t, w.Closes, c.closes, c.name)
		assert.Equal(t, s.Removed[bridgetest.TheCSR].ID, w.Known.Record.ID, "%s: what is known of it is what was seen of it", c.name)
		assert.Equal(t, c.fate == ledger.Dead, w.Known.Deleted, c.name)
	}
}

// The appointment that another one replaced is marked, unless a person has changed it: a row a case.
func TestWhatTheSourceHasDroppedIsMarked(t *testing.T) {
	const id = "ServiceAppointment ward.ap.a1"
	broken := errors.New("x")
	for _, c := range []struct {
		name  string
		world func(s *shelf.Shelf)
		marks int
		fails bool
	}{
		{"it is as it was", nil, 2, false},
		{"a person says that it took place", func(s *shelf.Shelf) { s.Edit(id, bridgetest.Values{"Status": bridgetest.Text("Completed")}) }, 0, false},
		{"it is over already", func(s *shelf.Shelf) {
			s.Edit(id, bridgetest.Values{"Status": bridgetest.Text("Completed")})
			shelf.Set(s.Images, id, bridgetest.Values{"Status": bridgetest.Text("Completed")})
		}, 0, false},
		{"it is not there", func(s *shelf.Shelf) { delete(s.There, id) }, 0, false},
		{"another source record has it by now", func(s *shelf.Shelf) { s.Owners[id] = bridge.Owner{Source: "elsewhere"} }, 0, false},
		{"it cannot be looked at", func(s *shelf.Shelf) { s.Broken, s.Only = broken, "ServiceAppointment" }, 0, true},
	} {
		s := shelf.New()
		p := planner(s, t)
		s.Put(plan(t, p, bridgetest.Referral("r1", "1", bridgetest.ANumber, bridgetest.IsActive))...)
		s.Put(plan(t, p, bridgetest.Due("Appointment", "a1", "1", bridgetest.Met("a1", "r1", `"status":"booked"`)))...)
		s.Owners[id] = s.Owners[bridgetest.TheCSR] // as of e-RS, which sends both together
		if c.world != nil {
			c.world(s)
		}
		out, err := p.Inbound(t.Context(), []ledger.Work{bridgetest.Referral("r1", "2", bridgetest.ANumber, bridgetest.IsActive+`,"priority":"urgent"`)})
		if c.fails {
			assert.ErrorIs(t, err, bridge.ErrHalted, c.name)
			continue
		}
		require.NoError(t, err, c.name)
		marks := 0
		for _, w := range out.Steps[0].Writes {
			if w.Object == "ServiceAppointment" {
				marks += len(w.Send.Fields)
			}
		}
		assert.Equal(t, c.marks, marks, c.name)
	}
}
