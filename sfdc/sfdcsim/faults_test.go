package sfdcsim

import (
	"bytes"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"net/url"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

// quiet sends a request from any goroutine and gives the error of the transport.
func (o *org) quiet(method, path string, body any) (int, error) {
	b, err := json.Marshal(body)
	if err != nil {
		return 0, err
	}
	req, err := http.NewRequest(method, o.url+data+path, bytes.NewReader(b))
	if err != nil {
		return 0, err
	}
	req.Header.Set("Authorization", "Bearer "+o.token)
	req.Header.Set("Content-Type", "application/json")
	resp, err := http.DefaultClient.Do(req)
	if err != nil {
		return 0, err
	}
	defer resp.Body.Close()
	_, err = io.Copy(io.Discard, resp.Body)
	return resp.StatusCode, err
}

func TestLockedRowsAreRefusedUntilRepaired(t *testing.T) {
	o := newOrg(t, withPeople(1))
	require.NoError(t, o.Break(Fault{Kind: Lock, Keys: []string{"b"}}))
	got := o.call("PATCH", upserts, m{"records": o.referrals("a", "b")}, 200)
	assert.Equal(t, []string{"created", "UNABLE_TO_LOCK_ROW"}, codes(got))
	o.Repair()
	assert.Equal(t, []string{"saved", "created"}, codes(o.call("PATCH", upserts, m{"records": []m{record(m{"Bridge_Key__c": "a"}), o.referrals("b")[0]}}, 200)))
}

func TestEveryThirdKeyIsLockedEachTimeItComes(t *testing.T) {
	o := newOrg(t, withPeople(1))
	o.call("POST", "/control/faults", m{"kind": "lock", "every": 3, "object": "CodeSet"}, 204)
	for _, want := range []string{"created", "saved"} {
		got := codes(o.call("PATCH", "/composite/sobjects/CodeSet/CodeSetKey", m{"records": o.codeSetRows("a", "b", "c", "d")}, 200))
		assert.Equal(t, []string{want, want, "UNABLE_TO_LOCK_ROW", want}, got)
	}
	o.call("DELETE", "/control/faults", nil, 204)
	o.call("PATCH", "/sobjects/CodeSet/CodeSetKey/c", m{"Code": "1", "Name": "c"}, 201)
}

// codeSetRows gives code sets, which have no create-only fields: the same rows create and update.
func (o *org) codeSetRows(keys ...string) []m {
	var out []m
	for _, k := range keys {
		out = append(out, m{"attributes": m{"type": "CodeSet"}, "CodeSetKey": k, "Code": "1", "Name": k})
	}
	return out
}

func TestAValidationRuleHoldsForEveryone(t *testing.T) {
	o := newOrg(t, withPeople(1))
	o.referral("k")
	o.call("POST", "/control/faults", m{"kind": "rule", "object": "ClinicalServiceRequest", "field": "Priority", "equals": "Urgent", "message": "Not on Mondays"}, 204)
	e := o.refused("PATCH", byKey+"k", m{"Priority": "Urgent"}, 400, "FIELD_CUSTOM_VALIDATION_EXCEPTION")
	assert.Equal(t, "Not on Mondays", e["message"])
	assert.ErrorContains(t, o.Edit("ClinicalServiceRequest", "k", m{"Priority": "Urgent"}), "FIELD_CUSTOM_VALIDATION_EXCEPTION")
	o.Repair()
	o.call("PATCH", byKey+"k", m{"Priority": "Urgent"}, 200)
}

func TestADuplicateRuleNamesTheMatches(t *testing.T) {
	o := newOrg(t, withPeople(1))
	person := o.get("Account", o.patient())
	twin := m{"LastName": person["LastName"], "PersonBirthdate": person["PersonBirthdate"]}
	require.NoError(t, o.Break(Fault{Kind: Duplicate, Fields: []string{"LastName", "PersonBirthdate"}, AllowSave: true}))
	e := o.refused("POST", "/sobjects/Account", twin, 400, "DUPLICATES_DETECTED")
	result := e["duplicateResult"].(m)
	assert.Equal(t, true, result["allowSave"])
	match := result["matchResults"].([]any)[0].(m)["matchRecords"].([]any)[0].(m)
	assert.Equal(t, person["Id"], match["record"].(m)["Id"])
	o.create("Account", m{"LastName": "Someone else"})

	twin["attributes"] = m{"type": "Account"}
	got := o.call("POST", "/composite/sobjects", m{"records": []m{twin}}, 200)
	assert.Equal(t, []string{"DUPLICATES_DETECTED"}, codes(got))
	assert.NotContains(t, fmt.Sprint(got), "duplicateResult")
	delete(twin, "attributes")
	status, _ := o.raw("POST", "/sobjects/Account", twin, "Sforce-Duplicate-Rule-Header", "allowSave = true")
	assert.Equal(t, 201, status, "an alert can be overridden")

	o.Repair()
	require.NoError(t, o.Break(Fault{Kind: Duplicate, Fields: []string{"LastName"}, Matches: true}))
	status, _ = o.raw("POST", "/sobjects/Account", twin, "Sforce-Duplicate-Rule-Header", "allowSave=true")
	assert.Equal(t, 400, status, "a block cannot")
	twin["attributes"] = m{"type": "Account"}
	assert.Contains(t, fmt.Sprint(o.call("POST", "/composite/sobjects", m{"records": []m{twin}}, 200)), "duplicateResult")
}

func TestSessionsExpireOnDemandAndTheServiceGoesAway(t *testing.T) {
	o := newOrg(t, withPeople(1))
	require.NoError(t, o.Break(Fault{Kind: Sessions}))
	o.refused("GET", "/limits", nil, 401, "INVALID_SESSION_ID")
	o.signIn()
	require.NoError(t, o.Break(Fault{Kind: Unavailable, Calls: 2}))
	for range 2 {
		status, body := o.raw("GET", "/limits", nil)
		assert.Equal(t, 503, status)
		assert.Contains(t, string(body), "<html>")
		assert.Contains(t, o.header.Get("Content-Type"), "text/html")
	}
	o.call("GET", "/limits", nil, 200)
	require.NoError(t, o.Break(Fault{Kind: Exhausted}))
	o.refused("GET", "/limits", nil, 403, "REQUEST_LIMIT_EXCEEDED")
}

func TestADroppedConnectionHidesThatTheWorkWasDone(t *testing.T) {
	o := newOrg(t, withPeople(1))
	records := o.referrals("a")
	require.NoError(t, o.Break(Fault{Kind: Drop, Calls: 1}))
	o.call("GET", "/limits", nil, 200) // reads are not cut
	_, err := o.quiet("PATCH", upserts, m{"records": records})
	require.Error(t, err)
	assert.Len(t, o.query("SELECT Id FROM ClinicalServiceRequest WHERE Bridge_Key__c = 'a'"), 1)
	status, err := o.quiet("PATCH", upserts, m{"records": o.referrals("b")})
	require.NoError(t, err)
	assert.Equal(t, 200, status)
}

func TestFaultsThatNameNothingAreRefused(t *testing.T) {
	o := newOrg(t, Options{})
	for _, f := range []Fault{{Kind: "storm"}, {Kind: Lock}, {Kind: Rule, Object: "Account", Field: "Nothing"}, {Kind: Rule},
		{Kind: Duplicate}, {Kind: Duplicate, Fields: []string{"Nothing"}}, {Kind: Lock, Object: "Nothing", Every: 2}} {
		assert.Error(t, o.Break(f), "%+v", f)
	}
	o.refused("POST", "/control/faults", m{"kind": "storm"}, 400, "INVALID_INPUT")
}

func TestACoordinatorChangesARecordByTheSameRules(t *testing.T) {
	o := newOrg(t, withPeople(1))
	id := o.referral("k")
	writes := o.Writes()
	o.Advance(time.Minute)
	require.NoError(t, o.Edit("ClinicalServiceRequest", "k", m{"Status": "Completed", "IsAccepted": true}))
	row := o.get("ClinicalServiceRequest", id)
	assert.Equal(t, []any{"Completed", true}, []any{row["Status"], row["IsAccepted"]})
	assert.Equal(t, "2026-03-02T09:31:00.000+0000", row["SystemModstamp"])
	assert.Equal(t, "Coordinator", o.query("SELECT LastModifiedBy.Name FROM ClinicalServiceRequest")[0].(m)["LastModifiedBy"].(m)["Name"])
	assert.Equal(t, writes, o.Writes(), "not a write of the integration user")
	assert.ErrorContains(t, o.Edit("ClinicalServiceRequest", "k", m{"Status": "Nonsense"}), "INVALID_OR_NULL_FOR_RESTRICTED_PICKLIST [Status]")
	assert.ErrorContains(t, o.Edit("ClinicalServiceRequest", "none", m{"Status": "Active"}), "NOT_FOUND")
	assert.ErrorContains(t, o.Edit("Nothing", "k", nil), "NOT_FOUND")
	o.call("POST", "/control/edit", m{"object": "ClinicalServiceRequest", "key": id, "fields": m{"Status": "Revoked"}}, 204)
	o.refused("POST", "/control/edit", m{"object": "ClinicalServiceRequest", "key": id, "fields": m{"Status": "x"}}, 400, "INVALID_OR_NULL_FOR_RESTRICTED_PICKLIST")
	assert.Equal(t, "Revoked", o.get("ClinicalServiceRequest", id)["Status"])
}

func TestReportCountsWritesAndFindsDuplicatesInTheStore(t *testing.T) {
	o := newOrg(t, withPeople(2))
	o.referral("k")
	o.call("PATCH", byKey+"k", m{"Priority": "Urgent"}, 200)
	o.Advance(time.Minute)
	o.call("PATCH", byKey+"k", m{"Priority": "Urgent"}, 200)
	r := o.Report()
	assert.Equal(t, []int{1, 1, 1, 0, 3}, []int{r.Creates, r.Updates, r.Unchanged, r.Deletes, o.Writes()})
	assert.Zero(t, r.Duplicates.Count())
	moved := o.query("SELECT Id FROM ClinicalServiceRequest WHERE SystemModstamp > 2026-03-02T09:30:00Z")
	assert.Len(t, moved, 1, "an update without a change moves the stamp")

	patient := o.patient()
	source := m{"PatientId": patient, "Type": "Order", "SourceSystem": "https://fhir.nhs.uk/Id/UBRN", "SourceSystemIdentifier": "000000070001"}
	referral := o.create("ClinicalServiceRequest", source)
	o.create("ClinicalServiceRequest", source)
	for _, status := range []string{"Canceled", "Scheduled", "None"} {
		o.create("ServiceAppointment", m{"ParentRecordId": referral, "Status": status, "EarliestStartTime": "2026-04-02T09:00:00Z", "DueDate": "2026-04-02T09:00:00Z"})
	}
	other := o.query("SELECT Id FROM Account WHERE Id != '" + patient + "'")[0].(m)["Id"]
	o.create("Identifier", m{"ParentRecordId": other, "SourceSystem": nhsNumberSystem, "IdValue": "9990000018", "Bridge_Key__c": "x.9990000018.y"})
	d := o.call("GET", "/control/report", nil, 200).(m)["duplicates"].(m)
	for _, kind := range []string{"referrals", "appointments", "patients"} {
		require.Len(t, d[kind], 1, kind)
		assert.Len(t, d[kind].([]any)[0], 2, kind)
	}
	o.raw("GET", "/query?q="+url.QueryEscape("SELECT Id FROM Identifier WHERE IdValue = '9990000018'"), nil)
	assert.Equal(t, map[string]int{"an NHS number in an external id": 1, "an NHS number in a URL": 1}, o.Report().Violations)
	rows := o.call("GET", "/control/rows?object=ClinicalServiceRequest", nil, 200).([]any)
	assert.Equal(t, "k", rows[0].(m)["Bridge_Key__c"])
	assert.Nil(t, o.Rows("Nothing"))
}

func TestControlAnswersOnLoopbackOnly(t *testing.T) {
	o := newOrg(t, withPeople(1))
	stranger := httptest.NewRequest("GET", "/control/report", nil) // comes from 192.0.2.1
	w := httptest.NewRecorder()
	o.ServeHTTP(w, stranger)
	assert.Equal(t, 403, w.Code)
	o.call("POST", "/control/clock", m{"advance": "3h"}, 204)
	o.refused("GET", "/limits", nil, 401, "INVALID_SESSION_ID")
	o.refused("POST", "/control/clock", m{"advance": "-1h"}, 400, "INVALID_INPUT")
	o.refused("GET", "/control/clock", nil, 404, "NOT_FOUND")
	o.call("POST", "/control/people", m{"person": 36}, 204)
	o.refused("POST", "/control/people", m{"person": 36}, 400, "INVALID_INPUT")
	c := o.call("GET", "/control/credentials", nil, 200).(m)
	assert.Equal(t, []any{o.url, o.clientID()}, []any{c["baseUrl"], c["clientId"]})
}
