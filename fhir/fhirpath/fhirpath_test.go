package fhirpath_test

import (
	"runtime"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"refbridge/fhir"
	"refbridge/fhir/fhirpath"
)

// request is a referral as e-RS gives it after conversion: synthetic, with a contained patient, extensions inside
// extensions, and a participant type that is an object where FHIR has a list.
const request = `{
  "resourceType": "ServiceRequest", "id": "000000070001", "meta": {"versionId": "5"},
  "contained": [
    {"resourceType": "Patient", "id": "p1", "identifier": [
       {"system": "https://example.org/other", "value": "X1"},
       {"system": "https://fhir.nhs.uk/Id/nhs-number", "value": "9990000018"}],
     "name": [{"use": "usual", "family": "Okafor", "given": ["Ada", "May"], "_given": [null, {"extension": [{"url": "https://example.org/known-as", "valueBoolean": true}]}]}],
     "birthDate": "1961-04", "_birthDate": {"extension": [{"url": "https://example.org/birth-time", "valueDateTime": "1961-04-02T03:10:00Z"}]}},
    {"resourceType": "Practitioner", "id": "g1", "identifier": {"system": "https://fhir.hl7.org.uk/Id/gmc-number", "value": "C7654321"}}],
  "extension": [
    {"url": "https://fhir.nhs.uk/StructureDefinition/Extension-eRS-ReferralState", "extension": [
       {"url": "state", "valueCoding": {"system": "https://fhir.nhs.uk/CS/state", "code": "BOOKED"}},
       {"url": "since", "valueDateTime": "2026-01-05T09:30:00+00:00"}]}],
  "status": "active", "intent": "order", "priority": "urgent",
  "_authoredOn": {"extension": [{"url": "https://example.org/data-absent-reason", "valueCode": "unknown"}]},
  "subject": {"reference": "#p1"}, "requester": {"reference": "Practitioner/77"},
  "occurrencePeriod": {"start": "2026-02-01", "end": "2026-02-28T12:00:00Z"},
  "quantityQuantity": {"value": 1.50, "unit": "mg", "system": "http://unitsofmeasure.org", "code": "mg"},
  "category": [{"coding": [{"system": "a", "code": "1"}, {"system": "b", "code": "2"}]}, {"text": "Second"}],
  "participant": {"type": {"coding": {"code": "PRF"}}}
}`

func focus(t testing.TB, src string) fhir.Node {
	t.Helper()
	r, err := fhir.Parse([]byte(src))
	require.NoError(t, err)
	return r.Root()
}

// eval gives the texts of a result, joined by "|".
func eval(t testing.TB, c *fhirpath.Context, expression string, on fhir.Node) string {
	t.Helper()
	e, err := fhirpath.Compile(expression, "source")
	require.NoError(t, err, expression)
	got, err := e.Eval(c, on)
	require.NoError(t, err, expression)
	var out []string
	for _, i := range got {
		out = append(out, i.Text())
	}
	return strings.Join(out, "|")
}

