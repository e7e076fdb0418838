package bridge

import (
	"errors"
	"fmt"
	"net/http"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"refbridge/ers"
	"refbridge/fhir"
	"refbridge/fhir/rest"
	"refbridge/ledger"
	"refbridge/mapping"
	"refbridge/sfdc"
	"refbridge/sfdc/sfdcsim"
	"refbridge/sfdc/sobject"
)

// refusedRow is a row of an upsert that Salesforce refused.
func refusedRow(code string) *sfdc.Error {
	return &sfdc.Error{Call: "upsert " + csrType, Status: 200, Code: code, Fields: []string{"Status"}, Matches: []string{anAccount}}
}

// lostAnswer is the error of an upsert whose answer never came.
func lostAnswer(t *testing.T) (out error) {
	t.Helper()
	synctest.Test(t, func(t *testing.T) {
		org, err := sfdcsim.New(sfdcsim.Options{Seed: 3, Now: time.Now})
		require.NoError(t, err)
		far := Memory{}
		k := org.Credentials(far.Serve(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
			if r.Method == http.MethodPatch {
				breakOff(w)
				return
			}
			org.ServeHTTP(w, r)
		})))
		client, err := sfdc.New(sfdc.Config{LoginURL: k.BaseURL, ClientID: k.ClientID, ClientSecret: k.ClientSecret, Version: "v66.0", Transport: far})
		require.NoError(t, err)
		results, err := client.Upsert(t.Context(), csrType, "Bridge_Key__c", []sobject.Record{{Object: csrType,
			Key: sobject.Key{Field: "Bridge_Key__c", Value: "ward.sr.r1"}, Fields: []sobject.Field{{Name: "Priority", Value: text("Urgent")}}}}, nil)
		require.NoError(t, err)
		require.Len(t, results, 1)
		out = results[0].Err
	})
	require.Error(t, out)
	return out
}

// breakOff ends a connection without an answer.
func breakOff(w http.ResponseWriter) {
	if conn, _, err := http.NewResponseController(w).Hijack(); err == nil {
		_ = conn.Close()
	}
}

// failedBefore is work that failed so often for a reason.
func failedBefore(code string, attempts int) ledger.Work {
	w := referral("r1", "1", aNumber, isActive)
	w.Reason, w.Attempts = ledger.Reason{Code: code}, attempts
	return w
}

