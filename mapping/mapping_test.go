package mapping

import (
	"encoding/json"
	"flag"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"testing/fstest"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"refbridge/fhir"
	"refbridge/sfdc/sobject"
)

var update = flag.Bool("update", false, "write what the tables give now into testdata/golden")

// testKey stands for the keyed hash of an NHS number: the tests see that it is used, and that the number is not.
func testKey(n fhir.NHSNumber) string { return "k" + n.Reveal()[8:] }

func starterTables(t testing.TB) *Set {
	t.Helper()
	s, err := Load(Default(), Options{PatientKey: testKey})
	require.NoError(t, err)
	return s
}

// input reads a bundle: its first entry is the focus, the others are related. The name of the file chooses the world.
func input(t testing.TB, name string) Input {
	t.Helper()
	src, err := os.ReadFile(filepath.Join("testdata", "golden", name+".json"))
	require.NoError(t, err)
	var bundle struct {
		Entry []struct {
			Resource json.RawMessage `json:"resource"`
		} `json:"entry"`
	}
	require.NoError(t, json.Unmarshal(src, &bundle))
	require.NotEmpty(t, bundle.Entry)
	in := Input{Now: time.Date(2026, 6, 1, 0, 0, 0, 0, time.UTC), Variables: world(name)}
	for _, e := range bundle.Entry {
		in.Related = append(in.Related, resource(t, e.Resource))
	}
	in.Focus, in.Related = in.Related[0], in.Related[1:]
	return in
}

func resource(t testing.TB, src []byte) fhir.Resource {
	t.Helper()
	r, err := fhir.Parse(src)
	require.NoError(t, err)
	return r
}

func world(name string) map[string]string {
	v := map[string]string{"source": "ers", "run": "live", "patientMode": "link", "system": "https://fhir.nhs.uk/Id/UBRN"}
	if strings.HasPrefix(name, "fhir-") {
		v["source"], v["system"] = "epr", "https://epr.example.nhs.uk/fhir"
	}
	if strings.HasPrefix(name, "fhir-create-") {
		v["patientMode"] = "create"
	}
	return v
}

// print writes an outcome for people: object and key, then field = value and the rule behind it.
func print(out Output, err error) string {
	var b strings.Builder
	for i, m := range out.Records {
		if i > 0 {
			b.WriteString("\n")
		}
		fmt.Fprintf(&b, "%s %s=%s  # %s:%d %s\n", m.Record.Object, m.Record.Key.Field, m.Record.Key.Value, m.Key.File, m.Key.Line, m.Key.From)
		for j, f := range m.Record.Fields {
			r := m.Rules[j]
			fmt.Fprintf(&b, "  %s = %s  # %s:%d%s\n", f.Name, printed(f), r.File, r.Line, strings.TrimRight(" "+r.From, " "))
		}
	}
	if err != nil {
		fmt.Fprintf(&b, "held:\n%v\n", err)
	}
	return b.String()
}

func printed(f sobject.Field) string {
	s := fmt.Sprintf("%q", f.Value.Reveal())
	switch f.Value.Kind() {
	case sobject.Null:
		s = "null"
	case sobject.Bool, sobject.Number, sobject.DateTime, sobject.Date:
		s = f.Value.Reveal()
	case sobject.Ref:
		s = fmt.Sprintf("-> %s %s=%s", f.Value.To().Object, f.Value.To().Field, f.Value.Key())
	case sobject.Lookup:
		s = fmt.Sprintf("-> %s (%s)", f.Value.Reveal(), f.Value.LookupKey())
	}
	owner := [...]string{"", " [target]", " [latest]", " [create-only]"}[f.Owner]
	if f.KeepIfAbsent {
		owner += " [keep if absent]"
	}
	return s + owner
}

