package ers

import (
	"time"

	r4 "github.com/samply/golang-fhir-models/fhir-models/fhir"

	"refbridge/fhir"
)

// The Workflow-Codes of NHS's own R4 rendering (NHSDigital/e-referrals-service-patient-care-api, Task.yaml).
const (
	systemWorkflow      = "https://fhir.nhs.uk/CodeSystem/Workflow-Code"
	appointmentDeferral = "APPOINTMENT_DEFERRAL" // the provider is to arrange the appointment
	triageDeferral      = "TRIAGE_DEFERRAL"      // the provider is to look at the referral
)

// task makes a Task of a contained appointment that is no appointment: e-RS writes a deferral or a triage as one that is proposed and
// has no time, NHS renders it as a Task. ok is false where it is an appointment.
func (n *normaliser) task(a fhir.Node) bool {
	if s := a.Get("status").Text(); s != "proposed" && s != "pending" || a.Get("start").Exists() {
		return false
	}
	n.word(a.Get("status"))
	out := r4.Task{
		Id:          &n.ubrn,
		Intent:      "order",
		Description: n.text(a.Get("description")),
		Focus:       &r4.Reference{Reference: new("ServiceRequest/" + n.ubrn)},
		For:         new(n.subject()),
		AuthoredOn:  n.text(a.Get("created")),
	}
	if number, numbered := n.appointmentID(); numbered {
		out.Identifier = []r4.Identifier{{System: new(SystemAppointmentID), Value: &number}}
	}
	reasons := n.concepts(a.Get("reason"))
	if len(reasons) > 0 {
		out.ReasonCode = &reasons[0]
	}
	if comment := n.text(a.Get("comment")); comment != nil {
		out.Note = []r4.Annotation{{Text: *comment}}
	}
	for _, p := range n.participants(a) {
		if p.Actor != nil && p.Actor.Type != nil && *p.Actor.Type == "HealthcareService" {
			out.Owner = p.Actor
		}
	}
	code := n.workflow(reasons)
	out.Code = &r4.CodeableConcept{Coding: []r4.Coding{{System: new(systemWorkflow), Code: &code}}}
	out.Status = n.taskStatus()
	if by, ok := n.contactUntil(out, code); ok {
		out.Restriction = &r4.TaskRestriction{Period: &r4.Period{End: &by}}
	}
	n.tasks = append(n.tasks, out)
	return true
}

// contactUntil gives the day by which the patient of a deferral that waits is to be contacted: the one that a worklist says, else it is
// counted from when e-RS noted the deferral.
func (n *normaliser) contactUntil(t r4.Task, code string) (string, bool) {
	by, said := n.expected()
	switch {
	case t.Status != r4.TaskStatusRequested:
		return "", false
	case said:
		return by, true
	case t.AuthoredOn == nil:
		return "", false
	}
	return contactBy(*t.AuthoredOn, code, n.priorityCode())
}

// workflow says which of the two it is.
func (n *normaliser) workflow(reasons []r4.CodeableConcept) string {
	if n.state == "AWAITING_TRIAGE" {
		return triageDeferral
	}
	for _, r := range reasons {
		for _, c := range r.Coding {
			if c.Code != nil && (*c.Code == "TRIAGE" || *c.Code == "ACCEPT_REFER_BOOK_LATER" || *c.Code == reasonReturned) {
				return triageDeferral
			}
		}
	}
	return appointmentDeferral
}

func (n *normaliser) taskStatus() r4.TaskStatus {
	switch n.state {
	case stateTriaged:
		return r4.TaskStatusAccepted
	case stateReturned, stateRejected:
		return r4.TaskStatusRejected
	case stateCancelled:
		return r4.TaskStatusCancelled
	}
	return r4.TaskStatusRequested
}

func (n *normaliser) priorityCode() string {
	return n.word(extension(n.root, "ReferralPriority").Get("valueCodeableConcept").Get("coding").At(0).Get("code"))
}

// contactDays gives within how many working days the patient is to be contacted (A004, PRIORITY: deferToProviderContactDays and
// triageContactDays). A priority that is not documented has none.
func contactDays(code, priority string) (int, bool) {
	days, known := map[string][2]int{"ROUTINE": {40, 40}, "URGENT": {10, 5}, "TWO_WEEK_WAIT": {5, 2}}[priority]
	if code == triageDeferral {
		return days[1], known
	}
	return days[0], known
}

// contactBy counts the working days from the moment at which e-RS noted the deferral: Monday to Friday, in London. Bank holidays count as
// working days, so that the date is rather too early than too late.
func contactBy(created, code, priority string) (string, bool) {
	at, err := time.Parse(time.RFC3339Nano, created)
	zone, bad := time.LoadLocation("Europe/London")
	days, known := contactDays(code, priority)
	if err != nil || bad != nil || !known {
		return "", false
	}
	day := at.In(zone)
	for days > 0 {
		day = day.AddDate(0, 0, 1)
		if day.Weekday() != time.Saturday && day.Weekday() != time.Sunday {
			days--
		}
	}
	return day.Format(time.DateOnly), true
}
