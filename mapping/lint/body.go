package lint

import (
	"fmt"
	"maps"
	"slices"
	"strings"

	"refbridge/mapping"
	"refbridge/sfdc/sobject"
)

// body checks the rows of a table that makes a part of a JSON body.
func (l *linter) body(t *mapping.Table) {
	for _, w := range t.Rows {
		f, known := l.bodyField(t, w)
		if known {
			l.value(w, f)
		}
	}
	for path, m := range l.bodies[t.Body] {
		if m.Required {
			l.bodyNeeds(t, path, l.fail)
		}
	}
	if t.Target != "" {
		return
	}
	// The guide's first sample of Referral Management creates a referral without Type and Status: the API may fill them in.
	severity := map[string]finding{"patient": l.fail, "referral": l.warn}
	for member, fields := range map[string][]string{"patient": {"LastName"}, "referral": {"Type", "Status"}} {
		made := slices.ContainsFunc(t.Rows, func(w *mapping.Row) bool { return strings.HasPrefix(w.Field, member+".fields.") })
		for _, field := range fields {
			if made {
				l.bodyNeeds(t, member+".fields."+field, severity[member])
			}
		}
	}
}

// finding notes a finding as an error or as a warning.
type finding func(check string, at mapping.Place, field, message, hint string)

// bodyNeeds checks that some table gives a member that the target insists on.
func (l *linter) bodyNeeds(t *mapping.Table, path string, note finding) {
	gives := slices.ContainsFunc(l.set.Tables(), func(t *mapping.Table) bool {
		return slices.ContainsFunc(t.Rows, func(w *mapping.Row) bool { return w.Field == path })
	})
	if !gives && l.unread == nil {
		note("required-field", l.at(t.Place, "body"), path, fmt.Sprintf("the target needs %s, and no row gives it", path), "add a row")
	}
}

// bodyField gives what a path of a body takes: by the snapshot of its own target, by the object whose fields stand there,
// or by the API.
func (l *linter) bodyField(t *mapping.Table, w *mapping.Row) (sobject.FieldType, bool) {
	if t.Target != "" {
		return l.ownField(t, w)
	}
	head, name, record := strings.Cut(w.Field, ".fields.")
	objects := bodyObjects(strings.TrimSuffix(head, "[]"))
	if !record || objects == nil {
		return l.apiField(t, w)
	}
	var names []string
	for _, object := range objects {
		desc, _ := l.target.Object(object)
		if f, ok := desc.Field(name); ok {
			if !f.Createable {
				l.fail("read-only", l.at(w.Place, "path"), w.Field, fmt.Sprintf("%s does not take %s when a record is created", object, name), "remove the row")
			}
			f.Name = w.Field
			return f, true
		}
		names = append(names, fieldNames(desc)...)
	}
	if len(names) > 0 {
		hint := mapping.Nearest(name, names)
		if hint == "" {
			hint = l.howToDeclare("a field")
		}
		l.fail("unknown-field", l.at(w.Place, "path"), w.Field, fmt.Sprintf("%s has no field %s", strings.Join(objects, " or "), mapping.Short(name)), hint)
	}
	return sobject.FieldType{}, false
}

// bodyObjects names the objects whose fields a member of the Referral Management body takes (Health Cloud Developer
// Guide, Referral Management): a new requester or performer is an account or a provider. nil where it may be many.
func bodyObjects(member string) []string {
	switch member {
	case "patient":
		return []string{"Account"}
	case "referral":
		return []string{"ClinicalServiceRequest"}
	case "requester", "performers":
		return []string{"Account", "HealthcareProvider"}
	}
	return nil
}

func (l *linter) ownField(t *mapping.Table, w *mapping.Row) (sobject.FieldType, bool) {
	paths := l.bodies[t.Body]
	m, ok := paths[w.Field]
	if !ok {
		if len(paths) > 0 && w.Field != "" {
			l.fail("unknown-field", l.at(w.Place, "path"), w.Field, "the target has no "+mapping.Short(w.Field), mapping.Nearest(w.Field, slices.Sorted(maps.Keys(paths))))
		}
		return sobject.FieldType{}, false
	}
	f := sobject.FieldType{Name: w.Field, Type: m.Type, Length: m.Length, Createable: true, Updateable: true}
	for _, value := range m.Values {
		f.Type, f.RestrictedPicklist = "picklist", true
		f.PicklistValues = append(f.PicklistValues, sobject.PicklistValue{Value: value, Active: true})
	}
	return f, true
}

// apiField gives what the API itself says of a member that is no field of a record.
func (l *linter) apiField(t *mapping.Table, w *mapping.Row) (sobject.FieldType, bool) {
	_, end, problem := mapping.FindMember(mapping.BodySchema(t.Body), w.Field)
	f := sobject.FieldType{Name: w.Field, Length: end.Length}
	switch {
	case problem != "" || end.Name == "":
		return f, false
	case end.Kind == mapping.FlagMember:
		f.Type = "boolean"
	case end.Length > 0:
		f.Type = "string"
	case end.Name == "detailType":
		desc, _ := l.target.Object("ClinicalServiceRequestDetail")
		detail, ok := desc.Field("DetailType")
		detail.Name = w.Field
		return detail, ok
	}
	return f, true
}
