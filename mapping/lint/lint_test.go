package lint

import (
	"encoding/json"
	"flag"
	"fmt"
	"io/fs"
	"os"
	"strings"
	"testing"
	"testing/fstest"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"refbridge/mapping"
	"refbridge/sfdc/sobject"
)

func defaultSnapshot(t testing.TB) Snapshot {
	t.Helper()
	s, err := DefaultSnapshot()
	require.NoError(t, err)
	return s
}

// changed gives the default snapshot with one field changed.
func changed(t testing.TB, object, field string, change func(*sobject.FieldType)) Snapshot {
	t.Helper()
	s := defaultSnapshot(t)
	for i := range s.Objects {
		for j := range s.Objects[i].Fields {
			if s.Objects[i].Name == object && s.Objects[i].Fields[j].Name == field {
				change(&s.Objects[i].Fields[j])
				return s
			}
		}
	}
	require.FailNow(t, "no such field", "%s.%s", object, field)
	return s
}

func restricted(f *sobject.FieldType) { f.RestrictedPicklist = true }

func lint(t testing.TB, fsys fs.FS, target Snapshot) *Report {
	t.Helper()
	r, err := Check(fsys, target)
	require.NoError(t, err)
	return r
}

var update = flag.Bool("update", false, "write what lint says now into testdata")

func golden(t *testing.T, path, got string) {
	t.Helper()
	if *update {
		require.NoError(t, os.WriteFile(path, []byte(got), 0o644))
	}
	want, err := os.ReadFile(path)
	require.NoError(t, err)
	assert.Equal(t, string(want), got)
}

func plainText(_, text string) string { return text }

func TestTheStarterTablesAreCleanAgainstTheDefaultSnapshot(t *testing.T) {
	var out strings.Builder
	r := lint(t, mapping.Default(), defaultSnapshot(t))
	require.NoError(t, r.Text(&out, plainText))
	assert.Empty(t, r.Findings, out.String())
	assert.Greater(t, r.Tables, 5)
}

func TestTheStarterTablesFailWhereTheOrgIsNotReady(t *testing.T) {
	for what, target := range map[string]Snapshot{
		"key-field":     changed(t, "ServiceAppointment", "Bridge_Key__c", func(f *sobject.FieldType) { f.Unique = false }),
		"unknown-field": changed(t, "ClinicalServiceRequest", "Bridge_Version__c", func(f *sobject.FieldType) { f.Name = "Bridge_Vers__c" }),
		"reference": changed(t, "ServiceAppointment", "ParentRecordId", func(f *sobject.FieldType) {
			f.ReferenceTo = []string{"Account", "WorkOrder"}
		}),
		"create-only": changed(t, "ClinicalServiceRequest", "Status", func(f *sobject.FieldType) { f.Updateable = false }),
		"unknown-value": changed(t, "ServiceAppointment", "Status", func(f *sobject.FieldType) {
			f.RestrictedPicklist, f.PicklistValues = true, f.PicklistValues[1:]
		}),
		"too-long": changed(t, "ClinicalServiceRequest", "Bridge_Source_Priority__c", func(f *sobject.FieldType) { f.Length = 20 }),
		"required-field": changed(t, "ClinicalServiceRequest", "CaseId", func(f *sobject.FieldType) {
			f.Nillable = false
		}),
		"read-only": changed(t, "ClinicalServiceRequest", "EndDate", func(f *sobject.FieldType) { f.Createable, f.Updateable = false, false }),
	} {
		r := lint(t, mapping.Default(), target)
		require.NotEmpty(t, r.Findings, what)
		assert.Equal(t, what, r.Findings[0].Check)
		assert.NotZero(t, r.Count(Error), what)
	}
}

