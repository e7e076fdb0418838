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
