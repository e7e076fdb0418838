package mapping

import (
	"strings"
	"testing"
	"testing/fstest"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"refbridge/fhir"
)

// bundled maps the first resource of a Bundle with the starter tables.
func bundled(t *testing.T, entries ...string) (Output, error) {
	t.Helper()
	r := resource(t, []byte(`{"resourceType":"Bundle","type":"collection","entry":[`+strings.Join(entries, ",")+`]}`))
	b, ok := BundleOf(r)
	require.True(t, ok)
	in := Sample{Bundle: b, Variables: map[string]string{"source": "ward", "patientMode": "link", "run": "live"}}
	return starterTables(t).Map(in.Input(b.Focus[0]))
}

func entry(fullURL, resource string) string {
	return `{"fullUrl":"` + fullURL + `","resource":` + resource + `}`
}

func requestFor(subject string) string {
	return entry("https://a.example/r4/ServiceRequest/s", `{"resourceType":"ServiceRequest","id":"s","status":"active","intent":"order","subject":`+subject+`}`)
}

func someone(id, number string) string {
	return `{"resourceType":"Patient","id":"` + id + `","identifier":[{"system":"https://fhir.nhs.uk/Id/nhs-number","value":"` + number + `"}]}`
}

func TestFinding_inputs_B10_APatientIsFoundByAddressAndALostOneHasItsOwnReason(t *testing.T) {
	const uuid, number = "urn:uuid:5f0c2a44-8a6e-4a52-9d0c-3f1b7d1e2a10", `"identifier":{"system":"https://fhir.nhs.uk/Id/nhs-number","value":"9990000042"}`
	mine := entry("https://a.example/r4/Patient/1", someone("1", "9990000018"))
	others := entry("https://b.example/r4/Patient/1", someone("1", "9990000026"))
	for name, c := range map[string]struct {
		subject  string
		entries  []string
		patient  string
		kind     FaultKind
		noNumber bool // whether the message may say that there is no NHS number
	}{
		"by fullUrl":                  {`{"reference":"` + uuid + `"}`, []string{entry(uuid, someone("1", "9990000018"))}, "9990000018", "", false},
		"by the base of the referral": {`{"reference":"Patient/1"}`, []string{others, mine}, "9990000018", "", false},
		"by URL":                      {`{"reference":"https://b.example/r4/Patient/1"}`, []string{others, mine}, "9990000026", "", false},
		"foreign":                     {`{"reference":"https://b.example/r4/Patient/1"}`, []string{mine}, "", ReferenceForeign, false},
		"unresolved":                  {`{"reference":"Patient/1"}`, nil, "", ReferenceUnresolved, false},
		"a uuid that is not there":    {`{"reference":"` + uuid + `"}`, []string{mine}, "", ReferenceUnresolved, false},
		"ambiguous":                   {`{"reference":"Patient/1"}`, []string{mine, mine[:len(mine)-2] + `,"active":false}}`}, "", ReferenceAmbiguous, false},
		"ambiguous, with a number":    {`{"reference":"Patient/1",` + number + `}`, []string{mine, mine[:len(mine)-2] + `,"active":false}}`}, "", ReferenceAmbiguous, false},
		"another version":             {`{"reference":"Patient/1/_history/2"}`, []string{mine}, "", ReferenceVersion, false},
		"unresolved, with a number":   {`{"reference":"Patient/1",` + number + `}`, nil, "9990000042", "", false},
		"foreign, with a number":      {`{"reference":"https://b.example/r4/Patient/1",` + number + `}`, []string{mine}, "9990000042", "", false},
		"found, with another number":  {`{"reference":"Patient/1",` + number + `}`, []string{mine}, "", PatientIdentity, false},
		"found, without a number":     {`{"reference":"Patient/1"}`, []string{entry("https://a.example/r4/Patient/1", `{"resourceType":"Patient","id":"1"}`)}, "", PatientIdentity, true},
		"contained":                   {`{"reference":"#p"},"contained":[` + someone("p", "9990000018") + `]`, []string{mine}, "9990000018", "", false},
		"contained twice":             {`{"reference":"#p"},"contained":[` + someone("p", "9990000018") + "," + someone("p", "9990000026") + `]`, nil, "", ReferenceAmbiguous, false},
	} {
		out, err := bundled(t, append([]string{requestFor(c.subject)}, c.entries...)...)
		if c.kind != "" {
			found := faults(t, err)
			assert.Equal(t, c.kind, found[0].Kind, name)
			assert.Len(t, found, 1, name)
			assert.Equal(t, c.noNumber, strings.Contains(found[0].Message, "NHS number is missing"), name)
			if strings.HasPrefix(string(c.kind), "reference-") {
				assert.Equal(t, "ServiceRequest.subject", found[0].Element, name)
			}
			continue
		}
		require.NoError(t, err, name)
		assert.Equal(t, c.patient, lookedUp(out), name)
	}
}

