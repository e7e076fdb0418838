package mapping

import (
	"maps"
	"slices"

	"refbridge/sfdc/sobject"
)

// Object is what the tables write of one Salesforce object: what has to be retrieved to compare.
type Object struct {
	Name     string
	KeyField string
	Fields   []string                  // every field that a row writes or a rule back reads, sorted; without the key
	Mapped   []string                  // those of them that a row writes
	Refs     map[string]sobject.Target // of the fields that point to another record by its key
}

// Objects gives the objects that the tables write, parents first: an object comes where the last of its tables does.
func (s *Set) Objects() []Object {
	var out []Object
	for _, t := range slices.Backward(s.tables) {
		if t.Object == "" {
			continue
		}
		i := slices.IndexFunc(out, func(o Object) bool { return o.Name == t.Object })
		if i < 0 {
			i = len(out)
			out = append(out, Object{Name: t.Object, KeyField: t.Key.Field, Fields: s.BackFields(t.Object),
				Refs: map[string]sobject.Target{}})
		}
		for _, w := range t.Rows {
			out[i].Fields = append(out[i].Fields, w.Field)
			out[i].Mapped = append(out[i].Mapped, w.Field)
			if w.Ref.Object != "" {
				out[i].Refs[w.Field] = w.Ref
			}
		}
	}
	slices.Reverse(out)
	for i := range out {
		slices.Sort(out[i].Fields)
		out[i].Fields = slices.Compact(out[i].Fields)
		slices.Sort(out[i].Mapped)
		out[i].Mapped = slices.Compact(out[i].Mapped)
	}
	return out
}

// BackFields gives the fields of an object that the rules back read, sorted.
func (s *Set) BackFields(object string) []string {
	fields := map[string]bool{}
	for _, t := range s.tables {
		if t.Object != object {
			continue
		}
		for _, b := range t.Back {
			for _, name := range b.reads() {
				fields[name] = !slices.Contains(t.absent, name)
			}
		}
	}
	maps.DeleteFunc(fields, func(_ string, there bool) bool { return !there })
	return slices.Sorted(maps.Keys(fields))
}

// Gone gives what to set in a record of ours that its source does not produce any more: nothing where the table says
// nothing, where two tables make records like this one (the image tells them apart by what it points to), or where the
// record is past the state that may be marked: an appointment that took place stays what it is.
func (s *Set) Gone(image sobject.Record) []sobject.Field {
	var made []*Table
	for _, t := range s.tables {
		if t.Object == image.Object && t.couldMake(image) {
			made = append(made, t)
		}
	}
	if len(made) != 1 {
		return nil
	}
	return made[0].goneFields(image)
}

// Marks reports whether records of an object are marked when their source does not produce them any more.
func (s *Set) Marks(object string) bool {
	return slices.ContainsFunc(s.tables, func(t *Table) bool { return t.Object == object && len(t.Gone) > 0 })
}

func (t *Table) couldMake(image sobject.Record) bool {
	for _, f := range image.Fields {
		pointing := f.Value.Kind() == sobject.Ref
		same := func(w *Row) bool { // a patient who was looked up may be one that refbridge created: then it is pointed to by key
			return w.Field == f.Name && (w.Ref == f.Value.To() || w.Lookup.Object == f.Value.To().Object && w.Lookup.Object != "")
		}
		if pointing && !slices.Contains(t.absent, f.Name) && !slices.ContainsFunc(t.Rows, same) {
			return false
		}
	}
	return true
}

func (t *Table) goneFields(image sobject.Record) []sobject.Field {
	var out []sobject.Field
	for _, g := range t.Gone {
		is, _ := image.Get(g.Field)
		if len(g.Only) > 0 && !slices.Contains(g.Only, is.Reveal()) {
			return nil
		}
		out = append(out, sobject.Field{Name: g.Field, Value: g.Value})
	}
	return out
}