func TestEveryFaultOfManyTablesIsReportedAtOnce(t *testing.T) {
	target := changed(t, "ClinicalServiceRequest", "Priority", restricted)
	r := lint(t, os.DirFS("testdata/faults"), target)
	var text strings.Builder
	require.NoError(t, r.Text(&text, plainText))
	golden(t, "testdata/faults.txt", text.String())
	asJSON, err := json.MarshalIndent(r.JSON(), "", "  ")
	require.NoError(t, err)
	golden(t, "testdata/faults.json", string(asJSON)+"\n")
}

func TestTablesWithFaultsNeverRun(t *testing.T) {
	names, err := fs.Glob(os.DirFS("testdata/faults"), "*.yaml")
	require.NoError(t, err)
	require.NotEmpty(t, names)
	_, err = mapping.Load(os.DirFS("testdata/faults"), mapping.Options{})
	var loaded mapping.Faults
	require.ErrorAs(t, err, &loaded)
	r := lint(t, os.DirFS("testdata/faults"), defaultSnapshot(t))
	for _, f := range loaded {
		found := false
		for _, g := range r.Findings {
			found = found || g.Severity == Error && g.File == f.File && g.Message == masked(f.Message)
		}
		assert.True(t, found, "lint does not say what Load says: %s", f)
	}
}

// oneRow lints a table of a referral with the rows that it needs and one more.
func oneRow(t *testing.T, row string, values ...string) []string {
	t.Helper()
	return oneRowAgainst(t, defaultSnapshot(t), row, values...)
}

func oneRowAgainst(t *testing.T, target Snapshot, row string, values ...string) []string {
	t.Helper()
	const table = `object: ClinicalServiceRequest
source: ServiceRequest
key: {field: Bridge_Key__c, from: "%%source + '.sr.' + id"}
rows:
  - {field: PatientId, from: subject.identifier.value, transform: nhsNumber, lookup: Account.nhsNumber, required: true, owner: create-only}
  - {field: Type, default: Order, required: true}
  - %s
values: {%s}
`
	if values == nil {
		values = []string{"unused: {codes: [{code: a, to: b}]}"}
	}
	r := lint(t, fstest.MapFS{"a.yaml": {Data: fmt.Appendf(nil, table, row, strings.Join(values, ", "))}}, target)
	var out []string
	for _, f := range r.Findings {
		if f.Check != "unused" {
			out = append(out, fmt.Sprintf("%s %s:%d:%d %s", f.Severity, f.Check, f.Line, f.Column, f.Message))
		}
	}
	return out
}

func TestARowThatFitsIsNotReported(t *testing.T) {
	const status = `s: {codes: [{code: draft, to: Draft}, {code: active, to: Active}, {code: on-hold, to: On-Hold}, {code: revoked, to: Revoked}, ` +
		`{code: completed, to: Completed}, {code: entered-in-error, to: Entered-in-Error}, {code: unknown, to: Unknown}]}`
	for _, row := range []string{
		`{field: StartDate, from: occurrence.ofType(dateTime), transform: utc}`,
		`{field: StartDate, from: "iif(occurrence is dateTime, occurrence, {})", transform: utc}`,
		`{field: IsAccepted, from: doNotPerform}`,
		`{field: IsAccepted, from: status = 'active'}`,
		`{field: ReferralScore, from: category.count()}`,
		`{field: SourceSystem, from: meta.versionId}`,
		`{field: SourceSystem, from: requester.display, transform: "truncate(255, cut)"}`,
		`{field: SourceSystem, from: "%resource.id"}`,
		`{field: PatientInstruction, from: category.first(), transform: [text, "truncate(100, hold)"]}`,
		`{field: CategoryId, from: category.first(), transform: conceptKey, ref: CodeSetBundle.CodeSetBundleKey}`,
		`{field: Priority, from: "'Routine'"}`,
		`{field: Status, from: status, values: s}`,
	} {
		assert.Empty(t, oneRow(t, row, status), row)
	}
}

