package ers

import (
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"refbridge/fhir"
)

func review(ubrn, version string) string {
	return `{"extension":[{"url":"https://fhir.nhs.uk/STU3/StructureDefinition/Extension-eRS-ReferralsforReview-WorkListItem-1","extension":[` +
		`{"url":"priority","valueCodeableConcept":{"coding":[{"code":"ROUTINE"}]}},{"url":"patient","valueReference":{"reference":"#Patient-` + nhs + `"}},` +
		`{"url":"unheardOf","valueString":"x"},{"url":"referralRequestVersion","valueInteger":` + version + `}]}],` +
		`"item":{"reference":"ReferralRequest/` + ubrn + `"}}`
}

func slotIssue(ubrn string) string {
	return `{"extension":[{"url":"https://fhir.nhs.uk/STU3/StructureDefinition/Extension-eRS-AppointmentSlotIssues-WorkListItem-1","extension":[` +
		`{"url":"patient","valueReference":{"identifier":{"system":"http://fhir.nhs.net/Id/nhs-number","value":"` + nhs + `"}}},` +
		`{"url":"reason","valueCodeableConcept":{"coding":[{"code":"NO_SLOTS_AT_SERVICE"}]}}]}],"item":{"reference":"ReferralRequest/` + ubrn + `"}}`
}

func list(entries ...string) string {
	return `{"resourceType":"List","status":"current","mode":"snapshot","contained":[{"resourceType":"Patient","id":"Patient-` + nhs + `"}],"entry":[` +
		strings.Join(entries, ",") + `]}`
}

func TestBothWorklistsGiveUBRNsAndReviewsAVersion(t *testing.T) {
	got, err := ReadWorklist([]byte(list(review("000000081234", "12"), slotIssue("000000081235"), slotIssue("000000000001"))))
	require.NoError(t, err)
	require.Len(t, got, 3)
	assert.Equal(t, fhir.Reference{Type: "ReferralRequest", ID: "000000081234", Version: "12"}, got[0].Ref)
	assert.Equal(t, fhir.Reference{Type: "ReferralRequest", ID: "000000081235"}, got[1].Ref)
	assert.Equal(t, fhir.Reference{Type: "ReferralRequest", ID: "000000000001"}, got[2].Ref)
	contained := `"contained":[{"resourceType":"Patient","id":"Patient-` + nhs + `"}],`
	assert.JSONEq(t, `{"resourceType":"List",`+contained+`"entry":[`+review("000000081234", "12")+`]}`, string(got[0].Listed))
	assert.JSONEq(t, `{"resourceType":"List","entry":[`+slotIssue("000000081235")+`]}`, string(got[1].Listed), "nothing that it does not refer to")
}

func TestAnEmptyWorklistIsAnAnswer(t *testing.T) {
	for _, body := range []string{list(), `{"resourceType":"List"}`, `{"resourceType":"List","entry":[]}`} {
		got, err := ReadWorklist([]byte(body))
		require.NoError(t, err)
		assert.Empty(t, got)
	}
}

func TestABadEntryDoesNotHarmItsNeighbours(t *testing.T) {
	got, err := ReadWorklist([]byte(list(
		review("000000081234", "1"),
		`{"item":{"reference":"`+hostile+`"}}`,
		`{"item":{"reference":"Patient/`+nhs+`"}}`,
		`{"item":{"reference":81234}}`,
		review("81234", "1"),
		`{}`, `null`, `"x"`,
		review("000000081235", `"two"`),
		review("000000081236", "-1"),
	)))
	require.NoError(t, err)
	require.Len(t, got, 10)
	assert.NoError(t, got[0].Err)
	for i := 1; i <= 7; i++ {
		require.Error(t, got[i].Err)
		assert.Zero(t, got[i].Ref)
		clean(t, "entry", got[i].Err.Error())
	}
	assert.EqualError(t, got[4].Err, "worklist entry 5: item.reference: not a reference to a ReferralRequest with a UBRN of 12 digits")
	assert.Equal(t, "000000081235", got[8].Ref.ID, "an unreadable version is none")
	assert.Empty(t, got[8].Ref.Version)
	assert.Empty(t, got[9].Ref.Version)
}

