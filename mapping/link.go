package mapping

import (
	"fmt"
	"maps"
	"slices"
	"strings"
)

// link checks what stands across files and puts parents before children.
func (s *Set) link() Faults {
	var faults Faults
	keys := s.keyFields(&faults)
	for _, t := range s.tables {
		for i := range t.Lets {
			t.Lets[i].Values = s.valuesOf(t.Lets[i].valuesAt, t.Lets[i].ValuesName, &faults)
		}
		for _, w := range t.Rows {
			w.Values = s.valuesOf(w.valuesAt, w.ValuesName, &faults)
			faults = append(faults, w.resolveRef(keys)...)
		}
		for _, b := range t.Back {
			s.linkBack(b, &faults)
		}
	}
	faults = append(faults, s.oneTarget()...)
	faults = append(faults, s.twins()...)
	faults = append(faults, s.order()...)
	return append(faults, s.linkBodies()...)
}

// oneTarget checks that all tables are for the same target.
func (s *Set) oneTarget() Faults {
	var faults Faults
	for _, t := range s.tables {
		if t.Target != s.Target() {
			faults = append(faults, t.Fault(TableFault, "the tables are for different targets",
				fmt.Sprintf("write target: %s in every file that has an object or a body", s.Target())))
		}
	}
	return faults
}

// twins finds tables that make the same records: one object, source and key, for each resource or each element of the same
// forEach, and none of them with a when.
func (s *Set) twins() Faults {
	var faults Faults
	made := map[string]*Table{}
	for _, t := range s.tables {
		if t.Object == "" || t.guarded || len(t.Key.Paths) == 0 {
			continue
		}
		same := t.makes()
		if have := made[same]; have != nil {
			f := t.Key.Fault(TableFault, fmt.Sprintf("%s makes the same records of %s: they would be held, or lose the fields of one table",
				have.Key.FileLine(), t.Object), "move the rows into one of the two tables, or give each a when")
			f.Check = "twin"
			faults = append(faults, f)
			continue
		}
		made[same] = t
	}
	return faults
}

// makes tells which records a table makes: two tables that give the same make the same.
func (t *Table) makes() string {
	made := t.Object + "\n" + t.Source
	add := func(s Source) {
		for _, p := range s.Paths {
			made += "\n" + strings.Join(strings.Fields(p.Text), " ")
		}
		for _, f := range s.Transforms {
			made += "\n|" + f.Text
		}
	}
	if t.ForEach != nil {
		made += "\n" + t.ForEach.Text
	}
	add(t.Key.Source)
	for _, l := range slices.Backward(t.Lets) { // each reads those above it
		if strings.Contains(made, "%"+l.Name) {
			made += "\n" + l.Name + " " + l.ValuesName
			add(l.Source)
		}
	}
	return made
}

// hinted is how many faults get a hint that is looked for among all names: so many faults have one cause.
const hinted = 200

func (s *Set) valuesOf(at Place, name string, faults *Faults) *ValueTable {
	if name == "" {
		return nil
	}
	table, column, _ := strings.Cut(name, ".")
	v := s.values[table]
	switch {
	case v != nil && column == "" && v.columns == nil:
		return v
	case v != nil && slices.Contains(v.columns, column):
		return v.views[slices.Index(v.columns, column)]
	case v != nil && v.columns == nil:
		*faults = append(*faults, at.Fault(TableFault, fmt.Sprintf("value table %q has no columns", Short(table)), "write "+table))
		return nil
	case v != nil:
		*faults = append(*faults, at.Fault(TableFault, fmt.Sprintf("value table %q has no column %q", Short(table), Short(column)),
			"write "+table+"."+strings.Join(v.columns, " or "+table+".")))
		return nil
	}
	hint := ""
	if len(*faults) < hinted {
		hint = Nearest(name, slices.Sorted(maps.Keys(s.values)))
	}
	*faults = append(*faults, at.Fault(TableFault, fmt.Sprintf("there is no value table %q", Short(name)), hint))
	return nil
}

// keyFields gives the key field of each object; tables of one object must agree on it.
func (s *Set) keyFields(faults *Faults) map[string]string {
	keys := map[string]string{}
	for _, t := range s.tables {
		if t.Object == "" {
			continue
		}
		have := keys[t.Object]
		if have != "" && t.Key.Field != "" && have != t.Key.Field {
			*faults = append(*faults, t.Key.Fault(TableFault,
				fmt.Sprintf("%s has the key field %s in another table", t.Object, have), "one object has one key field"))
		}
		if have == "" {
			keys[t.Object] = t.Key.Field
		}
	}
	return keys
}

// resolveRef fills in the key field of `ref: Object`.
func (w *Row) resolveRef(keys map[string]string) Faults {
	if w.Ref.Object == "" || w.Ref.Field != "" {
		return nil
	}
	field, ok := keys[w.Ref.Object]
	if !ok {
		f := w.refAt.Fault(TableFault, fmt.Sprintf("no table makes %s, so its key field is not known", w.Ref.Object),
			strings.Join(strings.Fields(Nearest(w.Ref.Object, slices.Sorted(maps.Keys(keys)))+" otherwise write Object.KeyField"), " "))
		f.Check = "unmade"
		return Faults{f}
	}
	w.Ref.Field = field
	return nil
}

// order sorts the tables so that a record comes after those that it points to, and by file name within a level.
//
//	level 0            1                    2                       3
//	CodeSet  <------- CodeSetBundle <----- ClinicalServiceRequest <- its Identifiers and details, ServiceAppointment
//	Account  <------- its Identifiers
func (s *Set) order() Faults {
	parents := map[*Table][]*Table{}
	for _, t := range s.tables {
		for _, other := range s.tables {
			if other.Object != "" && other.Object != t.Object && t.pointsTo(other.Object) {
				parents[t] = append(parents[t], other)
			}
		}
	}
	for range s.tables {
		for _, t := range s.tables {
			for _, p := range parents[t] {
				t.Level = max(t.Level, p.Level+1)
			}
		}
	}
	for _, t := range s.tables {
		if t.Level >= len(s.tables) {
			return Faults{t.Fault(TableFault, t.Object+" and what it points to point to each other",
				"one of the records has to be written first: leave out one of the refs")}
		}
	}
	slices.SortStableFunc(s.tables, func(a, b *Table) int { return a.Level - b.Level })
	return nil
}

func (t *Table) pointsTo(object string) bool {
	return slices.ContainsFunc(t.Rows, func(w *Row) bool { return w.Ref.Object == object || w.Lookup.Object == object })
}
