package mapping

import (
	"fmt"
	"io/fs"
	"strings"
	"testing"
	"testing/fstest"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"refbridge/fhir"
	"refbridge/fhir/fhirpath"
)

const badTable = `object: ClinicalServiceRequest
source: servicerequest
colour: blue
owner: sauce
let:
  source: id
  1st: id
  state: status.frist()
when: "%stat = 'active'"
key: {field: Bridge_Key__c, from: "%source & '.sr.' & id", frm: x}
rows:
  - field: Status
    form: status
    from: status
    values: request-statsu
  - field: Status
    from: status
  - field: Type
    from: "%state"
    transform: uppr
  - field: Priority
    from: priority
    transform: truncate(x)
  - field: PatientId
    from: subject
    lookup: Account.nhsNumber
  - field: RequestCodeId
    from: code
    ref: CodeSetBundel
    default: x
  - field: ReasonCodeId
    from: reasonCode
    ref: CodeSetBundle
  - field: 1abc
  - field: Name
    from:
  - from: id
  - field: StartDate
    from: |
      occurrence.ofType(dateTime)
        .frist()
  - field: EndDate
    from: *anchor
  - field: Bridge_Key__c
    from: id
drop:
  - path: note
gone:
  - {field: Status}
back:
  - dialect: hl7
    changed: Status
    operation: update
  - dialect: ers
    changed: Status
    operation: $ers.rejectReferral
    parameters:
      - name: reason
        from: [Status, Type]
      - name: comment
        system: urn:x
        from: Status
        values: nowhere
        forward: {Status: elsewhere}
`

// lines without the alias, which YAML itself refuses.
func TestEveryFaultOfATableIsReportedAtOnceWithItsPlace(t *testing.T) {
	table := strings.Replace(badTable, "*anchor", "[a b", 1)
	_, err := Load(fstest.MapFS{"bad.yaml": {Data: []byte(table)}}, Options{})
	f := faults(t, err)
	require.Len(t, f, 1, "YAML that cannot be read is one fault")
	assert.Contains(t, f[0].Message, "not YAML")
	assert.NotZero(t, f[0].Line)

	_, err = Load(fstest.MapFS{
		"bad.yaml":   {Data: []byte(strings.Replace(badTable, "*anchor", "&a x", 1))},
		"codes.yaml": {Data: []byte("values:\n  request-status:\n    unlisted: maybe\n    codes:\n      - {code: a, to: A}\n      - {code: a, to: B}\n      - {code: b}\n")},
		"more.yaml":  {Data: []byte("values:\n  request-status: {codes: []}\n")},
		"empty.yaml": {Data: []byte("# nothing\n")},
		"other.yaml": {Data: []byte("object: CodeSetBundle\nsource: ServiceRequest\nkey: {field: K__c, from: id}\nrows: []\n")},
	}, Options{})
	var got strings.Builder
	for _, f := range faults(t, err) {
		assert.Equal(t, TableFault, f.Kind)
		fmt.Fprintln(&got, f)
	}
	golden(t, "testdata/faults.txt", got.String())
}

func TestAliasesAreRefusedWithAWayOut(t *testing.T) {
	_, err := Load(fstest.MapFS{"a.yaml": {Data: []byte("values:\n  a: &x {codes: [{code: a, to: b}]}\n  b: *x\n")}}, Options{})
	assert.Equal(t, "a.yaml:3:6: a value table must be written as name: value pairs (anchors and aliases are not read: write the value out)",
		faults(t, err)[0].String())
}

func TestNoTablesIsAFault(t *testing.T) {
	_, err := Load(fstest.MapFS{"readme.txt": {Data: []byte("x")}}, Options{})
	assert.EqualError(t, err, "there are no tables (the folder must hold *.yaml files)")
}

func TestRecordsThatPointToEachOtherAreAFault(t *testing.T) {
	table := "object: %s\nsource: ServiceRequest\nkey: {field: K__c, from: id}\nrows: [{field: R__c, from: id, ref: %s}]\n"
	_, err := Load(fstest.MapFS{
		"a.yaml": {Data: fmt.Appendf(nil, table, "A__c", "B__c")},
		"b.yaml": {Data: fmt.Appendf(nil, table, "B__c", "A__c")},
	}, Options{})
	assert.Contains(t, err.Error(), "point to each other")
}

