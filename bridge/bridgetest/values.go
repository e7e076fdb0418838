// Package bridgetest has what the tests of the bridge's rooms share: far ends without sockets, failures as the real clients give them, and
// referrals, rows and writes of one synthetic ward.
package bridgetest

import (
	"fmt"
	"strings"
	"time"

	"refbridge/fhir"
	"refbridge/ledger"
	"refbridge/sfdc/sobject"
)

// Two people of the test range and their Accounts; the referral r1 of the ward, what it says, and its record.
const (
	ANumber    = "9990000018"
	AnAccount  = "001000000000001AAA"
	BNumber    = "9990000026"
	TwoAccount = "001000000000002AAA"
	IsActive   = `"status":"active"`
	OnHold     = `"status":"on-hold"`
	CSRType    = "ClinicalServiceRequest"
	TheCSR     = CSRType + " ward.sr.r1"
	TheFlag    = "Bridge_Stop_Contact__c"
)

// ValueA is a value of the source.
func ValueA() sobject.Value { return sobject.TextValue("a") }

// ValueB is another value of the source.
func ValueB() sobject.Value { return sobject.TextValue("b") }

// ValueC is what a person set.
func ValueC() sobject.Value { return sobject.TextValue("c") }

// Empty is no value.
func Empty() sobject.Value { return sobject.Value{} }

// Yes is a checkbox that is set.
func Yes() sobject.Value { return sobject.BoolValue(true) }

// Noon is now.
func Noon() time.Time { return time.Date(2026, 11, 30, 12, 0, 0, 0, time.UTC) }

// Values are the values of fields.
type Values map[string]sobject.Value

// Text is a text.
func Text(s string) sobject.Value { return sobject.TextValue(s) }

// Attempted is a write of the referral whose outcome nobody saw.
func Attempted(fields Values, creates bool) ledger.Intent {
	in := ledger.Intent{ID: "i", Source: "ward", Ref: fhir.Reference{Type: "ServiceRequest", ID: "r1", Version: "2"}, Object: CSRType, Key: "ward.sr.r1",
		Deadline: Noon().Add(time.Minute), Creates: creates, Meant: sobject.Record{Object: CSRType, Key: sobject.Key{Field: "Bridge_Key__c", Value: "ward.sr.r1"}}}
	for name, v := range fields {
		in.Meant.Set(name, v)
	}
	return in
}

// Status is the status of a referral, which both sides change.
func Status(v sobject.Value) sobject.Field {
	return sobject.Field{Name: "Status", Value: v, Owner: sobject.Latest}
}

// RecordOf is a referral of the ward with some fields.
func RecordOf(fields ...sobject.Field) sobject.Record {
	return sobject.Record{Object: "ClinicalServiceRequest", Key: sobject.Key{Field: "Bridge_Key__c", Value: "ward.sr.1"}, Fields: fields}
}

// Sent is an update of that record whose outcome nobody saw.
func Sent(fields ...sobject.Field) ledger.Intent { return ledger.Intent{Meant: RecordOf(fields...)} }

// Created is a create of that record whose outcome nobody saw.
func Created(fields ...sobject.Field) ledger.Intent {
	return ledger.Intent{Meant: RecordOf(fields...), Creates: true}
}

// Known is what is known of that record.
func Known(fields ...sobject.Field) ledger.Image { return ledger.Image{Record: RecordOf(fields...)} }

// At is a moment in RFC 3339.
func At(text string) time.Time {
	t, err := time.Parse(time.RFC3339Nano, text)
	if err != nil {
		return time.Time{}
	}
	return t
}

// Collected is a body as a poll keeps it.
func Collected(resources ...string) []byte {
	return []byte(`{"resourceType":"Bundle","type":"collection","entry":[{"resource":` + strings.Join(resources, `},{"resource":`) + `}]}`)
}

// Requested is a ServiceRequest of a patient, with what else it says.
func Requested(id, number, more string) string {
	return fmt.Sprintf(`{"resourceType":"ServiceRequest","id":%q,"intent":"order","subject":{"identifier":{"system":"https://fhir.nhs.uk/Id/nhs-number","value":%q}},%s}`,
		id, number, more)
}

// OfPerson is a ServiceRequest with the Patient to whom it refers.
func OfPerson(id, more, patient string) []byte {
	return Collected(`{"resourceType":"ServiceRequest","id":"`+id+`","intent":"order","subject":{"reference":"Patient/p1"},`+more+`}`,
		`{"resourceType":"Patient","id":"p1","identifier":[{"system":"https://fhir.nhs.uk/Id/nhs-number","value":"`+ANumber+`"}],`+patient+`}`)
}

// Met is an Appointment of a referral.
func Met(id, referral, more string) []byte {
	return Collected(fmt.Sprintf(`{"resourceType":"Appointment","id":%q,"basedOn":[{"reference":"ServiceRequest/%s"}],"start":"2026-12-10T09:00:00Z",
		"end":"2026-12-10T09:30:00Z",%s}`, id, referral, more))
}

// Due is work of a referral or an appointment at a version.
func Due(typ, id, version string, body []byte) ledger.Work {
	return ledger.Work{Source: "ward", Ref: fhir.Reference{Type: typ, ID: id, Version: version}, Body: body, First: Noon()}
}

// Referral is work of a referral.
func Referral(id, version, number, more string) ledger.Work {
	return Due("ServiceRequest", id, version, Collected(Requested(id, number, more)))
}

// FailedBefore is work that failed so often for a reason.
func FailedBefore(code string, attempts int) ledger.Work {
	w := Referral("r1", "1", ANumber, IsActive)
	w.Reason, w.Attempts = ledger.Reason{Code: code}, attempts
	return w
}

// Accepted is whether a referral was accepted, of which a source may say nothing.
func Accepted(v sobject.Value) sobject.Field {
	return sobject.Field{Name: "IsAccepted", Value: v, Owner: sobject.Latest, KeepIfAbsent: true}
}
