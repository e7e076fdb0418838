package mapping

import (
	"testing"
	"testing/fstest"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

// mapRow maps a small request through one row and gives what the field became, or the fault.
func mapRow(t *testing.T, row, values string) (string, *Fault) {
	t.Helper()
	table := "object: X__c\nsource: ServiceRequest\nlet: {two: identifier.value, first: \"%two.first()\"}\n" +
		"key: {field: K__c, from: \"%source & '.' & id\"}\nrows:\n  - {field: F__c, " + row + "}\nvalues:\n  v:\n" + values
	set, err := Load(fstest.MapFS{"x.yaml": {Data: []byte(table)}}, Options{})
	require.NoError(t, err)
	out, err := set.Map(Input{Variables: map[string]string{"source": "s"}, Focus: resource(t, []byte(`{"resourceType":"ServiceRequest","id":"1",
		"status":"active","_intent":{"extension":[{"url":"http://hl7.org/fhir/StructureDefinition/data-absent-reason","valueCode":"unknown"}]},
		"patientInstruction":"  ","identifier":[{"value":"a"},{"value":"b"}],"doNotPerform":true,
		"code":{"coding":[{"system":"urn:a","code":"1"},{"system":"urn:b","code":"2"}]},"quantityQuantity":{"value":1.50}}`))})
	if err != nil {
		f := faults(t, err)
		require.Len(t, f, 1)
		return "", &f[0]
	}
	if len(out.Records[0].Record.Fields) == 0 {
		return "not written", nil
	}
	return printed(out.Records[0].Record.Fields[0]), nil
}

func TestARowGivesOneValueOrSaysWhyNot(t *testing.T) {
	const plain = "    codes: [{code: active, to: Active}]\n"
	cases := map[string]struct {
		row, values, want string
		fault             FaultKind
	}{
		"text":                             {"from: status", plain, `"active"`, ""},
		"checkbox":                         {"from: doNotPerform", plain, "true", ""},
		"number as written":                {"from: quantity.value", plain, "1.50", ""},
		"computed number":                  {"from: identifier.count()", plain, "2", ""},
		"named value of a named value":     {"from: \"%first\"", plain, `"a"`, ""},
		"two values":                       {"from: \"%two\"", plain, "", BadValue},
		"two values joined":                {"from: \"identifier.value.join('+')\"", plain, `"a+b"`, ""},
		"a structure":                      {"from: code", plain, "", BadValue},
		"the second path":                  {"from: [occurrence.ofType(dateTime), patientInstruction, status]", plain, `"active"`, ""},
		"extensions without a value":       {"from: intent", plain, "null", ""},
		"extensions without a value, utc":  {"from: intent, transform: utc", plain, "null", ""},
		"white space":                      {"from: patientInstruction, required: true", plain, "", RequiredMissing},
		"default":                          {"from: intent, default: Order", plain, `"Order"`, ""},
		"default for a list":               {"from: intent, values: v, default: false", plain, "false", ""},
		"listed":                           {"from: status, values: v", plain, `"Active"`, ""},
		"not listed":                       {"from: id, values: v", plain, "", UnknownCode},
		"not listed, kept":                 {"from: id, values: v", "    unlisted: keep\n" + plain, `"1"`, ""},
		"not listed, none":                 {"from: id, values: v", "    unlisted: none\n" + plain, "null", ""},
		"not listed, none, required":       {"from: id, values: v, required: true", "    unlisted: none\n" + plain, "", RequiredMissing},
		"not listed, another value":        {"from: id, values: v", "    unlisted: {to: Other}\n" + plain, `"Other"`, ""},
		"first listed coding of a concept": {"from: code, values: v", "    codes: [{system: urn:b, code: 2, to: Two}]\n", `"Two"`, ""},
		"coding of another system":         {"from: code, values: v", "    system: urn:c\n    codes: [{code: 1, to: One}]\n", "", UnknownCode},
		"when it holds":                    {"from: id, when: status = 'active'", plain, `"1"`, ""},
		"when it does not":                 {"from: id, when: status = 'draft'", plain, "not written", ""},
		"when there is nothing":            {"from: id, when: intent", plain, "not written", ""},
		"a path that cannot be worked out": {"from: identifier.value.single()", plain, "", BadValue},
	}
	for name, c := range cases {
		t.Run(name, func(t *testing.T) {
			got, fault := mapRow(t, c.row, c.values)
			if c.fault != "" {
				require.NotNil(t, fault)
				assert.Equal(t, c.fault, fault.Kind)
				assert.Equal(t, "F__c", fault.Field)
				assert.Equal(t, "x.yaml", fault.File)
				return
			}
			require.Nil(t, fault)
			assert.Equal(t, c.want, got)
		})
	}
}