func TestARowThatDoesNotFitIsReportedWhereItStands(t *testing.T) {
	for row, want := range map[string]string{
		`{field: EndDate, from: occurrence.ofType(Period).end, transform: utc}`: "warning period-end:7:70 an end that is a day, a month or a year becomes its first moment: FHIR includes all of it",
		`{field: StartDate, from: occurrence.ofType(Period), transform: utc}`:   "error wrong-type:7:68 utc cannot take a Period",
		`{field: StartDate, from: occurrence.ofType(dateTime)}`:                 "error wrong-type:7:30 the row gives a text, StartDate is an instant (dateTime)",
		`{field: SourceSystem, from: requester.display}`:                        "warning too-long:7:33 the source sets no limit, SourceSystem takes 255 characters: Salesforce would refuse the record",
		`{field: SourceSystem, from: "%resource.requisitoin.value"}`:            "error unknown-element:7:44 from: no resource has an element requisitoin",
		`{field: SourceSystem, from: "%resource.name.family"}`:                  "error unknown-element:7:44 ServiceRequest has no element name",
		`{field: SourceSystem, from: name.family}`:                              "error unknown-element:7:33 ServiceRequest has no element name",
		`{field: SourceSystem, from: valueString}`:                              "error unknown-element:7:33 ServiceRequest has no element valueString",
		`{field: CategoryId, from: id}`:                                         "error wrong-type:7:31 the row gives a text, CategoryId is a reference to a record",
		`{field: EndDate, from: note.time.first(), ref: CodeSet.Name}`:          "error reference:7:52 EndDate is a datetime and points to no record",
		`{field: Type, from: intent, when: "false"}`:                            "error unreachable:7:5 Type has its value from line 6 already",
		`{field: SourceSystem, from: identifier.value}`:                         "warning several:7:33 identifier can stand several times, the row takes one value: two of them hold the record",
		`{field: SourceSystem, from: instantiatesUri}`:                          "warning several:7:33 instantiatesUri can stand several times, the row takes one value: two of them hold the record",
		`{field: SourceSystem, from: identifier.first().type.coding.code}`:      "warning several:7:33 coding can stand several times, the row takes one value: two of them hold the record",
		`{field: SourceSystem, from: id, when: status}`:                         "warning wrong-type:7:43 the condition gives a code: it holds wherever there is one",
		`{field: SourceSystem, frm: id}`:                                        "error unknown-key:7:27 a row does not take \"frm\"",
		`{field: ReferralScore, from: priority}`:                                "error wrong-type:7:34 the row gives a text, ReferralScore is a number (double)",
		`{field: SourceSystem, from: note, transform: upper}`:                   "error wrong-type:7:50 upper cannot take an Annotation: it has several parts",
		`{field: Bridge_Version__c, from: code, transform: conceptKey}`:         "",
	} {
		got := oneRow(t, row)
		if want == "" {
			assert.Empty(t, got, row)
			continue
		}
		require.NotEmpty(t, got, row)
		assert.Contains(t, got, want, row)
	}
}

func TestARowAfterOneThatAlwaysCountsIsReported(t *testing.T) {
	const first = `{field: SourceSystem, from: id, when: "true"}`
	assert.Empty(t, oneRow(t, first))
	for second, want := range map[string]string{
		`{field: SourceSystem, from: status}`:                         "error unreachable:8:5 the row of line 7 always counts: this one never does",
		`{field: SourceSystem, from: status, when: status = 'draft'}`: "error unreachable:8:5 the row of line 7 always counts: this one never does",
		`{field: SourceSystem, from: status, when: "1=1"}`:            "error unreachable:8:47 the row of line 7 has the same condition: this one never counts",
		`{field: SourceSystem, from: status, when: "1 = 2"}`:          "error unreachable:8:47 the condition never holds",
		`{field: SourceSystem, from: status, when: "true"}`:           "error unreachable:8:47 the row of line 7 has the same condition: this one never counts",
	} {
		assert.Equal(t, []string{want}, oneRow(t, first+"\n  - "+second), second)
	}
	assert.Empty(t, oneRow(t, "{field: SourceSystem, from: status, when: status = 'draft'}\n  - "+first), "the last row may count for all others")
}

