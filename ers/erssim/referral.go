package erssim

import (
	"slices"
	"strings"
	"time"
)

// referral is one referral as the simulator keeps it. What e-RS sends of it is built anew for every answer (render.go),
// so that an answer can never be out of step with the state.
//
//	NOT_BOOKED ── book ──▶ BOOKED ── accept (A013) ──▶ BOOKED, off the worklist
//	     │                  │  ▲ └── missed ──▶ DID_NOT_ATTEND
//	     │                  │  │ book          patient cancels ──▶ APPT_CANCELLED_BY_PATIENT
//	     ├─ no slot ──▶ DEFERRED_TO_PROVIDER ─┐
//	     └─ triage ───▶ AWAITING_TRIAGE ──────┴─ review (A028) ──▶ TRIAGED_PROVIDER_TO_ACTION | TRIAGE_RESPONSE
//	any of them but CANCELLED_REFERRAL ── cancel (A036, referrer) ──▶ CANCELLED_REFERRAL
type referral struct {
	ubrn      string
	requestID string // r.<uuid>, the id in the R4 API
	version   int
	nhs       string // the NHS number as sent; "" = none
	state     string
	reason    code
	comments  string
	priority  string
	service   service
	shortlist []service
	related   string // UBRN of another referral on the same pathway; "" = none

	letter    bool // the referral letter is there
	reviewed  bool // accepted, or booked after triage
	moved     bool // left the organisation
	sensitive bool // PATIENT_ERROR

	received     time.Time // pathway start
	submitted    time.Time // letter first submitted
	updated      time.Time // letter changed; zero = never
	appointment  *appointment
	documents    []document
	requirements []string // ADVOCACY, INTERPRETER, TRANSPORT
	edited
	spin uint64 // what decides the referral's oddities, see odd
}

// appointment is the current appointment of a referral; there is never more than one.
type appointment struct {
	id, version int
	status      string // proposed, booked, cancelled, noshow
	reason      code
	comment     string
	start, end  time.Time // zero = none
	slot        string    // a directly bookable service's; "" = indirectly bookable, start equals end
	clinician   string    // SDS user id of a named clinician; "" = none
	created     time.Time
	at          int // version of the referral that the appointment refers to
}

// document is an attachment.
type document struct {
	id                 int
	kind, availability string // REFERRER, PROVIDER; AVAILABLE, PENDING, THREATS_FOUND
	typ, file          string
	uuid, author, org  string
	size               int
	indexed            time.Time
}

// service is one of the organisation's services.
type service struct{ id, name, specialty, specialtyName, clinicType, site string }

func servicesOf(o Options) []service {
	var current []concept
	for _, c := range specialties() {
		if c.until == "" {
			current = append(current, c)
		}
	}
	clinics := clinicTypes()
	var out []service
	for i, id := range o.Services {
		sp := current[i%len(current)]
		out = append(out, service{
			id: id, name: sp.display + " Service " + id, specialty: sp.code, specialtyName: sp.display,
			clinicType: clinics[i%len(clinics)].code, site: o.ODS + string(rune('A'+i%26)),
		})
	}
	return out
}

// odd decides an oddity: true for about one in n referrals, for each name another share, always the same ones.
func (r *referral) odd(name string, n uint64) bool {
	h := r.spin
	for i := range len(name) {
		h = (h ^ uint64(name[i])) * 0x100000001b3 // FNV-1a
	}
	return (h>>33)%n == 0
}

// bump raises the version: something was changed, or some process of e-RS touched the record.
func (r *referral) bump() { r.version++ }

// move changes the state. Every change of the appointment goes with a new version of the referral, so move bumps first.
func (r *referral) move(state string, reason code, comments string) {
	r.bump()
	r.state, r.reason, r.comments = state, reason, comments
}

// touch raises the appointment's version and ties it to the referral's.
func (r *referral) touch() {
	if a := r.appointment; a != nil {
		a.version++
		a.at = r.version
	}
}

