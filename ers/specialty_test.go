package ers

import (
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"refbridge/fhir"
)

func TestFinding_values_O10_TheSpecialtySearchedWithStandsInWhereTheReferralHasNone(t *testing.T) {
	const own = `"specialty":{"coding":[{"system":"https://x.example/s","code":"ENT"}]},`
	search := func(code string) string {
		return `{"resourceType":"Parameters","parameter":[{"name":"postcode","valueString":"LS1"},{"name":"specialty","valueCoding":{"system":"https://x.example/s","code":"` + code + `"}}]}`
	}
	for _, c := range []struct{ own, contained, want string }{
		{"", search("CARDIOLOGY"), "CARDIOLOGY"},
		{"", search("CARDIOLOGY") + "," + search("CARDIOLOGY"), "CARDIOLOGY"},
		{"", search("CARDIOLOGY") + "," + search("UROLOGY"), ""},
		{"", `{"resourceType":"Parameters","parameter":[{"name":"specialty"},{"name":"clinicType","valueCoding":{"code":"HEART_FAILURE"}}]}`, ""},
		{"", search("CARDIOLOGY") + `,{"resourceType":"Parameters","parameter":[{"name":"specialty"}]}`, "CARDIOLOGY"},
		{own, search("CARDIOLOGY"), "ENT"},
		{own, "", "ENT"},
	} {
		r, err := fhir.Parse([]byte(`{"resourceType":"ReferralRequest","id":"000000070011","status":"active","intent":"plan",` + c.own + `"extension":[
			{"url":"https://fhir.nhs.uk/STU3/StructureDefinition/Extension-eRS-ReferralState-1","extension":[{"url":"state","valueCoding":{"code":"NOT_BOOKED"}}]}],
			"subject":{"identifier":{"value":"9990000107"}},"contained":[` + c.contained + `]}`))
		require.NoError(t, err)
		b, err := Normalise(r)
		require.NoError(t, err)
		assert.Equal(t, c.want, b.Focus[0].Root().Get("performerType").Get("coding").At(0).Get("code").Text(), "%s %s", c.own, c.contained)
		for n, why := range Lost(r) {
			assert.False(t, why == "" && strings.HasSuffix(place(n), "valueCoding.code"), "%s: %s", c.contained, place(n))
			assert.False(t, c.own == "" && c.want != "" && place(n) == "ReferralRequest.contained[0].parameter[1].valueCoding.code", "what stands in is not lost")
		}
	}
}

func TestFinding_values_O10_EveryPublishedReferralThatNobodyBookedHasASpecialty(t *testing.T) {
	unbooked := 0
	for name, body := range published(t, "*/responses/*.json") {
		found, err := Referrals(body)
		if err != nil {
			continue
		}
		for _, r := range found {
			b, err := Normalise(r.Resource)
			if err != nil || State(b) != "NOT_BOOKED" || !strings.Contains(string(body), `"specialty"`) {
				continue
			}
			unbooked++
			assert.Equal(t, "CARDIOLOGY", b.Focus[0].Root().Get("performerType").Get("coding").At(0).Get("code").Text(), name)
		}
	}
	assert.GreaterOrEqual(t, unbooked, 9)
}
