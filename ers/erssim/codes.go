package erssim

import (
	"net/http"
	"strings"
	"time"
)

// The states of a referral (specification, extensions/Extension-eRS-ReferralState.yaml).
const (
	notBooked           = "NOT_BOOKED"
	booked              = "BOOKED"
	deferred            = "DEFERRED_TO_PROVIDER"
	awaitingTriage      = "AWAITING_TRIAGE"
	triaged             = "TRIAGED_PROVIDER_TO_ACTION"
	triageResponse      = "TRIAGE_RESPONSE"
	rejected            = "REJECTED"
	cancelledByPatient  = "APPT_CANCELLED_BY_PATIENT"
	cancelledByProvider = "APPT_CANCELLED_BY_PROVIDER"
	didNotAttend        = "DID_NOT_ATTEND"
	assessmentResult    = "ASSESSMENT_RESULT"
	cancelledReferral   = "CANCELLED_REFERRAL"
)

// The outcomes of a review (eRS-ReviewOutcome-1).
const (
	bookLater   = "ACCEPT_REFER_BOOK_LATER"
	withAdvice  = "RETURN_TO_REFERRER_WITH_ADVICE"
	actionLater = "CANCEL_APPOINTMENT_ACTION_LATER"
	converted   = "PROVIDER_CONVERTED_ADVICE_AND_GUIDANCE_ADMIN_TO_REFER"
)

// Fixed code systems stand under https://fhir.nhs.uk/STU3/CodeSystem/. Dynamic ones are served by A004; their system
// is an address on this server.
const (
	reviewReason       = "eRS-ReviewReason-1"
	reviewOutcome      = "eRS-ReviewOutcome-1"
	priorities         = "eRS-Priority-1"
	specialtySet       = "SPECIALTY"
	clinicTypeSet      = "CLINIC-TYPE"
	prioritySet        = "PRIORITY"
	appointmentCancel  = "APPOINTMENT-CANCELLATION-REASON"
	nonAttendance      = "APPOINTMENT-NON-ATTENDANCE-REASON"
	referralCancel     = "REFERRAL-CANCELLATION-REASON"
	requestCancel      = "REQUEST-CANCELLATION-REASON"
	providerFunction   = "PROVIDER_AUTHORISED_APPLICATION"
	conceptProperties  = "https://fhir.nhs.uk/STU3/CodeSystem/eRS-Concept-Properties-1#"
	codeSystemProfile  = "http://hl7.org/fhir/StructureDefinition/shareablecodesystem"
	codeSystemReleased = "2022-01-21T13:27:51.923Z"
)

// code is a coding: a set (fixed or dynamic) and a code in it. The zero code is none.
type code struct{ set, code, display string }

// concept is an entry of a dynamic code system.
type concept struct {
	code, display string
	typ           string   // reason sets: PATIENT, PROVIDER, PROVIDER_TRIAGE, PROVIDER_REJECT, UNKNOWN
	comment       bool     // commentIsMandatory
	cancels       bool     // canCancelAppointment
	roles         []string // businessFunction
	until         string   // effectiveTo, a date; "" = open
	contactDays   [2]int   // PRIORITY: deferToProviderContactDays, triageContactDays
	specialty     string   // CLINIC-TYPE
}

// concepts gives the content of a dynamic code system, false where there is none of that name.
func concepts(set string) ([]concept, bool) {
	switch set {
	case referralCancel:
		return referralCancelReasons(), true
	case appointmentCancel:
		return appointmentCancelReasons(), true
	case prioritySet:
		return []concept{
			{code: "ROUTINE", display: "Routine", contactDays: [2]int{40, 40}},
			{code: "URGENT", display: "urgent", contactDays: [2]int{10, 5}},
			{code: "TWO_WEEK_WAIT", display: "Two Week Wait", contactDays: [2]int{5, 2}},
		}, true
	case nonAttendance:
		return []concept{
			{code: "CANCELLED_TOO_LATE", display: "Cancelled too late"},
			{code: "ARRIVED_TOO_LATE", display: "Patient arrived too late to be seen"},
			{code: "PATIENT_FORGOT", display: "Patient forgot about appointment"},
			{code: "PATIENT_ILL", display: "Patient ill"},
			{code: "UNKNOWN", display: "Reason not known"},
		}, true
	case specialtySet:
		return specialties(), true
	case clinicTypeSet:
		return clinicTypes(), true
	}
	return nil, false
}

func specialties() []concept {
	return []concept{
		{code: "CARDIOLOGY", display: "Cardiology"},
		{code: "DERMATOLOGY", display: "Dermatology"},
		{code: "NEUROLOGY", display: "Neurology"},
		{code: "ORTHOPAEDICS", display: "Orthopaedics"},
		{code: "RHEUMATOLOGY", display: "Rheumatology"},
		{code: "AUDIOLOGICAL_MEDICINE", display: "Audiological Medicine", until: "2008-05-09"},
	}
}

