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
		{"the tables changed", true, false, []string{codeMapping, codePatientIdentity, codeUnknownError, codeData, codeUnknownCode, codeUnreadable,
			codeForeign, codeAmbiguous, codeVersion, codeUnresolved, codeModifier}},
		{"the org changed", false, true, []string{codePermission, codeUnknownError, codeData}},
		{"both", true, true, []string{codeMapping, codePatientIdentity, codePermission, codeUnknownError, codeData, codeUnknownCode, codeUnreadable,
			codeForeign, codeAmbiguous, codeVersion, codeUnresolved, codeModifier}},
	} {
		assert.ElementsMatch(t, c.want, releases(c.tables, c.described), c.name)
	}
}

func TestAHashIsNewsOnlyBesideAnother(t *testing.T) {
	for _, c := range []struct {
		name, before, now string
		want              bool
	}{
		{"never noted", "", "a", false},
		{"the same", "a", "a", false},
		{"another", "a", "b", true},
	} {
		assert.Equal(t, c.want, differs(c.before, c.now), c.name)
	}
}
