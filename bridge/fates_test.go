package bridge

import (
	"errors"
	"fmt"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"

	"refbridge/bridge/bridgetest"
	"refbridge/ers"
	"refbridge/fhir"
	"refbridge/fhir/rest"
	"refbridge/ledger"
	"refbridge/mapping"
	"refbridge/sfdc"
)

// Every way in which Salesforce refuses a record or fails: a row a case. attempts are those before, for the same reason.
func TestWhatAFailureOfSalesforceMeans(t *testing.T) {
	lost := bridgetest.LostAnswer(t)
	for _, c := range []struct {
		name     string
		err      error
		code     string
		attempts int
		fate     ledger.Fate
		next     time.Duration // 0 = none
		halts    string        // what is said; empty = it does not
	}{
		{"it could not be reached", errors.New("dial"), CodeUnknownOutcome, 0, ledger.Held, time.Minute, ""},
		{"it could not be reached, the last time", errors.New("dial"), CodeUnknownOutcome, 7, ledger.Dead, 0, ""},
		{"the answer never came", lost, CodeUnknownOutcome, 0, ledger.Unknown, time.Minute, ""},
		{"the answer never came, again", lost, CodeUnknownOutcome, 3, ledger.Unknown, time.Hour, ""},
		{"the answer never came, the last time", lost, CodeUnknownOutcome, 7, ledger.Dead, 0, ""},
		{"the calls are used up", bridgetest.RefusedRow("REQUEST_LIMIT_EXCEEDED"), "", 0, "", 0, "the daily calls of Salesforce are used up"},
		{"the reserve of calls", &sfdc.Error{Code: sfdc.CodeAllocation}, "", 0, "", 0, "the daily calls of Salesforce are used up"},
		{"maintenance", bridgetest.RefusedRow("ORG_IN_MAINTENANCE"), "", 0, "", 0, "in maintenance"},
		{"the log-in", &sfdc.Error{Call: "token", Status: 400, Code: "invalid_grant"}, "", 0, "", 0, "refuses the log-in"},
		{"a validation rule", bridgetest.RefusedRow("FIELD_CUSTOM_VALIDATION_EXCEPTION"), CodeData, 0, ledger.Held, 24 * time.Hour, ""},
		{"a validation rule, day after day", bridgetest.RefusedRow("FIELD_CUSTOM_VALIDATION_EXCEPTION"), CodeData, 6, ledger.Held, 24 * time.Hour, ""},
		{"a validation rule, the last time", bridgetest.RefusedRow("FIELD_CUSTOM_VALIDATION_EXCEPTION"), CodeData, 7, ledger.Dead, 0, ""},
		{"a picklist", bridgetest.RefusedRow("INVALID_OR_NULL_FOR_RESTRICTED_PICKLIST"), CodeData, 0, ledger.Held, 24 * time.Hour, ""},
		{"a missing field", bridgetest.RefusedRow("REQUIRED_FIELD_MISSING"), CodeData, 0, ledger.Held, 24 * time.Hour, ""},
		{"a length", bridgetest.RefusedRow("STRING_TOO_LONG"), CodeData, 0, ledger.Held, 24 * time.Hour, ""},
		{"no access to the object", bridgetest.RefusedRow("INSUFFICIENT_ACCESS"), CodePermission, 0, ledger.Held, time.Minute, ""},
		{"no access to the object, the last time", bridgetest.RefusedRow("INSUFFICIENT_ACCESS"), CodePermission, 7, ledger.Dead, 0, ""},
		{"a duplicate rule", bridgetest.RefusedRow("DUPLICATES_DETECTED"), codeDuplicateRule, 0, ledger.Dead, 0, ""},
		{"our key exists", bridgetest.RefusedRow("DUPLICATE_VALUE"), codeDuplicateKey, 0, ledger.Held, time.Minute, ""},
		{"our key exists, a fourth time", bridgetest.RefusedRow("DUPLICATE_VALUE"), codeDuplicateKey, 3, ledger.Held, time.Minute, ""},
		{"our key exists, the last time", bridgetest.RefusedRow("DUPLICATE_VALUE"), codeDuplicateKey, 7, ledger.Dead, 0, ""},
		{"a person deleted it", bridgetest.RefusedRow("ENTITY_IS_DELETED"), CodeDeleted, 0, ledger.Dead, 0, ""},
		{"an approval locks it", bridgetest.RefusedRow("ENTITY_IS_LOCKED"), codeLocked, 0, ledger.Held, 15 * time.Minute, ""},
		{"an approval locks it, after 24 hours", bridgetest.RefusedRow("ENTITY_IS_LOCKED"), codeLocked, 96, ledger.Held, 15 * time.Minute, ""},
		{"an approval locks it for longer", bridgetest.RefusedRow("ENTITY_IS_LOCKED"), codeLocked, 97, ledger.Dead, 0, ""},
		{"a lock of a row", bridgetest.RefusedRow("UNABLE_TO_LOCK_ROW"), codeTransient, 0, ledger.Held, time.Minute, ""},
		{"a lock of a row, the last time", bridgetest.RefusedRow("UNABLE_TO_LOCK_ROW"), codeTransient, 7, ledger.Dead, 0, ""},
		{"a 500 whose rows were never sent", &sfdc.Error{Call: "describe", Status: 500}, codeTransient, 0, ledger.Held, time.Minute, ""},
		{"a code that nobody knows", bridgetest.RefusedRow("SOMETHING_NEW"), codeUnknownError, 0, ledger.Held, 24 * time.Hour, ""},
		{"a code that nobody knows, the last time", bridgetest.RefusedRow("SOMETHING_NEW"), codeUnknownError, 7, ledger.Dead, 0, ""},
	} {
		v := OfTarget(c.err, bridgetest.FailedBefore(c.code, c.attempts), bridgetest.Noon())
		if c.halts != "" {
			assert.ErrorIs(t, v.Halt, ErrHalted, c.name)
			assert.ErrorIs(t, v.Halt, c.err, c.name)
			assert.ErrorContains(t, v.Halt, c.halts, c.name)
			continue
		}
		assert.NoError(t, v.Halt, c.name)
		assert.Equal(t, c.fate, v.Fate, c.name)
		assert.Equal(t, c.code, v.Reason.Code, c.name)
		checkNext(t, c.next, v.Next, c.name)
	}
	waited := OfTarget(bridgetest.RefusedRow("UNABLE_TO_LOCK_ROW"), bridgetest.FailedBefore(CodePatientMissing, 7), bridgetest.Noon())
	assert.Equal(t, ledger.Held, waited.Fate, "what waited for its patient has not failed at Salesforce")
	assert.Contains(t, OfTarget(bridgetest.RefusedRow("DUPLICATES_DETECTED"), ledger.Work{}, bridgetest.Noon()).Reason.Text, bridgetest.AnAccount, "the matches are named")
	assert.Equal(t, "Status", OfTarget(bridgetest.RefusedRow("STRING_TOO_LONG"), ledger.Work{}, bridgetest.Noon()).Reason.Field)
	assert.Contains(t, OfTarget(bridgetest.RefusedRow("UNABLE_TO_LOCK_ROW"), bridgetest.FailedBefore(codeTransient, 7), bridgetest.Noon()).Reason.Text, "given up after 8 attempts")
}

