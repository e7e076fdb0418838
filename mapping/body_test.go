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

// files makes a folder of tables of texts by name.
func files(texts ...string) fstest.MapFS {
	out := fstest.MapFS{}
	for i := 0; i+1 < len(texts); i += 2 {
		out[texts[i]] = &fstest.MapFile{Data: []byte(texts[i+1])}
	}
	return out
}

const bodyHead = "body: referral\nsource: ServiceRequest\n"

const bodyTable = bodyHead + `rows:
  - {path: patient.fields.LastName, from: subject.display, default: Unknown}
  - {path: referral.fields.Status, from: status, required: true}
  - {path: referral.fields.Priority, when: "%body.referral.fields.Status = 'draft'", default: Low}
  - {path: referral.fields.Priority, from: priority}
  - {path: shouldUseHighConfidenceMatch, from: doNotPerform}
`

func bodyOf(t *testing.T, resourceJSON string, texts ...string) (Body, error) {
	t.Helper()
	set, err := Load(files(texts...), Options{})
	require.NoError(t, err)
	out, err := set.Map(Input{Focus: resource(t, []byte(resourceJSON))})
	if err != nil {
		return Body{}, err
	}
	require.Len(t, out.Bodies, 1)
	return out.Bodies[0], nil
}

func TestABodyHasWhatTheSourceGivesAndNothingEmpty(t *testing.T) {
	got, err := bodyOf(t, `{"resourceType":"ServiceRequest","status":"active","priority":"a\"b","doNotPerform":true}`, "a.yaml", bodyTable)
	require.NoError(t, err)
	assert.Equal(t, "referral", got.Name)
	assert.JSONEq(t, `{"patient":{"fields":{"LastName":"Unknown"}},"referral":{"fields":{"Status":"active","Priority":"a\"b"}},
		"shouldUseHighConfidenceMatch":true}`, string(got.JSON))
	var values []string
	for _, v := range got.Values {
		values = append(values, fmt.Sprintf("%s = %s # %s:%d %s %s", v.Path, v.Value.Reveal(), v.Rule.File, v.Rule.Line, v.Rule.From, v.Rule.SourcePath()))
	}
	assert.Equal(t, []string{
		"patient.fields.LastName = Unknown # a.yaml:4  ",
		"referral.fields.Status = active # a.yaml:5 status ServiceRequest.status",
		`referral.fields.Priority = a"b # a.yaml:7 priority ServiceRequest.priority`,
		"shouldUseHighConfidenceMatch = true # a.yaml:8 doNotPerform ServiceRequest.doNotPerform",
	}, values)

	got, err = bodyOf(t, `{"resourceType":"ServiceRequest","status":"draft","priority":"urgent"}`, "a.yaml", bodyTable)
	require.NoError(t, err)
	assert.JSONEq(t, `{"patient":{"fields":{"LastName":"Unknown"}},"referral":{"fields":{"Status":"draft","Priority":"Low"}}}`, string(got.JSON),
		"a row uses what a row above it gave")
}

func TestListsComeInTheOrderOfFilesAndElements(t *testing.T) {
	performers := bodyHead + "forEach: performer\nmax: 2\nlet: {name: display}\nwhen: \"%name != 'skip'\"\nrows:\n" +
		"  - {path: \"performers[].fields.Name\", from: \"%name\"}\n  - {path: \"performers[].fields.Id\", from: identifier.value}\n"
	detail := func(path, typ string) string {
		return bodyHead + "forEach: " + path + "\nrows:\n  - {path: \"referralDetails[].detailType\", default: " + typ +
			"}\n  - {path: \"referralDetails[].fields.Name\", from: text}\n"
	}
	notes := bodyHead + "forEach: note\nrows:\n  - {path: referralNotes, from: text, join: \" / \"}\n"
	got, err := bodyOf(t, `{"resourceType":"ServiceRequest","status":"active",
		"performer":[{"display":"a"},{"display":"skip"},{"display":"b","identifier":{"value":"2"}},{"display":"c"}],
		"bodySite":[{"text":"knee"}],"reasonCode":[{"text":"pain"},{}],"note":[{"text":"one"},{"text":" "},{"text":"t\"wo"}]}`,
		"a.yaml", bodyTable, "b.yaml", performers, "d1.yaml", detail("reasonCode", "Reason"), "d2.yaml", detail("bodySite", "Site"), "n.yaml", notes)
	require.NoError(t, err)
	assert.JSONEq(t, `{"patient":{"fields":{"LastName":"Unknown"}},"referral":{"fields":{"Status":"active"}},
		"performers":[{"fields":{"Name":"a"}},{"fields":{"Name":"b","Id":"2"}}],
		"referralDetails":[{"detailType":"Reason","fields":{"Name":"pain"}},{"detailType":"Reason"},{"detailType":"Site","fields":{"Name":"knee"}}],
		"referralNotes":"one / t\"wo"}`, string(got.JSON))
	var paths []string
	for _, v := range got.Values {
		paths = append(paths, v.Path)
	}
	assert.Contains(t, paths, "performers[1].fields.Id")
	assert.Contains(t, paths, "referralDetails[2].detailType")
	assert.Contains(t, paths, "referralNotes")
}

