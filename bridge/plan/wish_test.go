package plan

import (
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"refbridge/bridge"
	"refbridge/bridge/bridgetest"
	"refbridge/bridge/plan/shelf"
	"refbridge/ledger"
	"refbridge/mapping"
	"refbridge/sfdc/sobject"
)

func TestDoubtRule05_WhatWasCarriedBackStandsWhileBothSidesStay(t *testing.T) {
	not := ledger.Carried{Field: "Status", Value: bridgetest.ValueC(), Against: "5"}
	seen := ledger.Carried{Field: "Status", Value: bridgetest.ValueC(), Against: "5", Seen: true, After: bridgetest.ValueA()}
	silent := ledger.Carried{Field: "Status", Value: bridgetest.ValueC(), Against: "5", Seen: true}
	other := ledger.Carried{Field: "IsAccepted", Value: bridgetest.ValueC(), Against: "5"}
	made, made5 := ledger.Carried{Field: "Status", Value: bridgetest.ValueC(), Against: "5-w1", Made: "6"}, ledger.Carried{Field: "Status", Value: bridgetest.ValueC(), Against: "5", Made: "5"}
	madeSeen, made5Seen := made, made5
	madeSeen.Seen, madeSeen.After, made5Seen.Seen, made5Seen.After = true, bridgetest.ValueA(), true, bridgetest.ValueA()
	for _, c := range []struct {
		name        string
		all         []ledger.Carried
		want, there sobject.Value
		version     string
		rest        []ledger.Carried
		stands      bool
	}{
		{"nothing", nil, bridgetest.ValueA(), bridgetest.ValueC(), "5", nil, false},
		{"the source was not read since", []ledger.Carried{not}, bridgetest.ValueA(), bridgetest.ValueC(), "5", []ledger.Carried{not}, true},
		{"the source keeps its state", []ledger.Carried{not}, bridgetest.ValueA(), bridgetest.ValueC(), "6", []ledger.Carried{seen}, true},
		{"it goes on keeping it", []ledger.Carried{seen}, bridgetest.ValueA(), bridgetest.ValueC(), "7", []ledger.Carried{seen}, true},
		{"the source is silent after it", []ledger.Carried{not}, bridgetest.Empty(), bridgetest.ValueC(), "6", []ledger.Carried{silent}, true},
		{"it was silent, and speaks by now", []ledger.Carried{silent}, bridgetest.ValueB(), bridgetest.ValueC(), "7", nil, false},
		{"the source goes on by itself", []ledger.Carried{seen}, bridgetest.ValueB(), bridgetest.ValueC(), "7", nil, false},
		{"a person changes it again", []ledger.Carried{seen}, bridgetest.ValueA(), bridgetest.ValueB(), "7", nil, false},
		{"its own answer is read", []ledger.Carried{made}, bridgetest.ValueA(), bridgetest.ValueC(), "6", []ledger.Carried{madeSeen}, true},
		{"its own answer is read, beside a worklist", []ledger.Carried{made}, bridgetest.ValueA(), bridgetest.ValueC(), "6-w2", []ledger.Carried{madeSeen}, true},
		{"a lagging page still has the version before, beside another worklist", []ledger.Carried{made}, bridgetest.ValueA(), bridgetest.ValueC(), "5-w2", []ledger.Carried{made}, true},
		{"the version before beside another patient, and the answer named none", []ledger.Carried{not}, bridgetest.ValueA(), bridgetest.ValueC(), "5-p2", []ledger.Carried{not}, true},
		{"its own answer was passed over unread", []ledger.Carried{made}, bridgetest.ValueB(), bridgetest.ValueC(), "7", nil, false},
		{"it made no new version", []ledger.Carried{made5}, bridgetest.ValueA(), bridgetest.ValueC(), "5", []ledger.Carried{made5Seen}, true},
		{"another field's stays", []ledger.Carried{other, seen}, bridgetest.ValueB(), bridgetest.ValueC(), "7", []ledger.Carried{other}, false},
	} {
		rest, stands := stillCarried(c.all, bridgetest.Status(c.want), c.there, c.version)
		assert.Equal(t, c.rest, rest, c.name)
		assert.Equal(t, c.stands, stands, c.name)
	}
}

