package erssim

import (
	"fmt"
	"net/http"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"unicode/utf8"
)

const maxComment = 2000 // characters

var weakETag = regexp.MustCompile(`^W/"([0-9]+)"$`)

// accept answers A013: the booking stands and the referral leaves the worklist. Nothing else shows of it.
func (s *Server) accept(c *call) answer {
	if len(c.body) > 0 {
		s.tally.violate("A013 %s: sent with a body", c.ubrn())
	}
	return s.update(c, func(r *referral) (answer, bool) {
		if !s.acceptable(r) {
			return wrongState(), false
		}
		r.bump()
		r.reviewed = true
		return resource(view{r, c.base}.resource(), r.version), true
	})
}

// review answers A028.
func (s *Server) review(c *call) answer {
	p, a, ok := readParameters(c.body, "eRS-RecordReviewOutcome-Parameters-1", map[string]string{
		"reviewOutcome": "valueCoding", "reviewComments": "valueString", "reviewPriority": "valueCoding",
		"reviewAttachmentFile": "resource",
	})
	if !ok {
		return a
	}
	if a, ok := checkReview(p); !ok {
		return a
	}
	return s.update(c, func(r *referral) (answer, bool) {
		outcome, _ := p.coding("reviewOutcome")
		priority, given := p.coding("reviewPriority")
		switch {
		case !r.reviewable():
			return wrongState(), false
		case given && outcome.code == withAdvice && priority.code != r.priority:
			return unprocessable("PRIORITY_NOT_CURRENT", "'reviewPriority' cannot be amended with this outcome"), false
		}
		comments, _ := p.text("reviewComments")
		r.decideReview(outcome.code, comments)
		if given {
			r.priority = priority.code
		}
		return resource(view{r, c.base}.resource(), r.version), true
	})
}

// checkReview checks what does not depend on the referral.
func checkReview(p parameters) (answer, bool) {
	outcome, given := p.coding("reviewOutcome")
	switch {
	case !given:
		return unprocessable("MISSING_VALUE", "'reviewOutcome' is mandatory"), false
	case outcome.set != canonical(reviewOutcome):
		return unprocessable("INVALID_VALUE", "'reviewOutcome' has another system"), false
	case outcome.code == actionLater || outcome.code == converted:
		return unprocessable("INAPPROPRIATE_VALUE", "'reviewOutcome' is not supported by this operation"), false
	case outcome.code != bookLater && outcome.code != withAdvice:
		return unprocessable("INVALID_CODE", "'reviewOutcome' is not a known code"), false
	}
	priority, given := p.coding("reviewPriority")
	set, _ := concepts(prioritySet)
	if _, known := findConcept(set, priority.code); given && (!known || priority.set != canonical(priorities)) {
		return unprocessable("INVALID_CODE", "'reviewPriority' is not a known code"), false
	}
	if _, attached := p.values["reviewAttachmentFile"]; attached {
		// Files come by A020, which is not open to an application: there is none to refer to.
		return unprocessable("REFERENCE_NOT_FOUND", "'reviewAttachmentFile' cannot be resolved"), false
	}
	return p.comment("reviewComments", true)
}

// comment checks a comment's length, and that it is there where it must be.
func (p parameters) comment(name string, mandatory bool) (answer, bool) {
	text, _ := p.text(name)
	switch {
	case mandatory && strings.TrimSpace(text) == "":
		return unprocessable("VALUE_IS_REQUIRED", "'"+name+"' is required"), false
	case utf8.RuneCountInString(text) > maxComment:
		return unprocessable("INVALID_VALUE", fmt.Sprintf("'%s' is longer than %d", name, maxComment)), false
	}
	return answer{}, true
}

// cancel answers A036: the end of the referral, and of its booking if there is one. The answer has no ETag.
func (s *Server) cancel(c *call) answer {
	p, a, ok := readParameters(c.body, "eRS-CancelReferral-Request-Parameters-1", map[string]string{
		"cancellationReason": "valueCoding", "cancellationComments": "valueString",
	})
	if !ok {
		return a
	}
	given, ok := p.coding("cancellationReason")
	reason, known := findConcept(referralCancelReasons(), given.code)
	switch {
	case !ok:
		return unprocessable("MISSING_VALUE", "'cancellationReason' is mandatory")
	case given.set != c.base+"/STU3/CodeSystem/"+referralCancel:
		return unprocessable("INVALID_VALUE", "'cancellationReason' has another system")
	case !known:
		return unprocessable("INVALID_CODE", "'cancellationReason' is not a known code")
	}
	return s.update(c, func(r *referral) (answer, bool) {
		if r.terminal() {
			return wrongState(), false
		}
		if !reason.may(providerFunction, s.now()) || !r.cancellableWith(reason) {
			return unprocessable("INAPPROPRIATE_VALUE", "'cancellationReason' is not for this case"), false
		}
		if a, ok := p.comment("cancellationComments", reason.comment); !ok {
			return a, false
		}
		comments, _ := p.text("cancellationComments")
		return s.cancelled(c, r, reason, comments), true
	})
}

// cancellableWith: reasons of triage belong to TRIAGED_PROVIDER_TO_ACTION and to nothing else; a booking needs a reason
// that can cancel it (a036-cancel-referral.yaml, "Important notes").
func (r *referral) cancellableWith(reason concept) bool {
	if (r.state == triaged) != (reason.typ == "PROVIDER_TRIAGE") {
		return false
	}
	hasBooking := r.appointment != nil && r.appointment.status == "booked"
	return reason.cancels || !hasBooking
}

func (s *Server) cancelled(c *call, r *referral, reason concept, comments string) answer {
	hadBooking := r.cancelWith(code{referralCancel, reason.code, reason.display}, comments)
	v := view{r, c.base}
	out := list{object{"name": "updatedReferralRequest", "resource": v.resource()}}
	if hadBooking {
		a := *r.appointment
		a.reason, a.comment = code{appointmentCancel, reason.code, reason.display}, comments
		out = append(out, object{"name": "updatedAppointment", "resource": v.appointmentResource(a)})
	}
	return resource(object{
		"resourceType": "Parameters", "meta": profile("eRS-CancelReferral-Response-Parameters-1"), "parameter": out,
	}, 0)
}

// update runs one operation on one referral: version given (else 412), referral to be had, not locked (else 423),
// version current (else 409), then what the operation itself demands. do tells whether it took effect.
func (s *Server) update(c *call, do func(*referral) (answer, bool)) answer {
	match := weakETag.FindStringSubmatch(c.Header.Get("If-Match"))
	if match == nil {
		s.tally.violate("%s %s: missing If-Match", c.name, c.ubrn())
		return outcome(http.StatusPreconditionFailed, "MISSING_VALUE", `If-Match: W/"version" is mandatory`)
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	r, a, ok := s.find(c)
	switch {
	case !ok:
		return a
	case slices.Contains(s.faults.Locked, r.ubrn):
		return empty(http.StatusLocked)
	case match[1] != strconv.Itoa(r.version):
		// responses/Conflict.yaml gives the sentence and no code; this one stands in.
		return outcome(http.StatusConflict, "INVALID_VERSION", "version supplied does not match the current version")
	}
	before := r.version
	a, done := do(r)
	if done {
		s.tally.operation(Operation{UBRN: r.ubrn, Name: c.name, Before: before, After: r.version})
	}
	return a
}

func wrongState() answer {
	return unprocessable("INVALID_REQUEST_STATE", "the request is not in the correct state for this action")
}
