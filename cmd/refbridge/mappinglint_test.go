package main

import (
	"bytes"
	"encoding/base64"
	"encoding/json"
	"fmt"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"refbridge/mapping/lint"
	"refbridge/sfdc/sfdcsim"
)

func TestLintOfTheBuiltInTablesNeedsNoConfiguration(t *testing.T) {
	t.Chdir(t.TempDir())
	code, out, errOut := refbridge(t, "mapping", "lint", "--strict").all()
	assert.Equal(t, exitDone, code, "%s%s", out, errOut)
	assert.Equal(t, "0 errors, 0 warnings in 9 files of the built-in tables: there is no\n  refbridge.yaml here\n", out)
	assert.Empty(t, errOut)
}

func TestLintNamesTheFolderOfTheTables(t *testing.T) {
	t.Chdir(t.TempDir())
	code, _, errOut := refbridge(t, "init", "bridge").all()
	require.Equal(t, exitDone, code, errOut)
	_, out, _ := refbridge(t, "mapping", "lint", "--tables", "bridge/tables").all()
	assert.Equal(t, "0 errors, 0 warnings in 9 files of bridge/tables/\n", out)
	t.Chdir("bridge")
	_, out, _ = refbridge(t, "mapping", "lint").all()
	assert.Equal(t, "0 errors, 0 warnings in 9 files of tables/\n", out)
	t.Chdir("tables")
	_, out, _ = refbridge(t, "mapping", "lint", "--json").all()
	assert.Contains(t, out, `"tables":"the built-in tables: there is no refbridge.yaml here"`)
}

func TestCommandsSayWhereTheTablesAreThoseThatNobodyChose(t *testing.T) {
	t.Chdir(t.TempDir())
	in := filepath.Join(t.TempDir(), "in")
	require.NoError(t, os.WriteFile(in, []byte(oneRequest), 0o600))
	code, _, errOut := refbridge(t, "init", "bridge").all()
	require.Equal(t, exitDone, code, errOut)
	for _, args := range [][]string{{"test"}, {"coverage", "--in", in}, {"impact", "--base", "bridge/tables", "--in", in}, {"show"}, {"run", "--in", in}} {
		code, _, errOut := refbridge(t, append([]string{"mapping"}, args...)...).all()
		assert.Equal(t, exitDone, code, "%v: %s", args, errOut)
		assert.Equal(t, "refbridge: mapping with the built-in tables: there is no refbridge.yaml here\n", errOut, "%v", args)
		code, _, errOut = refbridge(t, append([]string{"mapping"}, append(args, "--tables", "bridge/tables")...)...).all()
		assert.Equal(t, exitDone, code, "%v: %s", args, errOut)
		assert.Empty(t, errOut, "%v", args)
	}
}

func TestAFolderThatIsNotThereIsNamed(t *testing.T) {
	t.Chdir(t.TempDir())
	require.NoError(t, os.WriteFile("file", []byte("x"), 0o600))
	for _, args := range [][]string{{"mapping", "lint", "--tables"}, {"mapping", "test", "--tables"}, {"mapping", "coverage", "--in", "file", "--tables"}, {"mapping", "show", "--tables"},
		{"mapping", "run", "--tables"}, {"mapping", "case", "add", "--from", "file", "--name", "x", "--tables"}, {"mapping", "impact", "--in", "file", "--base"},
		{"mapping", "show", "--base"}, {"describe", "--tables"}} {
		code, out, errOut := refbridge(t, append(args, "nowhere")...).all()
		assert.Equal(t, exitError, code, "%v", args)
		assert.Empty(t, out, "%v", args)
		assert.Contains(t, errOut, "refbridge: error: there is no folder nowhere\nrefbridge: hint: ", "%v", args)
		_, _, errOut = refbridge(t, append(args, "file")...).all()
		assert.Contains(t, errOut, "refbridge: error: file is a file\nrefbridge: hint: ", "%v", args)
	}
}

func TestCasesThatHoldDoNotHideWhatLintFinds(t *testing.T) {
	t.Chdir(t.TempDir())
	code, _, errOut := refbridge(t, "init", ".").all()
	require.Equal(t, exitDone, code, errOut)
	name := filepath.Join("tables", "appointment.yaml")
	text, err := os.ReadFile(name)
	require.NoError(t, err)
	require.NoError(t, os.WriteFile(name, bytes.Replace(text, []byte("\ngone:\n"), []byte("\ngone:\n  - {field: Nowhere__c, to: x}\n"), 1), 0o600))
	code, out, errOut := refbridge(t, "mapping", "test").all()
	assert.Equal(t, exitDone, code, out)
	assert.Equal(t, "refbridge: lint finds 1 error in these tables: refbridge mapping lint --tables tables\n", errOut)
	_, _, errOut = refbridge(t, "mapping", "test", "--json", "--tables", "tables").all()
	assert.Empty(t, errOut)
	require.NoError(t, os.WriteFile("in.ndjson", []byte(`{"resourceType":"ServiceRequest","id":"1"}`), 0o600))
	for _, args := range [][]string{{"coverage", "--in", "in.ndjson"}, {"impact", "--base", "tables", "--in", "in.ndjson"}, {"show"}, {"run", "--in", "in.ndjson", "--out", "-"}} {
		_, _, errOut = refbridge(t, append([]string{"mapping"}, args...)...).all()
		assert.Contains(t, errOut, "refbridge: lint finds 1 error in these tables: refbridge mapping lint --tables tables\n", "%v", args)
	}
}

