package plan

import (
	"errors"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"refbridge/bridge"
	"refbridge/bridge/bridgetest"
	"refbridge/bridge/plan/shelf"
	"refbridge/fhir"
	"refbridge/ledger"
	"refbridge/sfdc"
	"refbridge/sfdc/sobject"
)

// Whether patients can be compared with their Accounts, where the org does not show the fields: a row a case.
func TestAnOrgWithoutBirthDatesIsLinkedTo(t *testing.T) {
	for _, c := range []struct {
		name string
		mode PatientMode
		err  error
		want bool
	}{
		{"no such field", Link, &sfdc.Error{Code: sfdc.CodeField}, true},
		{"no such object", Link, &sfdc.Error{Status: 404}, true},
		{"no such field, where patients are made", CreateMode, &sfdc.Error{Code: sfdc.CodeField}, false},
		{"another refusal", Link, &sfdc.Error{Status: 400, Code: "INVALID_FIELD"}, false},
		{"no answer", Link, errors.New("x"), false},
	} {
		assert.Equal(t, c.want, (&Planner{Policy: Policy{Patient: c.mode}}).without(c.err), c.name)
	}
}

// An appointment is compared with its referral once, and keeps the reason that it was held for before.
func TestWhichAppointmentsAreComparedWithTheirReferral(t *testing.T) {
	const other = `{"actor":{"identifier":{"system":"https://fhir.nhs.uk/Id/nhs-number","value":"9990000026"}}}`
	const wrong = `{"actor":{"identifier":{"system":"https://fhir.nhs.uk/Id/nhs-number","value":"9990000019"}}}`
	p := planner(shelf.New(), t)
	for _, c := range []struct {
		about, typ, participant string
		fate                    ledger.Fate
		code                    string
	}{
		{"for another patient", "Appointment", other, ledger.Pending, codeAppointmentPatient},
		{"of whom nobody can say who it is", "Appointment", wrong, ledger.Pending, codeAppointmentPatient},
		{"it names nobody", "Appointment", `{"actor":{"display":"Synthetic"}}`, ledger.Pending, ""},
		{"held before", "Appointment", other, ledger.Held, "before"},
		{"no appointment", "Encounter", other, ledger.Pending, ""},
	} {
		focus, err := fhir.Parse([]byte(`{"resourceType":"` + c.typ + `","id":"a1","participant":[` + c.participant + `]}`))
		require.NoError(t, err)
		s := &bridge.Step{Bundle: fhir.Bundle{Focus: []fhir.Resource{focus}}, Patient: p.token("9990000018"), Fate: c.fate}
		if c.fate == ledger.Held {
			s.Reason.Code = "before"
		}
		require.NoError(t, p.comparePatients(t.Context(), s, nil))
		assert.Equal(t, c.code, s.Reason.Code, c.about)
	}
}

// Where an Account is of another person, no flag of the Account is set ahead; those of the referral are.
func TestNoFlagOfAnotherPersonsAccountIsSetAhead(t *testing.T) {
	s := &bridge.Step{Fate: ledger.Pending, Stops: []sobject.Record{{Object: "Account"}, {Object: bridgetest.CSRType}},
		Identities: []sobject.Record{{Object: "Account", Fields: []sobject.Field{{Name: "PersonBirthdate", Owner: sobject.Identity, Value: sobject.DateValue("1950-01-01")}}}}}
	samePerson(s, sobject.Record{Fields: []sobject.Field{{Name: "PersonBirthdate", Value: sobject.DateValue("1988-01-01")}}}, bridgetest.Noon())
	assert.Equal(t, codePatientDiffers, s.Reason.Code)
	require.Len(t, s.Stops, 1)
	assert.Equal(t, bridgetest.CSRType, s.Stops[0].Object)
}

// An Account that was there before us is of another person than the source says: a row a case.
func TestAnAccountIsOfThePersonOfTheReferralOrItIsHeld(t *testing.T) {
	for _, c := range []struct {
		name string
		born sobject.Value
		code string
	}{
		{"the same birth date", sobject.DateValue("1950-01-01"), ""},
		{"no birth date", sobject.Value{}, ""},
		{"another birth date", sobject.DateValue("1988-01-01"), codePatientDiffers},
	} {
		s := &bridge.Step{Fate: ledger.Pending, Identities: []sobject.Record{{Object: "Account", Fields: []sobject.Field{
			{Name: "PersonBirthdate", Value: sobject.DateValue("1950-01-01"), Owner: sobject.Identity}}}},
			Stops: []sobject.Record{{Object: "Account"}, {Object: bridgetest.CSRType}}}
		samePerson(s, sobject.Record{Fields: []sobject.Field{{Name: "PersonBirthdate", Value: c.born}}}, bridgetest.Noon())
		assert.Equal(t, c.code, s.Reason.Code, c.name)
		assert.Len(t, s.Stops, map[bool]int{true: 2, false: 1}[c.code == ""], "%s: no flag is set on somebody else", c.name)
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
