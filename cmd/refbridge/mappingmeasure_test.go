package main

import (
	"bytes"
	"encoding/base64"
	"encoding/json"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"
	"unicode/utf8"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"refbridge/ers"
	"refbridge/fhir"
	"refbridge/fhir/ndjson"
	"refbridge/ledger"
	"refbridge/mapping/measure"
)

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

	code, _, errOut = ran(t, aReferral(t)+"\n"+`{"resourceType":"ServiceRequest","id":"1","extension":[{"url":"https://example.org/new","valueCode":"x"}]}`, "mapping", "coverage", "--in", "-", "--fail-under", "99")
	assert.Equal(t, exitError, code)
	assert.Contains(t, errOut, "of the source paths are accounted for, less than 99 %")

	code, _, errOut = ran(t, "", "mapping", "coverage")
	assert.Equal(t, exitUsage, code)
	assert.Contains(t, errOut, "refbridge: error: no records are named\nrefbridge: hint: --in FILE or --last N\n")
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

func TestWhatIsMappedOfHeldRecordsIsSaid(t *testing.T) {
	held := `{"resourceType":"ServiceRequest","id":"1"}`
	code, out, errOut := ran(t, held, "mapping", "coverage", "--in", "-", "--fail-under", "1")
	assert.Equal(t, exitError, code, "nothing of it is written")
	assert.Contains(t, errOut, "all that is belongs to held records")
	assert.Contains(t, out, "1 record read; 1 held\n")
	code, out, _ = ran(t, held+"\n"+aReferral(t), "mapping", "coverage", "--in", "-", "--fail-under", "1")
	assert.Equal(t, exitDone, code)
	assert.Contains(t, out, "\nMapped; nothing of a held record is written until its reason is gone\n")
	assert.Contains(t, out, "       2  ServiceRequest.id (1 held)\n")
}