func TestANamedValueCannotHideAVariableThatIsThere(t *testing.T) {
	names := append([]string{"fields", "body"}, fhirpath.Reserved()...)
	for _, name := range names {
		_, err := Load(fstest.MapFS{"a.yaml": {Data: []byte("object: X__c\nsource: Basic\nlet:\n  " + name + ": id\n" +
			"key: {field: K__c, from: id}\nrows: [{field: F__c, from: id}]\n")}}, Options{})
		require.Error(t, err)
		assert.Equal(t, "a.yaml:4:3: %"+name+" has a meaning of its own (choose another name)", err.Error())
	}
	assert.Contains(t, names, "sct")
}

func TestWhatARowNamesMustBeThere(t *testing.T) {
	for row, want := range map[string]string{
		"from: []":                "a.yaml:4:28: from is an empty list (write what belongs there, or remove the line)",
		"from: id, transform: []": "a.yaml:4:43: transform is an empty list (write what belongs there, or remove the line)",
		"from: subject, transform: referenceId(Pateint)":  `a.yaml:4:48: "Pateint" is no resource type of R4: did you mean Patient?`,
		"from: subject, transform: referenceId(Quantity)": `a.yaml:4:48: "Quantity" is no resource type of R4: for example referenceId(ServiceRequest)`,
	} {
		_, err := Load(files("a.yaml", "object: X__c\nsource: ServiceRequest\nkey: {field: K__c, from: id}\nrows: [{field: F__c, "+row+"}]\n"), Options{})
		require.Error(t, err, row)
		assert.Equal(t, want, err.Error())
	}
}

func TestAnElementThatTheTypeDoesNotHaveIsRefused(t *testing.T) {
	const head = "object: X__c\nsource: ServiceRequest\nkey: {field: K__c, from: id}\n"
	for table, want := range map[string]string{
		head + "rows:\n  - {field: F__c, from: birthDate}\n":                                                   "a.yaml:5:25: ServiceRequest has no element birthDate",
		head + "rows:\n  - {field: F__c, when: status.exists(), from: [id, subject.name]}\n":                   "a.yaml:5:61: Reference has no element name",
		head + "forEach: note\nrows:\n  - {field: F__c, from: status}\n":                                       "a.yaml:6:25: Annotation has no element status",
		head + "forEach: note\nrows:\n  - {field: F__c, from: \"%resource.birthDate\"}\n":                      "a.yaml:6:36: ServiceRequest has no element birthDate",
		head + "let: {who: subject}\nrows:\n  - {field: F__c, from: \"%who.family\"}\n":                        "a.yaml:6:31: Reference has no element family",
		head + "forEach: subject.resolve().ofType(Patient)\nrows:\n  - {field: F__c, from: priority}\n":        "a.yaml:6:25: Patient has no element priority",
		head + "let: {who: {from: subject, transform: text}}\nrows:\n  - {field: F__c, from: \"%who.type\"}\n": "a.yaml:6:31: a System.String has no elements",
		head + "rows:\n  - {field: F__c, from: occurrenceDateTime}\n":                                          "a.yaml:5:25: ServiceRequest has no element occurrenceDateTime (write occurrence or occurrence.ofType(dateTime))",
	} {
		_, err := Load(files("a.yaml", table), Options{})
		require.Error(t, err, table)
		assert.Contains(t, err.Error(), want)
		set, faults, failed := Read(files("a.yaml", table), Options{})
		require.NoError(t, failed)
		assert.Equal(t, err, error(faults), "a tool is told the same")
		assert.NotEmpty(t, set.Tables()[0].Rows[0].Paths, "and reads the path all the same")
	}
	_, err := Load(files("a.yaml", head+"forEach: subject.resolve()\nrows:\n  - {field: F__c, from: birthDate}\n"), Options{})
	require.NoError(t, err, "a reference may point to anything")
}

func TestAFaultIsShownWhereItStandsInATextOfSeveralLines(t *testing.T) {
	for from, want := range map[string]string{
		">-\n      id\n      | statsu":                 "7:9",
		">-\n      id\n\n        | statsu\n      | id": "8:11",
		"|\n      id // x\n      | statsu":             "7:9",
		"id\n      |  statsu":                          "6:10",
		">-\n      id |\n":                             "6:11",
		"\"id | statsu\"":                              "5:17",
		"'id |\n      statsu'":                         "5:17",
	} {
		_, err := Load(files("a.yaml", "object: X__c\nsource: Task\nrows:\n  - field: F__c\n    from: "+from+"\nkey: {field: K__c, from: id}\n"), Options{})
		require.Error(t, err, from)
		assert.Contains(t, err.Error(), "a.yaml:"+want+": from: ", from)
	}
}