func TestFinding_SEC1_AWorklistEntryOfAnotherServerIsNoReferralOfThisOne(t *testing.T) {
	got, err := ReadWorklist([]byte(list(`{"item":{"reference":"https://other.example/STU3/ReferralRequest/000000081234"}}`, review("000000081235", "1"))))
	require.NoError(t, err)
	require.Len(t, got, 2)
	assert.ErrorContains(t, got[0].Err, "absolute URL")
	assert.Zero(t, got[0].Ref)
	assert.NoError(t, got[1].Err)
}

func TestABodyThatIsNoListIsAnError(t *testing.T) {
	for name, body := range map[string]string{
		"cut":     list(review("000000081234", "1"))[:300],
		"text":    hostile,
		"nothing": "",
		"array":   "[]",
		"bundle":  `{"resourceType":"Bundle"}`,
	} {
		_, err := ReadWorklist([]byte(body))
		require.Error(t, err, name)
		clean(t, name, err.Error())
	}
	_, err := ReadWorklist([]byte(outcome("NO_RELATIONSHIP")))
	assert.True(t, refusedWith(t, err).Code("NO_RELATIONSHIP"))
}

func TestReferralsAreFoundInFilesAndAnswers(t *testing.T) {
	for name, world := range map[string]struct {
		body string
		want int
	}{
		"one":                 {referralJSON(), 1},
		"cancel answer":       {`{"resourceType":"Parameters","parameter":[{"name":"updatedReferralRequest","resource":` + referralJSON() + `}]}`, 1},
		"cancel request":      {`{"resourceType":"Parameters","parameter":[{"name":"cancellationReason","valueCoding":{"code":"X"}}]}`, 0},
		"empty parameters":    {`{"resourceType":"Parameters"}`, 0},
		"bundle with another": {`{"resourceType":"Bundle","entry":[{"resource":` + referralJSON() + `},{"resource":{"resourceType":"Patient"}},{},{"resource":` + referralJSON() + `}]}`, 2},
	} {
		got, err := Referrals([]byte(world.body))
		require.NoError(t, err, name)
		require.Len(t, got, world.want, name)
		for _, r := range got {
			assert.Equal(t, referralJSON(), string(r.Raw()), name)
		}
	}
	for _, body := range []string{"", "[]", `{"resourceType":"List"}`, hostile} {
		_, err := Referrals([]byte(body))
		require.Error(t, err)
		clean(t, body, err.Error())
	}
}

func TestAFaultInsideAWrapperIsNamedFromTheReferralOn(t *testing.T) {
	bad := referralJSON(`"`+nhs+`"`, nhs)
	got, err := Referrals([]byte(`{"resourceType":"Bundle","entry":[{"resource":` + referralJSON() + `},{"resource":` + bad + `}]}`))
	require.NoError(t, err)
	_, err = Normalise(got[0].Resource)
	require.NoError(t, err)
	_, err = Normalise(got[1].Resource)
	assert.EqualError(t, err, "normalise: ReferralRequest.subject.identifier.value: a number where a string is expected")
}

func FuzzReadWorklist(f *testing.F) {
	f.Add([]byte(list(review("000000081234", "12"), slotIssue("000000081235"))))
	f.Add([]byte(list()))
	f.Add([]byte(`{"resourceType":"List","entry":{"item":{"reference":"https://x/ReferralRequest/000000081234/_history/3"}}}`))
	f.Add([]byte(outcome("NO_RELATIONSHIP")))
	f.Fuzz(func(t *testing.T, body []byte) {
		entries, err := ReadWorklist(body)
		if err != nil {
			assert.Empty(t, entries)
			return
		}
		for _, e := range entries {
			if e.Err != nil {
				assert.Zero(t, e.Ref)
				continue
			}
			assert.NoError(t, referral(e.Ref))
		}
	})
}
