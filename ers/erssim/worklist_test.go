package erssim

import (
	"fmt"
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

// item is an entry of a worklist taken apart.
type item struct {
	url    string
	ubrn   string
	fields map[string]any
}

func items(t *testing.T, r reply) []item {
	t.Helper()
	require.Equal(t, http.StatusOK, r.status, "%s", r.body)
	var out []item
	entries, _ := r.json(t)["entry"].([]any)
	for _, e := range entries {
		entry := e.(map[string]any)
		ext := entry["extension"].([]any)[0].(map[string]any)
		it := item{url: ext["url"].(string), fields: map[string]any{}}
		it.ubrn = strings.TrimPrefix(entry["item"].(map[string]any)["reference"].(string), "ReferralRequest/")
		for _, f := range ext["extension"].([]any) {
			field := f.(map[string]any)
			for k, v := range field {
				if k != "url" {
					it.fields[field["url"].(string)] = map[string]any{k: v}
				}
			}
		}
		out = append(out, it)
	}
	return out
}

func TestAFirstPollFindsEveryReferralOfAFreshPopulation(t *testing.T) {
	c := start(t, Options{Referrals: 300, Seed: 1})

	seen := map[string]bool{}
	for _, service := range []string{"21012", "11002"} {
		for _, list := range []string{referralsForReview, slotIssues} {
			for _, it := range items(t, c.worklist(list, service)) {
				assert.False(t, seen[it.ubrn], "%s stands on two lists", it.ubrn)
				seen[it.ubrn] = true
			}
		}
	}

	assert.Len(t, seen, 300)
	assert.Equal(t, 4, c.sim.Report().WorklistCalls)
	assert.Empty(t, c.sim.Report().Violations)
}

func TestReferralsForReviewHasTheShapeOfTheSpecification(t *testing.T) {
	c := start(t, Options{Referrals: 400, Seed: 2, Services: []string{"21012"}})
	r := c.worklist(referralsForReview, "21012")
	list := r.json(t)
	all := items(t, r)

	assert.Equal(t, "List", list["resourceType"])
	assert.Equal(t, "snapshot", list["mode"])
	for _, absent := range []string{"id", "date", "total"} {
		assert.NotContains(t, list, absent)
	}
	assert.Empty(t, r.header.Get("ETag"))
	contained := map[string]bool{}
	for _, x := range list["contained"].([]any) {
		resource := x.(map[string]any)
		id := resource["id"].(string)
		assert.False(t, contained[id], "%s is contained twice", id)
		contained[id] = true
		assert.Contains(t, resource, "identifier")
	}
	share := map[string]int{}
	for _, it := range all {
		assert.Equal(t, "https://fhir.nhs.uk/STU3/StructureDefinition/Extension-eRS-ReferralsforReview-WorkListItem-1", it.url)
		for name := range it.fields {
			share[name]++
		}
		if p, ok := it.fields["patient"]; ok {
			ref := p.(map[string]any)["valueReference"].(map[string]any)["reference"].(string)
			assert.True(t, contained[strings.TrimPrefix(ref, "#")], "%s does not resolve", ref)
		}
		if v, ok := it.fields["referralRequestVersion"]; ok {
			assert.EqualValues(t, c.row(it.ubrn).Version, v.(map[string]any)["valueInteger"])
		}
	}
	assert.Equal(t, len(all)-1, share["patient"], "one has no NHS number")
	for _, sometimes := range []string{"service", "referralRequestVersion", "appointmentStart", "namedClinician"} {
		assert.Positive(t, share[sometimes], sometimes)
		assert.Less(t, share[sometimes], len(all), sometimes)
	}
}

func TestAppointmentSlotIssuesHaveTheirPatientInlineAndNoVersion(t *testing.T) {
	c := start(t, Options{Referrals: 200, Seed: 3, Services: []string{"21012"}})
	r := c.worklist(slotIssues, "21012")

	all := items(t, r)

	require.NotEmpty(t, all)
	assert.NotContains(t, r.json(t), "contained")
	letters := map[string]int{}
	for _, it := range all {
		assert.Contains(t, it.url, "Extension-eRS-AppointmentSlotIssues-WorkListItem-1")
		patient := it.fields["patient"].(map[string]any)["valueReference"].(map[string]any)
		assert.Contains(t, patient["identifier"], "value")
		for _, present := range []string{"ubrnReceived", "patientContactExpected", "reason", "service", "priority", "specialty"} {
			assert.Contains(t, it.fields, present)
		}
		assert.NotContains(t, it.fields, "referralRequestVersion")
		status := it.fields["clinicalInformationStatus"].(map[string]any)["valueCodeableConcept"].(map[string]any)
		letters[status["coding"].([]any)[0].(map[string]any)["code"].(string)]++
	}
	assert.Positive(t, letters["PRESENT"])
	assert.Positive(t, letters["OVERDUE"])
}

func TestEmptyWorklistsComeWithAndWithoutEntry(t *testing.T) {
	c := start(t, Options{})
	assert.NotContains(t, c.worklist(referralsForReview, "21012").json(t), "entry")
	assert.Equal(t, []any{}, c.worklist(slotIssues, "21012").json(t)["entry"])
}

func TestAServiceHasTwoWorklistCallsALondonDayWhicheverTheList(t *testing.T) {
	evening := time.Date(2026, 6, 10, 22, 30, 0, 0, time.UTC) // half past eleven in London
	c := start(t, Options{Referrals: 20, Now: func() time.Time { return evening }})
	require.Equal(t, 200, c.worklist(referralsForReview, "21012").status)
	require.Equal(t, 200, c.worklist(slotIssues, "21012").status)

	third := c.worklist(referralsForReview, "21012")

	assert.Equal(t, http.StatusTooManyRequests, third.status)
	assert.Empty(t, third.body)
	assert.Equal(t, []string{"A008: ration exceeded, service and day 21012 2026-06-10"}, c.sim.Report().Violations)
	assert.Equal(t, 200, c.worklist(slotIssues, "11002").status, "another service has its own two")

	c.sim.Advance(31 * time.Minute) // past midnight in London, not yet in UTC
	c.signIn()
	assert.Equal(t, 200, c.worklist(referralsForReview, "21012").status)
	assert.Equal(t, 4, c.sim.Report().WorklistCalls)
}

func TestAWorklistRequestIsValidated(t *testing.T) {
	c := start(t, Options{Referrals: 20})
	service := serviceFilter("21012")
	indicator := `{"name":"specialtyAssignedIndicator","valueCodeableConcept":{"coding":[{"system":"x","code":"ASSIGNED"}]}}`
	specialty := `{"name":"specialty","valueCodeableConcept":{"coding":[{"system":"x","code":"CARDIOLOGY"}]}}`
	noFamily := strings.ReplaceAll(specialty, "CARDIOLOGY", "ALCHEMY")
	clinician := `{"name":"clinician","valueIdentifier":{"system":"x","value":"555100000001"}}`
	site := `{"name":"location","valueIdentifier":{"system":"x","value":"NOWHERE"}}`
	profile := "eRS-FetchWorklist-Parameters-1"
	for name, tc := range map[string]struct{ body, code string }{
		"no list type":                 {body(profile, service), "MISSING_VALUE"},
		"no service":                   {worklistBody(referralsForReview), "MISSING_VALUE"},
		"a referrer's list":            {worklistBody("AWAITING_BOOKING", service), "INVALID_CODE"},
		"another system of the list":   {strings.Replace(worklistBody(slotIssues, service), "ListSelector-1", "X", 1), "INVALID_VALUE"},
		"a service that is not theirs": {worklistBody(slotIssues, serviceFilter("99999")), "REFERENCE_NOT_FOUND"},
		"a service with letters":       {worklistBody(slotIssues, serviceFilter("21 012")), "INVALID_VALUE"},
		"an unknown parameter":         {worklistBody(slotIssues, service, `{"name":"page","valueString":"2"}`), "UNEXPECTED_FIELD"},
		"a parameter twice":            {worklistBody(slotIssues, service, service), "UNEXPECTED_FIELD"},
		"a parameter without a value":  {worklistBody(slotIssues, `{"name":"service"}`), "MISSING_VALUE"},
		"a value of another type":      {worklistBody(slotIssues, `{"name":"service","valueString":"21012"}`), "UNEXPECTED_FIELD"},
		"a value of another shape":     {worklistBody(slotIssues, `{"name":"service","valueIdentifier":[]}`), "INVALID_FHIR_STRUCTURE"},
		"an unknown member":            {strings.Replace(worklistBody(slotIssues, service), "{", `{"text":1,`, 1), "UNEXPECTED_FIELD"},
		"no profile":                   {`{"resourceType":"Parameters","parameter":[` + service + `]}`, "MISSING_VALUE"},
		"another profile":              {body("eRS-Other-1", service), "INVALID_VALUE"},
		"another resource":             {`{"resourceType":"List"}`, "INVALID_FHIR_STRUCTURE"},
		"parameter is an object":       {strings.Replace(body(profile), "[]", "{}", 1), "INVALID_FHIR_STRUCTURE"},
		"an indicator alone":           {worklistBody(slotIssues, service, indicator), "MISSING_VALUE"},
		"a specialty alone":            {worklistBody(slotIssues, service, specialty), "UNEXPECTED_FIELD"},
		"an unknown specialty":         {worklistBody(slotIssues, service, indicator, noFamily), "REFERENCE_NOT_FOUND"},
		"a clinician alone":            {worklistBody(slotIssues, service, clinician), "UNEXPECTED_FIELD"},
		"an unknown site":              {worklistBody(slotIssues, service, site), "REFERENCE_NOT_FOUND"},
	} {
		t.Run(name, func(t *testing.T) {
			c.do("POST", "/STU3/ReferralRequest/$ers.fetchworklist", tc.body, nil).refused(t, 422, tc.code)
		})
	}
	assert.Zero(t, c.sim.Report().WorklistCalls, "a refused request spends nothing")
	assert.Equal(t, 400, c.do("POST", "/STU3/ReferralRequest/$ers.fetchworklist", "{", nil).status)
	assert.Equal(t, 400, c.do("POST", "/STU3/ReferralRequest/$ers.fetchworklist", "", nil).status)
}

func TestTheOrderOfParametersDoesNotMatterAndFiltersFilter(t *testing.T) {
	c := start(t, Options{Referrals: 200, Seed: 4})
	specialty := func(code string) string {
		return body("eRS-FetchWorklist-Parameters-1", serviceFilter("11002"),
			fmt.Sprintf(`{"name":"specialty","valueCodeableConcept":{"coding":[{"system":"x","code":%q}]}}`, code),
			`{"name":"specialtyAssignedIndicator","valueCodeableConcept":{"coding":[{"system":"x","code":"ASSIGNED"}]}}`,
			`{"name":"listType","valueCodeableConcept":{"coding":[{"code":"REFERRALS_FOR_REVIEW",
				"system":"https://fhir.nhs.uk/STU3/CodeSystem/eRS-ReferralListSelector-1"}]}}`)
	}
	path := "/STU3/ReferralRequest/$ers.fetchworklist"
	assert.NotEmpty(t, items(t, c.do("POST", path, specialty("DERMATOLOGY"), nil)))
	assert.Empty(t, items(t, c.do("POST", path, specialty("CARDIOLOGY"), nil)), "the other service's specialty")
}

func TestAWorklistAboveTenMegabytesFails(t *testing.T) {
	c := start(t, Options{Referrals: 16_000, Services: []string{"21012"}})

	r := c.worklist(referralsForReview, "21012")

	assert.Equal(t, http.StatusBadGateway, r.status)
	assert.Contains(t, r.json(t), "fault")
	assert.Equal(t, 1, c.sim.Report().WorklistCalls, "the call is spent")
}

func TestABookingLeavesTheWorklistWhenItsDayIsOver(t *testing.T) {
	c := start(t, Options{Referrals: 100, Clean: true, Services: []string{"21012"}})
	before := len(items(t, c.worklist(referralsForReview, "21012")))

	c.sim.Advance(70 * 24 * time.Hour)
	c.signIn()

	var triage int
	for _, r := range c.sim.Referrals() {
		if r.State == awaitingTriage || r.State == booked && r.Appointment == "" {
			triage++
		}
	}
	after := len(items(t, c.worklist(referralsForReview, "21012")))
	assert.Equal(t, triage, after, "what has no date stays")
	assert.Less(t, after, before)
}