func TestStarterTablesMakeTheRecordsInTheGoldenFiles(t *testing.T) {
	set := starterTables(t)
	names, err := filepath.Glob("testdata/golden/*.json")
	require.NoError(t, err)
	require.GreaterOrEqual(t, len(names), 10, "the golden cases must be there")
	for _, name := range names {
		name = strings.TrimSuffix(filepath.Base(name), ".json")
		t.Run(name, func(t *testing.T) {
			got := print(set.Map(input(t, name)))
			golden := filepath.Join("testdata", "golden", name+".txt")
			if *update {
				require.NoError(t, os.WriteFile(golden, []byte(got), 0o644))
			}
			want, err := os.ReadFile(golden)
			require.NoError(t, err)
			assert.Equal(t, string(want), got)
		})
	}
}

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

// ersReferral is a referral of e-RS as R4, with a state, a reason and a FHIR status.
func ersReferral(t *testing.T, state, reason, status string) Input {
	t.Helper()
	in := input(t, "ers-returned-with-advice")
	src := strings.NewReplacer("TRIAGED_PROVIDER_TO_ACTION", state, "RETURN_TO_REFERRER_WITH_ADVICE", reason,
		`"status": "active"`, `"status": "`+status+`"`).Replace(string(in.Focus.Raw()))
	in.Focus = resource(t, []byte(src))
	return in
}

func mapped(t *testing.T, out Output, object string) Mapped {
	t.Helper()
	for _, m := range out.Records {
		if m.Record.Object == object {
			return m
		}
	}
	require.Fail(t, "there is no "+object)
	return Mapped{}
}

func reveal(t *testing.T, r sobject.Record, field string) string {
	t.Helper()
	v, ok := r.Get(field)
	require.True(t, ok, "%s is not written", field)
	return v.Reveal()
}

func TestEveryStateOfERSBecomesAStatus(t *testing.T) {
	set := starterTables(t)
	cases := []struct{ state, reason, status, wantStatus, wantAccepted string }{
		{"NOT_BOOKED", "X", "active", "Active", ""},
		{"BOOKED", "X", "active", "Active", ""},
		{"DEFERRED_TO_PROVIDER", "NO_SLOTS_AT_SERVICE", "active", "On-Hold", ""},
		{"AWAITING_TRIAGE", "TRIAGE", "active", "Active", ""},
		{"TRIAGED_PROVIDER_TO_ACTION", "ACCEPT_REFER_BOOK_LATER", "active", "Active", "true"},
		{"TRIAGED_PROVIDER_TO_ACTION", "RETURN_TO_REFERRER_WITH_ADVICE", "active", "Active", "false"},
		{"TRIAGE_RESPONSE", "RETURN_TO_REFERRER_WITH_ADVICE", "active", "Active", "false"},
		{"REJECTED", "X", "active", "Revoked", "false"},
		{"REJECTED", "X", "completed", "Revoked", "false"},
		{"APPT_CANCELLED_BY_PATIENT", "X", "active", "Active", ""},
		{"APPT_CANCELLED_BY_PROVIDER", "X", "active", "Active", ""},
		{"DID_NOT_ATTEND", "X", "active", "Active", ""},
		{"ASSESSMENT_RESULT", "X", "active", "Active", ""},
		{"CANCELLED_REFERRAL", "X", "revoked", "Revoked", "false"},
		{"CANCELLED_REFERRAL", "X", "active", "Revoked", "false"},
		{"BOOKED", "X", "revoked", "Revoked", ""},
		{"BOOKED", "X", "completed", "Completed", ""},
	}
	for _, c := range cases {
		t.Run(c.state+" "+c.status, func(t *testing.T) {
			out, err := set.Map(ersReferral(t, c.state, c.reason, c.status))
			require.NoError(t, err)
			record := mapped(t, out, "ClinicalServiceRequest").Record
			assert.Equal(t, c.wantStatus, reveal(t, record, "Status"))
			assert.Equal(t, c.wantAccepted, reveal(t, record, "IsAccepted"))
			assert.Equal(t, c.state, reveal(t, record, "Bridge_Source_State__c"))
		})
	}
}

