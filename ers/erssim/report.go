package erssim

import (
	"fmt"
	"slices"
	"strconv"
	"sync"
)

// maxViolations bounds what is kept of a client that does nothing right; the number is still counted.
const maxViolations = 1000

// Report is what the simulator has seen.
type Report struct {
	Referrals     int         `json:"referrals"`
	Calls         int         `json:"calls"`         // all but control calls, with those that were refused
	TokenCalls    int         `json:"tokenCalls"`    // POST /oauth2/token, granted or not
	WorklistCalls int         `json:"worklistCalls"` // A008 answered, so many times a ration was spent
	ReadCalls     int         `json:"readCalls"`     // A005, whatever came of it
	Throttled     int         `json:"throttled"`     // answered 429 because of the rate
	Operations    []Operation `json:"operations"`    // writes that took effect, in order
	// Violations are sentences about what a well-behaved client does not do: ration exceeded, jti used twice, If-Match
	// missing, banned header, user-only operation, two updates at once, a second try after PATIENT_ERROR …
	// The first thousand are kept.
	Violations     []string       `json:"violations"`
	ViolationCount int            `json:"violationCount"`
	States         map[string]int `json:"states"` // referrals by state
}

// Operation is a write that took effect.
type Operation struct {
	UBRN   string `json:"ubrn"`
	Name   string `json:"name"`   // A013, A028, A036
	Before int    `json:"before"` // version
	After  int    `json:"after"`  // version
}

// Referral is a referral as the simulator's own books have it, for comparing with what a client made of it.
type Referral struct {
	UBRN        string `json:"ubrn"`
	Version     int    `json:"version"`
	State       string `json:"state"`
	Reason      string `json:"reason,omitempty"`
	Priority    string `json:"priority"`
	Service     string `json:"service,omitempty"`     // id of the service that holds it
	NHSNumber   string `json:"nhsNumber,omitempty"`   // as sent
	Worklist    string `json:"worklist,omitempty"`    // where it stands now
	Appointment string `json:"appointment,omitempty"` // id of the current appointment
	Status      string `json:"status,omitempty"`      // of the appointment
	Reviewed    bool   `json:"reviewed,omitempty"`
	MovedOn     bool   `json:"movedOn,omitempty"`
	Sensitive   bool   `json:"sensitive,omitempty"`
}

// Report gives the books as they stand.
func (s *Server) Report() Report {
	out := s.tally.report()
	s.mu.Lock()
	defer s.mu.Unlock()
	out.Referrals = len(s.order)
	out.States = map[string]int{}
	for _, r := range s.referrals {
		out.States[r.state]++
	}
	return out
}

// Referrals gives every referral, by ascending UBRN.
func (s *Server) Referrals() []Referral {
	s.mu.Lock()
	defer s.mu.Unlock()
	out := make([]Referral, 0, len(s.order))
	for _, ubrn := range s.order {
		r := s.referrals[ubrn]
		row := Referral{
			UBRN: r.ubrn, Version: r.version, State: r.state, Reason: r.reason.code, Priority: r.priority,
			Service: r.service.id, NHSNumber: r.nhs, Worklist: s.worklistOf(r),
			Reviewed: r.reviewed, MovedOn: r.moved, Sensitive: r.sensitive,
		}
		if a := r.appointment; a != nil {
			row.Appointment, row.Status = strconv.Itoa(a.id), a.status
		}
		out = append(out, row)
	}
	return out
}

// tally counts. It has a lock of its own, so that anything may count whatever lock it holds.
type tally struct {
	mu   sync.Mutex
	seen Report
}

func newTally() *tally {
	return &tally{seen: Report{Operations: []Operation{}, Violations: []string{}}}
}

func (t *tally) call(name string) {
	t.mu.Lock()
	defer t.mu.Unlock()
	t.seen.Calls++
	switch name {
	case "token":
		t.seen.TokenCalls++
	case "A005":
		t.seen.ReadCalls++
	}
}

func (t *tally) worklist() {
	t.mu.Lock()
	defer t.mu.Unlock()
	t.seen.WorklistCalls++
}

func (t *tally) throttle() {
	t.mu.Lock()
	defer t.mu.Unlock()
	t.seen.Throttled++
}

func (t *tally) operation(o Operation) {
	t.mu.Lock()
	defer t.mu.Unlock()
	t.seen.Operations = append(t.seen.Operations, o)
}

func (t *tally) violate(format string, args ...any) {
	t.mu.Lock()
	defer t.mu.Unlock()
	if t.seen.ViolationCount++; len(t.seen.Violations) < maxViolations {
		t.seen.Violations = append(t.seen.Violations, fmt.Sprintf(format, args...))
	}
}

func (t *tally) report() Report {
	t.mu.Lock()
	defer t.mu.Unlock()
	out := t.seen
	out.Operations, out.Violations = slices.Clone(out.Operations), slices.Clone(out.Violations)
	return out
}
