package main

import (
	"bytes"
	"context"
	"encoding/base64"
	"encoding/json"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"refbridge/ers"
	"refbridge/fhir"
	"refbridge/ledger"
	"refbridge/mapping"
	"refbridge/mapping/measure"
)

// ran runs a command as a person types it, without a configuration file, and gives the exit code and both streams.
func ran(t *testing.T, in string, args ...string) (code int, out, errOut string) {
	t.Helper()
	var o, e bytes.Buffer
	args = append([]string{"--config", filepath.Join(t.TempDir(), "none.yaml")}, args...)
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
	rewrite(t, filepath.Join(dir, "values.yaml"), "{code: TWO_WEEK_WAIT, to: Urgent}", "{code: TWO_WEEK_WAIT, to: ASAP}")
	code, out, _ := ran(t, "", "mapping", "test", "--tables", dir)
	assert.Equal(t, exitError, code)
	assert.Contains(t, out, "FAIL  cases/ers-referral.yaml:6  a booked two week wait referral is urgent\n")
	assert.Contains(t, out, "  ClinicalServiceRequest ers.sr.000099000101\n    Priority\n      - Urgent  cases/ers-referral.yaml:14\n      + ASAP  service-request.yaml:")
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
			assert.Equal(t, "Urgent", c.Failures[0].Want)
			assert.Equal(t, "ASAP", c.Failures[0].Have)
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
	rewrite(t, filepath.Join(dir, "values.yaml"), "{code: TWO_WEEK_WAIT, to: Urgent}", "{code: TWO_WEEK_WAIT, to: ASAP}")
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

	code, _, errOut = ran(t, aReferral(t), "mapping", "case", "add", "--from", "-", "--name", "a real one", "--tables", dir)
	assert.Equal(t, exitError, code)
	assert.Contains(t, errOut, "is there already")
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

func TestCoverageAccountsForEveryLine(t *testing.T) {
	page := filepath.Join(t.TempDir(), "coverage.html")
	lines := aReferral(t) + "\n\nnot json 9434765919\n" + `{"resourceType":"Patient","id":"1"}` + "\n" + `{"resourceType":"ServiceRequest","id":"x","extension":[{"url":"https://example.org/new","valueCode":"x"}]}`
	code, out, errOut := ran(t, lines, "mapping", "coverage", "--in", "-", "--html", page)
	assert.Equal(t, exitRecordsFailed, code)
	assert.Contains(t, out, "2 records read, 1 unreadable, 1 with nothing to map; 1 held\n")
	assert.Contains(t, out, "Unaccounted: nobody reads it, and no table says why\n       1  ServiceRequest.extension('https://example.org/new').valueCode\n")
	assert.Contains(t, out, "Comments") // a field of ServiceAppointment
	assert.Contains(t, errOut, "refbridge: error: standard input:3 cannot be read: not valid JSON")
	html, err := os.ReadFile(page)
	require.NoError(t, err)
	for _, personal := range []string{"9434765919", "Quillfeather", "000000082001"} {
		assert.NotContains(t, out+errOut+string(html), personal)
	}

	code, out, _ = ran(t, aReferral(t), "mapping", "coverage", "--in", "-", "--json")
	assert.Equal(t, exitDone, code)
	var report coverageJSON
	require.NoError(t, json.Unmarshal([]byte(out), &report))
	assert.Equal(t, 1, report.Records)
	assert.Greater(t, report.Percent, 50.0)

	code, _, errOut = ran(t, `{"resourceType":"ServiceRequest","id":"1","extension":[{"url":"https://example.org/new","valueCode":"x"}]}`, "mapping", "coverage", "--in", "-", "--fail-under", "99")
	assert.Equal(t, exitError, code)
	assert.Contains(t, errOut, "of the source paths are accounted for, less than 99 %")

	code, _, _ = ran(t, "", "mapping", "coverage")
	assert.Equal(t, exitUsage, code, "either --in or --last")
}

func TestThePageOfCoverageDoesNotOverwriteTheRecords(t *testing.T) {
	dir := t.TempDir()
	in, link := filepath.Join(dir, "in.ndjson"), filepath.Join(dir, "link.html")
	require.NoError(t, os.WriteFile(in, []byte(aReferral(t)), 0o600))
	require.NoError(t, os.Link(in, link))
	for _, page := range []string{in, link} {
		code, out, errOut := ran(t, "", "mapping", "coverage", "--in", in, "--html", page)
		assert.Equal(t, exitUsage, code)
		assert.Empty(t, out)
		assert.Contains(t, errOut, "--html names the file of --in")
		now, err := os.ReadFile(in)
		require.NoError(t, err)
		assert.Equal(t, aReferral(t), string(now))
	}
}

func TestFailUnderNeedsSomethingThatIsMapped(t *testing.T) {
	for in, want := range map[string]string{
		"": "no record is covered: 0 records read", `{"resourceType":"Patient","id":"1"}`: "no record is covered: 0 records read, 1 with nothing to map",
		`{"resourceType":"ServiceRequest"}`: "nothing in the records is mapped",
	} {
		code, out, errOut := ran(t, in, "mapping", "coverage", "--in", "-", "--fail-under", "50")
		assert.Equal(t, exitError, code, in)
		assert.Contains(t, errOut, want)
		assert.Contains(t, out, "no paths\n")
		assert.NotContains(t, out, "100.0 %")
	}
	for _, percent := range []string{"101", "-1", "NaN"} {
		code, _, errOut := ran(t, aReferral(t), "mapping", "coverage", "--in", "-", "--fail-under="+percent)
		assert.Equal(t, exitUsage, code, percent)
		assert.Contains(t, errOut, "--fail-under is a percentage")
	}
}

func TestImpactSaysWhatIsEmptiedAndWhoseTablesAreAtFault(t *testing.T) {
	base, next, broken := tablesDir(t), tablesDir(t), tablesDir(t)
	const row = "  - field: DateSigned\n    from: authoredOn"
	rewrite(t, filepath.Join(next, "service-request.yaml"), row, "  - field: SourceChannel\n    from: extension('https://example.org/none').value\n"+row)
	rewrite(t, filepath.Join(broken, "service-request.yaml"), row, "  - field: DateSigned\n    from: authoredOn.nosuch()")
	for form, want := range map[string]string{"": "1 newly written empty: Salesforce's value is cleared", "--markdown": "1 newly written empty: Salesforce's value is cleared", "--json": `"newlyWrittenEmpty":1`} {
		args := []string{"mapping", "impact", "--base", base, "--tables", next, "--in", "-"}
		if form != "" {
			args = append(args, form)
		}
		code, out, errOut := ran(t, aReferral(t), args...)
		require.Equal(t, exitDone, code, errOut)
		assert.Contains(t, out, want)
	}
	for _, folders := range [][2]string{{broken, next}, {base, broken}} {
		code, _, errOut := ran(t, aReferral(t), "mapping", "impact", "--base", folders[0], "--tables", folders[1], "--in", "-")
		assert.Equal(t, exitError, code)
		assert.Contains(t, errOut, broken)
	}
}

func TestImpactOfAnEditIsFreeOfPersonalData(t *testing.T) {
	base, next := tablesDir(t), tablesDir(t)
	rewrite(t, filepath.Join(next, "values.yaml"), "{code: ROUTINE, to: Routine}", "{code: ROUTINE, to: Urgent}")
	rewrite(t, filepath.Join(next, "service-request.yaml"), "  - field: SourceSystemIdentifier\n    from: id", "  - field: SourceSystemIdentifier\n    from: id & '!'")
	in := filepath.Join(t.TempDir(), "in.ndjson")
	require.NoError(t, os.WriteFile(in, []byte(aReferral(t)+"\n"+aReferral(t)+"\n"), 0o644))
	code, out, errOut := ran(t, "", "mapping", "impact", "--base", base, "--tables", next, "--in", in)
	require.Equal(t, exitDone, code, errOut)
	assert.Contains(t, out, "2 records read; 2 of 2 become something else\n")
	assert.Contains(t, out, "ClinicalServiceRequest.Priority: Routine -> Urgent, 2\n")
	assert.Regexp(t, `ClinicalServiceRequest.SourceSystemIdentifier: ~[0-9a-f]{8} -> ~[0-9a-f]{8}, 2\n`, out)
	assert.NotContains(t, out, "000000082001")

	code, out, _ = ran(t, "", "mapping", "impact", "--base", base, "--tables", next, "--in", in, "--markdown")
	assert.Equal(t, exitDone, code)
	assert.Contains(t, out, "| ClinicalServiceRequest.Priority | Routine | Urgent | 2 |\n")

	code, out, _ = ran(t, "", "mapping", "impact", "--base", base, "--tables", next, "--in", in, "--json")
	assert.Equal(t, exitDone, code)
	var report impactJSON
	require.NoError(t, json.Unmarshal([]byte(out), &report))
	assert.Equal(t, 2, report.Touched)
}

func TestLastReadsTheLedgerAndCountsWhatIsPurged(t *testing.T) {
	dir, key := t.TempDir(), bytes.Repeat([]byte{7}, 32)
	t.Setenv("REFBRIDGE_LEDGER_KEY", base64.StdEncoding.EncodeToString(key))
	t.Setenv("REFBRIDGE_PATIENT_KEY", base64.StdEncoding.EncodeToString(key))
	cfg := strings.Replace(exampleConfig, "tables: tables\n", "", 1)
	require.NoError(t, os.WriteFile(filepath.Join(dir, "refbridge.yaml"), []byte(cfg), 0o600))
	now := time.Date(2026, 6, 1, 0, 0, 0, 0, time.UTC)
	l, err := ledger.Open(t.Context(), ledger.Options{Path: filepath.Join(dir, "refbridge-data", "ledger.db"), Key: key, Now: func() time.Time { return now }})
	require.NoError(t, err)
	old, recent := fhir.Reference{Type: "ReferralRequest", ID: "000000082000", Version: "1"}, fhir.Reference{Type: "ReferralRequest", ID: "000000082001", Version: "4"}
	require.NoError(t, l.Observe(t.Context(), ledger.Answer{Source: "ers"}, []ledger.Sighting{{Ref: old, Body: []byte(aReferral(t))}}))
	require.NoError(t, l.Settle(t.Context(), []ledger.Settlement{{Source: "ers", Ref: old, Fate: ledger.Applied}}))
	now = now.AddDate(0, 2, 0)
	_, err = l.Purge(t.Context(), now)
	require.NoError(t, err)
	require.NoError(t, l.Observe(t.Context(), ledger.Answer{Source: "ers"}, []ledger.Sighting{{Ref: recent, Body: []byte(aReferral(t))}}))
	require.NoError(t, l.Close())

	var out, errOut bytes.Buffer
	code := run([]string{"--config", filepath.Join(dir, "refbridge.yaml"), "mapping", "coverage", "--last", "100"}, nil, &out, &errOut)
	require.Equal(t, exitDone, code, errOut.String())
	assert.Contains(t, out.String(), "1 record read, 1 purged; 0 held\n")
}

// examples gives the referrals of NHS's example files, one a line.
func caseExamples(t *testing.T) string {
	t.Helper()
	root := filepath.Join("..", "..", "..", "shared", "conformance", "ers-examples", "stu3")
	if _, err := os.Stat(root); err != nil {
		if os.Getenv("CI") != "" {
			t.Fatalf("the published e-RS examples are not at %s", root)
		}
		t.Skipf("the published e-RS examples are not at %s; this test needs them", root)
	}
	var lines bytes.Buffer
	for _, operation := range []string{"retrieveReferralRequest", "acceptReferral", "rejectReferral", "recordTriageOutcome", "cancelReferral"} {
		names, err := filepath.Glob(filepath.Join(root, operation, "*", "*.json"))
		require.NoError(t, err)
		require.NotEmpty(t, names, operation)
		for _, name := range names {
			src, err := os.ReadFile(name)
			require.NoError(t, err)
			if found, err := ers.Referrals(src); err == nil && len(found) > 0 {
				require.NoError(t, json.Compact(&lines, src))
				lines.WriteByte('\n')
			}
		}
	}
	return lines.String()
}

func TestThePublishedReferralsAreCovered(t *testing.T) {
	lines := caseExamples(t)
	code, out, errOut := ran(t, lines, "mapping", "coverage", "--in", "-", "--json")
	require.Equal(t, exitDone, code, errOut)
	var report coverageJSON
	require.NoError(t, json.Unmarshal([]byte(out), &report))
	assert.Equal(t, strings.Count(lines, "\n"), report.Records)
	assert.Greater(t, report.Seen, 80)
	assert.NotEmpty(t, report.Sent, "e-RS sends more than R4 takes over")
	assert.Empty(t, report.Codes)
	for _, p := range report.Paths {
		assert.NotEqual(t, measure.Unaccounted, p.State, "%s: map it, or say in the starter tables why not", p.Path)
		assert.NotContains(t, p.Path, "9990000", "an NHS number of the 999 range")
	}
}
