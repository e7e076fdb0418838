package mapping

import (
	"fmt"
	"slices"
	"strings"

	"go.yaml.in/yaml/v3"

	"refbridge/sfdc/sobject"
)

// A body is the JSON body of one call of a Health Cloud API. Several tables may give parts of one body: rows of tables
// that say body: referral name a path instead of a field.
//
//	patient.fields.LastName        a member of an object
//	performers[].fields.Name       of each item of a list; every row of the table names the same list
//	serviceTypes[]                 a list of plain values
//
// The order of the tables (their file names) is the order of a list's items.

const maxItems = 10_000 // elements of a forEach that one record may give

// MemberKind says what stands in a member of a body.
type MemberKind uint8

const (
	textMember   MemberKind = iota
	FlagMember              // true or false
	recordMember            // Record Fields Input: the id of a record that is there, or fields of a new one
	detailMember            // an object with named members
)

// BodyMember is one property of a body, as the API documents it.
type BodyMember struct {
	Name     string
	Kind     MemberKind
	list     bool
	max      int // items of a list, 0 where none is documented
	Length   int // characters of a text, 0 where none is documented
	required bool
	choices  []string     // what a text may be; nil: anything
	members  []BodyMember // of a detailMember
	fields   bool         // of a detailMember: it has a map of fields too
}

func bodyNames() []string { return []string{"referral", "appointment"} }

// BodySchema gives the properties of a body: Referral Management (POST connect/health/referral-management/referrals, Health
// Cloud Developer Guide, connect_resources_referal_management.htm) and Book Appointment (POST
// connect/health/appointment-management/appointment, connect_resources_appointment_management_book_appointment.htm). Where the
// guide types patient, referral and requester as lists, its samples send one object, and so do we.
func BodySchema(body string) []BodyMember {
	if body == "referral" {
		return []BodyMember{
			{Name: "patient", Kind: recordMember, required: true},
			{Name: "requester", Kind: recordMember},
			{Name: "performers", Kind: recordMember, list: true, max: 5},
			{Name: "referral", Kind: recordMember, required: true},
			{Name: "referralNotes"},
			{Name: "referralDetails", Kind: detailMember, list: true, fields: true, members: []BodyMember{
				{Name: "detailType", required: true}, {Name: "detailRecordType", choices: detailRecordTypes()}, {Name: "detailRecordId"}, {Name: "detailCodeId"}}},
			{Name: "shouldUseHighConfidenceMatch", Kind: FlagMember},
		}
	}
	return []BodyMember{
		{Name: "startDate", required: true}, {Name: "endDate", required: true},
		{Name: "participants", Kind: detailMember, list: true, required: true, members: []BodyMember{
			{Name: "reference", required: true}, {Name: "isReferenceRequired", Kind: FlagMember}}},
		{Name: "workTypeId"}, {Name: "channelId"}, {Name: "comment", Length: 256}, {Name: "description"}, {Name: "timeZone"},
		{Name: "sourceSystem"}, {Name: "appointmentTypes", list: true}, {Name: "serviceCategories", list: true},
		{Name: "serviceTypes", list: true}, {Name: "specialties", list: true},
		{Name: "slots", Kind: detailMember, list: true, members: []BodyMember{{Name: "id", required: true}, {Name: "reference"}}},
	}
}

// detailRecordTypes are the types of records that a detail of a referral may be (connect_requests_referral_detail_input.htm).
func detailRecordTypes() []string {
	return []string{"Care Observation", "Care Plan", "Care Registered Device", "Care Specialty", "Clinical Service Request",
		"Diagnostic Summary", "Health Condition", "Healthcare Facility", "Medication Request", "Member Plan", "Work Type"}
}

// FindMember finds what a path names: the property, and the kind of value at the end of the path.
func FindMember(schema []BodyMember, path string) (property, end BodyMember, problem string) {
	head, rest, deeper := strings.Cut(path, ".")
	name, list := strings.CutSuffix(head, "[]")
	at := slices.IndexFunc(schema, func(m BodyMember) bool { return m.Name == name })
	if at < 0 {
		return property, end, fmt.Sprintf("the body has no %s", name)
	}
	property = schema[at]
	switch {
	case list && !property.list:
		return property, end, fmt.Sprintf("%s is no list", name)
	case !list && property.list:
		return property, end, fmt.Sprintf("%s is a list: write %s[]", name, name)
	case property.Kind == recordMember:
		return property, BodyMember{}, recordPart(name, rest)
	case property.Kind == detailMember:
		end, problem = detailPart(property, rest)
		return property, end, problem
	case deeper:
		return property, end, fmt.Sprintf("%s has no parts", name)
	}
	return property, property, ""
}