func TestAnUnknownTransformIsOneFault(t *testing.T) {
	for _, row := range []string{
		`{field: StartDate, from: authoredOn, transform: uct}`,
		`{field: StartDate, from: occurrence.ofType(Period), transform: [uct, utc]}`,
		`{field: SourceSystem, from: note, transform: uppr}`,
	} {
		got := oneRow(t, row)
		require.Len(t, got, 1, "%s: %s", row, got)
		assert.Contains(t, got[0], "there is no transform")
	}
}

func TestTheValuesInWhichARecordIsMarkedGoneAreOnesThatItCanHave(t *testing.T) {
	const row = "{field: Priority, from: \"'Routine'\"}\ngone:\n  - {field: Status, to: Revoked, only: %s}"
	assert.Empty(t, oneRow(t, fmt.Sprintf(row, "[Active, Draft]")))
	assert.Equal(t, []string{`warning unknown-value:9:48 picklist Status does not list "Actve": no record has it`},
		oneRow(t, fmt.Sprintf(row, "[Draft, Actve]")))
	free := changed(t, "ClinicalServiceRequest", "Status", func(f *sobject.FieldType) { f.PicklistValues = nil })
	assert.Empty(t, oneRowAgainst(t, free, fmt.Sprintf(row, "[Actve]")), "a picklist of which no values are known takes any")
}

func TestRowsThatNobodyGaveAPurposeAreReportedOnlyWhenStrict(t *testing.T) {
	const table = "object: PersonName\nsource: Patient\nkey: {field: Bridge_Key__c, from: id}\nrows:\n" +
		"  - {field: FirstName, from: name.first().given.first(), transform: \"truncate(40, hold)\"}\n" +
		"  - {field: LastName, from: name.first().family, transform: \"truncate(80, hold)\", purpose: Who it is.}\n"
	find := func(check func(fs.FS, Snapshot) (*Report, error), text string) []string {
		r, err := check(fstest.MapFS{"a.yaml": {Data: []byte(text)}}, defaultSnapshot(t))
		require.NoError(t, err)
		var out []string
		for _, f := range r.Findings {
			if f.Check == "no-purpose" {
				out = append(out, fmt.Sprintf("%s %d:%d %s", f.Severity, f.Line, f.Column, f.Field))
			}
		}
		return out
	}
	assert.Empty(t, find(Check, table))
	assert.Equal(t, []string{"warning 5:5 FirstName"}, find(CheckStrict, table))
	assert.Empty(t, find(CheckStrict, "purpose: Names.\n"+table), "the purpose of a table is that of its rows")
}

func TestValuesThatAPicklistDoesNotListAreErrorsWhereItIsRestricted(t *testing.T) {
	const row, values = `{field: Priority, from: priority, values: p}`, `p: {unlisted: keep, codes: [{code: routine, to: Routne}]}`
	assert.Equal(t, []string{`warning unknown-value:8:58 picklist Priority does not list "Routne": people would not find it`}, oneRow(t, row, values))
	got := oneRowAgainst(t, changed(t, "ClinicalServiceRequest", "Priority", restricted), row, values)
	assert.Contains(t, got, `error unknown-value:8:58 picklist Priority does not take "Routne"`)
	assert.Len(t, got, 2, "and codes that are kept go into a restricted picklist: %s", got)
	free := changed(t, "ClinicalServiceRequest", "Priority", func(f *sobject.FieldType) { f.PicklistValues = nil })
	assert.Empty(t, oneRowAgainst(t, free, row, values), "a picklist of which no values are known takes any")
}

func TestAHoldThatIsMeantIsNoGap(t *testing.T) {
	const row = `{field: Priority, from: priority, values: p}`
	got := oneRow(t, row, `p: {codes: [{code: routine, to: Routine}]}`)
	require.Len(t, got, 1)
	assert.Contains(t, got[0], "no row for urgent, asap, stat of request-priority")
	assert.Empty(t, oneRow(t, row, `p: {unlisted: hold, codes: [{code: routine, to: Routine}]}`))
	assert.Empty(t, oneRow(t, row, `p: {unlisted: none, codes: [{code: routine, to: Routine}]}`))
}

