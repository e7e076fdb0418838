package lint

import (
	"fmt"
	"os"
	"slices"
	"strings"
	"testing"
	"testing/fstest"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"refbridge/sfdc/sobject"
)

// withDrop lints a table of an appointment with one more row and one drop.
func withDrop(t *testing.T, row, drop string) []string {
	t.Helper()
	const table = `object: ServiceAppointment
source: Appointment
key: {field: Bridge_Key__c, from: "%%source + id"}
let:
  why: cancelationReason
rows:
  - {field: EarliestStartTime, from: start, transform: utc, required: true}
  - {field: DueDate, from: start, transform: utc, required: true}
  - %s
drop:
  - {path: %s, purpose: Not ours to send.}
`
	return found(t, "dropped-and-mapped", fmt.Sprintf(table, row, drop))
}

// found lints one table and gives what one check says.
func found(t *testing.T, check, table string) []string {
	t.Helper()
	var out []string
	for _, f := range lint(t, fstest.MapFS{"a.yaml": {Data: []byte(table)}}, defaultSnapshot(t)).Findings {
		if f.Check == check {
			out = append(out, fmt.Sprintf("%s %d:%d %s", f.Severity, f.Line, f.Column, f.Message))
		}
	}
	return out
}

func TestWhatIsLeftOutOnPurposeAndWrittenAllTheSameIsAnError(t *testing.T) {
	assert.Equal(t, []string{"error 11:12 comment is left out on purpose, yet line 9 writes it to Comments"},
		withDrop(t, "{field: Comments, from: comment}", "comment"))
	for row, drop := range map[string]string{
		"participant.first().actor.display":                    "participant",
		"participant.where(status = 'accepted').actor.display": "participant.actor",
		"\"iif(status = 'booked', comment, description)\"":     "comment",
		"[description, comment]":                               "comment",
		"\"description + ': ' + comment\"":                     "comment",
		"\"%why.text\"":                                        "cancelationReason",
		"\"%resource.comment\"":                                "comment",
		"reasonCode.first(), transform: text":                  "reasonCode.text",
		"extension('urn:x').value.ofType(string)":              "\"extension.where(url = 'urn:x')\"",
		"\"serviceType[0].text\"":                              "serviceType.first()",
		"reasonCode.select(text)":                              "(comment | reasonCode.text)",
		"id":                                                   "id",
	} {
		assert.NotEmpty(t, withDrop(t, "{field: Comments, from: "+row+"}", drop), "%s | %s", row, drop)
	}
}

func TestNamedValuesInNamedValuesDoNotMultiply(t *testing.T) {
	var lets strings.Builder
	for i := range 60 {
		fmt.Fprintf(&lets, "  a%d: \"%%a%d + %%a%d\"\n", i+1, i, i)
	}
	for _, first := range []string{"comment", "\"%source\""} {
		got := found(t, "dropped-and-mapped", "object: ServiceAppointment\nsource: Appointment\nkey: {field: Bridge_Key__c, from: id}\nlet:\n  a0: "+first+"\n"+lets.String()+
			"rows:\n  - {field: Comments, from: \"%a60\"}\ndrop:\n  - {path: comment, purpose: x}\n")
		assert.Equal(t, first == "comment", len(got) == 1, "%v", got)
	}
}

func TestADropBesideWhatIsWrittenIsNoFault(t *testing.T) {
	for row, drop := range map[string]string{
		"description":                                            "comment",
		"participant.actor.display":                              "participant.actor.identifier",
		"reasonCode.first().text":                                "reasonCode.skip(1)",
		"reasonCode.skip(1).first().text":                        "reasonCode.first()",
		"reasonCode.where(coding.exists()).first().text":         "reasonCode.first()",
		"reasonCode.first(), transform: conceptKey":              "reasonCode.text",
		"extension('urn:x').value.ofType(string)":                "extension('urn:y')",
		"identifier.where(system = 'a').value":                   "identifier.where(system = 'b')",
		"description, when: comment.exists()":                    "comment",
		"\"iif(comment.exists(), 'with a comment', 'without')\"": "comment",
		"comment.exists()":                                       "comment",
		"participant.where(actor.display = 'x').status.first()":  "participant.actor",
	} {
		assert.Empty(t, withDrop(t, "{field: Comments, from: "+row+"}", drop), "%s | %s", row, drop)
	}
}

