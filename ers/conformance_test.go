package ers

import (
	"os"
	"path/filepath"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"refbridge/fhir"
)

// published gives NHS's example files of an operation (NHSDigital/e-referrals-service-api, sandbox/src/mocks/stu3).
func published(t *testing.T, pattern string) map[string][]byte {
	t.Helper()
	root := "../../shared/conformance/ers-examples/stu3"
	if _, err := os.Stat(root); err != nil {
		if os.Getenv("CI") != "" {
			t.Fatalf("the published e-RS examples are not at %s", root)
		}
		t.Skipf("the published e-RS examples are not at %s; this test needs them", root)
	}
	files, err := filepath.Glob(filepath.Join(root, pattern))
	require.NoError(t, err)
	require.NotEmpty(t, files, pattern)
	out := map[string][]byte{}
	for _, f := range files {
		body, err := os.ReadFile(f)
		require.NoError(t, err)
		out[f] = body
	}
	return out
}

func TestEveryPublishedReferralNormalises(t *testing.T) {
	for _, operation := range []string{"retrieveReferralRequest", "acceptReferral", "rejectReferral", "recordTriageOutcome", "cancelReferral"} {
		referrals := 0
		for name, body := range published(t, operation+"/*/*.json") {
			found, err := Referrals(body)
			require.NoError(t, err, name)
			isRequest := filepath.Base(filepath.Dir(name)) == "requests"
			assert.Equal(t, isRequest, len(found) == 0, "%s: answers hold a referral, requests none", name)
			for _, r := range found {
				b, err := Normalise(r.Resource)
				require.NoError(t, err, name)
				sound(t, name, b)
				keeps(t, name, r.Resource, b)
				referrals++
			}
		}
		assert.NotZero(t, referrals, operation)
	}
}

// keeps asserts that what a clinician needs is in the result as the source wrote it.
func keeps(t *testing.T, name string, r fhir.Resource, b fhir.Bundle) {
	t.Helper()
	request := b.Focus[0].Root()
	assert.Equal(t, r.ID(), b.Focus[0].ID(), name)
	assert.Equal(t, r.VersionID(), b.Focus[0].VersionID(), name)
	assert.Equal(t, r.Root().Get("subject").Get("identifier").Get("value").Text(),
		request.Get("subject").Get("identifier").Get("value").Text(), name)
	assert.NotEmpty(t, State(b), name)
	for c := range r.Root().Get("contained").Items() {
		if c.Get("resourceType").Text() != "Appointment" {
			continue
		}
		if c.Get("status").Text() == "proposed" {
			task := b.Related[len(b.Related)-1].Root()
			require.Len(t, b.Focus, 1, name)
			require.Equal(t, "Task", task.Get("resourceType").Text(), name)
			assert.Equal(t, c.Get("comment").Text(), task.Get("note").At(0).Get("text").Text(), name)
			continue
		}
		require.Len(t, b.Focus, 2, name)
		assert.Equal(t, c.Get("start").Text(), b.Focus[1].Root().Get("start").Text(), name)
		assert.Equal(t, c.Get("comment").Text(), b.Focus[1].Root().Get("comment").Text(), name)
		assert.Equal(t, c.Get("participant").Len(), b.Focus[1].Root().Get("participant").Len(), name)
	}
}

func TestEveryPublishedWorklistReads(t *testing.T) {
	for name, body := range published(t, "retrieveWorklist/responses/*.json") {
		entries, err := ReadWorklist(body)
		require.NoError(t, err, name)
		assert.NotEmpty(t, entries, name)
		for _, e := range entries {
			assert.NoError(t, e.Err, name)
		}
	}
}

func TestEmptyPublishedListsRead(t *testing.T) {
	for name, body := range published(t, "patientServiceSearch/responses/EmptyResponse.json") {
		entries, err := ReadWorklist(body)
		require.NoError(t, err, name)
		assert.Empty(t, entries, name)
	}
}
