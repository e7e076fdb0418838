package erssim

import (
	"fmt"
	"strconv"
	"time"
)

// The identifier systems of e-RS. STU3 resources carry the old NHS number system; the current one has been seen too.
const (
	systemService      = "http://fhir.nhs.net/Id/ers-service"
	systemNumber       = "http://fhir.nhs.net/Id/nhs-number"
	systemNumberNew    = "https://fhir.nhs.uk/Id/nhs-number"
	systemUser         = "http://fhir.nhs.net/Id/sds-user-id"
	systemOrganisation = "https://fhir.nhs.uk/Id/ods-organization-code"
	systemRequest      = "https://fhir.nhs.uk/Id/ers-request-id"
	instantLayout      = "2006-01-02T15:04:05.000Z"
)

// view renders one referral for one client.
type view struct {
	*referral
	base string // FHIR base URL as the client addressed it
}

func canonical(set string) string { return "https://fhir.nhs.uk/STU3/CodeSystem/" + set }

func definition(name string) string { return "https://fhir.nhs.uk/STU3/StructureDefinition/" + name }

func profile(name string) object { return object{"profile": list{definition(name)}} }

func extension(name, valueKey string, value any) object {
	return object{"url": definition("Extension-eRS-" + name + "-1"), valueKey: value}
}

func identifier(system, value string) object {
	return object{"identifier": object{"system": system, "value": value}}
}

func instant(t time.Time) string { return t.UTC().Format(instantLayout) }

// system gives the address of a code system. A dynamic one stands on this server, except where the base URL was
// never put in: about one referral in five sends a placeholder, as all published examples do.
func (v view) system(set string) string {
	if len(set) > 4 && set[:4] == "eRS-" {
		return canonical(set)
	}
	switch {
	case set == specialtySet && v.odd("v1", 15):
		return "_baseUrl_/STU3/v1/CodeSystem/" + set
	case v.odd("placeholder", 8):
		return "_baseUrl_/STU3/CodeSystem/" + set
	case set != specialtySet && v.odd("lower placeholder", 10):
		return "_baseurl_/STU3/CodeSystem/" + set
	}
	return v.base + "/STU3/CodeSystem/" + set
}

func (v view) coding(c code) object {
	out := object{"system": v.system(c.set), "code": c.code}
	if c.display != "" {
		out["display"] = c.display
	}
	return out
}

func (v view) codeable(c code) object { return object{"coding": list{v.coding(c)}} }

// resource is the ReferralRequest of A005, A013, A028 and A036. e-RS sends no demographics, no requester, no authoredOn
// and no time of last update.
func (v view) resource() object {
	out := object{
		"resourceType": "ReferralRequest", "id": v.ubrn, "status": "active", "intent": "plan",
		"meta": object{
			"versionId": strconv.Itoa(v.version), "profile": list{definition("eRS-ReferralRequest-1")},
		},
		"extension": v.extensions(), "contained": v.contained(), "supportingInfo": v.supportingInfo(),
		"subject": v.patient(), "identifier": list{object{"system": systemRequest, "value": v.requestID}},
	}
	if v.state == cancelledReferral {
		out["status"] = "cancelled" // the only state that shows in status
	}
	if v.state != notBooked {
		out["specialty"] = v.codeable(code{specialtySet, v.service.specialty, v.service.specialtyName})
	}
	return out
}

// patient is the logical reference to the patient: the NHS number is all there is.
func (v view) patient() object {
	system := systemNumber
	if v.odd("new number system", 10) {
		system = systemNumberNew
	}
	if v.nhs == "" {
		return object{"identifier": object{"system": system}}
	}
	return identifier(system, v.nhs)
}