func TestACodeThatAnElementNeverHasIsAnErrorWhereItIsComparedWithIt(t *testing.T) {
	const row = `{field: SourceSystem, from: id, when: %s}`
	assert.Equal(t, []string{"error unknown-code:7:52 request-status has no code activ: status is never that"},
		oneRow(t, fmt.Sprintf(row, "status = 'activ'")))
	for when, code := range map[string]string{
		"status != 'aktive'":                                              "aktive",
		"\"%resource.status ~ 'ACTIVE'\"":                                 "ACTIVE",
		"status in ('active' | 'drft')":                                   "drft",
		"identifier.where(use = 'offical').exists()":                      "offical",
		"subject.identifier.where(use = 'usual' and use != 'x').exists()": "x",
		"identifier.first().use = 'oldd'":                                 "oldd",
		"\"iif(priority = 'high', true, false)\"":                         "high",
	} {
		got := oneRow(t, fmt.Sprintf(row, when))
		if assert.Len(t, got, 1, when) {
			assert.Contains(t, got[0], "has no code "+code, when)
		}
	}
	for _, when := range []string{"status = 'active'", "identifier.where(use = 'old').empty()", "identifier.where(system = 'old').empty()",
		"code.coding.code = 'activ'", "category.exists(text = 'x')", "\"'x' = id\"", "priority in ('asap' | 'stat')"} {
		assert.Empty(t, oneRow(t, fmt.Sprintf(row, when)), when)
	}
	const named = "object: PersonName\nsource: Patient\nlet: {sex: gender}\nkey: {field: Bridge_Key__c, from: id}\nrows: [{field: LastName, default: x, when: \"%sex = 'man'\"}]\n"
	assert.Equal(t, []string{"error 5:52 administrative-gender has no code man: %sex is never that"}, found(t, "unknown-code", named))
}

func TestAKeyThatRecordsShareWhereAPartIsAbsentIsAnError(t *testing.T) {
	key := func(let, from string) []string {
		return found(t, "key", "object: PersonName\nsource: Patient\nlet: {"+let+"}\nkey: {field: Bridge_Key__c, from: \""+from+"\"}\nrows: [{field: LastName, default: x}]\n")
	}
	assert.Equal(t, []string{"error 4:55 where id is absent, & takes it for an empty text: all such records share one key"},
		key("", "%source & '.pt.' & id"))
	assert.Empty(t, key("", "%source + '.pt.' + id"))
	assert.Empty(t, key("", "%source & '.' & %run"))
	assert.Empty(t, key("part: \"system & '|' & value\"", "%source & '.' & %part"), "a text with a bar in it is never absent")
	assert.Len(t, key("part: id", "%source & '.' & %part"), 1)
	assert.Len(t, key("whole: \"%source & id\"", "%whole"), 1)
	assert.Len(t, key("", "identifier.first().select(%source & '.' & value & system)"), 2)
}

func TestAFileThatIsNoYAMLIsReportedFirstAndAlone(t *testing.T) {
	r := lint(t, fstest.MapFS{
		"a.yaml": {Data: []byte("object: PersonName\nsource: Patient\nkey: {field: Bridge_Key__c, from: id}\nrows:\n  - {field: LastNam, from: id}\n  - {field: LastName, default: x}\n")},
		"b.yaml": {Data: []byte("object: PersonName # " + planted + "\nsource: Patient\nkey: {field: Bridge_Key__c, from: %source + id}\n")},
		"v.yaml": {Data: []byte("values: {used-in-b: {codes: [{code: a, to: b}]}}\n")},
	}, defaultSnapshot(t))
	require.Len(t, r.Findings, 2)
	assert.Equal(t, "yaml b.yaml:3:35", fmt.Sprintf("%s %s:%d:%d", r.Findings[0].Check, r.Findings[0].File, r.Findings[0].Line, r.Findings[0].Column))
	assert.Equal(t, "unknown-field", r.Findings[1].Check)
	line, caret := r.Excerpt(r.Findings[0])
	assert.Equal(t, "key: {field: Bridge_Key__c, from: %source + id}", line)
	assert.Equal(t, 34, caret)
}

