package sfdcsim

import (
	"fmt"
	"net/url"
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

const byKey = "/sobjects/ClinicalServiceRequest/Bridge_Key__c/"

func TestDescribeShowsTheFlagsOfTheGuide(t *testing.T) {
	o := newOrg(t, Options{})
	d := o.call("GET", "/sobjects/ClinicalServiceRequest/describe", nil, 200).(m)
	fields := map[string]m{}
	for _, f := range d["fields"].([]any) {
		fields[f.(m)["name"].(string)] = f.(m)
	}
	assert.Len(t, d["keyPrefix"], 3)
	key := fields["Bridge_Key__c"]
	for _, flag := range []string{"externalId", "unique", "caseSensitive", "idLookup", "createable", "updateable", "nillable", "custom"} {
		assert.Equal(t, true, key[flag], flag)
	}
	assert.Equal(t, 255.0, key["length"])
	patient := fields["PatientId"]
	assert.Equal(t, []any{true, false, false}, []any{patient["createable"], patient["updateable"], patient["nillable"]})
	assert.Equal(t, "Patient", patient["relationshipName"])
	assert.Equal(t, []any{"Account"}, patient["referenceTo"])
	assert.Equal(t, true, fields["Status"]["restrictedPicklist"])
	assert.Equal(t, true, fields["Status"]["defaultedOnCreate"])
	assert.Len(t, fields["Status"]["picklistValues"], 7)
	assert.Equal(t, 64.0, fields["Bridge_Version__c"]["length"])
	assert.Equal(t, 2000.0, fields["Bridge_Action_Comment__c"]["length"])
	assert.Equal(t, false, fields["Bridge_Action_Comment__c"]["filterable"])
	assert.Equal(t, false, fields["Name"]["createable"])
	assert.Nil(t, fields["Status"]["relationshipName"])

	all := o.call("GET", "/sobjects", nil, 200).(m)["sobjects"].([]any)
	assert.Greater(t, len(all), 20)
	o.refused("GET", "/sobjects/Nothing/describe", nil, 404, "NOT_FOUND")
}

func TestEveryReferenceHasARelationshipName(t *testing.T) {
	s, err := newSchema(Options{})
	require.NoError(t, err)
	require.NotEmpty(t, s.objects)
	for _, o := range s.objects {
		assert.Len(t, o.Prefix, 3, o.Name)
		for _, f := range o.Fields {
			assert.Equal(t, f.Type == "reference", f.Rel != "", "%s.%s", o.Name, f.Name)
			assert.True(t, !f.isText() || f.Length > 0, "%s.%s has no length", o.Name, f.Name)
		}
	}
}

func TestHiddenFieldsAndObjectsAreAbsentEverywhere(t *testing.T) {
	o := newOrg(t, Options{People: 1, Hidden: []string{"ClinicalServiceRequest.Priority", "MemberPlan"}})
	d := o.call("GET", "/sobjects/ClinicalServiceRequest/describe", nil, 200)
	assert.NotContains(t, fmt.Sprint(d), "Priority:")
	o.refused("POST", "/sobjects/ClinicalServiceRequest", m{"PatientId": o.patient(), "Type": "Order", "Priority": "Urgent"}, 400, "INVALID_FIELD")
	o.refused("GET", "/query?q="+url.QueryEscape("SELECT Priority FROM ClinicalServiceRequest"), nil, 400, "INVALID_FIELD")
	o.refused("GET", "/sobjects/MemberPlan/describe", nil, 404, "NOT_FOUND")
}

func TestUpsertCreatesThenUpdates(t *testing.T) {
	o := newOrg(t, withPeople(2))
	made := o.call("PATCH", byKey+"ers.sr.1", m{"PatientId": o.patient(), "Type": "Order"}, 201).(m)
	assert.Equal(t, true, made["created"])
	assert.Equal(t, data+"/sobjects/ClinicalServiceRequest/"+made["id"].(string), o.header.Get("Location"))
	again := o.call("PATCH", byKey+"ers.sr.1", m{"Priority": "Urgent"}, 200).(m)
	assert.Equal(t, m{"id": made["id"], "success": true, "errors": []any{}, "created": false}, again)
	row := o.get("ClinicalServiceRequest", made["id"].(string)[:15])
	assert.Equal(t, "Urgent", row["Priority"])
	assert.Equal(t, "Draft", row["Status"], "the default")
	assert.Equal(t, "CSR-00000001", row["Name"])
	assert.Equal(t, "2026-03-02T09:30:00.000+0000", row["CreatedDate"])
	assert.Equal(t, false, row["IsAccepted"])
}

func TestUpdateOnlyNeverCreates(t *testing.T) {
	o := newOrg(t, withPeople(1))
	o.refused("PATCH", byKey+"new?updateOnly=true", m{"Priority": "Urgent"}, 404, "NOT_FOUND")
	o.referral("old")
	o.call("PATCH", byKey+"old?updateOnly=true", m{"Priority": "Urgent"}, 200)
}

func TestKeysAreDecodedAndCaseSensitive(t *testing.T) {
	o := newOrg(t, withPeople(1))
	id := o.referral("a%2Fb%20c")
	assert.Equal(t, "a/b c", o.get("ClinicalServiceRequest", id)["Bridge_Key__c"])
	o.call("GET", byKey+"a%2Fb%20c", nil, 200)
	o.refused("GET", byKey+"A%2Fb%20c", nil, 404, "NOT_FOUND")
	require.NotEqual(t, id, o.referral("A%2Fb%20c"), "another record")

	first := o.call("PATCH", "/sobjects/CodeSet/CodeSetKey/abc", m{"Code": "1", "Name": "one"}, 201).(m)
	second := o.call("PATCH", "/sobjects/CodeSet/CodeSetKey/ABC", m{"Code": "2"}, 200).(m)
	assert.Equal(t, first["id"], second["id"], "CodeSetKey is not case-sensitive")
}

func TestAKeyThatMatchesSeveralRecordsAnswers300(t *testing.T) {
	o := newOrg(t, Options{})
	for range 2 {
		o.create("Account", m{"Name": "Clinic", "SourceSystemIdentifier": "X1"})
	}
	urls := o.call("PATCH", "/sobjects/Account/SourceSystemIdentifier/x1", m{"Name": "Other"}, 300).([]any)
	assert.Len(t, urls, 2)
	assert.Empty(t, o.query("SELECT Id FROM Account WHERE Name = 'Other'"))
	o.call("GET", "/sobjects/Account/SourceSystemIdentifier/X1", nil, 300)
}

func TestUpsertRefusesTheKeyInTheBodyAndFieldsThatAreNoKey(t *testing.T) {
	o := newOrg(t, withPeople(1))
	e := o.refused("PATCH", byKey+"k", m{"Bridge_Key__c": "k", "Type": "Order"}, 400, "INVALID_FIELD")
	assert.Contains(t, e["message"], "should not be specified in the sobject data")
	o.refused("PATCH", "/sobjects/ClinicalServiceRequest/SourceSystemIdentifier/1", m{"Type": "Order"}, 404, "NOT_FOUND")
	o.refused("PATCH", "/sobjects/Nothing/Bridge_Key__c/1", m{}, 404, "NOT_FOUND")
	assert.NotZero(t, o.Report().Violations["the key repeated in the body of an upsert"])
}

func TestCreateOnlyFieldsAreRefusedInAnUpdateWhateverTheirValue(t *testing.T) {
	o := newOrg(t, withPeople(1))
	id := o.referral("k")
	for _, body := range []m{{"PatientId": o.patient()}, {"PatientId": nil}, {"Patient": nil}} {
		e := o.refused("PATCH", byKey+"k", body, 400, "INVALID_FIELD_FOR_INSERT_UPDATE")
		assert.Equal(t, "Unable to create/update fields: PatientId. Please check the security settings of this field and verify that it is read/write for your profile or permission set.", e["message"])
		assert.Equal(t, []any{"PatientId"}, e["fields"])
	}
	o.refused("PATCH", "/sobjects/ClinicalServiceRequest/"+id, m{"Name": "x"}, 400, "INVALID_FIELD_FOR_INSERT_UPDATE")
	o.refused("POST", "/sobjects/ClinicalServiceRequest", m{"Type": "Order", "PatientId": o.patient(), "CreatedDate": "2026-01-01T00:00:00Z"}, 400, "INVALID_FIELD_FOR_INSERT_UPDATE")
}

func TestWritesAreValidated(t *testing.T) {
	o := newOrg(t, withPeople(2))
	patient := o.patient()
	identifier := o.query("SELECT Id FROM Identifier LIMIT 1")[0].(m)["Id"]
	for _, c := range []struct {
		body    m
		code    string
		message string
	}{
		{m{"Type": "Order"}, "REQUIRED_FIELD_MISSING", "Required fields are missing: [PatientId]"},
		{m{}, "REQUIRED_FIELD_MISSING", "Required fields are missing: [PatientId, Type]"},
		{m{"PatientId": patient, "Type": "Order", "Status": nil}, "REQUIRED_FIELD_MISSING", "Required fields are missing: [Status]"},
		{m{"PatientId": patient, "Type": "Order", "Nothing__c": 1}, "INVALID_FIELD", "No such column 'Nothing__c' on sobject of type ClinicalServiceRequest"},
		{m{"PatientId": patient, "Type": "Wish"}, "INVALID_OR_NULL_FOR_RESTRICTED_PICKLIST", "Type: bad value for restricted picklist field: Wish"},
		{m{"PatientId": patient, "Type": "Order", "Status": "active"}, "INVALID_OR_NULL_FOR_RESTRICTED_PICKLIST", "Status: bad value for restricted picklist field: active"},
		{m{"PatientId": patient, "Type": "Order", "QuantityType": "Lots"}, "INVALID_OR_NULL_FOR_RESTRICTED_PICKLIST", "Quantity Type: bad value for restricted picklist field: Lots"},
		{m{"PatientId": patient, "Type": "Order", "Bridge_Version__c": strings.Repeat("é", 65)}, "STRING_TOO_LONG", "Bridge Version: data value too large: " + strings.Repeat("é", 65) + " (max length=64)"},
		{m{"PatientId": patient, "Type": "Order", "StartDate": "tomorrow"}, "JSON_PARSER_ERROR", ""},
		{m{"PatientId": patient, "Type": "Order", "IsAccepted": "true"}, "JSON_PARSER_ERROR", ""},
		{m{"PatientId": patient, "Type": "Order", "IsAccepted": nil}, "JSON_PARSER_ERROR", ""},
		{m{"PatientId": patient, "Type": "Order", "SourceSystem": 12}, "JSON_PARSER_ERROR", "Cannot deserialize instance of string from VALUE_NUMBER_INT value 12 or request may be missing a required field at [line:1, column:1]"},
		{m{"PatientId": patient, "Type": "Order", "ReferralScore": "1"}, "JSON_PARSER_ERROR", ""},
		{m{"PatientId": "001", "Type": "Order"}, "MALFORMED_ID", "Patient ID: id value of incorrect type: 001"},
		{m{"PatientId": identifier, "Type": "Order"}, "FIELD_INTEGRITY_EXCEPTION", ""},
		{m{"PatientId": newID("001", "zz0", 9), "Type": "Order"}, "INVALID_CROSS_REFERENCE_KEY", "invalid cross reference id"},
		{m{"PatientId": newID("500", "zz0", 9), "Type": "Order"}, "INVALID_CROSS_REFERENCE_KEY", ""},
		{m{"Id": patient, "Type": "Order"}, "INVALID_FIELD", "The Id field should not be specified in the sobject data."},
		{m{"PatientId": patient, "Type": "Order", "HasPrerequisites": true, "PrerequisiteCodeId": o.create("CodeSetBundle", m{"Name": "c"})}, "FIELD_INTEGRITY_EXCEPTION", ""},
	} {
		e := o.refused("POST", "/sobjects/ClinicalServiceRequest", c.body, 400, c.code)
		if c.message != "" {
			assert.Equal(t, c.message, e["message"])
		}
	}
	assert.Empty(t, o.query("SELECT Id FROM ClinicalServiceRequest"))
	o.refused("POST", "/sobjects/ClinicalServiceRequest", "{", 400, "JSON_PARSER_ERROR")
	o.refused("POST", "/sobjects/ClinicalServiceRequest", "{}{}", 400, "JSON_PARSER_ERROR")
	status, _ := o.raw("POST", "/sobjects/ClinicalServiceRequest", "{}", "Content-Type", "text/plain")
	assert.Equal(t, 415, status)
}

func TestPicklistsOpenUpByOption(t *testing.T) {
	o := newOrg(t, Options{People: 1, OpenPicklists: true})
	o.create("ClinicalServiceRequest", m{"PatientId": o.patient(), "Type": "Wish"})
	o = newOrg(t, Options{People: 1, PicklistValues: map[string][]string{"ClinicalServiceRequest.Status": {"Scheduled"}, "ServiceAppointment.Status": {"CheckedIn"}}})
	o.create("ClinicalServiceRequest", m{"PatientId": o.patient(), "Type": "Order", "Status": "Scheduled"})
	assert.Len(t, o.query("SELECT ApiName FROM ServiceAppointmentStatus WHERE StatusCode = 'CheckedIn'"), 1)
}

func TestTextIsTrimmedAndEmptyTextIsNull(t *testing.T) {
	o := newOrg(t, withPeople(1))
	id := o.referral("k")
	o.call("PATCH", "/sobjects/ClinicalServiceRequest/"+id, m{"SourceSystem": "  a b ", "SourceSystemIdentifier": " "}, 204)
	row := o.get("ClinicalServiceRequest", id)
	assert.Equal(t, "a b", row["SourceSystem"])
	assert.Nil(t, row["SourceSystemIdentifier"])
}

func TestDatetimesAreKeptInWholeSecondsOfUTC(t *testing.T) {
	o := newOrg(t, withPeople(1))
	id := o.referral("k")
	o.call("PATCH", "/sobjects/ClinicalServiceRequest/"+id, m{"StartDate": "2026-07-01T10:00:00.789+01:00", "EndDate": "2026-07-02"}, 204)
	row := o.get("ClinicalServiceRequest", id)
	assert.Equal(t, "2026-07-01T09:00:00.000+0000", row["StartDate"])
	assert.Equal(t, "2026-07-02T00:00:00.000+0000", row["EndDate"])
}

func TestAUniqueKeyNamesTheRecordThatHasIt(t *testing.T) {
	o := newOrg(t, withPeople(1))
	id := o.referral("k")
	e := o.refused("POST", "/sobjects/ClinicalServiceRequest", m{"PatientId": o.patient(), "Type": "Order", "Bridge_Key__c": "k"}, 400, "DUPLICATE_VALUE")
	assert.Equal(t, "duplicate value found: Bridge_Key__c duplicates value on record with id: "+id, e["message"])
	other := o.referral("other")
	o.refused("PATCH", "/sobjects/ClinicalServiceRequest/"+other, m{"Bridge_Key__c": "k"}, 400, "DUPLICATE_VALUE")
}

func TestParentsAreFoundByExternalID(t *testing.T) {
	o := newOrg(t, withPeople(1))
	patient := o.patient()
	o.call("PATCH", "/sobjects/Account/"+patient, m{"Bridge_Key__c": "pt.1"}, 204)
	o.call("PATCH", byKey+"r1", m{"Patient": m{"Bridge_Key__c": "pt.1"}, "Type": "Order"}, 201)
	appointment := m{"EarliestStartTime": "2026-04-01T09:00:00Z", "DueDate": "2026-04-01T09:30:00Z", "Status": "Scheduled"}
	with := func(parent any) m {
		appointment["ParentRecord"] = parent
		return appointment
	}
	id := o.create("ServiceAppointment", with(m{"attributes": m{"type": "ClinicalServiceRequest"}, "Bridge_Key__c": "r1"}))
	row := o.get("ServiceAppointment", id)
	assert.Equal(t, patient, row["AccountId"], "from the parent")
	assert.Equal(t, "Scheduled", row["StatusCategory"])
	assert.Equal(t, "None", row["StatusReason"])
	assert.Equal(t, "SA-0001", row["AppointmentNumber"])

	for _, c := range []struct {
		parent any
		code   string
	}{
		{m{"Bridge_Key__c": "r1"}, "INVALID_FIELD"}, // which object?
		{m{"attributes": m{"type": "MemberPlan"}, "Bridge_Key__c": "r1"}, "INVALID_FIELD"},
		{m{"attributes": m{"type": "ClinicalServiceRequest"}, "Bridge_Key__c": "none"}, "INVALID_FIELD"},
		{m{"attributes": m{"type": "ClinicalServiceRequest"}, "SourceSystem": "r1"}, "INVALID_FIELD"},
		{m{"attributes": m{"type": "ClinicalServiceRequest"}}, "INVALID_FIELD"},
		{"r1", "JSON_PARSER_ERROR"},
	} {
		o.refused("POST", "/sobjects/ServiceAppointment", with(c.parent), 400, c.code)
	}
	e := o.refused("PATCH", byKey+"r2", m{"Patient": m{"Bridge_Key__c": "none"}, "Type": "Order"}, 400, "INVALID_FIELD")
	assert.Equal(t, "Foreign key external ID: none not found for field Bridge_Key__c in entity Account", e["message"])
	for range 2 {
		o.create("Account", m{"Name": "Clinic", "SourceSystemIdentifier": "X"})
	}
	o.refused("PATCH", byKey+"r2", m{"Patient": m{"SourceSystemIdentifier": "X"}, "Type": "Order"}, 400, "DUPLICATE_EXTERNAL_ID")
	o.refused("PATCH", byKey+"r2", m{"Patient": m{"Bridge_Key__c": "pt.1"}, "PatientId": patient, "Type": "Order"}, 400, "INVALID_FIELD")
}

func TestAppointmentsNeedTheirTimesInOrder(t *testing.T) {
	o := newOrg(t, withPeople(1))
	e := o.refused("POST", "/sobjects/ServiceAppointment", m{}, 400, "REQUIRED_FIELD_MISSING")
	assert.ElementsMatch(t, []any{"ParentRecordId", "EarliestStartTime", "DueDate", "Status"}, e["fields"])
	base := m{"ParentRecordId": o.patient(), "Status": "None", "EarliestStartTime": "2026-04-02T09:00:00Z", "DueDate": "2026-04-01T09:00:00Z"}
	o.refused("POST", "/sobjects/ServiceAppointment", base, 400, "FIELD_INTEGRITY_EXCEPTION")
	base["DueDate"] = base["EarliestStartTime"]
	id := o.create("ServiceAppointment", base)
	o.refused("PATCH", "/sobjects/ServiceAppointment/"+id, m{"SchedStartTime": "2026-04-02T09:00:00Z", "SchedEndTime": "2026-04-02T08:00:00Z"}, 400, "FIELD_INTEGRITY_EXCEPTION")
	o.refused("PATCH", "/sobjects/ServiceAppointment/"+id, m{"StatusCategory": "None"}, 400, "INVALID_FIELD_FOR_INSERT_UPDATE")
	o.call("PATCH", "/sobjects/ServiceAppointment/"+id, m{"Status": "Cannot Complete", "Duration": 2, "DurationType": "Hours"}, 204)
	row := o.get("ServiceAppointment", id)
	assert.Equal(t, "CannotComplete", row["StatusCategory"])
	assert.Equal(t, 120.0, row["DurationInMinutes"])
}

func TestAnOrgMayKeepAppointmentsUnderAccounts(t *testing.T) {
	o := newOrg(t, Options{People: 1, NoReferralParent: true})
	body := m{"ParentRecordId": o.referral("k"), "Status": "None", "EarliestStartTime": "2026-04-01T09:00:00Z", "DueDate": "2026-04-01T09:00:00Z"}
	o.refused("POST", "/sobjects/ServiceAppointment", body, 400, "FIELD_INTEGRITY_EXCEPTION")
	body["ParentRecordId"], body["Bridge_Referral__r"] = o.patient(), m{"Bridge_Key__c": "k"}
	o.create("ServiceAppointment", body)
	assert.Len(t, o.query("SELECT Id FROM ServiceAppointment WHERE Bridge_Referral__r.Bridge_Key__c = 'k' AND AccountId != null"), 1)
}

func TestPersonAndBusinessAccountsTakeTheirOwnFields(t *testing.T) {
	o := newOrg(t, Options{})
	o.refused("POST", "/sobjects/Account", m{"FirstName": "Aldra"}, 400, "REQUIRED_FIELD_MISSING")
	o.refused("POST", "/sobjects/Account", m{}, 400, "REQUIRED_FIELD_MISSING")
	o.refused("POST", "/sobjects/Account", m{"LastName": "Vexmoor", "Name": "Vexmoor"}, 400, "INVALID_FIELD_FOR_INSERT_UPDATE")
	o.refused("POST", "/sobjects/Account", m{"Name": "Clinic", "PersonBirthdate": "2000-01-01"}, 400, "INVALID_FIELD_FOR_INSERT_UPDATE")
	id := o.create("Account", m{"LastName": "Vexmoor"})
	row := o.get("Account", id)
	assert.Equal(t, []any{true, "Vexmoor", false}, []any{row["IsPersonAccount"], row["Name"], row["IsActive"]})
	contact := o.get("Contact", row["PersonContactId"].(string))
	assert.Equal(t, id, contact["AccountId"])
	types := o.query("SELECT Id FROM RecordType WHERE DeveloperName = 'Business_Account'")
	o.refused("PATCH", "/sobjects/Account/"+id, m{"RecordTypeId": types[0].(m)["Id"]}, 400, "INVALID_PERSON_ACCOUNT_OPERATION")
	o.refused("PATCH", "/sobjects/Account/"+id, m{"LastName": nil}, 400, "REQUIRED_FIELD_MISSING")
	o.refused("POST", "/sobjects/Account", m{"LastName": "V", "PersonEmail": "nowhere"}, 400, "INVALID_EMAIL_ADDRESS")
}

func TestDeletingAParentTakesItsDetailsAndItsIDStaysDead(t *testing.T) {
	o := newOrg(t, withPeople(1))
	patient, referral := o.patient(), o.referral("k")
	o.create("ClinicalServiceRequestDetail", m{"ClinicalServiceRequestId": referral, "DetailType": "Insurance"})
	later := o.create("ClinicalServiceRequest", m{"PatientId": patient, "Type": "Order", "OriginalRequestId": referral})
	o.call("DELETE", "/sobjects/ClinicalServiceRequest/"+referral, nil, 204)
	assert.Empty(t, o.query("SELECT Id FROM ClinicalServiceRequestDetail"))
	assert.Nil(t, o.get("ClinicalServiceRequest", later)["OriginalRequestId"])
	o.refused("GET", "/sobjects/ClinicalServiceRequest/"+referral, nil, 404, "ENTITY_IS_DELETED")
	o.refused("POST", "/sobjects/ClinicalServiceRequestDetail", m{"ClinicalServiceRequestId": referral}, 400, "ENTITY_IS_DELETED")
	o.call("DELETE", "/sobjects/Account/"+patient, nil, 204)
	assert.Empty(t, o.query("SELECT Id FROM ClinicalServiceRequest"))
	all := o.call("GET", "/queryAll?q="+url.QueryEscape("SELECT Id FROM ClinicalServiceRequest WHERE IsDeleted = true"), nil, 200).(m)
	assert.Equal(t, 2.0, all["totalSize"])
	require.NoError(t, o.AddPerson(7))
	o.referral("k") // the key of a deleted record is free again
}

func TestReadOnlyObjectsAndWrongMethodsAreRefused(t *testing.T) {
	o := newOrg(t, withPeople(1))
	o.refused("POST", "/sobjects/ServiceAppointmentStatus", m{}, 400, "CANNOT_INSERT_UPDATE_ACTIVATE_ENTITY")
	o.refused("PUT", "/sobjects/Account/"+o.patient(), m{}, 405, "METHOD_NOT_ALLOWED")
	o.refused("GET", "/sobjects/Account/nothing", nil, 404, "NOT_FOUND")
	o.refused("GET", "/sobjects/Account/"+newID("001", "zz0", 1), nil, 404, "NOT_FOUND")
	o.refused("GET", "/nothing", nil, 404, "NOT_FOUND")
	row := o.call("GET", "/sobjects/Account/"+o.patient()+"?fields=Name,IsActive", nil, 200).(m)
	assert.Len(t, row, 3)
	o.refused("GET", "/sobjects/Account/"+o.patient()+"?fields=Nothing", nil, 400, "INVALID_FIELD")
}
