package cases

import (
	"bytes"
	"errors"
	"fmt"
	"path/filepath"
	"regexp"
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
	"pgregory.net/rapid"

	"refbridge/fhir"
)

// real is a patient as a server sends one: everybody in it is invented, and all of it must be gone from a case.
const real = `{
 "resourceType": "Patient", "id": "QUILL-1962-03", "meta": {"versionId": "7", "lastUpdated": "2026-05-01T08:00:00.123+01:00", "source": "https://pas.example.nhs.uk/zebedee"},
 "text": {"status": "generated", "div": "<div>Zebedee Quillfeather</div>"},
 "extension": [
  {"url": "https://fhir.hl7.org.uk/StructureDefinition/Extension-UKCore-EthnicCategory", "valueCodeableConcept": {"coding": [{"system": "https://fhir.hl7.org.uk/CodeSystem/UKCore-EthnicCategory", "code": "A", "display": "British, Quillfeather clan"}]}},
  {"url": "https://example.org/nickname", "valueString": "Quilly of Lower Slaughter"}
 ],
 "identifier": [
  {"system": "https://fhir.nhs.uk/Id/nhs-number", "value": "999 000 0042"},
  {"system": "https://pas.example.nhs.uk/mrn", "value": "RKX00 4711-Q"}
 ],
 "name": [{"use": "official", "text": "Dr Zebedee Quillfeather", "family": "Quillfeather", "given": ["Zebedee", "Aloysius"], "prefix": ["Dr"], "period": {"start": "1962"}},
  {"use": "old", "family": "Oldquill-Featherstonehaugh-Cholmondeley"}],
 "telecom": [{"system": "phone", "use": "mobile", "value": "+44 (0)7123 456789"}, {"system": "phone", "use": "home", "value": "0113 496 5555"},
  {"system": "email", "value": "Zebedee.Quill@wayfarers.example.net"}],
 "gender": "male", "birthDate": "1962-03-17", "_birthDate": {"extension": [{"url": "http://hl7.org/fhir/StructureDefinition/patient-birthTime", "valueDateTime": "1962-03-17T04:05:06Z"}]},
 "deceasedBoolean": false, "multipleBirthInteger": 2,
 "address": [{"use": "home", "line": ["7 Gosling Hollow", "Upper Slaughter"], "city": "Cheltenham", "district": "Gloucestershire", "postalCode": "GL54 2JB", "country": "England",
  "extension": [{"url": "http://hl7.org/fhir/StructureDefinition/geolocation", "extension": [{"url": "latitude", "valueDecimal": 51.9072}, {"url": "longitude", "valueDecimal": -1.7725}]}]}],
 "photo": [{"contentType": "image/png", "data": "UXVpbGxmZWF0aGVy", "title": "Zebedee at the fair"}],
 "generalPractitioner": [{"reference": "https://pas.example.nhs.uk/fhir/Practitioner/QUILL-1962-03/_history/20260501080000123", "display": "Dr Aloysius Marchbanks"}]
}`

func planted() []string {
	return []string{"zebedee", "quill", "aloysius", "slaughter", "gosling", "cheltenham", "gloucestershire", "gl54", "2jb", "9990000042", "999 000 0042", "4711", "1962",
		"7123", "456789", "496 5555", "wayfarers", "marchbanks", "fair", "uxvpbg", "51.9", "1.77", "pas.example.nhs.uk/zeb", "featherstone", "01t08", "2026-05-01"}
}

// synthesised gives resources with invented values, and what was replaced.
func synthesised(in []fhir.Resource, key []byte) ([]fhir.Resource, []Replaced, error) {
	s := newSynthesiser(key)
	out, err := s.all(in)
	return out, s.replaced, err
}

func synthetic(t *testing.T, sources ...string) ([]fhir.Resource, []Replaced) {
	t.Helper()
	var in []fhir.Resource
	for _, src := range sources {
		in = append(in, resource(t, []byte(src)))
	}
	out, replaced, err := synthesised(in, []byte("key"))
	require.NoError(t, err)
	return out, replaced
}