func TestLintEndsByTheWorstThatItFound(t *testing.T) {
	dir := t.TempDir()
	tables := func(row string) {
		const text = "object: PersonName\nsource: Patient\nkey: {field: Bridge_Key__c, from: id}\nrows:\n  - %s\n"
		require.NoError(t, os.WriteFile(filepath.Join(dir, "a.yaml"), fmt.Appendf(nil, text, row), 0o600))
	}
	tables("{field: FirstName, from: name.given.first()}")
	code, out, _ := ran(t, "", "mapping", "lint", "--tables", dir)
	assert.Equal(t, exitDone, code, out)
	assert.Contains(t, out, "a.yaml:5:30: warning: ")
	code, _, _ = ran(t, "", "mapping", "lint", "--tables", dir, "--strict")
	assert.Equal(t, exitError, code)

	tables("{field: FirstNme, from: name.given.first()}")
	code, out, errOut := ran(t, "", "mapping", "lint", "--tables", dir, "--json")
	assert.Equal(t, exitError, code)
	assert.Empty(t, errOut)
	var report lint.ReportJSON
	require.NoError(t, json.Unmarshal([]byte(out), &report))
	require.Len(t, report.Findings, 1)
	assert.Equal(t, "unknown-field", report.Findings[0].Check)
	assert.Equal(t, "did you mean FirstName?", report.Findings[0].Hint)
}

func TestLintSaysWhatItCannotRead(t *testing.T) {
	dir := t.TempDir()
	file := filepath.Join(dir, "org.json")
	require.NoError(t, os.WriteFile(file, []byte("[]"), 0o600))
	for _, args := range [][]string{{"--snapshot", file}, {"--snapshot", filepath.Join(dir, "none.json")}, {"--tables", file}, {"--tables", filepath.Join(dir, "none")}} {
		code, out, errOut := ran(t, "", append([]string{"mapping", "lint"}, args...)...)
		assert.Equal(t, exitError, code, "%v", args)
		assert.Empty(t, out, "%v", args)
		assert.Contains(t, errOut, "refbridge: error: ", "%v", args)
	}
	code, _, _ := ran(t, "", "mapping", "lint", "--online", "--snapshot", file)
	assert.Equal(t, exitUsage, code)
}

func TestTheHintForABadSnapshotDoesNotWriteOverIt(t *testing.T) {
	dir := t.TempDir()
	for name, want := range map[string]string{"precious.yaml": "refbridge describe --save org.json writes one",
		"org.json": "refbridge describe --save org-snapshot.json writes one"} {
		file := filepath.Join(dir, name)
		require.NoError(t, os.WriteFile(file, []byte("a: b\n"), 0o600))
		_, _, errOut := ran(t, "", "mapping", "lint", "--snapshot", file)
		assert.Contains(t, errOut, "refbridge: hint: "+want)
		assert.NotContains(t, errOut, "--save "+file)
	}
}

func TestTheTablesOfTheBenchHaveNoErrors(t *testing.T) {
	code, out, errOut := ran(t, "", "mapping", "lint", "--tables", "../../testdata/bench")
	assert.Equal(t, exitDone, code, "%s%s", out, errOut)
	assert.Contains(t, out, "0 errors, ")
}

func TestOnlyStrictLintAsksForPurposes(t *testing.T) {
	dir := t.TempDir()
	const table = "object: PersonName\nsource: Patient\nkey: {field: Bridge_Key__c, from: id}\nrows:\n" +
		"  - {field: LastName, from: name.first().family, transform: \"truncate(80, hold)\", required: true}\n"
	require.NoError(t, os.WriteFile(filepath.Join(dir, "a.yaml"), []byte(table), 0o600))
	_, out, _ := ran(t, "", "mapping", "lint", "--tables", dir)
	assert.NotContains(t, out, "[no-purpose]")
	code, out, _ := ran(t, "", "mapping", "lint", "--tables", dir, "--strict")
	assert.Equal(t, exitError, code)
	assert.Contains(t, out, "a.yaml:5:5: warning: LastName: neither the row nor its table says what it is for\n    [no-purpose]\n")
}