func (v view) extensions() list {
	var out list
	if v.appointment != nil {
		out = append(out, extension("Appointment", "valueReference", object{"reference": "#appointment"}))
		if v.state != cancelledReferral || !v.odd("appointment reference", 3) {
			ref := object{"reference": fmt.Sprintf("Appointment/%d", v.appointment.id)}
			out = append(out, extension("Appointment-Reference", "valueReference", ref))
		}
	}
	if v.letter {
		out = append(out, extension("ClinicalInfoFirstSubmitted", "valueDateTime", instant(v.submitted)))
	}
	if !v.updated.IsZero() {
		out = append(out, extension("ClinicalInfoLastUpdated", "valueDateTime", instant(v.updated)))
	}
	if v.state != notBooked {
		key := "valueInstant" // the examples; the schema says valueDateTime
		if v.odd("pathway dateTime", 5) {
			key = "valueDateTime"
		}
		out = append(out, extension("eReferralPathwayStart", key, instant(v.received)))
	}
	out = append(out,
		extension("ReferralPriority", "valueCodeableConcept", v.codeable(code{priorities, v.priority, v.urgency()})),
		extension("ReferralShortlist", "valueReference", object{"reference": "#shortlist"}),
		extension("Commissioning-Rule-Org", "valueIdentifier", object{"system": systemOrganisation, "value": v.commissioner()}),
		v.stateExtension(),
	)
	for _, need := range v.requirements {
		out = append(out, extension("PatientAdditionalRequirement", "valueCoding",
			v.coding(code{"eRS-AdditionalRequirementType-1", need, display(need)})))
	}
	return out
}

// urgency is the display of the priority, of which several spellings are about.
func (v view) urgency() string {
	switch {
	case v.priority == "URGENT" && v.odd("lower urgent", 3):
		return "urgent"
	case v.priority == "TWO_WEEK_WAIT" && v.odd("two as digit", 2):
		return "2 Week Wait"
	}
	return display(v.priority)
}

func (v view) commissioner() string { return fmt.Sprintf("Z9%04d", v.spin%60) }

func (v view) stateExtension() object {
	parts := list{object{"url": "state", "valueCoding": v.coding(code{"eRS-ReferralState-1", v.state, display(v.state)})}}
	if v.reason.code != "" {
		parts = append(parts, object{"url": "reason", "valueCoding": v.coding(v.reason)})
	}
	if v.comments != "" {
		parts = append(parts, object{"url": "comments", "valueString": v.comments})
	}
	return object{"url": definition("Extension-eRS-ReferralState-1"), "extension": parts}
}

func (v view) contained() list {
	out := list{v.searchCriteria(), v.shortlistResource()}
	if v.nestedSearch {
		out = list{v.shortlistResource()}
	}
	if v.appointment != nil {
		out = append(out, v.containedAppointment())
	}
	for _, d := range v.documents {
		out = append(out, v.documentReference(d))
	}
	return out
}

func (v view) searchCriteria() object {
	first := service{specialty: "CARDIOLOGY", clinicType: "HEART_FAILURE"}
	if len(v.shortlist) > 0 {
		first = v.shortlist[0]
	}
	parameter := func(name, key string, value any) any { return object{"name": name, key: value} }
	criteria := list{
		parameter("priority", "valueCoding", v.coding(code{set: priorities, code: v.priority})),
		parameter("specialty", "valueCoding", v.coding(code{set: specialtySet, code: first.specialty})),
		parameter("clinicType", "valueCoding", v.coding(code{set: "eRS-ClinicType-1", code: first.clinicType})),
		parameter("distanceLimit", "valueUnsignedInt", 25),
		parameter("ageAndGenderAppropriate", "valueBoolean", true),
	}
	if v.odd("postcode", 4) {
		criteria = append(criteria, parameter("postcode", "valueString", "ZZ99 3CZ")) // no place has it
	}
	if v.odd("commissioning", 4) {
		criteria = append(criteria, parameter("commissioningProvisioning", "valueCoding",
			v.coding(code{set: "eRS-CommissioningProvisioning-1", code: "ALL_AVAILABLE_FOR_BOOKING"})))
	}
	return object{
		"resourceType": "Parameters", "id": "serviceSearchCriteria",
		"meta": profile("eRS-ServiceSearchCriteria-Parameters-1"), "parameter": criteria,
	}
}