// lookedUp is the NHS number that the referral is looked up by.
func lookedUp(out Output) string {
	for _, m := range out.Records {
		if v, ok := m.Record.Get("PatientId"); ok && m.Record.Object == "ClinicalServiceRequest" {
			return v.LookupKey()
		}
	}
	return ""
}

func TestFinding_inputs_B19_AnAppointmentHangsUnderOneReferralOrNone(t *testing.T) {
	const uuid = "urn:uuid:5f0c2a44-8a6e-4a52-9d0c-3f1b7d1e2a10"
	request := entry(uuid, `{"resourceType":"ServiceRequest","id":"u1","status":"active","intent":"order"}`)
	for basedOn, want := range map[string]string{
		`{"reference":"ServiceRequest/r1"}`:                                                         "ward.sr.r1",
		`{"reference":"https://a.example/r4/ServiceRequest/r1"}`:                                    "ward.sr.r1",
		`{"reference":"ServiceRequest/r1/_history/3"}`:                                              "ward.sr.r1",
		`{"reference":"` + uuid + `"}`:                                                              "ward.sr.u1",
		`{"reference":"CarePlan/1"},{"reference":"ServiceRequest/r1"}`:                              "ward.sr.r1",
		`{"reference":"ServiceRequest/r1"},{"reference":"ServiceRequest/r1/_history/2"}`:            "ward.sr.r1",
		`{"reference":"ServiceRequest/r1"},{"reference":"ServiceRequest/r2"}`:                       "! bad-value",
		`{"reference":"https://b.example/r4/ServiceRequest/r1"}`:                                    "! reference-foreign",
		`{"reference":"ServiceRequest/r1"},{"reference":"https://b.example/r4/ServiceRequest/r2"}`:  "! reference-foreign",
		`{"reference":"urn:uuid:0d3c1f6e-52a7-4b9a-9c0e-1a2b3c4d5e6f"}`:                             "! reference-unresolved",
		`{"reference":"ServiceRequest/r1"},{"type":"ServiceRequest","reference":"urn:uuid:0d3c1f"}`: "! reference-unresolved",
		`{"reference":"#sr"}`: "! reference-unresolved",
	} {
		out, err := bundled(t, entry("https://a.example/r4/Appointment/a", `{"resourceType":"Appointment","id":"a","status":"booked",
			"start":"2026-07-06T09:30:00Z","end":"2026-07-06T09:50:00Z","basedOn":[`+basedOn+`]}`), request)
		if kind, held := strings.CutPrefix(want, "! "); held {
			found := faults(t, err)
			assert.Equal(t, FaultKind(kind), found[0].Kind, basedOn)
			assert.Len(t, found, 1, basedOn)
			continue
		}
		require.NoError(t, err, basedOn)
		parent, _ := out.Records[0].Record.Get("ParentRecordId")
		assert.Equal(t, want, parent.Key(), basedOn)
	}
}

func TestALostReferenceIsAFaultWhereItsValueIsMissed(t *testing.T) {
	for table, want := range map[string]FaultKind{
		`rows: [{field: A__c, from: performer.resolve().name}]`:                                                                  "",
		`rows: [{field: A__c, from: performer.resolve().name, required: true}]`:                                                  ReferenceForeign,
		`rows: [{field: A__c, from: [performer.resolve().name, status], required: true}]`:                                        "",
		"let: {who: performer.resolve().name}\nrows: [{field: B__c, from: status}, {field: A__c, from: '%who', required: true}]": ReferenceForeign,
		"when: performer.resolve().exists().not()\nrows: [{field: A__c, from: status}]":                                          "",
		"forEach: performer.resolve()\nrows: [{field: A__c, from: id}]":                                                          "",
	} {
		set, err := Load(fstest.MapFS{"x.yaml": {Data: []byte("object: X__c\nsource: ServiceRequest\nkey: {field: K__c, from: \"%resource.id\"}\n" + table + "\n")}}, Options{})
		require.NoError(t, err)
		focus := resource(t, []byte(`{"resourceType":"ServiceRequest","id":"1","status":"active","performer":[{"reference":"https://b.example/r4/Organization/1"}]}`))
		_, err = set.Map(Input{Focus: focus, Variables: map[string]string{"source": "s"}})
		if want == "" {
			assert.NoError(t, err, table)
			continue
		}
		assert.Equal(t, want, faults(t, err)[0].Kind, table)
	}
}