func TestPathsOfMappingTablesGiveTheirValues(t *testing.T) {
	on := focus(t, request)
	for expression, want := range map[string]string{
		`id`:                    "000000070001",
		`ServiceRequest.status`: "active",
		`Appointment.status`:    "",
		`subject.resolve().identifier.where(system='https://fhir.nhs.uk/Id/nhs-number').value.first()`:                         "9990000018",
		`extension('https://fhir.nhs.uk/StructureDefinition/Extension-eRS-ReferralState').extension('state').valueCoding.code`: "BOOKED",
		`extension('https://fhir.nhs.uk/StructureDefinition/Extension-eRS-ReferralState').extension('state').value.code`:       "BOOKED",
		`extension.extension.where(url='since').value`:                                                                         "2026-01-05T09:30:00+00:00",
		`occurrence.start`:                                                        "2026-02-01",
		`occurrencePeriod.start`:                                                  "2026-02-01",
		`occurrence.ofType(Period).end`:                                           "2026-02-28T12:00:00Z",
		`occurrence.ofType(dateTime)`:                                             "",
		`(occurrence as Period).start`:                                            "2026-02-01",
		`occurrence is Timing`:                                                    "false",
		`quantity.value`:                                                          "1.50",
		`participant.type.coding.code`:                                            "PRF",
		`participant[0].type[0].coding.first().code`:                              "PRF",
		`category.coding.where(system = 'b').code`:                                "2",
		`category.coding.exists(system = 'c')`:                                    "false",
		`category.text`:                                                           "Second",
		`contained.ofType(Patient).name.given.join(' ')`:                          "Ada May",
		`contained.where($this is Practitioner).identifier.value`:                 "C7654321",
		`contained.birthDate.extension('https://example.org/birth-time').value`:   "1961-04-02T03:10:00Z",
		`contained.name.given[1].extension('https://example.org/known-as').value`: "true",
		`contained.name.given[0].extension.exists()`:                              "false",
		`authoredOn.exists()`:                                                     "true",
		`authoredOn.hasValue()`:                                                   "false",
		`authoredOn.extension('https://example.org/data-absent-reason').value`:    "unknown",
		`authoredOn = '2026-01-01'`:                                               "",
		`iif(priority = 'urgent', 'Urgent', 'Routine')`:                           "Urgent",
		`priority in ('urgent' | 'stat')`:                                         "true",
		`note.text.first()`:                                                       "",
		`note.text.first().upper() & 'x'`:                                         "x",
		`contained.birthDate < @1961-04-02`:                                       "",
		`contained.birthDate < @1961-05`:                                          "true",
		`category.select(coding.code.first() | text).join(';')`:                   "1;Second",
		`'PR' & id.substring(8)`:                                                  "PR0001",
		`subject.reference.replaceMatches('^#(.)', 'contained $1')`:               "contained p1",
		`meta.versionId.toInteger() + 1`:                                          "6",
		`%resource.id = id`:                                                       "true",
		`%source`:                                                                 "",
		`requester.resolve()`:                                                     "",
		`descendants().where($this is Coding).code.count()`:                       "3",
		`contained.type().name`:                                                   "Patient|Practitioner",
		`(1.10 + 2.205).toString()`:                                               "3.305",
		`0.1 + 0.2 = 0.3`:                                                         "true",
		`occurrence.end.toDate()`:                                                 "2026-02-28",
		`occurrence.start + 1 month`:                                              "2026-03-01",
		`quantity > 1 'mg' and quantity < 1 'g'`:                                  "true",
		`quantity.value * 2`:                                                      "3.00",
		`2147483647 + 1`:                                                          "",
		`@2024-01-31 + 1 month`:                                                   "2024-02-29",
		`@T23:30 + 1 hour`:                                                        "00:30",
	} {
		assert.Equal(t, want, eval(t, &fhirpath.Context{}, expression, on), expression)
	}
}

func TestTypesFollowTheModelAndElseTheJSON(t *testing.T) {
	on := focus(t, request)
	for expression, want := range map[string]string{
		`status`:                       "FHIR.code",
		`occurrence`:                   "FHIR.Period",
		`occurrence.start`:             "FHIR.dateTime",
		`contained[0]`:                 "FHIR.Patient",
		`contained[0].birthDate`:       "FHIR.date",
		`contained[0].name`:            "FHIR.HumanName",
		`authoredOn`:                   "FHIR.dateTime",
		`extension.extension.value[0]`: "FHIR.Coding",
		`participant`:                  "FHIR.Element",
		`id.length()`:                  "System.Integer",
		`quantity.value * 2`:           "System.Decimal",
		`id & ''`:                      "System.String",
	} {
		e, err := fhirpath.Compile(expression)
		require.NoError(t, err, expression)
		got, err := e.Eval(nil, on)
		require.NoError(t, err, expression)
		require.Len(t, got, 1, expression)
		assert.Equal(t, want, got[0].Type(), expression)
		name, element := strings.CutPrefix(want, "FHIR.")
		assert.Equal(t, element, got[0].OfType(name), expression)
		assert.False(t, got[0].OfType("instants"), expression)
	}
}

func TestSTU3ReferralsOfERSAreReadByTheSameEngine(t *testing.T) {
	on := focus(t, `{"resourceType": "ReferralRequest", "id": "000000070001", "intent": "order",
		"occurrenceDateTime": "2026-03-02", "serviceRequested": [{"coding": [{"code": "SVC"}]}],
		"requester": {"agent": {"reference": "#g"}, "onBehalfOf": {"identifier": {"value": "A1001"}}},
		"specialty": {"coding": [{"code": "100"}]}, "context": {"reference": "Encounter/1"},
		"contained": [{"resourceType": "Appointment", "id": "a", "incomingReferral": [{"reference": "ReferralRequest/000000070001"}],
			"start": "2026-03-02T10:00:00Z", "participant": [{"type": {"coding": [{"code": "PRF"}]}}]}]}`)
	for expression, want := range map[string]string{
		`ReferralRequest.requester.onBehalfOf.identifier.value`:    "A1001",
		`ReferralRequest.occurrence`:                               "2026-03-02",
		`occurrence.is(dateTime)`:                                  "true",
		`serviceRequested.coding.code`:                             "SVC",
		`contained.ofType(Appointment).incomingReferral.reference`: "ReferralRequest/000000070001",
		`contained.participant.type.coding.code`:                   "PRF",
		`contained.start < @2026-03-04`:                            "true",
	} {
		assert.Equal(t, want, eval(t, nil, expression, on), expression)
	}
}