func TestWhatTheAPIDoesNotTakeHoldsTheBody(t *testing.T) {
	many := bodyHead + "forEach: performer\nrows:\n  - {path: \"performers[].fields.Name\", from: display}\n"
	six := `{"resourceType":"ServiceRequest","status":"active","performer":[` + strings.Repeat(`{"display":"x"},`, 5) + `{"display":"x"}]}`
	appointment := "body: appointment\nsource: Appointment\nrows:\n  - {path: startDate, from: start, transform: utc}\n  - {path: endDate, from: end}\n" +
		"  - {path: workTypeId, default: 08q}\n  - {path: \"participants[].reference\", default: x}\n  - {path: comment, from: comment}\n"
	root := "body: appointment\nsource: Appointment\nrows:\n  - {path: startDate, from: start, transform: utc}\n  - {path: endDate, from: end, transform: utc}\n" +
		"  - {path: workTypeId, default: 08q}\n  - {path: comment, from: comment}\n"
	participants := "body: appointment\nsource: Appointment\nforEach: participant\nrows:\n  - {path: \"participants[].reference\", from: actor.reference}\n"
	_, err := Load(files("a.yaml", appointment), Options{})
	require.ErrorContains(t, err, "the rows of one table are part of one list, or of none")
	cases := map[string]struct {
		source string
		texts  []string
		kind   FaultKind
		want   string
	}{
		"six performers": {six, []string{"a.yaml", bodyTable, "b.yaml", many}, TooLong, "performers has more than 5 items"},
		"a text for a flag": {`{"resourceType":"ServiceRequest","status":"active","doNotPerform":"yes"}`, []string{"a.yaml", bodyTable}, BadValue,
			"where FHIR has true or false"},
		"nothing required": {`{"resourceType":"ServiceRequest"}`, []string{"a.yaml", bodyTable}, RequiredMissing, "the field must have one"},
		"no start": {`{"resourceType":"Appointment","end":"2026-06-15T10:00:00Z","participant":[{"actor":{"reference":"Patient/1"}}]}`,
			[]string{"a.yaml", root, "b.yaml", participants}, RequiredMissing, "the API needs startDate"},
		"no participant": {`{"resourceType":"Appointment","start":"2026-06-15T10:00:00Z","end":"2026-06-15T10:00:00Z"}`,
			[]string{"a.yaml", root, "b.yaml", participants}, RequiredMissing, "the API needs participants"},
		"a long comment": {`{"resourceType":"Appointment","start":"2026-06-15T10:00:00Z","end":"2026-06-15T10:00:00Z","comment":"` + strings.Repeat("é", 257) +
			`","participant":[{"actor":{"reference":"Patient/1"}}]}`, []string{"a.yaml", root, "b.yaml", participants}, TooLong, "257 characters"},
		"another resource": {`{"resourceType":"Patient"}`, []string{"a.yaml", bodyTable}, TableFault, "no table reads this resource"},
	}
	for name, c := range cases {
		t.Run(name, func(t *testing.T) {
			_, err := bodyOf(t, c.source, c.texts...)
			f := faults(t, err)
			assert.Equal(t, c.kind, f[0].Kind)
			assert.ErrorContains(t, err, c.want)
		})
	}
}

