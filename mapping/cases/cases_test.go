package cases

import (
	"fmt"
	"io/fs"
	"strings"
	"testing"
	"testing/fstest"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"refbridge/mapping"
)

func TestTheCasesOfTheStarterTablesHold(t *testing.T) {
	set := starterTables(t)
	cases, err := Read(mapping.DefaultCases())
	require.NoError(t, err)
	require.Greater(t, len(cases), 10)
	for _, c := range cases {
		in, ok := c.Sample()
		if !ok {
			assert.Equal(t, "ReferralRequest", c.Input.Type(), c.Name) // normalised by whoever can
			continue
		}
		assert.Empty(t, c.Run(set, in), c.Name)
	}
}

func TestCasesAreNoTables(t *testing.T) {
	names, err := fs.Glob(mapping.Default(), "*")
	require.NoError(t, err)
	assert.NotContains(t, names, mapping.CasesFolder, "init writes the tables alone")
}

// caseOn is the one case of a file that changes the golden referral of e-RS.
func caseOn(t testing.TB, text string) Case {
	t.Helper()
	cases, faults := read("x.yaml", []byte("input: in.json\ncases:\n"+text), func(string) ([]byte, error) {
		return golden(t, "ers-booked-two-week-wait").Focus[0].Raw(), nil
	})
	require.Empty(t, faults)
	require.Len(t, cases, 1)
	return cases[0]
}

func failures(t *testing.T, text string) []Failure {
	t.Helper()
	c := caseOn(t, text)
	in, ok := c.Sample()
	require.True(t, ok)
	return c.Run(starterTables(t), in)
}

func TestAFieldThatIsNotAsExpectedNamesTheRule(t *testing.T) {
	got := failures(t, `
- name: x
  expect:
    - object: ClinicalServiceRequest
      fields:
        Priority: Routine
        Status: Active
        PerformerTypeId: {Name: Neurology, CodeSet1Id: {Code: CARDIOLOGY}}
        NoSuchField: 1
      absent: [Type, StartDate]`)
	require.Len(t, got, 4)
	key := "ers.sr.000099000101"
	assert.Equal(t, Failure{Line: 8, Object: "ClinicalServiceRequest", Key: key, Field: "Priority", Want: "Routine", Have: "ASAP",
		Rules: got[0].Rules}, got[0])
	require.Len(t, got[0].Rules, 1)
	assert.Equal(t, "service-request.yaml", got[0].Rules[0].File)
	assert.Equal(t, "%ersPriority", got[0].Rules[0].From)
	assert.Equal(t, "{Name: Neurology, CodeSet1Id: {Code: CARDIOLOGY}}", got[1].Want)
	assert.Equal(t, "{Name: Cardiology, CodeSet1Id: {Code: CARDIOLOGY}}", got[1].Have)
	assert.Equal(t, "NoSuchField", got[2].Field)
	assert.Empty(t, got[2].Rules, "no rule of the tables gives it")
	assert.Equal(t, "Order", got[3].Have, "what should be absent and is there")
}

func TestAFieldWithoutAValueNamesAllRulesThatCould(t *testing.T) {
	got := failures(t, `
- name: x
  input: {resourceType: Appointment, id: a1, status: booked, start: 2026-06-01T10:00:00Z, basedOn: [{reference: ServiceRequest/1}]}
  expect:
    - {object: ServiceAppointment, fields: {DurationType: Minutes}}`)
	require.Len(t, got, 1)
	assert.Empty(t, got[0].Have)
	require.Len(t, got[0].Rules, 1)
	assert.Equal(t, "appointment.yaml", got[0].Rules[0].File)
}

func TestRecordsAreCountedAndFoundByKey(t *testing.T) {
	got := failures(t, `
- name: x
  expect:
    - {object: Identifier, count: 2}
    - {object: CodeSet, count: 2}
    - {object: Account, count: 0}
    - {object: ServiceAppointment}
    - {object: ClinicalServiceRequest, key: ers.sr.1}`)
	var messages []string
	for _, f := range got {
		messages = append(messages, fmt.Sprintf("%d %s %s", f.Line, f.Object, f.Message))
	}
	assert.Equal(t, []string{
		"6 Identifier 1 record, expected 2 records",
		"9 ServiceAppointment there is no such record",
		"10 ClinicalServiceRequest there is no such record; there are ers.sr.000099000101",
	}, messages)
}

func TestAHoldIsExpectedByKindAndField(t *testing.T) {
	unknown := "\n- name: x\n  set: {\"extension[0].extension[0].valueCoding.code\": NEVER_HEARD_OF}\n"
	assert.Empty(t, failures(t, unknown+"  hold: {kind: unknown-code, field: Status}"))
	assert.Empty(t, failures(t, unknown+"  hold: [{kind: unknown-code}, {kind: unknown-code, field: Bridge_Source_State__c}]"))
	got := failures(t, unknown+"  hold: {kind: too-long}")
	require.Len(t, got, 1)
	assert.Equal(t, "the record is not held for too-long", got[0].Message)
	assert.True(t, got[0].Faults.Has(mapping.UnknownCode), "it is held for something else, which is shown")
	got = failures(t, unknown+"  expect: [{object: ClinicalServiceRequest}]")
	require.Len(t, got, 1)
	assert.Equal(t, "the record is held", got[0].Message)
	got = failures(t, "\n- name: x\n  hold: {kind: unknown-code}")
	require.Len(t, got, 1)
	assert.Empty(t, got[0].Faults, "it is not held at all")
}

