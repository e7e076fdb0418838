package erssim

import (
	"fmt"
	"net/http"
	"regexp"
	"strconv"
)

var focusPattern = regexp.MustCompile(`^ReferralRequest/([0-9]{12})/_history/([0-9]+)$`)

// find gives a referral that the caller may see. Otherwise: 404 for an unknown UBRN, 422 for a sensitive patient and
// for a referral that has left the organisation. s.mu is held.
func (s *Server) find(c *call) (*referral, answer, bool) {
	r, known := s.referrals[c.ubrn()]
	switch {
	case !known:
		return nil, empty(http.StatusNotFound), false
	case r.sensitive:
		if s.refused[r.ubrn] {
			s.tally.violate("%s %s: asked again after PATIENT_ERROR", c.name, r.ubrn)
		}
		s.refused[r.ubrn] = true
		text := "An error occurred while retrieving the requested patient. Do not attempt again."
		return nil, unprocessable("PATIENT_ERROR", text), false
	case r.moved:
		return nil, unprocessable("NO_RELATIONSHIP", "no legitimate relationship with the request"), false
	}
	return r, answer{}, true
}

// read answers A005. Only the current version can be had.
func (s *Server) read(c *call) answer {
	s.mu.Lock()
	defer s.mu.Unlock()
	r, a, ok := s.find(c)
	if !ok {
		return a
	}
	if r.frozen != nil {
		r = r.frozen
	}
	if version := c.PathValue("version"); version != "" && version != strconv.Itoa(r.version) {
		return empty(http.StatusNotFound)
	}
	return resource(view{r, c.base}.resource(), r.version)
}

// actions answers A029: what the application could do to the current version. Accept is never among it.
func (s *Server) actions(c *call) answer {
	q := c.URL.Query()
	for _, name := range []string{"focus", "intent", "status"} {
		if q.Get(name) == "" {
			return outcome(http.StatusBadRequest, "MISSING_PARAMETER", "'"+name+"' is mandatory")
		}
	}
	focus := focusPattern.FindStringSubmatch(q.Get("focus"))
	if focus == nil || q.Get("intent") != "proposal" || q.Get("status") != "ready" {
		return outcome(http.StatusBadRequest, "INVALID_VALUE", "focus, intent or status has another form")
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	r, known := s.referrals[focus[1]]
	if !known {
		return outcome(http.StatusBadRequest, "REFERENCE_NOT_FOUND", "'focus' cannot be resolved")
	}
	if focus[2] != strconv.Itoa(r.version) {
		return outcome(http.StatusBadRequest, "HISTORY_NOT_SUPPORTED", "only the current version is permissible")
	}
	entries := list{}
	for _, code := range r.available() {
		entries = append(entries, task(code, q.Get("focus"), c.base))
	}
	return resource(object{
		"resourceType": "Bundle", "id": uuid(), "type": "searchset", "entry": entries,
		"meta": object{
			"lastUpdated": instant(s.now()), "profile": list{"http://hl7.org/fhir/STU3/StructureDefinition/Bundle"},
		},
		"link": list{object{"relation": "self", "url": fmt.Sprintf("%s/STU3/Task?%s", c.base, c.URL.RawQuery)}},
	}, 0)
}

// available are the actions that a provider application can have.
func (r *referral) available() []string {
	var out []string
	if r.sensitive || r.moved || r.terminal() {
		return nil
	}
	if r.reviewable() {
		out = append(out, "RECORD_REVIEW_OUTCOME")
	}
	return append(out, "CANCEL_REFERRAL")
}

func task(action, focus, base string) object {
	id := uuid()
	return object{
		"fullUrl": base + "/STU3/Task/" + id, "search": object{"mode": "match"},
		"resource": object{
			"resourceType": "Task", "id": id, "status": "ready", "intent": "proposal", "focus": object{"reference": focus},
			"meta": object{"profile": list{"https://fhir.hl7.org.uk/STU3/StructureDefinition/CareConnect-Task-1"}},
			"code": object{"coding": list{object{
				"system": canonical("eRS-AvailableActionsForUser-1"), "code": action, "display": display(action),
			}}},
		},
	}
}
