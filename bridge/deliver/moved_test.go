package deliver

import (
	"testing"
	"time"

	"github.com/stretchr/testify/assert"

	"refbridge/bridge"
	"refbridge/bridge/bridgetest"
	"refbridge/sfdc/sobject"
)

func TestDoubtRule09_ARowMovedWhereItsStampIsAnotherForAnotherReasonThanItsStopFlag(t *testing.T) {
	at := time.Date(2026, 3, 1, 12, 0, 0, 0, time.UTC)
	key := sobject.Key{Field: "Bridge_Key__c", Value: "ward.sr.1"}
	w := &bridge.Write{Object: bridgetest.CSRType, Key: key, Have: sobject.Record{Modified: at}}
	flag := &bridge.Write{Object: bridgetest.CSRType, Key: key}
	other := &bridge.Write{Object: bridgetest.CSRType, Key: sobject.Key{Field: "Bridge_Key__c", Value: "ward.sr.2"}}
	for _, c := range []struct {
		name    string
		stopped *bridge.Write
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
		run := applying{stopped: map[*bridge.Write]bool{}}
		if c.stopped != nil {
			run.stopped[c.stopped] = true
		}
		assert.Equal(t, c.moved, run.rowMoved(w, c.now), c.name)
	}
}

func TestDoubtRule09_WhatRefersToARecordWhoseStepWaitsIsNotSent(t *testing.T) {
	key := func(name string) sobject.Key { return sobject.Key{Field: "Bridge_Key__c", Value: name} }
	code := &bridge.Write{Action: bridge.Create, Object: "CodeSet", Key: key("c")}
	request := &bridge.Write{Action: bridge.Create, Object: bridgetest.CSRType, Key: key("ward.sr.1")}
	booking := &bridge.Write{Action: bridge.Create, Object: "ServiceAppointment", Key: key("ward.ap.1"), Send: sobject.Record{Fields: []sobject.Field{
		{Name: "ParentRecordId", Value: sobject.RefValue(sobject.Target{Object: bridgetest.CSRType, Field: "Bridge_Key__c"}, "ward.sr.1")}}}}
	parent, child := &bridge.Step{Writes: []*bridge.Write{code, request}}, &bridge.Step{Writes: []*bridge.Write{booking}}
	for _, c := range []struct {
		name   string
		failed map[string]error
		ids    map[string]string
		sent   bool
		cause  error
	}{
		{"the referral was written", nil, map[string]string{bridgetest.CSRType + " ward.sr.1": "0sR1"}, true, nil},
		{"a code of the referral moved, so that it waits", map[string]error{"CodeSet c": errMoved}, nil, false, errMoved},
		{"a code of the referral was refused", map[string]error{"CodeSet c": errResults}, nil, false, parentError{bridgetest.CSRType, "ward.sr.1"}},
		{"the referral was refused", map[string]error{bridgetest.CSRType + " ward.sr.1": errResults}, nil, false, parentError{bridgetest.CSRType, "ward.sr.1"}},
	} {
		plan := bridge.Plan{Steps: []*bridge.Step{parent, child}}
		run := applying{plan: plan, creates: creators(plan), failed: map[string]error{}, ids: c.ids}
		for id, err := range c.failed {
			run.failed[id] = err
		}
		assert.Equal(t, c.sent, run.parents(booking), c.name)
		assert.Equal(t, c.cause, run.cause(child), c.name)
	}
}
