package cases

import (
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"refbridge/fhir"
	"refbridge/mapping"
)

// zapruder is the patient of a referral; everybody in it is invented.
const zapruder = `{"resourceType":"Patient","id":"p-1","identifier":[{"system":"https://fhir.nhs.uk/Id/nhs-number","value":"9434765919"},
	{"system":"https://pas.example.nhs.uk/mrn","value":"485777"},{"system":"https://pas.example.nhs.uk/old","value":"AB-123"}],
	"name":[{"family":"Zapruder","given":["Quentin"]},{"family":"Müller"},{"family":"Ng"},{"family":"O'Lea"}],"birthDate":"1957-03-04",
	"telecom":[{"system":"phone","value":"+44 (0)7123 456 789"},{"system":"email","value":"wilma.featherstone@example.org"}],
	"address":[{"line":["7 Gosling Road"],"city":"Leeds","postalCode":"GL54 2JB"}]}`

// referral is one of that patient, with some more members.
func referral(t testing.TB, more string) []fhir.Resource {
	t.Helper()
	return []fhir.Resource{resource(t, []byte(`{"resourceType":"ServiceRequest","id":"s-1","status":"active","intent":"order",
		"subject":{"reference":"Patient/p-1"},`+more+`}`)), resource(t, []byte(zapruder))}
}

func TestWhatTheRecordKnowsOfAPersonIsRefusedElsewhere(t *testing.T) {
	const at = `"code":{"coding":[{"system":"https://pas.example.nhs.uk/codes","code":"%s"}]}`
	for name, more := range map[string]string{
		"an identifier in a code":      strings.Replace(at, "%s", "MRN-485-777", 1),
		"an identifier as a number":    `"quantityQuantity":{"value":485777}`,
		"and with a fraction":          `"extension":[{"url":"https://t.example/x","valueDecimal":4857.77}]`,
		"a short identifier":           strings.Replace(at, "%s", "AB123", 1),
		"a short identifier in a url":  `"extension":[{"url":"https://t.example/ab-123/x","valueBoolean":true}]`,
		"a birth date":                 strings.Replace(at, "%s", "1957-03-04", 1),
		"a birth date as people write": strings.Replace(at, "%s", "04-03-1957", 1),
		"a birth date in six digits":   strings.Replace(at, "%s", "DOB-040357", 1),
		"and in words":                 strings.Replace(at, "%s", "04-Mar-1957", 1),
		"and the month first":          strings.Replace(at, "%s", "March-4-1957", 1),
		"and the year in two digits":   strings.Replace(at, "%s", "4March57", 1),
		"and as people say it":         strings.Replace(at, "%s", "4th-Mar-1957", 1),
		"a name in a published system": `"code":{"coding":[{"system":"https://fhir.nhs.uk/Id/Zapruder","code":"1"}]}`,
		"in a published extension":     `"extension":[{"url":"https://fhir.nhs.uk/StructureDefinition/Extension-QuentinState-1","valueBoolean":true}]`,
		"in two parts of its own":      `"code":{"coding":[{"system":"https://fhir.nhs.uk/Id/OLea","code":"1"}]}`,
		"a short one in a profile":     `"meta":{"profile":["https://fhir.hl7.org.uk/Ng/x"]}`,
		"a telephone number":           strings.Replace(at, "%s", "07123-456789", 1),
		"a name":                       strings.Replace(at, "%s", "ZAPRUDER1", 1),
		"a name in a system":           `"code":{"coding":[{"system":"https://t.example/zapruder","code":"1"}]}`,
		"a name without its accent":    strings.Replace(at, "%s", "MULLER", 1),
		"or in the other spelling":     strings.Replace(at, "%s", "MUELLER-2", 1),
		"a name of two letters":        strings.Replace(at, "%s", "NG", 1),
		"a name without its sign":      strings.Replace(at, "%s", "OLEA", 1),
		"a name in a mail address":     strings.Replace(at, "%s", "FEATHERSTONE", 1),
		"a street":                     strings.Replace(at, "%s", "GOSLING", 1),
		"a town as a code":             strings.Replace(at, "%s", "LEEDS", 1),
		"a name that a note tells":     `"note":[{"text":"seen with Hieronymus Quisling today"}],` + strings.Replace(at, "%s", "QUISLING", 1),
		"or calls Dr":                  `"patientInstruction":"Ask Dr Quisling about it",` + strings.Replace(at, "%s", "x-quisling1", 1),
		"who is only pointed to":       `"requester":{"reference":"Practitioner/RKX004711"},` + strings.Replace(at, "%s", "RKX004711", 1),
	} {
		out, _, err := synthesised(referral(t, more), []byte("key"))
		require.ErrorIs(t, err, ErrPersonal, name)
		assert.Empty(t, out)
		assert.NotRegexp(t, `(?i)zapruder|485|ab-?123|1957|muller|quentin|quisling|rkx|gosling|leeds`, err.Error(), name)
	}
}

