package mapping

import (
	"slices"

	"refbridge/sfdc/sobject"
)

// Optional returns the fields of an object that an org may lack, sorted: every row that writes one says optional: true.
func (s *Set) Optional(object string) []string {
	var out, needed []string
	for _, t := range s.tables {
		if t.Object != object {
			continue
		}
		for _, w := range t.Rows {
			if w.Optional {
				out = append(out, w.Field)
			} else {
				needed = append(needed, w.Field)
			}
		}
	}
	slices.Sort(out)
	return slices.DeleteFunc(slices.Compact(out), func(field string) bool { return slices.Contains(needed, field) })
}

// Without returns the tables as they run where an org lacks some of the optional fields, by object: nothing writes, compares or reads
// those. It is s itself where none is lacking, and its hash is that of s, as the files are the same.
func (s *Set) Without(lacking map[string][]string) *Set {
	absent := map[string][]string{}
	for object, fields := range lacking {
		for _, field := range s.Optional(object) {
			if slices.Contains(fields, field) {
				absent[object] = append(absent[object], field)
			}
		}
	}
	if len(absent) == 0 {
		return s
	}
	out := &Set{values: s.values, hash: s.hash, zone: s.zone, patientKey: s.patientKey, bodies: s.bodies, faults: s.faults,
		modifiers: s.modifiers, unread: s.unread}
	for _, t := range s.tables {
		if fields := absent[t.Object]; len(fields) > 0 {
			t = t.without(fields)
		}
		out.tables = append(out.tables, t)
	}
	return out
}

// without returns the table without some of its fields. The places of its cells stay: a later row that reads one of them as %fields
// finds nothing.
func (t *Table) without(fields []string) *Table {
	out := *t
	out.absent = fields
	out.Rows = slices.DeleteFunc(slices.Clone(t.Rows), func(w *Row) bool { return slices.Contains(fields, w.Field) })
	lacks := func(g GoneRow) bool { return slices.Contains(fields, g.Field) }
	out.Gone = slices.DeleteFunc(slices.Clone(t.Gone), lacks)
	if slices.ContainsFunc(t.Gone, func(g GoneRow) bool { return lacks(g) && len(g.Only) > 0 }) {
		out.Gone = nil // nobody can say whether the record is in a state that may be marked
	}
	out.Back = nil
	for _, b := range t.Back {
		if b = b.without(fields); b != nil {
			out.Back = append(out.Back, b)
		}
	}
	return &out
}

// without returns the rule as it applies to a record that lacks some fields, nil where it never does. They are empty, whatever was
// synced of them while the org had them: none of them has changed, and none tells one code of the source from another.
func (b *BackRule) without(fields []string) *BackRule {
	lacks := func(field string) bool { return slices.Contains(fields, field) }
	out := *b
	out.Changed = slices.DeleteFunc(slices.Clone(b.Changed), lacks)
	if len(out.Changed) == 0 || len(b.To) > 0 && lacks(b.Changed[0]) {
		return nil
	}
	never := func(c Condition) bool { return lacks(c.Field) && !slices.Contains(c.Values, "") }
	if slices.ContainsFunc(b.While, never) {
		return nil
	}
	ofAbsent := func(c Condition) bool { return lacks(c.Field) }
	out.While = slices.DeleteFunc(slices.Clone(b.While), ofAbsent)
	out.Parameters = slices.Clone(b.Parameters)
	for i := range out.Parameters {
		p := &out.Parameters[i]
		p.Forward = slices.DeleteFunc(slices.Clone(p.Forward), func(f Forward) bool { return lacks(f.Field) })
	}
	return &out
}

// needless finds optional: true in a row that a record cannot do without: it would be written without its patient, or nobody would be
// kept from contacting one.
func (w *Row) needless() (why, hint string) {
	switch {
	case w.Required:
		return "a row is required or optional, not both", "required: true holds a record without the value; optional: true writes it without the field"
	case w.Owner == sobject.Stop || w.Owner == sobject.Identity:
		return "what stops contact with a patient, or says who the patient is, is never optional", "create the field in the org"
	case w.Lookup.Object != "":
		return "a row that finds the patient is never optional", "remove optional"
	}
	return "", ""
}