func (v view) shortlistResource() object {
	var entries list
	for _, sv := range v.shortlist {
		item := identifier(systemService, sv.id)
		item["display"] = sv.name
		entries = append(entries, object{"item": item})
	}
	out := object{
		"resourceType": "List", "id": "shortlist", "meta": profile("eRS-Shortlist-List-1"),
		"status": "current", "mode": "snapshot", "entry": entries,
		"extension": list{extension("Shortlist-SearchCriteria", "valueReference", object{"reference": "#serviceSearchCriteria"})},
	}
	if v.nestedSearch {
		out["contained"] = list{v.searchCriteria()}
	}
	return out
}

func (v view) containedAppointment() object {
	out := v.appointmentResource(*v.appointment)
	out["id"] = "appointment"
	return out
}

// appointmentResource renders an Appointment as A036 returns it beside the referral. Known deviations: a contained one
// keeps meta.versionId; participant.type is one object, in a ValueSet's name.
func (v view) appointmentResource(a appointment) object {
	out := object{
		"resourceType": "Appointment", "id": strconv.Itoa(a.id), "language": "en", "status": a.status,
		"meta": object{
			"versionId": strconv.Itoa(a.version),
			"profile": list{
				definition("eRS-Appointment-1"), "https://fhir.hl7.org.uk/STU3/StructureDefinition/CareConnect-Appointment-1",
			},
		},
		"description": "e-Referral Appointment", "created": instant(a.created),
		"incomingReferral": list{object{"reference": fmt.Sprintf("ReferralRequest/%s/_history/%d", v.ubrn, a.at)}},
		"participant":      v.participants(a),
	}
	if a.reason.code != "" {
		out["reason"] = list{v.codeable(a.reason)}
	}
	if a.comment != "" {
		out["comment"] = a.comment
	}
	if !a.start.IsZero() {
		out["start"], out["end"] = instant(a.start), instant(a.end)
	}
	if a.slot != "" {
		out["slot"] = list{object{"reference": a.slot}}
	}
	return out
}

func (v view) participants(a appointment) list {
	provider := identifier(systemService, v.service.id)
	provider["display"] = v.service.name
	out := list{object{"actor": provider, "status": "accepted"}, object{"actor": v.patient(), "status": "accepted"}}
	if a.clinician != "" {
		out = append(out, object{
			"type": object{"coding": list{object{
				"system": "http://hl7.org/fhir/ValueSet/encounter-participant-type", "code": "CON",
			}}},
			"actor": identifier(systemUser, a.clinician), "status": "accepted",
		})
	}
	return out
}

func (v view) documentReference(d document) object {
	id := strconv.Itoa(d.id)
	facts := list{
		extension("AvailabilityStatus", "valueCoding", v.coding(code{set: "eRS-AvailabilityStatus-1", code: d.availability})),
		extension("AttachedBy", "valueReference", identifier(systemUser, d.author)),
		extension("AttachedByOrganisation", "valueReference", identifier(systemOrganisation, d.org)),
	}
	if v.onBehalfOf != "" {
		facts = append(facts, extension("AttachedOnBehalfOf", "valueReference", identifier(systemUser, v.onBehalfOf)))
	}
	return object{
		"resourceType": "DocumentReference", "id": "DocumentReference-" + id, "meta": profile("eRS-DocumentReference-1"),
		"type":   v.codeable(code{"eRS-AttachmentType-1", d.kind, display(d.kind)}),
		"status": "current", "indexed": instant(d.indexed), "description": "attachment " + d.file,
		"content": list{object{"attachment": object{
			"id": id, "contentType": d.typ, "url": "Binary/" + d.uuid, "size": d.size, "title": d.file,
			"creation":  d.indexed.UTC().Format(time.DateOnly),
			"extension": facts,
		}}},
	}
}

// supportingInfo is [] where there is nothing, which FHIR forbids and e-RS does.
func (v view) supportingInfo() list {
	out := list{}
	for _, d := range v.documents {
		out = append(out, object{"reference": fmt.Sprintf("#DocumentReference-%d", d.id)})
	}
	if v.related != "" {
		out = append(out, object{"reference": "ReferralRequest/" + v.related})
	}
	if v.reason.code == converted {
		out = append(out, object{"reference": "CommunicationRequest/" + v.ubrn}) // the advice has the same number
	}
	return out
}