func clinicTypes() []concept {
	return []concept{
		{code: "HEART_FAILURE", display: "Heart Failure", specialty: "CARDIOLOGY"},
		{code: "ECZEMA_AND_DERMATITIS", display: "Eczema and Dermatitis", specialty: "DERMATOLOGY"},
		{code: "EPILEPSY", display: "Epilepsy", specialty: "NEUROLOGY"},
		{code: "KNEE", display: "Knee", specialty: "ORTHOPAEDICS"},
		{code: "INFLAMMATORY_ARTHRITIS", display: "Inflammatory Arthritis", specialty: "RHEUMATOLOGY"},
	}
}

// referralCancelReasons: which of them an application may use, and when, is what A036 checks.
func referralCancelReasons() []concept {
	provider := []string{"SERVICE_PROVIDER_CLINICIAN", "SERVICE_PROVIDER_CLINICIAN_ADMIN", providerFunction}
	referrer := []string{"REFERRING_CLINICIAN_ADMIN", "REFERRING_CLINICIAN"}
	both := append(append([]string(nil), referrer...), provider...)
	triage := func(code, display string, comment bool) concept {
		return concept{code: code, display: display, typ: "PROVIDER_TRIAGE", comment: comment, roles: provider}
	}
	patient := func(code, display string, comment bool) concept {
		return concept{code: code, display: display, typ: "PATIENT", comment: comment, cancels: true, roles: both}
	}
	unknown := func(code, display string, roles []string) concept {
		return concept{code: code, display: display, typ: "UNKNOWN", cancels: true, roles: roles}
	}
	return []concept{
		triage("BOOKED_CLINICAL_NEED", "Booked more urgently due to clinical need", true),
		{
			code: "BOOKED_OUTSIDE_CAB", display: "Patient booked outside NHS e-Referral Service", typ: "PROVIDER",
			cancels: true, roles: provider,
		},
		triage("COMMUNITY_SERVICE_NA", "Sent to community service not available in this system", true),
		triage("COMPLEX_PATHWAY", "Complex pathway, multiple appointments needed", true),
		patient("INTEND_PRIVATE", "Patient will go to a private clinic", false),
		triage("NO_LONGER_REQUIRED", "Referral is no longer required", true),
		triage("OTHER_OTHER", "Other reason", true),
		triage("OUTPATIENT_CLINICIAN_NA", "Sent to outpatient service, named clinician not available here", true),
		triage("OUTPATIENT_SERVICE_NA", "Sent to outpatient service not available in this system", true),
		patient("PATIENT_DIED", "Patient died", false),
		patient("PATIENT_REQUEST_CANCELLATION_OTHER", "Other", true),
		unknown("RAISED_IN_ERROR", "Referral created by mistake", referrer),
		unknown("REFERRER_CANCELLATION", "Other - Referrer request cancellation", referrer),
		triage("STRAIGHT_TO_TEST", "Sent straight to test / procedure", true),
		patient("TREATMENT_NO_LONGER_REQUIRED", "Referral no longer needed", false),
		triage("TRIAGE_ENDED", "Triage Ended", false),
		unknown("PROVIDER_CANCELLATION", "Other - Provider Cancellation", nil),
	}
}

func appointmentCancelReasons() []concept {
	provider := []string{"SERVICE_PROVIDER_CLINICIAN_ADMIN", "SERVICE_PROVIDER_CLINICIAN"}
	referrer := []string{"REFERRING_CLINICIAN_ADMIN", "REFERRING_CLINICIAN"}
	return []concept{
		{code: "ADDITIONAL_REQ_NOT_AVAILABLE", display: "Additional requirement not available", typ: "PROVIDER", until: "2007-06-25"},
		{code: "CLINIC_CANCELLED", display: "Clinic cancelled", typ: "PROVIDER"},
		{code: "FURTHER_INFORMATION_REQUIRED", display: "Further information required", typ: "PROVIDER_REJECT", roles: provider},
		{code: "OTHER", display: "Other reason", typ: "PROVIDER_REJECT", roles: provider},
		{code: "OUTPATIENT_APPT_NOT_REQUIRED", display: "Outpatient appointment not required", typ: "PROVIDER_REJECT", roles: provider},
		{code: "PATIENT_HOLIDAY", display: "Patient on holiday", typ: "PATIENT", roles: referrer},
		{code: "PATIENT_ILL", display: "Patient is sick", typ: "PATIENT", roles: referrer},
		{code: "PATIENT_OTHER_ENGAGEMENT", display: "Patient - Other more pressing engagement", typ: "PATIENT", comment: true, roles: referrer},
		{code: "PROVIDER_CANCELLATION", display: "Other - Provider cancellation", typ: "PROVIDER", comment: true},
		{code: "SERVICE_INAPPROPRIATE", display: "Inappropriate service", typ: "PROVIDER_REJECT", roles: provider},
		{code: "SERVICE_PREREQUISITES_NOT_COMPLETE", display: "Pre-requisites for service not complete", typ: "PROVIDER_REJECT", roles: provider},
		{code: "SLOT_CANCELLED", display: "Slot cancelled", typ: "PROVIDER"},
	}
}