// recordPart checks what follows patient and its like: id, or fields and the name of one.
func recordPart(name, rest string) string {
	field, ok := strings.CutPrefix(rest, "fields.")
	if rest == "id" || ok && !strings.Contains(field, ".") {
		return ""
	}
	return fmt.Sprintf("%s takes id, or fields.Name of a new record", name)
}

func detailPart(property BodyMember, rest string) (BodyMember, string) {
	if field, ok := strings.CutPrefix(rest, "fields."); ok && property.fields && !strings.Contains(field, ".") {
		return BodyMember{}, ""
	}
	var names []string
	for _, m := range property.members {
		if m.Name == rest {
			return m, ""
		}
		names = append(names, m.Name)
	}
	if property.fields {
		names = append(names, "fields.Name")
	}
	return BodyMember{}, fmt.Sprintf("an item of %s takes %s", property.Name, strings.Join(names, ", "))
}

// separator reads a text that may be white space.
func (r *Reader) separator(n *yaml.Node) string {
	if n.Kind != yaml.ScalarNode || len(n.Value) > 20 {
		r.At(n, "join must be a text of at most 20 characters", `for example join: "; "`)
		return ""
	}
	return n.Value
}

// bodyPaths checks the rows of a table against the body that they are part of.
func (t *Table) bodyPaths() Faults {
	var faults Faults
	schema := BodySchema(t.Body)
	lists, limit := map[string]bool{}, 0
	for _, w := range t.Rows {
		if w.Field == "" {
			continue
		}
		property, end, problem := FindMember(schema, w.Field)
		if problem != "" {
			faults = append(faults, w.Fault(TableFault, problem, ""))
			continue
		}
		w.length, w.flag = end.Length, end.Kind == FlagMember
		if end.Kind == FlagMember && w.otherwise.kind != sobject.Null && w.otherwise.kind != sobject.Bool {
			faults = append(faults, w.Fault(TableFault, w.Field+" is true or false", "write the default without quotes"))
		}
		if t.Target == "" {
			faults = append(faults, w.chosen(end.choices)...)
		}
		head, _, _ := strings.Cut(w.Field, ".")
		t.Array = ""
		if property.list {
			t.Array = property.Name
		}
		lists[t.Array] = true
		faults = append(faults, w.repeated(t, head)...)
		limit = property.max
	}
	if limit > 0 && t.Max > limit {
		faults = append(faults, t.Fault(TableFault, fmt.Sprintf("%s takes at most %d", t.Array, limit), fmt.Sprintf("write max: %d", limit)))
	}
	if len(lists) > 1 {
		faults = append(faults, t.Fault(TableFault, "the rows of one table are part of one list, or of none", "make a table for each list"))
	}
	return faults
}

// chosen checks the values that the tables write down against those that the API takes, and has others checked when they come.
func (w *Row) chosen(choices []string) Faults {
	if choices == nil {
		return nil
	}
	w.choices, w.plain = choices, false
	var faults Faults
	check := func(v constant) {
		if v.kind != sobject.Null && !slices.Contains(choices, v.text) {
			faults = append(faults, w.Fault(TableFault, fmt.Sprintf("%s cannot be %q", w.Field, Short(v.text)),
				strings.TrimSpace(Nearest(v.text, choices)+" the API takes "+strings.Join(choices, ", "))))
		}
	}
	check(w.otherwise)
	if w.Values != nil {
		check(w.Values.rest)
		for i := range w.Values.listed {
			check(w.Values.listed[i].to)
		}
	}
	return faults
}

// repeated finds a row that would give one member several times.
func (w *Row) repeated(t *Table, head string) Faults {
	switch {
	case w.Joined && (t.ForEach == nil || t.Array != ""):
		return Faults{w.Fault(TableFault, "join needs a forEach, and a path outside of lists", "within one value write .join(', ') in the path")}
	case w.Joined && len(t.Rows) > 1:
		return Faults{w.Fault(TableFault, "a table with join has one row", "make a table for each joined text")}
	case t.ForEach != nil && t.Array == "" && !w.Joined:
		return Faults{w.Fault(TableFault, fmt.Sprintf("forEach would give %s several times", w.Field),
			"write join, or a list such as performers[]")}
	case strings.HasSuffix(w.Field, "[]") && len(t.fields) > 1:
		return Faults{w.Fault(TableFault, head+" is a list of plain values: it takes one row", "")}
	}
	return nil
}
