package ers

import (
	"iter"
	"strconv"
	"strings"

	r4 "github.com/samply/golang-fhir-models/fhir-models/fhir"

	"refbridge/fhir"
)

// containedOf walks the contained resources of a type, one level of nesting deeper too: e-RS nests search criteria in
// the shortlist of a converted advice request.
func (n *normaliser) containedOf(typ string) iter.Seq[fhir.Node] {
	return func(yield func(fhir.Node) bool) {
		for c := range n.root.Get("contained").Items() {
			if c.Get("resourceType").Text() == typ && !yield(c) {
				return
			}
			for inner := range c.Get("contained").Items() {
				if inner.Get("resourceType").Text() == typ && !yield(inner) {
					return
				}
			}
		}
	}
}

// appointment builds the current appointment from the contained one, whose own id says nothing. ok is false where the
// referral contains none: a reference alone is none, and a deferral or triage is a Task.
func (n *normaliser) appointment() (r4.Appointment, bool) {
	a, ok := n.contained("Appointment", extension(n.root, "Appointment"))
	if !ok || n.task(a) {
		return r4.Appointment{}, false
	}
	id, numbered := n.appointmentID()
	out := r4.Appointment{
		Id:          &id,
		Status:      n.appointmentStatus(a),
		ReasonCode:  n.concepts(a.Get("reason")),
		Description: n.text(a.Get("description")),
		Start:       n.text(a.Get("start")),
		End:         n.text(a.Get("end")),
		Created:     n.text(a.Get("created")),
		Comment:     n.text(a.Get("comment")),
		Slot:        n.slots(a.Get("slot")),
		BasedOn:     []r4.Reference{{Reference: new("ServiceRequest/" + n.ubrn)}},
		Participant: n.participants(a),
	}
	if numbered {
		out.Identifier = []r4.Identifier{{System: new(SystemAppointmentID), Value: &id}}
	}
	if out.Start != nil && out.End == nil {
		out.End = out.Start // an indirectly bookable service has a time and no length, and R4 wants both or neither
	}
	n.whyNot(&out)
	return out, true
}

// whyNot gives an appointment that does not take place its reason: its own, else that of the state which ended it.
func (n *normaliser) whyNot(a *r4.Appointment) {
	if a.Status != r4.AppointmentStatusCancelled && a.Status != r4.AppointmentStatusNoshow {
		return
	}
	if len(a.ReasonCode) > 0 {
		a.CancelationReason = &a.ReasonCode[0]
		return
	}
	if reason := n.coding(part(extension(n.root, "ReferralState"), "reason").Get("valueCoding")); reason != nil {
		a.CancelationReason = &r4.CodeableConcept{Coding: []r4.Coding{*reason}}
	}
}

// appointmentID gives the number under which e-RS knows the appointment, else the UBRN.
func (n *normaliser) appointmentID() (id string, numbered bool) {
	pointer := extension(n.root, "Appointment-Reference").Get("valueReference").Get("reference")
	text := n.text(pointer)
	if text == nil {
		return n.ubrn, false
	}
	ref, err := fhir.ParseReference(*text)
	if err != nil || ref.Type != "Appointment" || ref.Base != "" {
		n.fail(pointer, "not a reference to an Appointment")
	}
	return ref.ID, true
}

// appointmentStatus gives the status as sent, except that the referral's state decides about an appointment that is
// still open: e-RS leaves it proposed inside a cancelled referral.
func (n *normaliser) appointmentStatus(a fhir.Node) r4.AppointmentStatus {
	var status r4.AppointmentStatus
	switch n.word(a.Get("status")) {
	case "proposed":
		status = r4.AppointmentStatusProposed
	case "pending":
		status = r4.AppointmentStatusPending
	case "booked":
		status = r4.AppointmentStatusBooked
	case "arrived":
		return r4.AppointmentStatusArrived
	case "fulfilled":
		return r4.AppointmentStatusFulfilled
	case "cancelled":
		return r4.AppointmentStatusCancelled
	case "noshow":
		return r4.AppointmentStatusNoshow
	case "entered-in-error":
		return r4.AppointmentStatusEnteredInError
	default:
		if !a.Get("status").Exists() {
			n.missing(a, "status")
		}
		n.fail(a.Get("status"), "no status that e-RS documents")
	}
	switch n.state {
	case stateCancelled, stateRejected, stateByPatient, stateByProvider:
		return r4.AppointmentStatusCancelled
	case stateMissed:
		return r4.AppointmentStatusNoshow
	}
	return status
}

// slots keep e-RS's reference as an identifier: nothing resolves it. There is one for a directly bookable service,
// none for an indirectly bookable one.
func (n *normaliser) slots(list fhir.Node) []r4.Reference {
	var out []r4.Reference
	for s := range list.Items() {
		if ref := n.text(s.Get("reference")); ref != nil {
			out = append(out, r4.Reference{Type: new("Slot"), Identifier: &r4.Identifier{System: new(SystemSlot), Value: ref}})
		}
	}
	return out
}