// orgConfig starts an org and writes a configuration for it.
func orgConfig(t *testing.T, o sfdcsim.Options) string {
	t.Helper()
	org, err := sfdcsim.New(o)
	require.NoError(t, err)
	server := httptest.NewServer(org)
	t.Cleanup(server.Close)
	as := org.Credentials(server.URL)
	dir := t.TempDir()
	text := fmt.Sprintf(`ledger: {path: ledger.db, key: "file:key"}
salesforce: {login_url: "%s", client_id: "%s", username: "%s", private_key: "file:org.pem", patient_key: "file:key"}
sources:
  - {name: ward, kind: fhir, base_url: "http://127.0.0.1:1/", patient: link, system: ward}
`, as.BaseURL, as.ClientID, as.Username)
	key := base64.StdEncoding.EncodeToString(bytes.Repeat([]byte{7}, 32))
	for name, content := range map[string]string{"refbridge.yaml": text, "org.pem": string(as.PrivateKeyPEM), "key": key} {
		require.NoError(t, os.WriteFile(filepath.Join(dir, name), []byte(content), 0o600))
	}
	return filepath.Join(dir, "refbridge.yaml")
}

func TestWhatTheOrgSaysIsSavedAndLintedAgainst(t *testing.T) {
	cfg := orgConfig(t, sfdcsim.Options{Seed: 1})
	saved := filepath.Join(t.TempDir(), "org.json")
	code, out, errOut := ran(t, "", "-c", cfg, "describe", "--save", saved)
	require.Equal(t, exitDone, code, errOut)
	assert.Contains(t, out, "ClinicalServiceRequest")
	assert.Contains(t, out, "Bridge_Key__c")
	text, err := os.ReadFile(saved)
	require.NoError(t, err)
	s, err := lint.ReadSnapshot(text)
	require.NoError(t, err)
	assert.Len(t, s.Objects, 7)

	for _, args := range [][]string{{"--snapshot", saved}, {"--online"}, {"--online", "--strict"}} {
		code, out, errOut = ran(t, "", append([]string{"-c", cfg, "mapping", "lint"}, args...)...)
		assert.Equal(t, exitDone, code, "%v: %s%s", args, out, errOut)
	}
	code, out, _ = ran(t, "", "-c", cfg, "describe", "--object", "Account", "--json")
	assert.Equal(t, exitDone, code)
	s, err = lint.ReadSnapshot([]byte(out))
	require.NoError(t, err)
	assert.Len(t, s.Objects, 1)
}

func TestAnOrgThatLacksAFieldOrAnObjectIsFoundBeforeAnythingRuns(t *testing.T) {
	cfg := orgConfig(t, sfdcsim.Options{Seed: 1, Hidden: []string{"ClinicalServiceRequest.Bridge_Version__c", "ClinicalServiceRequestDetail"}})
	code, out, _ := ran(t, "", "-c", cfg, "mapping", "lint", "--online")
	assert.Equal(t, exitError, code)
	told := strings.Join(strings.Fields(out), " ")
	assert.Contains(t, told, "ClinicalServiceRequest has no field Bridge_Version__c [unknown-field]")
	assert.Contains(t, told, "the target has no object ClinicalServiceRequestDetail [unknown-object]")

	code, out, errOut := ran(t, "", "-c", cfg, "describe")
	assert.Equal(t, exitError, code)
	assert.Contains(t, out, "ServiceAppointment", "what the org has is printed")
	assert.Contains(t, errOut, "the org has no ClinicalServiceRequestDetail")

	saved := filepath.Join(t.TempDir(), "org.json")
	require.NoError(t, os.WriteFile(saved, []byte("precious"), 0o600))
	code, _, _ = ran(t, "", "-c", cfg, "describe", "--object", "Nope", "--save", saved)
	assert.Equal(t, exitError, code)
	text, err := os.ReadFile(saved)
	require.NoError(t, err)
	assert.Equal(t, "precious", string(text), "nothing is written over a snapshot where an object is missing")
}

// The snapshot that is shipped and the simulator of an org come from the same documentation; where they differ, one of
// them is wrong.
func TestTheShippedSnapshotAndTheSimulatedOrgAgree(t *testing.T) {
	cfg := orgConfig(t, sfdcsim.Options{Seed: 1, OpenPicklists: true})
	shipped, err := lint.DefaultSnapshot()
	require.NoError(t, err)
	args := []string{"-c", cfg, "describe", "--json"}
	for _, o := range shipped.Objects {
		args = append(args, "--object", o.Name)
	}
	code, out, errOut := ran(t, "", args...)
	require.Equal(t, exitDone, code, errOut)
	org, err := lint.ReadSnapshot([]byte(out))
	require.NoError(t, err)
	for _, o := range shipped.Objects {
		there, ok := org.Object(o.Name)
		require.True(t, ok, o.Name)
		for _, f := range o.Fields {
			g, ok := there.Field(f.Name)
			name := o.Name + "." + f.Name
			if !assert.True(t, ok, "the simulated org has no %s", name) {
				continue
			}
			assert.Equal(t, f.Type, g.Type, name)
			assert.Equal(t, [2]bool{f.Createable, f.Updateable}, [2]bool{g.Createable, g.Updateable}, "%s: createable, updateable", name)
			assert.Equal(t, [2]bool{f.ExternalID, f.Unique}, [2]bool{g.ExternalID, g.Unique}, "%s: external id, unique", name)
			assert.Equal(t, f.Length, g.Length, "%s: length", name)
		}
	}
}
