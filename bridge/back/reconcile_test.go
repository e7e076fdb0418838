package back

import (
	"context"
	"errors"
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"refbridge/bridge"
	"refbridge/bridge/bridgetest"
	"refbridge/bridge/plan/shelf"
	"refbridge/ers"
	"refbridge/fhir"
	"refbridge/fhir/rest"
	"refbridge/ledger"
	"refbridge/sfdc/sobject"
)

// csr is a referral as a record, with the state that e-RS gives it.
func csr(state string, fields bridgetest.Values) sobject.Record {
	r := sobject.Record{Object: bridgetest.CSRType, Key: sobject.Key{Field: "Bridge_Key__c", Value: "ers.sr.000000070001"}, Modified: bridgetest.Noon()}
	r.Set("Status", bridgetest.Text("Active"))
	r.Set("IsAccepted", sobject.Value{})
	r.Set("Bridge_Source_State__c", bridgetest.Text(state))
	for name, v := range fields {
		r.Set(name, v)
	}
	return r
}

// What is proposed for a change made in Salesforce: a row a case. was is what was last synced, is what stands there now.
func TestWhatIsProposedForAChangeInSalesforce(t *testing.T) {
	const cancel, accept, reasonGiven = "$ers.cancelReferral", "$ers.acceptReferral", "TREATMENT_NO_LONGER_REQUIRED"
	tables := planner(shelf.New(), t).Tables
	revoked := bridgetest.Values{"Status": bridgetest.Text("Revoked"), "Bridge_Action_Reason__c": bridgetest.Text(reasonGiven)}
	for _, c := range []struct {
		name      string
		dialect   string
		permits   []Permit
		was       bridgetest.Values
		is        bridgetest.Values
		state     ledger.WritebackState // empty: nothing is proposed
		operation string
		code      string
		field     string
	}{
		{name: "nothing changed", dialect: "ers"},
		{name: "cancelled, switched on", dialect: "ers", permits: []Permit{{Operation: cancel}}, is: revoked, state: ledger.Approved, operation: cancel, field: "Status"},
		{name: "cancelled, for an operator", dialect: "ers", permits: []Permit{{Operation: cancel, Approval: true}}, is: revoked, state: ledger.Waiting, operation: cancel, code: codeAwaitsPerson, field: "Status"},
		{name: "cancelled, not switched on", dialect: "ers", permits: []Permit{{Operation: accept}}, is: revoked, state: ledger.Reported, operation: cancel, code: codeNotAllowed, field: "Status"},
		{name: "cancelled without a reason", dialect: "ers", permits: []Permit{{Operation: cancel}}, is: bridgetest.Values{"Status": bridgetest.Text("Revoked")}, state: ledger.Reported, code: bridge.CodeMapping, field: "Status"},
		{name: "cancelled for a reason that e-RS does not have", dialect: "ers", permits: []Permit{{Operation: cancel}}, is: bridgetest.Values{"Status": bridgetest.Text("Revoked"), "Bridge_Action_Reason__c": bridgetest.Text("X")}, state: ledger.Reported, code: bridge.CodeUnknownCode, field: "Status"},
		{name: "accepted", dialect: "ers", permits: []Permit{{Operation: accept}}, was: bridgetest.Values{"IsAccepted": sobject.BoolValue(false)}, is: bridgetest.Values{"IsAccepted": bridgetest.Yes()}, state: ledger.Approved, operation: accept, field: "IsAccepted"},
		{name: "accepted, where the source had said nothing", dialect: "ers", permits: []Permit{{Operation: accept}}, is: bridgetest.Values{"IsAccepted": bridgetest.Yes()}, state: ledger.Approved, operation: accept, field: "IsAccepted"},
		{name: "a default of the org, where the source had said nothing", dialect: "ers", is: bridgetest.Values{"IsAccepted": sobject.BoolValue(false)}},
		{name: "a status that no rule carries", dialect: "ers", is: bridgetest.Values{"Status": bridgetest.Text("Draft")}, state: ledger.Reported, code: codeNotCarried, field: "Status"},
		{name: "accepted and cancelled at once", dialect: "ers", permits: []Permit{{Operation: accept}, {Operation: cancel}}, was: bridgetest.Values{"IsAccepted": sobject.BoolValue(false)},
			is: bridgetest.Values{"IsAccepted": bridgetest.Yes(), "Status": bridgetest.Text("Revoked"), "Bridge_Action_Reason__c": bridgetest.Text(reasonGiven)}, state: ledger.Reported, code: bridge.CodeMapping, field: "IsAccepted"},
		{name: "a status for a FHIR server", dialect: "fhir", permits: []Permit{{Operation: fhir.OperationUpdate}}, is: bridgetest.Values{"Status": bridgetest.Text("On-Hold")}, state: ledger.Approved, operation: fhir.OperationUpdate, field: "Status"},
		{name: "two statuses that a FHIR server cannot tell apart", dialect: "fhir", permits: []Permit{{Operation: fhir.OperationUpdate}}, is: bridgetest.Values{"Status": bridgetest.Text("Scheduled")}},
		{name: "a status that a FHIR server does not have", dialect: "fhir", permits: []Permit{{Operation: fhir.OperationUpdate}}, is: bridgetest.Values{"Status": bridgetest.Text("Nowhere")}, state: ledger.Reported, code: bridge.CodeUnknownCode, field: "Status"},
	} {
		t.Run(c.name, func(t *testing.T) {
			r := &Reconciler{Flow: "ers", Dialect: c.dialect, Tables: tables, Permits: c.permits, refused: map[string]bool{}}
			image, now := csr("BOOKED", c.was), csr("BOOKED", c.is)
			ref := fhir.Reference{Type: "ReferralRequest", ID: "000000070001"}
			got := r.proposals(ref, changes(image, now, tables.BackFields(bridgetest.CSRType)), image, now)
			if c.state == "" {
				assert.Empty(t, got)
				return
			}
			require.Len(t, got, 1, "the first field speaks for the whole change")
			assert.Equal(t, c.state, got[0].State, got[0].Reason.Text)
			assert.Equal(t, c.operation, got[0].Operation)
			assert.Equal(t, c.code, got[0].Reason.Code)
			assert.Equal(t, c.field, got[0].Field)
			assert.Equal(t, c.operation != "", got[0].Digest != "")
			assert.Equal(t, ref, got[0].Ref)
			assert.False(t, r.refusedBefore(got[0]))
			r.refused[refusal(got[0])] = true
			assert.True(t, r.refusedBefore(got[0]), "what was refused is not asked again")
			later := got[0]
			later.Stamp = "another edit"
			assert.False(t, r.refusedBefore(later))
		})
	}
}

