package back

import (
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"refbridge/bridge"
	"refbridge/bridge/bridgetest"
	"refbridge/bridge/plan/shelf"
	"refbridge/fhir"
	"refbridge/ledger"
	"refbridge/mapping"
	"refbridge/sfdc/sobject"
)

// What becomes of a write-back by what Salesforce asks for now: a row a case.
func TestWhatBecomesOfAWriteBackBeforeTheSourceIsRead(t *testing.T) {
	cancel := fhir.Operation{Name: "$ers.cancelReferral"}
	as := func(s ledger.WritebackState) ledger.Writeback {
		return ledger.Writeback{State: s, Digest: digestOf(cancel)}
	}
	asks := decided{op: cancel}
	only := func(code string) []ledger.Entry { return []ledger.Entry{{Reason: ledger.Reason{Code: code}}} }
	open := []Permit{{Operation: cancel.Name}}
	for _, c := range []struct {
		name    string
		w       ledger.Writeback
		d       decided
		held    []ledger.Entry
		permits []Permit
		want    backNext // without the words of its reason
	}{
		{"asked for", as(ledger.Approved), asks, nil, open, backNext{do: readSource}},
		{"asked for, and a person has approved it", as(ledger.Approved), asks, nil, []Permit{{Operation: cancel.Name, Approval: true}}, backNext{do: readSource}},
		{"sent before, and still asked for", as(ledger.Sent), asks, nil, open, backNext{do: readSource}},
		{"in doubt", as(ledger.Approved), decided{op: cancel, doubt: true}, nil, open, backNext{}},
		{"in doubt, and both sides agree", as(ledger.Sent), decided{doubt: true, agreed: true}, nil, open, backNext{}},
		{"sent, and both sides agree", as(ledger.Sent), decided{agreed: true}, nil, open, backNext{state: ledger.Done}},
		{"unclear, and both sides agree", as(ledger.Unclear), decided{agreed: true}, nil, open, backNext{state: ledger.Done}},
		{"never sent, and both sides agree", as(ledger.Approved), decided{agreed: true}, nil, open, backNext{ledger.Refused, ledger.Reason{Code: codeWithdrawn}, compareAgain}},
		{"nothing is asked for", as(ledger.Approved), decided{}, nil, open, backNext{ledger.Refused, ledger.Reason{Code: codeWithdrawn}, compareAgain}},
		{"something else is asked for", as(ledger.Approved), decided{op: fhir.Operation{Name: cancel.Name, Parameters: []fhir.Parameter{{Name: "reason"}}}}, nil, open,
			backNext{ledger.Refused, ledger.Reason{Code: codeWithdrawn}, compareAgain}},
		{"switched off since", as(ledger.Approved), asks, nil, nil, backNext{state: ledger.Reported, reason: ledger.Reason{Code: codeNotAllowed}}},
		{"a conflict waits for a person", as(ledger.Approved), asks, only(bridge.CodeConflict), open, backNext{}},
		{"a value of which nobody knows whose it is", as(ledger.Approved), asks, only(bridge.CodeUnclearValue), open, backNext{}},
		{"held for something else", as(ledger.Approved), asks, only(bridge.CodeMapping), open, backNext{do: readSource}},
	} {
		r := &Reconciler{Permits: c.permits}
		got := r.before(c.w, c.d, c.held)
		assert.Equal(t, got.reason.Code != "", got.reason.Text != "", c.name)
		got.reason.Text = ""
		assert.Equal(t, c.want, got, c.name)
	}
}