func TestEveryRowOfALargeFaultyTableIsReported(t *testing.T) {
	var table strings.Builder
	table.WriteString("object: PersonName\nsource: Patient\nkey: {field: Bridge_Key__c, from: id}\nrows:\n")
	for i := range 3000 {
		fmt.Fprintf(&table, "  - {field: Nam%d, from: nmae, values: v%d}\n", i, i)
	}
	r := lint(t, fstest.MapFS{"a.yaml": {Data: []byte(table.String())}}, defaultSnapshot(t))
	assert.GreaterOrEqual(t, r.Count(Error), 3*3000, "field, path and value table of each")
}

func TestAFieldOfYourOwnIsDeclaredInASnapshotBesideTheTables(t *testing.T) {
	tables := fstest.MapFS{"a.yaml": {Data: []byte(`object: PersonName
source: Patient
key: {field: Bridge_Key__c, from: id}
rows:
  - {field: LastName, default: x, required: true}
  - {field: Ward__c, from: gender, values: wards}
values: {wards: {unlisted: none, codes: [{code: male, to: North}, {code: female, to: Sud}]}}
`)}}
	says := func(target Snapshot) string {
		var out []string
		for _, f := range lint(t, tables, target).Findings {
			out = append(out, f.Check+" "+f.Message+" | "+f.Hint)
		}
		return strings.Join(out, "\n")
	}
	assert.Equal(t, "unknown-field PersonName has no field Ward__c | a field of your own: declare it in snapshot.yaml beside the tables, or check against your org: "+
		"refbridge describe --save org.json, then --snapshot org.json", says(defaultSnapshot(t)))
	tables["snapshot.yaml"] = &fstest.MapFile{Data: []byte(`about: Wards of ours.
objects:
  - name: PersonName
    fields:
      - {name: Ward__c, type: picklist, restrictedPicklist: true, picklistValues: [North, South]}
      - {"name":"Seen__c","type":"picklist","createable":true,"picklistValues":[{"value":"North","active":true}]}
  - name: Ward__c
    fields: [{name: Name, type: string, length: 80}]
`)}
	assert.Equal(t, `required-field a new PersonName needs Seen__c, and no row gives it | add a row
unknown-value picklist Ward__c does not take "Sud" | it has North, South`, says(defaultSnapshot(t)), "what is not said is false where one of them is said")
	org := defaultSnapshot(t)
	org.Taken = "2026-06-15T10:00:00Z"
	assert.Contains(t, says(org), "unknown-field PersonName has no field Ward__c | create it, or grant", "what an org has is for the org to say")
	for text, want := range map[string]string{
		"bodies: {referral: {patient.id: {}}}":            "bodies are those of a target of its own",
		"objects: [{name: A__c, fields: [{name: F__c}]}]": "each of its fields a name and a type",
		"objects: [{name: A__c, feilds: []}]":             "line 1: field feilds not found",
	} {
		tables["snapshot.yaml"].Data = []byte(text)
		_, err := Check(tables, defaultSnapshot(t))
		assert.ErrorContains(t, err, want)
		assert.NotContains(t, err.Error(), "lint.", text)
	}
}

func TestAValueThatHealthCloudDocumentsMayMarkNothingInAnOrgWithoutIt(t *testing.T) {
	const row = "{field: Priority, from: \"'Routine'\"}\ngone:\n  - {field: Status, to: Revoked, only: %s}"
	without := changed(t, "ClinicalServiceRequest", "Status", func(f *sobject.FieldType) { f.PicklistValues = f.PicklistValues[1:] })
	require.Equal(t, "Active", defaultSnapshot(t).values("ClinicalServiceRequest", "Status")[0])
	assert.Empty(t, oneRowAgainst(t, without, fmt.Sprintf(row, "[Active, Draft]")))
	assert.Len(t, oneRowAgainst(t, without, fmt.Sprintf(row, "[Actve, Draft]")), 1)
}