func TestChoiceTypesDoNotCatchNeighboursThatOnlyLookAlike(t *testing.T) {
	on := focus(t, `{"resourceType": "ServiceRequest", "reasonReference": [{"reference": "Condition/1"}], "reasonCode": [{"text": "Knee"}]}`)
	_, err := fhirpath.Compile(`ServiceRequest.reason`)
	assert.Error(t, err, "R4 has reasonCode and reasonReference, and no reason[x] here")
	assert.Empty(t, eval(t, nil, `reason.reference`, on), "nor where the type is not known before")
	assert.Equal(t, "Knee", eval(t, nil, `reasonCode.text`, on))
}

func TestResolveLooksAmongContainedResourcesThenAsksTheContext(t *testing.T) {
	on := focus(t, request)
	other := focus(t, `{"resourceType": "Practitioner", "id": "77", "name": [{"family": "Marsh"}],
		"contained": [{"resourceType": "Organization", "id": "p1", "identifier": [{"value": "R1H"}]}],
		"extension": [{"url": "https://example.org/at", "valueReference": {"reference": "#p1"}}]}`)
	c := &fhirpath.Context{Resource: on, Resolve: func(reference string, _ fhir.Node) (fhir.Node, bool) {
		return other, reference == "Practitioner/77"
	}}
	assert.Equal(t, "Marsh", eval(t, c, `requester.resolve().name.family`, on))
	assert.Equal(t, "Okafor", eval(t, c, `subject.resolve().name.family`, on))
	assert.Equal(t, "000000070001", eval(t, c, `contained[0].select(%resource.id)`, on))
	assert.Empty(t, eval(t, c, `'Practitioner/78'.resolve()`, on))
	assert.Equal(t, "R1H", eval(t, c, `requester.resolve().extension('https://example.org/at').value.resolve().identifier.value`, on),
		"#id means the resource that the reference stands in")
	assert.Equal(t, "000000070001", eval(t, c, `'#'.resolve().id`, on), "# alone is the resource itself")
}

func TestVariablesAndTheClockComeFromTheContext(t *testing.T) {
	on := focus(t, request)
	london := time.FixedZone("BST", 3600)
	c := &fhirpath.Context{
		Now: time.Date(2026, 6, 1, 0, 30, 0, 0, london),
		Variables: func(int) (fhir.Node, fhirpath.Collection) {
			return fhir.Node{}, fhirpath.Collection{fhirpath.StringItem("ers")} // of source, the only name
		},
	}
	assert.Equal(t, "ers-000000070001", eval(t, c, `%source & '-' & id`, on))
	assert.Equal(t, "2026-06-01", eval(t, c, `today()`, on))
	assert.Equal(t, "2026-06-01T00:30:00.000+01:00", eval(t, c, `now()`, on))
	assert.Equal(t, "00:30:00.000", eval(t, c, `timeOfDay()`, on))
}

func TestCompileRefusesWithThePlaceAndTheNearestWay(t *testing.T) {
	for expression, want := range map[string]string{
		"identifier.frist()":           "line 1, column 12: unknown function frist(): did you mean first()?",
		"identifier\n  .vlaue":         "line 2, column 4: no resource has an element vlaue: did you mean value?",
		"Patient.naem.family":          "line 1, column 9: Patient has no element naem: did you mean name?",
		"Paitent.name":                 "line 1, column 1: unknown type Paitent: did you mean Patient?",
		"Observation.valueQuantity":    "line 1, column 13: Observation has no element valueQuantity: write value or value.ofType(Quantity)",
		"%soruce":                      "line 1, column 1: unknown variable %soruce: did you mean source?",
		"%fields.Statsu.lower()":       "line 1, column 1: unknown variable %fields.Statsu: did you mean fields.Status?",
		"%zzzzzzzzz":                   "line 1, column 1: unknown variable %zzzzzzzzz: known are %resource, %rootResource, %context, %ucum, %sct, %loinc, %source",
		"name.where()":                 "line 1, column 6: where() with 0 arguments: it takes 1",
		"name.given.matches(%source)":  "line 1, column 20: matches() wants its pattern as a literal: for example matches('^[0-9]+$')",
		"id.matches('(?=x)')":          "line 1, column 12: no regular expression: RE2 syntax: no look-around, no back references",
		"code.memberOf('http://x')":    "line 1, column 6: unknown function memberOf(): there is no terminology server here; list the codes: code in ('a' | 'b')",
		"children().first()":           "line 1, column 12: children() and descendants() have no order: name the elements, or use where(…)",
		"name = \"x\"":                 "line 1, column 8: double quotes quote nothing: write texts in single quotes, names in backticks",
		"'é' + 'ü' name":               "line 1, column 11: the expression should end here: join parts with . or an operator",
		"name.where(use = 'a'":         "line 1, column 21: expected )",
		"birthDate + 1":                "",
		"@2026-02-30":                  "line 1, column 1: no such date or time: for example @2015-02-04, @2015-02-04T14:30:00Z or @T14:30",
		"@2026-01-01 + 1 'mo'":         "line 1, column 13: a date does not move by 'mo': write a calendar word: 1 month",
		"name.first":                   "line 1, column 6: no resource has an element first: did you mean first()?",
		"resourceType":                 "line 1, column 1: no resource has an element resourceType: write is(Patient), or type().name",
		strings.Repeat("(", 200) + "1": "line 1, column 102: nested too deeply: split the expression into several fields",
		"":                             "line 1, column 1: the expression ends too early",
	} {
		_, err := fhirpath.Compile(expression, "source", "fields.Status")
		if want == "" {
			assert.NoError(t, err, expression)
			continue
		}
		var refusal *fhirpath.Error
		if assert.ErrorAs(t, err, &refusal, expression) {
			assert.Equal(t, want, refusal.Error(), expression)
		}
	}
}

