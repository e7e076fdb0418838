package bridge

import (
	"errors"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"refbridge/fhir"
	"refbridge/sfdc/sobject"
)

func TestOneFieldIsDecidedByItsOwner(t *testing.T) {
	text, none := sobject.TextValue, sobject.Value{}
	to := func(key string) sobject.Value {
		return sobject.RefValue(sobject.Target{Object: "ClinicalServiceRequest", Field: "Bridge_Key__c"}, key)
	}
	for _, c := range []struct {
		name             string
		field            string
		owner            sobject.Owner
		want, have, last sobject.Value
		remembered       bool
		decision         decision
	}{
		{"source, equal", "Type", sobject.Source, text("a"), text("a"), text("b"), true, leave},
		{"source, it changed", "Type", sobject.Source, text("b"), text("a"), text("a"), true, overwrite},
		{"source, Salesforce changed", "Type", sobject.Source, text("a"), text("b"), text("a"), true, overwrite},
		{"source, cleared", "Type", sobject.Source, none, text("a"), text("a"), true, overwrite},
		{"target, differs", "Run", sobject.TargetSide, text("b"), text("a"), text("a"), true, leave},
		{"latest, equal", "Status", sobject.Latest, text("a"), text("a"), text("x"), true, leave},
		{"latest, the source changed", "Status", sobject.Latest, text("b"), text("a"), text("a"), true, overwrite},
		{"latest, Salesforce changed", "Status", sobject.Latest, text("a"), text("b"), text("a"), true, keepTheirs},
		{"latest, both changed", "Status", sobject.Latest, text("b"), text("c"), text("a"), true, conflict},
		{"latest, nothing remembered, empty", "Status", sobject.Latest, text("b"), none, none, false, overwrite},
		{"latest, nothing remembered, differs", "Status", sobject.Latest, text("b"), text("c"), none, false, conflict},
		{"create-only, equal", "ParentRecordId", sobject.CreateOnly, to("a"), to("a"), to("a"), true, leave},
		{"create-only, the source moved it", "ParentRecordId", sobject.CreateOnly, to("b"), to("a"), to("a"), true, moved},
		{"create-only, a person moved it", "ParentRecordId", sobject.CreateOnly, to("a"), to("b"), to("a"), true, leave},
		{"create-only, both moved it", "ParentRecordId", sobject.CreateOnly, to("b"), to("c"), to("a"), true, moved},
		{"create-only, nothing remembered, differs", "ParentRecordId", sobject.CreateOnly, to("b"), to("a"), none, false, moved},
		{"create-only, a text that the source changed", "Kind__c", sobject.CreateOnly, text("b"), text("a"), text("a"), true, moved},
		{"create-only, the Account of another patient", "PatientId", sobject.CreateOnly, text("b"), text("a"), text("a"), true, otherPatient},
		{"create-only, the patient by their key", "PatientId", sobject.CreateOnly, to("b"), to("a"), to("a"), true, moved},
		{"create-only, nothing remembered, empty", "ParentRecordId", sobject.CreateOnly, to("b"), none, none, false, leave},
		{"create-only, emptied in Salesforce", "ParentRecordId", sobject.CreateOnly, to("a"), none, to("a"), true, leave},
		{"create-only, the source says nothing", "ParentRecordId", sobject.CreateOnly, none, to("a"), to("a"), true, leave},
		{"patient, another Account", "PatientId", sobject.CreateOnly, text("001B"), text("001A"), text("001A"), true, otherPatient},
		{"patient, another Account, nothing remembered", "PatientId", sobject.CreateOnly, text("001B"), text("001A"), none, false, otherPatient},
		{"identity, equal", "PersonBirthdate", sobject.Identity, text("1950-01-01"), text("1950-01-01"), none, false, leave},
		{"identity, empty there", "PersonBirthdate", sobject.Identity, text("1950-01-01"), none, none, false, overwrite},
		{"identity, the source says nothing", "PersonBirthdate", sobject.Identity, none, text("1950-01-01"), none, false, leave},
		{"identity, differs", "PersonBirthdate", sobject.Identity, text("1988-01-01"), text("1950-01-01"), none, false, otherPerson},
		{"identity, the source changed it", "PersonBirthdate", sobject.Identity, text("1988-01-01"), text("1950-01-01"), text("1950-01-01"), true, otherPerson},
		{"identity, the same year alone", "PersonBirthdate", sobject.Identity, sobject.DateValue("1950"), sobject.DateValue("1950-01-01"), none, false, leave},
		{"identity, another month alone", "PersonBirthdate", sobject.Identity, sobject.DateValue("1950-02"), sobject.DateValue("1950-01-01"), none, false, otherPerson},
		{"identity, a year alone, empty there", "PersonBirthdate", sobject.Identity, sobject.DateValue("1950"), none, none, false, leave},
	} {
		got := decide(sobject.Field{Name: c.field, Value: c.want, Owner: c.owner}, c.have, past{image: c.last, known: c.remembered})
		assert.Equal(t, c.decision, got, c.name)
	}
}