func TestSystemsOfERSAreCoveredOrNamed(t *testing.T) {
	const row = `{field: Priority, from: "extension('https://fhir.nhs.uk/StructureDefinition/Extension-ServiceRequest-Priority').value", values: p}`
	got := oneRow(t, row, `p: {system: "https://fhir.nhs.uk/CodeSystem/eRS-Priority", codes: [{code: ROUTINE, to: Routine}, {code: URGNT, to: Urgent}]}`)
	require.Len(t, got, 2)
	assert.Contains(t, got[0], "URGENT, TWO_WEEK_WAIT of eRS-Priority")
	assert.Contains(t, got[1], "eRS-Priority has no code URGNT")
}

func TestASourceThatIsNoResourceIsReportedOnce(t *testing.T) {
	r := lint(t, fstest.MapFS{"a.yaml": {Data: []byte("object: PersonName\nsource: Pateint\nkey: {field: Bridge_Key__c, from: id}\nrows: [{field: LastName, from: name.family}]\n")}},
		defaultSnapshot(t))
	require.Len(t, r.Findings, 1)
	assert.Equal(t, "a.yaml:2:9: unknown type Pateint (did you mean Patient?)", r.Findings[0].String())
}

func TestRowsOfABodyAreCheckedAgainstTheObjectsThatItMakes(t *testing.T) {
	r := lint(t, fstest.MapFS{"a.yaml": {Data: []byte(`body: referral
source: ServiceRequest
rows:
  - {path: patient.fields.LastNme, from: "'x'"}
  - {path: patient.fields.PersonBirthdate, from: authoredOn}
  - {path: referral.fields.Priority, from: "'Soon'"}
  - {path: referral.fields.PatientInstruction, from: "%body.referral.fields.Priority & status"}
  - {path: shouldUseHighConfidenceMatch, from: status}
`)}}, defaultSnapshot(t))
	var got []string
	for _, f := range r.Findings {
		got = append(got, fmt.Sprintf("%d:%d %s %s", f.Line, f.Column, f.Check, f.Message))
	}
	assert.Equal(t, []string{
		"1:7 required-field the target needs patient.fields.LastName, and no row gives it",
		"1:7 required-field the target needs referral.fields.Status, and no row gives it",
		"1:7 required-field the target needs referral.fields.Type, and no row gives it",
		"4:12 unknown-field Account has no field LastNme",
		"5:50 wrong-type the row gives a text, patient.fields.PersonBirthdate is a day (date)",
		"6:45 unknown-value picklist referral.fields.Priority does not list \"Soon\": people would not find it",
		"7:54 too-long the source sets no limit, referral.fields.PatientInstruction takes 32000 characters: Salesforce would refuse the record",
		"8:48 wrong-type the row gives a text, shouldUseHighConfidenceMatch is a checkbox",
	}, got)
}