func TestAnAppointmentHasWhatItsSystemNeeds(t *testing.T) {
	const rows = "body: appointment\nsource: Appointment\nrows:\n  - {path: startDate, from: start, transform: utc}\n  - {path: endDate, from: end, transform: utc}\n" +
		"  - {path: workTypeId, from: serviceCategory.text}\n  - {path: sourceSystem, from: description}\n"
	list := func(forEach, path, from string) string {
		return "body: appointment\nsource: Appointment\nforEach: " + forEach + "\nrows:\n  - {path: \"" + path + "\", from: " + from + "}\n"
	}
	tables := []string{"a.yaml", rows, "b.yaml", list("participant", "participants[].reference", "actor.reference"),
		"c.yaml", list("serviceType", "serviceTypes[]", "text"), "d.yaml", list("slot", "slots[].id", "reference")}
	const times = `"start":"2026-06-15T10:00:00+01:00","end":"2026-06-15T09:30:00Z"`
	const people = `,"participant":[{"actor":{"reference":"Patient/1"}},{"actor":{"reference":"Facility/2"}},{"actor":{"reference":"Practitioner/3"}}]`
	const work, system, services, slots = `,"serviceCategory":[{"text":"08q"}]`, `,"description":"EHR"`, `,"serviceType":[{"text":"x"}]`, `,"slot":[{"reference":"Slot/1"}]`
	of := func(members string) (Body, error) {
		return bodyOf(t, `{"resourceType":"Appointment",`+members+`}`, tables...)
	}
	for _, good := range []string{work, work + services, system + services + slots, work + system + slots} {
		got, err := of(times + people + good)
		require.NoError(t, err, good)
		assert.Contains(t, string(got.JSON), `"startDate":"2026-06-15T09:00:00.000Z"`)
	}
	for members, want := range map[string]string{
		people:                     "a.yaml:6:5: workTypeId: the API needs workTypeId or one of appointmentTypes, serviceCategories or serviceTypes, and the source gives none of them",
		people + services + slots:  "a.yaml:7:5: sourceSystem: serviceTypes are of an external system, and the source gives nothing for sourceSystem",
		people + work + slots:      "a.yaml:7:5: sourceSystem: slots are of an external system, and the source gives nothing for sourceSystem",
		people + work + system:     "d.yaml:5:5: slots: an appointment in an external system needs slots, and the source gives none",
		people + system + services: "d.yaml:5:5: slots: an appointment in an external system needs slots, and the source gives none",
		work + `,"participant":[{"actor":{"reference":"Patient/1"}},{"actor":{"reference":"Device/3"}}]`:   "b.yaml:5:5: participants: the API needs a participant Facility/id, and the source gives none",
		work + `,"participant":[{"actor":{"reference":"Facility/1"}},{"actor":{"reference":"Device/3"}}]`:  "b.yaml:5:5: participants: the API needs a participant Patient/id, and the source gives none",
		work + `,"participant":[{"actor":{"reference":"Patient/1"}},{"actor":{"reference":"Facility/2"}}]`: "b.yaml:5:5: participants: the API needs a participant Practitioner/id or Device/id, and the source gives none",
	} {
		_, err := of(times + members)
		require.Error(t, err, members)
		assert.Equal(t, want, err.Error())
	}
}

