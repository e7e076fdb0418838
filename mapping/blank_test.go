package mapping

import (
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"refbridge/fhir"
)

// blankTexts show nothing, each in its own way.
func blankTexts() []string {
	return []string{" ", "   ", `\t`, `\r\n`, "\u00a0", "\u2003\u2009", "\u202f", "\u3000", "\u2028", "\u200b", "\u200b \u200c\u200d", "\u2060",
		"\ufeff", "\u00ad", "\u200e\u200f", "\u180e", "\u2800", "\u3164", "\uffa0", "\u034f", "\ufe0f"}
}

// A required text that shows nothing is a missing one, whatever it is taken through.
func TestFinding_inputs_B21_ARequiredTextThatShowsNothingIsMissing(t *testing.T) {
	for _, blank := range blankTexts() {
		for _, row := range []string{"from: code.text", "from: code\n    transform: text", "from: code.text\n    transform: upper",
			"from: \"code.text + ''\"", "from: \"code.text + ' '\"", "from: code.text\n    transform: truncate(9, cut)",
			"from: contained.name\n    transform: humanName(family)", "from: contained.name\n    transform: humanName(full)"} {
			head := "object: X__c\nsource: ServiceRequest\nkey: {field: K__c, from: id}\nrows:\n  - field: A__c\n    " + row + "\n"
			focus := resource(t, []byte(`{"resourceType":"ServiceRequest","id":"1","code":{"text":"`+blank+`"},
				"contained":[{"resourceType":"Patient","id":"p","name":[{"family":"`+blank+`","given":["`+blank+`"],"text":"`+blank+`"}]}]}`))
			for more, want := range map[string]string{"    required: true\n": "! required-missing", "    required: true\n    default: none\n": "none", "": ""} {
				set, err := Load(files("a.yaml", head+more), Options{})
				require.NoError(t, err)
				out, err := set.Map(Input{Focus: focus, Variables: map[string]string{"source": "s"}})
				if want == "! required-missing" {
					require.Error(t, err, "%q %s", blank, row)
					assert.Equal(t, RequiredMissing, faults(t, err)[0].Kind, "%q %s", blank, row)
					continue
				}
				require.NoError(t, err, "%q %s%s", blank, row, more)
				v, _ := out.Records[0].Record.Get("A__c")
				assert.Equal(t, want, v.Reveal(), "%q %s%s", blank, row, more)
			}
		}
	}
}

func TestFinding_inputs_B21_APatientWithoutAVisibleSurnameIsHeld(t *testing.T) {
	for _, blank := range blankTexts() {
		_, err := created(t, noon, aNumber+`,"name":[{"family":"`+blank+`","given":["Testy"]}]`)
		require.Error(t, err, "%q", blank)
		assert.Equal(t, RequiredMissing, faults(t, err)[0].Kind, "%q", blank)
		assert.Equal(t, "LastName", faults(t, err)[0].Field, "%q", blank)
	}
	_, err := created(t, noon, aNumber+`,"name":[{"family":"\u200bO\u2060Sample"}]`)
	assert.NoError(t, err, "what has no width may stand in a name")
}

// What shows nothing stands for no words: the display of the code is read.
func TestABlankTextGivesWayToTheNextWords(t *testing.T) {
	set, err := Load(files("a.yaml", "object: X__c\nsource: ServiceRequest\nkey: {field: K__c, from: id}\nrows:\n  - {field: A__c, from: code, transform: text}\n"), Options{})
	require.NoError(t, err)
	for code, want := range map[string]string{
		`{"text":" ","coding":[{"display":"Knee"}]}`:                          "Knee",
		`{"text":"\u200b","coding":[{"display":" "},{"display":"Knee"}]}`:     "Knee",
		`{"text":"Hip","coding":[{"display":"Knee"}]}`:                        "Hip",
		`{"text":"\u00a0","coding":[{"display":"\ufeff","code":"K1"}]}`:       "K1",
		`{"text":"\u0001 is a control character and a fault of its own"}`:     "!",
		`{"coding":[{"display":"","code":"K1"},{"display":" ","code":"K2"}]}`: "K1",
	} {
		out, err := set.Map(Input{Focus: resource(t, []byte(`{"resourceType":"ServiceRequest","id":"1","code":`+code+`}`)), Variables: map[string]string{"source": "s"}})
		if want == "!" {
			assert.Error(t, err, code)
			continue
		}
		require.NoError(t, err, code)
		v, _ := out.Records[0].Record.Get("A__c")
		assert.Equal(t, want, v.Reveal(), code)
	}
}

// A comment that e-RS demands is not made of what nobody can read.
func TestFinding_inputs_B21_ACommentThatShowsNothingIsNotSentBack(t *testing.T) {
	const state, comment = "Bridge_Source_State__c", "Bridge_Action_Comment__c"
	for _, blank := range []string{" ", "\u00a0", "\u200b", "\ufeff\n\u2060"} {
		_, err := starterTables(t).Back(Change{Dialect: "ers", Ref: fhir.Reference{Type: "ReferralRequest", ID: "000000070001", Version: "1"},
			Image: recordOf("ClinicalServiceRequest", state, "AWAITING_TRIAGE"),
			Now:   recordOf("ClinicalServiceRequest", state, "AWAITING_TRIAGE", "IsAccepted", "true", comment, blank)})
		require.Error(t, err, "%q", blank)
		assert.Equal(t, RequiredMissing, faults(t, err)[0].Kind, "%q", blank)
	}
}