func findConcept(set []concept, code string) (concept, bool) {
	for _, c := range set {
		if c.code == code {
			return c, true
		}
	}
	return concept{}, false
}

// may tells whether the concept is in force and open to the role.
func (c concept) may(role string, now time.Time) bool {
	if c.until != "" && now.Format(time.DateOnly) >= c.until {
		return false
	}
	for _, r := range c.roles {
		if r == role {
			return true
		}
	}
	return false
}

// codeSystem answers A004.
func (s *Server) codeSystem(c *call) answer {
	set := c.PathValue("type")
	content, ok := concepts(set)
	if !ok {
		return empty(http.StatusNotFound)
	}
	var entries list
	for _, e := range content {
		entries = append(entries, object{"code": e.code, "display": e.display, "property": e.properties(set, c.base)})
	}
	return resource(object{
		"resourceType": "CodeSystem", "id": set, "meta": object{"profile": list{codeSystemProfile}},
		"url": c.base + "/STU3/CodeSystem/" + set, "version": "1", "status": "active", "experimental": false,
		"name":      "e-RS " + sentence(strings.ReplaceAll(set, "-", "_")),
		"publisher": "e-Referral Service", "date": codeSystemReleased, "caseSensitive": true, "content": "complete",
		"property": propertiesOf(set), "concept": entries,
	}, 0)
}

// propertiesOf declares the properties of a set's concepts.
func propertiesOf(set string) list {
	declare := func(code, typ string) any {
		return object{"code": code, "uri": conceptProperties + code, "type": typ}
	}
	out := list{declare("effectiveFrom", "dateTime"), declare("effectiveTo", "dateTime")}
	switch set {
	case prioritySet:
		out = append(out, declare("deferToProviderContactDays", "integer"), declare("triageContactDays", "integer"))
	case clinicTypeSet:
		out = append(out, declare("specialty", "Coding"))
	case referralCancel:
		out = append(out, declare("appointmentRequestCancellationReasonType", "Coding"),
			declare("commentIsMandatory", "boolean"), declare("canCancelAppointment", "boolean"),
			declare("businessFunction", "Coding"), declare("referrerUsage", "Coding"))
	case appointmentCancel:
		out = append(out, declare("appointmentBookingCancellationReasonType", "Coding"),
			declare("willCancelWholeRequest", "boolean"), declare("commentIsMandatory", "boolean"),
			declare("businessFunction", "Coding"), declare("usage", "Coding"))
	}
	return out
}

func (c concept) properties(set, base string) list {
	coding := func(name, system, code string) any {
		return object{"code": name, "valueCoding": object{"system": system, "code": code}}
	}
	out := list{object{"code": "effectiveFrom", "valueDateTime": "2004-06-01T00:00:00.000Z"}}
	if c.until != "" {
		out = append(out, object{"code": "effectiveTo", "valueDateTime": c.until + "T00:00:00.000Z"})
	}
	typ, usage := "", ""
	switch set {
	case prioritySet:
		return append(out, object{"code": "deferToProviderContactDays", "valueInteger": c.contactDays[0]},
			object{"code": "triageContactDays", "valueInteger": c.contactDays[1]})
	case clinicTypeSet:
		return append(out, coding("specialty", base+"/STU3/CodeSystem/"+specialtySet, c.specialty))
	case referralCancel:
		typ, usage = "appointmentRequestCancellationReasonType", "referrerUsage"
		out = append(out, object{"code": "canCancelAppointment", "valueBoolean": c.cancels})
	case appointmentCancel:
		typ, usage = "appointmentBookingCancellationReasonType", "usage"
		out = append(out, object{"code": "willCancelWholeRequest", "valueBoolean": false})
	default:
		return out
	}
	out = append(out, object{"code": "commentIsMandatory", "valueBoolean": c.comment},
		coding(typ, canonical("eRS-"+strings.ToUpper(typ[:1])+typ[1:]+"-1"), c.typ))
	for _, role := range c.roles {
		out = append(out, coding("businessFunction", canonical("eRS-BusinessFunction-1"), role))
	}
	if len(c.roles) > 0 {
		out = append(out, c.usage(set, usage))
	}
	return out
}

func (c concept) usage(set, property string) object {
	system, code := "eRS-ReferralRequestCancellationReasonUsage-1", "CANCEL_REFERRAL"
	if set == appointmentCancel {
		system, code = "eRS-AppointmentCancellationReasonUsage-1", "CANCEL"
		if c.typ == "PROVIDER_REJECT" {
			code = "REJECT"
		}
	}
	return object{"code": property, "valueCoding": object{"system": canonical(system), "code": code}}
}