func TestTheWorklistSpellingOfAStateIsTheSameState(t *testing.T) {
	out, err := starterTables(t).Map(ersReferral(t, "APP_CANCELLED_BY_PATIENT", "X", "active"))
	require.NoError(t, err)
	assert.Equal(t, "APPT_CANCELLED_BY_PATIENT", reveal(t, mapped(t, out, "ClinicalServiceRequest").Record, "Bridge_Source_State__c"))
}

func faults(t *testing.T, err error) Faults {
	t.Helper()
	var f Faults
	require.ErrorAs(t, err, &f)
	return f
}

func TestAnUnknownCodeIsAFaultOfTheRowOrLetThatLookedItUp(t *testing.T) {
	set, err := Load(files("a.yaml", "object: X__c\nsource: ServiceRequest\nlet:\n  p: {from: priority, values: v}\nkey: {field: K__c, from: id}\n"+
		"rows:\n  - {field: A__c, from: status, values: v}\n  - {field: B__c, from: status, values: v}\n  - {field: C__c, from: \"%p\"}\n",
		"v.yaml", "values:\n  v: {codes: [{code: x, to: X}]}\n"), Options{})
	require.NoError(t, err)
	_, err = set.Map(Input{Focus: resource(t, []byte(`{"resourceType":"ServiceRequest","id":"1","status":"soon","priority":"gold"}`)),
		Variables: map[string]string{"source": "s"}})
	require.Error(t, err)
	assert.Equal(t, `a.yaml:4:3: code gold is not in value table v, at ServiceRequest.priority (add to table v at v.yaml:2: - {code: gold, to: …})
a.yaml:7:5: A__c: code soon is not in value table v, at ServiceRequest.status (add to table v at v.yaml:2: - {code: soon, to: …})
a.yaml:8:5: B__c: code soon is not in value table v, at ServiceRequest.status (add to table v at v.yaml:2: - {code: soon, to: …})`, err.Error())
}

func TestATextThatIsNoCodeIsNotShown(t *testing.T) {
	of := func(from, resourceJSON string) string {
		set, err := Load(files("a.yaml", "object: X__c\nsource: ServiceRequest\nkey: {field: K__c, from: id}\nrows:\n  - {field: A__c, from: \""+from+
			"\", values: v}\nvalues:\n  v: {codes: [{code: x, to: X}]}\n"), Options{})
		require.NoError(t, err)
		_, err = set.Map(Input{Focus: resource(t, []byte(resourceJSON)), Variables: map[string]string{"source": "s"}})
		require.Error(t, err)
		return err.Error()
	}
	const focus = `{"resourceType":"ServiceRequest","id":"1","status":"ZEBEDEE","subject":{"display":"ZEBEDEE"},"authoredOn":"1962-02-11",
		"identifier":[{"value":"01632960001"}],"code":{"text":"ZEBEDEE","coding":[{"system":"urn:s","code":"ZEBEDEE"}]}}`
	for _, from := range []string{"subject.display", "authoredOn", "identifier.value", "code.text", "status & ''", "subject.display | status"} {
		got := of(from, focus)
		for _, private := range []string{"ZEBEDEE", "1962-02-11", "01632960001"} {
			assert.NotContains(t, got, private, "%s", from)
		}
		assert.Contains(t, got, "characters is not in value table v")
		assert.Contains(t, got, "(add a row for it to table v at a.yaml:7)")
	}
	for _, from := range []string{"status", "code", "code.coding", "code.coding.code"} {
		assert.Contains(t, of(from, focus), "code ZEBEDEE", "%s", from)
	}
}