// Every way in which Salesforce refuses a record or fails: a row a case. attempts are those before, for the same reason.
func TestWhatAFailureOfSalesforceMeans(t *testing.T) {
	lost := lostAnswer(t)
	for _, c := range []struct {
		name     string
		err      error
		code     string
		attempts int
		fate     ledger.Fate
		next     time.Duration // 0 = none
		halts    string        // what is said; empty = it does not
	}{
		{"it could not be reached", errors.New("dial"), codeUnknownOutcome, 0, ledger.Held, time.Minute, ""},
		{"it could not be reached, the last time", errors.New("dial"), codeUnknownOutcome, 7, ledger.Dead, 0, ""},
		{"the answer never came", lost, codeUnknownOutcome, 0, ledger.Unknown, time.Minute, ""},
		{"the answer never came, again", lost, codeUnknownOutcome, 3, ledger.Unknown, time.Hour, ""},
		{"the answer never came, the last time", lost, codeUnknownOutcome, 7, ledger.Dead, 0, ""},
		{"the calls are used up", refusedRow("REQUEST_LIMIT_EXCEEDED"), "", 0, "", 0, "the daily calls of Salesforce are used up"},
		{"the reserve of calls", &sfdc.Error{Code: sfdc.CodeAllocation}, "", 0, "", 0, "the daily calls of Salesforce are used up"},
		{"maintenance", refusedRow("ORG_IN_MAINTENANCE"), "", 0, "", 0, "in maintenance"},
		{"the log-in", &sfdc.Error{Call: "token", Status: 400, Code: "invalid_grant"}, "", 0, "", 0, "refuses the log-in"},
		{"a validation rule", refusedRow("FIELD_CUSTOM_VALIDATION_EXCEPTION"), codeData, 0, ledger.Held, 24 * time.Hour, ""},
		{"a validation rule, day after day", refusedRow("FIELD_CUSTOM_VALIDATION_EXCEPTION"), codeData, 6, ledger.Held, 24 * time.Hour, ""},
		{"a validation rule, the last time", refusedRow("FIELD_CUSTOM_VALIDATION_EXCEPTION"), codeData, 7, ledger.Dead, 0, ""},
		{"a picklist", refusedRow("INVALID_OR_NULL_FOR_RESTRICTED_PICKLIST"), codeData, 0, ledger.Held, 24 * time.Hour, ""},
		{"a missing field", refusedRow("REQUIRED_FIELD_MISSING"), codeData, 0, ledger.Held, 24 * time.Hour, ""},
		{"a length", refusedRow("STRING_TOO_LONG"), codeData, 0, ledger.Held, 24 * time.Hour, ""},
		{"no access to the object", refusedRow("INSUFFICIENT_ACCESS"), codePermission, 0, ledger.Held, time.Minute, ""},
		{"no access to the object, the last time", refusedRow("INSUFFICIENT_ACCESS"), codePermission, 7, ledger.Dead, 0, ""},
		{"a duplicate rule", refusedRow("DUPLICATES_DETECTED"), codeDuplicateRule, 0, ledger.Dead, 0, ""},
		{"our key exists", refusedRow("DUPLICATE_VALUE"), codeDuplicateKey, 0, ledger.Held, time.Minute, ""},
		{"our key exists, a fourth time", refusedRow("DUPLICATE_VALUE"), codeDuplicateKey, 3, ledger.Held, time.Minute, ""},
		{"our key exists, the last time", refusedRow("DUPLICATE_VALUE"), codeDuplicateKey, 7, ledger.Dead, 0, ""},
		{"a person deleted it", refusedRow("ENTITY_IS_DELETED"), codeDeleted, 0, ledger.Dead, 0, ""},
		{"an approval locks it", refusedRow("ENTITY_IS_LOCKED"), codeLocked, 0, ledger.Held, 15 * time.Minute, ""},
		{"an approval locks it, after 24 hours", refusedRow("ENTITY_IS_LOCKED"), codeLocked, 96, ledger.Held, 15 * time.Minute, ""},
		{"an approval locks it for longer", refusedRow("ENTITY_IS_LOCKED"), codeLocked, 97, ledger.Dead, 0, ""},
		{"a lock of a row", refusedRow("UNABLE_TO_LOCK_ROW"), codeTransient, 0, ledger.Held, time.Minute, ""},
		{"a lock of a row, the last time", refusedRow("UNABLE_TO_LOCK_ROW"), codeTransient, 7, ledger.Dead, 0, ""},
		{"a 500 whose rows were never sent", &sfdc.Error{Call: "describe", Status: 500}, codeTransient, 0, ledger.Held, time.Minute, ""},
		{"a code that nobody knows", refusedRow("SOMETHING_NEW"), codeUnknownError, 0, ledger.Held, 24 * time.Hour, ""},
		{"a code that nobody knows, the last time", refusedRow("SOMETHING_NEW"), codeUnknownError, 7, ledger.Dead, 0, ""},
	} {
		v := ofTarget(c.err, failedBefore(c.code, c.attempts), noon)
		if c.halts != "" {
			assert.ErrorIs(t, v.halt, ErrHalted, c.name)
			assert.ErrorIs(t, v.halt, c.err, c.name)
			assert.ErrorContains(t, v.halt, c.halts, c.name)
			continue
		}
		assert.NoError(t, v.halt, c.name)
		assert.Equal(t, c.fate, v.fate, c.name)
		assert.Equal(t, c.code, v.reason.Code, c.name)
		checkNext(t, c.next, v.next, c.name)
	}
	waited := ofTarget(refusedRow("UNABLE_TO_LOCK_ROW"), failedBefore(codePatientMissing, 7), noon)
	assert.Equal(t, ledger.Held, waited.fate, "what waited for its patient has not failed at Salesforce")
	assert.Contains(t, ofTarget(refusedRow("DUPLICATES_DETECTED"), ledger.Work{}, noon).reason.Text, anAccount, "the matches are named")
	assert.Equal(t, "Status", ofTarget(refusedRow("STRING_TOO_LONG"), ledger.Work{}, noon).reason.Field)
	assert.Contains(t, ofTarget(refusedRow("UNABLE_TO_LOCK_ROW"), failedBefore(codeTransient, 7), noon).reason.Text, "given up after 8 attempts")
}

