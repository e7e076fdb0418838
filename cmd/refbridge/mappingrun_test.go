package main

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"refbridge/fhir"
)

const oneRequest = `{"resourceType":"ServiceRequest","id":"1","status":"active","intent":"order","subject":{"identifier":` +
	`{"system":"https://fhir.nhs.uk/Id/nhs-number","value":"9990000018"}}}` + "\n"

func TestRunWritesALineForALineAndTellsWhatFailed(t *testing.T) {
	dir := t.TempDir()
	path := func(name string) string { return filepath.Join(dir, name) }
	bad := strings.Replace(oneRequest, "active", "asleep", 1)
	require.NoError(t, os.WriteFile(path("in"), []byte(oneRequest+bad+"{\n"+oneRequest), 0o600))
	code, out, errOut := ran(t, "", "-c", path("none.yaml"), "mapping", "run", "--in", path("in"), "--out", path("out"), "--errors", path("errors"), "--source", "epr")
	assert.Equal(t, exitRecordsFailed, code)
	assert.Empty(t, out)
	assert.Equal(t, "refbridge: mapping with the built-in tables: there is no "+path("none.yaml")+"\nrefbridge: 2 lines mapped, 2 failed\n", errOut)

	written, err := os.ReadFile(path("out"))
	require.NoError(t, err)
	lines := strings.Split(strings.TrimSpace(string(written)), "\n")
	require.Len(t, lines, 2)
	assert.Equal(t, lines[0], lines[1])
	assert.Contains(t, lines[0], `{"object":"ClinicalServiceRequest","key":{"Bridge_Key__c":"epr.sr.1"},"fields":{"PatientId":{"lookup":"Account.nhsNumber","key":"9990000018"},"Status":"Active"`)

	told, err := os.ReadFile(path("errors"))
	require.NoError(t, err)
	var faults []lineError
	for line := range bytes.Lines(told) {
		var e lineError
		require.NoError(t, json.Unmarshal(line, &e))
		faults = append(faults, e)
	}
	require.Len(t, faults, 2)
	assert.Equal(t, 2, faults[0].Line)
	assert.Equal(t, "unknown-code", faults[0].Reason)
	assert.Equal(t, "Status", faults[0].Field)
	assert.Regexp(t, `^service-request\.yaml:\d+:\d+$`, faults[0].Rule)
	assert.Contains(t, faults[0].Hint, "{code: asleep, to: …}")
	assert.Equal(t, 3, faults[1].Line)
	assert.Equal(t, "unreadable", faults[1].Reason)
	assert.NotContains(t, string(told), "9990000018")
}

func TestRunReadsStandardInputAndWritesBodies(t *testing.T) {
	none := filepath.Join(t.TempDir(), "none.yaml")
	var out, errOut bytes.Buffer
	code := run([]string{"-c", none, "mapping", "run", "--tables", "../../testdata/bench", "--target", "referral", "--workers", "1"},
		strings.NewReader(oneRequest), &out, &errOut)
	assert.Equal(t, exitDone, code, errOut.String())
	assert.Empty(t, errOut.String())
	assert.JSONEq(t, `{"patient":{"fields":{"LastName":"Unknown","HealthCloudGA__Gender__pc":"Unknown","NHS_Number__c":"9990000018",
		"NHS_Number_Status__c":"Valid","NHS_Number_Verified__c":false}},"shouldUseHighConfidenceMatch":true,
		"referral":{"fields":{"SourceSystem":"e-RS","SourceSystemIdentifier":"1","FHIR_Id__c":"1","Status":"Active","Priority":"Routine","Type":"Order",
		"AttachmentCount__c":0,"Is_Active__c":true}}}`, out.String())
}

func TestRunMapsReferralsAsERSSendsThem(t *testing.T) {
	const folder = "../../../shared/conformance/ers-examples/stu3"
	var examples []string
	require.NoError(t, filepath.WalkDir(folder, func(path string, d os.DirEntry, err error) error {
		if err == nil && strings.Contains(path, "retrieveReferralRequest") && strings.HasSuffix(path, ".json") {
			examples = append(examples, path)
		}
		return nil
	}))
	if len(examples) == 0 && os.Getenv("CI") != "" {
		t.Fatal("the examples of e-RS must be beside the repository in CI")
	}
	if len(examples) == 0 {
		t.Skip("the examples of e-RS are not here: ../shared/conformance/ers-examples beside the repository")
	}
	mapped := 0
	for _, example := range examples {
		code, out, errOut := ran(t, "", "mapping", "run", "--in", example)
		assert.Contains(t, []int{exitDone, exitRecordsFailed}, code, example+errOut)
		mapped += strings.Count(out, `"object":"ClinicalServiceRequest"`)
	}
	assert.Positive(t, mapped)
}

func TestRunRefusesWhatCannotWork(t *testing.T) {
	dir := t.TempDir()
	in := filepath.Join(dir, "in")
	require.NoError(t, os.WriteFile(in, []byte(oneRequest), 0o600))
	for want, args := range map[string][]string{
		"the tables make no referral body":    {"--target", "referral", "--in", in},
		"--in and --out are the same file":    {"--in", in, "--out", in},
		"no such file or directory":           {"--in", filepath.Join(dir, "nothing")},
		"--target must be one of \"records\"": {"--target", "x"},
	} {
		code, _, errOut := ran(t, "", append([]string{"mapping", "run"}, args...)...)
		assert.Contains(t, []int{exitError, exitUsage}, code, want)
		assert.Contains(t, errOut, want)
	}
	left, err := os.ReadFile(in)
	require.NoError(t, err)
	assert.Equal(t, oneRequest, string(left))
}