// A value from a resource that came along may not get into a key, wherever it was found.
func TestAKeyTakesNoNHSNumberOfAResourceFoundElsewhere(t *testing.T) {
	set, err := Load(fstest.MapFS{"x.yaml": {Data: []byte("object: X__c\nsource: ServiceRequest\nkey: {field: K__c, from: \"subject.resolve().identifier.value\"}\nrows: [{field: A__c, from: status}]\n")}}, Options{})
	require.NoError(t, err)
	r := fhir.NewResolver("")
	r.More = func(_, id string) ([]fhir.Resource, error) {
		return []fhir.Resource{resource(t, []byte(someone(id, "9990000018")))}, nil
	}
	focus := resource(t, []byte(`{"resourceType":"ServiceRequest","id":"1","status":"active","subject":{"reference":"Patient/7"}}`))
	_, err = set.Map(Input{Focus: focus, Resolver: r, Variables: map[string]string{"source": "s"}})
	assert.Contains(t, faults(t, err)[0].Message, "NHS number")
}

// Each reference beside the first one leads to its referral, surely names something else, or holds the appointment. The Bundle has
// version 3 of ServiceRequest/r1, and the appointment contains #sr and #plan.
func TestFinding_inputs_B19_NoSecondReferralIsLostUnseen(t *testing.T) {
	const referral, ubrn = `{"reference":"ServiceRequest/r1"}`, `"identifier":{"system":"https://fhir.nhs.uk/Id/UBRN","value":"000000070001"}`
	const unresolved, version, foreign, ambiguous = "! reference-unresolved", "! reference-version", "! reference-foreign", "! reference-ambiguous"
	request := entry("https://a.example/r4/ServiceRequest/r1", `{"resourceType":"ServiceRequest","id":"r1","meta":{"versionId":"3"},"status":"active","intent":"order"}`)
	twice := func(id string) string {
		return entry("https://a.example/r4/ServiceRequest/"+id, `{"resourceType":"ServiceRequest","id":"`+id+`","meta":{"versionId":"1"},"status":"active","intent":"order"}`) +
			"," + entry("https://a.example/r4/ServiceRequest/"+id, `{"resourceType":"ServiceRequest","id":"`+id+`","meta":{"versionId":"1"},"status":"draft","intent":"order"}`)
	}
	for _, c := range []struct{ basedOn, want, message string }{
		{referral, "ward.sr.r1", ""},
		{referral + `,{` + ubrn + `}`, unresolved, "by an identifier"},
		{`{` + ubrn + `},` + referral, unresolved, "by an identifier"},
		{`{` + ubrn + `}`, unresolved, "by an identifier"},
		{`{"type":"ServiceRequest",` + ubrn + `}`, unresolved, "by an identifier"},
		{referral + `,{"type":"ServiceRequest",` + ubrn + `}`, unresolved, "by an identifier"},
		{referral + `,{"type":"CarePlan",` + ubrn + `}`, "ward.sr.r1", ""},
		{referral + `,{"display":"The referral of 3 May"}`, unresolved, "in words alone"},
		{referral + `,{"display":" "}`, "ward.sr.r1", ""},
		{referral + `,{"extension":[{"url":"http://hl7.org/fhir/StructureDefinition/data-absent-reason","valueCode":"unknown"}]}`, "ward.sr.r1", ""},
		{`{"reference":"ServiceRequest/r1",` + ubrn + `}`, "ward.sr.r1", ""},
		{referral + `,{"reference":"#sr"}`, unresolved, "contained in this record"},
		{`{"reference":"#sr"}`, unresolved, "contained in this record"},
		{referral + `,{"reference":"#plan"}`, "ward.sr.r1", ""},
		{referral + `,{"reference":"#none"}`, "ward.sr.r1", ""},
		{referral + `,{"reference":"#two"}`, ambiguous, ""},
		{referral + `,{"reference":"urn:uuid:0d3c1f6e-52a7-4b9a-9c0e-1a2b3c4d5e6f"}`, "ward.sr.r1", ""},
		{referral + `,{"reference":"urn:uuid:0d3c1f6e-52a7-4b9a-9c0e-1a2b3c4d5e6f","type":"CarePlan"}`, "ward.sr.r1", ""},
		{`{"reference":"ServiceRequest/r1/_history/3"}`, "ward.sr.r1", ""},
		{`{"reference":"ServiceRequest/r1/_history/99"}`, version, ""},
		{`{"reference":"https://a.example/r4/ServiceRequest/r1/_history/99"}`, version, ""},
		{referral + `,{"reference":"ServiceRequest/r1/_history/99"}`, version, ""},
		{`{"reference":"ServiceRequest/r2/_history/99"}`, "ward.sr.r2", ""},
		{`{"reference":"ServiceRequest/r3/_history/1"}`, ambiguous, ""},
		{`{"reference":"ServiceRequest/r3/_history/2"}`, version, ""},
		{referral + `,{"reference":"https://b.example/r4/ServiceRequest/r1/_history/3"}`, foreign, ""},
	} {
		out, err := bundled(t, entry("https://a.example/r4/Appointment/a", `{"resourceType":"Appointment","id":"a","status":"booked",
			"contained":[{"resourceType":"ServiceRequest","id":"sr"},{"resourceType":"CarePlan","id":"plan"},
				{"resourceType":"CarePlan","id":"two"},{"resourceType":"ServiceRequest","id":"two"}],
			"start":"2026-07-06T09:30:00Z","end":"2026-07-06T09:50:00Z","basedOn":[`+c.basedOn+`]}`), request, twice("r3"))
		if kind, held := strings.CutPrefix(c.want, "! "); held {
			require.Error(t, err, c.basedOn)
			found := faults(t, err)
			assert.Len(t, found, 1, c.basedOn)
			assert.Equal(t, FaultKind(kind), found[0].Kind, c.basedOn)
			assert.Contains(t, found[0].Message, c.message, c.basedOn)
			continue
		}
		require.NoError(t, err, c.basedOn)
		parent, _ := out.Records[0].Record.Get("ParentRecordId")
		assert.Equal(t, c.want, parent.Key(), c.basedOn)
	}
}

