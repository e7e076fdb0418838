package measure

import (
	"bytes"
	"encoding/json"
	"fmt"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"refbridge/fhir"
	"refbridge/mapping"
)

const coverTable = `object: Thing__c
source: ServiceRequest
let:
  state: extension('https://example.org/state').value
  owner: {from: requester, transform: referenceId(Practitioner)}
key: {field: Key__c, from: "%source & '.' & id"}
rows:
  - {field: Status__c, when: "%state.exists()", from: "%state", values: state}
  - {field: Status__c, from: status}
  - {field: Number__c, from: "identifier.where(system = 'https://example.org/a').value"}
  - {field: Phone__c, from: "subject.resolve().telecom.where(system = 'phone').value.first()"}
  - {field: Reason__c, from: "reasonCode.first()", transform: text}
  - {field: Owner__c, from: "%owner & '!'"}
  - {field: Both__c, from: [patientInstruction, authoredOn]}
  - {field: Fixed__c, default: x}
  - {field: Later__c, when: "priority = 'stat'", from: occurrence.ofType(dateTime)}
drop:
  - {path: note, purpose: Comments stay.}
  - {path: supportingInfo, purpose: Letters stay.}
values:
  state:
    system: https://example.org/states
    codes: [{code: A, to: Active}, {code: B, to: Booked}]
`

// pathOf finds what the report says of a path: state, records that are unaccounted/mapped/dropped/looked at/passed over, and its uses.
func pathOf(t *testing.T, r CoverageReport, path string) string {
	t.Helper()
	i := slices.IndexFunc(r.Paths, func(p Path) bool { return p.Path == path })
	require.GreaterOrEqual(t, i, 0, "%s was not seen", path)
	p := r.Paths[i]
	out := fmt.Sprintf("%s %d/%d/%d/%d", p.State, p.Unaccounted, p.Mapped, p.Dropped, p.Looked)
	if p.PassedOver > 0 {
		out += fmt.Sprintf("/%d", p.PassedOver)
	}
	for _, u := range p.Uses {
		out += "; " + strings.TrimSpace(fmt.Sprintf("%s %s%s", u.Rule, u.Field, u.Why))
	}
	return out
}

