package erssim

import (
	"encoding/binary"
	"fmt"
	mathrand "math/rand/v2"
	"time"
)

const firstUBRN = 70001

// The troublesome referrals, by index (see Options).
const (
	withoutNumber  = 5
	miscountedOne  = 6
	strangeState   = 7
	strangeUrgency = 8
	sensitiveOne   = 9
	enoughForThem  = 10
)

// populate makes the referrals. Everything random comes from s.random, in one order.
func (s *Server) populate() {
	n := s.options.Referrals
	numbers := nhsNumbers(persons(n))
	spread := s.spread()
	dealt := 0
	for i := range n {
		r := s.newReferral(i, numbers[personOf(i, n)])
		troublesome := !s.options.Clean && n >= enoughForThem && i >= withoutNumber && i <= sensitiveOne
		if troublesome {
			s.settle(r, booked)
			r.trouble(i)
		} else {
			s.settle(r, spread[dealt%len(spread)])
			s.vary(r)
			dealt++
		}
		if before := i - persons(n); before >= 0 && r.odd("related", 2) {
			r.related = s.order[before] // dealt to the same person
		}
		s.referrals[r.ubrn] = r
		s.order = append(s.order, r.ubrn)
	}
}

// spread is the mix of starting states, dealt out in turn.
func (s *Server) spread() []string {
	mix := []string{
		booked, awaitingTriage, deferred, booked, awaitingTriage, booked, deferred, booked, awaitingTriage, booked,
	}
	if s.options.AllStates {
		mix = append(states(), mix...)
	}
	s.random.Shuffle(len(mix), func(i, j int) { mix[i], mix[j] = mix[j], mix[i] })
	return mix
}

// newReferral makes a referral that waits to be booked.
func (s *Server) newReferral(i int, nhs string) *referral {
	rng := s.random
	hour := s.now().Truncate(time.Hour) // worlds of one seed that start seconds apart are equal
	received := hour.Add(-time.Duration(1+rng.IntN(30*24*60)) * time.Minute)
	r := &referral{
		ubrn: fmt.Sprintf("%012d", firstUBRN+i), requestID: "r." + seededUUID(rng), version: 3 + rng.IntN(9),
		nhs: nhs, state: notBooked, received: received, spin: rng.Uint64(), letter: true,
		priority: []string{"ROUTINE", "ROUTINE", "ROUTINE", "URGENT", "URGENT", "TWO_WEEK_WAIT"}[rng.IntN(6)],
	}
	r.shortlist = s.shortlist(rng)
	r.submitted = received.Add(time.Duration(rng.IntN(3600)) * time.Second)
	if r.odd("letter updated", 4) {
		r.updated = r.submitted.Add(90 * time.Minute)
	}
	r.documents = s.attachments(r, rng)
	for _, need := range []string{"ADVOCACY", "INTERPRETER", "TRANSPORT"} {
		if r.odd(need, 15) {
			r.requirements = append(r.requirements, need)
		}
	}
	return r
}

// shortlist draws one to three services; the first one is the one that will hold the referral.
func (s *Server) shortlist(rng *mathrand.Rand) []service {
	if len(s.services) == 0 {
		return nil
	}
	first, out := rng.IntN(len(s.services)), []service(nil)
	for k := range 1 + rng.IntN(min(3, len(s.services))) {
		out = append(out, s.services[(first+k)%len(s.services)])
	}
	return out
}

// attachments draws the documents of the letter; one referral in six has none. Availability does not change by itself:
// an answer differs from the one before only where the version does.
func (s *Server) attachments(r *referral, rng *mathrand.Rand) []document {
	if r.odd("no documents", 6) {
		return nil
	}
	var out []document
	for k := range 1 + rng.IntN(2) {
		d := document{
			id: s.next.document, kind: "REFERRER", availability: "AVAILABLE", typ: "application/pdf",
			file: fmt.Sprintf("letter-%d.pdf", k+1), uuid: seededUUID(rng), author: fmt.Sprintf("5550000%05d", rng.IntN(400)),
			org: fmt.Sprintf("Z9%04d", rng.IntN(60)), size: 20_000 + rng.IntN(400_000), indexed: r.submitted,
		}
		switch {
		case k == 0 && r.odd("pending", 9):
			d.availability = "PENDING"
		case k == 0 && r.odd("threats", 15):
			d.availability = "THREATS_FOUND"
		}
		if k == 1 && r.odd("provider document", 2) {
			d.kind, d.org, d.typ, d.file = "PROVIDER", s.options.ODS, "image/png", "scan.png"
		}
		s.next.document++
		out = append(out, d)
	}
	return out
}

func seededUUID(rng *mathrand.Rand) string {
	var b [16]byte
	binary.BigEndian.PutUint64(b[:8], rng.Uint64())
	binary.BigEndian.PutUint64(b[8:], rng.Uint64())
	return formatUUID(b)
}

// settle takes a fresh referral to its starting state, by the steps that lead there.
func (s *Server) settle(r *referral, state string) {
	if state == notBooked || len(r.shortlist) == 0 {
		return
	}
	r.service = r.shortlist[0]
	switch state {
	case awaitingTriage, triageResponse, triaged:
		s.propose(r, awaitingTriage, "TRIAGE")
	case deferred:
		reasons := []string{"NO_SLOTS_AT_SERVICE", "NO_SLOTS_AT_SERVICE", "SLOT_NOT_AVAILABLE", "BOOKING_ATTEMPT_PROBLEM"}
		s.propose(r, deferred, reasons[s.random.IntN(len(reasons))])
		if r.odd("letter outstanding", 7) {
			r.withoutLetter()
		}
	default:
		s.book(r)
	}
	s.proceed(r, state)
	r.touchless()
}

