package mapping

import (
	"strings"
	"testing"
	"testing/fstest"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

// TestTransformsDoWhatTheDocumentSays holds an example of every transform; docs/tables.md shows the same ones.
func TestTransformsDoWhatTheDocumentSays(t *testing.T) {
	cases := []struct{ transform, from, source, want string }{
		{"utc", "x", `"2026-06-15"`, "2026-06-14T23:00:00.000Z"},
		{"utc", "x", `"2026-06-15T10:30:00.1239+01:00"`, "2026-06-15T09:30:00.000Z"},
		{"utc(UTC)", "x", `"2026-06-15"`, "2026-06-15T00:00:00.000Z"},
		{"utc(UTC)", "x", `"2026-06"`, ""},
		{"utc(UTC)", "x", `"15/06/2026"`, "! bad-value"},
		{"utc(noon)", "x", `"2026-06-15"`, "2026-06-15T12:00:00.000Z"},
		{"utc(noon)", "x", `"2026-06"`, ""},
		{"utc(end)", "x", `"2026-06-15"`, "2026-06-15T22:59:59.000Z"},
		{"utc(seconds)", "x", `"2026-06-15"`, "2026-06-14T23:00:00Z"},
		{"utc(seconds)", "x", `"2013-12-10T09:00:00.123+01:00"`, "2013-12-10T08:00:00Z"},
		{"utc(end, seconds)", "x", `"2026-06-15"`, "2026-06-15T22:59:59Z"},
		{"utc(seconds, noon)", "x", `"2026-06-15"`, "2026-06-15T12:00:00Z"},
		{"utc(UTC, end)", "x", `"2026-06-15"`, "2026-06-15T23:59:59.000Z"},
		{"utc(UTC, end)", "x", `"2026-06"`, ""},
		{"date", "x", `"2026-06-14T23:30:00Z"`, "2026-06-15"},
		{"date", "x", `"1962-02-11"`, "1962-02-11"},
		{"date", "x", `"1962-02"`, ""},
		{"date", "x", `"11/02/1962"`, "! bad-value"},
		{"date(partial)", "x", `"1962-02-11"`, "1962-02-11"},
		{"date(partial)", "x", `"1962-02"`, "1962-02"},
		{"date(partial)", "x", `"1962"`, "1962"},
		{"date(partial)", "x", `"62"`, "! bad-value"},
		{"date(partial)", "x", `"0962"`, "! bad-value"},
		{"date", "x", `"0001-01-01"`, "! bad-value"},
		{"date", "x", `"9999-12-31T00:00:00Z"`, "! bad-value"},
		{"utc", "x", `"9999-12-31"`, "! bad-value"},
		{"text", "x", `{"value":5,"comparator":"<","unit":"mg"}`, "< 5 mg"},
		{"text", "x", `{"value":5,"code":"mg"}`, "5 mg"},
		{"nhsNumber", "x", `"999 000 0018"`, "9990000018"},
		{"nhsNumber", "x", `"9990000019"`, "! patient-identity"},
		{"nhsNumber(none)", "x", `"9990000019"`, ""},
		{"nhsNumber(none)", "x", `"999-000-0018"`, "9990000018"},
		{"nhsNumber", "x", `["9990000018", "999-000-0018"]`, "9990000018"},
		{"nhsNumber", "x", `["9990000018", "9990000026"]`, "! patient-identity"},
		{"patientKey", "x", `"9990000018"`, "pt.k18"},
		{"truncate(5, cut)", "x", `"referral"`, "refer"},
		{"truncate(5, cut)", "x", `"abcd😀"`, "abcd"},
		{"truncate(5, hold)", "x", `"refer"`, "refer"},
		{"truncate(5)", "x", `"referral"`, "! too-long"},
		{"codingKey", "x", `{"system":"http://snomed.info/sct","code":"3457005"}`, digest("http://snomed.info/sct||3457005", 40)},
		{"codingKey", "x", `{"display":"no code"}`, ""},
		{"conceptKey", "x", `{"coding":[{"code":"b"},{"system":"a","version":"1","code":"c"}]}`, digest("a|1|c\n||b", 40)},
		{"conceptKey", "x", `{"text":"free text only"}`, ""},
		{"conceptKey", "x", `{"coding":[` + strings.Repeat(`{"code":"a"},`, 15) + `{"code":"b"}]}`, "! bad-value"},
		{"hash(12)", "x", `"https://fhir.nhs.uk/Id/UBRN|000099000101"`, digest("https://fhir.nhs.uk/Id/UBRN|000099000101", 12)},
		{"referenceId(ServiceRequest)", "x", `[{"reference":"CarePlan/1"},{"reference":"ServiceRequest/7/_history/2"},{"reference":"/ServiceRequest/7"}]`, "7"},
		{"referenceId(ServiceRequest)", "x", `[{"reference":"https://a.example/fhir/CarePlan/1"},{"reference":"#sr"},{"reference":"urn:uuid:1"}]`, ""},
		{"referenceId(ServiceRequest)", "x", `[{"reference":"https://a.example/fhir/ServiceRequest/7/_history/2"}]`, "! reference-foreign"},
		{"referenceId(ServiceRequest)", "x", `[{"reference":"ServiceRequest/7"},{"reference":"https://a.example/fhir/ServiceRequest/7"}]`, "! reference-foreign"},
		{"referenceId(ServiceRequest)", "x", `[{"reference":"ServiceRequest/7"},{"reference":"urn:uuid:1","type":"ServiceRequest"}]`, "! reference-unresolved"},
		{"humanName(family)", "x", `[{"use":"old","family":"Before"},{"use":"usual","family":"Now"}]`, "Now"},
		{"humanName(given)", "x", `{"given":["Ada","Marigold"]}`, "Ada"},
		{"humanName(middle)", "x", `{"given":["Ada","Marigold","Ann"]}`, "Marigold Ann"},
		{"humanName(prefix)", "x", `{"prefix":["Dr"]}`, "Dr"},
		{"humanName(full)", "x", `{"prefix":["Dr"],"given":["Ada"],"family":"Now"}`, "Dr Ada Now"},
		{"humanName(family)", "x", `{"use":"old","family":"Before"}`, ""},
		{"contact", "x", `[{"use":"old","value":"a"},{"rank":2,"value":"b"},{"rank":1,"value":"c"}]`, "c"},
		{"[current, 'humanName(family)']", "x", `[{"use":"old","family":"Before"},{"family":"Now"}]`, "Now"},
		{"phone", "x", `"+44 (0)1632 960 001"`, "01632960001"},
		{"phone", "x", `"tel:+33-1-2345"`, "+3312345"},
		{"phone", "x", `"0044 (0) 1632 960001"`, "01632960001"},
		{"phone", "x", `"01632 960001 ext 5"`, "01632960001 ext 5"},
		{"phone", "x", `"tel:+44-1632-960001;ext=5"`, "01632960001 ext=5"},
		{"phone", "x", `"07700 900 123#12"`, "07700900123 #12"},
		{"phone", "x", `"ask the ward"`, "ask the ward"},
		{"upper", "x", `"zz99 9zz"`, "ZZ99 9ZZ"},
		{"lower", "x", `"A@Example.ORG"`, "a@example.org"},
		{"text", "x", `{"coding":[{"code":"PATIENT_HOLIDAY"},{"display":"Patient on holiday"}]}`, "Patient on holiday"},
		{"text", "x", `{"coding":[{"code":"PATIENT_HOLIDAY"}]}`, "PATIENT_HOLIDAY"},
		{"text", "x", `{"value":5,"unit":"mg"}`, "5 mg"},
		{"text", "x", `{"reference":"Patient/1"}`, "! bad-value"},
		{"[upper, 'truncate(2, cut)']", "x", `"abc"`, "AB"},
	}
	used := map[string]bool{}
	for _, c := range cases {
		for _, name := range strings.FieldsFunc(c.transform, func(r rune) bool { return strings.ContainsRune("[]', ", r) }) {
			used[strings.SplitN(name, "(", 2)[0]] = true
		}
		t.Run(c.transform+" "+Short(c.source), func(t *testing.T) {
			table := "object: X__c\nsource: Basic\nkey: {field: K__c, from: id}\nrows: [{field: F__c, from: extension.value, transform: \"" + c.transform + "\"}]\n"
			if strings.Contains(c.transform, "partial") {
				table = strings.Replace(table, "}]", ", owner: identity}]", 1)
			}
			if strings.HasPrefix(c.transform, "[") {
				table = strings.ReplaceAll(table, `"`+c.transform+`"`, c.transform)
			}
			set, err := Load(fstest.MapFS{"x.yaml": {Data: []byte(table)}}, Options{PatientKey: testKey})
			require.NoError(t, err)
			out, err := set.Map(Input{Focus: resource(t, basic(c.source)), Variables: map[string]string{"source": "s"}})
			if kind, held := strings.CutPrefix(c.want, "! "); held {
				assert.Equal(t, FaultKind(kind), faults(t, err)[0].Kind)
				return
			}
			require.NoError(t, err)
			assert.Equal(t, c.want, reveal(t, out.Records[0].Record, "F__c"))
		})
	}
	for _, name := range TransformNames() {
		assert.True(t, used[name], "no example of %s", name)
	}
}

func TestATransformHoldsWhatItCannotWorkOn(t *testing.T) {
	const reference, concept, coding = `{"reference":"Patient/1"}`, `{"coding":[{"code":"a"}]}`, `{"code":"a"}`
	cases := []struct{ transform, source, message string }{
		{"upper", reference, "upper takes a text, the source gives a structure"},
		{"phone", concept, "phone takes a text, the source gives a structure"},
		{"hash(12)", coding, "hash takes a text, the source gives a structure"},
		{"'truncate(3, cut)'", reference, "truncate takes a text, the source gives a structure"},
		{"truncate(3)", reference, "truncate takes a text, the source gives a structure"},
		{"nhsNumber(none)", reference, "nhsNumber takes a text, the source gives a structure"},
		{"utc", coding, "utc takes a text, the source gives a structure"},
		{"codingKey", `"id"`, "codingKey takes a Coding, the source gives something else"},
		{"codingKey", concept, "codingKey takes a Coding, the source gives something else"},
		{"conceptKey", coding, "conceptKey takes a CodeableConcept, the source gives something else"},
		{"humanName(family)", `"Who"`, "humanName takes a HumanName, the source gives something else"},
		{"referenceId(Patient)", coding, "referenceId takes a Reference or a text, the source gives another structure"},
	}
	for _, c := range cases {
		set, err := Load(fstest.MapFS{"x.yaml": {Data: []byte("object: X__c\nsource: Basic\nkey: {field: K__c, from: id}\n" +
			"rows: [{field: F__c, from: extension.value, transform: " + c.transform + "}]\n")}}, Options{})
		require.NoError(t, err)
		_, err = set.Map(Input{Focus: resource(t, basic(c.source)), Variables: map[string]string{"source": "s"}})
		require.Error(t, err, "%s of %s", c.transform, c.source)
		assert.Equal(t, c.message, faults(t, err)[0].Message)
	}
}

func TestAKeyOfAStructureIsHeldAndNoPartIsLost(t *testing.T) {
	set, err := Load(fstest.MapFS{"x.yaml": {Data: []byte("object: X__c\nsource: ServiceRequest\nforEach: bodySite\n" +
		"key: {field: K__c, from: $this, transform: hash(12)}\nrows: [{field: F__c, from: text}]\n")}}, Options{})
	require.NoError(t, err)
	_, err = set.Map(Input{Focus: resource(t, []byte(`{"resourceType":"ServiceRequest","id":"1","bodySite":[{"text":"a"},{"text":"b"}]}`)),
		Variables: map[string]string{"source": "s"}})
	require.Error(t, err)
	assert.Equal(t, "hash takes a text, the source gives a structure", faults(t, err)[0].Message)
}

// basic wraps values as extensions, whose type the member's name tells.
func basic(source string) []byte {
	items := []string{source}
	if strings.HasPrefix(source, "[") {
		items = strings.Split(strings.Trim(source, "[]"), ", ")
		if strings.Contains(source, "{") {
			items = strings.Split(strings.Trim(source, "[]"), "},{")
			for i := range items {
				items[i] = "{" + strings.Trim(items[i], "{}") + "}"
			}
		}
	}
	var out []string
	for _, item := range items {
		out = append(out, `{"url":"u","`+valueName(item)+`":`+item+`}`)
	}
	return []byte(`{"resourceType":"Basic","id":"1","extension":[` + strings.Join(out, ",") + `]}`)
}

func valueName(item string) string {
	switch {
	case strings.HasPrefix(item, `"`):
		return "valueString"
	case strings.Contains(item, `"coding"`), strings.HasPrefix(item, `{"text"`):
		return "valueCodeableConcept"
	case strings.Contains(item, `"reference"`):
		return "valueReference"
	case strings.Contains(item, `"unit"`):
		return "valueQuantity"
	case strings.Contains(item, `"family"`), strings.Contains(item, `"given"`), strings.Contains(item, `"prefix"`):
		return "valueHumanName"
	}
	if strings.Contains(item, `"value":"`) {
		return "valueContactPoint"
	}
	return "valueCoding"
}

func TestDatesWithoutATimeBeginInBritain(t *testing.T) {
	set := starterTables(t)
	cases := map[string]string{
		"2026-06-15":                    "2026-06-14T23:00:00.000Z",
		"2026-01-15":                    "2026-01-15T00:00:00.000Z",
		"2026-03-29":                    "2026-03-29T00:00:00.000Z", // the day on which summer time begins
		"2026-03-30":                    "2026-03-29T23:00:00.000Z",
		"2026-10-25":                    "2026-10-24T23:00:00.000Z", // the day on which it ends
		"2026-10-26":                    "2026-10-26T00:00:00.000Z",
		"2026-07":                       "2026-06-30T23:00:00.000Z",
		"2026":                          "2026-01-01T00:00:00.000Z",
		"1970-01-01":                    "1969-12-31T23:00:00.000Z", // British Standard Time, all year
		"2026-06-15T09:30:00+01:00":     "2026-06-15T08:30:00.000Z",
		"2026-06-15T09:30:00.123456Z":   "2026-06-15T09:30:00.000Z",
		"2026-06-15T09:30:00":           "",
		"2026-02-30":                    "",
		"15/06/2026":                    "",
		"1066-10-14":                    "",
		"2026-06-15T09:30:00.5-05:00":   "2026-06-15T14:30:00.000Z",
		"2026-12-31T23:59:59.999+00:00": "2026-12-31T23:59:59.000Z",
	}
	for src, want := range cases {
		in := input(t, "ers-booked-two-week-wait")
		in.Focus = resource(t, []byte(strings.Replace(string(in.Focus.Raw()), `"authoredOn": "2026-03-02T09:54:23.167Z"`, `"authoredOn": "`+src+`"`, 1)))
		out, err := set.Map(in)
		if want == "" {
			f := faults(t, err)
			assert.Equal(t, BadValue, f[0].Kind, src)
			assert.Equal(t, "DateSigned", f[0].Field, src)
			continue
		}
		require.NoError(t, err, src)
		assert.Equal(t, want, reveal(t, mapped(t, out, "ClinicalServiceRequest").Record, "DateSigned"), src)
	}
}

func TestFinding_values_O13_ABodyGetsATimeWithoutAFraction(t *testing.T) {
	table := "object: X__c\nsource: Basic\nkey: {field: K__c, from: id}\nrows:\n" +
		"  - {field: F__c, from: extension.value, transform: utc(seconds)}\n  - {field: G__c, from: extension.value, transform: utc}\n"
	set, err := Load(fstest.MapFS{"x.yaml": {Data: []byte(table)}}, Options{PatientKey: testKey})
	require.NoError(t, err)
	out, err := set.Map(Input{Focus: resource(t, basic(`"2013-12-10T09:00:00Z"`)), Variables: map[string]string{"source": "s"}})
	require.NoError(t, err)
	assert.Equal(t, "2013-12-10T09:00:00Z", reveal(t, out.Records[0].Record, "F__c"))
	assert.Equal(t, "2013-12-10T09:00:00.000Z", reveal(t, out.Records[0].Record, "G__c"))
	_, err = Load(fstest.MapFS{"x.yaml": {Data: []byte(strings.Replace(table, "utc(seconds)", "utc(seconds, seconds)", 1))}}, Options{PatientKey: testKey})
	assert.Error(t, err)
}