// terminal tells whether nothing can happen to the referral any more.
func (r *referral) terminal() bool { return r.state == cancelledReferral }

// documented tells whether the state is one of the twelve.
func (r *referral) documented() bool { return slices.Contains(states(), r.state) }

func states() []string {
	return []string{
		booked, awaitingTriage, deferred, notBooked, triaged, triageResponse, rejected, cancelledByPatient,
		cancelledByProvider, didNotAttend, assessmentResult, cancelledReferral,
	}
}

// worklistOf gives the provider worklist on which the referral stands, "" for none. Leaving it means nothing by itself:
// reviewed, moved, cancelled, or the day of the appointment is over.
func (s *Server) worklistOf(r *referral) string {
	if r.moved {
		return ""
	}
	switch {
	case r.state == awaitingTriage:
		return referralsForReview
	case r.state == deferred:
		return slotIssues
	case (r.state == booked || !r.documented()) && r.letter && !r.reviewed && !s.over(r.appointment):
		return referralsForReview
	}
	return ""
}

// over tells whether the appointment's London day has passed.
func (s *Server) over(a *appointment) bool {
	return a != nil && !a.start.IsZero() && s.day(a.start) < s.day(s.now())
}

// reviewable is the precondition of A028: in triage, or deferred and pending review, which needs a letter.
func (r *referral) reviewable() bool {
	return r.state == awaitingTriage || r.state == deferred && r.letter
}

// acceptable is the precondition of A013: booked, with a letter, pending review, on or after today.
func (s *Server) acceptable(r *referral) bool {
	return r.state == booked && r.letter && (!r.reviewed || s.faults.AcceptAgain) && r.appointment != nil && !s.over(r.appointment)
}

// decideReview is the effect of a review. e-RS's own examples give RETURN_TO_REFERRER_WITH_ADVICE the state
// TRIAGED_PROVIDER_TO_ACTION although the definition of TRIAGE_RESPONSE fits it; both are sent here.
func (r *referral) decideReview(outcome, comments string) {
	reason := code{set: reviewOutcome, code: outcome, display: reviewDisplay(outcome)}
	state := triaged
	if outcome == withAdvice && !r.odd("advice as triaged", 3) {
		state = triageResponse
	}
	r.move(state, reason, comments)
	r.reviewed = true
	if a := r.appointment; a != nil {
		a.reason, a.comment = reason, comments
	}
	r.touch()
}

func reviewDisplay(outcome string) string {
	switch outcome {
	case withAdvice:
		return "Return to Referrer With Advice"
	case converted:
		return "Provider Converted Advice and Guidance, Admin to Refer"
	}
	return display(outcome)
}

// cancelWith ends the referral. The contained appointment of a booked one is cancelled without a reason and without its
// times; a proposed one stays as it was. It tells whether a booking was cancelled.
func (r *referral) cancelWith(reason code, comments string) bool {
	a := r.appointment
	hadBooking := a != nil && a.status == "booked"
	if hadBooking {
		reason.set = requestCancel
	}
	r.move(cancelledReferral, reason, comments)
	if hadBooking {
		a.cancel(code{}, "")
		r.touch()
	}
	return hadBooking
}

// cancel takes the appointment's date away: e-RS does not keep it.
func (a *appointment) cancel(reason code, comment string) {
	a.status, a.reason, a.comment = "cancelled", reason, comment
	a.start, a.end, a.slot = time.Time{}, time.Time{}, ""
}

// display is the text of a state or reason code.
func display(code string) string {
	switch code {
	case triaged:
		return "Triaged - Provider To Action"
	case cancelledByPatient:
		return "Appointment Cancelled By Patient"
	case cancelledByProvider:
		return "Appointment Cancelled By Provider"
	}
	words := strings.Fields(strings.ToLower(strings.ReplaceAll(code, "_", " ")))
	for i, w := range words {
		words[i] = strings.ToUpper(w[:1]) + w[1:]
	}
	return strings.Join(words, " ")
}