// What the guide's page of Book Appointment demands of the times, of the participants and of the lists beside a work type.
func TestFinding_values_O12_AnAppointmentIsBookedByTheRulesOfTheAPI(t *testing.T) {
	const head = "body: appointment\nsource: Appointment\n"
	for name, c := range map[string]struct{ start, end, people, rows, lists, fault string }{
		"a practitioner":             {"09:00:00Z", "09:30:00Z", "Practitioner/3", "workTypeId", "", ""},
		"a device":                   {"09:00:00Z", "09:30:00Z", "Device/3", "workTypeId", "", ""},
		"both":                       {"09:00:00Z", "09:30:00Z", "Device/3,Practitioner/4", "workTypeId", "", ""},
		"neither":                    {"09:00:00Z", "09:30:00Z", "RelatedPerson/3", "workTypeId", "", "Practitioner/id or Device/id"},
		"ends when it begins":        {"09:00:00Z", "09:00:00Z", "Device/3", "workTypeId", "", ""},
		"ends before it begins":      {"09:00:00Z", "08:59:59Z", "Device/3", "workTypeId", "", "ends before it begins"},
		"by zone, not by the clock":  {"09:00:00+01:00", "08:30:00Z", "Device/3", "workTypeId", "", ""},
		"before by zone":             {"09:00:00Z", "09:30:00+01:00", "Device/3", "workTypeId", "", "ends before it begins"},
		"specialties beside a type":  {"09:00:00Z", "09:30:00Z", "Device/3", "workTypeId", "specialties", ""},
		"services beside a type":     {"09:00:00Z", "09:30:00Z", "Device/3", "workTypeId", "serviceTypes", ""},
		"services without a system":  {"09:00:00Z", "09:30:00Z", "Device/3", "comment", "serviceTypes", "the body needs sourceSystem"},
		"specialties in no type":     {"09:00:00Z", "09:30:00Z", "Device/3", "comment", "specialties", "the body needs workTypeId"},
		"no fraction after the hour": {"09:00:00.500Z", "09:00:00.499Z", "Device/3", "workTypeId", "", "ends before it begins"},
	} {
		texts := []string{"a.yaml", head + "rows:\n  - {path: startDate, from: start, transform: utc}\n  - {path: endDate, from: end, transform: utc}\n  - {path: " + c.rows + ", from: id}\n",
			"b.yaml", head + "forEach: participant\nrows:\n  - {path: \"participants[].reference\", from: actor.reference}\n"}
		if c.lists != "" {
			texts = append(texts, "c.yaml", head+"forEach: specialty\nrows:\n  - {path: \""+c.lists+"[]\", from: text}\n")
		}
		people := ""
		for who := range strings.SplitSeq("Patient/1,Facility/2,"+c.people, ",") {
			people += `,{"actor":{"reference":"` + who + `"}}`
		}
		set, err := Load(files(texts...), Options{})
		if err == nil {
			_, err = set.Map(Input{Focus: resource(t, []byte(`{"resourceType":"Appointment","id":"1","start":"2026-06-15T`+c.start+`","end":"2026-06-15T`+c.end+
				`","specialty":[{"text":"x"}],"participant":[`+people[1:]+`]}`))})
		}
		if c.fault == "" {
			assert.NoError(t, err, name)
			continue
		}
		assert.ErrorContains(t, err, c.fault, name)
	}
}

func TestARecordOfABodyHasAnIDOrFields(t *testing.T) {
	const rows = bodyHead + "rows:\n  - {path: referral.fields.Status, from: status}\n  - {path: patient.id, when: subject.reference.exists(), from: subject.reference}\n" +
		"  - {path: patient.fields.LastName, from: subject.display}\n"
	const performers = bodyHead + "forEach: performer\nrows:\n  - {path: \"performers[].id\", when: reference.exists(), from: reference}\n" +
		"  - {path: \"performers[].fields.Name\", from: display}\n"
	of := func(subject, performer string) error {
		_, err := bodyOf(t, `{"resourceType":"ServiceRequest","status":"active","subject":`+subject+`,"performer":[`+performer+`]}`,
			"a.yaml", rows, "b.yaml", performers)
		return err
	}
	require.NoError(t, of(`{"reference":"x"}`, `{"reference":"x"},{"display":"y"}`))
	require.ErrorContains(t, of(`{"reference":"x","display":"y"}`, `{"reference":"x"}`), "a.yaml:6:5: a record has an id and fields, the API takes one of the two")
	require.ErrorContains(t, of(`{"reference":"x"}`, `{"reference":"x","display":"y"}`), "b.yaml:5:5: a record has an id and fields, the API takes one of the two")
}