func TestFindingsAreAtMost80ColumnsWide(t *testing.T) {
	var out strings.Builder
	r := lint(t, os.DirFS("testdata/faults"), defaultSnapshot(t))
	r.Of = "tables/"
	require.NoError(t, r.Text(&out, plainText))
	for line := range strings.Lines(out.String()) {
		longWord := strings.Contains(line, "https://") && !strings.Contains(line, " | ")
		assert.True(t, longWord || len([]rune(strings.TrimSuffix(line, "\n"))) <= 80, line)
	}
	assert.Contains(t, out.String(), " in 4 files of tables/\n")
}

func TestWhatOneMistakeBringsAboutIsNotReported(t *testing.T) {
	const referral = `object: ClinicalServiceRequestDetail
source: ServiceRequest
key: {field: Bridge_Key__c, from: id}
rows:
  - {field: ClinicalServiceRequestId, from: id, ref: ClinicalServiceRequest, required: true, owner: create-only}
  - {field: DetailType, from: intent, values: intent, required: true}
`
	const of = "object: ClinicalServiceRequest\nsource: ServiceRequest\nkey: {field: Bridge_Key__c, from: id}\nrows:\n" +
		"  - {field: PatientId, from: subject.identifier.value, transform: nhsNumber, lookup: Account.nhsNumber, required: true, owner: create-only}\n" +
		"  - {field: Type, default: Order, required: true}\n"
	const values = "values: {intent: {unlisted: hold, codes: [{code: order, to: GENERAL}]}}\n"
	errors := func(parent, child, values string) []string {
		r := lint(t, fstest.MapFS{"a.yaml": {Data: []byte(parent)}, "b.yaml": {Data: []byte(child)}, "v.yaml": {Data: []byte(values)}}, defaultSnapshot(t))
		var out []string
		for _, f := range r.Findings {
			if f.Check != "unknown-value" && f.Check != "key-field" {
				out = append(out, f.File+" "+f.Message)
			}
		}
		return out
	}
	assert.Empty(t, errors(of, referral, values))
	swap := strings.Replace
	assert.Equal(t, []string{"a.yaml the target has no object ClinicalServiceReqest"}, errors(swap(of, "Request", "Reqest", 1), referral, values))
	assert.Equal(t, []string{`a.yaml a table needs "object"`}, errors(swap(of, "object: ClinicalServiceRequest\n", "", 1), referral, values))
	assert.Equal(t, []string{`a.yaml a table does not take "row"`}, errors(swap(of, "rows", "row", 1), referral, values))
	assert.Equal(t, []string{`a.yaml a row does not take "feild"`}, errors(swap(of, "field: Type", "feild: Type", 1), referral, values))
	assert.Equal(t, []string{`b.yaml there is no value table "intents"`}, errors(of, swap(referral, "values: intent", "values: intents", 1), values))
}

func TestACodeListIsComparedWithTheSetBehindNamedValuesAndExtensions(t *testing.T) {
	const table = "object: PersonName\nsource: %s\nkey: {field: Bridge_Key__c, from: id}\nlet: {a: \"%s\", b: \"%%a\"}\nrows:\n" +
		"  - {field: LastName, from: \"%s\", values: t}\nvalues:\n  t:\n    codes: [{code: %s, to: x}]\n"
	says := func(source, let, from, code string) string {
		var out []string
		for _, f := range lint(t, fstest.MapFS{"a.yaml": {Data: fmt.Appendf(nil, table, source, let, from, code)}}, defaultSnapshot(t)).Findings {
			if strings.HasSuffix(f.Check, "-code") {
				out = append(out, f.Message)
			}
		}
		return strings.Join(out, "\n")
	}
	const priority = "value table t has no row for urgent, asap, stat of request-priority: such a record is held"
	assert.Equal(t, priority, says("ServiceRequest", "priority", "%a", "routine"))
	assert.Equal(t, priority, says("ServiceRequest", "priority", "%b", "routine"))
	assert.Contains(t, says("Encounter", "id", "status", "planed"), "encounter-status has no code planed: the row is never used")
	assert.Contains(t, says("Encounter", "statusHistory.first()", "%a.status", "planed"), "encounter-status has no code planed")
	const state = "extension('https://fhir.nhs.uk/StructureDefinition/Extension-eRS-ServiceRequest-State').extension('state').value"
	for _, from := range []string{state, "%a", "%b.code", "%resource." + state + ".first()"} {
		got := says("ServiceRequest", state, from, "BOKED")
		assert.Contains(t, got, "value table t has no row for NOT_BOOKED, BOOKED, DEFERRED_TO_PROVIDER,", from)
		assert.Contains(t, got, "eRS-ReferralState has no code BOKED", from)
	}
	assert.Empty(t, says("ServiceRequest", "id", strings.Replace(state, "'state'", "'reason'", 1), "BOKED"), "reasons are many lists")
	assert.Equal(t, "eRS-ReferralState has no code BOKED: %a.code is never that",
		strings.Join(oneLet(t, state, "{field: SourceSystem, from: id, when: \"%a.code = 'BOKED'\"}"), "\n"))
}