func TestACodeThatIsNotShownMakesNoRowToAdd(t *testing.T) {
	set, err := Load(files("a.yaml", "object: X__c\nsource: ServiceRequest\nkey: {field: K__c, from: id}\nrows:\n  - {field: A__c, from: code, values: v}\n"+
		"values:\n  v: {codes: [{code: x, to: X}]}\n"), Options{})
	require.NoError(t, err)
	for coding, want := range map[string]string{
		`{"code":"née Zebedee"}`: "code [11 characters, not shown] is not in value table v, at ServiceRequest.code (add a row for it to table v at a.yaml:7)",
		`{"system":"née Zebedee","code":"y"}`: "code y of [a system of 11 characters, not shown] is not in value table v, at ServiceRequest.code " +
			"(add a row for it to table v at a.yaml:7)",
		`{"system":"urn:s","code":"y"}`: "code y of urn:s is not in value table v, at ServiceRequest.code (add to table v at a.yaml:7: - {system: urn:s, code: y, to: …})",
	} {
		_, err = set.Map(Input{Focus: resource(t, []byte(`{"resourceType":"ServiceRequest","id":"1","code":{"coding":[`+coding+`]}}`)),
			Variables: map[string]string{"source": "s"}})
		require.Error(t, err)
		assert.Equal(t, "a.yaml:5:5: A__c: "+want, err.Error())
	}
}

func TestAConceptWithoutACodeIsHeldUnlessItsValueTableSaysOtherwise(t *testing.T) {
	of := func(unlisted string) (Output, error) {
		set, err := Load(files("a.yaml", "object: X__c\nsource: ServiceRequest\nkey: {field: K__c, from: id}\nrows:\n  - {field: A__c, from: code"+
			", values: v}\nvalues:\n  v: {unlisted: "+unlisted+", codes: [{code: x, to: X}]}\n"), Options{})
		require.NoError(t, err)
		return set.Map(Input{Focus: resource(t, []byte(`{"resourceType":"ServiceRequest","id":"1","code":{"text":"ZEBEDEE"}}`)),
			Variables: map[string]string{"source": "s"}})
	}
	_, err := of("hold")
	require.Error(t, err)
	assert.Equal(t, "a.yaml:5:5: A__c: the source gives no code for value table v, at ServiceRequest.code (code it at the source, or write unlisted: none in the "+
		"value table to leave the field without a value)", err.Error())
	for _, unlisted := range []string{"none", "keep", "{to: Other}"} {
		out, err := of(unlisted)
		require.NoError(t, err)
		assert.Equal(t, sobject.Null, out.Records[0].Record.Fields[0].Value.Kind())
	}
}

func TestAnUnknownStateHoldsTheReferralWithTheRowToAdd(t *testing.T) {
	for _, status := range []string{"active", "revoked", "completed"} {
		out, err := starterTables(t).Map(ersReferral(t, "CARL", "X", status))
		assert.Empty(t, out.Records)
		f := faults(t, err)
		require.True(t, f.Has(UnknownCode))
		last := f[len(f)-1]
		assert.Equal(t, "service-request.yaml", last.File)
		assert.Equal(t, "Bridge_Source_State__c", last.Field)
		assert.Equal(t, "code CARL of https://fhir.nhs.uk/CodeSystem/eRS-ReferralState is not in value table ers-state-name", last.Message)
		assert.Equal(t, "add to table ers-state-name at values.yaml:84: - {system: https://fhir.nhs.uk/CodeSystem/eRS-ReferralState, code: CARL, to: …}", last.Hint)
	}
}