// What becomes of a write-back by what the source says now: a row a case.
func TestWhatBecomesOfAWriteBackOnceTheSourceIsRead(t *testing.T) {
	held := []ledger.Entry{{Reason: ledger.Reason{Code: bridge.CodeMapping}}}
	unknown := backNext{state: ledger.Reported, reason: ledger.Reason{Code: bridge.CodeUnknownOutcome}}
	for _, c := range []struct {
		name    string
		state   ledger.WritebackState
		held    []ledger.Entry
		version string
		moved   bool
		want    backNext
	}{
		{"as it was", ledger.Approved, nil, "3", false, backNext{do: sendNow}},
		{"as it was, under another version", ledger.Approved, nil, "4", false, backNext{do: sendNow}},
		{"as it was, an older version is held", ledger.Approved, held, "3", false, backNext{do: sendNow}},
		{"another content", ledger.Approved, nil, "4", true, backNext{do: syncFirst}},
		{"another content, that is held", ledger.Approved, held, "4", true, backNext{}},
		{"sent once, and as it was: it did not take effect", ledger.Sent, nil, "3", false, backNext{do: sendNow}},
		{"sent once, and another version", ledger.Sent, nil, "4", false, unknown},
		{"sent once, and another content", ledger.Sent, nil, "4", true, unknown},
		{"unclear, and another version", ledger.Unclear, held, "4", true, unknown},
		{"unclear, and as it was", ledger.Unclear, nil, "3", false, backNext{do: sendNow}},
		{"sent once, the same version with another content", ledger.Sent, nil, "3", true, backNext{do: syncFirst}},
	} {
		got := after(ledger.Writeback{State: c.state, Ref: fhir.Reference{Version: "3"}}, c.held, c.version, c.moved)
		assert.Equal(t, got.reason.Code != "", got.reason.Text != "", c.name)
		got.reason.Text = ""
		assert.Equal(t, c.want, got, c.name)
	}
}

// What a row asks the source for: a row a case.
func TestWhatARowAsksForNow(t *testing.T) {
	tables := planner(shelf.New(), t).Tables
	i := 0
	for tables.Objects()[i].Name != bridgetest.CSRType {
		i++
	}
	object := tables.Objects()[i]
	revoked := csr("BOOKED", bridgetest.Values{"Status": bridgetest.Text("Revoked"), "Bridge_Action_Reason__c": bridgetest.Text("TREATMENT_NO_LONGER_REQUIRED")})
	known := ledger.Row{Known: true, Image: ledger.Image{Record: csr("BOOKED", nil)}}
	with := func(change func(*ledger.Row)) ledger.Row { r := known; change(&r); return r }
	for _, c := range []struct {
		name      string
		row       ledger.Row
		now       []sobject.Record
		operation string
		doubt     bool
		agreed    bool
		nothing   bool // not even the row
	}{
		{name: "what a person changed", row: known, now: []sobject.Record{revoked}, operation: "$ers.cancelReferral"},
		{name: "as it was written, and as was asked", row: with(func(r *ledger.Row) { r.Image.Record = revoked }), now: []sobject.Record{revoked}, agreed: true},
		{name: "as it was written, and otherwise than was asked", row: known, now: []sobject.Record{csr("BOOKED", nil)}},
		{name: "it is not there", row: known, nothing: true},
		{name: "nobody knows what was written", now: []sobject.Record{revoked}, nothing: true},
		{name: "a row that was never seen", row: with(func(r *ledger.Row) { r.Image.Unseen = true }), now: []sobject.Record{revoked}, nothing: true},
		{name: "in doubt", row: with(func(r *ledger.Row) { r.Open = []ledger.Intent{{ID: "1"}} }), now: []sobject.Record{revoked}, doubt: true},
		{name: "in doubt, and never seen", row: ledger.Row{Open: []ledger.Intent{{ID: "1"}}, Image: ledger.Image{Unseen: true}}, now: []sobject.Record{csr("BOOKED", nil)}, doubt: true},
	} {
		r := &Reconciler{Dialect: "ers", Tables: tables}
		w := ledger.Writeback{Object: bridgetest.CSRType, Field: "Status", To: "Revoked", Ref: fhir.Reference{Type: "ReferralRequest", ID: "000000070001"}}
		d, err := r.asksFor(w, object, c.row, c.now)
		require.NoError(t, err, c.name)
		assert.Equal(t, c.nothing, d.now.Object == "", c.name)
		assert.Equal(t, c.operation, d.op.Name, c.name)
		assert.Equal(t, c.doubt, d.doubt, c.name)
		assert.Equal(t, c.agreed, d.agreed, c.name)
	}
	// A reason that no table knows is no wish.
	r := &Reconciler{Dialect: "ers", Tables: tables}
	odd := csr("BOOKED", bridgetest.Values{"Status": bridgetest.Text("Revoked"), "Bridge_Action_Reason__c": bridgetest.Text("X")})
	_, err := r.asksFor(ledger.Writeback{Object: bridgetest.CSRType, Field: "Status"}, object, known, []sobject.Record{odd})
	assert.ErrorAs(t, err, new(mapping.Faults))
}