func TestADetailIsOfATypeThatTheAPITakes(t *testing.T) {
	detail := func(more, row string) string {
		return more + bodyHead + "forEach: note\nrows:\n  - {path: \"referralDetails[].detailType\", default: Insurance}\n  - {path: \"referralDetails[].detailRecordType\", " + row + "}\n"
	}
	_, err := Load(files("a.yaml", bodyTable, "b.yaml", detail("", "default: Member Plans")), Options{})
	require.ErrorContains(t, err, `b.yaml:6:5: referralDetails[].detailRecordType cannot be "Member Plans" (did you mean Member Plan? the API takes Care Observation,`)
	_, err = Load(files("a.yaml", bodyTable, "b.yaml", detail("", "from: text, values: v")+"values: {v: {codes: [{code: a, to: Work Type}, {code: b, to: Document}]}}\n"), Options{})
	require.ErrorContains(t, err, `cannot be "Document"`)
	_, err = Load(files("a.yaml", "target: own\n"+bodyTable, "b.yaml", detail("target: own\n", "default: Document")), Options{})
	require.NoError(t, err, "a target of its own has a list of its own")

	_, err = bodyOf(t, `{"resourceType":"ServiceRequest","status":"active","note":[{"text":"Work Type"}]}`, "a.yaml", bodyTable, "b.yaml", detail("", "from: text"))
	require.NoError(t, err)
	_, err = bodyOf(t, `{"resourceType":"ServiceRequest","status":"active","note":[{"text":"ZEBEDEE"}]}`, "a.yaml", bodyTable, "b.yaml", detail("", "from: text"))
	require.ErrorContains(t, err, "the source gives something that the API does not take, at ServiceRequest.note[0].text (it takes Care Observation")
	assert.NotContains(t, err.Error(), "ZEBEDEE")
}

func TestTablesOfABodyAreCheckedAgainstTheAPI(t *testing.T) {
	rows := func(rows ...string) string { return bodyHead + "rows:\n  - " + strings.Join(rows, "\n  - ") + "\n" }
	whole := []string{"{path: patient.id, from: id}", "{path: referral.fields.Status, from: status}"}
	with := func(more ...string) string { return rows(append(whole, more...)...) }
	appointment := "body: appointment\nsource: Appointment\nrows:\n  - {path: startDate, from: start}\n  - {path: endDate, from: end}\n"
	cases := map[string]struct{ table, want string }{
		"unknown member":        {with("{path: pateint.fields.X, from: id}"), "the body has no pateint"},
		"no list":               {with("{path: \"patient[].id\", from: id}"), "patient is no list"},
		"a list":                {with("{path: performers.id, from: id}"), "performers is a list: write performers[]"},
		"neither id nor fields": {with("{path: requester.Name, from: id}"), "requester takes id, or fields.Name"},
		"fields of fields":      {with("{path: requester.fields.A.B, from: id}"), "requester takes id, or fields.Name"},
		"id and fields":         {with("{path: patient.fields.LastName, from: id}"), "patient takes an id or fields, not both"},
		"parts of a text":       {with("{path: referralNotes.text, from: id}"), "referralNotes has no parts"},
		"a flag in quotes":      {with("{path: shouldUseHighConfidenceMatch, default: \"true\"}"), "is true or false"},
		"no patient":            {rows("{path: referral.fields.Status, from: status}"), "the referral body needs patient"},
		"a wrong detail":        {bodyHead + "forEach: note\nrows:\n  - {path: \"referralDetails[].type\", from: id}\n", "an item of referralDetails takes detailType"},
		"a detail without type": {bodyHead + "forEach: note\nrows:\n  - {path: \"referralDetails[].fields.Name\", from: id}\n", "an item of referralDetails needs detailType"},
		"forEach without list":  {bodyHead + "forEach: note\nrows:\n  - {path: referralNotes, from: text}\n", "forEach would give referralNotes several times"},
		"join without forEach":  {with("{path: referralNotes, from: id, join: x}"), "join needs a forEach"},
		"max without forEach":   {bodyHead + "max: 2\n" + strings.TrimPrefix(with(), bodyHead), "max needs a forEach"},
		"max beyond the API":    {bodyHead + "forEach: performer\nmax: 9\nrows:\n  - {path: \"performers[].id\", from: id}\n", "performers takes at most 5"},
		"a member of a record":  {bodyHead + "key: {field: K__c, from: id}\nrows:\n  - {path: patient.id, from: id}\n", "does not take \"key\""},
		"an unknown body":       {"body: booking\nsource: Appointment\nrows: []\n", "body cannot be \"booking\""},
		"twice in two files":    {with("{path: referralNotes, from: id}", "{path: referralNotes, from: id}"), "has its value from line"},
		"no work type":          {appointment, "the body needs workTypeId, or appointmentTypes"},
		"no system":             {appointment + "  - {path: workTypeId, from: id}\n  - {path: \"slots[].id\", from: id}\n", "slots are of an external system"},
		"no slots":              {appointment + "  - {path: workTypeId, from: id}\n  - {path: sourceSystem, default: EHR}\n", "the body needs slots"},
		"not in UTC":            {appointment, "x.yaml:4:5: startDate is an instant in UTC (write transform: utc)"},
		"two of a list":         {bodyHead + "forEach: performer\nrows:\n  - {path: \"performers[].id\", from: id}\n  - {path: \"performers[].fields.Name\", from: id}\n", "performers takes an id or fields, not both"},
		"no participants":       {appointment, "the appointment body needs participants"},
		"a result below":        {rows("{path: referral.fields.Status, from: \"%body.patient.id\"}", "{path: patient.id, from: id}"), "unknown variable %body"},
	}
	for name, c := range cases {
		t.Run(name, func(t *testing.T) {
			_, err := Load(files("x.yaml", c.table), Options{})
			require.ErrorContains(t, err, c.want)
			for _, f := range faults(t, err) {
				assert.Equal(t, "x.yaml", f.File)
				assert.Positive(t, f.Line)
			}
		})
	}
}