func TestEveryPathIsMappedDroppedLookedAtOrUnaccounted(t *testing.T) {
	c := NewCoverage(tables(t, map[string]string{"t.yaml": coverTable}))
	c.Add(sample(t, `{"resourceType":"ServiceRequest","id":"1","status":"active","priority":"stat",
		"extension":[{"url":"https://example.org/state","valueCoding":{"system":"https://example.org/states","code":"A","display":"Active"}},
			{"url":"https://example.org/new","extension":[{"url":"part","valueString":"x"}]}],
		"identifier":[{"system":"https://example.org/a","value":"1"},{"system":"https://example.org/b","value":"2"}],
		"subject":{"reference":"Patient/p","display":"Somebody"},
		"requester":{"reference":"Practitioner/d"},
		"reasonCode":[{"text":"Pain","coding":[{"code":"1"}]},{"text":"Fear"}],
		"patientInstruction":"fast","authoredOn":"2026-01-01","occurrenceDateTime":"2026-02-02",
		"note":[{"text":"secret"}],"supportingInfo":[{"reference":"DocumentReference/l"}]}`,
		`{"resourceType":"Patient","id":"p","telecom":[{"system":"phone","value":"1"},{"system":"email","value":"2"}]}`,
		`{"resourceType":"DocumentReference","id":"l","description":"letter"}`))
	c.Add(sample(t, `{"resourceType":"ServiceRequest","id":"2","status":"active","identifier":[{"system":"https://example.org/a","value":"1"}],"_status":{"extension":[{"url":"https://example.org/why","valueCode":"x"}]}}`))
	r := c.Report()
	for path, want := range map[string]string{
		"ServiceRequest.extension('https://example.org/state').valueCoding.code":            "mapped 0/1/0/0; t.yaml:8 Status__c",
		"ServiceRequest.extension('https://example.org/state').valueCoding.display":         "mapped 0/1/0/0; t.yaml:8 Status__c",
		"ServiceRequest.extension('https://example.org/new').extension('part').valueString": "unaccounted 1/0/0/0",
		"ServiceRequest.status.extension('https://example.org/why').valueCode":              "unaccounted 1/0/0/0",
		"ServiceRequest.status":                     "mapped 0/1/0/0/1; t.yaml:9 Status__cStatus__c has its value from t.yaml:8; t.yaml:9 Status__c",
		"ServiceRequest.identifier[].value":         "unaccounted 1/2/0/0; t.yaml:10 Number__c",
		"ServiceRequest.identifier[].system":        "looked at 0/0/0/2; t.yaml:10 Number__c",
		"ServiceRequest.subject.reference":          "mapped 0/1/0/0; t.yaml:11 Phone__c",
		"ServiceRequest.subject.display":            "unaccounted 1/0/0/0",
		"Patient.id":                                "mapped 0/1/0/0; t.yaml:11 Phone__c",
		"Patient.telecom[].value":                   "unaccounted 1/1/0/0; t.yaml:11 Phone__c",
		"Patient.telecom[].system":                  "looked at 0/0/0/1; t.yaml:11 Phone__c",
		"ServiceRequest.reasonCode[].text":          "unaccounted 1/1/0/0; t.yaml:12 Reason__c",
		"ServiceRequest.reasonCode[].coding[].code": "unaccounted 1/0/0/0",
		"ServiceRequest.requester.reference":        "mapped 0/1/0/0; t.yaml:13 Owner__c",
		"ServiceRequest.patientInstruction":         "mapped 0/1/0/0; t.yaml:14 Both__c",
		"ServiceRequest.authoredOn":                 "passed over 0/0/0/0/1; t.yaml:14 Both__cBoth__c has its value from an earlier path of the row",
		"ServiceRequest.priority":                   "looked at 0/0/0/1; t.yaml:16 Later__c",
		"ServiceRequest.occurrenceDateTime":         "mapped 0/1/0/0; t.yaml:16 Later__c",
		"ServiceRequest.note[].text":                "dropped 0/0/1/0; t.yaml:18 Comments stay.",
		"ServiceRequest.supportingInfo[].reference": "dropped 0/0/1/0; t.yaml:19 Letters stay.",
		"DocumentReference.description":             "dropped 0/0/1/0; t.yaml:19 Letters stay.",
		"ServiceRequest.id":                         "mapped 0/2/0/0; t.yaml:6 Key__c",
	} {
		assert.Equal(t, want, pathOf(t, r, path), path)
	}
	assert.Equal(t, 2, r.Records)
	assert.Equal(t, 25, r.Seen)
	assert.Equal(t, 18, r.Accounted)
	assert.Equal(t, 72.0, r.Percent())
	assert.Equal(t, Unaccounted, r.Paths[0].State, "what has to be looked into comes first")
}

func TestEveryFieldSaysByWhichRuleItIsFilled(t *testing.T) {
	c := NewCoverage(tables(t, map[string]string{"t.yaml": coverTable}))
	for range 3 {
		c.Add(sample(t, `{"resourceType":"ServiceRequest","id":"1","status":"active"}`))
	}
	c.Add(sample(t, `{"resourceType":"ServiceRequest","id":"1","extension":[{"url":"https://example.org/state","valueCoding":{"code":"B"}}]}`))
	r := c.Report()
	field := func(name string) Field {
		return r.Fields[slices.IndexFunc(r.Fields, func(f Field) bool { return f.Field == name })]
	}
	assert.Equal(t, Field{Object: "Thing__c", Field: "Status__c", Records: 4, Filled: 4,
		Rules: []RuleCount{{Rule: "t.yaml:8", From: "%state", Filled: 1}, {Rule: "t.yaml:9", From: "status", Filled: 3}}}, field("Status__c"))
	assert.Equal(t, Field{Object: "Thing__c", Field: "Fixed__c", Records: 4, Filled: 4,
		Rules: []RuleCount{{Rule: "t.yaml:15", Filled: 4, Default: 4}}}, field("Fixed__c"))
	assert.Zero(t, field("Phone__c").Filled)
	assert.Equal(t, "t.yaml:11", field("Phone__c").Rules[0].Rule, "the rule that gives nothing is named")
	assert.Equal(t, Field{Object: "Thing__c", Field: "Key__c", Records: 4, Filled: 4,
		Rules: []RuleCount{{Rule: "t.yaml:6", From: "%source & '.' & id", Filled: 4}}}, field("Key__c"))
}

