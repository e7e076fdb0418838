package lane

import (
	"testing"
	"time"

	"github.com/stretchr/testify/assert"

	"refbridge/bridge"
	"refbridge/bridge/bridgetest"
	"refbridge/bridge/plan/shelf"
	"refbridge/bridge/source"
	"refbridge/ledger"
	"refbridge/sfdc/sobject"
)

func TestDoubtRule10_ALedgerIsOlderWhereSalesforceCountsMoreRuns(t *testing.T) {
	for _, c := range []struct {
		name        string
		noted, kept int64
		older       bool
	}{
		{"the same", 7, 7, false},
		{"a crash between the two: the ledger is ahead", 8, 7, false},
		{"restored", 6, 7, true},
		{"nothing counted yet", 0, 0, false},
	} {
		assert.Equal(t, c.older, olderRun(c.noted, c.kept), c.name)
	}
}

func TestDoubtRule10_NothingIsWrittenUntilWhatWasSentCannotTakeEffect(t *testing.T) {
	now := time.Date(2026, 3, 1, 12, 0, 0, 0, time.UTC)
	for _, c := range []struct {
		name  string
		since time.Time
		step  rebuildStep
	}{
		{"nothing was noticed", time.Time{}, goOn},
		{"just now", now, waitForOld},
		{"at the very deadline", now.Add(-bridge.LateCommit), waitForOld},
		{"after it", now.Add(-bridge.LateCommit - time.Millisecond), rebuildNow},
		{"the clock went back", now.Add(time.Hour), waitForOld},
	} {
		assert.Equal(t, c.step, stepOf(c.since, now), c.name)
	}
}

func TestDoubtRule10_ARowTellsByItsKeyWhoseItIs(t *testing.T) {
	referral := sobject.RefValue(sobject.Target{Object: bridgetest.CSRType, Field: "Bridge_Key__c"}, "ward.sr.a.b-1")
	for _, c := range []struct {
		name, flow  string
		source      rooted
		object, key string
		parent      bool
		ref         string
		reread, ok  bool
	}{
		{"a referral of e-RS", "ers", &source.ERS{}, bridgetest.CSRType, "ers.sr.000000070001", false, "ReferralRequest/000000070001", true, true},
		{"a referral", "ward", &source.FHIRServer{}, bridgetest.CSRType, "ward.sr.a.b-1", false, "ServiceRequest/a.b-1", false, true},
		{"an appointment of its own", "ward", &source.FHIRServer{}, "ServiceAppointment", "ward.ap.9.x", true, "Appointment/9.x", false, true},
		{"a detail", "ward", &source.FHIRServer{}, "ClinicalServiceRequestDetail", "ward.sr.a.b-1.d.bodysite.f00", true, "ServiceRequest/a.b-1", false, true},
		{"a detail whose referral is gone", "ward", &source.FHIRServer{}, "ClinicalServiceRequestDetail", "ward.sr.a.b-1.d.bodysite.f00", false, "", false, false},
		{"an appointment whose referral is gone", "ers", &source.ERS{}, "ServiceAppointment", "ers.ap.90001", false, "", true, false},
		{"an identifier, which points to its referral by id", "ward", &source.FHIRServer{}, "Identifier", "ward.sr.a.b-1.id.f00", false, "ServiceRequest/a.b-1", false, true},
		{"a key of another source", "ers", &source.ERS{}, bridgetest.CSRType, "ward.sr.1", false, "", true, false},
	} {
		r := sobject.Record{Object: c.object, Key: sobject.Key{Field: "Bridge_Key__c", Value: c.key}}
		if c.object == "Identifier" {
			r.Fields = []sobject.Field{{Name: "ParentRecordId", Value: sobject.TextValue("0sR1")}}
		}
		if c.parent {
			r.Fields = []sobject.Field{{Name: "ParentRecordId", Value: referral}}
		}
		state := rebuild{flow: &Flow{Name: c.flow, Planner: *planner(shelf.New(), t)}, source: c.source, referrals: map[string]string{"0sR1": "ward.sr.a.b-1"}}
		ref, reread, ok := state.rootOf(r)
		assert.Equal(t, c.ok, ok, c.name)
		if ok {
			assert.Equal(t, c.ref, ref.String(), c.name)
			assert.Equal(t, c.reread, reread, c.name)
		}
	}
}

func TestDoubtRule10_OfARebuiltRowOnlyWhatWeWroteIsKnown(t *testing.T) {
	at := time.Date(2026, 3, 1, 12, 0, 0, 0, time.UTC)
	fields := []sobject.Field{{Name: "Status", Value: sobject.TextValue("Scheduled")}}
	row := func(object string, theirs bool) sobject.Record {
		return sobject.Record{Object: object, ID: "1", Modified: at, Theirs: theirs, Fields: fields}
	}
	known := func(object string, stamp time.Time, fields []sobject.Field, deleted bool) ledger.Image {
		return ledger.Image{Record: sobject.Record{Object: object, ID: "1", Modified: stamp, Fields: fields}, Deleted: deleted}
	}
	for _, c := range []struct {
		name    string
		row     sobject.Record
		deleted bool
		image   ledger.Image
	}{
		{"an appointment that we wrote", row("ServiceAppointment", false), false, known("ServiceAppointment", at, fields, false)},
		{"an appointment that a person wrote last", row("ServiceAppointment", true), false, known("ServiceAppointment", time.Time{}, nil, false)},
		{"a referral that we wrote", row(bridgetest.CSRType, false), false, known(bridgetest.CSRType, at, nil, false)},
		{"a referral that a person wrote last", row(bridgetest.CSRType, true), false, known(bridgetest.CSRType, time.Time{}, nil, false)},
		{"one that a person deleted", row("ServiceAppointment", true), true, known("ServiceAppointment", time.Time{}, nil, true)},
	} {
		assert.Equal(t, c.image, imageOf(c.row, c.deleted, c.row.Object == bridgetest.CSRType), c.name)
	}
}