func TestATargetOfItsOwnIsCheckedAgainstItsSnapshot(t *testing.T) {
	table := fstest.MapFS{"a.yaml": {Data: []byte(`body: referral
target: ward
source: ServiceRequest
rows:
  - {path: patient.fields.LastName, from: "'x'"}
  - {path: referral.fields.Colour__c, from: status, values: colours}
  - {path: referral.fields.Colur__c, from: "'red'"}
values:
  colours: {unlisted: none, codes: [{code: active, to: green}, {code: draft, to: gren}]}
`)}}
	r := lint(t, table, defaultSnapshot(t))
	require.Len(t, r.Findings, 1)
	assert.Equal(t, "no-snapshot", r.Findings[0].Check)
	table["snapshot.yaml"] = &fstest.MapFile{Data: []byte(`about: The ward's own org, not a default mapping.
bodies:
  referral:
    patient.fields.LastName: {length: 80}
    patient.fields.Ward__c: {required: true}
    referral.fields.Colour__c: {values: [green, red]}
`)}
	r = lint(t, table, defaultSnapshot(t))
	var got []string
	for _, f := range r.Findings {
		got = append(got, f.Fault.String())
	}
	assert.Equal(t, []string{
		"a.yaml:1:7: patient.fields.Ward__c: the target needs patient.fields.Ward__c, and no row gives it (add a row)",
		"a.yaml:7:12: referral.fields.Colur__c: the target has no referral.fields.Colur__c (did you mean referral.fields.Colour__c?)",
		"a.yaml:9:82: referral.fields.Colour__c: picklist referral.fields.Colour__c does not take \"gren\" (did you mean green?)",
	}, got)
	assert.Equal(t, "The ward's own org, not a default mapping.", r.Target)
	table["snapshot.yaml"].Data = []byte("bodys: {}\n")
	_, err := Check(table, defaultSnapshot(t))
	assert.ErrorContains(t, err, "snapshot.yaml")
}

func TestAnExcerptPointsIntoALongLineAndHidesWhatDoesNotPrint(t *testing.T) {
	line := "# " + strings.Repeat("x", 200) + "\x1b[31m" + strings.Repeat("y", 200)
	r := &Report{sources: map[string]*sourceText{"a.yaml": readSource("a.yaml", []byte(line+"\nobject: X\n"))}}
	got, caret := r.Excerpt(Finding{Fault: mapping.Fault{File: "a.yaml", Line: 1, Column: 203}})
	assert.Equal(t, '·', []rune(got)[caret])
	assert.LessOrEqual(t, len([]rune(got)), 74)
	assert.NotContains(t, got, "\x1b")
	for _, at := range []int{0, 1, 500, 5000} {
		got, caret = r.Excerpt(Finding{Fault: mapping.Fault{File: "a.yaml", Line: 1, Column: at}})
		assert.LessOrEqual(t, caret, len([]rune(got)), "column %d", at)
	}
}

func TestAFileThatIsNoTableIsNotShown(t *testing.T) {
	const quill = "Zebedee Quillfeather, 1962-07-04, 9434765919\n"
	for _, src := range []string{
		`{"resourceType":"Patient","name":[{"family":"Quillfeather","given":["Zebedee"]}],"identifier":[{"value":"9434765919"}],"birthDate":"1962-07-04"}`,
		"name: Zebedee Quillfeather\nnhs: 9434-765-919\ndob: 1962-07-04\n",
		quill, quill + "another: [line\n", "- object: Quillfeather\n  dob: 1962-07-04\n",
	} {
		r := lint(t, fstest.MapFS{"a.yaml": {Data: []byte(src)}}, defaultSnapshot(t))
		require.NotZero(t, r.Count(Error), src)
		var b strings.Builder
		require.NoError(t, r.Text(&b, func(_, text string) string { return text }))
		out, err := json.Marshal(r.JSON())
		require.NoError(t, err)
		assert.NotRegexp(t, `Zebedee|Quillfeather|1962|943`, b.String()+string(out), src)
	}
	for _, src := range []string{"object: X\nrows: [\n", "values: {x: {codez: []}}\n", `{"object": "X", "source": 7}`} {
		r := lint(t, fstest.MapFS{"a.yaml": {Data: []byte(src)}}, defaultSnapshot(t))
		line, _ := r.Excerpt(r.Findings[0])
		assert.NotEmpty(t, line, src)
	}
}

func TestTheObjectsOfTablesAreThoseThatTheyWriteOrPointTo(t *testing.T) {
	got, err := Objects(mapping.Default())
	require.NoError(t, err)
	assert.Equal(t, []string{"Account", "ClinicalServiceRequest", "ClinicalServiceRequestDetail", "CodeSet", "CodeSetBundle", "Identifier",
		"ServiceAppointment"}, got)
	got, err = Objects(os.DirFS("testdata/faults"))
	require.NoError(t, err)
	assert.Contains(t, got, "ServiceApointment", "faults do not hide a table")
}