func TestAnErrorOfEvalNamesPlaceAndTypesAndNoValue(t *testing.T) {
	on := focus(t, request)
	for expression, want := range map[string]string{
		`contained.single()`:              "fhirpath 1:11: single() wants one item, found 2",
		`id + subject`:                    "fhirpath 1:4: FHIR.id + FHIR.Reference does not work",
		`contained[0].name.given.upper()`: "fhirpath 1:25: upper() wants one item, found 2",
		`subject.upper()`:                 "fhirpath 1:9: upper() wants a text, not FHIR.Reference",
	} {
		e, err := fhirpath.Compile(expression)
		require.NoError(t, err, expression)
		_, err = e.Eval(nil, on)
		assert.EqualError(t, err, want, expression)
	}
}

func TestAnEvaluationThatGrowsWithoutEndIsStopped(t *testing.T) {
	on := focus(t, `{"resourceType": "Patient", "name": [`+strings.Repeat(`{"given": ["a"]},`, 1500)+`{"family": "z"}]}`)
	e, err := fhirpath.Compile(`name.select(%resource.name.select(%resource.name)).count()`)
	require.NoError(t, err)
	_, err = e.Eval(&fhirpath.Context{Resource: on}, on)
	assert.ErrorIs(t, err, fhirpath.ErrSteps)
	e, err = fhirpath.Compile(`name.aggregate($total & $total & 'xxxxxxxxxxxxxxxx', '')`)
	require.NoError(t, err)
	_, err = e.Eval(nil, on)
	assert.ErrorContains(t, err, "a text of more than")
}

func TestAMissingFocusIsTheEmptyCollection(t *testing.T) {
	assert.Empty(t, eval(t, nil, `name.given`, fhir.Node{}))
	assert.Equal(t, "false", eval(t, nil, `name.exists()`, fhir.Node{}))
}

func TestResultsStayValidUntilReset(t *testing.T) {
	on := focus(t, request)
	c := &fhirpath.Context{}
	e, err := fhirpath.Compile(`status & '!'`)
	require.NoError(t, err)
	first, err := e.Eval(c, on)
	require.NoError(t, err)
	for range 1000 {
		_, err = e.Eval(c, on)
		require.NoError(t, err)
	}
	assert.Equal(t, "active!", first[0].Text())
}

func TestReplaceMatchesStopsWhereItsResultGetsTooLong(t *testing.T) {
	on := focus(t, `{"resourceType":"Basic","id":"`+strings.Repeat("a", 100_000)+`","language":"`+strings.Repeat("$1", 100_000)+`"}`)
	for _, expression := range []string{
		"id.replaceMatches('a', %resource.id)",
		"id.replaceMatches('(a+)', language)",
		"id.replaceMatches('(a)', language)",
	} {
		e, err := fhirpath.Compile(expression)
		require.NoError(t, err)
		var before, after runtime.MemStats
		runtime.ReadMemStats(&before)
		_, err = e.Eval(&fhirpath.Context{}, on)
		runtime.ReadMemStats(&after)
		require.ErrorContains(t, err, "a text of more than 1048576 bytes", expression)
		assert.Less(t, after.TotalAlloc-before.TotalAlloc, uint64(512<<20), "%s: without a bound it takes gigabytes", expression)
	}
	assert.Equal(t, "b-aaa", eval(t, nil, "'aaa'.replaceMatches('^a(a)', 'b-$1$1')", on))
	assert.Equal(t, "-a-b-", eval(t, nil, "'ab'.replaceMatches('x*', '-')", on))
}
