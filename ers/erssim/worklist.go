package erssim

import (
	"net/http"
	"slices"
	"time"
)

// The worklists of a provider, and those of a referrer, who is somebody else.
const (
	referralsForReview = "REFERRALS_FOR_REVIEW"
	slotIssues         = "APPOINTMENT_SLOT_ISSUES"

	callsPerDay     = 2
	maxWorklistSize = 10 << 20 // bytes
)

// query is a valid A008 request.
type query struct{ list, service, specialty, location, clinician string }

// worklist answers A008: one service, one list, two calls a service and London day whichever the list.
func (s *Server) worklist(c *call) answer {
	p, a, ok := readParameters(c.body, "eRS-FetchWorklist-Parameters-1", worklistParameters())
	if !ok {
		return a
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	q, a, ok := s.worklistQuery(p)
	if !ok {
		return a
	}
	key := q.service + " " + s.day(s.now())
	if s.ration[key] >= callsPerDay {
		s.tally.violate("A008: ration exceeded, service and day %s", key)
		return empty(http.StatusTooManyRequests)
	}
	s.ration[key]++
	s.tally.worklist()
	body := encode(s.worklistResource(q, c.base))
	if len(body) > maxWorklistSize {
		// "a successful response will not be returned" (a008-retrieve-worklist.yaml); this is what the gateway says of
		// any response that does not fit its buffer.
		return apigee(http.StatusBadGateway, "protocol.http.TooBigBody", "Body buffer overflow")
	}
	return answer{status: http.StatusOK, contentType: fhirJSON, body: body}
}

// worklistParameters are the parameters that A008 knows, with the element that holds each value.
func worklistParameters() map[string]string {
	return map[string]string{
		"listType": "valueCodeableConcept", "service": "valueIdentifier",
		"specialtyAssignedIndicator": "valueCodeableConcept", "specialty": "valueCodeableConcept",
		"location": "valueIdentifier", "clinicianAssignedIndicator": "valueCodeableConcept", "clinician": "valueIdentifier",
	}
}

func (s *Server) worklistQuery(p parameters) (query, answer, bool) {
	var q query
	for _, step := range []func() (answer, bool){
		func() (answer, bool) { return p.listType(&q) },
		func() (answer, bool) { return s.serviceFilter(p, &q) },
		func() (answer, bool) { return s.specialtyFilter(p, &q) },
		func() (answer, bool) { return s.otherFilters(p, &q) },
	} {
		if a, ok := step(); !ok {
			return q, a, false
		}
	}
	return q, answer{}, true
}

func (p parameters) listType(q *query) (answer, bool) {
	coding, given := p.coding("listType")
	switch {
	case !given:
		return unprocessable("MISSING_VALUE", "'listType' is mandatory"), false
	case coding.set != canonical("eRS-ReferralListSelector-1"):
		return unprocessable("INVALID_VALUE", "'listType' has another system"), false
	case coding.code != referralsForReview && coding.code != slotIssues:
		// A referrer's list is a known code, refused to a provider with 422; the same code is sent for both.
		return unprocessable("INVALID_CODE", "'listType' is not a worklist of a provider application"), false
	}
	q.list = coding.code
	return answer{}, true
}

func (s *Server) serviceFilter(p parameters, q *query) (answer, bool) {
	id, given := p.identifier("service")
	switch {
	case !given:
		return unprocessable("MISSING_VALUE", "'service' is mandatory in application-restricted access"), false
	case id.set != systemService || !digits(id.code):
		return unprocessable("INVALID_VALUE", "'service' is not an e-RS service id"), false
	case !slices.ContainsFunc(s.services, func(v service) bool { return v.id == id.code }):
		return unprocessable("REFERENCE_NOT_FOUND", "'service' cannot be resolved"), false
	}
	q.service = id.code
	return answer{}, true
}

func (s *Server) specialtyFilter(p parameters, q *query) (answer, bool) {
	if a, ok := p.pair("specialtyAssignedIndicator", "specialty"); !ok {
		return a, false
	}
	specialty, given := p.coding("specialty")
	if _, known := findConcept(specialties(), specialty.code); given && !known {
		return unprocessable("REFERENCE_NOT_FOUND", "'specialty' cannot be resolved"), false
	}
	q.specialty = specialty.code
	return answer{}, true
}

func (s *Server) otherFilters(p parameters, q *query) (answer, bool) {
	if a, ok := p.pair("clinicianAssignedIndicator", "clinician"); !ok {
		return a, false
	}
	clinician, _ := p.identifier("clinician")
	location, given := p.identifier("location")
	if given && !slices.ContainsFunc(s.services, func(v service) bool { return v.site == location.code }) {
		return unprocessable("REFERENCE_NOT_FOUND", "'location' cannot be resolved"), false
	}
	q.clinician, q.location = clinician.code, location.code
	return answer{}, true
}

// pair holds an indicator and its value together: both or neither.
func (p parameters) pair(indicator, value string) (answer, bool) {
	_, hasIndicator := p.values[indicator]
	_, hasValue := p.values[value]
	switch {
	case hasIndicator && !hasValue:
		return unprocessable("MISSING_VALUE", "'"+value+"' is missing beside '"+indicator+"'"), false
	case hasValue && !hasIndicator:
		return unprocessable("UNEXPECTED_FIELD", "'"+value+"' without '"+indicator+"'"), false
	}
	return answer{}, true
}

// worklistResource renders the List: no id, no date, no total, no paging.
func (s *Server) worklistResource(q query, base string) object {
	out := object{
		"resourceType": "List", "meta": profile("eRS-FetchWorklist-List-1"), "status": "current", "mode": "snapshot",
	}
	var entries, contained list
	seen := map[string]bool{}
	for _, ubrn := range s.order {
		r := s.referrals[ubrn]
		if s.worklistOf(r) != q.list || !q.matches(r) {
			continue
		}
		v := view{r, base}
		entries = append(entries, v.entry(q.list))
		if q.list == referralsForReview {
			contained = v.introduce(contained, seen)
		}
	}
	if entries != nil {
		out["entry"] = entries
	} else if q.list == slotIssues {
		out["entry"] = list{} // an empty list comes both ways
	}
	if contained != nil {
		out["contained"] = contained
	}
	return out
}

func (q query) matches(r *referral) bool {
	switch {
	case r.service.id != q.service,
		q.specialty != "" && r.service.specialty != q.specialty,
		q.location != "" && r.service.site != q.location,
		q.clinician != "" && (r.appointment == nil || r.appointment.clinician != q.clinician):
		return false
	}
	return true
}

// introduce adds the Patient, and the named Practitioner, that an entry of Referrals For Review refers to.
func (v view) introduce(contained list, seen map[string]bool) list {
	if v.nhs != "" && !seen[v.nhs] {
		seen[v.nhs] = true
		contained = append(contained, object{
			"resourceType": "Patient", "id": "Patient-" + v.nhs, "meta": profile("eRS-Patient-1"),
			"identifier": list{v.patient()["identifier"]},
		})
	}
	clinicians := []string{v.allocated}
	if a := v.appointment; a != nil {
		clinicians = append(clinicians, a.clinician)
	}
	for _, id := range clinicians {
		if id == "" || seen[id] {
			continue
		}
		seen[id] = true
		contained = append(contained, object{
			"resourceType": "Practitioner", "id": "Practitioner-" + id, "meta": profile("eRS-Practitioner-1"),
			"identifier": list{object{"system": systemUser, "value": id}},
		})
	}
	return contained
}

func (v view) entry(which string) object {
	fields, name := v.slotIssue(), "AppointmentSlotIssues"
	if which == referralsForReview {
		fields, name = v.forReview(), "ReferralsforReview"
	}
	if v.listField != "" {
		fields = append(fields, field(v.listField, "valueString", "W1"))
	}
	return object{
		"extension": list{object{"url": definition("Extension-eRS-" + name + "-WorkListItem-1"), "extension": fields}},
		"item":      object{"reference": "ReferralRequest/" + v.ubrn},
	}
}

func field(url, key string, value any) any { return object{"url": url, key: value} }

// common are the fields of both lists.
func (v view) common() list {
	return list{
		field("priority", "valueCodeableConcept", v.codeable(code{set: priorities, code: v.priority})),
		field("specialty", "valueCodeableConcept", v.codeable(code{set: specialtySet, code: v.service.specialty})),
		field("eReferralPathwayStart", "valueDateTime", instant(v.received)),
		field("clinicalInfoPrinted", "valueBoolean", v.odd("printed", 3)),
	}
}

func (v view) serviceField() any {
	ref := identifier(systemService, v.service.id)
	ref["display"] = v.service.name
	return field("service", "valueReference", ref)
}

// forReview: the patient is a contained resource. A share lacks the service, or the version that older back ends did
// not send.
func (v view) forReview() list {
	out := v.common()
	if v.nhs != "" {
		out = append(out, field("patient", "valueReference", object{"reference": "#Patient-" + v.nhs}))
	}
	typ := "APPOINTMENT"
	if v.state == awaitingTriage {
		typ = "TRIAGE_DEFERRAL"
	}
	reviewed := or(v.requestContext, "NEVER_REVIEWED")
	context := code{"eRS-RequestContextStatus-1", reviewed, display(reviewed)}
	out = append(out,
		field("requestContextStatus", "valueCodeableConcept", v.codeable(context)),
		field("clinicalInfoFirstSubmitted", "valueDateTime", instant(v.submitted)),
		field("referralType", "valueCodeableConcept", v.codeable(code{set: "eRS-ReferralType-1", code: typ})),
	)
	if !v.updated.IsZero() {
		out = append(out, field("clinicalInfoLastUpdated", "valueDateTime", instant(v.updated)))
	}
	if a := v.appointment; a != nil && !a.start.IsZero() {
		out = append(out, field("appointmentStart", "valueDateTime", instant(a.start)))
	}
	if a := v.appointment; a != nil && a.clinician != "" {
		out = append(out, field("namedClinician", "valueReference", object{"reference": "#Practitioner-" + a.clinician}))
	}
	if v.allocated != "" {
		out = append(out, field("allocatedClinician", "valueReference", object{"reference": "#Practitioner-" + v.allocated}))
	}
	if !v.odd("no service", 9) {
		out = append(out, v.serviceField())
	}
	if v.ahead != 0 || !v.odd("no version", 14) {
		out = append(out, field("referralRequestVersion", "valueInteger", v.version+v.ahead))
	}
	return out
}

// slotIssue: the patient is inline, and there is no version.
func (v view) slotIssue() list {
	out := v.common()
	if v.nhs != "" {
		out = append(out, field("patient", "valueReference", v.patient()))
	}
	letter := "PRESENT"
	if !v.letter {
		letter = "OVERDUE"
	}
	letter = or(v.clinical, letter)
	return append(out,
		field("ubrnReceived", "valueDateTime", instant(v.received.Add(time.Hour))),
		field("patientContactExpected", "valueDate", or(v.contact, workingDays(v.received, v.contactDays()).Format(time.DateOnly))),
		field("clinicalInformationStatus", "valueCodeableConcept",
			v.codeable(code{set: "eRS-ClinicalInformationStatus-1", code: letter})),
		field("reason", "valueCodeableConcept", v.codeable(v.reason)),
		v.serviceField(),
	)
}

func (v view) contactDays() int {
	set, _ := concepts(prioritySet)
	c, _ := findConcept(set, v.priority)
	return c.contactDays[0]
}

// workingDays gives the date n working days after t; bank holidays are not known here.
func workingDays(t time.Time, n int) time.Time {
	for n > 0 {
		t = t.AddDate(0, 0, 1)
		if d := t.Weekday(); d != time.Saturday && d != time.Sunday {
			n--
		}
	}
	return t
}

func digits(s string) bool {
	for i := range len(s) {
		if s[i] < '0' || s[i] > '9' {
			return false
		}
	}
	return s != ""
}
