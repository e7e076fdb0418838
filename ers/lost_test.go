package ers

import (
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"refbridge/fhir"
)

func TestEveryLossOfThePublishedReferralsHasAReason(t *testing.T) {
	reasons := map[string]bool{}
	for _, operation := range []string{"retrieveReferralRequest", "acceptReferral", "rejectReferral", "recordTriageOutcome", "cancelReferral",
		"createReferral", "createReferralAndSendForTriage"} {
		for name, body := range published(t, operation+"/*/*.json") {
			found, err := Referrals(body)
			require.NoError(t, err, name)
			for _, r := range found {
				for n, why := range Lost(r.Resource) {
					assert.NotEmpty(t, why, "%s: %s", name, place(n))
					reasons[why] = true
				}
			}
		}
	}
	for _, l := range losses() {
		assert.True(t, reasons[l[1]], "%s: no published referral loses it", l[0])
	}
}

func TestWhatERSBeginsToSendIsLostWithoutAReason(t *testing.T) {
	r, err := fhir.Parse([]byte(`{"resourceType":"ReferralRequest","id":"000000070001","status":"active","intent":"plan","newElement":"active",
		"meta":{"versionId":"3","profile":["https://fhir.nhs.uk/x"]},"recipient":[{"reference":"Practitioner/7"}],
		"extension":[{"url":"https://fhir.nhs.uk/STU3/StructureDefinition/Extension-eRS-ReferralState-1","extension":[
				{"url":"state","valueCoding":{"code":"BOOKED"}},{"url":"since","valueDateTime":"2026-01-01"}]},
			{"url":"https://example.org/new","valueCode":"x"},{"url":"https://example.org/odd","valueCode":"x","odd":true}],
		"subject":{"identifier":{"system":"http://fhir.nhs.net/Id/nhs-number","value":"9990000107"}},
		"contained":[{"resourceType":"Parameters","id":"p","parameter":[{"name":"postcode","valueString":"LS1"},{"name":"shoeSize","valueString":"42"}]}]}`))
	require.NoError(t, err)
	lost := map[string]string{}
	for n, why := range Lost(r) {
		lost[place(n)] = why
	}
	parameters := "ReferralRequest.contained[0].parameter"
	for _, unknown := range []string{"ReferralRequest.newElement", "ReferralRequest.recipient[0].reference", "ReferralRequest.extension[0].extension[1].valueDateTime",
		"ReferralRequest.extension[2].valueCode", "ReferralRequest.extension[2].odd", parameters + "[1].valueString"} {
		why, ok := lost[unknown]
		assert.True(t, ok && why == "", unknown)
	}
	assert.NotEmpty(t, lost["ReferralRequest.intent"])
	assert.NotEmpty(t, lost["ReferralRequest.meta.profile[0]"])
	assert.NotEmpty(t, lost[parameters+"[0].valueString"])
	assert.Len(t, lost, 9, "what is taken over, and what only ties the document together, is not lost")

	b, err := Normalise(r)
	require.NoError(t, err)
	var urls []string
	for ext := range b.Focus[0].Root().Get("extension").Items() {
		urls = append(urls, ext.Get("url").Text())
	}
	assert.Equal(t, []string{ExtensionState, "https://example.org/new"}, urls, "a new extension is there for the tables; one that is no extension of R4 is not")
}

// withExtension is a referral that has one extension which nothing here knows.
func withExtension(t *testing.T, ext string) fhir.Resource {
	t.Helper()
	r, err := fhir.Parse([]byte(strings.Replace(referralJSON(), `"extension":[`, `"extension":[`+ext+`,`, 1)))
	require.NoError(t, err)
	return r
}

func copiedOf(t *testing.T, r fhir.Resource) string {
	t.Helper()
	b, err := Normalise(r)
	require.NoError(t, err)
	for ext := range b.Focus[0].Root().Get("extension").Items() {
		if !strings.HasPrefix(ext.Get("url").Text(), "https://fhir.nhs.uk/") && ext.Get("url").Text() != ExtensionDerived {
			return string(ext.AppendRaw(nil))
		}
	}
	return ""
}

func TestAnUnknownExtensionIsCopiedAsItIs(t *testing.T) {
	for _, ext := range []string{
		`{"url":"https://x.example/new","valueString":"a"}`,
		`{"url":"https://x.example/new","valueDecimal":1.00}`,
		`{"url":"https://x.example/new","valueQuantity":{"value":1.50,"unit":"kg"}}`,
		`{"url":"https://x.example/new","extension":[{"url":"a","valueCode":"b"},{"url":"c","valueBoolean":false}]}`,
		`{"url":"https://x.example/new","valueReference":{"reference":"Patient/1","type":"Patient"}}`,
	} {
		r := withExtension(t, ext)
		assert.JSONEq(t, ext, copiedOf(t, r))
		for n, why := range Lost(r) {
			assert.NotEmpty(t, why, "%s: %s", ext, place(n))
		}
	}
}

func TestAnUnknownExtensionThatR4WouldSayOtherwiseIsLostAsAWhole(t *testing.T) {
	for _, ext := range []string{
		`{"url":"https://x.example/new","URL":"https://fhir.nhs.uk/STU3/StructureDefinition/Extension-eRS-ReferralPriority-1","valueString":"a"}`,
		`{"URL":"https://fhir.nhs.uk/STU3/StructureDefinition/Extension-eRS-ReferralPriority-1","url":"https://x.example/new","valueString":"a"}`,
		`{"url":"https://x.example/new","valuestring":"a"}`,
		`{"url":"https://x.example/new","valueCoding":{"Code":"a"}}`,
		`{"url":"https://x.example/new","extension":[{"URL":"a","valueString":"a"}]}`,
		`{"url":"https://x.example/new","_valueString":{"extension":[{"url":"u","valueCode":"x"}]}}`,
		`{"url":"https://x.example/new","valueInteger":12345678901234567890}`,
		`{"url":"https://x.example/new","valueReference":{"reference":"#rdf"}}`,
		`{"url":"https://x.example/new","valueIdentifier":{"assigner":{"reference":"#rdf"},"value":"1"}}`,
		`{"valueString":"no url"}`,
	} {
		r := withExtension(t, ext)
		b, err := Normalise(r)
		require.NoError(t, err, ext)
		for _, part := range []string{"x.example", `"a"`, "#rdf", "no url"} {
			assert.NotContains(t, string(b.Focus[0].Raw()), part, ext)
		}
		lost := false
		for n, why := range Lost(r) {
			lost = lost || why == "" && strings.HasPrefix(place(n), "ReferralRequest.extension[0]")
		}
		assert.True(t, lost, ext)
	}
}
