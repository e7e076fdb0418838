package back

import (
	"testing"

	"github.com/stretchr/testify/assert"

	"refbridge/bridge"
	"refbridge/bridge/bridgetest"
	"refbridge/ledger"
	"refbridge/mapping"
	"refbridge/sfdc/sobject"
)

func TestDoubtRule05_WhatIsOursAsksForNothing(t *testing.T) {
	o := mapping.Object{Name: "ClinicalServiceRequest", Fields: []string{"Bridge_Action_Reason__c", "Status"}, Mapped: []string{"Status"}}
	reason := func(v sobject.Value) sobject.Field { return sobject.Field{Name: "Bridge_Action_Reason__c", Value: v} }
	row := func(image *ledger.Image, open ...ledger.Intent) ledger.Row {
		r := ledger.Row{Open: open}
		if image != nil {
			r.Image, r.Known = *image, true
		}
		return r
	}
	a := bridgetest.Known(bridgetest.Status(bridgetest.ValueA()))
	unclearA := ledger.Image{Record: bridgetest.RecordOf(bridgetest.Status(bridgetest.ValueA())), Unclear: []string{"Status"}}
	carriedC := ledger.Image{Record: bridgetest.RecordOf(bridgetest.Status(bridgetest.ValueA())), Carried: []ledger.Carried{{Field: "Status", Value: bridgetest.ValueC()}}}
	for _, c := range []struct {
		name string
		row  ledger.Row
		have sobject.Value
		asks bool
	}{
		{"as the image has it", row(&a), bridgetest.ValueA(), false},
		{"a person's", row(&a), bridgetest.ValueC(), true},
		{"a candidate", row(&a, bridgetest.Sent(bridgetest.Status(bridgetest.ValueB()))), bridgetest.ValueB(), false},
		{"the image's value, in doubt", row(&a, bridgetest.Sent(bridgetest.Status(bridgetest.ValueB()))), bridgetest.ValueA(), false},
		{"a person's, in doubt", row(&a, bridgetest.Sent(bridgetest.Status(bridgetest.ValueB()))), bridgetest.ValueC(), true},
		{"no image, what was meant", row(nil, bridgetest.Created(bridgetest.Status(bridgetest.ValueA()))), bridgetest.ValueA(), false},
		{"no image, a person's", row(nil, bridgetest.Created(bridgetest.Status(bridgetest.ValueA()))), bridgetest.ValueC(), true},
		{"nothing is known of a field that the tables write", row(&ledger.Image{}), bridgetest.ValueC(), false},
		{"nobody can tell whose it is", row(&unclearA), bridgetest.ValueC(), false},
		{"it was carried back", row(&carriedC), bridgetest.ValueC(), false},
		{"changed since it was carried back", row(&carriedC), bridgetest.ValueB(), true},
	} {
		now := bridgetest.RecordOf(bridgetest.Status(c.have), reason(bridgetest.Empty()))
		image := ours(o, c.row, now)
		assert.Equal(t, c.asks, len(changes(image, now, []string{"Status"})) == 1, c.name)
	}
	now := bridgetest.RecordOf(bridgetest.Status(bridgetest.ValueA()), reason(bridgetest.ValueC()))
	assert.Len(t, changes(ours(o, row(&a), now), now, o.Fields), 1, "a person's own field, which the tables do not write, asks")
}

func TestDoubtRule05_AProposalIsWithdrawnOnceTheRowDoesNotAskForIt(t *testing.T) {
	w := ledger.Writeback{Field: "Status", To: "c"}
	imageA, imageC := bridgetest.Known(bridgetest.Status(bridgetest.ValueA())), bridgetest.Known(bridgetest.Status(bridgetest.ValueC()))
	for _, c := range []struct {
		name  string
		row   ledger.Row
		have  sobject.Value
		asked bool
	}{
		{"it still does", ledger.Row{Known: true, Image: imageA}, bridgetest.ValueC(), true},
		{"the row says something else", ledger.Row{Known: true, Image: imageA}, bridgetest.ValueB(), false},
		{"the row says what it said before", ledger.Row{Known: true, Image: imageA}, bridgetest.ValueA(), false},
		{"both sides have it by now", ledger.Row{Known: true, Image: imageC}, bridgetest.ValueC(), false},
		{"a write of ours meant it", ledger.Row{Known: true, Image: imageA, Open: []ledger.Intent{bridgetest.Sent(bridgetest.Status(bridgetest.ValueC()))}}, bridgetest.ValueC(), false},
	} {
		assert.Equal(t, c.asked, asked(c.row, bridgetest.RecordOf(bridgetest.Status(c.have)), w), c.name)
	}
}

func TestDoubtRule05_WhatIsNotSentAgain(t *testing.T) {
	for _, c := range []struct {
		name  string
		state ledger.WritebackState
		code  string
		not   bool
	}{
		{"the source refused it", ledger.Refused, codeRefused, true},
		{"the source did not offer it", ledger.Refused, codeNotOffered, true},
		{"Salesforce did not ask for it any more, and may again", ledger.Refused, codeWithdrawn, false},
		{"sent without an answer, and the source has moved", ledger.Reported, bridge.CodeUnknownOutcome, true},
		{"not switched on yet", ledger.Reported, codeNotAllowed, false},
		{"no rule carries it yet", ledger.Reported, codeNotCarried, false},
	} {
		assert.Equal(t, c.not, notAgain(ledger.Writeback{State: c.state, Reason: ledger.Reason{Code: c.code}}), c.name)
	}
}

// Which fields of a held record wait for a person to choose; nothing of them is proposed to the source.
func TestWhichFieldsWaitForAPerson(t *testing.T) {
	held := func(code, field string) []ledger.Entry {
		return []ledger.Entry{{Reason: ledger.Reason{Code: "other", Field: "Status"}}, {Reason: ledger.Reason{Code: code, Field: field}}}
	}
	for _, c := range []struct {
		about string
		held  []ledger.Entry
		field string
		waits bool
	}{
		{"nothing is held", nil, "Status", false},
		{"both sides changed it", held(bridge.CodeConflict, "Status"), "Status", true},
		{"nobody can tell whose value it is", held(bridge.CodeUnclearValue, "Status"), "Status", true},
		{"another field", held(bridge.CodeConflict, "Priority"), "Status", false},
		{"held for something else", held(bridge.CodeUnknownCode, "Status"), "Status", false},
		{"any field", held(bridge.CodeConflict, "Priority"), "", true},
		{"any field, held for something else", held(bridge.CodeUnknownCode, "Status"), "", false},
	} {
		assert.Equal(t, c.waits, undecided(c.held, c.field), c.about)
	}
}

// Which changes made in Salesforce are listed no longer.
func TestWhichRefusedChangesAreSettled(t *testing.T) {
	for _, c := range []struct {
		state   ledger.WritebackState
		code    string
		settled bool
	}{
		{ledger.Refused, codeRefused, false},
		{ledger.Refused, codeNotOffered, false},
		{ledger.Refused, bridge.CodePatientError, false},
		{ledger.Refused, codeWithdrawn, true},
		{ledger.Refused, codeSettledSince, true},
		{ledger.Reported, codeWithdrawn, false},
		{ledger.Waiting, codeAwaitsPerson, false},
	} {
		assert.Equal(t, c.settled, settled(ledger.Writeback{State: c.state, Reason: ledger.Reason{Code: c.code}}), "%s %s", c.state, c.code)
	}
}