func TestPatientIdentityIsHeldByKind(t *testing.T) {
	set := starterTables(t)
	cases := map[string]struct{ subject, want string }{
		"no identifier":        {`{"type":"Patient"}`, "NHS number is missing"},
		"another system":       {`{"identifier":{"system":"https://epr.example.nhs.uk/mrn","value":"9990000018"}}`, "NHS number is missing"},
		"eleven digits":        {`{"identifier":{"system":"https://fhir.nhs.uk/Id/nhs-number","value":"99900000181"}}`, "NHS number does not have ten digits"},
		"letters":              {`{"identifier":{"system":"https://fhir.nhs.uk/Id/nhs-number","value":"99900O0018"}}`, "NHS number does not have ten digits"},
		"wrong check digit":    {`{"identifier":{"system":"http://fhir.nhs.net/Id/nhs-number","value":"9990000019"}}`, "NHS number has a wrong check digit"},
		"two numbers":          {`{"identifier":{"system":"https://fhir.nhs.uk/Id/nhs-number","value":"9990000018"},"reference":"Patient/p1"}`, "two different NHS numbers for one patient"},
		"both systems, spaces": {`{"identifier":{"system":"http://fhir.nhs.net/Id/nhs-number","value":"999 000 0042"},"reference":"Patient/p1"}`, ""},
	}
	for name, c := range cases {
		t.Run(name, func(t *testing.T) {
			in := input(t, "fhir-everything")
			in.Focus = resource(t, []byte(`{"resourceType":"ServiceRequest","id":"1","status":"active","intent":"order","subject":`+c.subject+`}`))
			out, err := set.Map(in)
			if c.want == "" {
				require.NoError(t, err)
				v, _ := mapped(t, out, "ClinicalServiceRequest").Record.Get("PatientId")
				assert.Equal(t, "9990000042", v.LookupKey())
				return
			}
			f := faults(t, err)
			require.Len(t, f, 1)
			assert.Equal(t, PatientIdentity, f[0].Kind)
			assert.Equal(t, c.want, f[0].Message)
			assert.Equal(t, "PatientId", f[0].Field)
			assert.Equal(t, "service-request.yaml", f[0].File)
		})
	}
}