// field gives a field of the only referral that a run wrote.
func field(t *testing.T, out, name string) any {
	t.Helper()
	var line struct {
		Records []struct {
			Object string
			Key    map[string]string
			Fields map[string]any
		}
	}
	require.NoError(t, json.Unmarshal([]byte(out), &line), out)
	for _, r := range line.Records {
		if r.Object == "ClinicalServiceRequest" && name == "" {
			return r.Key["Bridge_Key__c"]
		}
		if r.Object == "ClinicalServiceRequest" {
			return r.Fields[name]
		}
	}
	t.Fatal("there is no referral")
	return nil
}

func TestRunTakesNameSystemAndPatientsFromTheSource(t *testing.T) {
	sent, err := os.ReadFile("../../mapping/tables/cases/ers-as-sent.json")
	require.NoError(t, err)
	sentRequest := string(sent)
	dir := t.TempDir()
	none, cfg := filepath.Join(dir, "none.yaml"), filepath.Join(dir, "refbridge.yaml")
	require.Equal(t, exitDone, refbridge(t, "init", dir).code)
	text, err := os.ReadFile(cfg)
	require.NoError(t, err)
	epr := "sources:\n  - name: epr\n    kind: fhir\n    base_url: https://epr.example.nhs.uk/fhir\n    system: https://epr.example.nhs.uk\n" +
		"    sync: \"0 * * * *\"\n    poll: \"0 * * * *\"\n"
	require.NoError(t, os.WriteFile(cfg, []byte(strings.Replace(string(text), "sources:\n", epr, 1)), 0o600))
	for _, c := range []struct {
		config, source, in string
		key, system        any
	}{
		{none, "", oneRequest, "fhir.sr.1", nil},
		{none, "", sentRequest, "ers.sr.000000082001", fhir.SystemUBRN},
		{none, "lab", oneRequest, "lab.sr.1", nil},
		{none, "lab", sentRequest, "lab.sr.000000082001", fhir.SystemUBRN},
		{cfg, "", oneRequest, "epr.sr.1", "https://epr.example.nhs.uk"},
		{cfg, "", sentRequest, "ers.sr.000000082001", fhir.SystemUBRN},
		{cfg, "epr", oneRequest, "epr.sr.1", "https://epr.example.nhs.uk"},
		{cfg, "ers", oneRequest, "ers.sr.1", fhir.SystemUBRN},
	} {
		args := []string{"-c", c.config, "mapping", "run"}
		if c.source != "" {
			args = append(args, "--source", c.source)
		}
		var out, errOut bytes.Buffer
		require.Equal(t, exitDone, run(args, strings.NewReader(c.in), &out, &errOut), errOut.String())
		assert.Equal(t, c.key, field(t, out.String(), ""))
		assert.Equal(t, c.system, field(t, out.String(), "SourceSystem"))
		assert.Equal(t, "backfill", field(t, out.String(), "Bridge_Run__c"))
		assert.Equal(t, c.config == none, strings.Contains(errOut.String(), "mapping with the built-in tables"))
	}
	code, _, errOut := ran(t, "", "-c", cfg, "mapping", "run", "--source", "erp")
	assert.Equal(t, exitUsage, code)
	assert.Contains(t, errOut, "has no source erp\nrefbridge: hint: its sources: epr, ers\n")
}

func TestRunCountsWhatNoTableReadsOfABundle(t *testing.T) {
	in := `{"resourceType":"Bundle","entry":[{"resource":` + strings.TrimSpace(oneRequest) + `},{"resource":{"resourceType":"Observation"}},` +
		`{"resource":{"resourceType":"Observation"}},{"fullUrl":"urn:uuid:1"}]}`
	var out, errOut bytes.Buffer
	code := run([]string{"mapping", "run", "--tables", "../../mapping/tables"}, strings.NewReader(in), &out, &errOut)
	assert.Equal(t, exitRecordsFailed, code)
	assert.Equal(t, "refbridge: error: line 1: entry 4 of the Bundle: not a FHIR resource: no JSON\n                  object\n"+
		"refbridge: 1 line mapped, 1 failed\nrefbridge: not mapped: 2 × Observation\n", errOut.String())
	assert.Contains(t, out.String(), "fhir.sr.1")
}

func TestRunThatIsInterruptedWhileItWaitsTellsHowFarItCame(t *testing.T) {
	in, feed := io.Pipe()
	defer in.Close()
	ctx, cancel := context.WithCancel(t.Context())
	go func() {
		_, _ = io.WriteString(feed, strings.Repeat(oneRequest, 5000)) // is taken in whole chunks, the last one stays
		cancel()
	}()
	var out, errOut bytes.Buffer
	p := &program{in: in, out: &out, err: &errOut, now: time.Now, config: filepath.Join(t.TempDir(), "none.yaml")}
	err := mappingRunCmd{Tables: "../../mapping/tables", In: "-", Out: "-", Target: "records", Workers: 1}.Run(ctx, p)
	require.ErrorIs(t, err, context.Canceled)
	assert.Equal(t, exitInterrupted, p.report(ctx, err))
	assert.Equal(t, fmt.Sprintf("refbridge: %d lines mapped, 0 failed", strings.Count(out.String(), "\n")), strings.Split(errOut.String(), "\n")[0])
	assert.Positive(t, out.Len())
}