func TestAllTablesOfAFolderAreForOneTarget(t *testing.T) {
	record := "object: X__c\nsource: ServiceRequest\nkey: {field: K__c, from: id}\nrows: [{field: F__c, from: id}]\n"
	set, err := Load(files("a.yaml", "target: bench\n"+record, "b.yaml", "target: bench\n"+bodyTable), Options{})
	require.NoError(t, err)
	assert.Equal(t, "bench", set.Target())
	assert.Equal(t, []string{"referral"}, set.BodyNames())
	require.Len(t, set.Objects(), 1)
	_, err = Load(files("a.yaml", record, "b.yaml", "target: bench\n"+bodyTable), Options{})
	require.ErrorContains(t, err, "a.yaml:1:1: the tables are for different targets")
}

func TestAValueTableMayGiveSeveralValuesForACode(t *testing.T) {
	table := func(row string) string {
		return "object: X__c\nsource: ServiceRequest\nkey: {field: K__c, from: id}\nlet:\n  term: {from: code, values: terms.term}\nrows:\n  - {field: F__c, " + row +
			"}\nvalues:\n  terms:\n    system: urn:s\n    columns: [term, group]\n    codes:\n      - {code: 1, to: {term: One, group: true}}\n" +
			"      - {code: 2, to: {term: Two}}\n"
	}
	get := func(row, code string) (string, error) {
		set, err := Load(files("x.yaml", table(row)), Options{})
		if err != nil {
			return "", err
		}
		out, err := set.Map(Input{Variables: map[string]string{"source": "s"}, Focus: resource(t,
			fmt.Appendf(nil, `{"resourceType":"ServiceRequest","id":"1","code":{"coding":[{"system":"urn:s","code":%q}]}}`, code))})
		if err != nil {
			return "", err
		}
		return printed(out.Records[0].Record.Fields[0]), nil
	}
	for _, c := range []struct{ row, code, want string }{
		{"from: code, values: terms.term", "1", `"One"`}, {"from: code, values: terms.group", "1", "true"},
		{"from: code, values: terms.group", "2", "null"}, {"from: \"%term & '!'\"", "2", `"Two!"`},
	} {
		got, err := get(c.row, c.code)
		require.NoError(t, err)
		assert.Equal(t, c.want, got, c.row)
	}
	_, err := get("from: code, values: terms.term", "3")
	assert.ErrorContains(t, err, "code 3 of urn:s is not in value table terms.term")
	for row, want := range map[string]string{
		"from: code, values: terms": "has no column \"\"", "from: code, values: terms.x": "has no column \"x\"", "from: code, values: term.x": "did you mean terms?"} {
		_, err := get(row, "1")
		assert.ErrorContains(t, err, want)
	}
}