func TestDatesWithoutATimeBeginInBritain(t *testing.T) {
	set := starterTables(t)
	cases := map[string]string{
		"2026-06-15":                    "2026-06-14T23:00:00.000Z",
		"2026-01-15":                    "2026-01-15T00:00:00.000Z",
		"2026-03-29":                    "2026-03-29T00:00:00.000Z", // the day on which summer time begins
		"2026-03-30":                    "2026-03-29T23:00:00.000Z",
		"2026-10-25":                    "2026-10-24T23:00:00.000Z", // the day on which it ends
		"2026-10-26":                    "2026-10-26T00:00:00.000Z",
		"2026-07":                       "2026-06-30T23:00:00.000Z",
		"2026":                          "2026-01-01T00:00:00.000Z",
		"1970-01-01":                    "1969-12-31T23:00:00.000Z", // British Standard Time, all year
		"2026-06-15T09:30:00+01:00":     "2026-06-15T08:30:00.000Z",
		"2026-06-15T09:30:00.123456Z":   "2026-06-15T09:30:00.000Z",
		"2026-06-15T09:30:00":           "",
		"2026-02-30":                    "",
		"15/06/2026":                    "",
		"1066-10-14":                    "",
		"2026-06-15T09:30:00.5-05:00":   "2026-06-15T14:30:00.000Z",
		"2026-12-31T23:59:59.999+00:00": "2026-12-31T23:59:59.000Z",
	}
	for src, want := range cases {
		in := input(t, "ers-booked-two-week-wait")
		in.Focus = resource(t, []byte(strings.Replace(string(in.Focus.Raw()), `"authoredOn": "2026-03-02T09:54:23.167Z"`, `"authoredOn": "`+src+`"`, 1)))
		out, err := set.Map(in)
		if want == "" {
			f := faults(t, err)
			assert.Equal(t, BadValue, f[0].Kind, src)
			assert.Equal(t, "DateSigned", f[0].Field, src)
			continue
		}
		require.NoError(t, err, src)
		assert.Equal(t, want, reveal(t, mapped(t, out, "ClinicalServiceRequest").Record, "DateSigned"), src)
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

func TestPatientsAreNotCreatedWithoutAKey(t *testing.T) {
	set, err := Load(Default(), Options{})
	require.NoError(t, err)
	_, err = set.Map(input(t, "fhir-create-patient"))
	assert.Contains(t, err.Error(), "patients cannot be created")
}

func TestAKeyNeverHoldsTheNHSNumber(t *testing.T) {
	in := input(t, "fhir-everything")
	in.Focus = resource(t, []byte(strings.Replace(string(in.Focus.Raw()), `"id": "sr-1"`, `"id": "sr-9990000042"`, 1)))
	out, err := starterTables(t).Map(in)
	assert.Empty(t, out.Records)
	assert.Contains(t, err.Error(), "the key would hold the patient's NHS number")
	assert.NotContains(t, err.Error(), "9990000042")
}

func TestAKeyNeverHoldsTheNumberOfAnIdentifierHoweverItIsBrokenUp(t *testing.T) {
	const subject, related = `"subject":{"identifier":{"system":"https://fhir.nhs.uk/Id/nhs-number","value":"%s"}}`, `"subject":{"reference":"Patient/1"}`
	of := func(from, subject string, in ...string) error {
		set, err := Load(files("a.yaml", "object: X__c\nsource: ServiceRequest\nkey: {field: K__c, from: id}\nrows: [{field: F__c, from: \""+from+
			"\", ref: Y__c.K__c}]\n", "b.yaml", "object: Z__c\nsource: ServiceRequest\nkey: {field: K__c, from: \""+from+"\"}\nrows: [{field: F__c, from: id}]\n"), Options{})
		require.NoError(t, err)
		i := Input{Focus: resource(t, []byte(`{"resourceType":"ServiceRequest","id":"9990000026","identifier":[{"system":"https://fhir.nhs.uk/Id/UBRN",`+
			`"value":"000099000018"}],`+subject+`}`)), Variables: map[string]string{"source": "epr"}}
		for _, r := range in {
			i.Related = append(i.Related, resource(t, []byte(r)))
		}
		_, err = set.Map(i)
		return err
	}
	for _, number := range []string{"9990000018", "999-000-0018", "999 000 0018"} {
		err := of("%source & '.' & subject.identifier.value.replace(' ', '-')", fmt.Sprintf(subject, number))
		require.Error(t, err, number)
		assert.Equal(t, "a.yaml:4:8: F__c: the key would hold the patient's NHS number, and keys stand in URLs\n"+
			"b.yaml:3:6: K__c: the key would hold the patient's NHS number, and keys stand in URLs", err.Error())
	}
	patient := `{"resourceType":"Patient","id":"1","identifier":[{"system":"http://fhir.nhs.net/Id/nhs-number","value":"9990000018"}]}`
	require.Error(t, of("%source & '.' & subject.resolve().identifier.value", related, patient))

	require.NoError(t, of("%source & '.' & id", fmt.Sprintf(subject, "9990000018"), patient), "an id that passes the check digit is no NHS number")
	require.NoError(t, of("%source & '.' & identifier.value", fmt.Sprintf(subject, "9990000018"), patient))
}

// The far end decides what stands in a resource. Nothing of it may reach a message.
func TestFaultsHoldNothingAboutAPerson(t *testing.T) {
	const name, number, text = "Zebedee Quillfeather", "9990000050", "has a secret worry"
	markers := []string{"Zebedee", "Quillfeather", number, "secret worry", "999 000 0050"}
	set := starterTables(t)
	src := string(input(t, "fhir-everything").Focus.Raw())
	appointment := string(input(t, "fhir-appointment").Focus.Raw())
	var planted []string
	for _, marker := range []string{name, number, text, "999 000 0050", number + "x"} {
		for _, value := range quoted(src) {
			planted = append(planted, strings.ReplaceAll(src, value, `"`+marker+`"`))
		}
		for _, value := range quoted(appointment) {
			planted = append(planted, strings.ReplaceAll(appointment, value, `"`+marker+`"`))
		}
	}
	held := 0
	for _, p := range planted {
		in := input(t, "fhir-everything")
		focus, err := fhir.Parse([]byte(p))
		if err != nil {
			continue
		}
		in.Focus = focus
		_, err = set.Map(in)
		if err == nil {
			continue
		}
		held++
		for _, m := range markers {
			require.NotContains(t, err.Error(), m)
			for _, f := range faults(t, err) {
				require.NotContains(t, f.Source, m)
			}
		}
	}
	require.Greater(t, held, 50, "the planted values must hold something")
}

// quoted gives the string values of a document, each once.
func quoted(src string) []string {
	seen := map[string]bool{}
	var out []string
	for _, line := range strings.Split(src, "\n") {
		_, value, ok := strings.Cut(line, ": ")
		value = strings.TrimSuffix(strings.TrimSpace(value), ",")
		if ok && strings.HasPrefix(value, `"`) && !seen[value] {
			seen[value] = true
			out = append(out, value)
		}
	}
	return out
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

func TestEditingATableChangesTheHash(t *testing.T) {
	set := starterTables(t)
	assert.Len(t, set.Hash(), 64)
	other, err := Load(fstest.MapFS{"a.yaml": {Data: []byte("values: {x: {codes: [{code: a, to: b}]}}")}}, Options{})
	require.NoError(t, err)
	assert.NotEqual(t, set.Hash(), other.Hash())
	assert.Equal(t, set.Hash(), starterTables(t).Hash())
}

func TestObjectsSayWhatToRetrieve(t *testing.T) {
	set := starterTables(t)
	var names []string
	for _, o := range set.Objects() {
		names = append(names, o.Name)
		assert.NotContains(t, o.Fields, o.KeyField)
	}
	assert.Equal(t, []string{"CodeSet", "Account", "CodeSetBundle", "ClinicalServiceRequest", "ServiceAppointment",
		"ClinicalServiceRequestDetail", "Identifier"}, names)
	assert.Equal(t, []string{"Bridge_Action_Comment__c", "Bridge_Action_Reason__c", "Bridge_Source_State__c", "IsAccepted", "Status"},
		set.BackFields("ClinicalServiceRequest"))
	assert.Equal(t, []string{"Status", "StatusReason"}, set.BackFields("ServiceAppointment"))
	csr := set.Objects()[3]
	assert.Equal(t, sobject.Target{Object: "CodeSetBundle", Field: "CodeSetBundleKey"}, csr.Refs["ReasonCodeId"])
	assert.Contains(t, csr.Fields, "Bridge_Action_Comment__c")
}

func TestWhatIsGoneIsMarkedByTheTableThatMadeIt(t *testing.T) {
	set := starterTables(t)
	ofReferral, err := set.Map(input(t, "ers-booked-two-week-wait"))
	require.NoError(t, err)
	assert.Equal(t, []sobject.Field{{Name: "IdUsageType", Value: sobject.TextValue("Old")}}, set.Gone(mapped(t, ofReferral, "Identifier").Record))
	ofPatient, err := set.Map(input(t, "fhir-create-patient"))
	require.NoError(t, err)
	assert.Empty(t, set.Gone(mapped(t, ofPatient, "Identifier").Record), "an NHS number stays, also when patients are only linked again")
	appointment, err := set.Map(input(t, "ers-appointment-booked"))
	require.NoError(t, err)
	booked := mapped(t, appointment, "ServiceAppointment").Record
	assert.Equal(t, "Canceled", set.Gone(booked)[0].Value.Reveal())
	booked.Set("Status", sobject.TextValue("Cannot Complete"))
	assert.Empty(t, set.Gone(booked), "an appointment that was missed stays missed when a new one is booked")
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

func BenchmarkLoad(b *testing.B) {
	for b.Loop() {
		if _, err := Load(Default(), Options{}); err != nil {
			b.Fatal(err)
		}
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
