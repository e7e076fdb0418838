package back

import (
	"errors"
	"fmt"
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"

	"refbridge/bridge"
	"refbridge/bridge/bridgetest"
	"refbridge/bridge/source"
	"refbridge/ers"
	"refbridge/fhir"
	"refbridge/fhir/rest"
	"refbridge/ledger"
)

// What an operation that failed means for the change that asked for it: a row a case. The codes are those of docs/fates.md.
func TestWhatAFailureOfAnOperationMeans(t *testing.T) {
	for _, c := range []struct {
		name    string
		dialect string
		err     error
		state   ledger.WritebackState
		code    string
		look    bool // the source is read
		halts   bool
	}{
		{"it is not offered", "ers", source.ErrNotOffered, ledger.Refused, codeNotOffered, false, false},
		{"401", "ers", &ers.Error{Status: 401}, ledger.Approved, codeRefused, false, true},
		{"403", "fhir", &rest.Error{Status: 403}, ledger.Approved, codeRefused, false, true},
		{"the sign-in", "ers", &ers.Error{Call: "sign in", Status: 503}, ledger.Approved, codeRefused, false, true},
		{"the sign-in, without an answer", "ers", &ers.Error{Call: "sign in"}, ledger.Approved, codeRefused, false, true},
		{"the sign-in, before what comes before", "ers", fmt.Errorf("%w: %w", source.ErrNotSent, &ers.Error{Call: "sign in"}), ledger.Approved, codeRefused, false, true},
		{"what comes before it failed", "ers", fmt.Errorf("%w: %w", source.ErrNotSent, &ers.Error{Status: 500}), ledger.Approved, codeRefused, false, false},
		{"what comes before it was refused", "ers", fmt.Errorf("%w: %w", source.ErrNotSent, &ers.Error{Status: 401}), ledger.Approved, codeRefused, false, true},
		{"no answer", "fhir", bridgetest.LostUpdate(t, 0), ledger.Unclear, bridge.CodeUnknownOutcome, true, false},
		{"502", "fhir", bridgetest.LostUpdate(t, 502), ledger.Unclear, bridge.CodeUnknownOutcome, true, false},
		{"it was never sent", "fhir", errors.New("no such operation"), ledger.Reported, codeRefused, false, false},
		{"412 of e-RS", "ers", &ers.Error{Status: 412}, ledger.Reported, codeRefused, false, false},
		{"412 of a FHIR server", "fhir", &rest.Error{Status: 412}, ledger.Approved, codeSourceMoved, true, false},
		{"409", "ers", &ers.Error{Status: 409}, ledger.Approved, codeSourceMoved, true, false},
		{"423", "ers", &ers.Error{Status: 423}, ledger.Approved, codeSourceMoved, true, false},
		{"429", "ers", &ers.Error{Status: 429}, ledger.Approved, codeSourceMoved, true, false},
		{"422", "ers", &ers.Error{Status: 422, Codes: []string{"INVALID_REQUEST_STATE"}}, ledger.Refused, codeRefused, false, false},
		{"400", "fhir", &rest.Error{Status: 400}, ledger.Refused, codeRefused, false, false},
	} {
		f := failure(c.dialect, "$op", c.err)
		assert.Equal(t, c.state, f.state, c.name)
		assert.Equal(t, c.code, f.reason.Code, c.name)
		assert.Equal(t, c.look, f.look, c.name)
		assert.Equal(t, c.halts, errors.Is(f.halt, bridge.ErrHalted), c.name)
		assert.Contains(t, c.err.Error(), f.reason.Text, c.name)
	}
}

func TestFinding_code_T8_AWriteBackWhoseSourceCannotBeReadSaysSo(t *testing.T) {
	w := ledger.Writeback{State: ledger.Approved}
	for _, c := range []struct {
		name  string
		was   ledger.WritebackState
		err   error
		state ledger.WritebackState
		code  string
		halts bool
	}{
		{"no answer", ledger.Approved, &ers.Error{}, ledger.Approved, bridge.CodeSource, false},
		{"not visible", ledger.Approved, &rest.Error{Status: 404}, ledger.Approved, bridge.CodeSourceGone, false},
		{"no answer, of one in doubt", ledger.Unclear, &ers.Error{Status: 502}, ledger.Unclear, bridge.CodeSource, false},
		{"no longer ours", ledger.Approved, &ers.Error{Status: 422, Codes: []string{"NO_RELATIONSHIP"}}, ledger.Approved, bridge.CodeRelationship, false},
		{"e-RS asks not to try again", ledger.Approved, &ers.Error{Status: 422, Codes: []string{"PATIENT_ERROR"}}, ledger.Refused, bridge.CodePatientError, false},
		{"a body that is none", ledger.Approved, fhir.ErrSyntax, ledger.Approved, bridge.CodeUnreadable, false},
		{"401", ledger.Approved, &ers.Error{Status: 401}, "", "", true},
		{"429", ledger.Approved, &rest.Error{Status: 429}, "", "", true},
	} {
		w.State = c.was
		state, reason, err := unread(w, c.err, bridgetest.Noon())
		assert.Equal(t, c.state, state, c.name)
		assert.Equal(t, c.code, reason.Code, c.name)
		assert.Equal(t, c.halts, errors.Is(err, bridge.ErrHalted), c.name)
	}
}

// The same of the way back, where the page has states.
func TestEveryLineOfTheWayBackIsDecidedSo(t *testing.T) {
	r := &Reconciler{Permits: []Permit{{Operation: "a", Approval: true}}}
	off, notOn := r.permitted("b")
	wait, awaits := r.permitted("a")
	decided := map[string][]ledger.WritebackState{notOn.Code: {off}, awaits.Code: {wait}, codeNotCarried: {ledger.Reported}, codeWithdrawn: {ledger.Refused}, codeSettledSince: {ledger.Refused}}
	for _, err := range []error{source.ErrNotOffered, &rest.Error{Status: 409}, &rest.Error{Status: 400}, errors.New("x"), &rest.Error{Status: 401}, bridgetest.LostUpdate(t, 0)} {
		f := failure("fhir", "a", err)
		decided[f.reason.Code] = append(decided[f.reason.Code], f.state)
	}
	state, reason, _ := unread(ledger.Writeback{State: ledger.Approved}, &rest.Error{Status: 503}, bridgetest.Noon())
	decided[reason.Code] = append(decided[reason.Code], state)
	state, reason, _ = unread(ledger.Writeback{State: ledger.Approved}, &ers.Error{Codes: []string{"PATIENT_ERROR"}}, bridgetest.Noon())
	decided[reason.Code] = append(decided[reason.Code], state)
	for _, line := range bridgetest.DocumentedLines(t, "## On the way back", "") {
		assert.NotEmpty(t, decided[line.Code], "no case decides %s", line.Code)
		for _, s := range decided[line.Code] {
			assert.True(t, line.Fate == "as it was" || strings.Contains(strings.ToLower(line.Fate), string(s)), "%s: %s, and the page says %s", line.Code, s, line.Fate)
		}
	}
}