func TestAnAppointmentIsForThePatientOfItsReferralOrHeld(t *testing.T) {
	for _, c := range []struct {
		name  string
		named [][]string
		of    string
		known bool
		err   error
		held  bool
	}{
		{"it names nobody", nil, "a", true, nil, false},
		{"the same", [][]string{{"a"}}, "a", true, nil, false},
		{"another", [][]string{{"b"}}, "a", true, nil, true},
		{"one of two is another", [][]string{{"a"}, {"b"}}, "a", true, nil, true},
		{"one person of two numbers, one of which is the referral's", [][]string{{"b", "a"}}, "a", true, nil, false},
		{"the referral is not known: its own reason holds", [][]string{{"b"}}, "", false, nil, false},
		{"a patient without a number", nil, "a", true, errNoNumber, true},
		{"another server's patient", nil, "a", true, fhir.ErrForeign, true},
		{"an ambiguous one, beside the same", [][]string{{"a"}}, "a", true, fhir.ErrAmbiguous, true},
		{"a patient who did not come along", nil, "a", true, fhir.ErrUnresolved, true},
		{"nothing to compare with", nil, "", false, errors.New("x"), false},
	} {
		reason, held := compareNamed(c.named, c.of, c.known, c.err)
		assert.Equal(t, c.held, held, c.name)
		assert.Equal(t, c.held, reason.Code == codeAppointmentPatient, c.name)
	}
}

func TestTwoRecordsOfOneKeyAreOnePersonOrNot(t *testing.T) {
	person := func(born sobject.Value) sobject.Record {
		return sobject.Record{Fields: []sobject.Field{{Name: "LastName", Value: sobject.TextValue("x")},
			{Name: "PersonBirthdate", Value: born, Owner: sobject.Identity}}}
	}
	day := sobject.TextValue
	assert.Empty(t, otherIdentity(person(day("1950-01-01")), person(day("1950-01-01"))))
	assert.Empty(t, otherIdentity(person(sobject.Value{}), person(day("1950-01-01"))), "one of them does not say")
	assert.Equal(t, "PersonBirthdate", otherIdentity(person(day("1950-01-01")), person(day("1988-01-01"))))
}

func TestWhoAParticipantIs(t *testing.T) {
	const nhs = `{"system":"https://fhir.nhs.uk/Id/nhs-number","value":"`
	patient := func(id string, numbers ...string) string {
		out := `{"resourceType":"Patient","id":"` + id + `","identifier":[`
		for i, n := range numbers {
			out += []string{"", ","}[min(i, 1)] + nhs + n + `"}`
		}
		return out + `]}`
	}
	for _, c := range []struct {
		name, actor string
		numbers     []string
		is          bool
		fails       bool
	}{
		{"a clinician", `{"reference":"Practitioner/1"}`, nil, false, false},
		{"nobody that is said", `{"display":"Room 4"}`, nil, false, true},
		{"a reference", `{"reference":"Patient/1"}`, []string{"9990000018"}, true, false},
		{"a number", `{"identifier":` + nhs + `9990000018"}}`, []string{"9990000018"}, true, false},
		{"a placeholder", `{"identifier":` + nhs + `9999999999"}}`, nil, true, true},
		{"a wrong check digit", `{"identifier":` + nhs + `9990000027"}}`, nil, true, true},
		{"a reference and the number of somebody else", `{"reference":"Patient/2","identifier":` + nhs + `9990000018"}}`, nil, true, true},
		{"a reference and the same number", `{"reference":"Patient/1","identifier":` + nhs + `9990000018"}}`, []string{"9990000018"}, true, false},
		{"another server's, with a number", `{"reference":"https://gp.example/fhir/Patient/1","identifier":` + nhs + `9990000018"}}`, []string{"9990000018"}, true, false},
		{"another server's", `{"reference":"https://gp.example/fhir/Patient/1"}`, nil, true, true},
		{"a uuid that leads nowhere", `{"type":"Patient","reference":"urn:uuid:5d1d3c7e-0000-4000-8000-000000000000"}`, nil, true, true},
		{"a contained one that is not there", `{"type":"Patient","reference":"#gone"}`, nil, true, true},
		{"a conditional reference", `{"reference":"Patient?identifier=x"}`, nil, true, true},
		{"a patient without a number", `{"reference":"Patient/3"}`, nil, true, true},
	} {
		appointment, err := fhir.Parse([]byte(`{"resourceType":"Appointment","id":"a","participant":[{"actor":` + c.actor + `}]}`))
		require.NoError(t, err)
		var related []fhir.Resource
		for _, text := range []string{patient("1", "9990000018"), patient("2", "9990000026"), patient("3")} {
			r, err := fhir.Parse([]byte(text))
			require.NoError(t, err)
			related = append(related, r)
		}
		b := fhir.Bundle{Focus: []fhir.Resource{appointment}, Related: related}
		b.Resolver = fhir.NewResolver("https://ward.example/fhir", b.Focus, b.Related)
		numbers, is, err := patientNumbers(b, appointment, appointment.Root().Get("participant").At(0).Get("actor"))
		assert.Equal(t, c.is, is, c.name)
		if c.is {
			assert.Equal(t, c.fails, err != nil, c.name)
			assert.Equal(t, c.numbers, numbers, c.name)
		}
	}
}

func TestWhatSaysWhoSomebodyIsIsComparedAsFarAsBothGo(t *testing.T) {
	day := sobject.DateValue
	for _, c := range []struct {
		name string
		a, b sobject.Value
		same bool
	}{
		{"two days", day("1950-01-01"), day("1950-01-01"), true},
		{"two other days", day("1950-01-01"), day("1950-01-02"), false},
		{"a year and a day in it", day("1950"), day("1950-01-02"), true},
		{"a day and the month that it is in", day("1950-01-02"), day("1950-01"), true},
		{"a day and another month", day("1950-01-02"), day("1950-02"), false},
		{"a month and the year before", day("1950-01"), day("1949"), false},
		{"two texts", sobject.TextValue("19"), sobject.TextValue("1950"), false},
		{"a text and a day", sobject.TextValue("1950"), day("1950-01-01"), false},
	} {
		assert.Equal(t, c.same, sameIdentity(c.a, c.b), c.name)
		assert.Equal(t, c.same, sameIdentity(c.b, c.a), c.name)
	}
}