func checkNext(t *testing.T, want time.Duration, next time.Time, name string) {
	t.Helper()
	if want == 0 {
		assert.Zero(t, next, name)
		return
	}
	assert.Equal(t, noon.Add(want), next, name)
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
		{"e-RS: do not try again", saysERS(422, "PATIENT_ERROR"), codePatientError, 0, ledger.Dead, 0, false},
		{"e-RS: not with this organisation", saysERS(422, "NO_RELATIONSHIP"), codeRelationship, 0, ledger.Dead, 0, false},
		{"e-RS: no appointment request", saysERS(422, "INVALID_REQUEST_TYPE"), codeRelationship, 0, ledger.Dead, 0, false},
		{"e-RS: another 422", saysERS(422, "SOMETHING"), codeUnreadable, 0, ledger.Held, time.Minute, false},
		{"e-RS: no answer", saysERS(0), codeSource, 0, ledger.Held, time.Minute, false},
		{"e-RS: 500", saysERS(500), codeSource, 1, ledger.Held, 5 * time.Minute, false},
		{"e-RS: 401", saysERS(401), "", 0, "", 0, true},
		{"e-RS: the sign-in is not well", &ers.Error{Call: "sign in", Status: 503}, "", 0, "", 0, true},
		{"e-RS: the sign-in gives no answer", &ers.Error{Call: "sign in"}, "", 0, "", 0, true},
		{"e-RS: the sign-in is refused", &ers.Error{Call: "sign in", Status: 401, Codes: []string{"invalid_client"}}, "", 0, "", 0, true},
		{"e-RS: the sign-in is refused otherwise", &ers.Error{Call: "sign in", Status: 400, Codes: []string{"invalid_request"}}, "", 0, "", 0, true},
		{"e-RS: 429", saysERS(429), "", 0, "", 0, true},
		{"e-RS: a pause with a 503", &ers.Error{Status: 503, RetryAfter: time.Minute}, "", 0, "", 0, true},
		{"FHIR: no answer", &rest.Error{}, codeSource, 0, ledger.Held, time.Minute, false},
		{"FHIR: 500, the last time", &rest.Error{Status: 500}, codeSource, 7, ledger.Dead, 0, false},
		{"FHIR: 499 is none of the server's failures", &rest.Error{Status: 499}, codeUnreadable, 0, ledger.Held, time.Minute, false},
		{"FHIR: 400", &rest.Error{Status: 400}, codeUnreadable, 2, ledger.Held, 15 * time.Minute, false},
		{"FHIR: 401", &rest.Error{Status: 401}, "", 0, "", 0, true},
		{"FHIR: 403", &rest.Error{Status: 403}, codeRelationship, 0, ledger.Dead, 0, false},
		{"FHIR: 404", &rest.Error{Status: 404}, codeSourceGone, 0, ledger.Held, 4 * time.Hour, false},
		{"FHIR: 410", &rest.Error{Status: 410}, codeSourceGone, 50, ledger.Held, 4 * time.Hour, false},
		{"FHIR: 429", &rest.Error{Status: 429}, "", 0, "", 0, true},
		{"FHIR: a pause with a 503", &rest.Error{Status: 503, RetryAfter: time.Second}, "", 0, "", 0, true},
		{"another server's patient", fhir.ErrForeign, codeForeign, 0, ledger.Held, 0, false},
		{"a version that is not there", fhir.ErrVersion, codeVersion, 0, ledger.Held, 0, false},
		{"a patient that is not there", fhir.ErrUnresolved, codeUnresolved, 0, ledger.Held, time.Minute, false},
		{"a patient that is not there, long since", fhir.ErrUnresolved, codeUnresolved, 500, ledger.Held, 13 * time.Hour, false},
		{"a URL with a number in it", errPatientURL, codePatientIdentity, 0, ledger.Held, 0, false},
		{"a worklist that names somebody else", ers.ErrOtherPatient, codeListedPatient, 0, ledger.Held, 0, false},
		{"no JSON", fhir.ErrSyntax, codeUnreadable, 0, ledger.Held, time.Minute, false},
		{"no resource", fhir.ErrNotResource, codeUnreadable, 0, ledger.Held, time.Minute, false},
		{"no resource, the last time", fhir.ErrNotResource, codeUnreadable, 7, ledger.Dead, 0, false},
		{"anything else", errors.New("x"), codeSource, 0, ledger.Held, time.Minute, false},
	} {
		v := ofSource(fmt.Errorf("read: %w", c.err), failedBefore(c.code, c.attempts), noon)
		if c.halts {
			assert.ErrorIs(t, v.halt, ErrHalted, c.name)
			assert.ErrorIs(t, v.halt, c.err, c.name)
			continue
		}
		assert.NoError(t, v.halt, c.name)
		assert.Equal(t, c.fate, v.fate, c.name)
		assert.Equal(t, c.code, v.reason.Code, c.name)
		checkNext(t, c.next, v.next, c.name)
	}
}