func TestImpactSaysWhatIsEmptiedAndWhoseTablesAreAtFault(t *testing.T) {
	base, next, broken := tablesDir(t), tablesDir(t), tablesDir(t)
	const row = "  - field: DateSigned\n    from: authoredOn"
	rewrite(t, filepath.Join(next, "service-request.yaml"), row, "  - field: SourceChannel\n    from: extension('https://example.org/none').value\n"+row)
	rewrite(t, filepath.Join(broken, "service-request.yaml"), row, "  - field: DateSigned\n    from: authoredOn.nosuch()")
	for form, want := range map[string]string{"": "1 newly written empty:", "--markdown": "1 newly written empty: Salesforce's value is cleared", "--json": `"newlyWrittenEmpty":1`} {
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

// remembering writes a configuration and a ledger with one body that is purged and one that is not, and gives the configuration.
func remembering(t *testing.T) string {
	t.Helper()
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
	return filepath.Join(dir, "refbridge.yaml")
}

func TestLastReadsTheLedgerAndCountsWhatIsPurged(t *testing.T) {
	var out, errOut bytes.Buffer
	code := run([]string{"--config", remembering(t), "mapping", "coverage", "--last", "100"}, nil, &out, &errOut)
	require.Equal(t, exitDone, code, errOut.String())
	assert.Contains(t, out.String(), "1 record read, 1 purged; 0 held\n")
}

func TestTheImpactOnWhatTheLedgerKeeps(t *testing.T) {
	base, next := tablesDir(t), tablesDir(t)
	rewrite(t, filepath.Join(next, "values.yaml"), "{code: ROUTINE, to: Routine}", "{code: ROUTINE, to: Urgent}")
	var out, errOut bytes.Buffer
	code := run([]string{"--config", remembering(t), "mapping", "impact", "--base", base, "--tables", next, "--last", "100"}, nil, &out, &errOut)
	require.Equal(t, exitDone, code, errOut.String())
	assert.Contains(t, out.String(), "1 record read, 1 purged; 1 of 1 become something else\n")
	assert.Contains(t, out.String(), "ClinicalServiceRequest.Priority: Routine -> Urgent, 1\n")
}

// spread gives a document over several lines.
func spread(t *testing.T, doc string) string {
	t.Helper()
	var b bytes.Buffer
	require.NoError(t, json.Indent(&b, []byte(doc), "", "  "))
	return b.String()
}

func TestOneBadLineDoesNotTouchTheOthers(t *testing.T) {
	good := aReferral(t)
	for name, c := range map[string]struct {
		in, says string
		code     int
		bad      string
	}{
		"the first line is no JSON":     {"# exported on Monday\n" + good + "\n" + good + "\n", "2 records read, 1 unreadable", exitRecordsFailed, "standard input:1"},
		"the first line is cut":         {good[:200] + "\n" + good + "\n", "1 record read, 1 unreadable", exitRecordsFailed, "standard input:1"},
		"a byte order mark":             {"\xef\xbb\xbf" + good + "\n" + good + "\n", "2 records read;", exitDone, ""},
		"one document":                  {spread(t, good) + "\n", "1 record read;", exitDone, ""},
		"one document behind a blank":   {"\n" + spread(t, good), "1 record read;", exitDone, ""},
		"a mark before a document":      {"\xef\xbb\xbf" + spread(t, good), "1 record read;", exitDone, ""},
		"a document that is cut":        {spread(t, good)[:900], "0 records read, 1 unreadable", exitRecordsFailed, "standard input:1"},
		"a first line that is too long": {strings.Repeat("x", ndjson.MaxLine+1) + "\n" + good + "\n", "1 record read, 1 unreadable", exitRecordsFailed, "standard input:1 cannot be read: a line of more than 16 MiB"},
	} {
		code, out, errOut := ran(t, c.in, "mapping", "coverage", "--in", "-")
		assert.Equal(t, c.code, code, name)
		assert.Contains(t, out, c.says, name)
		assert.Contains(t, errOut, c.bad, name)
		assert.NotContains(t, out+errOut, "Quillfeather", name)
	}
}

func TestANewExtensionOfERSIsUnaccounted(t *testing.T) {
	in := strings.Replace(aReferral(t), `"extension":[`, `"extension":[{"url":"https://example.org/new","valueBoolean":true},`, 1)
	require.NotEqual(t, aReferral(t), in)
	code, out, errOut := ran(t, in, "mapping", "coverage", "--in", "-", "--fail-under", "100")
	assert.Equal(t, exitError, code)
	assert.Contains(t, errOut, "less than 100 %")
	assert.Contains(t, out, "       1  ServiceRequest.extension('https://example.org/new').valueBoolean\n")

	// An element that refbridge does not take over cannot be mapped: the report says so.
	in = strings.Replace(aReferral(t), `"status":`, `"newElement":"ROUTINE","status":`, 1)
	_, out, _ = ran(t, in, "mapping", "coverage", "--in", "-")
	assert.Regexp(t, `(?s)Unaccounted.*\n +1  ReferralRequest(\.contained\.ofType\(\w+\))?\.newElement\n +! refbridge does not take it over`, out)
}

func TestTheReportFitsATerminal(t *testing.T) {
	_, out, _ := ran(t, aReferral(t), "mapping", "coverage", "--in", "-")
	assert.Contains(t, out, "\nNo records: Account, ClinicalServiceRequestDetail\n")
	assert.Contains(t, out, "Bridge_Key__c                  service-request.yaml:19 1\n")
	assert.Contains(t, out, "BodySiteId                     service-request.yaml:100 never\n")
	for line := range strings.SplitSeq(out, "\n") {
		words := strings.Fields(line)
		if len(words) > 2 {
			assert.LessOrEqual(t, utf8.RuneCountInString(line), 80, line)
		}
	}
}

// caseExamples gives the referrals of NHS's example files, one a line.
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
	assert.True(t, slices.ContainsFunc(report.Paths, func(p measure.Path) bool { return p.Lost }), "e-RS sends more than R4 takes over")
	assert.Empty(t, report.Codes)
	for _, p := range report.Paths {
		assert.NotEqual(t, measure.Unaccounted, p.State, "%s: map it, or say in the starter tables why not", p.Path)
		assert.NotContains(t, p.Path, "9990000", "an NHS number of the 999 range")
	}
}
