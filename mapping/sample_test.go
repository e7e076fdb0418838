package mapping

import (
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"refbridge/fhir"
)

func TestBundlesAreSortedIntoWhatIsMappedAndTheRest(t *testing.T) {
	b, ok := BundleOf(resource(t, []byte(`{"resourceType":"Bundle","entry":[{"resource":{"resourceType":"Patient","id":"p"}},
		{"resource":{"resourceType":"Appointment","id":"a"}},{"resource":{"resourceType":"ServiceRequest","id":"s"}},{"resource":5}]}`)))
	require.True(t, ok)
	assert.Len(t, b.Focus, 2)
	assert.Len(t, b.Related, 1)
	_, ok = BundleOf(resource(t, []byte(`{"resourceType":"ReferralRequest","id":"1"}`)))
	assert.False(t, ok, "a referral of e-RS is normalised first")
	_, ok = BundleOf(fhir.Resource{})
	assert.False(t, ok)
}
