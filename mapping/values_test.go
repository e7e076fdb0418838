package mapping

import (
	"testing"
	"testing/fstest"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"refbridge/sfdc/sobject"
)

func TestFinding_values_O4_O5_O6_O18_EveryStateOfERSBecomesAStatusWithItsReason(t *testing.T) {
	set := starterTables(t)
	cases := []struct{ state, reason, status, wantStatus, wantAccepted string }{
		{"NOT_BOOKED", "X", "active", "Active", ""},
		{"BOOKED", "X", "active", "Active", ""},
		{"DEFERRED_TO_PROVIDER", "NO_SLOTS_AT_SERVICE", "active", "Active", ""},
		{"AWAITING_TRIAGE", "TRIAGE", "active", "Active", ""},
		{"TRIAGED_PROVIDER_TO_ACTION", "ACCEPT_REFER_BOOK_LATER", "active", "Active", "true"},
		{"TRIAGED_PROVIDER_TO_ACTION", "RETURN_TO_REFERRER_WITH_ADVICE", "active", "Active", "false"},
		{"TRIAGE_RESPONSE", "RETURN_TO_REFERRER_WITH_ADVICE", "active", "Active", "false"},
		{"REJECTED", "X", "active", "Active", "false"},
		{"REJECTED", "X", "completed", "Completed", "false"},
		{"APPT_CANCELLED_BY_PATIENT", "X", "active", "Active", ""},
		{"APPT_CANCELLED_BY_PROVIDER", "X", "active", "Active", ""},
		{"DID_NOT_ATTEND", "X", "active", "Active", ""},
		{"ASSESSMENT_RESULT", "X", "active", "Active", ""},
		{"CANCELLED_REFERRAL", "X", "revoked", "Revoked", ""},
		{"CANCELLED_REFERRAL", "PATIENT_DIED", "active", "Revoked", ""},
		{"TRIAGE_RESPONSE", "X", "active", "Active", "false"},
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
			assert.Equal(t, c.reason, reveal(t, record, "Bridge_Source_Reason__c"))
		})
	}
}

func TestFinding_values_O8_EverySpellingOfAStateIsTheSameState(t *testing.T) {
	for code, want := range map[string]string{"APP_CANCELLED_BY_PATIENT": "APPT_CANCELLED_BY_PATIENT", "APP_CANCELLED_BY_PROVIDER": "APPT_CANCELLED_BY_PROVIDER",
		"APPOINTMENT_CANCELLED_BY_PATIENT": "APPT_CANCELLED_BY_PATIENT", "APPOINTMENT_CANCELLED_BY_PROVIDER": "APPT_CANCELLED_BY_PROVIDER",
		"DEFER_TO_PROVIDER": "DEFERRED_TO_PROVIDER"} {
		out, err := starterTables(t).Map(ersReferral(t, code, "X", "active"))
		require.NoError(t, err, code)
		record := mapped(t, out, "ClinicalServiceRequest").Record
		assert.Equal(t, want, reveal(t, record, "Bridge_Source_State__c"))
		assert.Equal(t, "Active", reveal(t, record, "Status"))
	}
}

func TestAnUnknownStateHoldsTheReferralWithTheRowToAdd(t *testing.T) {
	for _, status := range []string{"active", "revoked", "completed"} {
		out, err := starterTables(t).Map(ersReferral(t, "SENT_TO_MARS", "X", status))
		assert.Empty(t, out.Records)
		f := faults(t, err)
		require.True(t, f.Has(UnknownCode))
		last := f[len(f)-1]
		assert.Equal(t, "service-request.yaml", last.File)
		assert.Equal(t, "Bridge_Source_State__c", last.Field)
		assert.Equal(t, "code SENT_TO_MARS of https://fhir.nhs.uk/CodeSystem/eRS-ReferralState is not in value table ers-state-name", last.Message)
		assert.Equal(t, "add to table ers-state-name at values.yaml:88: - {system: https://fhir.nhs.uk/CodeSystem/eRS-ReferralState, code: SENT_TO_MARS, to: …}", last.Hint)
	}
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

func TestCodesStayAsTheyAreWritten(t *testing.T) {
	set, err := Load(fstest.MapFS{"a.yaml": {Data: []byte(`values:
  verification:
    codes:
      - {code: 01, to: 0123}
      - {code: 1.50, to: no}
      - {code: 2024-05-08, to: yes}
      - {code: true, to: true}
`)}}, Options{})
	require.NoError(t, err)
	v := set.values["verification"]
	for code, want := range map[string]string{"01": "0123", "1.50": "no", "2024-05-08": "yes", "true": "true"} {
		row, ok := v.Find(Coding{Code: code})
		require.True(t, ok, code)
		assert.Equal(t, want, row.To.Reveal())
	}
	_, ok := v.Find(Coding{Code: "1"})
	assert.False(t, ok)
}

func TestACodeOfTwoSystemsIsNotGuessed(t *testing.T) {
	set, err := Load(fstest.MapFS{"a.yaml": {Data: []byte(`values:
  v:
    system: urn:a
    codes:
      - {code: x, to: A}
      - {code: x, to: B, system: urn:b}
      - {code: y, to: A}
`)}}, Options{})
	require.NoError(t, err)
	v := set.values["v"]
	row, ok := v.Find(Coding{"urn:b", "x"})
	assert.True(t, ok)
	assert.Equal(t, "B", row.To.Reveal())
	_, ok = v.Find(Coding{"", "x"})
	assert.False(t, ok, "without a system x could be either")
	_, ok = v.Find(Coding{"", "y"})
	assert.True(t, ok)
	_, ok = v.Find(Coding{"urn:c", "y"})
	assert.False(t, ok, "another system is another code")
}

func TestThePlaceOfAFaultNamesNoElementThatCouldBeAboutAPerson(t *testing.T) {
	set, err := Load(files("a.yaml", "object: X__c\nsource: ServiceRequest\nkey: {field: K__c, from: \"'k'\"}\nrows:\n"+
		"  - {field: F__c, from: children().where($this = 'yy'), transform: \"truncate(1, hold)\"}\n"), Options{})
	require.NoError(t, err)
	for name, element := range map[string]string{"language": "ServiceRequest.language", "Zebedee Quill": "ServiceRequest", "NHS9434765919": "ServiceRequest"} {
		_, err := set.Map(Input{Focus: resource(t, []byte(`{"resourceType":"ServiceRequest","`+name+`":"yy"}`)), Variables: map[string]string{"source": "s"}})
		var faults Faults
		require.ErrorAs(t, err, &faults, name)
		assert.Equal(t, element, faults[0].Element)
	}
}