// oneLet lints a table with a named value %a and gives what is said of codes and extensions.
func oneLet(t *testing.T, let, row string) []string {
	t.Helper()
	table := "object: PersonName\nsource: ServiceRequest\nkey: {field: Bridge_Key__c, from: id}\nlet: {a: \"" + let + "\"}\nrows:\n  - " + row + "\n"
	var out []string
	for _, f := range lint(t, fstest.MapFS{"a.yaml": {Data: []byte(table)}}, defaultSnapshot(t)).Findings {
		if f.Check == "unknown-code" || f.Check == "unknown-extension" {
			out = append(out, f.Message)
		}
	}
	return out
}

func TestTheGeneratedBindingsAreThoseOfR4(t *testing.T) {
	sets := newCodeSets()
	assert.Greater(t, len(sets.byElement), 250)
	for element, codes := range map[string]string{
		"Appointment.status":             "proposed pending booked arrived fulfilled cancelled noshow entered-in-error checked-in waitlist",
		"Appointment.participant.status": "accepted declined tentative needs-action",
		"Patient.gender":                 "male female other unknown",
		"Task.priority":                  "routine urgent asap stat",
		"Slot.status":                    "busy free busy-unavailable busy-tentative entered-in-error",
		"ContactPoint.use":               "home work temp old mobile",
	} {
		if assert.NotNil(t, sets.byElement[element], element) {
			assert.Equal(t, codes, strings.Join(sets.byElement[element].codes, " "), element)
		}
	}
}

func TestExtensionsOfERSAreReadAsTheyAre(t *testing.T) {
	const state = "extension('https://fhir.nhs.uk/StructureDefinition/Extension-eRS-ServiceRequest-State')"
	for path, want := range map[string]string{
		"extension.where(url = 'https://fhir.nhs.uk/StructureDefinition/Extension-eRS-ServiceRequest-Stat').extension('state').value.code": "no referral of e-RS carries the extension " +
			"https://fhir.nhs.uk/StructureDefinition/Extension-eRS-ServiceRequest-Stat",
		"%a.extension('sate').value.code":             `the extension has no part "sate"`,
		"%a.extension.where(url = 'sate').value.code": `the extension has no part "sate"`,
		"%a.value.code":       "the extension has no value, it has parts: comments, reason, state",
		state + ".value.code": "the extension has no value, it has parts: comments, reason, state",
		state + ".extension('state').value.ofType(string)":    "the extension has a Coding, never a string",
		state + ".extension('comments').value.ofType(string)": "",
		"%a.extension('state').value.code":                    "",
		"extension('https://ward.example/x').value.code":      "",
	} {
		assert.Equal(t, want, strings.Join(oneLet(t, state, "{field: LastName, from: \""+path+"\"}"), "\n"), path)
	}
	assert.NotEmpty(t, oneRow(t, "{field: SourceSystem, from: \""+state+".extension('state').valueString\"}"), "no element of R4 has this name")
}

