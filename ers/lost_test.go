package ers

import (
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
				for n, why := range Lost(r) {
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
