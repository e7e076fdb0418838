package bridge

import (
	"testing"

	"github.com/stretchr/testify/assert"
)

func TestWhatAChangeOfTablesOrOrgLetsBeTriedAgain(t *testing.T) {
	for _, c := range []struct {
		name              string
		tables, described bool
		want              []string
	}{
		{"nothing changed", false, false, nil},
		{"the tables changed", true, false, []string{CodeMapping, CodePatientIdentity, codeUnknownError, CodeData, CodeUnknownCode, CodeUnreadable,
			CodeForeign, codeAmbiguous, CodeVersion, CodeUnresolved, CodeModifier}},
		{"the org changed", false, true, []string{CodePermission, codeUnknownError, CodeData}},
		{"both", true, true, []string{CodeMapping, CodePatientIdentity, CodePermission, codeUnknownError, CodeData, CodeUnknownCode, CodeUnreadable,
			CodeForeign, codeAmbiguous, CodeVersion, CodeUnresolved, CodeModifier}},
	} {
		assert.ElementsMatch(t, c.want, Releases(c.tables, c.described), c.name)
	}
}
