package mapping

import (
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"refbridge/fhir"
)

// created maps a referral whose Patient has more members, in mode create, at a moment.
func created(t *testing.T, now, more string) (Output, error) {
	t.Helper()
	in := Input{Variables: world("fhir-create-x"), Focus: resource(t, []byte(`{"resourceType":"ServiceRequest","id":"c-1","status":"active",
		"intent":"order","subject":{"reference":"Patient/c"}}`))}
	in.Related = []fhir.Resource{resource(t, []byte(`{"resourceType":"Patient","id":"c"`+more+`}`))}
	var err error
	in.Now, err = time.Parse(time.RFC3339, now)
	require.NoError(t, err)
	return starterTables(t).Map(in)
}

const (
	aNumber = `,"identifier":[{"system":"https://fhir.nhs.uk/Id/nhs-number","value":"9990000018"}]`
	aName   = `,"name":[{"family":"Invented"}]`
	noon    = "2026-12-01T12:00:00Z"
)

// accountField is a field of the Account that is made of a patient; "" where it is null, "held" where nothing is made.
func accountField(t *testing.T, now, field, more string) string {
	t.Helper()
	out, err := created(t, now, more)
	if err != nil {
		return "held"
	}
	return reveal(t, mapped(t, out, "Account").Record, field)
}

func TestFinding_values_O1_OnlyTelecomsOfTodayAreTaken(t *testing.T) {
	for telecom, want := range map[string][4]string{ // mobile, home, other, e-mail
		`{"system":"phone","use":"mobile","value":"07700 900001","period":{"end":"2019"}},{"system":"phone","use":"mobile","value":"07700 900002"}`: {"07700900002", "", "", ""},
		`{"system":"email","use":"old","value":"a@x.example"},{"system":"email","use":"home","value":"b@x.example"}`:                                {"", "", "", "b@x.example"},
		`{"system":"email","value":"a@x.example","period":{"end":"2019-05-05"}}`:                                                                    {"", "", "", ""},
		`{"system":"email","use":"work","value":"w@x.example"},{"system":"email","value":"b@x.example"}`:                                            {"", "", "", "b@x.example"},
		`{"system":"email","use":"work","value":"w@x.example"}`:                                                                                     {"", "", "", "w@x.example"},
		`{"system":"phone","use":"home","rank":2,"value":"01632 960001"},{"system":"phone","use":"home","rank":1,"value":"01632 960002"}`:           {"", "01632960002", "", ""},
		`{"system":"phone","use":"home","value":"01632 960001","period":{"start":"2027"}},{"system":"phone","use":"home","value":"01632 960003"}`:   {"", "01632960003", "", ""},
		`{"system":"phone","value":"01632 960004"}`:                                                                                                 {"", "", "01632960004", ""},
		`{"system":"phone","use":"temp","value":"01632 960005"},{"system":"phone","use":"old","value":"01632 960006"}`:                              {"", "", "01632960005", ""},
		`{"system":"phone","use":"work","value":"01632 960007"}`:                                                                                    {"", "", "", ""},
		`{"system":"phone","use":"mobile"},{"system":"phone","use":"mobile","value":"07700 900009"}`:                                                {"07700900009", "", "", ""},
		`{"system":"phone","use":"mobile","value":"07700 900003","period":{"start":"2020-01-01","end":"2026-12-01"}}`:                               {"07700900003", "", "", ""},
	} {
		for i, field := range []string{"PersonMobilePhone", "PersonHomePhone", "PersonOtherPhone", "PersonEmail"} {
			assert.Equal(t, want[i], accountField(t, noon, field, aNumber+aName+`,"telecom":[`+telecom+`]`), "%s of %s", field, telecom)
		}
	}
	assert.Equal(t, "held", accountField(t, noon, "PersonEmail", aNumber+aName+`,"telecom":[{"system":"email","value":"a@x.example","period":{"end":"soon"}}]`))
}

func TestWhatIsOfTodayGoesByThePlannersClock(t *testing.T) {
	const period = `,"telecom":[{"system":"email","value":"a@x.example","period":{"start":"2026-03-10","end":"2026-06"}}]`
	for now, want := range map[string]string{
		"2026-03-09T23:59:59Z": "", "2026-03-10T00:00:00Z": "a@x.example", "2026-05-01T00:00:00Z": "a@x.example",
		"2026-06-30T22:59:59Z": "a@x.example", "2026-06-30T23:00:00Z": "", // July begins in Britain
	} {
		assert.Equal(t, want, accountField(t, now, "PersonEmail", aNumber+aName+period), now)
	}
}