// Two servers' records with one Type/id would have one key: neither is taken for the other. What has no address of a server is not told
// apart.
func TestFinding_inputs_B1_RecordsOfTwoServersWithOneNameAreHeld(t *testing.T) {
	request := func(status string) string {
		return `{"resourceType":"ServiceRequest","id":"1","meta":{"versionId":"1"},"status":"` + status + `","intent":"order",
			"subject":{"identifier":{"system":"https://fhir.nhs.uk/Id/nhs-number","value":"9990000018"}}}`
	}
	const a, b = "https://a.example/r4/ServiceRequest/1", "https://b.example/r4/ServiceRequest/1"
	type one struct{ fullURL, resource string }
	for name, c := range map[string]struct {
		kind    string
		base    string
		entries []one
		held    []bool
		older   int
	}{
		"two servers":                         {"collection", "", []one{{a, request("active")}, {b, request("draft")}}, []bool{true, true}, 0},
		"two servers, one content":            {"collection", "", []one{{a, request("active")}, {b, request("active")}}, []bool{true, true}, 0},
		"two paths of one host":               {"collection", "", []one{{a, request("active")}, {"https://a.example/r5/ServiceRequest/1", request("draft")}}, []bool{true, true}, 0},
		"one server, written in two ways":     {"collection", "", []one{{a, request("active")}, {"http://A.example:80/r4/ServiceRequest/1", request("active")}}, []bool{false, false}, 0},
		"two servers, two names":              {"collection", "", []one{{a, request("active")}, {"https://b.example/r4/ServiceRequest/2", strings.Replace(request("draft"), `"id":"1"`, `"id":"2"`, 1)}}, []bool{false, false}, 0},
		"no address":                          {"collection", "", []one{{a, request("active")}, {"urn:uuid:5f0c2a44-8a6e-4a52-9d0c-3f1b7d1e2a10", request("draft")}}, []bool{false, false}, 0},
		"no address, and the source's own":    {"collection", "https://b.example/r4", []one{{a, request("active")}, {"urn:uuid:5f0c2a44-8a6e-4a52-9d0c-3f1b7d1e2a10", request("draft")}}, []bool{true, true}, 0},
		"a history of two servers":            {"history", "", []one{{a, request("active")}, {b, request("draft")}}, []bool{true, true}, 0},
		"a history of one":                    {"history", "", []one{{a, request("active")}, {a, request("draft")}}, []bool{false}, 1},
		"a history of two, one of them twice": {"history", "", []one{{a, request("active")}, {b, request("draft")}, {a, request("draft")}}, []bool{true, true, true}, 0},
	} {
		var entries []string
		for _, e := range c.entries {
			entries = append(entries, entry(e.fullURL, e.resource))
		}
		contents := ContentsOf(resource(t, []byte(`{"resourceType":"Bundle","type":"`+c.kind+`","entry":[`+strings.Join(entries, ",")+`]}`)))
		contents.Among(fhir.NewResolver(c.base))
		require.Len(t, contents.Focus, len(c.held), name)
		assert.Equal(t, c.older, contents.Others[KindOlder], name)
		for i, b := range contents.Each() {
			_, err := starterTables(t).Map(Sample{Bundle: b, Variables: map[string]string{"source": "ward"}}.Input(b.Focus[0]))
			assert.Equal(t, c.held[i], err != nil, "%s, %d: %v", name, i, err)
			if c.held[i] {
				assert.Equal(t, TwoServers, faults(t, err)[0].Kind, name)
			}
		}
	}
}