func (n *normaliser) participants(a fhir.Node) []r4.AppointmentParticipant {
	var out []r4.AppointmentParticipant
	for p := range a.Get("participant").Items() {
		if p, ok := n.object(p); ok {
			out = append(out, n.participant(p))
		}
	}
	if len(out) == 0 {
		n.missing(a, "participant")
	}
	return out
}

func (n *normaliser) participant(p fhir.Node) r4.AppointmentParticipant {
	out := r4.AppointmentParticipant{Type: n.concepts(p.Get("type")), Actor: n.logical(p.Get("actor"))}
	switch n.word(p.Get("status")) {
	case "accepted":
		out.Status = r4.ParticipationStatusAccepted
	case "declined":
		out.Status = r4.ParticipationStatusDeclined
	case "tentative":
		out.Status = r4.ParticipationStatusTentative
	case "needs-action":
		out.Status = r4.ParticipationStatusNeedsAction
	default:
		if !p.Get("status").Exists() {
			n.missing(p, "status")
		}
		n.fail(p.Get("status"), "no participation status of FHIR")
	}
	return out
}

// supportingInfo: attachments become resources of their own, other referrals and advice requests of the pathway
// logical references (an advice request has the same UBRN as the referral made from it).
func (n *normaliser) supportingInfo() []r4.Reference {
	ids := n.attachments()
	var out []r4.Reference
	for info := range n.root.Get("supportingInfo").Items() {
		text := n.text(info.Get("reference"))
		if text == nil {
			continue
		}
		if inner, ok := strings.CutPrefix(*text, "#"); ok {
			if id, found := ids[inner]; found {
				out = append(out, r4.Reference{Reference: new("DocumentReference/" + id)})
			}
			continue
		}
		ref, err := fhir.ParseReference(*text)
		if err != nil {
			n.fail(info.Get("reference"), "not a FHIR reference")
			continue
		}
		out = append(out, related(ref))
	}
	return out
}

func related(ref fhir.Reference) r4.Reference {
	typ := ref.Type
	switch {
	case ref.Base != "": // on another server the number would be another request's
		return r4.Reference{Reference: new(ref.Current().String())}
	case typ == "ReferralRequest":
		typ = "ServiceRequest"
	case typ == "CommunicationRequest":
	default:
		return r4.Reference{Reference: new(ref.Current().String())}
	}
	return r4.Reference{Type: &typ, Identifier: &r4.Identifier{System: new(fhir.SystemUBRN), Value: &ref.ID}}
}

// attachments builds the DocumentReferences and gives their ids by contained id. One that cannot be read is left out:
// an attachment does not hold back its referral.
func (n *normaliser) attachments() map[string]string {
	ids := map[string]string{}
	for c := range n.containedOf("DocumentReference") {
		var read []fhir.Node
		e := elements{seen: &read}
		contained := e.text(c.Get("id"))
		if contained == nil {
			continue
		}
		id := strings.TrimPrefix(*contained, "DocumentReference-")
		d, ok := e.document(c, id, n.ubrn)
		if ok && e.err == nil {
			ids[*contained] = id
			n.documents = append(n.documents, d)
			for _, node := range read {
				n.saw(node)
			}
		}
	}
	return ids
}

func (e *elements) document(c fhir.Node, id, ubrn string) (r4.DocumentReference, bool) {
	out := r4.DocumentReference{
		Id:          &id,
		Type:        e.concept(c.Get("type")),
		Date:        e.text(c.Get("indexed")),
		Description: e.text(c.Get("description")),
		Context:     &r4.DocumentReferenceContext{Related: []r4.Reference{{Reference: new("ServiceRequest/" + ubrn)}}},
	}
	switch e.word(c.Get("status")) {
	case "current":
		out.Status = r4.DocumentReferenceStatusCurrent
	case "superseded":
		out.Status = r4.DocumentReferenceStatusSuperseded
	case "entered-in-error":
		out.Status = r4.DocumentReferenceStatusEnteredInError
	default:
		return out, false
	}
	for content := range c.Get("content").Items() {
		if a, ok := e.object(content.Get("attachment")); ok {
			out.Content = append(out.Content, r4.DocumentReferenceContent{Attachment: e.attachment(a)})
		}
	}
	_, err := fhir.ParseReference("DocumentReference/" + id)
	return out, err == nil && len(out.Content) > 0
}

func (e *elements) attachment(a fhir.Node) r4.Attachment {
	out := r4.Attachment{
		Id:          e.text(a.Get("id")),
		ContentType: e.text(a.Get("contentType")),
		Url:         e.text(a.Get("url")),
		Title:       e.text(a.Get("title")),
		Creation:    e.text(a.Get("creation")),
	}
	if size, err := strconv.Atoi(a.Get("size").Text()); err == nil {
		e.saw(a.Get("size"))
		out.Size = &size
	}
	for _, name := range []string{"AvailabilityStatus", "AttachedBy", "AttachedByOrganisation", "AttachedOnBehalfOf"} {
		ext := extension(a, name)
		coding, by := e.coding(ext.Get("valueCoding")), e.logical(ext.Get("valueReference"))
		if coding != nil || by != nil {
			out.Extension = append(out.Extension, r4.Extension{Url: stu3Extension + name + "-1", ValueCoding: coding, ValueReference: by})
		}
	}
	return out
}