func TestAnApprovalIsForAnOperationWithAllThatItSays(t *testing.T) {
	op := fhir.Operation{Name: "a", On: fhir.Reference{Type: "ReferralRequest", ID: "1", Version: "3"}, Parameters: []fhir.Parameter{{Name: "n", System: "s", Code: "c", Text: "t"}}}
	with := func(change func(o *fhir.Operation)) fhir.Operation {
		o := op
		o.Parameters = []fhir.Parameter{op.Parameters[0]}
		change(&o)
		return o
	}
	assert.Equal(t, digestOf(op), digestOf(with(func(o *fhir.Operation) { o.On.Version = "4" })), "another version is the same wish")
	for name, change := range map[string]func(o *fhir.Operation){
		"name": func(o *fhir.Operation) { o.Name = "b" }, "record": func(o *fhir.Operation) { o.On.ID = "2" },
		"parameter": func(o *fhir.Operation) { o.Parameters[0].Name = "x" }, "system": func(o *fhir.Operation) { o.Parameters[0].System = "x" },
		"code": func(o *fhir.Operation) { o.Parameters[0].Code = "x" }, "text": func(o *fhir.Operation) { o.Parameters[0].Text = "x" },
		"fewer": func(o *fhir.Operation) { o.Parameters = nil },
	} {
		assert.NotEqual(t, digestOf(op), digestOf(with(change)), name)
	}
}

func TestAnAnswerIsKnownFromEachClient(t *testing.T) {
	for _, c := range []struct {
		name      string
		err       error
		answered  bool
		status    int
		ambiguous bool
	}{
		{"of e-RS", &ers.Error{Status: 422}, true, 422, false},
		{"of a FHIR server", &rest.Error{Status: 409}, true, 409, false},
		{"of nobody", errors.New("x"), false, 0, false},
		{"of a FHIR server, of which nobody knows what it did", bridgetest.LostUpdate(t, 502), true, 502, true},
	} {
		answered, status, ambiguous := answerOf(c.err)
		assert.Equal(t, []any{c.answered, c.status, c.ambiguous}, []any{answered, status, ambiguous}, c.name)
	}
}

// What a stop of the run is, and what a failure: a row a case.
func TestAStopIsNoFailure(t *testing.T) {
	ended, end := context.WithCancel(t.Context())
	end()
	for _, c := range []struct {
		name string
		ctx  context.Context
		err  error
		want bool
	}{
		{"cancelled, and asked to end", ended, context.Canceled, true},
		{"a deadline, and asked to end", ended, context.DeadlineExceeded, true},
		{"another error, and asked to end", ended, errors.New("x"), false},
		{"no error, and asked to end", ended, nil, false},
		{"cancelled by somebody else", t.Context(), context.Canceled, false},
	} {
		assert.Equal(t, c.want, bridge.Stopped(c.ctx, c.err), c.name)
	}
	r := &Reconciler{}
	assert.ErrorIs(t, r.halted(t.Context(), errors.New("x"), "read"), bridge.ErrHalted)
	assert.Equal(t, context.Canceled, r.halted(ended, context.Canceled, "read"))
	assert.True(t, strings.HasPrefix(r.halted(t.Context(), errors.New("x"), "read").Error(), "lane halted: read in Salesforce"))
}
