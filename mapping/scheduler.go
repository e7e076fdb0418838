package mapping

import (
	"slices"
	"strings"

	"refbridge/fhir"
	"refbridge/sfdc/sobject"
)

// What Book Appointment needs beyond its plain required members, by where the resource is (Health Cloud Developer Guide,
// connect_resources_appointment_management_book_appointment.htm): in Salesforce (Lightning Scheduler) a work type; in an
// external system (EHR) a work type or one of three code lists, the name of the system, and slots. A code list beside a work type
// needs no system, and specialties never do. A patient and a facility take part, and a practitioner or a device.

// workLists stand in for a work type.
func workLists() []string { return []string{"appointmentTypes", "serviceCategories", "serviceTypes"} }

// external returns the list because of which a body needs sourceSystem: a code list in place of a work type, or slots; empty
// where there is none.
func external(given func(string) bool) string {
	if i := slices.IndexFunc(workLists(), given); i >= 0 && !given("workTypeId") {
		return workLists()[i]
	}
	if given("slots") {
		return "slots"
	}
	return ""
}

// scheduler checks what can be told without a resource.
func (p *bodyPlan) scheduler() Faults {
	var faults Faults
	given := func(name string) bool { return p.row(name) != nil }
	if name := external(given); name != "" && !given("sourceSystem") {
		faults = append(faults, p.row(name).Fault(TableFault, name+" are of an external system: the body needs sourceSystem", ""))
	}
	if w := p.row("sourceSystem"); w != nil && !given("slots") {
		faults = append(faults, w.Fault(TableFault, "sourceSystem is for an appointment in an external system: the body needs slots", ""))
	}
	if !given("workTypeId") && !slices.ContainsFunc(workLists(), given) {
		faults = append(faults, p.tables[0].Fault(TableFault, "the body needs workTypeId, or "+alternatives()+" with sourceSystem", ""))
	}
	for _, t := range p.tables {
		for _, w := range t.Rows {
			if (w.Field == "startDate" || w.Field == "endDate") && !w.inUTC() {
				faults = append(faults, w.Fault(TableFault, w.Field+" is an instant in UTC", "write transform: utc"))
			}
		}
	}
	return faults
}

func alternatives() string {
	names := workLists()
	return strings.Join(names[:len(names)-1], ", ") + " or " + names[len(names)-1]
}

// inUTC tells whether whatever the row gives is an instant in UTC.
func (w *Row) inUTC() bool {
	if w.otherwise.kind != sobject.Null {
		if _, ok := fhir.ParseInstant(w.otherwise.text); !ok || !strings.HasSuffix(w.otherwise.text, "Z") {
			return false
		}
	}
	return len(w.Paths) == 0 || w.kind == sobject.DateTime
}

// booking holds an appointment that lacks what the API needs, as it came out for this resource.
func (m *Mapper) booking(p *bodyPlan) {
	given := func(name string) bool { return m.given(p, name) }
	if name := external(given); name != "" && !given("sourceSystem") {
		m.without(p, "sourceSystem", name+" are of an external system, and the source gives nothing for sourceSystem")
	}
	if given("sourceSystem") && !given("slots") {
		m.without(p, "slots", "an appointment in an external system needs slots, and the source gives none")
	}
	if !given("workTypeId") && !slices.ContainsFunc(workLists(), given) {
		m.without(p, "workTypeId", "the API needs workTypeId or one of "+alternatives()+", and the source gives none of them")
	}
	for _, kind := range []string{"Patient", "Facility"} {
		if given("participants") && !slices.Contains(m.takesPart, kind) {
			m.without(p, "participants", "the API needs a participant "+kind+"/id, and the source gives none")
		}
	}
	resource := func(kind string) bool { return kind == "Practitioner" || kind == "Provider" || kind == "Device" }
	if given("participants") && !slices.ContainsFunc(m.takesPart, resource) {
		m.without(p, "participants", "the API needs a participant Practitioner/id or Device/id, and the source gives none")
	}
	m.ordered(p)
}

// ordered holds an appointment that ends before it begins.
func (m *Mapper) ordered(p *bodyPlan) {
	start, begins := fhir.ParseInstant(m.text(p, "startDate"))
	end, ends := fhir.ParseInstant(m.text(p, "endDate"))
	if begins && ends && end.Time().Before(start.Time()) {
		m.add(p.row("endDate").Place, nil, "endDate", &trouble{BadValue, "the appointment ends before it begins", "put the times right at the source"})
	}
}

// text is the text of a plain member of the body, empty where it has none.
func (m *Mapper) text(p *bodyPlan, name string) string {
	i := slices.IndexFunc(p.root, func(n bodyNode) bool { return n.name == name })
	if i < 0 || p.root[i].cell < 0 {
		return ""
	}
	return m.cells[p.root[i].cell].text
}

// given tells whether the body has a member.
func (m *Mapper) given(p *bodyPlan, name string) bool {
	i := slices.IndexFunc(p.root, func(n bodyNode) bool { return n.name == name })
	switch {
	case i < 0:
		return false
	case p.root[i].list >= 0:
		return m.lists[p.root[i].list].count > 0
	}
	return p.root[i].cell >= 0 && m.cells[p.root[i].cell].kind != sobject.Null
}

// without notes what a body lacks, at the rule that could have given it.
func (m *Mapper) without(p *bodyPlan, name, message string) {
	at := p.tables[0].Place
	if w := p.row(name); w != nil {
		at = w.Place
	}
	m.add(at, nil, name, &trouble{RequiredMissing, message, ""})
}

// participant notes whether an item of participants is the patient, or the facility.
func (m *Mapper) participant(t *Table) {
	for i := range m.row {
		if kind, _, ok := strings.Cut(m.row[i].text, "/"); ok && t.fields[i] == "participants[].reference" {
			m.takesPart = append(m.takesPart, strings.Clone(kind))
		}
	}
}
