package lint

import (
	"fmt"
	"regexp"
	"slices"
	"strings"

	"refbridge/mapping"
)

// ersExtensions are the extensions that a referral of e-RS has once it is R4, with the parts that they have.
func ersExtensions() map[string][]string {
	out := map[string][]string{
		"https://fhir.nhs.uk/StructureDefinition/Extension-eRS-ServiceRequest-State": {"state", "reason", "comments"},
		"https://fhir.nhs.uk/StructureDefinition/Extension-ServiceRequest-Priority":  nil,
		"urn:refbridge:derived": {"element", "from"},
	}
	for _, name := range []string{"eReferralPathwayStart", "ClinicalInfoFirstSubmitted", "ClinicalInfoLastUpdated",
		"Commissioning-Rule-Org", "PatientAdditionalRequirement", "AvailabilityStatus", "AttachedBy",
		"AttachedByOrganisation", "AttachedOnBehalfOf"} {
		out["https://fhir.nhs.uk/STU3/StructureDefinition/Extension-eRS-"+name+"-1"] = nil
	}
	return out
}

// codeSet is a value set that a source is bound to.
type codeSet struct {
	name, system string
	codes        []string
	also         []string // other spellings of them, which a table may list
	bound        []string // elements: "ServiceRequest.status"
}

// codeSets are required bindings of FHIR R4 (https://hl7.org/fhir/R4/terminologies-valuesets.html) and the lists of
// NHS e-RS (A005: Extension-eRS-ReferralState, Extension-eRS-ReferralPriority).
func codeSets() []codeSet {
	const hl7, nhs = "http://hl7.org/fhir/", "https://fhir.nhs.uk/CodeSystem/"
	words := strings.Fields
	return []codeSet{
		{"request-status", hl7 + "request-status", words("draft active on-hold revoked completed entered-in-error unknown"), nil,
			words("ServiceRequest.status CommunicationRequest.status DeviceRequest.status CarePlan.status")},
		{"request-intent", hl7 + "request-intent",
			words("proposal plan directive order original-order reflex-order filler-order instance-order option"), nil,
			words("ServiceRequest.intent DeviceRequest.intent")},
		{"request-priority", hl7 + "request-priority", words("routine urgent asap stat"), nil,
			words("ServiceRequest.priority Task.priority CommunicationRequest.priority DeviceRequest.priority")},
		{"appointmentstatus", hl7 + "appointmentstatus",
			words("proposed pending booked arrived fulfilled cancelled noshow entered-in-error checked-in waitlist"), nil,
			words("Appointment.status")},
		{"administrative-gender", hl7 + "administrative-gender", words("male female other unknown"), nil,
			words("Patient.gender Practitioner.gender Person.gender RelatedPerson.gender Patient.contact.gender")},
		{"identifier-use", hl7 + "identifier-use", words("usual official temp secondary old"), nil, words("Identifier.use")},
		{"name-use", hl7 + "name-use", words("usual official temp nickname anonymous old maiden"), nil, words("HumanName.use")},
		{"address-use", hl7 + "address-use", words("home work temp old billing"), nil, words("Address.use")},
		{"contact-point-system", hl7 + "contact-point-system", words("phone fax email pager url sms other"), nil,
			words("ContactPoint.system")},
		{"contact-point-use", hl7 + "contact-point-use", words("home work temp old mobile"), nil, words("ContactPoint.use")},
		{"participationstatus", hl7 + "participationstatus", words("accepted declined tentative needs-action"), nil,
			words("Appointment.participant.status")},
		{"eRS-ReferralState", nhs + "eRS-ReferralState", words(`NOT_BOOKED BOOKED DEFERRED_TO_PROVIDER AWAITING_TRIAGE
			TRIAGED_PROVIDER_TO_ACTION TRIAGE_RESPONSE REJECTED APPT_CANCELLED_BY_PATIENT APPT_CANCELLED_BY_PROVIDER
			DID_NOT_ATTEND ASSESSMENT_RESULT CANCELLED_REFERRAL`),
			words(`APP_CANCELLED_BY_PATIENT APP_CANCELLED_BY_PROVIDER APPOINTMENT_CANCELLED_BY_PATIENT
			APPOINTMENT_CANCELLED_BY_PROVIDER DEFER_TO_PROVIDER`), nil},
		{"eRS-Priority", nhs + "eRS-Priority", words("ROUTINE URGENT TWO_WEEK_WAIT"), nil, nil},
	}
}

var lastMember = regexp.MustCompile(`^(?:(.*)\.)?([a-z][A-Za-z]*)(?:\.first\(\))?$`)

// boundSet gives the value set of the element that a path ends with.
func (v *view) boundSet(src string) (codeSet, bool) {
	m := lastMember.FindStringSubmatch(strings.TrimSpace(src))
	if m == nil {
		return codeSet{}, false
	}
	owner := "$this"
	if m[1] != "" {
		owner = m[1]
	}
	return boundTo(v.typeOf(owner) + "." + m[2])
}

func boundTo(element string) (codeSet, bool) {
	sets := codeSets()
	i := slices.IndexFunc(sets, func(s codeSet) bool { return slices.Contains(s.bound, element) })
	if i < 0 {
		return codeSet{}, false
	}
	return sets[i], true
}

// codes compares a value table with the value sets that its source can have: by the element of a path, or by the
// systems that the table names.
func (l *linter) codes(values *mapping.ValueTable, paths []*mapping.Path, v *view) {
	if values == nil {
		return
	}
	for _, p := range paths {
		if set, ok := v.boundSet(l.text(p)); ok {
			l.covers(values, set, true)
			return
		}
	}
	for _, set := range codeSets() {
		if slices.ContainsFunc(values.Codes, func(c mapping.CodeRow) bool { return c.System == set.system }) {
			l.covers(values, set, false)
		}
	}
}

// covers warns of codes of the set without a row, where they would hold the record without the author's word, and of
// rows that no code of the set can reach.
func (l *linter) covers(values *mapping.ValueTable, set codeSet, plain bool) {
	var missing []string
	for _, code := range set.codes {
		c := mapping.Coding{System: set.system, Code: code}
		if plain {
			c.System = ""
		}
		if _, ok := values.Find(c); !ok {
			missing = append(missing, code)
		}
	}
	meant := l.named(values.Place, "unlisted") != nil
	if len(missing) > 0 && values.Unlisted == mapping.UnlistedHold && !meant {
		l.warn("uncovered-code", values.Place, "",
			fmt.Sprintf("value table %s has no row for %s of %s: such a record is held", mapping.Short(values.Name), strings.Join(missing, ", "), set.name),
			"add rows, or write unlisted: hold to say that it is meant")
	}
	for _, c := range values.Codes {
		mine := c.System == set.system || plain && c.System == ""
		if mine && c.Code != "" && !slices.Contains(set.codes, c.Code) && !slices.Contains(set.also, c.Code) {
			l.warn("unknown-code", l.at(c.Place, "code"), "", fmt.Sprintf("%s has no code %s: the row is never used", set.name, mapping.ShowCode(c.Code)),
				mapping.Nearest(c.Code, set.codes))
		}
	}
}
