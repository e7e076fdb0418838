package mapping

import (
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

func TestFinding_inputs_B21_NumbersAndBooleansAreThoseOfFHIR(t *testing.T) {
	set := starterTables(t)
	for minutes, want := range map[string]string{
		"45": "45", "4.5e1": "45", "45.00": "45", "1": "1", "2147483647": "2147483647",
		"0": "held", "-45": "held", "45.5": "held", "1.2e29": "held", "2147483648": "held", `"45"`: "held", "true": "held", "1e999999": "held",
	} {
		out, err := set.Map(anAppointment(t, `,"start":"2027-02-03T09:00:00Z","minutesDuration":`+minutes))
		if want == "held" {
			require.Error(t, err, minutes)
			f := faults(t, err)[0]
			assert.Equal(t, [2]string{"bad-value", "Duration"}, [2]string{string(f.Kind), f.Field}, minutes)
			continue
		}
		require.NoError(t, err, minutes)
		assert.Equal(t, want, reveal(t, mapped(t, out, "ServiceAppointment").Record, "Duration"))
	}
	for more, want := range map[string]string{`true`: "true", `false`: "false", `"true"`: "held", `"false"`: "held", `1`: "held", `"no"`: "held"} {
		for member, field := range map[string]string{"doNotPerform": "IsIgnored", "asNeededBoolean": "HasPrerequisites"} {
			out, err := set.Map(aReferral(t, `,"`+member+`":`+more))
			if want == "held" {
				require.Error(t, err, more)
				assert.Equal(t, BadValue, faults(t, err)[0].Kind, more)
				continue
			}
			require.NoError(t, err, more)
			assert.Equal(t, want, reveal(t, mapped(t, out, "ClinicalServiceRequest").Record, field))
		}
	}
}

func TestFinding_inputs_B14_TextsAreWrittenAsSalesforceKeepsThem(t *testing.T) {
	set := starterTables(t)
	out, err := set.Map(aReferral(t, `,"patientInstruction":" \n bring a list\t\n","identifier":[{"system":"https://x.example/n","value":" A 1 "}]`))
	require.NoError(t, err)
	assert.Equal(t, "bring a list", reveal(t, mapped(t, out, "ClinicalServiceRequest").Record, "PatientInstruction"))
	assert.Equal(t, "A 1", reveal(t, mapped(t, out, "Identifier").Record, "IdValue"))
}

func TestFinding_inputs_B21_ControlCharactersAreHeldAndEmptyValuesAreAbsent(t *testing.T) {
	set := starterTables(t)
	for _, text := range []string{`a\u0000b`, `a\u0007`, `\u001bx`, `x\u007f`} {
		_, err := set.Map(aReferral(t, `,"patientInstruction":"`+text+`"`))
		require.Error(t, err, text)
		assert.Equal(t, BadValue, faults(t, err)[0].Kind)
	}
	out, err := set.Map(aReferral(t, `,"patientInstruction":"a\tb\r\nc","identifier":[{"system":"https://x.example/n","value":""},{"value":"  "}]`))
	require.NoError(t, err)
	for _, r := range out.Records {
		assert.NotEqual(t, "Identifier", r.Record.Object)
	}
}

func TestFinding_values_O2_NobodyWhoDiedIsActive(t *testing.T) {
	for more, want := range map[string][3]string{ // IsActive, PersonDeceasedDate, Bridge_Stop_Contact__c
		``:                                      {"true", "", "false"},
		`,"deceasedBoolean":false`:              {"true", "", "false"},
		`,"deceasedBoolean":true`:               {"false", "", "true"},
		`,"deceasedBoolean":true,"active":true`: {"false", "", "true"},
		`,"deceasedDateTime":"2026-06-03"`:      {"false", "2026-06-03T12:00:00.000Z", "true"},
		`,"deceasedDateTime":"2026-01-03","active":true`:  {"false", "2026-01-03T12:00:00.000Z", "true"},
		`,"deceasedDateTime":"2026-06"`:                   {"false", "", "true"},
		`,"deceasedDateTime":"2026-06-03T23:30:00+01:00"`: {"false", "2026-06-03T22:30:00.000Z", "true"},
		`,"active":false`:                                 {"false", "", "false"},
	} {
		out, err := created(t, noon, aNumber+aName+more)
		require.NoError(t, err, more)
		account := mapped(t, out, "Account").Record
		assert.Equal(t, want[0], reveal(t, account, "IsActive"), more)
		assert.Equal(t, want[1], reveal(t, account, "PersonDeceasedDate"), more)
		stop := "unwritten"
		if v, ok := account.Get("Bridge_Stop_Contact__c"); ok {
			stop = v.Reveal()
		}
		assert.Equal(t, want[2], stop, more)
	}
	assert.Equal(t, "held", accountField(t, noon, "IsActive", aNumber+aName+`,"deceasedBoolean":"true"`))
}