func TestARuleTellsWhereAValueComesFrom(t *testing.T) {
	table := "object: X__c\nsource: ServiceRequest\nlet: {second: \"identifier.skip(1).first()\"}\nkey: {field: K__c, from: \"%source & '.' & id\"}\nrows:\n" +
		"  - {field: A__c, from: \"%second.value\"}\n  - {field: B__c, from: \"%fields.A__c & '!'\"}\n  - {field: C__c, from: authoredOn, transform: utc}\n"
	set, err := Load(files("x.yaml", table), Options{})
	require.NoError(t, err)
	out, err := set.Map(Input{Variables: map[string]string{"source": "s"}, Focus: resource(t, []byte(`{"resourceType":"ServiceRequest","id":"1",
		"identifier":[{"value":"a"},{"value":"b"}],"authoredOn":"2026-06-15T10:00:00Z"}`))})
	require.NoError(t, err)
	r := out.Records[0]
	assert.Equal(t, []string{"ServiceRequest.identifier[1].value", "", "ServiceRequest.authoredOn"},
		[]string{r.Rules[0].SourcePath(), r.Rules[1].SourcePath(), r.Rules[2].SourcePath()})
	assert.Equal(t, "b!", reveal(t, r.Record, "B__c"))
	v, _ := r.Record.Get("C__c")
	assert.Equal(t, sobject.DateTime, v.Kind())
}

// TestAJoinOfNumbersOrFlagsIsAText: what two elements give together is no number and no flag any more.
func TestAJoinOfNumbersOrFlagsIsAText(t *testing.T) {
	for _, c := range []struct{ from, first, second, want string }{
		{"value.ofType(Quantity).value", `"valueQuantity":{"value":1}`, `"valueQuantity":{"value":2}`, `"1; 2"`},
		{"value.ofType(boolean)", `"valueBoolean":true`, `"valueBoolean":false`, `"true; false"`},
	} {
		notes := bodyHead + "forEach: extension\nrows:\n  - {path: referralNotes, from: " + c.from + ", join: \"; \", purpose: x}\n"
		source := `{"resourceType":"ServiceRequest","id":"1","extension":[{"url":"u",` + c.first + `},{"url":"u",` + c.second + `}]}`
		b, err := bodyOf(t, source, "a.yaml", bodyHead+"rows:\n  - {path: patient.id, from: id, purpose: x}\n  - {path: referral.id, from: id, purpose: x}\n", "b.yaml", notes)
		require.NoError(t, err)
		assert.Contains(t, string(b.JSON), `"referralNotes":`+c.want)
	}
}

// TestAJoinedTextThatIsTooLongForTheAPIIsHeld: each part fits, the whole does not.
func TestAJoinedTextThatIsTooLongForTheAPIIsHeld(t *testing.T) {
	const head = "body: appointment\nsource: Appointment\n"
	long := strings.Repeat("x", 200)
	_, err := bodyOf(t, `{"resourceType":"Appointment","id":"1","start":"2026-01-01T10:00:00Z","end":"2026-01-01T10:10:00Z","participant":[`+
		`{"actor":{"reference":"Patient/1","display":"`+long+`"}},{"actor":{"reference":"Facility/1","display":"`+long+`"}}]}`,
		"a.yaml", head+"rows:\n  - {path: startDate, from: start, transform: utc, purpose: x}\n  - {path: endDate, from: end, transform: utc, purpose: x}\n  - {path: workTypeId, from: id, purpose: x}\n",
		"b.yaml", head+"forEach: participant\nrows:\n  - {path: comment, from: actor.display, join: \"; \", purpose: x}\n",
		"c.yaml", head+"forEach: participant\nrows:\n  - {path: \"participants[].reference\", from: actor.reference, purpose: x}\n")
	assert.ErrorContains(t, err, "the text has 402 characters, the field takes 256")
}