// planted is a valid NHS number of the range for tests.
const planted = "9990000018"

func FuzzLint(f *testing.F) {
	target := defaultSnapshot(f)
	names, err := fs.Glob(os.DirFS("testdata/faults"), "*.yaml")
	if err != nil || len(names) == 0 {
		f.Fatal("no seeds", err)
	}
	for _, name := range names {
		src, err := os.ReadFile("testdata/faults/" + name)
		if err != nil {
			f.Fatal(err)
		}
		f.Add(src)
	}
	f.Add([]byte("# " + planted))
	f.Add([]byte("object: Account\nsource: Patient\nkey: {field: " + planted + ", from: id}\nrows: [{field: Name, from: \"id = '" + planted + "'.zzz\", values: \"" + planted + "\"}]\n"))
	f.Add([]byte("body: referral\nsource: ServiceRequest\nrows:\n  - {path: patient.fields.LastName, from: subject.displey}\n"))
	f.Fuzz(func(t *testing.T, src []byte) {
		r, err := Check(fstest.MapFS{"a.yaml": {Data: src}}, target)
		if err != nil {
			t.Fatal(err)
		}
		if _, err := mapping.Load(fstest.MapFS{"a.yaml": {Data: src}}, mapping.Options{}); err != nil && r.Count(Error) == 0 {
			t.Fatalf("Load refuses the tables and lint does not: %v", err)
		}
		var out strings.Builder
		if err := r.Text(&out, plainText); err != nil {
			t.Fatal(err)
		}
		asJSON, err := json.Marshal(r.JSON())
		if err != nil {
			t.Fatal(err)
		}
		for _, text := range []string{out.String(), string(asJSON)} {
			for _, span := range tenDigits().FindAllStringIndex(text, -1) {
				if identity(text, span) && strings.Contains(string(src), text[span[0]:span[1]]) {
					t.Fatalf("a number of the table that may be a patient's is shown: %s", text)
				}
			}
		}
	})
}

// Ids of FHIR differ by case: a key that ignores it makes one record of two, and stops a sync like any key that cannot be used.
func TestFinding_inputs_B16_AKeyThatIgnoresCaseDoesNotFit(t *testing.T) {
	r := lint(t, mapping.Default(), changed(t, "ServiceAppointment", "Bridge_Key__c", func(f *sobject.FieldType) { f.CaseSensitive = false }))
	require.NotEmpty(t, r.Findings)
	for _, f := range r.Findings {
		assert.Equal(t, Error, f.Severity)
		assert.Equal(t, "key-field", f.Check)
		assert.Contains(t, f.Message, "ignores case")
	}
	assert.NotEmpty(t, r.Unfit())
}

// The first sample of the guide's page of Referral Management makes a referral without Type and Status.
func TestFinding_values_O14_TheVendorsFirstSampleHasNoError(t *testing.T) {
	for row, want := range map[string]map[string]Severity{
		"{path: patient.id, from: id, purpose: x}":                     {"referral.fields.Status": Warning, "referral.fields.Type": Warning},
		"{path: patient.fields.FirstName, default: Testy, purpose: x}": {"referral.fields.Status": Warning, "referral.fields.Type": Warning, "patient.fields.LastName": Error},
	} {
		r := lint(t, fstest.MapFS{"a.yaml": {Data: []byte("body: referral\nsource: ServiceRequest\nrows:\n  - " + row +
			"\n  - {path: referral.fields.PatientInstruction, default: Need Appointment ASAP., purpose: x}\n")}}, defaultSnapshot(t))
		got := map[string]Severity{}
		for _, f := range r.Findings {
			if f.Check == "required-field" {
				got[f.Field] = f.Severity
			}
		}
		assert.Equal(t, want, got, row)
	}
}