func checkNext(t *testing.T, want time.Duration, next time.Time, name string) {
	t.Helper()
	if want == 0 {
		assert.Zero(t, next, name)
		return
	}
	assert.Equal(t, bridgetest.Noon().Add(want), next, name)
}

// Every way in which a source refuses a record or fails: a row a case.
func TestWhatAFailureOfTheSourceMeans(t *testing.T) {
	saysERS := func(status int, codes ...string) error {
		return &ers.Error{Call: "A005 read referral", Status: status, Codes: codes}
	}
	for _, c := range []struct {
		name     string
		err      error
		code     string
		attempts int
		fate     ledger.Fate
		next     time.Duration
		halts    bool
	}{
		{"e-RS: do not try again", saysERS(422, "PATIENT_ERROR"), CodePatientError, 0, ledger.Dead, 0, false},
		{"e-RS: not with this organisation", saysERS(422, "NO_RELATIONSHIP"), CodeRelationship, 0, ledger.Dead, 0, false},
		{"e-RS: no appointment request", saysERS(422, "INVALID_REQUEST_TYPE"), CodeRelationship, 0, ledger.Dead, 0, false},
		{"e-RS: another 422", saysERS(422, "SOMETHING"), CodeUnreadable, 0, ledger.Held, time.Minute, false},
		{"e-RS: no answer", saysERS(0), CodeSource, 0, ledger.Held, time.Minute, false},
		{"e-RS: 500", saysERS(500), CodeSource, 1, ledger.Held, 5 * time.Minute, false},
		{"e-RS: 401", saysERS(401), "", 0, "", 0, true},
		{"e-RS: the sign-in is not well", &ers.Error{Call: "sign in", Status: 503}, "", 0, "", 0, true},
		{"e-RS: the sign-in gives no answer", &ers.Error{Call: "sign in"}, "", 0, "", 0, true},
		{"e-RS: the sign-in is refused", &ers.Error{Call: "sign in", Status: 401, Codes: []string{"invalid_client"}}, "", 0, "", 0, true},
		{"e-RS: the sign-in is refused otherwise", &ers.Error{Call: "sign in", Status: 400, Codes: []string{"invalid_request"}}, "", 0, "", 0, true},
		{"e-RS: 429", saysERS(429), "", 0, "", 0, true},
		{"e-RS: a pause with a 503", &ers.Error{Status: 503, RetryAfter: time.Minute}, "", 0, "", 0, true},
		{"FHIR: no answer", &rest.Error{}, CodeSource, 0, ledger.Held, time.Minute, false},
		{"FHIR: 500, the last time", &rest.Error{Status: 500}, CodeSource, 7, ledger.Dead, 0, false},
		{"FHIR: 499 is none of the server's failures", &rest.Error{Status: 499}, CodeUnreadable, 0, ledger.Held, time.Minute, false},
		{"FHIR: 400", &rest.Error{Status: 400}, CodeUnreadable, 2, ledger.Held, 15 * time.Minute, false},
		{"FHIR: 401", &rest.Error{Status: 401}, "", 0, "", 0, true},
		{"FHIR: 403", &rest.Error{Status: 403}, CodeRelationship, 0, ledger.Dead, 0, false},
		{"FHIR: 404", &rest.Error{Status: 404}, CodeSourceGone, 0, ledger.Held, 4 * time.Hour, false},
		{"FHIR: 410", &rest.Error{Status: 410}, CodeSourceGone, 50, ledger.Held, 4 * time.Hour, false},
		{"FHIR: 429", &rest.Error{Status: 429}, "", 0, "", 0, true},
		{"FHIR: a pause with a 503", &rest.Error{Status: 503, RetryAfter: time.Second}, "", 0, "", 0, true},
		{"another server's patient", fhir.ErrForeign, CodeForeign, 0, ledger.Held, 0, false},
		{"a version that is not there", fhir.ErrVersion, CodeVersion, 0, ledger.Held, 0, false},
		{"a patient that is not there", fhir.ErrUnresolved, CodeUnresolved, 0, ledger.Held, time.Minute, false},
		{"a patient that is not there, long since", fhir.ErrUnresolved, CodeUnresolved, 500, ledger.Held, 13 * time.Hour, false},
		{"a URL with a number in it", ErrPatientURL, CodePatientIdentity, 0, ledger.Held, 0, false},
		{"a worklist that names somebody else", ers.ErrOtherPatient, codeListedPatient, 0, ledger.Held, 0, false},
		{"no JSON", fhir.ErrSyntax, CodeUnreadable, 0, ledger.Held, time.Minute, false},
		{"no resource", fhir.ErrNotResource, CodeUnreadable, 0, ledger.Held, time.Minute, false},
		{"no resource, the last time", fhir.ErrNotResource, CodeUnreadable, 7, ledger.Dead, 0, false},
		{"anything else", errors.New("x"), CodeSource, 0, ledger.Held, time.Minute, false},
	} {
		v := OfSource(fmt.Errorf("read: %w", c.err), bridgetest.FailedBefore(c.code, c.attempts), bridgetest.Noon())
		if c.halts {
			assert.ErrorIs(t, v.Halt, ErrHalted, c.name)
			assert.ErrorIs(t, v.Halt, c.err, c.name)
			continue
		}
		assert.NoError(t, v.Halt, c.name)
		assert.Equal(t, c.fate, v.Fate, c.name)
		assert.Equal(t, c.code, v.Reason.Code, c.name)
		checkNext(t, c.next, v.Next, c.name)
	}
}