func TestEightAttemptsAreSpreadOverMoreThanADay(t *testing.T) {
	w, at, waits := failedBefore(codeSource, 0), noon, []time.Duration{}
	for {
		v := again(w, ledger.Reason{Code: codeSource, Text: "x"}, at)
		w.Attempts++
		if v.fate == ledger.Dead {
			break
		}
		waits = append(waits, v.next.Sub(at))
		at = v.next
	}
	assert.Equal(t, []time.Duration{time.Minute, 5 * time.Minute, 15 * time.Minute, time.Hour, 3 * time.Hour, 8 * time.Hour, 13 * time.Hour}, waits)
	assert.Equal(t, 8, w.Attempts)
	assert.Greater(t, at.Sub(noon), 24*time.Hour)
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
		{"no fault of the tables", errors.New("another"), codeMapping, "", "another"},
		{"no faults at all", mapping.Faults{}, codeMapping, "", ""},
		{"an unknown code", mapping.Faults{fault(mapping.UnknownCode)}, codeUnknownCode, "Status", "unknown-code"},
		{"with a hint", mapping.Faults{{Kind: mapping.UnknownCode, Message: "x", Hint: "add a row"}}, codeUnknownCode, "", "x; add a row"},
		{"an unknown modifier", mapping.Faults{fault(mapping.UnknownModifier)}, codeModifier, "Status", "unknown-modifier"},
		{"who the patient is", mapping.Faults{fault(mapping.PatientIdentity)}, codePatientIdentity, "Status", "patient-identity"},
		{"foreign", mapping.Faults{fault(mapping.ReferenceForeign)}, codeForeign, "Status", "reference-foreign"},
		{"ambiguous", mapping.Faults{fault(mapping.ReferenceAmbiguous)}, codeAmbiguous, "Status", "reference-ambiguous"},
		{"another version", mapping.Faults{fault(mapping.ReferenceVersion)}, codeVersion, "Status", "reference-version"},
		{"unresolved", mapping.Faults{fault(mapping.ReferenceUnresolved)}, codeUnresolved, "Status", "reference-unresolved"},
		{"records of two servers", mapping.Faults{fault(mapping.TwoServers)}, codeTwoServers, "Status", "two-servers"},
		{"required", mapping.Faults{fault(mapping.RequiredMissing)}, codeMapping, "Status", "required-missing"},
		{"too long", mapping.Faults{fault(mapping.TooLong)}, codeMapping, "Status", "too-long"},
		{"a bad value", mapping.Faults{fault(mapping.BadValue)}, codeMapping, "Status", "bad-value"},
		{"the first of two", mapping.Faults{fault(mapping.TooLong), fault(mapping.BadValue)}, codeMapping, "Status", "too-long (and 1 more)"},
		{"a code before the rest", mapping.Faults{fault(mapping.TooLong), fault(mapping.UnknownCode)}, codeUnknownCode, "Status", "unknown-code (and 1 more)"},
		{"a modifier before a code", mapping.Faults{fault(mapping.UnknownCode), fault(mapping.UnknownModifier)}, codeModifier, "Status", "unknown-modifier (and 1 more)"},
		{"the patient before all", mapping.Faults{fault(mapping.UnknownCode), fault(mapping.UnknownModifier), fault(mapping.ReferenceForeign), fault(mapping.PatientIdentity)},
			codePatientIdentity, "Status", "patient-identity (and 3 more)"},
	} {
		v := ofMapping(c.err, ledger.Work{})
		assert.Equal(t, ledger.Held, v.fate, c.name)
		assert.Zero(t, v.next, c.name)
		assert.Equal(t, c.code, v.reason.Code, c.name)
		assert.Equal(t, c.field, v.reason.Field, c.name)
		assert.Equal(t, c.text, v.reason.Text, c.name)
	}
	assert.Equal(t, "service-request.yaml:7", ofMapping(mapping.Faults{fault(mapping.TooLong)}, ledger.Work{}).reason.Rule)
}

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
		{"it is not offered", "ers", errNotOffered, ledger.Refused, codeNotOffered, false, false},
		{"401", "ers", &ers.Error{Status: 401}, ledger.Approved, codeRefused, false, true},
		{"403", "fhir", &rest.Error{Status: 403}, ledger.Approved, codeRefused, false, true},
		{"the sign-in", "ers", &ers.Error{Call: "sign in", Status: 503}, ledger.Approved, codeRefused, false, true},
		{"the sign-in, without an answer", "ers", &ers.Error{Call: "sign in"}, ledger.Approved, codeRefused, false, true},
		{"the sign-in, before what comes before", "ers", fmt.Errorf("%w: %w", errNotSent, &ers.Error{Call: "sign in"}), ledger.Approved, codeRefused, false, true},
		{"what comes before it failed", "ers", fmt.Errorf("%w: %w", errNotSent, &ers.Error{Status: 500}), ledger.Approved, codeRefused, false, false},
		{"what comes before it was refused", "ers", fmt.Errorf("%w: %w", errNotSent, &ers.Error{Status: 401}), ledger.Approved, codeRefused, false, true},
		{"no answer", "fhir", lostUpdate(t, 0), ledger.Unclear, codeUnknownOutcome, true, false},
		{"502", "fhir", lostUpdate(t, 502), ledger.Unclear, codeUnknownOutcome, true, false},
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
		assert.Equal(t, c.halts, errors.Is(f.halt, ErrHalted), c.name)
		assert.Contains(t, c.err.Error(), f.reason.Text, c.name)
	}
}