func TestNothingPersonalStaysInASyntheticRecord(t *testing.T) {
	out, replaced := synthetic(t, real)
	text := strings.ToLower(string(out[0].Raw()))
	for _, secret := range planted() {
		assert.NotContains(t, text, secret)
	}
	for _, r := range replaced {
		for _, secret := range planted() {
			assert.NotContains(t, strings.ToLower(r.Path+r.What), secret)
		}
	}
	assert.Contains(t, replaced, Replaced{Path: "Patient.name[0].family", What: "name"})
	assert.Contains(t, replaced, Replaced{Path: "Patient.birthDate", What: "birth date"})
}

func TestStructureCodesAndShapesStay(t *testing.T) {
	out, _ := synthetic(t, real, `{"resourceType":"ServiceRequest","id":"1","status":"active","subject":{"reference":"Patient/QUILL-1962-03","identifier":{"system":"https://fhir.nhs.uk/Id/nhs-number","value":"9990000042"}},"authoredOn":"2026-05-01","occurrencePeriod":{"start":"2026-06","end":"2027"}}`)
	p, s := out[0].Root(), out[1].Root()
	assert.Equal(t, "male", p.Get("gender").Text())
	assert.Equal(t, "A", p.Get("extension").At(0).Get("valueCodeableConcept").Get("coding").At(0).Get("code").Text())
	assert.Equal(t, "Display of A", p.Get("extension").At(0).Get("valueCodeableConcept").Get("coding").At(0).Get("display").Text())
	assert.Equal(t, "2", p.Get("multipleBirthInteger").Text())
	assert.Equal(t, "Dr", p.Get("name").At(0).Get("prefix").At(0).Text())
	assert.Equal(t, len("Oldquill-Featherstonehaugh-Cholmondeley"), len(p.Get("name").At(1).Get("family").Text()), "a long name stays long")
	assert.Equal(t, len("Quilly of Lower Slaughter"), len(p.Get("extension").At(1).Get("valueString").Text()))
	assert.Regexp(t, `^\d{4}-\d{2}-\d{2}$`, p.Get("birthDate").Text())
	assert.Regexp(t, `^\d{4}-\d{2}-\d{2}T08:00:00\.123\+01:00$`, p.Get("meta").Get("lastUpdated").Text())
	assert.Regexp(t, `^\d{4}-\d{2}$`, s.Get("occurrencePeriod").Get("start").Text())
	assert.Regexp(t, `^\d{4}$`, s.Get("occurrencePeriod").Get("end").Text())
	assert.Regexp(t, `^\+44 \(0\)7700 900\d{3}$`, p.Get("telecom").At(0).Get("value").Text())
	assert.Regexp(t, `^0163 296 0\d{3}$`, p.Get("telecom").At(1).Get("value").Text())
	assert.Regexp(t, `^[A-Z]{3}\d{2} \d{4}-[A-Z]$`, p.Get("identifier").At(1).Get("value").Text())

	number := p.Get("identifier").At(0).Get("value").Text()
	parsed, err := fhir.ParseNHSNumber(number)
	require.NoError(t, err)
	assert.True(t, parsed.IsTest())
	assert.NotEqual(t, "9990000042", number)
	assert.Equal(t, number, s.Get("subject").Get("identifier").Get("value").Text(), "one number is one number everywhere")
	assert.Equal(t, "Patient/"+out[0].ID(), s.Get("subject").Get("reference").Text(), "references still lead to their resource")
}