func TestWhatStandsAboveTheCasesHoldsForAll(t *testing.T) {
	cases, faults := read("x.yaml", []byte(`
variables: {source: epr}
now: 2026-06-01T12:00:00Z
input: {resourceType: ServiceRequest, id: a, status: active}
set: {priority: urgent}
related: {resourceType: Patient, id: p}
cases:
  - name: as above
    hold: {kind: patient-identity}
  - name: further changes
    variables: {run: backfill}
    set: {status: draft, priority: null}
    hold: {kind: patient-identity}
  - name: another input
    input: '{"resourceType": "ServiceRequest", "id": "b"}'
    hold: {kind: patient-identity}
`), nil)
	require.Empty(t, faults)
	require.Len(t, cases, 3)
	assert.JSONEq(t, `{"resourceType":"ServiceRequest","id":"a","status":"active","priority":"urgent"}`, string(cases[0].Input.Raw()))
	assert.JSONEq(t, `{"resourceType":"ServiceRequest","id":"a","status":"draft"}`, string(cases[1].Input.Raw()))
	assert.JSONEq(t, `{"resourceType":"ServiceRequest","id":"b"}`, string(cases[2].Input.Raw()), "changes belong to the input that they stand with")
	assert.Equal(t, "epr live", cases[0].Variables["source"]+" "+cases[0].Variables["run"])
	assert.Equal(t, "epr backfill", cases[1].Variables["source"]+" "+cases[1].Variables["run"])
	assert.Equal(t, "2026-06-01", cases[2].Now.Format("2006-01-02"))
	require.Len(t, cases[2].Related, 1)
}

func TestSetChangesOnePlaceOfAResource(t *testing.T) {
	const before = `{"resourceType":"Basic","a":{"b":1,"c":2},"list":[{"v":1},{"v":2}],"extension":[{"url":"https://a","valueCode":"x"}]}`
	for set, want := range map[string]string{
		"a.b: 3":                              `{"resourceType":"Basic","a":{"b":3,"c":2},"list":[{"v":1},{"v":2}],"extension":[{"url":"https://a","valueCode":"x"}]}`,
		"a: null":                             `{"resourceType":"Basic","list":[{"v":1},{"v":2}],"extension":[{"url":"https://a","valueCode":"x"}]}`,
		"list[0]: null":                       `{"resourceType":"Basic","a":{"b":1,"c":2},"list":[{"v":2}],"extension":[{"url":"https://a","valueCode":"x"}]}`,
		"list[2].v: 3":                        `{"resourceType":"Basic","a":{"b":1,"c":2},"list":[{"v":1},{"v":2},{"v":3}],"extension":[{"url":"https://a","valueCode":"x"}]}`,
		"extension('https://a').valueCode: y": `{"resourceType":"Basic","a":{"b":1,"c":2},"list":[{"v":1},{"v":2}],"extension":[{"url":"https://a","valueCode":"y"}]}`,
		"extension('https://a'): null":        `{"resourceType":"Basic","a":{"b":1,"c":2},"list":[{"v":1},{"v":2}]}`,
		"extension('https://b').valueCode: z": `{"resourceType":"Basic","a":{"b":1,"c":2},"list":[{"v":1},{"v":2}],"extension":[{"url":"https://a","valueCode":"x"},{"url":"https://b","valueCode":"z"}]}`,
		"new.deep[0].v: 1.50":                 `{"resourceType":"Basic","a":{"b":1,"c":2},"list":[{"v":1},{"v":2}],"extension":[{"url":"https://a","valueCode":"x"}],"new":{"deep":[{"v":1.50}]}}`,
		"_birthDate: {extension: [{url: u}]}": `{"resourceType":"Basic","_birthDate":{"extension":[{"url":"u"}]},"a":{"b":1,"c":2},"list":[{"v":1},{"v":2}],"extension":[{"url":"https://a","valueCode":"x"}]}`,
		"day: 2026-06-15":                     `{"resourceType":"Basic","day":"2026-06-15","a":{"b":1,"c":2},"list":[{"v":1},{"v":2}],"extension":[{"url":"https://a","valueCode":"x"}]}`,
		"flag: True":                          `{"resourceType":"Basic","flag":true,"a":{"b":1,"c":2},"list":[{"v":1},{"v":2}],"extension":[{"url":"https://a","valueCode":"x"}]}`,
	} {
		cases, faults := read("x.yaml", []byte("cases: [{name: x, input: '"+before+"', set: {? "+quotedKey(set)+"}, hold: {kind: table}}]"), nil)
		require.Empty(t, faults, set)
		assert.JSONEq(t, want, string(cases[0].Input.Raw()), set)
	}
}