// lostUpdate is the error of an update that was answered with a status, or not at all (0).
func lostUpdate(t *testing.T, status int) (out error) {
	t.Helper()
	synctest.Test(t, func(t *testing.T) {
		far := Memory{}
		base := far.Serve(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
			if status != 0 {
				w.WriteHeader(status)
				return
			}
			breakOff(w)
		}))
		client, err := rest.New(rest.Config{BaseURL: base, Transport: far, Now: time.Now})
		require.NoError(t, err)
		_, out = client.Update(t.Context(), fhir.Reference{Type: "ServiceRequest", ID: "r1", Version: "1"}, []byte(`{"resourceType":"ServiceRequest","id":"r1"}`))
	})
	require.Error(t, out)
	return out
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
		{"no answer", ledger.Approved, &ers.Error{}, ledger.Approved, codeSource, false},
		{"not visible", ledger.Approved, &rest.Error{Status: 404}, ledger.Approved, codeSourceGone, false},
		{"no answer, of one in doubt", ledger.Unclear, &ers.Error{Status: 502}, ledger.Unclear, codeSource, false},
		{"no longer ours", ledger.Approved, &ers.Error{Status: 422, Codes: []string{"NO_RELATIONSHIP"}}, ledger.Approved, codeRelationship, false},
		{"e-RS asks not to try again", ledger.Approved, &ers.Error{Status: 422, Codes: []string{"PATIENT_ERROR"}}, ledger.Refused, codePatientError, false},
		{"a body that is none", ledger.Approved, fhir.ErrSyntax, ledger.Approved, codeUnreadable, false},
		{"401", ledger.Approved, &ers.Error{Status: 401}, "", "", true},
		{"429", ledger.Approved, &rest.Error{Status: 429}, "", "", true},
	} {
		w.State = c.was
		state, reason, err := unread(w, c.err, noon)
		assert.Equal(t, c.state, state, c.name)
		assert.Equal(t, c.code, reason.Code, c.name)
		assert.Equal(t, c.halts, errors.Is(err, ErrHalted), c.name)
	}
}
