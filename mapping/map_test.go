package mapping

import (
	"fmt"
	"strings"
	"testing"
	"testing/fstest"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"refbridge/sfdc/sobject"
)

func TestTwoRecordsWithOneKeyAreOneOnlyWhereTheyAreTheSame(t *testing.T) {
	of := func(owner, sites string) (Output, error) {
		set, err := Load(fstest.MapFS{"x.yaml": {Data: []byte("object: X__c\nsource: ServiceRequest\nforEach: bodySite\n" +
			"key: {field: K__c, from: coding.code}\nrows: [{field: F__c, from: text, owner: " + owner + "}]\n")}}, Options{})
		require.NoError(t, err)
		return set.Map(Input{Focus: resource(t, []byte(`{"resourceType":"ServiceRequest","id":"1","bodySite":[`+sites+`]}`)),
			Variables: map[string]string{"source": "s"}})
	}
	const same = `{"coding":[{"code":"a"}],"text":"knee"},{"coding":[{"code":"a"}],"text":"knee"}`
	const different = `{"coding":[{"code":"a"}],"text":"left knee"},{"coding":[{"code":"a"}],"text":"right knee"}`
	out, err := of("source", same)
	require.NoError(t, err)
	assert.Len(t, out.Records, 1)

	_, err = of("source", different)
	require.Error(t, err)
	assert.Equal(t, "x.yaml:4:6: K__c: two records have this key and differ in F__c, at ServiceRequest.bodySite[1].coding[0].code (make the key of what tells them apart; rows with owner: "+
		"target may differ, the first counts)", err.Error())

	out, err = of("target", different)
	require.NoError(t, err)
	require.Len(t, out.Records, 1)
	assert.Equal(t, "left knee", reveal(t, out.Records[0].Record, "F__c"))
}

func TestRecordsComeParentsFirstAndOnce(t *testing.T) {
	set := starterTables(t)
	for _, name := range []string{"fhir-everything", "fhir-create-patient", "ers-booked-two-week-wait"} {
		out, err := set.Map(input(t, name))
		require.NoError(t, err)
		seen := map[string]bool{}
		for _, m := range out.Records {
			require.Len(t, m.Rules, len(m.Record.Fields))
			for _, f := range m.Record.Fields {
				if f.Value.Kind() == sobject.Ref {
					assert.True(t, seen[f.Value.To().Object+f.Value.Key()], "%s.%s points to a record that comes later", m.Record.Object, f.Name)
				}
			}
			assert.False(t, seen[m.Record.Object+m.Record.Key.Value], "%s comes twice", m.Record.Object)
			seen[m.Record.Object+m.Record.Key.Value] = true
		}
	}
}

func TestOtherResourcesHaveNoTable(t *testing.T) {
	in := input(t, "fhir-everything")
	in.Focus = in.Related[0]
	_, err := starterTables(t).Map(in)
	f := faults(t, err)
	require.Len(t, f, 1)
	assert.Equal(t, "no table reads this resource", f[0].Message)
	assert.Equal(t, "the tables read Appointment, ServiceRequest", f[0].Hint)

	in.Variables = nil
	_, err = starterTables(t).Map(in)
	assert.Equal(t, RequiredMissing, faults(t, err)[0].Kind)
}

func TestASetIsSharedByWorkers(t *testing.T) {
	set := starterTables(t)
	want := print(set.Map(input(t, "fhir-everything")))
	got := make(chan string)
	for range 4 {
		in := input(t, "fhir-everything")
		go func() { got <- print(set.Map(in)) }()
	}
	for range 4 {
		assert.Equal(t, want, <-got)
	}
}

func TestOneRecordCannotTakeForever(t *testing.T) {
	rows := func(n int, from string) string {
		var b strings.Builder
		for i := range n {
			fmt.Fprintf(&b, "  - {field: F%d__c, from: \"%s\"}\n", i, from)
		}
		return b.String()
	}
	lets := "let:\n  a: \"%resource.note.text.join('')\"\n"
	for i := range 20 {
		lets += fmt.Sprintf("  %c: \"%%%c & %%%c\"\n", 'b'+i, 'a'+i, 'a'+i)
	}
	notes := `{"resourceType":"ServiceRequest","id":"1","note":[` + strings.TrimSuffix(strings.Repeat(`{"text":"a note"},`, 1000), ",") + `]}`
	for name, table := range map[string]string{
		"every note for every note": "forEach: note\nkey: {field: K__c, from: \"%source\"}\nrows:\n" +
			rows(60, "%resource.note.select(%resource.note.count()).count().toString()"),
		"all notes again for every note": "forEach: note\nkey: {field: K__c, from: \"%source\"}\nrows:\n" + rows(60, "%resource.note.text.join('')"),
		"a condition for every note":     "forEach: note\nwhen: \"%resource.note.select(%resource.note.count()).count() < 5\"\nkey: {field: K__c, from: \"%source\"}\nrows:\n" + rows(1, "%source"),
		"notes compared":                 "forEach: note\nkey: {field: K__c, from: \"%source\"}\nrows:\n" + rows(60, "(%resource.note | %resource.note.skip(1)).count()"),
		"texts that double":              lets + "forEach: note\nkey: {field: K__c, from: \"%source\"}\nrows:\n" + rows(1, "%i.length()"),
	} {
		set, err := Load(files("a.yaml", "object: X__c\nsource: ServiceRequest\n"+table), Options{})
		require.NoError(t, err)
		_, err = set.Map(Input{Focus: resource(t, []byte(notes)), Variables: map[string]string{"source": "s"}})
		require.Error(t, err, name)
		assert.Contains(t, err.Error(), "the tables need more than 10000000 steps for this record", name)
		out, err := set.Map(Input{Focus: resource(t, []byte(`{"resourceType":"ServiceRequest","id":"1","note":[{"text":"a"}]}`)),
			Variables: map[string]string{"source": "s"}})
		require.NoError(t, err, "%s: the next record has its own", name)
		assert.Len(t, out.Records, 1)
	}
}

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

func BenchmarkMap(b *testing.B) {
	set := starterTables(b)
	in := input(b, "ers-booked-two-week-wait")
	b.ReportAllocs()
	for b.Loop() {
		if _, err := set.Map(in); err != nil {
			b.Fatal(err)
		}
	}
}
