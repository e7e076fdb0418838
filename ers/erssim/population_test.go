package erssim

import (
	"encoding/json"
	"fmt"
	"regexp"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

func TestThePeopleAreThoseOfTheOtherSimulators(t *testing.T) {
	numbers := nhsNumbers(1000)
	assert.True(t, slices.IsSorted(numbers))
	assert.Equal(t, []string{"9990000018", "9990000026"}, numbers[:2])
	for _, n := range numbers {
		check, ok := checkDigit(n[:9])
		assert.True(t, ok && n[9:] == check && strings.HasPrefix(n, "999"), n)
	}
	c := start(t, Options{Referrals: 100, Clean: true})
	people := c.sim.People()
	assert.Len(t, people, 90, "ninety people for a hundred referrals")
	for i, r := range c.sim.Referrals() {
		assert.Equal(t, numbers[i*7%90], r.NHSNumber)
	}
	assert.Equal(t, Person{N: 89, NHSNumber: numbers[89]}, people[89])
	assert.Empty(t, start(t, Options{}).sim.People())
}

func TestTheTroublesomeReferralsAreWhereOptionsSays(t *testing.T) {
	for _, all := range []bool{false, true} {
		c := start(t, Options{Referrals: 30, AllStates: all})
		rows := c.sim.Referrals()
		assert.Empty(t, rows[5].NHSNumber)
		check, _ := checkDigit(rows[6].NHSNumber[:9])
		assert.NotEqual(t, check, rows[6].NHSNumber[9:])
		assert.NotContains(t, states(), rows[7].State)
		assert.NotContains(t, []string{"ROUTINE", "URGENT", "TWO_WEEK_WAIT"}, rows[8].Priority)
		assert.True(t, rows[9].Sensitive)
		for _, r := range rows[5:10] {
			assert.Equal(t, referralsForReview, r.Worklist)
		}
	}
	for _, o := range []Options{{Referrals: 9}, {Referrals: 30, Clean: true}} {
		for _, r := range start(t, o).sim.Referrals() {
			assert.True(t, r.NHSNumber != "" && !r.Sensitive && slices.Contains(states(), r.State), r.UBRN)
		}
	}
}

func TestAllStatesAreThereWhenAskedFor(t *testing.T) {
	c := start(t, Options{Referrals: 30, AllStates: true})
	seen := c.sim.Report().States
	for _, state := range states() {
		assert.Positive(t, seen[state], state)
	}
}

// deviations are what the published examples do against FHIR, and what they vary; each must occur, none may be always.
func deviations(t *testing.T, r map[string]any, raw string) map[string]bool {
	t.Helper()
	appointment := contained(r, "Appointment")
	out := map[string]bool{
		"supportingInfo []":             strings.Contains(raw, `"supportingInfo":[]`),
		"participant.type an object":    strings.Contains(raw, `"type":{"coding":[{"code":"CON"`),
		"contained meta.versionId":      appointment != nil && appointment["meta"].(map[string]any)["versionId"] != nil,
		"placeholder":                   strings.Contains(raw, "_baseUrl_/STU3/CodeSystem"),
		"placeholder with v1":           strings.Contains(raw, "_baseUrl_/STU3/v1/CodeSystem"),
		"own base URL":                  strings.Contains(raw, "/referrals/FHIR/STU3/CodeSystem/"),
		"old NHS number system":         strings.Contains(raw, "http://fhir.nhs.net/Id/nhs-number"),
		"new NHS number system":         strings.Contains(raw, "https://fhir.nhs.uk/Id/nhs-number"),
		"pathway start an instant":      strings.Contains(raw, `"valueInstant"`),
		"a pending document":            strings.Contains(raw, `"PENDING"`),
		"a document with threats":       strings.Contains(raw, `"THREATS_FOUND"`),
		"an available document":         strings.Contains(raw, `"AVAILABLE"`),
		"a provider document":           strings.Contains(raw, `"PROVIDER"`),
		"additional requirements":       strings.Contains(raw, "PatientAdditionalRequirement"),
		"letter updated":                strings.Contains(raw, "ClinicalInfoLastUpdated"),
		"no letter":                     !strings.Contains(raw, "ClinicalInfoFirstSubmitted"),
		"a related referral":            strings.Contains(raw, `"reference":"ReferralRequest/0000`),
		"from advice and guidance":      strings.Contains(raw, `"reference":"CommunicationRequest/`),
		"another display of a priority": strings.Contains(raw, `"2 Week Wait"`) || strings.Contains(raw, `"display":"urgent"`),
		"no specialty":                  r["specialty"] == nil,
	}
	state, reason, _ := stateOf(t, r)
	out["booked without appointment"] = state == booked && appointment == nil
	out["advice in state triaged"] = state == triaged && reason == withAdvice
	out["cancelled referral, proposed appointment"] = state == cancelledReferral && appointment != nil && appointment["status"] == "proposed"
	out["appointment without reference"] = appointment != nil && !strings.Contains(raw, "Appointment-Reference-1")
	if appointment != nil && appointment["status"] == "booked" {
		out["directly bookable"] = appointment["slot"] != nil
		out["indirectly bookable"] = appointment["slot"] == nil && appointment["start"] == appointment["end"]
	}
	return out
}

func TestEveryDocumentedDeviationOccursAndNoneAlways(t *testing.T) {
	c := start(t, Options{Referrals: 900, Seed: 5, AllStates: true})
	seen, total := map[string]int{}, 0
	for _, row := range c.sim.Referrals() {
		if row.Sensitive {
			continue
		}
		total++
		r := c.referral(row.UBRN)
		for name, occurs := range deviations(t, r.json(t), string(r.body)) {
			if seen[name] += 0; occurs { // names that never occur count too
				seen[name]++
			}
		}
	}
	for name, n := range seen {
		assert.Positive(t, n, name)
		assert.Less(t, n, total, name)
	}
}

func TestEveryReferralHasTheShapeOfTheSpecification(t *testing.T) {
	c := start(t, Options{Referrals: 400, Seed: 6, AllStates: true})
	c.sim.Evolve(Changes{Bookings: 20, Cancellations: 15, TriageOutcomes: 10, NotAttended: 10, InternalBumps: 10})
	for _, row := range c.sim.Referrals() {
		if row.Sensitive {
			continue
		}
		r := c.referral(row.UBRN)
		require.Equal(t, 200, r.status, row.UBRN)
		checkReferral(t, row, r.json(t))
		for _, absent := range []string{"requester", "authoredOn", "lastUpdated", "null", "reasonCode"} {
			assert.NotContains(t, string(r.body), `"`+absent+`"`, row.UBRN)
		}
		assert.NotContains(t, string(r.body), ":null", row.UBRN)
		checkInstants(t, row.UBRN, r.body)
	}
}

func checkReferral(t *testing.T, row Referral, r map[string]any) {
	t.Helper()
	at := row.UBRN + " " + row.State
	assert.Regexp(t, `^[0-9]{12}$`, r["id"], at)
	assert.Equal(t, "plan", r["intent"], at)
	status := "active"
	if row.State == cancelledReferral {
		status = "cancelled"
	}
	assert.Equal(t, status, r["status"], at)
	assert.Equal(t, row.State == notBooked, r["specialty"] == nil, at)
	identifier := r["identifier"].([]any)[0].(map[string]any)
	assert.Regexp(t, `^r\.[0-9a-f]{8}-[0-9a-f]{4}-4[0-9a-f]{3}-[89ab][0-9a-f]{3}-[0-9a-f]{12}$`, identifier["value"], at)
	subject := r["subject"].(map[string]any)
	assert.Len(t, subject, 1, at)
	assert.NotNil(t, subject["identifier"], at)
	urls := map[string]int{}
	for _, e := range r["extension"].([]any) {
		urls[strings.TrimPrefix(e.(map[string]any)["url"].(string), "https://fhir.nhs.uk/STU3/StructureDefinition/Extension-eRS-")]++
	}
	for _, once := range []string{"ReferralPriority-1", "ReferralShortlist-1", "Commissioning-Rule-Org-1", "ReferralState-1"} {
		assert.Equal(t, 1, urls[once], "%s %s", at, once)
	}
	ids := map[string]string{}
	for _, x := range r["contained"].([]any) {
		resource := x.(map[string]any)
		ids["#"+resource["id"].(string)] = resource["resourceType"].(string)
	}
	assert.Equal(t, "Parameters", ids["#serviceSearchCriteria"], at)
	assert.Equal(t, "List", ids["#shortlist"], at)
	assert.Equal(t, urls["Appointment-1"] == 1, ids["#appointment"] == "Appointment", at)
	for _, s := range r["supportingInfo"].([]any) {
		if ref := s.(map[string]any)["reference"].(string); strings.HasPrefix(ref, "#") {
			assert.Equal(t, "DocumentReference", ids[ref], at)
		}
	}
	state, _, _ := stateOf(t, r)
	assert.Equal(t, row.State, state)
	if a := contained(r, "Appointment"); a != nil {
		checkAppointment(t, row, a)
	}
}

// checkAppointment holds the variants of an appointment against the state of its referral.
func checkAppointment(t *testing.T, row Referral, a map[string]any) {
	t.Helper()
	at := row.UBRN + " " + row.State
	status := a["status"].(string)
	allowed := map[string][]string{
		booked: {"booked"}, deferred: {"proposed"}, awaitingTriage: {"proposed"}, triaged: {"proposed"},
		triageResponse: {"proposed"}, rejected: {"cancelled"}, cancelledByPatient: {"cancelled"},
		cancelledByProvider: {"cancelled"}, didNotAttend: {"noshow"}, assessmentResult: {"booked"},
		cancelledReferral: {"cancelled", "proposed"}, "CLINICAL_PRIORITISATION": {"booked"},
	}
	assert.Contains(t, allowed[row.State], status, at)
	hasDate := status == "booked" || status == "noshow"
	assert.Equal(t, hasDate, a["start"] != nil, at)
	assert.Equal(t, hasDate, a["end"] != nil, at)
	if status == "proposed" {
		assert.NotNil(t, a["reason"], at)
	}
	assert.Equal(t, "appointment", a["id"], at)
	participants := a["participant"].([]any)
	assert.GreaterOrEqual(t, len(participants), 2, at)
	for i, p := range participants {
		assert.Equal(t, "accepted", p.(map[string]any)["status"], at)
		assert.Equal(t, i == 2, p.(map[string]any)["type"] != nil, at)
	}
	ref := a["incomingReferral"].([]any)[0].(map[string]any)["reference"].(string)
	assert.Regexp(t, `^ReferralRequest/`+row.UBRN+`/_history/[0-9]+$`, ref)
}

// checkInstants: every instant and dateTime has milliseconds and Z.
func checkInstants(t *testing.T, ubrn string, raw []byte) {
	t.Helper()
	pattern := regexp.MustCompile(`"(?:valueInstant|valueDateTime|start|end|created|indexed)":"([^"]*)"`)
	found := pattern.FindAllSubmatch(raw, -1)
	require.NotEmpty(t, found, ubrn)
	for _, m := range found {
		_, err := time.Parse(instantLayout, string(m[1]))
		assert.NoError(t, err, ubrn)
	}
}

func TestNoUBRNOrNumberIsEverANumberOnTheWire(t *testing.T) {
	c := start(t, Options{Referrals: 12})
	raw := c.referral("000000070001").body
	assert.True(t, json.Valid(raw))
	assert.Contains(t, string(raw), `"id":"000000070001"`)
	for i, r := range c.sim.Referrals() {
		assert.Equal(t, fmt.Sprintf("%012d", 70001+i), r.UBRN)
	}
}
