package ers

import (
	"strings"

	"refbridge/fhir"
)

// The R4 names of what e-RS says about a referral, as NHS writes them in its own R4 rendering of e-RS
// (https://github.com/NHSDigital/e-referrals-service-patient-care-api). URLs below urn:refbridge are ours.
const (
	ExtensionState      = "https://fhir.nhs.uk/StructureDefinition/Extension-eRS-ServiceRequest-State" // state, reason: valueCoding; comments: valueString
	ExtensionPriority   = "https://fhir.nhs.uk/StructureDefinition/Extension-ServiceRequest-Priority"  // valueCoding, the code as e-RS has it
	ExtensionDerived    = "urn:refbridge:derived"                                                      // element, from: valueString; this element stands in for what e-RS does not say
	SystemState         = "https://fhir.nhs.uk/CodeSystem/eRS-ReferralState"                           // the 12 codes of A005
	SystemPriority      = "https://fhir.nhs.uk/CodeSystem/eRS-Priority"                                // ROUTINE, URGENT, TWO_WEEK_WAIT
	SystemService       = "http://fhir.nhs.net/Id/ers-service"                                         // numeric service id
	SystemUser          = "https://fhir.nhs.uk/Id/sds-user-id"                                         // clinician
	SystemAppointmentID = "urn:refbridge:ers-appointment-id"                                           // the number that Appointment-Reference gives
	SystemSlot          = "urn:refbridge:ers-slot"                                                     // Slot/… as e-RS wrote it
	systemSNOMED        = "http://snomed.info/sct"                                                     // 3457005: patient referral
	systemParticipation = "http://terminology.hl7.org/CodeSystem/v3-ParticipationType"                 // CON: consultant
	stu3Extension       = "https://fhir.nhs.uk/STU3/StructureDefinition/Extension-eRS-"                // + name + "-1"
	canonicalCodes      = "https://fhir.nhs.uk/CodeSystem/eRS-"                                        // + name
)

// The states of a referral that decide something here (A005 lists all 12).
const (
	stateCancelled  = "CANCELLED_REFERRAL"
	stateTriaged    = "TRIAGED_PROVIDER_TO_ACTION"
	stateReturned   = "TRIAGE_RESPONSE"
	stateRejected   = "REJECTED"
	stateByPatient  = "APPT_CANCELLED_BY_PATIENT"
	stateByProvider = "APPT_CANCELLED_BY_PROVIDER"
	stateMissed     = "DID_NOT_ATTEND"
	reasonReturned  = "RETURN_TO_REFERRER_WITH_ADVICE"
)

// stateOf gives the code that A005 documents for the spellings of worklists (APP_…) and of NHS's R4 rendering
// (APPOINTMENT_…, DEFER_TO_PROVIDER). An unknown code is given back as it is.
func stateOf(code string) string {
	switch code {
	case "APP_CANCELLED_BY_PATIENT", "APPOINTMENT_CANCELLED_BY_PATIENT":
		return stateByPatient
	case "APP_CANCELLED_BY_PROVIDER", "APPOINTMENT_CANCELLED_BY_PROVIDER":
		return stateByProvider
	case "DEFER_TO_PROVIDER":
		return "DEFERRED_TO_PROVIDER"
	}
	return code
}

// stateDisplay gives the documented display of a known state: what e-RS sends varies.
func stateDisplay(code string) (string, bool) {
	switch code {
	case "NOT_BOOKED":
		return "Not Booked", true
	case "BOOKED":
		return "Booked", true
	case "DEFERRED_TO_PROVIDER":
		return "Deferred To Provider", true
	case "AWAITING_TRIAGE":
		return "Awaiting Triage", true
	case stateTriaged:
		return "Triaged - Provider To Action", true
	case stateReturned:
		return "Triage Response", true
	case stateRejected:
		return "Rejected", true
	case stateByPatient:
		return "Appointment Cancelled By Patient", true
	case stateByProvider:
		return "Appointment Cancelled By Provider", true
	case stateMissed:
		return "Did Not Attend", true
	case "ASSESSMENT_RESULT":
		return "Assessment Result", true
	case stateCancelled:
		return "Cancelled Referral", true
	}
	return "", false
}

// canonicalSystem gives one stable URI for a code system whatever the environment: the sets of A004 have the
// base URL of the environment in theirs (or a placeholder), so only the last path segment counts.
//
//	<base>/STU3/CodeSystem/SPECIALTY                       https://fhir.nhs.uk/CodeSystem/eRS-Specialty
//	<base>/STU3/CodeSystem/REFERRAL-CANCELLATION-REASON    https://fhir.nhs.uk/CodeSystem/eRS-ReferralCancellationReason
//	https://fhir.nhs.uk/STU3/CodeSystem/eRS-ReviewReason-1 https://fhir.nhs.uk/CodeSystem/eRS-ReviewReason
func canonicalSystem(system string) string {
	last := lastSegment(system)
	name, ours := strings.CutPrefix(unversioned(last), "eRS-")
	absolute := strings.Contains(system, "://") || strings.HasPrefix(system, "urn:")
	switch {
	case last == "encounter-participant-type":
		return systemParticipation
	case ours && (!absolute || strings.HasPrefix(system, "https://fhir.nhs.uk/STU3/CodeSystem/")):
		return canonicalCodes + name
	case dynamicSet(last) || !absolute:
		return canonicalCodes + camel(last)
	}
	return system
}

// dynamicSet tells the code systems that live in the environment (A004), and the older name of one of them.
func dynamicSet(name string) bool {
	switch name {
	case "SPECIALTY", "CLINIC-TYPE", "PRIORITY", "APPOINTMENT-CANCELLATION-REASON", "REFERRAL-CANCELLATION-REASON",
		"APPOINTMENT-NON-ATTENDANCE-REASON", "REQUEST-CANCELLATION-REASON":
		return true
	}
	return false
}

// camel turns CLINIC-TYPE into ClinicType.
func camel(name string) string {
	var b strings.Builder
	for word := range strings.SplitSeq(strings.ToLower(name), "-") {
		if word != "" {
			b.WriteString(strings.ToUpper(word[:1]) + word[1:])
		}
	}
	return b.String()
}

func canonicalIdentifier(system string) string {
	switch lastSegment(system) {
	case "nhs-number":
		return fhir.SystemNHSNumber
	case "sds-user-id":
		return SystemUser
	case "ers-service":
		return SystemService
	}
	return system
}

// actorType tells what an identifier of this (canonical) system identifies.
func actorType(system string) *string {
	switch {
	case system == fhir.SystemNHSNumber:
		return new("Patient")
	case system == SystemUser:
		return new("Practitioner")
	case system == SystemService:
		return new("HealthcareService")
	case lastSegment(system) == "ods-organization-code":
		return new("Organization")
	}
	return nil
}

func lastSegment(uri string) string { return uri[strings.LastIndexByte(uri, '/')+1:] }

// unversioned drops the "-1" with which the names of NHS's STU3 definitions end.
func unversioned(name string) string {
	if at := strings.LastIndexByte(name, '-'); at > 0 && versionPattern().MatchString(name[at+1:]) {
		return name[:at]
	}
	return name
}