func TestAConceptOfSNOMEDIsNoNHSNumber(t *testing.T) {
	const table = "object: PersonName\nsource: Patient\nkey: {field: Bridge_Key__c, from: id}\nrows: [{field: LastName, from: \"%s\", values: t}]\n" +
		"values: {t: {unlisted: hold, codes: [{code: \"%s\", system: \"%s\", to: x}]}}\n"
	const concept, snomed = "9990018006", "http://snomed.info/sct"
	of := func(from, code, system string) []string {
		return found(t, "nhs-number", fmt.Sprintf(table, from, code, system))
	}
	assert.Empty(t, of("id", concept, snomed))
	assert.Empty(t, of("extension('x').value.where(system = '"+snomed+"' and code = '"+concept+"')", "a", "urn:x"))
	assert.Len(t, of("id", concept, "urn:x"), 1)
	assert.Len(t, of("id", planted, snomed), 1, "the digits of SNOMED CT do not check")
}

func TestTheTextsThatAPathCanGiveAreComparedWithThePicklist(t *testing.T) {
	target := changed(t, "ClinicalServiceRequest", "Priority", restricted)
	assert.Equal(t, []string{`error unknown-value:7:56 picklist Priority does not take "Rutine"`, `error unknown-value:7:66 picklist Priority does not take "Urgnt"`},
		oneRowAgainst(t, target, `{field: Priority, from: "iif(priority = 'routine', 'Rutine', 'Urgnt')"}`))
	assert.Empty(t, oneRowAgainst(t, target, `{field: Priority, from: "iif(priority = 'routine', 'Routine', {})"}`))
	assert.Len(t, oneRowAgainst(t, target, `{field: Priority, from: "iif(priority = 'routine', 'Rutine', text.div)"}`), 1)
}

func TestAValueThatNoRowWritesIsWaitedForInVain(t *testing.T) {
	const row = `{field: Bridge_Source_State__c, %s}
back:
  - {dialect: ers, changed: IsAccepted, operation: $ers.acceptReferral, while: {Bridge_Source_State__c: %s}}
gone:
  - {field: Priority, to: Routine, only: [Routine]}
  - {field: Bridge_Source_Priority__c, to: x, only: [y]}`
	of := func(source, while string) []string {
		return oneRow(t, fmt.Sprintf(row, source, while), "s: {unlisted: none, codes: [{code: active, to: BOOKED}]}")
	}
	assert.Empty(t, of("from: status, values: s", "BOOKED"))
	assert.Equal(t, []string{`warning unknown-value:9:114 no row writes "BOOKD" to Bridge_Source_State__c: no record has it`}, of("from: status, values: s", "[BOOKED, BOOKD]")[:1])
	assert.Len(t, of("default: OTHER", "BOOKED"), 1)
	assert.Empty(t, of("from: status", "BOOKED"), "it may be any code")
	assert.Empty(t, of("from: status, values: s, owner: target", "BOOKD"), "it may be what people wrote")
	assert.Empty(t, of("from: status, values: s, when: id.exists()}\n  - {field: Bridge_Source_State__c, from: id", "BOOKD"), "another row gives any")
}

func TestAnUpdateChangesAnElementOfTheSource(t *testing.T) {
	const back = "{field: Priority, from: \"'Routine'\"}\nback:\n  - {dialect: fhir, changed: Status, operation: update, parameters: [{name: %s, from: Status}]}"
	for name, want := range map[string]string{
		"status":             "",
		"patientInstruction": "",
		"statuss":            "error unknown-element:9:77 ServiceRequest has no element statuss",
		"subject":            "error wrong-type:9:77 an update writes a code or a text, subject is a Reference",
		"subject.display":    "error wrong-type:9:77 an update changes an element of ServiceRequest itself, not subject.display",
		"doNotPerform":       "error wrong-type:9:77 an update writes a code or a text, doNotPerform is a boolean",
		"occurrence":         "error wrong-type:9:77 an update writes a code or a text, occurrence is of several types",
	} {
		assert.Equal(t, want, strings.Join(oneRow(t, fmt.Sprintf(back, name)), "\n"), name)
	}
}

