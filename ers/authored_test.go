package ers

import (
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"refbridge/fhir"
)

func TestFinding_values_O21_NothingStandsInForWhenTheReferralWasMade(t *testing.T) {
	for authored, want := range map[string]string{``: ``, `"authoredOn":"2026-05-02T11:00:00Z",`: "2026-05-02T11:00:00Z"} {
		r, err := fhir.Parse([]byte(`{"resourceType":"ReferralRequest","id":"000000070012","status":"active","intent":"plan",` + authored + `"extension":[
			{"url":"https://fhir.nhs.uk/STU3/StructureDefinition/Extension-eRS-ReferralState-1","extension":[{"url":"state","valueCoding":{"code":"BOOKED"}}]},
			{"url":"https://fhir.nhs.uk/STU3/StructureDefinition/Extension-eRS-eReferralPathwayStart-1","valueDateTime":"2026-05-01T10:00:00Z"}],
			"subject":{"identifier":{"value":"9990000107"}}}`))
		require.NoError(t, err)
		b, err := Normalise(r)
		require.NoError(t, err)
		root := b.Focus[0].Root()
		assert.Equal(t, want, root.Get("authoredOn").Text())
		assert.Equal(t, "2026-05-01T10:00:00Z", extension(root, "eReferralPathwayStart").Get("valueDateTime").Text(), "the start of the pathway says what it is")
	}
}