func TestWhatIsWrongWithAnNHSNumberStaysWrong(t *testing.T) {
	for value, want := range map[string]error{"9434765919": nil, "9434765910": fhir.ErrNHSNumberCheck, "943476591": fhir.ErrNHSNumberFormat, "94347O5919": fhir.ErrNHSNumberFormat} {
		out, _ := synthetic(t, `{"resourceType":"Patient","id":"1","identifier":[{"system":"https://fhir.nhs.uk/Id/nhs-number","value":"`+value+`"}]}`)
		got := out[0].Root().Get("identifier").At(0).Get("value").Text()
		_, err := fhir.ParseNHSNumber(got)
		assert.ErrorIs(t, err, want, value)
		assert.Len(t, got, len(value))
		assert.NotEqual(t, value, got)
	}
}

func TestNoCaseIsMadeWhereSomethingPersonalMayRemain(t *testing.T) {
	for name, src := range map[string]string{
		"a name in a code":       `{"resourceType":"Patient","id":"1","name":[{"family":"Quillfeather"}],"maritalStatus":{"coding":[{"code":"QUILLFEATHER"}]}}`,
		"a name in a system":     `{"resourceType":"Patient","id":"1","name":[{"family":"Quillfeather"}],"identifier":[{"system":"https://example.org/quillfeather/ids","value":"1"}]}`,
		"an identifier in a url": `{"resourceType":"Patient","id":"1","identifier":[{"value":"RKX004711"}],"extension":[{"url":"https://example.org/RKX004711","valueBoolean":true}]}`,
		"a text where a name is": `{"resourceType":"Patient","id":"1","Zebedee Quillfeather":"x"}`,
		"a postcode in a system": `{"resourceType":"Patient","id":"1","identifier":[{"system":"https://example.org/GL542JB","value":"1"}]}`,
	} {
		_, _, err := synthesised([]fhir.Resource{resource(t, []byte(src))}, []byte("key"))
		require.ErrorIs(t, err, ErrPersonal, name)
		assert.Contains(t, err.Error(), "Patient.", name)
		for _, secret := range []string{"quillfeather", "rkx", "gl54"} {
			assert.NotContains(t, strings.ToLower(err.Error()), secret, name)
		}
	}
}

func TestACodeThatIsNoneIsReplaced(t *testing.T) {
	out, replaced := synthetic(t, `{"resourceType":"ServiceRequest","id":"1","status":"seen by Zebedee","code":{"coding":[{"system":"Zebedee's own list","code":"999 000 0042"}]}}`)
	assert.NotContains(t, string(out[0].Raw()), "Zebedee")
	assert.NotContains(t, string(out[0].Raw()), "0042")
	assert.Contains(t, replaced, Replaced{Path: "ServiceRequest.status", What: "code or url"})
}

func TestAMadeCaseHoldsAndIsLikeItsRecord(t *testing.T) {
	set := starterTables(t)
	names, err := filepath.Glob("../testdata/golden/*.json")
	require.NoError(t, err)
	require.NotEmpty(t, names)
	for _, name := range names {
		name = strings.TrimSuffix(filepath.Base(name), ".json")
		made, err := Make(set, "The case of "+name, golden(t, name), []byte("key"))
		require.NoError(t, err, name)
		assert.Equal(t, "the-case-of-"+name, made.Name)
		assert.Empty(t, made.Unlike, name)
		assert.NotEmpty(t, made.Replaced, name)
		assert.NotContains(t, string(made.Input)+string(made.Cases), "999000001", name)
	}
}

func TestAMadeCaseIsForReading(t *testing.T) {
	made, err := Make(starterTables(t), "Two week wait", golden(t, "ers-booked-two-week-wait"), []byte("key"))
	require.NoError(t, err)
	text := string(made.Cases)
	for _, want := range []string{"input: two-week-wait.json", "- name: Two week wait", "Priority: ASAP", "PerformerTypeId: {Name: Display of CARDIOLOGY",
		"IsIgnored: false", "absent: [IsAccepted, RequestCodeId"} {
		assert.Contains(t, text, want)
	}
	assert.NotRegexp(t, regexp.MustCompile(`[0-9a-f]{40}`), text, "a hash says nothing to a reader")
}