func TestAnNHSNumberInAnExtensionIsReplacedHoweverItIsWritten(t *testing.T) {
	out, replaced, err := synthesised(referral(t, `"extension":[{"url":"https://t.example/943-476-5919","valueBoolean":true},
		{"url":"https://t.example/943 476 5919","valueBoolean":true}]`), []byte("key"))
	require.NoError(t, err)
	assert.NotContains(t, string(out[0].Raw()), "5919")
	assert.Contains(t, replaced, Replaced{Path: "ServiceRequest.extension[0].url", What: "code or url"})
}

func TestADateHasNothingBehindIt(t *testing.T) {
	for was, want := range map[string]string{
		"2026-01-02TQuentin Zapruder": "9999-99-99Txxxxxxx xxxxxxxx", "2026-01-02T9434765919": "9999-99-99T9999999999",
		"1957-03-04Tborn as Quentin": "9999-99-99Txxxx xx xxxxxxx", "2026-13-40": "9999-99-99", "2026-01T10:00:00Z": "9999-99x99:99:99x",
		"2026-01-02T10:00:00.9434765919Z": "9999-99-99T99:99:99.9999999999x",
	} {
		assert.Equal(t, want, moved(was, 7))
	}
	for _, was := range []string{"2026", "2026-01", "2026-01-02", "2026-01-02T10:00:00Z", "2026-01-02T10:00+01:00", "2026-01-02T10:00:00.123-05:00"} {
		assert.Equal(t, was, moved(was, 0))
	}
	const tail = `"occurrenceDateTime":"2026-01-02TQuentin Zapruder","authoredOn":"2026-01-02T9434765919"`
	out, _, err := synthesised([]fhir.Resource{resource(t, []byte(`{"resourceType":"ServiceRequest","id":"1",`+tail+`}`)),
		resource(t, []byte(strings.Replace(zapruder, `"1957-03-04"`, `"1957-03-04Tborn as Quentin Zapruder"`, 1)))}, []byte("key"))
	require.NoError(t, err)
	assert.NotRegexp(t, `(?i)zapruder|quentin|9434765919`, string(out[0].Raw())+string(out[1].Raw()))
}

func TestOrdinaryRecordsAreNotRefused(t *testing.T) {
	const patient = `{"resourceType":"Patient","id":"patient","name":[{"family":"Order","given":["Male","Rule","Core"]}],"gender":"male",
		"identifier":[{"use":"official","system":"https://pas.leeds.nhs.uk/Id/mrn","value":"12"}],
		"address":[{"use":"home","line":["Home Farm","Service Road"],"city":"Leeds"}]}`
	const request = `{"resourceType":"ServiceRequest","id":"servicerequest","meta":{"profile":["https://fhir.hl7.org.uk/StructureDefinition/UKCore-ServiceRequest",
		"https://fhir.nhs.uk/StructureDefinition/Order-Home","https://fhir.nhs.uk/STU3/StructureDefinition/Extension-eRS-Commissioning-Rule-Org-1"]},"status":"active","intent":"order","priority":"urgent",
		"category":[{"coding":[{"system":"http://snomed.info/sct","code":"3457005"}]}],
		"note":[{"text":"Please see at Leeds Cardiology"}],"orderDetail":[{"text":"Cardiology Clinic","coding":[{"system":"https://fhir.nhs.uk/CodeSystem/x","code":"CARDIOLOGY"}]}],
		"performer":[{"identifier":{"system":"http://fhir.nhs.net/Id/ers-service","value":"50001"},"display":"Leeds Neuro Business Service"},
			{"display":"Triage Service"}],"quantityQuantity":{"value":12},"performerType":{"coding":[{"code":"TRIAGE"}]}}`
	_, _, err := synthesised([]fhir.Resource{resource(t, []byte(request)), resource(t, []byte(patient)),
		resource(t, []byte(`{"resourceType":"Appointment","id":"appointment","status":"booked","meta":{"profile":["https://t.example/Appointment"]}}`))}, []byte("key"))
	assert.NoError(t, err)
}

func TestOnlyTheCodesOfAnElementAreItsCodes(t *testing.T) {
	_, _, err := synthesised([]fhir.Resource{resource(t, []byte(`{"resourceType":"Patient","id":"1","name":[{"family":"Quillfeather"}],"gender":"quillfeather"}`))}, []byte("key"))
	assert.ErrorIs(t, err, ErrPersonal)
	assert.False(t, publisher("http://hl7.org.evil.example/x"))
	assert.False(t, publisher("http://nothl7.org/x"))
	assert.True(t, publisher("http://terminology.hl7.org/CodeSystem/x"))
	_, _, err = synthesised([]fhir.Resource{resource(t, []byte(`{"resourceType":"Patient","id":"1","identifier":[{"value":"RKX004711"}],
		"extension":[{"url":"https://fhir.nhs.uk/RKX004711","valueBoolean":true}]}`))}, []byte("key"))
	assert.ErrorIs(t, err, ErrPersonal, "not even a known publisher numbers its structures like a patient")
}

