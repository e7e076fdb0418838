package main

import (
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

// both gives a file to mapping run and to plan --from, with the built-in tables.
func both(t *testing.T, content string) (runCode int, runOut, runErr string, planCode int, planOut string) {
	t.Helper()
	name := filepath.Join(t.TempDir(), "in.ndjson")
	require.NoError(t, os.WriteFile(name, []byte(content), 0o600))
	none := filepath.Join(t.TempDir(), "none.yaml")
	runCode, runOut, runErr = ran(t, "", "-c", none, "mapping", "run", "--in", name)
	planCode, planOut, _ = ran(t, "", "-c", none, "plan", "--from", name)
	return runCode, runOut, runErr, planCode, planOut
}

func TestFinding_server_MP21_WhatIsNotMappedIsOneLineAKind(t *testing.T) {
	var in strings.Builder
	for i := range 300 {
		fmt.Fprintf(&in, `{"resourceType":"Patient","id":"p%d"}`+"\n", i)
	}
	in.WriteString(`{"resourceType":"Encounter","id":"e"}` + "\n")
	runCode, runOut, runErr, planCode, planOut := both(t, in.String())
	assert.Equal(t, exitDone, runCode)
	assert.Empty(t, runOut)
	assert.Equal(t, exitDone, planCode)
	for _, out := range []string{runErr, planOut} {
		assert.Equal(t, 1, strings.Count(out, "Patient"), out)
		assert.Contains(t, out, "not mapped: 300 × Patient (read where a referral refers to one)\n")
		assert.Contains(t, out, "not mapped: 1 × Encounter\n")
	}
	assert.Less(t, strings.Count(planOut, "\n"), 6, planOut)
}

func TestFinding_clients_J11_AnswersAdviceAndTasksAreTold(t *testing.T) {
	for kind, resource := range map[string]string{
		"1 × OperationOutcome (what a server answers": `{"resourceType":"OperationOutcome","issue":[{"severity":"error","code":"forbidden"}]}`,
		"1 × CommunicationRequest (advice and":        `{"resourceType":"CommunicationRequest","id":"1","status":"active"}`,
		"1 × Task (a task alone is no referral)":      `{"resourceType":"Task","id":"1","status":"requested","intent":"order"}`,
		"1 × Bundle without entries":                  `{"resourceType":"Bundle","type":"searchset","total":0}`,
		"1 × Parameters":                              `{"resourceType":"Parameters","parameter":[]}`,
	} {
		_, _, runErr, planCode, planOut := both(t, resource+"\n")
		assert.Contains(t, runErr, kind)
		if !strings.Contains(kind, "Parameters") {
			assert.Contains(t, planOut, kind)
		}
		assert.Equal(t, exitDone, planCode, planOut)
		assert.Greater(t, len(planOut), len("1 record read, 0 unreadable\nplan: nothing\n"), planOut)
	}
}

func TestFinding_clients_J12_AnAppointmentOfSTU3IsCalledSoAndNotReadAsR4(t *testing.T) {
	for _, a := range []string{
		`{"resourceType":"Appointment","id":"70000","meta":{"profile":["https://fhir.nhs.uk/STU3/StructureDefinition/eRS-Appointment-1"]},"status":"booked","start":"2026-07-06T09:30:00Z"}`,
		`{"resourceType":"Appointment","id":"1","status":"booked","incomingReferral":[{"reference":"ReferralRequest/000000070000"}]}`,
	} {
		runCode, runOut, runErr, planCode, planOut := both(t, a+"\n"+`{"resourceType":"Bundle","entry":[{"resource":`+a+`}]}`+"\n")
		assert.Equal(t, exitDone, runCode)
		assert.Equal(t, exitDone, planCode)
		assert.Empty(t, runOut)
		for _, out := range []string{runErr, planOut} {
			assert.Contains(t, strings.Join(strings.Fields(out), " "), "not mapped: 2 × Appointment (STU3) (e-RS sends its state with the referral: take the ReferralRequest that contains it)")
		}
	}
}

const numbered = `"subject":{"identifier":{"system":"https://fhir.nhs.uk/Id/nhs-number","value":"9990000018"}}`

func TestOfAHistoryTheNewestVersionCountsAndADeletionIsTold(t *testing.T) {
	version := func(id, version, status string) string {
		return `{"fullUrl":"https://a.example/r4/ServiceRequest/` + id + `","resource":{"resourceType":"ServiceRequest","id":"` + id +
			`","meta":{"versionId":"` + version + `"},"status":"` + status + `","intent":"order",` + numbered + `}}`
	}
	gone := func(id string) string {
		return `{"request":{"method":"DELETE","url":"ServiceRequest/` + id + `"},"response":{"status":"204"}}`
	}
	_, runOut, runErr, _, planOut := both(t, `{"resourceType":"Bundle","type":"history","entry":[`+strings.Join([]string{
		gone("b"), version("a", "2", "active"), version("a", "10", "revoked"), version("b", "1", "active"), version("c", "1", "active"), version("d", "1", "on-hold"), gone("d"),
	}, ",")+`]}`)
	assert.Equal(t, 1, strings.Count(runOut, `"fhir.sr.a"},"fields"`))
	assert.Contains(t, runOut, `"Status":"Revoked"`)
	assert.Contains(t, planOut, "Revoked")
	for _, out := range []string{runOut, planOut} {
		assert.Contains(t, out, "fhir.sr.c")
		assert.Contains(t, out, "fhir.sr.d", "it was deleted before, and made again")
		assert.NotContains(t, out, "fhir.sr.b")
	}
	assert.Contains(t, runErr, "3 × older version")
	assert.Contains(t, runErr, "1 × deletion (deleted at the source")
	assert.Contains(t, strings.Join(strings.Fields(planOut), " "), "ServiceRequest/b: deleted at the source: what Salesforce has stays")
}

func TestFinding_server_MP10_ABulkExportIsOneSetOfRecords(t *testing.T) {
	lines := []string{
		`{"resourceType":"ServiceRequest","id":"s1","status":"active","intent":"order","subject":{"reference":"Patient/p1"}}`,
		`{"resourceType":"ServiceRequest","id":"s2","status":"active","intent":"order","subject":{"reference":"Patient/p2"}}`,
		`{"resourceType":"Appointment","id":"a1","status":"booked","basedOn":[{"reference":"ServiceRequest/s1"}],"start":"2026-07-06T09:30:00Z","end":"2026-07-06T09:50:00Z"}`,
		`{"resourceType":"Patient","id":"p1","identifier":[{"system":"https://fhir.nhs.uk/Id/nhs-number","value":"9990000018"}]}`,
	}
	dir, none := t.TempDir(), filepath.Join(t.TempDir(), "none.yaml")
	file := filepath.Join(dir, "all.ndjson")
	require.NoError(t, os.WriteFile(file, []byte(strings.Join(lines, "\n")), 0o600))
	folder := filepath.Join(dir, "export")
	require.NoError(t, os.Mkdir(folder, 0o700))
	for i, line := range lines {
		require.NoError(t, os.WriteFile(filepath.Join(folder, fmt.Sprint(i, ".ndjson")), []byte(line+"\n"), 0o600))
	}
	for _, from := range []string{file, folder} {
		told := filepath.Join(dir, "told.ndjson")
		code, out, errOut := ran(t, "", "-c", none, "mapping", "run", "--in", from, "--errors", told)
		assert.Equal(t, exitRecordsFailed, code, errOut)
		assert.Contains(t, out, `"Bridge_Key__c":"fhir.sr.s1"},"fields":{"PatientId":{"lookup":"Account.nhsNumber","key":"9990000018"}`)
		assert.Contains(t, out, `"fhir.ap.a1"`)
		assert.NotContains(t, out, `"fhir.sr.s2"`)
		faults, err := os.ReadFile(told)
		require.NoError(t, err)
		assert.Contains(t, string(faults), `"reason":"reference-unresolved"`)
		assert.Contains(t, string(faults), `"reason":"not-mapped","message":"not mapped: 1 × Patient`)
		assert.Equal(t, from == folder, strings.Contains(string(faults), `"file":`), string(faults))

		code, out, _ = ran(t, "", "-c", none, "plan", "--from", from)
		assert.Equal(t, exitChanges, code)
		assert.Contains(t, out, "patient-not-found", "the number is known, and nobody in Salesforce was asked for")
		assert.Equal(t, 1, strings.Count(out, "[reference-unresolved]"), out)
		assert.NotContains(t, out, "NHS number is missing")
	}
	code, out, _ := ran(t, strings.Join(lines, "\n"), "-c", none, "mapping", "run")
	assert.Equal(t, exitRecordsFailed, code)
	assert.NotContains(t, out, `"Bridge_Key__c":"fhir.sr.s1"`, "a stream is read once")
}

func TestAFolderIsNotReadAndWrittenAtOnce(t *testing.T) {
	dir := t.TempDir()
	in := filepath.Join(dir, "in.ndjson")
	require.NoError(t, os.WriteFile(in, []byte(oneRequest), 0o600))
	code, _, errOut := ran(t, "", "mapping", "run", "--in", dir, "--out", in)
	assert.Equal(t, exitUsage, code)
	assert.Contains(t, errOut, "are the same file")
	code, _, errOut = ran(t, "", "mapping", "run", "--in", t.TempDir())
	assert.Equal(t, exitError, code)
	assert.Contains(t, errOut, "no .json or .ndjson file in it")
}

// Where the last-synced image names the Account of a referral, no other one is announced; see bridge for the ledger's part.
func TestFinding_server_MP19_APlanOfAFileSaysThatSalesforceWasNotAsked(t *testing.T) {
	dir := t.TempDir()
	file := filepath.Join(dir, "in.json")
	require.NoError(t, os.WriteFile(file, []byte(`{"resourceType":"Bundle","entry":[
		{"resource":{"resourceType":"ServiceRequest","id":"s1","status":"active","intent":"order","subject":{"reference":"Patient/p1"}}},
		{"resource":{"resourceType":"Patient","id":"p1","name":[{"family":"Synthetic"}],"identifier":[{"system":"https://fhir.nhs.uk/Id/nhs-number","value":"9990000018"}]}}]}`), 0o600))
	cfg := filepath.Join(dir, "refbridge.yaml")
	require.Equal(t, exitDone, refbridge(t, "init", dir).code)
	text, err := os.ReadFile(cfg)
	require.NoError(t, err)
	epr := "sources:\n  - {name: epr, kind: fhir, base_url: \"https://epr.example.nhs.uk/fhir\", patient: create, poll: \"0 * * * *\", sync: \"0 * * * *\"}\n"
	require.NoError(t, os.WriteFile(cfg, []byte(strings.Replace(string(text), "sources:\n", epr, 1)), 0o600))
	code, out, errOut := ran(t, "", "-c", cfg, "plan", "--from", file)
	assert.Equal(t, exitChanges, code, errOut)
	assert.Contains(t, strings.Join(strings.Fields(out), " "), "1 new Account: Salesforce was not asked. Where it has an Account with the NHS number already, a sync links to that one")
}

func TestFinding_server_MP3_ALineOfAnAppointmentForAnotherPatientThanItsReferralFails(t *testing.T) {
	person := func(id, number string) string {
		return `{"resourceType":"Patient","id":"` + id + `","identifier":[{"system":"https://fhir.nhs.uk/Id/nhs-number","value":"` + number + `"}],"name":[{"family":"Synthetic"}]}`
	}
	meets := func(id, who string) string {
		return `{"resourceType":"Appointment","id":"` + id + `","status":"booked","start":"2026-12-10T09:00:00Z","end":"2026-12-10T09:30:00Z","basedOn":[{"reference":"ServiceRequest/r1"}],` +
			`"participant":[{"actor":{"reference":"Patient/` + who + `"},"status":"accepted"}]}`
	}
	lines := []string{person("p1", "9990000018"), person("p2", "9990000026"),
		`{"resourceType":"ServiceRequest","id":"r1","status":"active","intent":"order","priority":"routine","subject":{"reference":"Patient/p1"},"authoredOn":"2026-11-01T09:00:00Z"}`,
		meets("good", "p1"), meets("bad", "p2")}
	dir := t.TempDir()
	in, none := filepath.Join(dir, "in.ndjson"), filepath.Join(dir, "none.yaml")
	require.NoError(t, os.WriteFile(in, []byte(strings.Join(lines, "\n")), 0o600))
	code, out, errOut := ran(t, "", "-c", none, "mapping", "run", "--in", in)
	assert.Equal(t, exitRecordsFailed, code)
	assert.Contains(t, out, ".ap.good")
	assert.NotContains(t, out, ".ap.bad")
	assert.Contains(t, errOut, "line 5:")
	assert.Contains(t, strings.Join(strings.Fields(errOut), " "), "the appointment is for another patient than its referral")
	assert.Contains(t, errOut, "1 failed")
}