func TestCodesThatNoTableListsAreCounted(t *testing.T) {
	c := NewCoverage(tables(t, map[string]string{"t.yaml": coverTable}))
	for _, code := range []string{"A", "NEW", "NEW", "seen by Zebedee"} {
		c.Add(sample(t, `{"resourceType":"ServiceRequest","id":"1","extension":[{"url":"https://example.org/state","valueCoding":{"system":"https://example.org/states","code":"`+code+`"}}]}`))
	}
	r := c.Report()
	assert.Equal(t, 3, r.Held)
	require.Len(t, r.Codes, 2)
	assert.Equal(t, Code{UnlistedCode: mapping.UnlistedCode{Table: "state", Rule: "t.yaml:21", System: "https://example.org/states", Code: "NEW",
		Unlisted: "hold", Object: "Thing__c", Field: "Status__c"}, Records: 2}, r.Codes[0])
	assert.Equal(t, "[15 characters, not shown]", r.Codes[1].Code)
	require.NotEmpty(t, r.Holds)
	assert.Equal(t, 2, r.Holds[0].Count)
}

func TestWhatIsMappedOfHeldRecordsIsCountedApart(t *testing.T) {
	c := NewCoverage(tables(t, map[string]string{"t.yaml": coverTable}))
	for _, code := range []string{"NEW", "A", "NEW"} {
		c.Add(sample(t, `{"resourceType":"ServiceRequest","id":"1","patientInstruction":"x","extension":[{"url":"https://example.org/state","valueCoding":{"system":"https://example.org/states","code":"`+code+`"}}]}`))
		if code == "NEW" && c.sum.Records == 1 {
			assert.False(t, c.Report().Writes(), "all there is is held")
		}
	}
	r := c.Report()
	at := slices.IndexFunc(r.Paths, func(p Path) bool { return p.Path == "ServiceRequest.patientInstruction" })
	assert.Equal(t, []int{3, 3, 2}, []int{r.Paths[at].Records, r.Paths[at].Mapped, r.Paths[at].Held})
	assert.True(t, r.Writes())
	var page bytes.Buffer
	require.NoError(t, Page{CoverageReport: r}.HTML(&page))
	assert.Contains(t, page.String(), "3, 2 held")
}

func TestWhatNeverComesToTheTablesIsDroppedWithAReasonOrUnaccounted(t *testing.T) {
	in := sample(t, `{"resourceType":"ServiceRequest","id":"1"}`)
	in.Sent = resource(t, []byte(`{"resourceType":"ReferralRequest","id":"1","intent":"plan","status":"active",
		"contained":[{"resourceType":"Parameters","parameter":[{"name":"postcode","valueString":"LS1"},{"name":"shoeSize","valueString":"42"},{"name":"Zebedee Quillfeather","valueString":"1"}]}]}`))
	parameters := in.Sent.Root().Get("contained").At(0).Get("parameter")
	in.Lost = map[fhir.Node]string{in.Sent.Root().Get("intent"): "It is always plan.", parameters.At(0).Get("valueString"): "Was searched with.",
		parameters.At(1).Get("valueString"): "", parameters.At(2).Get("valueString"): ""}
	c := NewCoverage(tables(t, map[string]string{"t.yaml": coverTable}))
	c.Add(in)
	r := c.Report()
	contained := "ReferralRequest.contained.ofType(Parameters).parameter"
	assert.Equal(t, "dropped 0/0/1/0; It is always plan.", pathOf(t, r, "ReferralRequest.intent"))
	assert.Equal(t, "dropped 0/0/1/0; Was searched with.", pathOf(t, r, contained+"('postcode').valueString"))
	assert.Equal(t, "unaccounted 1/0/0/0", pathOf(t, r, contained+"('shoeSize').valueString"))
	assert.Equal(t, "unaccounted 1/0/0/0", pathOf(t, r, contained+"('[20 characters, not shown]').valueString"))
	assert.Equal(t, 5, r.Seen, "with the id; what was taken over counts where the tables see it")
	assert.Equal(t, 3, r.Accounted)
	assert.True(t, r.Paths[0].Lost, "no table can do anything about it")
}

