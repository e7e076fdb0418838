package main

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"refbridge/fhir"
	"refbridge/mapping"
)

// ran runs a command as a person types it, without a configuration file where args name none, and gives the exit code and both streams.
func ran(t *testing.T, in string, args ...string) (code int, out, errOut string) {
	t.Helper()
	args = append([]string{"--config", filepath.Join(t.TempDir(), "none.yaml")}, args...)
	var o, e bytes.Buffer
	code = run(args, strings.NewReader(in), &o, &e)
	return code, o.String(), e.String()
}

// tablesDir is a folder with the starter tables and their cases.
func tablesDir(t *testing.T) string {
	t.Helper()
	dir := filepath.Join(t.TempDir(), "tables")
	require.NoError(t, os.CopyFS(dir, mapping.Default()))
	require.NoError(t, os.CopyFS(filepath.Join(dir, mapping.CasesFolder), mapping.DefaultCases()))
	return dir
}

func rewrite(t *testing.T, name, from, to string) {
	t.Helper()
	src, err := os.ReadFile(name)
	require.NoError(t, err)
	require.Contains(t, string(src), from)
	require.NoError(t, os.WriteFile(name, []byte(strings.Replace(string(src), from, to, 1)), 0o644))
}

func TestTheBuiltInCasesHold(t *testing.T) {
	code, out, errOut := ran(t, "", "mapping", "test")
	assert.Equal(t, exitDone, code, errOut)
	assert.Regexp(t, `^\d+ cases, 0 failed\n$`, out)
}

func TestAFailingCaseIsADiffWithTheRule(t *testing.T) {
	dir := tablesDir(t)
	rewrite(t, filepath.Join(dir, "values.yaml"), "{code: TWO_WEEK_WAIT, to: ASAP, purpose: urgent suspected cancer}", "{code: TWO_WEEK_WAIT, to: Urgent}")
	code, out, _ := ran(t, "", "mapping", "test", "--tables", dir)
	assert.Equal(t, exitError, code)
	assert.Contains(t, out, "FAIL  cases/ers-referral.yaml:6  a booked urgent suspected cancer referral is\n")
	assert.Contains(t, out, "  ClinicalServiceRequest ers.sr.000099000101\n    Priority\n      - ASAP  cases/ers-referral.yaml:14\n      + Urgent  service-request.yaml:")
	assert.Contains(t, out, "%ersPriority\n")
	assert.Contains(t, out, "cases, 1 failed\n")

	code, out, _ = ran(t, "", "mapping", "test", "--tables", dir, "--json")
	assert.Equal(t, exitError, code)
	failed := 0
	for _, line := range strings.Split(strings.TrimSpace(out), "\n") {
		var c caseJSON
		require.NoError(t, json.Unmarshal([]byte(line), &c))
		if !c.Passed {
			failed++
			assert.Equal(t, "ASAP", c.Failures[0].Want)
			assert.Equal(t, "Urgent", c.Failures[0].Have)
		}
	}
	assert.Equal(t, 1, failed)
}

func TestCasesWithFaultsAreNotRun(t *testing.T) {
	dir := tablesDir(t)
	rewrite(t, filepath.Join(dir, "cases", "ers-referral.yaml"), "input: ers-referral.json", "input: gone.json")
	code, out, errOut := ran(t, "", "mapping", "test", "--tables", dir)
	assert.Equal(t, exitError, code)
	assert.Empty(t, out)
	assert.Contains(t, errOut, `cases/ers-referral.yaml:3:8: there is no file "gone.json" beside the cases`)
}

func TestWatchRunsAgainWhenAFileChanges(t *testing.T) {
	dir := tablesDir(t)
	ctx, stop := context.WithCancel(t.Context())
	out := &waiting{want: make(chan string, 100)}
	done := make(chan error)
	c := mappingTestCmd{Tables: dir, Watch: true}
	go func() {
		done <- c.Run(ctx, &program{out: out, err: out, now: time.Now, config: filepath.Join(dir, "none")})
	}()
	assert.Contains(t, <-out.want, "cases, 0 failed")
	rewrite(t, filepath.Join(dir, "values.yaml"), "{code: TWO_WEEK_WAIT, to: ASAP, purpose: urgent suspected cancer}", "{code: TWO_WEEK_WAIT, to: Urgent}")
	assert.Contains(t, <-out.want, "cases, 1 failed")
	rewrite(t, filepath.Join(dir, "values.yaml"), "to: ASAP}", "to: ASAP")
	assert.Contains(t, <-out.want, "refbridge: error: ")
	stop()
	assert.NoError(t, <-done, "a stopped watch is no failure")
}

// waiting hands out what a watch prints at the end of each run.
type waiting struct{ want chan string }

func (w *waiting) Write(p []byte) (int, error) {
	if s := string(p); strings.Contains(s, " failed") || strings.Contains(s, "error") {
		w.want <- s
	}
	return len(p), nil
}

// aReferral is one as e-RS sends it.
func aReferral(t *testing.T) string {
	t.Helper()
	src, err := os.ReadFile(filepath.Join("..", "..", "mapping", "tables", "cases", "ers-as-sent.json"))
	require.NoError(t, err)
	var b bytes.Buffer
	require.NoError(t, json.Compact(&b, src))
	return strings.NewReplacer("9990000107", "9434765919", "Holme Valley Heart Clinic", "Clinic of Dr Quillfeather").Replace(b.String())
}