func TestEightAttemptsAreSpreadOverMoreThanADay(t *testing.T) {
	w, at, waits := bridgetest.FailedBefore(CodeSource, 0), bridgetest.Noon(), []time.Duration{}
	for {
		v := Again(w, ledger.Reason{Code: CodeSource, Text: "x"}, at)
		w.Attempts++
		if v.Fate == ledger.Dead {
			break
		}
		waits = append(waits, v.Next.Sub(at))
		at = v.Next
	}
	assert.Equal(t, []time.Duration{time.Minute, 5 * time.Minute, 15 * time.Minute, time.Hour, 3 * time.Hour, 8 * time.Hour, 13 * time.Hour}, waits)
	assert.Equal(t, 8, w.Attempts)
	assert.Greater(t, at.Sub(bridgetest.Noon()), 24*time.Hour)
	assert.Equal(t, time.Minute, backoff(0))
	assert.Equal(t, 13*time.Hour, backoff(100))
}

// What a fault of mapping holds a record for, and which of several is shown: a row a case.
func TestWhatAFaultOfMappingMeans(t *testing.T) {
	fault := func(kind mapping.FaultKind) mapping.Fault {
		return mapping.Fault{Kind: kind, File: "service-request.yaml", Line: 7, Field: "Status", Message: string(kind)}
	}
	for _, c := range []struct {
		name  string
		err   error
		code  string
		field string
		text  string
	}{
		{"no fault of the tables", errors.New("another"), CodeMapping, "", "another"},
		{"no faults at all", mapping.Faults{}, CodeMapping, "", ""},
		{"an unknown code", mapping.Faults{fault(mapping.UnknownCode)}, CodeUnknownCode, "Status", "unknown-code"},
		{"with a hint", mapping.Faults{{Kind: mapping.UnknownCode, Message: "x", Hint: "add a row"}}, CodeUnknownCode, "", "x; add a row"},
		{"an unknown modifier", mapping.Faults{fault(mapping.UnknownModifier)}, CodeModifier, "Status", "unknown-modifier"},
		{"who the patient is", mapping.Faults{fault(mapping.PatientIdentity)}, CodePatientIdentity, "Status", "patient-identity"},
		{"foreign", mapping.Faults{fault(mapping.ReferenceForeign)}, CodeForeign, "Status", "reference-foreign"},
		{"ambiguous", mapping.Faults{fault(mapping.ReferenceAmbiguous)}, codeAmbiguous, "Status", "reference-ambiguous"},
		{"another version", mapping.Faults{fault(mapping.ReferenceVersion)}, CodeVersion, "Status", "reference-version"},
		{"unresolved", mapping.Faults{fault(mapping.ReferenceUnresolved)}, CodeUnresolved, "Status", "reference-unresolved"},
		{"records of two servers", mapping.Faults{fault(mapping.TwoServers)}, codeTwoServers, "Status", "two-servers"},
		{"required", mapping.Faults{fault(mapping.RequiredMissing)}, CodeMapping, "Status", "required-missing"},
		{"too long", mapping.Faults{fault(mapping.TooLong)}, CodeMapping, "Status", "too-long"},
		{"a bad value", mapping.Faults{fault(mapping.BadValue)}, CodeMapping, "Status", "bad-value"},
		{"the first of two", mapping.Faults{fault(mapping.TooLong), fault(mapping.BadValue)}, CodeMapping, "Status", "too-long (and 1 more)"},
		{"a code before the rest", mapping.Faults{fault(mapping.TooLong), fault(mapping.UnknownCode)}, CodeUnknownCode, "Status", "unknown-code (and 1 more)"},
		{"a modifier before a code", mapping.Faults{fault(mapping.UnknownCode), fault(mapping.UnknownModifier)}, CodeModifier, "Status", "unknown-modifier (and 1 more)"},
		{"the patient before all", mapping.Faults{fault(mapping.UnknownCode), fault(mapping.UnknownModifier), fault(mapping.ReferenceForeign), fault(mapping.PatientIdentity)},
			CodePatientIdentity, "Status", "patient-identity (and 3 more)"},
	} {
		v := OfMapping(c.err, ledger.Work{})
		assert.Equal(t, ledger.Held, v.Fate, c.name)
		assert.Zero(t, v.Next, c.name)
		assert.Equal(t, c.code, v.Reason.Code, c.name)
		assert.Equal(t, c.field, v.Reason.Field, c.name)
		assert.Equal(t, c.text, v.Reason.Text, c.name)
	}
	assert.Equal(t, "service-request.yaml:7", OfMapping(mapping.Faults{fault(mapping.TooLong)}, ledger.Work{}).Reason.Rule)
}
