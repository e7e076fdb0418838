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
