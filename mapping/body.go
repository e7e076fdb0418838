package mapping

import (
	"fmt"
	"regexp"
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

// bodyPath is the shape of such a path.
var bodyPath = regexp.MustCompile(`^[A-Za-z][A-Za-z0-9_]{0,79}(\[\])?(\.[A-Za-z][A-Za-z0-9_]{0,79}){0,4}$`)

const maxItems = 10_000 // elements of a forEach that one record may give

// memberKind says what stands in a member of a body.
type memberKind uint8

const (
	textMember   memberKind = iota
	flagMember              // true or false
	recordMember            // Record Fields Input: the id of a record that is there, or fields of a new one
	detailMember            // an object with named members
)

// bodyMember is one property of a body, as the API documents it.
type bodyMember struct {
	name     string
	kind     memberKind
	list     bool
	max      int // items of a list, 0 where none is documented
	length   int // characters of a text, 0 where none is documented
	required bool
	members  []bodyMember // of a detailMember
	fields   bool         // of a detailMember: it has a map of fields too
}

func bodyNames() []string { return []string{"referral", "appointment"} }

// bodySchema gives the properties of a body: Referral Management (POST connect/health/referral-management/referrals, Health
// Cloud Developer Guide, connect_resources_referal_management.htm) and Book Appointment (POST
// connect/health/appointment-management/appointment, connect_resources_appointment_management_book_appointment.htm). Where the
// guide types patient, referral and requester as lists, its samples send one object, and so do we.
func bodySchema(body string) []bodyMember {
	if body == "referral" {
		return []bodyMember{
			{name: "patient", kind: recordMember, required: true},
			{name: "requester", kind: recordMember},
			{name: "performers", kind: recordMember, list: true, max: 5},
			{name: "referral", kind: recordMember, required: true},
			{name: "referralNotes"},
			{name: "referralDetails", kind: detailMember, list: true, fields: true, members: []bodyMember{
				{name: "detailType", required: true}, {name: "detailRecordType"}, {name: "detailRecordId"}, {name: "detailCodeId"}}},
			{name: "shouldUseHighConfidenceMatch", kind: flagMember},
		}
	}
	return []bodyMember{
		{name: "startDate", required: true}, {name: "endDate", required: true},
		{name: "participants", kind: detailMember, list: true, required: true, members: []bodyMember{
			{name: "reference", required: true}, {name: "isReferenceRequired", kind: flagMember}}},
		{name: "workTypeId"}, {name: "channelId"}, {name: "comment", length: 256}, {name: "description"}, {name: "timeZone"},
		{name: "sourceSystem"}, {name: "appointmentTypes", list: true}, {name: "serviceCategories", list: true},
		{name: "serviceTypes", list: true}, {name: "specialties", list: true},
		{name: "slots", kind: detailMember, list: true, members: []bodyMember{{name: "id", required: true}, {name: "reference"}}},
	}
}

// member finds what a path names: the property, and the kind of value at the end of the path.
func member(schema []bodyMember, path string) (property, end bodyMember, problem string) {
	head, rest, deeper := strings.Cut(path, ".")
	name, list := strings.CutSuffix(head, "[]")
	at := slices.IndexFunc(schema, func(m bodyMember) bool { return m.name == name })
	if at < 0 {
		return property, end, fmt.Sprintf("the body has no %s", name)
	}
	property = schema[at]
	switch {
	case list && !property.list:
		return property, end, fmt.Sprintf("%s is no list", name)
	case !list && property.list:
		return property, end, fmt.Sprintf("%s is a list: write %s[]", name, name)
	case property.kind == recordMember:
		return property, bodyMember{}, recordPart(name, rest)
	case property.kind == detailMember:
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

func detailPart(property bodyMember, rest string) (bodyMember, string) {
	if field, ok := strings.CutPrefix(rest, "fields."); ok && property.fields && !strings.Contains(field, ".") {
		return bodyMember{}, ""
	}
	var names []string
	for _, m := range property.members {
		if m.name == rest {
			return m, ""
		}
		names = append(names, m.name)
	}
	if property.fields {
		names = append(names, "fields.Name")
	}
	return bodyMember{}, fmt.Sprintf("an item of %s takes %s", property.name, strings.Join(names, ", "))
}

// separator reads a text that may be white space.
func (r *reader) separator(n *yaml.Node) string {
	if n.Kind != yaml.ScalarNode || len(n.Value) > 20 {
		r.at(n, "join must be a text of at most 20 characters", `for example join: "; "`)
		return ""
	}
	return n.Value
}

// bodyPaths checks the rows of a table against the body that they are part of.
func (t *table) bodyPaths() Faults {
	var faults Faults
	schema := bodySchema(t.body)
	lists, limit := map[string]bool{}, 0
	for _, w := range t.rows {
		if w.field == "" {
			continue
		}
		property, end, problem := member(schema, w.field)
		if problem != "" {
			faults = append(faults, w.fault(TableFault, problem, ""))
			continue
		}
		w.length, w.flag = end.length, end.kind == flagMember
		if end.kind == flagMember && w.otherwise.kind != sobject.Null && w.otherwise.kind != sobject.Bool {
			faults = append(faults, w.fault(TableFault, w.field+" is true or false", "write the default without quotes"))
		}
		head, _, _ := strings.Cut(w.field, ".")
		t.array = ""
		if property.list {
			t.array = property.name
		}
		lists[t.array] = true
		faults = append(faults, w.repeated(t, head)...)
		limit = property.max
	}
	if limit > 0 && t.max > limit {
		faults = append(faults, t.fault(TableFault, fmt.Sprintf("%s takes at most %d", t.array, limit), fmt.Sprintf("write max: %d", limit)))
	}
	if len(lists) > 1 {
		faults = append(faults, t.fault(TableFault, "the rows of one table are part of one list, or of none", "make a table for each list"))
	}
	return faults
}

// repeated finds a row that would give one member several times.
func (w *row) repeated(t *table, head string) Faults {
	switch {
	case w.joined && (t.forEach == nil || t.array != ""):
		return Faults{w.fault(TableFault, "join needs a forEach, and a path outside of lists", "within one value write .join(', ') in the path")}
	case w.joined && len(t.rows) > 1:
		return Faults{w.fault(TableFault, "a table with join has one row", "make a table for each joined text")}
	case t.forEach != nil && t.array == "" && !w.joined:
		return Faults{w.fault(TableFault, fmt.Sprintf("forEach would give %s several times", w.field),
			"write join, or a list such as performers[]")}
	case strings.HasSuffix(w.field, "[]") && len(t.fields) > 1:
		return Faults{w.fault(TableFault, head+" is a list of plain values: it takes one row", "")}
	}
	return nil
}