func TestDoubtRule04_AnOlderWishIsForwardedWhereTheSourceFallsSilent(t *testing.T) {
	at := time.Date(2026, 1, 1, 8, 0, 0, 0, time.UTC)
	said := func(v sobject.Value, changed time.Time) ledger.Row {
		return ledger.Row{Known: true, Changed: changed, Image: ledger.Image{Said: []sobject.Field{bridgetest.Accepted(v)}}}
	}
	open := func(r ledger.Row, created time.Time, f ...sobject.Field) ledger.Row {
		in := bridgetest.Sent(f...)
		in.Created = created
		r.Open = append(r.Open, in)
		return r
	}
	keep := bridgetest.Accepted(bridgetest.Empty())
	for _, c := range []struct {
		name string
		row  ledger.Row
		f    sobject.Field
		want sobject.Value
	}{
		{"nothing was said", ledger.Row{}, keep, bridgetest.Empty()},
		{"the source speaks", said(bridgetest.ValueA(), at), bridgetest.Accepted(bridgetest.ValueB()), bridgetest.ValueB()},
		{"what is cleared when the source is silent", said(bridgetest.ValueA(), at), bridgetest.Status(bridgetest.Empty()), bridgetest.Empty()},
		{"an older version said it, unsettled", said(bridgetest.ValueA(), at), keep, bridgetest.ValueA()},
		{"an open write says it", open(ledger.Row{}, at, bridgetest.Accepted(bridgetest.ValueA())), keep, bridgetest.ValueA()},
		{"the newest of two open writes", open(open(ledger.Row{}, at, bridgetest.Accepted(bridgetest.ValueA())), at, bridgetest.Accepted(bridgetest.ValueB())), keep, bridgetest.ValueB()},
		{"an open write that is newer than the image", open(said(bridgetest.ValueA(), at), at.Add(time.Second), bridgetest.Accepted(bridgetest.ValueB())), keep, bridgetest.ValueB()},
		{"an open write that is older than what was said since", open(said(bridgetest.ValueB(), at.Add(time.Second)), at, bridgetest.Accepted(bridgetest.ValueA())), keep, bridgetest.ValueB()},
		{"an open write of something else", open(said(bridgetest.ValueA(), at), at.Add(time.Second), bridgetest.Status(bridgetest.ValueB())), keep, bridgetest.ValueA()},
	} {
		assert.Equal(t, c.want, forwarded(c.row, c.f), c.name)
	}
}

// Two steps of a plan that make the same record: whether they want the same of it.
func TestWhetherTwoStepsWantTheSame(t *testing.T) {
	f := func(owner sobject.Owner, keep bool, v sobject.Value) sobject.Record {
		return sobject.Record{Fields: []sobject.Field{{Name: "F", Owner: owner, KeepIfAbsent: keep, Value: v}}}
	}
	a, b, none := sobject.TextValue("a"), sobject.TextValue("b"), sobject.Value{}
	for _, c := range []struct {
		about        string
		first, other sobject.Record
		same         bool
	}{
		{"equal", f(sobject.Source, false, a), f(sobject.Source, false, a), true},
		{"another value of the source's", f(sobject.Source, false, a), f(sobject.Source, false, b), false},
		{"another latest value", f(sobject.Latest, false, a), f(sobject.Latest, false, b), false},
		{"emptied", f(sobject.Latest, false, a), f(sobject.Latest, false, none), false},
		{"silent, and what is there stays", f(sobject.Latest, true, a), f(sobject.Latest, true, none), true},
		{"another value, of a field that may be silent", f(sobject.Latest, true, a), f(sobject.Latest, true, b), false},
		{"what is set once only", f(sobject.CreateOnly, false, a), f(sobject.CreateOnly, false, b), true},
		{"what is Salesforce's own", f(sobject.TargetSide, false, a), f(sobject.TargetSide, false, b), true},
	} {
		assert.Equal(t, c.same, sameWish(c.first, c.other), c.about)
	}
}

// The stamp that is remembered of a row: that of the read where everything is as it is known, or where nobody else wrote it last.
func TestWhichStampOfARowIsRemembered(t *testing.T) {
	before, now := bridgetest.Noon().Add(-time.Hour), bridgetest.Noon()
	for _, c := range []struct {
		about  string
		theirs bool
		status string // in Salesforce
		stamp  time.Time
	}{
		{"as it is known, and ours", false, "Active", now},
		{"as it is known, and a person wrote something else of it", true, "Active", now},
		{"another value, and ours", false, "Revoked", now},
		{"another value, and a person's", true, "Revoked", before},
	} {
		image := sobject.Record{Object: bridgetest.CSRType, Key: sobject.Key{Value: "ward.sr.r1"}, Modified: before,
			Fields: []sobject.Field{{Name: "Status", Owner: sobject.Latest, Value: bridgetest.Text("Active")}}}
		row := ledger.Row{Known: true, Image: ledger.Image{Record: image}}
		have := sobject.Record{Object: bridgetest.CSRType, Key: image.Key, ID: "a01", Modified: now, Theirs: c.theirs,
			Fields: []sobject.Field{{Name: "Status", Value: bridgetest.Text(c.status)}}}
		w := &bridge.Write{Object: bridgetest.CSRType, Key: image.Key, Image: image, Rules: make([]mapping.Rule, 1)}
		w.Remember(row, now)
		p := planner(shelf.New(), t)
		cmp := &comparison{planner: p, read: now, current: bridge.Records{}}
		cmp.update(&bridge.Step{Fate: ledger.Pending, Work: ledger.Work{}}, w, have, row)
		assert.True(t, c.stamp.Equal(w.Known.Record.Modified), "%s: %s", c.about, w.Known.Record.Modified)
	}
	require.True(t, before.Before(now))
}

func TestAValueIsShownToAnOperatorAsItIs(t *testing.T) {
	assert.Equal(t, "(empty)", shown(sobject.Value{}))
	assert.Equal(t, "ward.sr.r1", shown(sobject.RefValue(sobject.Target{Object: bridgetest.CSRType}, "ward.sr.r1")))
	assert.Equal(t, "On-Hold", shown(bridgetest.Text("On-Hold")))
}