func TestASystemThatIsAlmostOneOfTheNHSIsReported(t *testing.T) {
	of := func(from, system string) []string {
		return found(t, "unknown-system", "object: PersonName\nsource: Patient\nkey: {field: Bridge_Key__c, from: id}\nrows: [{field: LastName, from: \""+from+
			"\", values: t}]\nvalues: {t: {system: "+system+", codes: [{code: a, to: b}]}}\n")
	}
	assert.Equal(t, []string{"warning 4:60 https://fhir.nhs.uk/Id/nhs-numbr is no system of the NHS that refbridge knows"},
		of("identifier.where(system = 'https://fhir.nhs.uk/Id/nhs-numbr').value", "urn:x"))
	assert.Len(t, of("id", "https://fhir.nhs.uk/CodeSystem/eRS-Priorty"), 1)
	assert.Len(t, of("id", "http://snomed.info/sctt"), 1)
	for _, known := range []string{"https://fhir.nhs.uk/Id/nhs-number", "http://fhir.nhs.net/Id/nhs-number", "http://snomed.info/sct", "https://ward.example/id"} {
		assert.Empty(t, of("identifier.where(system = '"+known+"').value", known), known)
	}
}

func TestConditionsAreComparedByWhatTheySay(t *testing.T) {
	const rows = "{field: SourceSystem, from: id, when: status='active'}\n  - {field: SourceSystem, from: id, when: \"status  =  'active'\"}"
	assert.Equal(t, []string{"error unreachable:8:43 the row of line 7 has the same condition: this one never counts"}, oneRow(t, rows))
}

func TestANumberIsWrittenAsAPath(t *testing.T) {
	r := lint(t, fstest.MapFS{"a.yaml": {Data: []byte("object: ClinicalServiceRequest\nsource: ServiceRequest\nkey: {field: Bridge_Key__c, from: id}\nrows:\n" +
		"  - {field: ReferralScore, default: 5}\n")}}, defaultSnapshot(t))
	i := slices.IndexFunc(r.Findings, func(f Finding) bool { return f.Check == "wrong-type" })
	require.GreaterOrEqual(t, i, 0)
	assert.Equal(t, `a constant number is a path: from: "5"`, r.Findings[i].Hint)
}

func TestFilesThatAreNoTablesAreNamed(t *testing.T) {
	table := fstest.MapFS{"extra.yml": {Data: []byte("a: b")}, "a.yaml": {Data: []byte("object: PersonName\nsource: Patient\nkey: {field: Bridge_Key__c, from: id}\n" +
		"rows: [{field: LastName, default: x, required: true}]\n")}}
	r := lint(t, table, defaultSnapshot(t))
	require.Len(t, r.Findings, 1)
	assert.Equal(t, "extra.yml: the file is not read: tables end in .yaml (name it extra.yaml, or move it away)", r.Findings[0].Fault.String())
	table["x.yaml/note.txt"] = &fstest.MapFile{Data: []byte("x")}
	_, err := Check(table, defaultSnapshot(t))
	assert.EqualError(t, err, "x.yaml is a folder, and a table is a file: give the folder another name")
}

func TestTwoTablesOfOneRecordAreOneFinding(t *testing.T) {
	const table = "object: PersonName\nsource: Patient\nkey: {field: Bridge_Key__c, from: id}\nrows: [{field: %s}]\n"
	r := lint(t, fstest.MapFS{"a.yaml": {Data: fmt.Appendf(nil, table, "LastName, default: x, required: true")},
		"b.yaml": {Data: fmt.Appendf(nil, table, "FirstName, default: x")}}, defaultSnapshot(t))
	require.Len(t, r.Findings, 1, "the last name is given by the other table")
	assert.Equal(t, "twin", r.Findings[0].Check)
}

func TestANamedValueThatIsMisspeltWhereItIsReadIsNotUnused(t *testing.T) {
	const table = "object: PersonName\nsource: Patient\nkey: {field: Bridge_Key__c, from: id}\nlet: {family: name.first().family}\n" +
		"rows: [{field: LastName, from: \"%s\", transform: \"truncate(80, hold)\"}]\n"
	assert.Empty(t, found(t, "unused", fmt.Sprintf(table, "%famly")))
	assert.Len(t, found(t, "unused", fmt.Sprintf(table, "id")), 1)
}
