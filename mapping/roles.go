package mapping

import (
	"slices"

	"refbridge/fhir"
)

// What is special about an object is said by its table: shared, patient, private, and the row that looks the patient up.

// PatientField returns the field of an object that says whose the record is: its row looks the patient up. Empty where none does.
func (s *Set) PatientField(object string) string {
	for _, t := range s.tables {
		if t.Object != object {
			continue
		}
		for _, w := range t.Rows {
			if w.Lookup.Object != "" {
				return w.Field
			}
		}
	}
	return ""
}

// PatientObject returns the object in which patients are looked up. Empty where no row looks one up.
func (s *Set) PatientObject() string {
	for _, t := range s.tables {
		for _, w := range t.Rows {
			if t.Object != "" && w.Lookup.Object != "" {
				return w.Lookup.Object
			}
		}
	}
	return ""
}

// SourceTypes returns the types of FHIR resources that an object's records are made of.
func (s *Set) SourceTypes(object string) (types []string) {
	for _, t := range s.tables {
		if t.Object == object && !slices.Contains(types, t.Source) {
			types = append(types, t.Source)
		}
	}
	return types
}

// Named returns the elements of one focus by which it names patients itself, as the tables say under patient: references, identifiers,
// or both. Where no table of appointments says so it is the actors of the participants: tables of before they could say so stay safe.
func (s *Set) Named(in Input) (out []fhir.Node) {
	if len(s.faults) > 0 {
		return nil
	}
	said := slices.ContainsFunc(s.tables, func(t *Table) bool { return t.Patient != nil && t.Source == in.Focus.Type() })
	if !said && in.Focus.Type() == "Appointment" {
		for part := range in.Focus.Root().Get("participant").Items() {
			out = append(out, part.Get("actor"))
		}
		return out
	}
	m := s.Mapper()
	for _, t := range s.tables {
		if t.Patient == nil || t.Source != in.Focus.Type() {
			continue
		}
		m.begin(in)
		m.table = t
		m.on(in.Focus.Root())
		for _, item := range m.eval(t.Patient, "") {
			if n := item.Node(); n.Exists() && !slices.ContainsFunc(out, n.Same) {
				out = append(out, n)
			}
		}
	}
	return out
}
