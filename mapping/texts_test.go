package mapping

import (
	"testing"

	"github.com/stretchr/testify/assert"
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
