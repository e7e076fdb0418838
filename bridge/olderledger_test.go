package bridge

import (
	"testing"
	"time"

	"github.com/stretchr/testify/assert"

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

func TestDoubtRule10_ALedgerIsOlderWhereARowShowsAWriteThatItDoesNotKnow(t *testing.T) {
	text := sobject.TextValue
	record := func(version string) sobject.Record {
		r := sobject.Record{Object: "ClinicalServiceRequest", ID: "0sR1"}
		if version != "" {
			r.Fields = []sobject.Field{{Name: versionField, Value: text(version)}}
		}
		return r
	}
	known := func(version string) ledger.Row {
		return ledger.Row{Known: true, Source: "ers", Image: ledger.Image{Record: record(version)}}
	}
	meant := ledger.Row{Source: "ers", Open: []ledger.Intent{{Meant: record("3"), Creates: true}}}
	both := known("2")
	both.Open = meant.Open
	legacy := known("2")
	legacy.Open = []ledger.Intent{{}}
	theirs := record("9")
	theirs.Theirs = true
	anew := time.Date(2026, 3, 1, 12, 0, 0, 0, time.UTC)
	at := func(r sobject.Record, stamp time.Time) sobject.Record {
		r.Modified = stamp
		return r
	}
	for _, c := range []struct {
		name  string
		row   ledger.Row
		have  sobject.Record
		older bool
	}{
		{"it is as the image has it", known("2"), record("2"), false},
		{"a version that nobody here wrote", known("2"), record("3"), true},
		{"a row that nobody here wrote", ledger.Row{}, at(record("1"), anew.Add(time.Second)), true},
		{"a row whose record nobody could tell", ledger.Row{}, at(record("1"), anew), false},
		{"a person wrote it last", known("2"), theirs, false},
		{"a person made it", ledger.Row{}, theirs, false},
		{"it is not there", ledger.Row{}, sobject.Record{}, false},
		{"what was meant has arrived", both, record("3"), false},
		{"a create that nobody saw has arrived", meant, record("3"), false},
		{"neither the image nor what was meant", both, record("4"), true},
		{"an intent without values may have meant anything", legacy, record("3"), false},
		{"an image without the field: a ledger that was made anew", known(""), record("3"), false},
		{"a purged image", ledger.Row{Source: "ers"}, record("3"), false},
		{"the field is empty there", known("2"), record(""), false},
	} {
		assert.Equal(t, c.older, olderBy(c.row, c.have, anew), c.name)
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
		{"at the very deadline", now.Add(-lateCommit), waitForOld},
		{"after it", now.Add(-lateCommit - time.Millisecond), rebuildNow},
		{"the clock went back", now.Add(time.Hour), waitForOld},
	} {
		assert.Equal(t, c.step, stepOf(c.since, now), c.name)
	}
}

func TestDoubtRule10_ARowTellsByItsKeyWhoseItIs(t *testing.T) {
	referral := sobject.RefValue(sobject.Target{Object: referralType, Field: "Bridge_Key__c"}, "ward.sr.a.b-1")
	for _, c := range []struct {
		name, flow  string
		source      rooted
		object, key string
		parent      bool
		ref         string
		reread, ok  bool
	}{
		{"a referral of e-RS", "ers", &ERS{}, referralType, "ers.sr.000000070001", false, "ReferralRequest/000000070001", true, true},
		{"a referral", "ward", &FHIRServer{}, referralType, "ward.sr.a.b-1", false, "ServiceRequest/a.b-1", false, true},
		{"an appointment of its own", "ward", &FHIRServer{}, "ServiceAppointment", "ward.ap.9.x", true, "Appointment/9.x", false, true},
		{"a detail", "ward", &FHIRServer{}, "ClinicalServiceRequestDetail", "ward.sr.a.b-1.d.bodysite.f00", true, "ServiceRequest/a.b-1", false, true},
		{"a detail whose referral is gone", "ward", &FHIRServer{}, "ClinicalServiceRequestDetail", "ward.sr.a.b-1.d.bodysite.f00", false, "", false, false},
		{"an appointment whose referral is gone", "ers", &ERS{}, "ServiceAppointment", "ers.ap.90001", false, "", true, false},
		{"an identifier, which points to its referral by id", "ward", &FHIRServer{}, "Identifier", "ward.sr.a.b-1.id.f00", false, "ServiceRequest/a.b-1", false, true},
		{"a key of another source", "ers", &ERS{}, referralType, "ward.sr.1", false, "", true, false},
	} {
		r := sobject.Record{Object: c.object, Key: sobject.Key{Field: "Bridge_Key__c", Value: c.key}}
		if c.object == "Identifier" {
			r.Fields = []sobject.Field{{Name: "ParentRecordId", Value: sobject.TextValue("0sR1")}}
		}
		if c.parent {
			r.Fields = []sobject.Field{{Name: "ParentRecordId", Value: referral}}
		}
		state := rebuild{flow: &Flow{Name: c.flow}, source: c.source, referrals: map[string]string{"0sR1": "ward.sr.a.b-1"}}
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
		{"a referral that we wrote", row(referralType, false), false, known(referralType, at, nil, false)},
		{"a referral that a person wrote last", row(referralType, true), false, known(referralType, time.Time{}, nil, false)},
		{"one that a person deleted", row("ServiceAppointment", true), true, known("ServiceAppointment", time.Time{}, nil, true)},
	} {
		assert.Equal(t, c.image, imageOf(c.row, c.deleted), c.name)
	}
}

func TestDoubtRule09_ARowMovedWhereItsStampIsAnotherForAnotherReasonThanItsStopFlag(t *testing.T) {
	at := time.Date(2026, 3, 1, 12, 0, 0, 0, time.UTC)
	key := sobject.Key{Field: "Bridge_Key__c", Value: "ward.sr.1"}
	w := &Write{Object: referralType, Key: key, Have: sobject.Record{Modified: at}}
	flag := &Write{Object: referralType, Key: key}
	other := &Write{Object: referralType, Key: sobject.Key{Field: "Bridge_Key__c", Value: "ward.sr.2"}}
	for _, c := range []struct {
		name    string
		stopped *Write
		now     sobject.Record
		moved   bool
	}{
		{"as it was", nil, sobject.Record{Modified: at}, false},
		{"edited", nil, sobject.Record{Modified: at.Add(time.Second), Theirs: true}, true},
		{"written late by us", nil, sobject.Record{Modified: at.Add(time.Second)}, true},
		{"its flag was set in this run", flag, sobject.Record{Modified: at.Add(time.Second)}, false},
		{"its flag was set, and somebody edited it since", flag, sobject.Record{Modified: at.Add(time.Second), Theirs: true}, true},
		{"another row's flag was set", other, sobject.Record{Modified: at.Add(time.Second)}, true},
	} {
		run := applying{stopped: map[*Write]bool{}}
		if c.stopped != nil {
			run.stopped[c.stopped] = true
		}
		assert.Equal(t, c.moved, run.rowMoved(w, c.now), c.name)
	}
}

func TestDoubtRule09_WhatRefersToARecordWhoseStepWaitsIsNotSent(t *testing.T) {
	key := func(name string) sobject.Key { return sobject.Key{Field: "Bridge_Key__c", Value: name} }
	code := &Write{Action: Create, Object: "CodeSet", Key: key("c")}
	request := &Write{Action: Create, Object: referralType, Key: key("ward.sr.1")}
	booking := &Write{Action: Create, Object: "ServiceAppointment", Key: key("ward.ap.1"), Send: sobject.Record{Fields: []sobject.Field{
		{Name: "ParentRecordId", Value: sobject.RefValue(sobject.Target{Object: referralType, Field: "Bridge_Key__c"}, "ward.sr.1")}}}}
	parent, child := &Step{Writes: []*Write{code, request}}, &Step{Writes: []*Write{booking}}
	for _, c := range []struct {
		name   string
		failed map[string]error
		ids    map[string]string
		sent   bool
		cause  error
	}{
		{"the referral was written", nil, map[string]string{referralType + " ward.sr.1": "0sR1"}, true, nil},
		{"a code of the referral moved, so that it waits", map[string]error{"CodeSet c": errMoved}, nil, false, errMoved},
		{"a code of the referral was refused", map[string]error{"CodeSet c": errResults}, nil, false, parentError{referralType, "ward.sr.1"}},
		{"the referral was refused", map[string]error{referralType + " ward.sr.1": errResults}, nil, false, parentError{referralType, "ward.sr.1"}},
	} {
		plan := Plan{Steps: []*Step{parent, child}}
		run := applying{plan: plan, creates: creators(plan), failed: map[string]error{}, ids: c.ids}
		for id, err := range c.failed {
			run.failed[id] = err
		}
		assert.Equal(t, c.sent, run.parents(booking), c.name)
		assert.Equal(t, c.cause, run.cause(child), c.name)
	}
}