func TestACaseIsMadeForTablesOfBodiesToo(t *testing.T) {
	set := tables(t, map[string]string{"b.yaml": "body: referral\nsource: ServiceRequest\nrows:\n  - {path: patient.id, from: \"'001000000000001AAA'\"}\n" +
		"  - {path: referral.fields.Name, from: patientInstruction}\n", "n.yaml": "body: referral\nsource: ServiceRequest\nforEach: note\nrows:\n" +
		"  - {path: \"performers[].fields.Name\", from: text}\n"})
	made, err := Make(set, "body", sample(t, `{"resourceType":"ServiceRequest","id":"1","patientInstruction":"come","note":[{"text":"a secret"},{"text":"b"}]}`), []byte("key"))
	require.NoError(t, err)
	assert.Contains(t, string(made.Cases), "object: referral")
	assert.Contains(t, string(made.Cases), "performers[1].fields.Name: I")
	assert.NotContains(t, string(made.Cases), "secret")
}

// Whatever a source sends: a marker in any text does not come through, unless the case is refused.
func TestAMarkerInAnyTextIsGoneOrRefused(t *testing.T) {
	template := string(golden(t, "fhir-everything").Focus[0].Raw())
	values := quoted(template)
	rapid.Check(t, func(t *rapid.T) {
		const marker = "Zebedee Quillfeather 9434765919"
		value := values[rapid.IntRange(0, len(values)-1).Draw(t, "value")]
		if strings.Contains(value, "ServiceRequest") {
			t.Skip("the type of the resource")
		}
		r, err := fhir.Parse([]byte(strings.ReplaceAll(template, value, `"`+marker+`"`)))
		if err != nil {
			t.Skip("not a resource any more")
		}
		out, replaced, err := synthesised([]fhir.Resource{r}, []byte("key"))
		if err != nil {
			if !errors.Is(err, ErrPersonal) {
				t.Fatal(err)
			}
			return
		}
		if bytes.Contains(out[0].Raw(), []byte("Zebedee")) || bytes.Contains(out[0].Raw(), []byte("9434765919")) {
			t.Fatalf("the marker came through in place of %s", value)
		}
		if strings.Contains(fmt.Sprint(replaced), "Zebedee") {
			t.Fatal("the marker is in a path")
		}
	})
}

// A person may be named in nothing but a display or an authorString.
func TestANameThatStandsOnlyInADisplayIsPersonalToo(t *testing.T) {
	const code = `"code":{"coding":[{"code":"QUILLFEATHERCLINIC"}]}`
	for name, src := range map[string]string{
		"the subject":       `{"resourceType":"ServiceRequest","id":"1","subject":{"display":"Mr Zeb QUILLFEATHER"},` + code + `}`,
		"the requester":     `{"resourceType":"ServiceRequest","id":"1","requester":{"reference":"Practitioner/1","display":"Dr Quillfeather"},` + code + `}`,
		"a performer":       `{"resourceType":"ServiceRequest","id":"1","performer":[{"display":"Prof. Quillfeather"}],` + code + `}`,
		"who takes part":    `{"resourceType":"Appointment","id":"1","participant":[{"actor":{"display":"Quillfeather, Ada"}}],"serviceType":[{"coding":[{"code":"x-quillfeather1"}]}]}`,
		"who wrote a note":  `{"resourceType":"ServiceRequest","id":"1","note":[{"authorString":"Sister Quillfeather","text":"x"}],` + code + `}`,
		"a version":         `{"resourceType":"ServiceRequest","id":"1","meta":{"versionId":"Quill"},"requester":{"display":"Dr Quill"}}`,
		"a version pointed": `{"resourceType":"ServiceRequest","id":"1","requester":{"reference":"Practitioner/1/_history/Quill","display":"Dr Quill"}}`,
		"a type":            `{"resourceType":"ServiceRequest","id":"1","requester":{"reference":"Quillfeather/1","display":"Dr Quillfeather"}}`,
		"a short one":       `{"resourceType":"ServiceRequest","id":"1","requester":{"display":"Dr Lee"},"code":{"coding":[{"code":"LEE-2"}]}}`,
		"a member":          `{"resourceType":"ServiceRequest","id":"1","requester":{"display":"Dr Quillfeather"},"quillfeatherNotes":{"status":"x","more":[{"code":"QUILLFEATHER"}]}}`,
		"a short member":    `{"resourceType":"ServiceRequest","id":"1","requester":{"display":"Dr Lee"},"notesOfLee":"x"}`,
	} {
		_, _, err := synthesised([]fhir.Resource{resource(t, []byte(src))}, []byte("key"))
		require.ErrorIs(t, err, ErrPersonal, name)
		for _, secret := range []string{"quill", "lee"} {
			assert.NotContains(t, strings.ToLower(err.Error()), secret, name)
		}
	}
}