func TestAnyNumberOfRowsAndAnyLengthOfNamesIsRead(t *testing.T) {
	var rows strings.Builder
	for i := range 20_000 {
		fmt.Fprintf(&rows, "  - {field: F%d__c, from: \"%%fields.F%d__c\"}\n", i+1, i)
	}
	set, err := Load(files("a.yaml", "object: X__c\nsource: Basic\nkey: {field: K__c, from: id}\nrows:\n  - {field: F0__c, from: id}\n"+rows.String()), Options{})
	require.NoError(t, err)
	assert.Equal(t, "fields.F20000__c", set.Tables()[0].Results()[20_000])

	names := make([]string, 15_000)
	for i := range names {
		names[i] = fmt.Sprintf("%d%s", i, strings.Repeat("a", 300))
	}
	assert.Empty(t, Nearest(strings.Repeat("a", 300_000), names))
	assert.Equal(t, "did you mean status?", Nearest("statsu", append(names, "status")))
}

func TestWhatStandsAfterASecondDocumentIsAFaultAndNotIgnored(t *testing.T) {
	table, err := fs.ReadFile(Default(), "code-set.yaml")
	require.NoError(t, err)
	_, err = Load(fstest.MapFS{"code-set.yaml": {Data: append(table, "\n---\nrows:\n  - field: Nonsense\n    from: gargle(\n"...)}}, Options{})
	require.ErrorContains(t, err, "a second document, after ---")
}

func TestAFileThatCannotBeReadHidesNoOtherFaultAndBringsNoneOfItsOwn(t *testing.T) {
	tables := fstest.MapFS{
		"values.yaml":   {Data: []byte("values:\n  priority:\n    codes:\n   - {code: a, to: b}\n")},
		"referral.yaml": {Data: []byte("object: A__c\nsource: ServiceRequest\nkey: {field: K__c, from: id}\nrows:\n  - {field: P__c, from: priority, values: priority}\n  - {field: Q__c, form: status}\n")},
	}
	set, faults, err := Read(tables, Options{})
	require.NoError(t, err)
	require.Len(t, faults, 2, "the YAML and the misspelt member, and no value table that is said to be missing: %v", faults)
	require.Contains(t, faults.Error(), "not YAML")
	require.NotContains(t, faults.Error(), "there is no value table")
	_, err = set.Map(Input{})
	require.ErrorAs(t, err, &faults, "tables with faults never run")
}

// readFaults reads tables that stand in one file each.
func readFaults(t *testing.T, tables ...string) []string {
	t.Helper()
	fsys := fstest.MapFS{}
	for i, table := range tables {
		fsys[fmt.Sprintf("%c.yaml", 'a'+i)] = &fstest.MapFile{Data: []byte(table)}
	}
	_, faults, err := Read(fsys, Options{})
	require.NoError(t, err)
	var out []string
	for _, f := range faults {
		out = append(out, f.String())
	}
	return out
}

func TestTwoTablesThatMakeTheSameRecordsDoNotLoad(t *testing.T) {
	const table = "object: A__c\nsource: Patient\n%skey: {field: K__c, from: \"%s\"}\nrows: [{field: F__c, from: gender}]\n"
	plain := fmt.Sprintf(table, "", "id  + '.a'")
	assert.Equal(t, []string{"b.yaml:3:6: a.yaml:3 makes the same records of A__c: they would be held, or lose the fields of one table " +
		"(move the rows into one of the two tables, or give each a when)"}, readFaults(t, plain, fmt.Sprintf(table, "", "id + '.a'")))
	for _, other := range []string{
		fmt.Sprintf(table, "", "id + '.b'"), fmt.Sprintf(table, "forEach: contact\n", "id + '.a'"),
		fmt.Sprintf(table, "when: active\n", "id + '.a'"),
	} {
		assert.Empty(t, readFaults(t, plain, other), other)
	}
	named := func(path string) string { return fmt.Sprintf(table, "let: {no: "+path+"}\n", "%no + '.a'") }
	assert.Len(t, readFaults(t, named("id"), named("id")), 1)
	assert.Empty(t, readFaults(t, named("id"), named("meta.versionId")), "one name, another value")
}

