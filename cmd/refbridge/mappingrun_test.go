package main

import (
	"bytes"
	"encoding/json"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

const oneRequest = `{"resourceType":"ServiceRequest","id":"1","status":"active","intent":"order","subject":{"identifier":` +
	`{"system":"https://fhir.nhs.uk/Id/nhs-number","value":"9990000018"}}}` + "\n"

func TestRunWritesALineForALineAndTellsWhatFailed(t *testing.T) {
	dir := t.TempDir()
	path := func(name string) string { return filepath.Join(dir, name) }
	bad := strings.Replace(oneRequest, "active", "asleep", 1)
	require.NoError(t, os.WriteFile(path("in"), []byte(oneRequest+bad+"{\n"+oneRequest), 0o600))
	code, out, errOut := command("-c", path("none.yaml"), "mapping", "run", "--in", path("in"), "--out", path("out"), "--errors", path("errors"), "--source", "epr")
	assert.Equal(t, exitRecordsFailed, code)
	assert.Empty(t, out)
	assert.Equal(t, "refbridge: 2 lines mapped, 2 failed\n", errOut)

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
	none, mapped := filepath.Join(t.TempDir(), "none.yaml"), 0
	for _, example := range examples {
		code, out, errOut := command("-c", none, "mapping", "run", "--in", example)
		assert.Contains(t, []int{exitDone, exitRecordsFailed}, code, example+errOut)
		mapped += strings.Count(out, `"object":"ClinicalServiceRequest"`)
	}
	assert.Positive(t, mapped)
}

func TestRunRefusesWhatCannotWork(t *testing.T) {
	dir := t.TempDir()
	none, in := filepath.Join(dir, "none.yaml"), filepath.Join(dir, "in")
	require.NoError(t, os.WriteFile(in, []byte(oneRequest), 0o600))
	for want, args := range map[string][]string{
		"the tables make no referral body":    {"--target", "referral", "--in", in},
		"--in and --out are the same file":    {"--in", in, "--out", in},
		"no such file or directory":           {"--in", filepath.Join(dir, "nothing")},
		"--target must be one of \"records\"": {"--target", "x"},
	} {
		code, _, errOut := command(append([]string{"-c", none, "mapping", "run"}, args...)...)
		assert.Contains(t, []int{exitError, exitUsage}, code, want)
		assert.Contains(t, errOut, want)
	}
	left, err := os.ReadFile(in)
	require.NoError(t, err)
	assert.Equal(t, oneRequest, string(left))
}