// vary takes some bookings off the worklist where all states are wanted: accepted already, or without a letter yet.
func (s *Server) vary(r *referral) {
	if !s.options.AllStates || r.state != booked {
		return
	}
	r.reviewed = r.odd("accepted", 4)
	if r.odd("letter outstanding", 8) {
		r.withoutLetter()
	}
}

// proceed goes from the first booking or triage to a later state.
func (s *Server) proceed(r *referral, state string) {
	switch state {
	case triageResponse:
		r.decideReview(withAdvice, "Please try conservative treatment first.")
		r.state = triageResponse
	case triaged:
		r.triaged()
	case rejected:
		reason := code{appointmentCancel, "SERVICE_INAPPROPRIATE", "Inappropriate service"}
		r.lose(rejected, reason, "Please refer to the community service.")
	case cancelledByPatient:
		r.lose(state, code{appointmentCancel, "PATIENT_HOLIDAY", "Patient on holiday"}, "Patient away")
	case cancelledByProvider:
		r.lose(state, code{appointmentCancel, "CLINIC_CANCELLED", "Clinic cancelled"}, "")
	case didNotAttend:
		s.miss(r)
	case assessmentResult:
		s.past(r.appointment)
		r.move(assessmentResult, code{}, "")
		r.touch()
	case cancelledReferral:
		if r.odd("triage before cancel", 2) {
			s.propose(r, awaitingTriage, "TRIAGE")
		}
		r.cancelWith(code{referralCancel, "INTEND_PRIVATE", "Patient will go to a private clinic"}, "")
	}
}

// triaged draws one of the ways into TRIAGED_PROVIDER_TO_ACTION.
func (r *referral) triaged() {
	switch {
	case r.odd("advice as triaged", 3): // see decideReview
		r.decideReview(withAdvice, "Please try conservative treatment first.")
	case r.odd("action later", 3):
		r.decideReview(actionLater, "Other clinic needed")
	case r.odd("from advice", 4):
		r.decideReview(converted, "")
	default:
		r.decideReview(bookLater, "Book with the specialist nurse")
	}
}

// touchless keeps a starting appointment's version at what the examples show: 0, 1 or 2.
func (r *referral) touchless() {
	if a := r.appointment; a != nil {
		a.version, a.at = min(a.version, 2), r.version
	}
}

func (r *referral) withoutLetter() {
	r.letter, r.documents, r.submitted, r.updated = false, nil, time.Time{}, time.Time{}
}

// trouble makes one of the troublesome referrals.
func (r *referral) trouble(i int) {
	switch i {
	case withoutNumber:
		r.nhs = ""
	case miscountedOne:
		r.nhs = miscounted(r.nhs)
	case strangeState:
		r.state = "CLINICAL_PRIORITISATION"
	case strangeUrgency:
		r.priority = "FASTER_DIAGNOSIS"
	case sensitiveOne:
		r.sensitive = true
	}
}

// propose gives the referral an appointment that has no date yet: deferred, or sent for triage.
func (s *Server) propose(r *referral, state, reason string) {
	because := code{set: reviewReason, code: reason}
	r.move(state, because, "")
	r.appointment = &appointment{
		id: s.takeAppointment(), status: "proposed", reason: because, created: r.received.Add(time.Hour), at: r.version,
	}
	if state == deferred {
		r.appointment.comment = "No suitable slot was offered"
	}
}

// book gives the referral a new appointment, one to sixty days ahead in clinic hours. One booking in 25 is one of those
// that e-RS shows as BOOKED without any appointment, if it is the first.
func (s *Server) book(r *referral) {
	first := r.appointment == nil
	r.reviewed = r.reviewed && r.state == triaged // any other new booking waits for review
	r.move(booked, code{}, "")
	if first && r.odd("no appointment", 25) {
		return
	}
	now := s.now()
	day := now.Truncate(24*time.Hour).AddDate(0, 0, 1+s.random.IntN(60))
	start := day.Add(9*time.Hour + time.Duration(s.random.IntN(32))*15*time.Minute)
	a := &appointment{
		id: s.takeAppointment(), status: "booked", start: start, end: start.Add(15 * time.Minute),
		created: now.Truncate(time.Millisecond), at: r.version,
	}
	if first {
		a.created = r.received.Add(time.Hour)
	}
	if a.id%3 == 0 { // indirectly bookable: no slot, and no length
		a.end = start
	} else {
		a.slot = fmt.Sprintf("Slot/%s%04d", r.service.id, a.id%10_000)
	}
	if r.odd("named clinician", 3) {
		a.clinician = fmt.Sprintf("5551000%05d", a.id%40)
	}
	r.appointment = a
}

func (s *Server) takeAppointment() int {
	s.next.appointment++
	return s.next.appointment - 1
}

// lose cancels the appointment and leaves the referral in the state that says who did it.
func (r *referral) lose(state string, reason code, comments string) {
	r.move(state, reason, comments)
	if r.appointment != nil {
		r.appointment.cancel(reason, comments)
	}
	r.touch()
}

// miss records that the patient did not come. An appointment that still lies ahead was brought forward first.
func (s *Server) miss(r *referral) {
	s.past(r.appointment)
	r.move(didNotAttend, code{nonAttendance, "PATIENT_FORGOT", "Patient forgot about appointment"}, "")
	if r.appointment != nil {
		r.appointment.status = "noshow"
	}
	r.touch()
}

// past brings an appointment that lies ahead into the past.
func (s *Server) past(a *appointment) {
	if a == nil || a.start.Before(s.now()) {
		return
	}
	length := a.end.Sub(a.start)
	a.start = s.now().Truncate(time.Hour).Add(-2 * time.Hour)
	a.end = a.start.Add(length)
}