func TestACodeOfSNOMEDIsNoNHSNumber(t *testing.T) {
	require.True(t, mapping.HoldsNHSNumber("1145301002"))
	coded := func(system, code string) string {
		out, _, err := synthesised([]fhir.Resource{resource(t, []byte(`{"resourceType":"ServiceRequest","id":"1","code":{"coding":[{"system":"`+system+`","code":"`+code+`","display":"x"}]}}`))}, []byte("key"))
		require.NoError(t, err)
		coding := out[0].Root().Get("code").Get("coding").At(0)
		return coding.Get("code").Text() + " " + coding.Get("display").Text()
	}
	assert.Equal(t, "1145301002 Display of 1145301002", coded("http://snomed.info/sct", "1145301002"))
	assert.Equal(t, "CODE I", coded("https://t.example/codes", "1145301002"))
	assert.Equal(t, "CODE I", coded("http://snomed.info/sct", "9434765919"), "its check digit is not that of SNOMED")
	for code, is := range map[string]bool{"1145301002": true, "1145301003": false, "1145311002": false, "22298006": false, "": false, "114530000x": false} {
		assert.Equal(t, is, mapping.SNOMEDConcept(code), code)
	}
	patient := strings.Replace(zapruder, "9434765919", "1145301002", 1)
	_, _, err := synthesised([]fhir.Resource{resource(t, []byte(`{"resourceType":"ServiceRequest","id":"1","code":{"coding":[{"system":"http://snomed.info/sct","code":"1145301002"}]}}`)),
		resource(t, []byte(patient))}, []byte("key"))
	assert.ErrorIs(t, err, ErrPersonal, "but where it is the number of this patient")
}

func TestTheNameOfACaseIsNoPersons(t *testing.T) {
	in := sample(t, `{"resourceType":"ServiceRequest","id":"1","status":"active","intent":"order","subject":{"identifier":{"system":"https://fhir.nhs.uk/Id/nhs-number","value":"9434765919"}}}`)
	in.Related = []fhir.Resource{resource(t, []byte(zapruder))}
	set := starterTables(t)
	for _, name := range []string{"Zapruder referral", "referral of 943 476 5919", "Mrs Ng", "muller again", "the one of 485777", "born 04.03.1957", "from GL54 2JB"} {
		_, err := Make(set, name, in, []byte("key"))
		require.ErrorIs(t, err, ErrName, name)
		assert.NotContains(t, strings.ToLower(err.Error()), "zapruder")
	}
	for _, name := range []string{"a booked referral", "an urgent one of Leeds", "two week wait, 2026"} {
		_, err := Make(set, name, in, []byte("key"))
		assert.NoError(t, err, name)
	}
}

func TestAnotherCodeIsTold(t *testing.T) {
	made, err := Make(starterTables(t), "x", sample(t, `{"resourceType":"ServiceRequest","id":"1","status":"active","intent":"order",
		"reasonCode":[{"coding":[{"system":"https://t.example/codes","code":"943 476 5919"}]}]}`), []byte("key"))
	require.NoError(t, err)
	require.NotEmpty(t, made.Unlike)
	assert.Contains(t, made.Unlike[0], "ServiceRequest.reasonCode[0].coding[0].code is another one")
}

func TestMIMETypesStayAndEntriesHaveAnAddress(t *testing.T) {
	in := sample(t, `{"resourceType":"ServiceRequest","id":"1","status":"active","intent":"order","subject":{"reference":"urn:uuid:0b2c7f9e-5a57-4f0b-9d3c-0d2a7c1b9f11"},
		"requester":{"reference":"Practitioner/d"},
		"contained":[{"resourceType":"DocumentReference","id":"l","content":[{"attachment":{"contentType":"application/fhir+json"}},{"attachment":{"contentType":"text/zebedee quill"}}]}]}`)
	in.Related = []fhir.Resource{resource(t, []byte(`{"resourceType":"Patient","id":"0b2c7f9e-5a57-4f0b-9d3c-0d2a7c1b9f11"}`)),
		resource(t, []byte(`{"resourceType":"Practitioner","id":"d"}`)), resource(t, []byte(`{"resourceType":"Organization"}`))}
	made, err := Make(starterTables(t), "x", in, []byte("key"))
	require.NoError(t, err)
	entries := resource(t, made.Input).Root().Get("entry")
	request := entries.At(0).Get("resource")
	assert.Equal(t, request.Get("subject").Get("reference").Text(), entries.At(1).Get("fullUrl").Text(), "the patient is found by its UUID")
	assert.Regexp(t, `^urn:uuid:[0-9a-f]{8}-`, entries.At(1).Get("fullUrl").Text())
	assert.NotContains(t, string(made.Input), "0b2c7f9e")
	assert.Equal(t, "https://example.org/fhir/"+request.Get("requester").Get("reference").Text(), entries.At(2).Get("fullUrl").Text())
	assert.Regexp(t, `^urn:uuid:[0-9a-f]{8}-`, entries.At(3).Get("fullUrl").Text())
	content := request.Get("contained").At(0).Get("content")
	assert.Equal(t, "application/fhir+json", content.At(0).Get("attachment").Get("contentType").Text())
	assert.Equal(t, "application/octet-stream", content.At(1).Get("attachment").Get("contentType").Text())
}