func TestACaseIsMadeOfARealRecordAndHolds(t *testing.T) {
	dir := tablesDir(t)
	code, out, errOut := ran(t, aReferral(t), "mapping", "case", "add", "--from", "-", "--name", "A real one", "--tables", dir)
	require.Equal(t, exitDone, code, errOut)
	assert.Contains(t, out, "NHS number     ServiceRequest.subject.identifier.value\n")
	assert.Contains(t, out, filepath.Join(dir, "cases", "a-real-one.yaml"))
	made, err := os.ReadFile(filepath.Join(dir, "cases", "a-real-one.json"))
	require.NoError(t, err)
	for _, personal := range []string{"9434765919", "Quillfeather", "000000082001"} {
		assert.NotContains(t, string(made)+out, personal)
	}
	code, out, errOut = ran(t, "", "mapping", "test", "--tables", dir)
	assert.Equal(t, exitDone, code, out+errOut)

	again := []string{"mapping", "case", "add", "--from", "-", "--name", "a real one", "--tables", dir}
	code, _, errOut = ran(t, aReferral(t), again...)
	assert.Equal(t, exitError, code)
	assert.Contains(t, errOut, "a-real-one.json is there already\nrefbridge: hint: --replace writes the case anew, another --name beside it")
	code, _, errOut = ran(t, aReferral(t), append(again, "--replace")...)
	assert.Equal(t, exitDone, code, errOut)
	anew, err := os.ReadFile(filepath.Join(dir, "cases", "a-real-one.json"))
	require.NoError(t, err)
	assert.NotEqual(t, string(made), string(anew), "other invented values")
}

func TestACaseThatExpectsWhatNoTableGivesIsNotRun(t *testing.T) {
	dir := tablesDir(t)
	rewrite(t, filepath.Join(dir, "cases", "ers-referral.yaml"), "Priority: ASAP", "Prioritee: ASAP")
	code, out, errOut := ran(t, "", "mapping", "test", "--tables", dir)
	assert.Equal(t, exitError, code)
	assert.Empty(t, out)
	assert.Regexp(t, `error: cases/ers-referral.yaml:14:\d+: no row of ClinicalServiceRequest writes Prioritee\nrefbridge: hint: did you mean Priority\?\n`, errOut)
}

func TestTheNameOfACaseIsNotThatOfItsPatient(t *testing.T) {
	dir := tablesDir(t)
	code, out, errOut := ran(t, aReferral(t), "mapping", "case", "add", "--from", "-", "--name", "the clinic of Quillfeather", "--tables", dir)
	assert.Equal(t, exitError, code)
	assert.Empty(t, out)
	assert.Contains(t, errOut, "the name of the case holds something personal (name)\nrefbridge: hint: say in --name what the case shows")
	assert.NotContains(t, errOut, "Quillfeather")
	assert.NoFileExists(t, filepath.Join(dir, "cases", "the-clinic-of-quillfeather.json"))
}

func TestACaseIsMadeOfEveryOfficialExample(t *testing.T) {
	root, dir, tried, made := examples(t), tablesDir(t), 0, 0
	require.NoError(t, filepath.WalkDir(root, func(path string, d fs.DirEntry, err error) error {
		src, _ := os.ReadFile(path)
		r, wrong := fhir.Parse(src)
		record := r.Type() == "ServiceRequest" || r.Type() == "ReferralRequest" || r.Type() == "Appointment" && !mapping.STU3(r) ||
			r.Type() == "Bundle" && strings.Count(string(src), `"ServiceRequest"`) == 1
		if err != nil || wrong != nil || !record {
			return err
		}
		code, _, errOut := ran(t, "", "mapping", "case", "add", "--from", path, "--name", fmt.Sprintf("example %d", tried), "--tables", dir)
		tried++
		if assert.Equal(t, exitDone, code, "%s: %s", path, errOut) {
			made++
		}
		return nil
	}))
	require.Greater(t, made, 20)
	code, out, errOut := ran(t, "", "mapping", "test", "--tables", dir)
	assert.Equal(t, exitDone, code, out+errOut)
	t.Logf("cases are made of %d of %d official examples", made, tried)
}

func TestNoCaseIsWrittenOfWhatMayBePersonal(t *testing.T) {
	dir := tablesDir(t)
	const patient = `{"resourceType":"Bundle","entry":[{"resource":{"resourceType":"ServiceRequest","id":"1","status":"active","intent":"order","performerType":{"coding":[{"code":"QUILLFEATHER"}]}}},
		{"resource":{"resourceType":"Patient","id":"p","name":[{"family":"Quillfeather"}]}}]}`
	code, out, errOut := ran(t, patient, "mapping", "case", "add", "--from", "-", "--name", "x", "--tables", dir)
	assert.Equal(t, exitError, code)
	assert.Empty(t, out)
	assert.Contains(t, errOut, "ServiceRequest.performerType.coding[0].code")
	assert.NotContains(t, strings.ToLower(errOut), "quillfeather")
	assert.NoFileExists(t, filepath.Join(dir, "cases", "x.json"))

	code, _, errOut = ran(t, `{"resourceType":"ServiceRequest","id":"1"}`+"\n"+`{"resourceType":"ServiceRequest","id":"2"}`, "mapping", "case", "add", "--from", "-", "--name", "x", "--tables", dir)
	assert.Equal(t, exitError, code)
	assert.Contains(t, errOut, "a case is made of one record: 2 records read")

	code, _, errOut = ran(t, patient, "mapping", "case", "add", "--from", "-", "--name", "x")
	assert.Equal(t, exitError, code)
	assert.Contains(t, errOut, "the built-in tables take no cases")
}
