package mapping

import (
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

func TestFinding_values_O15_LettersInATelephoneNumberAreNoExtensionWithoutAMark(t *testing.T) {
	for number, want := range map[string]string{
		"801XXXXX89":              "801XXXXX89",
		"1-800-FLOWERS":           "1-800-FLOWERS",
		"0800 CALL 12":            "0800 CALL 12",
		"01632 960001 x 123":      "01632960001 x 123",
		"01632-960001X7":          "01632960001 X7",
		"+44 1632 960001 EXTN. 9": "01632960001 EXTN. 9",
		"01632 960001 ext":        "01632 960001 ext",
		"01632 960001 x12345678":  "01632 960001 x12345678",
		"01632 960001 x12 or x13": "01632 960001 x12 or x13",
		"01632 960001,5":          "01632960001 5",
		"01632 960001 after 6":    "01632 960001 after 6",
		"01632 960001; 960002 x1": "01632 960001; 960002 x1",
		"tel:7042;isub=1":         "7042;isub=1",
		"x123":                    "x123",
		"":                        "",
	} {
		assert.Equal(t, want, accountField(t, noon, "PersonHomePhone", aNumber+aName+`,"telecom":[{"system":"phone","use":"home","value":"`+number+`"}]`), number)
	}
}

func TestFinding_values_O17_ACountyIsNoState(t *testing.T) {
	for address, want := range map[string][2]string{
		`"district":"Madeupshire","country":"GBR"`:                  {"", "GBR"},
		`"district":"Madeupshire","state":"England","country":"GB"`: {"England", "GB"},
		`"state":"NSW","country":"Australia"`:                       {"NSW", "Australia"},
	} {
		for i, field := range []string{"PersonMailingState", "PersonMailingCountry"} {
			assert.Equal(t, want[i], accountField(t, noon, field, aNumber+aName+`,"address":[{"use":"home",`+address+`}]`), address)
		}
	}
}

func TestFinding_values_O19_AnAppointmentEnteredInErrorWasNotRefused(t *testing.T) {
	set := starterTables(t)
	for status, want := range map[string][3]string{
		"entered-in-error": {"Canceled", "None", "Entered in error at the source"},
		"cancelled":        {"Canceled", "None", "Unwell"},
		"booked":           {"Scheduled", "None", ""},
	} {
		in := anAppointment(t, `,"start":"2027-01-04T10:00:00Z","created":"2026-12-01","cancelationReason":{"text":"Unwell"}`)
		in.Focus = resource(t, []byte(strings.Replace(string(in.Focus.Raw()), `"booked"`, `"`+status+`"`, 1)))
		out, err := set.Map(in)
		require.NoError(t, err)
		record := mapped(t, out, "ServiceAppointment").Record
		for i, field := range []string{"Status", "StatusReason", "CancellationReason"} {
			assert.Equal(t, want[i], reveal(t, record, field), "%s %s", status, field)
		}
	}
	image := recordOf("ServiceAppointment", "Status", "Canceled", "StatusReason", "None")
	for _, now := range []string{"None", "Rejected"} {
		ops, err := set.Back(Change{Dialect: "fhir", Image: image, Now: recordOf("ServiceAppointment", "Status", "Canceled", "StatusReason", now)})
		require.NoError(t, err)
		assert.Empty(t, ops, "the source has it as over either way")
	}
}

func TestFinding_values_O23_WhatIsSaidInWordsAloneArrives(t *testing.T) {
	set := starterTables(t)
	for more, want := range map[string]string{
		`,"code":{"text":"Suspected cancer"},"reasonCode":[{"text":"lump"},{"text":"growing"}],"bodySite":[{"text":"left breast"}]`:              "Suspected cancer\nlump\ngrowing\nleft breast",
		`,"code":{"text":"in a code","coding":[{"system":"http://snomed.info/sct","code":"3457005"}]},"bodySite":[{"text":"left knee"}]`:         "left knee",
		`,"reasonCode":[{"coding":[{"display":"no code"}]},{"text":"both","coding":[{"display":"no code either"}]}]`:                             "no code\nboth\nno code either",
		`,"reasonCode":[{"text":"same"}],"bodySite":[{"text":"same"}]`:                                                                           "same",
		`,"asNeededCodeableConcept":{"text":"if it hurts"},"category":[{"text":"c"}],"performerType":{"text":"p"},"locationCode":[{"text":"l"}]`: "c\np\nl\nif it hurts",
		``: "",
	} {
		out, err := set.Map(aReferral(t, more))
		require.NoError(t, err)
		assert.Equal(t, want, reveal(t, mapped(t, out, "ClinicalServiceRequest").Record, "Bridge_Request_Text__c"), more)
		for _, r := range out.Records {
			assert.False(t, strings.HasPrefix(r.Record.Object, "CodeSet") && !strings.Contains(more, "3457005"), "a text makes no record that patients share")
		}
	}
	_, err := set.Map(aReferral(t, `,"reasonCode":[{"text":"`+strings.Repeat("a", 32001)+`"}]`))
	assert.Equal(t, TooLong, faults(t, err)[0].Kind, "a text is never cut")
}

func TestFinding_values_O21_TheStartOfThePathwayIsNoSignature(t *testing.T) {
	const start = `,"extension":[{"url":"https://fhir.nhs.uk/STU3/StructureDefinition/Extension-eRS-eReferralPathwayStart-1","valueDateTime":"2026-05-01T10:00:00.000Z"}]`
	for more, want := range map[string][2]string{
		start: {"", "2026-05-01T10:00:00.000Z"},
		start + `,"authoredOn":"2026-05-02T11:00:00Z"`: {"2026-05-02T11:00:00.000Z", "2026-05-01T10:00:00.000Z"},
		`,"authoredOn":"2026-05-02T11:00:00Z"`:         {"2026-05-02T11:00:00.000Z", ""},
	} {
		out, err := starterTables(t).Map(aReferral(t, more))
		require.NoError(t, err)
		for i, field := range []string{"DateSigned", "Bridge_Pathway_Start__c"} {
			assert.Equal(t, want[i], reveal(t, mapped(t, out, "ClinicalServiceRequest").Record, field), "%s %s", field, more)
		}
	}
}
