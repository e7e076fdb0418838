package mapping

import (
	"maps"

	"refbridge/sfdc/sobject"
)

// identifying returns the tables of patients with their rows of owner identity alone.
func (s *Set) identifying() *Set {
	out := &Set{values: s.values, zone: s.zone, patientKey: s.patientKey, modifiers: s.modifiers}
	for _, t := range s.tables {
		only := *t
		only.Rows = nil
		for _, w := range t.Rows {
			if w.Owner == sobject.Identity {
				only.Rows = append(only.Rows, w)
			}
		}
		if t.Shared == SharedByPatient && len(only.Rows) > 0 {
			out.tables = append(out.tables, &only)
		}
	}
	return out
}

// Identities returns what one focus says of who its patient is, as the rows of owner identity of the tables that could create the patient:
// records without a key, for the comparison with one that is there, whether or not patients are created.
func (s *Set) Identities(in Input) []sobject.Record {
	only := s.identifying()
	if len(s.faults) > 0 || len(only.tables) == 0 {
		return nil
	}
	in.Variables = maps.Clone(in.Variables)
	in.Variables["patientMode"] = "create"
	m := only.Mapper()
	m.begin(in)
	var out []sobject.Record
	for _, t := range only.tables {
		if t.Source != in.Focus.Type() {
			continue
		}
		m.run(t, func(t *Table) bool {
			if t.When != nil && !m.holds(t.When) {
				return true
			}
			m.fill(t)
			m.keepTexts()
			if made := m.made(t, "", Rule{}).Record; len(made.Fields) > 0 {
				out = append(out, made)
			}
			return true
		})
	}
	return out
}
