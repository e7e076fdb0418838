package mapping

import (
	"strings"
	"testing"
	"testing/fstest"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"refbridge/fhir"
)

const onHoliday = `"modifierExtension":[{"url":"https://epr.example.nhs.uk/not-now","valueBoolean":true}]`

func TestFinding_inputs_B4_AModifierThatNoTableNamesHoldsTheRecord(t *testing.T) {
	set := starterTables(t)
	for more, element := range map[string]string{
		"," + onHoliday: "ServiceRequest.modifierExtension[0]",
		`,"implicitRules":"https://epr.example.nhs.uk/other-rules"`:                                                   "ServiceRequest.implicitRules",
		`,"_implicitRules":{"extension":[{"url":"https://x.example/y","valueBoolean":true}]}`:                         "ServiceRequest._implicitRules",
		`,"modifierExtension":{"url":"https://epr.example.nhs.uk/not-now","valueBoolean":true}`:                       "ServiceRequest.modifierExtension",
		`,"modifierExtension":[{"valueBoolean":true}]`:                                                                "ServiceRequest.modifierExtension[0]",
		`,"\u006dodifierExtension":[{"url":"https://epr.example.nhs.uk/not-now"}]`:                                    "ServiceRequest.modifierExtension[0]",
		`,"extension":[{"url":"https://x.example/z","valueTiming":{"repeat":{},` + onHoliday + `}}]`:                  "ServiceRequest.extension[0].valueTiming.modifierExtension[0]",
		`,"contained":[{"resourceType":"Patient","id":"p",` + onHoliday + `}]`:                                        "ServiceRequest.contained[0].modifierExtension[0]",
		`,"occurrenceTiming":{"modifierExtension":[{"url":"https://x.example/b"}]}`:                                   "ServiceRequest.occurrenceTiming.modifierExtension[0]",
		`,"modifierExtension":[{"url":"https://epr.example.nhs.uk/9990000018","valueBoolean":false}]`:                 "ServiceRequest.modifierExtension[0]",
		`,"meta":{"versionId":"3"},"implicitRules":"Plantedname"`:                                                     "ServiceRequest.implicitRules",
		`,"note":[{"text":"é \u00e9"}],"locationReference":[{"display":"x"}],"implicitRules":"https://x.example/1/2"`: "ServiceRequest.implicitRules",
	} {
		_, err := set.Map(aReferral(t, more))
		require.Error(t, err, more)
		f := faults(t, err)[0]
		assert.Equal(t, UnknownModifier, f.Kind, more)
		assert.Equal(t, element, f.Element, more)
		assert.NotContains(t, err.Error(), "9990000018")
		assert.NotContains(t, err.Error(), "Plantedname")
	}
	for _, more := range []string{"", `,"note":[{"text":"modifierExtension and implicitRules \u0041"}]`, `,"modifierExtension":[]`, `,"extension":[]`} {
		_, err := set.Map(aReferral(t, more))
		assert.NoError(t, err, more)
	}
	_, err := set.Map(anAppointment(t, `,"participant":[{"status":"accepted",`+onHoliday+`}]`))
	assert.Equal(t, UnknownModifier, faults(t, err)[0].Kind)
}

func TestFinding_inputs_B4_AModifierOfThePatientHoldsTheReferral(t *testing.T) {
	in := aReferral(t, "")
	in.Focus = resource(t, []byte(strings.Replace(string(in.Focus.Raw()), `"subject":{`, `"subject":{"reference":"Patient/p",`, 1)))
	patient := `{"resourceType":"Patient","id":"p","identifier":[{"system":"https://fhir.nhs.uk/Id/nhs-number","value":"9990000018"}]`
	in.Related = []fhir.Resource{resource(t, []byte(patient+`}`))}
	_, err := starterTables(t).Map(in)
	require.NoError(t, err)
	in.Resolver, in.Related = nil, []fhir.Resource{resource(t, []byte(patient+`,"link":[{"type":"seealso",`+onHoliday+`}]}`))}
	_, err = starterTables(t).Map(in)
	assert.Equal(t, UnknownModifier, faults(t, err)[0].Kind)
	other := strings.Replace(patient, `"id":"p"`, `"id":"other"`, 1) + `,` + onHoliday + `}`
	in.Resolver, in.Related = nil, []fhir.Resource{resource(t, []byte(patient+`}`)), resource(t, []byte(other))}
	_, err = starterTables(t).Map(in)
	assert.NoError(t, err, "nobody refers to the other patient")
}

func TestATableNamesTheModifiersThatItKnows(t *testing.T) {
	const head = "object: X__c\nsource: ServiceRequest\nkey: {field: K__c, from: id}\nrows:\n  - {field: A__c, from: status}\n"
	const url = "https://epr.example.nhs.uk/not-now"
	for name, c := range map[string]struct {
		table string
		taken bool
	}{
		"under drop":           {head + "drop:\n  - {path: \"modifierExtension.where(url = '" + url + "')\", purpose: x}\n", true},
		"in a row":             {head + "  - {field: B__c, from: \"modifierExtension.where(url = '" + url + "').value\"}\n", true},
		"in the when of a row": {head + "  - {field: B__c, when: \"modifierExtension.where(url = '" + url + "').exists()\", from: id}\n", true},
		"all of them, unnamed": {head + "drop:\n  - {path: modifierExtension, purpose: x}\n", false},
		"another":              {head + "drop:\n  - {path: \"modifierExtension.where(url = '" + url + "-2')\", purpose: x}\n", false},
		"an extension":         {head + "drop:\n  - {path: \"extension('" + url + "')\", purpose: x}\n", false},
	} {
		set, err := Load(fstest.MapFS{"x.yaml": {Data: []byte(c.table)}}, Options{})
		require.NoError(t, err, name)
		_, err = set.Map(aReferral(t, ","+onHoliday))
		assert.Equal(t, c.taken, err == nil, name)
	}
}