func TestTablesOfBodiesAreCoveredToo(t *testing.T) {
	c := NewCoverage(tables(t, map[string]string{"b.yaml": `body: referral
source: ServiceRequest
rows:
  - {path: patient.id, from: "'001000000000001AAA'"}
  - {path: referral.fields.Name, from: patientInstruction, required: true}
  - {path: referral.fields.Other, from: status}
drop:
  - {path: note, purpose: Comments stay.}
`}))
	c.Add(sample(t, `{"resourceType":"ServiceRequest","id":"1","status":"active","patientInstruction":"x","note":[{"text":"y"}]}`))
	r := c.Report()
	assert.Equal(t, "mapped 0/1/0/0; b.yaml:5 referral.fields.Name", pathOf(t, r, "ServiceRequest.patientInstruction"))
	assert.Equal(t, "dropped 0/0/1/0; b.yaml:8 Comments stay.", pathOf(t, r, "ServiceRequest.note[].text"))
	assert.Equal(t, 1, r.Fields[slices.IndexFunc(r.Fields, func(f Field) bool { return f.Field == "referral.fields.Other" })].Filled)
}

func TestNothingAboutAPersonIsInACoverageReport(t *testing.T) {
	c := NewCoverage(starterTables(t))
	for _, in := range plantedSamples(t) {
		c.Add(in)
	}
	c.Add(sample(t, `{"resourceType":"ServiceRequest","id":"1","Zebedee Quillfeather":"x","Quillfeather-9434765919":{"9434765919":1},
		"NHS9434765919":"x","valueHumanName":{"Zebedee9434765919":"y"},"_Zeb9434765919z":{"extension":[{"url":"https://example.org/x","valueCode":"z"}]}}`))
	r := c.Report()
	text, err := json.Marshal(r)
	require.NoError(t, err)
	var page bytes.Buffer
	require.NoError(t, Page{CoverageReport: r, Tables: "x", Read: "1 record read"}.HTML(&page))
	for _, marker := range []string{"Zebedee", "Quillfeather", "9434765919"} {
		assert.NotContains(t, string(text), marker)
		assert.NotContains(t, page.String(), marker)
	}
	assert.Contains(t, string(text), "(a name that no element has)")
	assert.Contains(t, string(text), "ServiceRequest.valueHumanName.[17 characters, not shown]")
}

func TestThePageReadsWithoutScriptOrNetwork(t *testing.T) {
	c := NewCoverage(starterTables(t))
	c.Add(golden(t, "fhir-everything"))
	var page bytes.Buffer
	require.NoError(t, Page{CoverageReport: c.Report(), Tables: "abc", Read: "1 record read"}.HTML(&page))
	text := page.String()
	for _, never := range []string{"<script", "src=", "@import", "url("} {
		assert.NotContains(t, text, never)
	}
	for _, want := range []string{"ServiceRequest.code.text", "The account has the name.", "service-request.yaml:", "Unaccounted", "ClinicalServiceRequest.PatientId"} {
		assert.Contains(t, text, want)
	}
}

func TestPathsAreBounded(t *testing.T) {
	c := NewCoverage(tables(t, map[string]string{"t.yaml": coverTable}))
	c.size = maxBranches - 3
	c.Add(sample(t, `{"resourceType":"ServiceRequest","id":"1","a":1,"b":2,"c":3,"d":{"e":4}}`))
	r := c.Report()
	assert.Contains(t, pathOf(t, r, furtherPaths), "unaccounted 1/")
	assert.Less(t, r.Seen, 6)
}

