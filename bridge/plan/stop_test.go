package plan

import (
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"refbridge/bridge"
	"refbridge/bridge/bridgetest"
	"refbridge/ledger"
	"refbridge/sfdc/sobject"
)

// What is written ahead of a step so that nobody contacts the patient, and what is known of the flag then: a row a case.
func TestDoubtRule05_WhatIsWrittenAheadForAStopFlag(t *testing.T) {
	no, none := sobject.BoolValue(false), sobject.Value{}
	flag := func(v sobject.Value) sobject.Field { return sobject.Field{Name: bridgetest.TheFlag, Value: v} }
	row := func(v sobject.Value, open ...ledger.Intent) ledger.Row {
		r := bridgetest.RecordOf(flag(v))
		r.Modified = bridgetest.Noon().Add(-time.Hour)
		return ledger.Row{Known: true, Image: ledger.Image{Record: r}, Open: open}
	}
	for _, c := range []struct {
		about  string
		row    ledger.Row
		have   sobject.Value
		theirs bool // a person wrote last
		writes bool
	}{
		{"it is to be set", row(no), no, false, true},
		{"it is to be set in a row that we never wrote", ledger.Row{}, none, false, true},
		{"it is set", row(bridgetest.Yes()), bridgetest.Yes(), false, false},
		{"it is set by somebody else", row(no), bridgetest.Yes(), true, false},
		{"a person took it back", row(bridgetest.Yes()), no, true, false},
		{"nobody saw whether it was set, and it is", row(no, bridgetest.Sent(flag(bridgetest.Yes()))), bridgetest.Yes(), false, false},
		{"nobody saw whether it was set, and it is not", row(no, bridgetest.Sent(flag(bridgetest.Yes()))), no, false, true},
		{"nobody saw whether it was set, and a person wrote last: it may be theirs that it is not", row(no, bridgetest.Sent(flag(bridgetest.Yes()))), no, true, true},
	} {
		have := bridgetest.RecordOf(flag(c.have))
		have.ID, have.Modified, have.Theirs = "a01", bridgetest.Noon(), c.theirs
		got := stopWrites(bridgetest.RecordOf(flag(bridgetest.Yes())), have, c.row, bridgetest.Noon())
		assert.Equal(t, c.writes, len(got) == 1, c.about)
		if !c.writes {
			continue
		}
		w := got[0]
		sends, _ := w.Send.Get(bridgetest.TheFlag)
		assert.Equal(t, bridgetest.Yes(), sends, c.about)
		assert.Equal(t, "a01", w.Send.ID, c.about)
		assert.Equal(t, bridge.Update, w.Action, c.about)
		require.Len(t, w.Fields, 1, c.about)
		assert.Equal(t, c.have, w.Fields[0].Have, c.about)
		image, _ := w.Image.Get(bridgetest.TheFlag)
		assert.Equal(t, bridgetest.Yes(), image, c.about)
		assert.Len(t, w.Send.Fields, 1, "nothing else goes ahead")
	}
	// Of a row with more than the flag nothing else is sent, and what is known of it stays known.
	r := row(no)
	r.Image.Record.Set("Status", bridgetest.Text("Active"))
	w := stopWrites(bridgetest.RecordOf(flag(bridgetest.Yes())), bridgetest.RecordOf(flag(no), bridgetest.Status(bridgetest.Text("Revoked"))), r, bridgetest.Noon())[0]
	assert.Len(t, w.Send.Fields, 1)
	kept, _ := w.Image.Get("Status")
	assert.Equal(t, bridgetest.Text("Active"), kept)
	assert.Len(t, r.Image.Record.Fields, 2)
	before, _ := r.Image.Record.Get(bridgetest.TheFlag)
	assert.Equal(t, no, before, "what the ledger gave is not changed")
}