// What stands around a resource is about it: a modifier of its entry, or of the Bundle, holds it.
func TestFinding_inputs_B4_AModifierAroundARecordHoldsIt(t *testing.T) {
	const modifier = `"modifierExtension":[{"url":"https://epr.example.nhs.uk/not-now","valueBoolean":true}]`
	request := `"resource":{"resourceType":"ServiceRequest","id":"s","status":"active","intent":"order","subject":{"reference":"Patient/1"}}`
	patient := `"resource":` + someone("1", "9990000018")
	for name, c := range map[string]struct{ bundle, entry, patient, element string }{
		"nothing":                   {"", "", "", ""},
		"the entry":                 {"", modifier + ",", "", "Bundle.entry[0].modifierExtension[0]"},
		"the search of the entry":   {"", `"search":{"mode":"match",` + modifier + `},`, "", "Bundle.entry[0].search.modifierExtension[0]"},
		"the request of the entry":  {"", `"request":{"method":"PUT","url":"x",` + modifier + `},`, "", "Bundle.entry[0].request.modifierExtension[0]"},
		"the entry of its Patient":  {"", "", modifier + ",", "Bundle.entry[1].modifierExtension[0]"},
		"the Bundle":                {modifier + ",", "", "", "Bundle.modifierExtension[0]"},
		"rules of the Bundle":       {`"implicitRules":"https://epr.example.nhs.uk/rules",`, "", "", "Bundle.implicitRules"},
		"rules without a value":     {`"_implicitRules":{"id":"x"},`, "", "", "Bundle._implicitRules"},
		"the link to the next page": {`"link":[{"relation":"next","url":"https://a.example",` + modifier + `}],`, "", "", ""},
		"the Patient of nobody":     {"", "", `"resource":{"resourceType":"Patient","id":"7",` + modifier + `}},{`, ""},
	} {
		r := resource(t, []byte(`{"resourceType":"Bundle","type":"collection",`+c.bundle+`"entry":[{`+c.entry+request+`},{`+c.patient+patient+`}]}`))
		b, _ := BundleOf(r)
		_, err := starterTables(t).Map(Sample{Bundle: b, Variables: map[string]string{"source": "ward"}}.Input(b.Focus[0]))
		if c.element == "" {
			assert.NoError(t, err, name)
			continue
		}
		found := faults(t, err)
		require.Len(t, found, 1, name)
		assert.Equal(t, UnknownModifier, found[0].Kind, name)
		assert.Equal(t, c.element, found[0].Element, name)
	}
}

func TestFinding_inputs_B4_AModifierOfAParticipantsPatientHoldsTheAppointment(t *testing.T) {
	const uuid = "urn:uuid:0d3c1f6e-52a7-4b9a-9c0e-1a2b3c4d5e6f"
	for _, c := range []struct {
		actor, fullURL, typ, id string
		held                    bool
	}{
		{"Patient/p", "https://a.example/r4/Patient/p", "Patient", "p", true},
		{"https://a.example/r4/Patient/p", "https://a.example/r4/Patient/p", "Patient", "p", true},
		{uuid, uuid, "Patient", "p", true},
		{"Patient/p", "https://a.example/r4/Patient/q", "Patient", "q", false},
		{uuid, uuid, "Practitioner", "p", false},
		{"Location/p", "https://a.example/r4/Location/p", "Location", "p", false},
	} {
		appointment := `{"resourceType":"Appointment","id":"a","status":"booked","start":"2026-07-06T09:30:00Z","end":"2026-07-06T09:50:00Z",
			"basedOn":[{"reference":"ServiceRequest/r1"}],"participant":[{"status":"accepted","actor":{"display":"x"}},
			{"status":"accepted","actor":{"reference":"` + c.actor + `"}},{"status":"accepted","actor":{"reference":"` + c.actor + `"}}]}`
		for more, held := range map[string]bool{"": false, "," + onHoliday: c.held} {
			one := `{"resourceType":"` + c.typ + `","id":"` + c.id + `"` + more + `}`
			_, err := bundled(t, entry("https://a.example/r4/Appointment/a", appointment), entry(c.fullURL, one))
			assert.Equal(t, held, err != nil, "%v%s: %v", c, more, err)
			if held {
				assert.Equal(t, "Patient.modifierExtension[0]", faults(t, err)[0].Element)
			}
		}
	}
}

// A ReferralRequest is normalised before it is mapped, and what it came in is lost by that: it is an entry that cannot be read.
func TestAReferralRequestInAModifiedBundleIsNotTaken(t *testing.T) {
	entry := `{"resource":{"resourceType":"ReferralRequest","id":"000000070001"}}`
	c := ContentsOf(resource(t, []byte(`{"resourceType":"Bundle","entry":[`+entry+`]}`)))
	assert.Len(t, c.Sent, 1)
	c = ContentsOf(resource(t, []byte(`{"resourceType":"Bundle","implicitRules":"https://x.example","entry":[`+entry+`]}`)))
	assert.Empty(t, c.Sent)
	require.Len(t, c.Broken, 1)
	assert.ErrorContains(t, c.Broken[0], "modifier")
}