// quotedKey puts the path of "path: value" in quotes, for YAML in one line.
func quotedKey(set string) string {
	path, value, _ := strings.Cut(set, ": ")
	return `"` + path + `" : ` + value
}

func TestEveryFaultOfACaseNamesItsPlace(t *testing.T) {
	_, faults := read("bad.yaml", []byte(`
wrong: 1
cases:
  - name: a
  - name: a
    input: missing.json
    expect: [{object: ClinicalServiceRequest, fields: {Status: }}]
  - name: b
    input: {resourceType: ServiceRequest, id: 7}
    set: {"status[": x}
    hold: {kind: unknown}
  - name: c
    input: {id: "1"}
    now: tomorrow
    variables: {sauce: x}
    expect: [{object: X Y, count: few}]
    hold: {kind: table}
`), func(string) ([]byte, error) { return nil, fs.ErrNotExist })
	got := strings.Split(faults.Err().Error(), "\n")
	assert.Equal(t, []string{
		`cases/bad.yaml:2:1: a file of cases does not take "wrong"`,
		`cases/bad.yaml:4:5: the case expects nothing (write expect: with records, or hold: with a kind)`,
		`cases/bad.yaml:4:5: the case has no input (input: the name of a JSON file beside this one, or the resource itself)`,
		`cases/bad.yaml:5:5: the case of line 4 has this name already (give each case a name of its own)`,
		`cases/bad.yaml:6:12: there is no file "missing.json" beside the cases`,
		`cases/bad.yaml:7:64: Status has no value (where it must be empty, write it under absent)`,
		`cases/bad.yaml:9:47: id is a text in FHIR (write it in quotes: "7")`,
		`cases/bad.yaml:10:11: "status[" is not a path into the resource (for example status, identifier[0].value or extension('https://…').valueCoding.code)`,
		`cases/bad.yaml:11:18: kind cannot be "unknown": one of unknown-code, patient-identity, required-missing, too-long, bad-value, table, reference-foreign, reference-ambiguous, reference-version, reference-unresolved, unknown-modifier, two-servers`,
		`cases/bad.yaml:13:12: the input: not a FHIR resource: no resourceType`,
		`cases/bad.yaml:14:10: now is not an instant (write it as 2026-06-01T12:00:00Z)`,
		`cases/bad.yaml:15:17: there is no variable "sauce" (did you mean source?)`,
		`cases/bad.yaml:16:23: object "X Y" is not an sObject name such as ClinicalServiceRequest`,
		`cases/bad.yaml:16:35: count is not a number of records`,
		`cases/bad.yaml:17:11: a case has expect or hold, not both (a record that is held has no fields)`,
	}, got)
}

func FuzzRead(f *testing.F) {
	names, err := fs.Glob(mapping.DefaultCases(), "*.yaml")
	require.NoError(f, err)
	require.NotEmpty(f, names)
	for _, name := range names {
		src, err := fs.ReadFile(mapping.DefaultCases(), name)
		require.NoError(f, err)
		f.Add(src)
	}
	f.Add([]byte("cases: [{name: x, input: {resourceType: X}, set: {a[9].b('c').d: {e: [1, ~, ~]}}, expect: [{object: Y, fields: {a: {b: c}}}]}]"))
	set := starterTables(f)
	f.Fuzz(func(t *testing.T, src []byte) {
		cases, faults := read("x.yaml", src, func(name string) ([]byte, error) { return fs.ReadFile(mapping.DefaultCases(), name) })
		for _, c := range cases {
			if in, ok := c.Sample(); ok && len(faults) == 0 {
				c.Run(set, in)
			}
		}
	})
}

// five hundred cases, each with a change of its own, and their tables: read, mapped, compared.
func BenchmarkFiveHundredCases(b *testing.B) {
	var text strings.Builder
	text.WriteString("input: in.json\ncases:\n")
	for i := range 500 {
		fmt.Fprintf(&text, "  - name: case %d\n    set: {meta.versionId: \"%d\"}\n    expect:\n      - object: ClinicalServiceRequest\n"+
			"        key: ers.sr.000099000101\n        fields: {Status: Active, Priority: ASAP, Bridge_Version__c: %d, PerformerTypeId: {Name: Cardiology}}\n"+
			"        absent: [StartDate, EndDate]\n", i, i, i)
	}
	dir := fstest.MapFS{"in.json": {Data: golden(b, "ers-booked-two-week-wait").Focus[0].Raw()}, "many.yaml": {Data: []byte(text.String())}}
	for b.Loop() {
		set := starterTables(b)
		cases, err := Read(dir)
		require.NoError(b, err)
		require.Len(b, cases, 500)
		for _, c := range cases {
			in, _ := c.Sample()
			if failures := c.Run(set, in); len(failures) > 0 {
				b.Fatal(failures)
			}
		}
	}
}