func TestOneMistakeIsOneFault(t *testing.T) {
	const head = "object: A__c\nsource: Patient\nkey: {field: K__c, from: id}\n"
	for table, want := range map[string]string{
		head + "rows: [{field: F__c, from: id, when: activ = true}, {field: F__c, from: gender}]": "no resource has an element activ",
		head + "row: [{field: F__c, from: id}]":                                                   "does not take \"row\"",
		head + "rows: [{field: F__c, from: id}]\nnote: is no list":                                "does not take \"note\"",
		head + "rows: [{feild: F__c, from: id}]":                                                  "does not take \"feild\"",
		head + "rows: [{field: F__c, frm: id}]":                                                   "does not take \"frm\"",
		"objekt" + head[len("object"):] + "rows: [{field: F__c, from: id}]":                       "does not take \"objekt\"",
		head[len("object: A__c\n"):] + "rows: [{field: F__c, from: id, ref: B__c.K__c}]":          "needs \"object\"",
	} {
		got := readFaults(t, table)
		if assert.Len(t, got, 1, "%v", got) {
			assert.Contains(t, got[0], want)
		}
	}
}

func TestEditingATableChangesTheHash(t *testing.T) {
	set := starterTables(t)
	assert.Len(t, set.Hash(), 64)
	other, err := Load(fstest.MapFS{"a.yaml": {Data: []byte("values: {x: {codes: [{code: a, to: b}]}}")}}, Options{})
	require.NoError(t, err)
	assert.NotEqual(t, set.Hash(), other.Hash())
	assert.Equal(t, set.Hash(), starterTables(t).Hash())
}

func FuzzLoad(f *testing.F) {
	f.Add([]byte(badTable))
	for _, name := range []string{"service-request.yaml", "values.yaml", "appointment.yaml", "code-set.yaml"} {
		src, err := starter.ReadFile("tables/" + name)
		if err != nil {
			f.Fatal(err)
		}
		f.Add(src)
	}
	f.Add([]byte("a: [b, &c d, *c]\n---\nx"))
	for _, row := range []string{"from: subject.display, values: v", "from: note.text, transform: utc", "from: note.text.toInteger()", "from: subject, transform: upper",
		"from: \"note.text.replaceMatches('a', note.text)\"", "from: identifier, transform: codingKey", "from: status, values: v"} {
		f.Add([]byte("object: X__c\nsource: ServiceRequest\nforEach: note\nkey: {field: K__c, from: \"%resource.subject.display | text\"}\nrows:\n  - {field: F__c, " + row +
			"}\nvalues: {v: {codes: [{code: a, to: b}]}}\n"))
	}
	f.Add([]byte(bodyTable))
	markers := []string{"Zebedee", "Quillfeather", "9990000018", "999 000 0018", "1962-02-11", "01632960001", "LS1 4AP"}
	planted := resource(f, []byte(`{"resourceType":"ServiceRequest","id":"Quillfeather","status":"active","_status":{"id":"Zebedee"},"intent":"order",
		"subject":{"reference":"Patient/Zebedee","display":"Zebedee","identifier":{"system":"https://fhir.nhs.uk/Id/nhs-number","value":"9990000018"}},
		"identifier":[{"system":"urn:Zebedee Quillfeather","value":"999 000 0018"}],"authoredOn":"1962-02-11T00:00:00Z","occurrenceDateTime":"1962-02-11",
		"note":[{"text":"Zebedee Quillfeather","authorString":"01632960001"},{"text":"LS1 4AP"}],"code":{"text":"Zebedee","coding":[{"display":"Quillfeather"}]},
		"contained":[{"resourceType":"Patient","id":"1","birthDate":"1962-02-11","name":[{"family":"Quillfeather"}],"telecom":[{"value":"01632960001"}]}]}`))
	f.Fuzz(func(t *testing.T, src []byte) {
		set, err := Load(fstest.MapFS{"a.yaml": {Data: src}}, Options{PatientKey: testKey})
		if err == nil {
			_, held := set.Map(Input{Focus: planted, Related: []fhir.Resource{planted}, Variables: map[string]string{"source": "s"}})
			for _, marker := range markers {
				if held != nil && strings.Contains(held.Error(), marker) && !strings.Contains(string(src), marker) {
					t.Fatalf("%s of the resource stands in a message: %v", marker, held)
				}
			}
			return
		}
		for _, x := range faults(t, err) {
			if x.File == "a.yaml" && (x.Line < 1 || x.Column < 1) || x.Message == "" {
				t.Fatalf("a fault without a place: %v", x)
			}
		}
	})
}

func BenchmarkLoad(b *testing.B) {
	for b.Loop() {
		if _, err := Load(Default(), Options{}); err != nil {
			b.Fatal(err)
		}
	}
}