func BenchmarkCoverage(b *testing.B) {
	c := NewCoverage(starterTables(b))
	in := golden(b, "ers-booked-two-week-wait")
	b.ReportAllocs()
	for b.Loop() {
		c.Add(in)
	}
}

// Whatever stands in a record: coverage counts it.
func FuzzAnyRecord(f *testing.F) {
	for _, name := range []string{"fhir-everything", "ers-returned-with-advice", "fhir-appointment", "fhir-create-patient"} {
		f.Add(golden(f, name).Focus[0].Raw())
	}
	f.Add([]byte(`{"resourceType":"ServiceRequest","extension":{"url":7,"extension":[null,[]]},"identifier":{"value":["a",{}]},"subject":[{"reference":"#"}],"contained":[{"id":""},5]}`))
	set := starterTables(f)
	f.Fuzz(func(t *testing.T, src []byte) {
		r, err := fhir.Parse(src)
		if err != nil {
			return
		}
		in := mapping.Sample{Bundle: fhir.Bundle{Focus: []fhir.Resource{r}}, Sent: r, Variables: map[string]string{"source": "ers"}}
		c := NewCoverage(set)
		c.Add(in)
		c.Add(in)
		report := c.Report()
		for _, p := range report.Paths {
			if p.Records != 2 || max(p.Unaccounted, p.Mapped, p.Dropped, p.PassedOver, p.Looked) != 2 {
				t.Fatalf("a path was not counted in each of two equal records: %+v", p)
			}
		}
	})
}

// naive lists the generalised paths of a document with nothing but encoding/json.
func naive(v any, path, list string, out map[string]bool) {
	switch x := v.(type) {
	case map[string]any:
		for name, member := range x {
			ext := list == "extension" || list == "modifierExtension"
			if name != "resourceType" && !(name == "url" && ext) {
				naive(member, path+"."+strings.TrimPrefix(name, "_"), name, out)
			}
		}
	case []any:
		for _, item := range x {
			step := "[]"
			o, _ := item.(map[string]any)
			switch list {
			case "extension", "modifierExtension":
				step = fmt.Sprintf("('%v')", o["url"])
			case "contained":
				step = fmt.Sprintf(".ofType(%v)", o["resourceType"])
			}
			naive(item, path+step, list, out)
		}
	case nil:
	default:
		out[path] = true
	}
}

func TestCoverageCountsWhatAPlainWalkOverTheDocumentsCounts(t *testing.T) {
	files, err := filepath.Glob("../testdata/golden/*.json")
	require.NoError(t, err)
	require.NotEmpty(t, files)
	c, paths, filled := NewCoverage(starterTables(t)), map[string]int{}, map[string]int{}
	for _, file := range files {
		in, seen := golden(t, strings.TrimSuffix(filepath.Base(file), ".json")), map[string]bool{}
		c.Add(in)
		for _, r := range append(slices.Clone(in.Focus), in.Related...) {
			var doc map[string]any
			require.NoError(t, json.Unmarshal(r.Raw(), &doc))
			naive(doc, fmt.Sprint(doc["resourceType"]), "", seen)
		}
		for path := range seen {
			paths[path]++
		}
		records, _ := starterTables(t).MapAll(in)
		for _, m := range records {
			filled[m.Record.Object+"."+m.Record.Key.Field]++
			for _, f := range m.Record.Fields {
				if !f.Value.IsNull() {
					filled[m.Record.Object+"."+f.Name]++
				}
			}
		}
	}
	report := c.Report()
	got := map[string]int{}
	for _, p := range report.Paths {
		got[p.Path] = p.Records
		assert.GreaterOrEqual(t, p.Unaccounted+p.Mapped+p.Dropped+p.PassedOver+p.Looked, p.Records, p.Path)
	}
	assert.Equal(t, paths, got)
	for _, f := range report.Fields {
		assert.Equal(t, filled[f.Object+"."+f.Field], f.Filled, f.Object+"."+f.Field)
	}
}