func TestTitlesPlacesAndElementsOfFHIRAreNoNames(t *testing.T) {
	for name, src := range map[string]string{
		"a title":         `{"resourceType":"ServiceRequest","id":"1","requester":{"display":"Prof Quillfeather"},"code":{"coding":[{"code":"PROF"}]}}`,
		"an organisation": `{"resourceType":"ServiceRequest","id":"1","performer":[{"reference":"Organization/1","display":"Leeds Cardiology"}],"code":{"coding":[{"code":"CARDIOLOGY"}]}}`,
		"an element":      `{"resourceType":"Patient","id":"1","name":[{"family":"Birth","given":["Gender"]}],"birthDate":"1962-03-17","gender":"male","address":[{"city":"City of London"}]}`,
	} {
		_, _, err := synthesised([]fhir.Resource{resource(t, []byte(src))}, []byte("key"))
		assert.NoError(t, err, name)
	}
}

func TestAPostcodeWithoutItsSpaceIsAsPersonal(t *testing.T) {
	out, _ := synthetic(t, `{"resourceType":"ServiceRequest","id":"1","meta":{"versionId":"NR210XX"},"code":{"coding":[{"code":"NR210XX","display":"home"}]}}`)
	assert.NotContains(t, string(out[0].Raw()), "NR210XX")
	for name, src := range map[string]string{
		"a code, by the address": `{"resourceType":"Patient","id":"1","address":[{"postalCode":"NR21 0XX"}],"maritalStatus":{"coding":[{"code":"HOME_NR210XX"}]}}`,
		"and without a space":    `{"resourceType":"Patient","id":"1","address":[{"text":"The Hollow nr210xx"}],"maritalStatus":{"coding":[{"code":"HOME.NR21-0XX"}]}}`,
		"a url":                  `{"resourceType":"Patient","id":"1","extension":[{"url":"https://example.org/NR21-0XX","valueBoolean":true}]}`,
	} {
		_, _, err := synthesised([]fhir.Resource{resource(t, []byte(src))}, []byte("key"))
		require.ErrorIs(t, err, ErrPersonal, name)
	}
}

// Whatever stands in a record: a synthetic copy of it can be made, or is refused.
func FuzzSynthetic(f *testing.F) {
	for _, name := range []string{"fhir-everything", "ers-returned-with-advice", "fhir-appointment", "fhir-create-patient"} {
		f.Add(golden(f, name).Focus[0].Raw())
	}
	f.Add([]byte(`{"resourceType":"ServiceRequest","extension":{"url":7,"extension":[null,[]]},"identifier":{"value":["a",{}]},"subject":[{"reference":"#"}],"contained":[{"id":""},5]}`))
	f.Fuzz(func(t *testing.T, src []byte) {
		r, err := fhir.Parse(src)
		if err != nil {
			return
		}
		made, _, err := synthesised([]fhir.Resource{r}, []byte("key"))
		if err == nil && len(made) != 1 || err != nil && !errors.Is(err, ErrPersonal) {
			t.Fatal("a copy is missing", err)
		}
	})
}
