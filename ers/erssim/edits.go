package erssim

import (
	"fmt"
	"slices"
	"strings"
)

// Edit changes a referral to what e-RS's published examples hold and the population does not. What is left out stays
// as it is. The referral's version rises by one, unless the edit is Quiet; an Edit stays when the faults change.
type Edit struct {
	State     string `json:"state,omitempty"`
	Reason    string `json:"reason,omitempty"`    // code of the state's reason, and of the appointment's where there is one
	ReasonSet string `json:"reasonSet,omitempty"` // its code system, "REFERRAL-CANCELLATION-REASON"; "" = the one that has the code
	Comments  string `json:"comments,omitempty"`
	Priority  string `json:"priority,omitempty"`

	Appointment         int    `json:"appointment,omitempty"`         // the appointment's number, whoever else has it
	AllocatedClinician  string `json:"allocatedClinician,omitempty"`  // worklist Referrals For Review: SDS user id
	RequestContext      string `json:"requestContext,omitempty"`      // worklist Referrals For Review: LETTER_CHANGED, PRIORITY_CHANGED
	ClinicalInformation string `json:"clinicalInformation,omitempty"` // worklist Appointment Slot Issues: PRESENT, OVERDUE
	ContactExpected     string `json:"contactExpected,omitempty"`     // worklist Appointment Slot Issues: the day, 2026-03-05
	ListField           string `json:"listField,omitempty"`           // either worklist: a field of this name, which e-RS does not document
	Quiet               bool   `json:"quiet,omitempty"`               // only what the worklist says changes; the version stays

	NestedSearch bool     `json:"nestedSearch,omitempty"` // the search criteria stand inside the shortlist, as after advice and guidance
	Documents    []string `json:"documents,omitempty"`    // a new attachment of each type: ADVICE_REQUEST, GUIDANCE_RESPONSE
	OnBehalfOf   string   `json:"onBehalfOf,omitempty"`   // SDS user id for whom the attachments were attached
	PatientError bool     `json:"patientError,omitempty"` // every access answers 422 PATIENT_ERROR from now on
}

// edited is what an Edit adds to a referral beside its state.
type edited struct {
	ahead                                           int // by how much the worklist's version is ahead of A005's
	frozen                                          *referral
	allocated, requestContext, clinical, onBehalfOf string
	contact, listField                              string
	nestedSearch                                    bool
}

// checkFaults refuses faults that name what is not there.
func (s *Server) checkFaults(f Faults) error {
	ubrns := slices.Concat(f.Frozen, f.Locked)
	for ubrn := range f.Ahead {
		ubrns = append(ubrns, ubrn)
	}
	for ubrn, e := range f.Edits {
		ubrns = append(ubrns, ubrn)
		if r := s.referrals[ubrn]; e.Appointment > 0 && r != nil && r.appointment == nil {
			return fmt.Errorf("edit %s: there is no appointment to number", ubrn)
		}
		if _, known := e.reasonCode(); e.Reason != "" && !known {
			return fmt.Errorf("edit %s: reason %q is in no code system known here: name its reasonSet", ubrn, e.Reason)
		}
	}
	for _, ubrn := range ubrns {
		if s.referrals[ubrn] == nil {
			return fmt.Errorf("there is no referral %q", ubrn)
		}
	}
	return nil
}

// edit carries out the edits of new faults, and marks what they freeze and what is listed ahead.
func (s *Server) edit(f Faults) {
	for _, ubrn := range s.order {
		r := s.referrals[ubrn]
		r.ahead = f.Ahead[ubrn]
		r.frozen = s.frozen(r, slices.Contains(f.Frozen, ubrn))
		if e, ok := f.Edits[ubrn]; ok {
			s.apply(r, e)
		}
	}
}

// frozen is what A005 shows of a referral that it lags behind: how it was when that began.
func (s *Server) frozen(r *referral, is bool) *referral {
	if !is || r.frozen != nil {
		return map[bool]*referral{true: r.frozen}[is]
	}
	then := *r
	then.documents = slices.Clone(r.documents)
	if r.appointment != nil {
		a := *r.appointment
		then.appointment = &a
	}
	return &then
}

func (s *Server) apply(r *referral, e Edit) {
	r.allocated, r.requestContext = or(e.AllocatedClinician, r.allocated), or(e.RequestContext, r.requestContext)
	r.clinical, r.contact = or(e.ClinicalInformation, r.clinical), or(e.ContactExpected, r.contact)
	r.listField = or(e.ListField, r.listField)
	if e.Quiet {
		return
	}
	reason, comments := r.reason, r.comments
	if e.Reason != "" {
		reason, _ = e.reasonCode()
	}
	if e.Comments != "" {
		comments = e.Comments
	}
	r.move(or(e.State, r.state), reason, comments)
	r.priority = or(e.Priority, r.priority)
	if a := r.appointment; a != nil {
		r.touch()
		if e.Reason != "" {
			a.reason, a.comment = reason, comments
		}
		if e.Appointment > 0 {
			a.id = e.Appointment
		}
	}
	r.onBehalfOf = or(e.OnBehalfOf, r.onBehalfOf)
	r.nestedSearch, r.sensitive = r.nestedSearch || e.NestedSearch, r.sensitive || e.PatientError
	for _, kind := range e.Documents {
		r.documents = append(r.documents, s.documentOf(r, kind))
	}
}

func (s *Server) documentOf(r *referral, kind string) document {
	s.next.document++
	return document{
		id: s.next.document - 1, kind: kind, availability: "AVAILABLE", typ: "image/png", uuid: seededUUID(s.random),
		file: strings.ToLower(kind) + ".png", author: "555000000001", org: s.options.ODS, size: 40_000, indexed: r.received,
	}
}

func or(text, usual string) string {
	if text != "" {
		return text
	}
	return usual
}

// reasonCode finds the reason in the code systems known here; it reports whether it is in one.
func (e Edit) reasonCode() (code, bool) {
	if e.ReasonSet != "" {
		return code{e.ReasonSet, e.Reason, display(e.Reason)}, true
	}
	if slices.Contains([]string{bookLater, withAdvice, actionLater, converted}, e.Reason) {
		return code{reviewOutcome, e.Reason, reviewDisplay(e.Reason)}, true
	}
	for _, set := range []string{referralCancel, appointmentCancel, nonAttendance} {
		content, _ := concepts(set)
		if c, known := findConcept(content, e.Reason); known {
			return code{set, c.code, c.display}, true
		}
	}
	return code{}, false
}