func TestFinding_inputs_B6_ANameThatIsOverOrNotBegunIsNotTaken(t *testing.T) {
	for names, want := range map[string]string{
		`{"use":"official","family":"Former","period":{"end":"2001"}},{"use":"official","family":"Present"}`:               "Present",
		`{"use":"official","family":"Coming","period":{"start":"2027-01-01"}},{"use":"usual","family":"Present"}`:          "Present",
		`{"use":"official","family":"Present","period":{"start":"2001","end":"2026-12"}},{"use":"usual","family":"Other"}`: "Present",
		`{"use":"maiden","family":"Before"},{"use":"nickname","family":"Present"}`:                                         "Present",
		`{"use":"maiden","family":"Before"}`:                                                                   "Before",
		`{"use":"official","family":"Former","period":{"end":"2026-11-30"}}`:                                   "held",
		`{"use":"official","family":"Coming","period":{"start":"2026-12-02"}},{"use":"old","family":"Former"}`: "held",
		`{"use":"official","family":"X","period":{"end":"30/11/2026"}}`:                                        "held",
	} {
		assert.Equal(t, want, accountField(t, noon, "LastName", aNumber+`,"name":[`+names+`]`), names)
	}
}

func TestFinding_values_O16_SecondGivenNamesAndTitlesAreKept(t *testing.T) {
	name := func(prefix string) string {
		return aNumber + `,"name":[{"family":"X","given":["Ada","Beth","Cleo"],"prefix":["` + prefix + `"]}]`
	}
	assert.Equal(t, "Ada", accountField(t, noon, "FirstName", name("")))
	assert.Equal(t, "Beth Cleo", accountField(t, noon, "MiddleName", name("")))
	for prefix, want := range map[string]string{"MR": "Mr.", "mrs": "Mrs.", "DR.": "Dr.", "Prof": "Prof.", "ms": "Ms.", "Rev": ""} {
		assert.Equal(t, want, accountField(t, noon, "Salutation", name(prefix)), prefix)
	}
}

func TestAnAddressWhosePeriodEndsInTheFutureIsOfToday(t *testing.T) {
	for addresses, want := range map[string]string{
		`{"use":"home","city":"Here","period":{"end":"2027-06"}}`:                                        "Here",
		`{"use":"home","city":"Before","period":{"end":"2020"}},{"use":"home","city":"Here"}`:            "Here",
		`{"use":"old","city":"Before"},{"city":"Here"}`:                                                  "Here",
		`{"use":"home","type":"physical","city":"Visited"},{"use":"home","type":"postal","city":"Here"}`: "Here",
		`{"use":"home","type":"physical","city":"Here"}`:                                                 "Here",
		`{"use":"work","city":"Work"},{"use":"billing","city":"Bill"}`:                                   "",
		`{"use":"home","city":"Coming","period":{"start":"2027"}}`:                                       "",
	} {
		assert.Equal(t, want, accountField(t, noon, "PersonMailingCity", aNumber+aName+`,"address":[`+addresses+`]`), addresses)
	}
}

func TestAnNHSNumberThatIsOldOrOverIsNotThePatients(t *testing.T) {
	const system = `{"system":"https://fhir.nhs.uk/Id/nhs-number",`
	for identifiers, want := range map[string]string{
		system + `"value":"9990000018","use":"old"},` + system + `"value":"9990000026"}`:                "9990000026",
		system + `"value":"9990000018","period":{"end":"2026-11"}},` + system + `"value":"9990000026"}`: "9990000026",
		system + `"value":"9990000018","period":{"end":"2026-12"}},` + system + `"value":"9990000026"}`: "held",
		system + `"value":"9990000018","period":{"start":"2026-12-02"}}`:                                "held",
	} {
		out, err := created(t, noon, `,"identifier":[`+identifiers+`]`+aName)
		if want == "held" {
			assert.True(t, faults(t, err).Has(PatientIdentity), identifiers)
			continue
		}
		require.NoError(t, err, identifiers)
		assert.Equal(t, want, reveal(t, mapped(t, out, "Identifier").Record, "IdValue"))
	}
}

func TestFinding_SEC19_ADisplayOfALocalCodeNamesNoSharedRecord(t *testing.T) {
	for system, want := range map[string]string{"http://snomed.info/sct": "Plain words", "https://fhir.nhs.uk/CodeSystem/x": "Plain words",
		"https://epr.example.nhs.uk/codes": "K-1", "urn:oid:1.2.3": "K-1"} {
		out, err := starterTables(t).Map(aReferral(t, `,"code":{"coding":[{"system":"`+system+`","code":"K-1","display":"Plain words"}]}`))
		require.NoError(t, err)
		assert.Equal(t, want, reveal(t, mapped(t, out, "CodeSet").Record, "Name"), system)
		assert.Equal(t, want, reveal(t, mapped(t, out, "CodeSetBundle").Record, "Name"), system)
	}
}
