package erssim

import "slices"

// Changes say how many referrals shall change in which way, as staff, patients and e-RS itself would change them.
// Where fewer can, fewer do.
type Changes struct {
	Bookings       int `json:"bookings"`       // deferred, triaged or cancelled by somebody -> BOOKED, new appointment id
	Cancellations  int `json:"cancellations"`  // in turn: twice an appointment by the patient, once the whole referral
	TriageOutcomes int `json:"triageOutcomes"` // in turn: accepted, returned to the referrer with advice
	NotAttended    int `json:"notAttended"`    // BOOKED -> DID_NOT_ATTEND, earliest appointments first
	InternalBumps  int `json:"internalBumps"`  // the version rises, nothing else
	MovedOn        int `json:"movedOn"`        // to another provider: off the worklists, A005 answers 422 NO_RELATIONSHIP
}

// Event is one change that Evolve made.
type Event struct {
	UBRN    string `json:"ubrn"`
	Change  string `json:"change"` // booking, appointment-cancelled, referral-cancelled, triage, not-attended, bump, moved-on
	State   string `json:"state"`  // afterwards
	Version int    `json:"version"`
}

// Evolve changes referrals, each at most once a call, picked by the seed, and tells which. A sensitive patient's
// referral and one that has moved on are left alone.
func (s *Server) Evolve(c Changes) []Event {
	s.mu.Lock()
	defer s.mu.Unlock()
	e := evolution{Server: s, taken: map[string]bool{}, events: []Event{}}
	e.bookings(c.Bookings)
	e.outcomes(c.TriageOutcomes)
	e.notAttended(c.NotAttended)
	e.cancellations(c.Cancellations)
	for _, r := range e.pick(c.InternalBumps, func(r *referral) bool { return !r.terminal() }) {
		r.bump()
		e.note(r, "bump")
	}
	for _, r := range e.pick(c.MovedOn, func(r *referral) bool { return !r.terminal() }) {
		r.bump()
		r.moved = true
		e.note(r, "moved-on")
	}
	return e.events
}

// evolution is one call of Evolve; s.mu is held.
type evolution struct {
	*Server
	taken  map[string]bool
	events []Event
}

func (e *evolution) note(r *referral, change string) {
	e.events = append(e.events, Event{UBRN: r.ubrn, Change: change, State: r.state, Version: r.version})
}

// candidates are the untouched referrals that may change this way, in an order that the seed decides.
func (e *evolution) candidates(may func(*referral) bool) []*referral {
	var out []*referral
	for _, ubrn := range e.order {
		r := e.referrals[ubrn]
		if !e.taken[ubrn] && !r.sensitive && !r.moved && may(r) {
			out = append(out, r)
		}
	}
	e.random.Shuffle(len(out), func(i, j int) { out[i], out[j] = out[j], out[i] })
	return out
}

func (e *evolution) pick(n int, may func(*referral) bool) []*referral {
	if n <= 0 {
		return nil
	}
	return e.take(n, e.candidates(may))
}

func (e *evolution) take(n int, from []*referral) []*referral {
	from = from[:min(n, len(from))]
	for _, r := range from {
		e.taken[r.ubrn] = true
	}
	return from
}

func (e *evolution) bookings(n int) {
	waiting := []string{deferred, triaged, cancelledByPatient, cancelledByProvider}
	may := func(r *referral) bool { return slices.Contains(waiting, r.state) && r.reason.code != withAdvice }
	for _, r := range e.pick(n, may) {
		e.book(r)
		e.note(r, "booking")
	}
}

func (e *evolution) outcomes(n int) {
	for _, r := range e.pick(n, func(r *referral) bool { return r.state == awaitingTriage }) {
		if e.next.reviews++; e.next.reviews%2 == 1 {
			r.decideReview(bookLater, "Please book the next free clinic.")
		} else {
			r.decideReview(withAdvice, "Please repeat the blood tests before referring again.")
		}
		e.note(r, "triage")
	}
}

func withBooking(r *referral) bool {
	return r.state == booked && r.appointment != nil && r.appointment.status == "booked"
}

func (e *evolution) notAttended(n int) {
	if n <= 0 {
		return
	}
	from := e.candidates(withBooking)
	slices.SortStableFunc(from, func(a, b *referral) int { return a.appointment.start.Compare(b.appointment.start) })
	for _, r := range e.take(n, from) {
		e.miss(r)
		e.note(r, "not-attended")
	}
}

func (e *evolution) cancellations(n int) {
	whole := 0
	for range n {
		if e.next.cancellations++; e.next.cancellations%3 == 0 {
			whole++
		}
	}
	for _, r := range e.pick(n-whole, withBooking) {
		r.lose(cancelledByPatient, code{appointmentCancel, "PATIENT_HOLIDAY", "Patient on holiday"}, "Patient away")
		e.note(r, "appointment-cancelled")
	}
	for _, r := range e.pick(whole, func(r *referral) bool { return !r.terminal() }) {
		r.cancelWith(code{referralCancel, "REFERRER_CANCELLATION", "Other - Referrer request cancellation"}, "")
		e.note(r, "referral-cancelled")
	}
}
