package mapping

import (
	"fmt"
	"maps"
	"slices"
	"strings"

	"refbridge/fhir/fhirpath"
)

// link checks what stands across files and puts parents before children.
func (s *Set) link() Faults {
	var faults Faults
	self, err := fhirpath.Compile("$this")
	if err != nil {
		faults = append(faults, Fault{Kind: TableFault, Message: "$this does not compile: " + err.Error()})
	}
	s.self = self
	keys := s.keyFields(&faults)
	for _, t := range s.tables {
		for i := range t.lets {
			t.lets[i].values = s.valuesOf(t.lets[i].valuesAt, t.lets[i].valuesName, &faults)
		}
		for _, w := range t.rows {
			w.values = s.valuesOf(w.valuesAt, w.valuesName, &faults)
			faults = append(faults, w.resolveRef(keys)...)
		}
		for _, b := range t.back {
			s.linkBack(b, &faults)
		}
	}
	faults = append(faults, s.oneTarget()...)
	faults = append(faults, s.order()...)
	return append(faults, s.linkBodies()...)
}

// oneTarget checks that all tables are for the same target.
func (s *Set) oneTarget() Faults {
	var faults Faults
	for _, t := range s.tables {
		if t.target != s.Target() {
			faults = append(faults, t.fault(TableFault, "the tables are for different targets",
				fmt.Sprintf("write target: %s in every file that has an object or a body", s.Target())))
		}
	}
	return faults
}

func (s *Set) valuesOf(at place, name string, faults *Faults) *valueTable {
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
		*faults = append(*faults, at.fault(TableFault, fmt.Sprintf("value table %q has no columns", short(table)), "write "+table))
		return nil
	case v != nil:
		*faults = append(*faults, at.fault(TableFault, fmt.Sprintf("value table %q has no column %q", short(table), short(column)),
			"write "+table+"."+strings.Join(v.columns, " or "+table+".")))
		return nil
	}
	names := slices.Sorted(maps.Keys(s.values))
	*faults = append(*faults, at.fault(TableFault, fmt.Sprintf("there is no value table %q", short(name)), nearest(name, names)))
	return nil
}

// keyFields gives the key field of each object; tables of one object must agree on it.
func (s *Set) keyFields(faults *Faults) map[string]string {
	keys := map[string]string{}
	for _, t := range s.tables {
		if t.object == "" {
			continue
		}
		have := keys[t.object]
		if have != "" && t.key.field != "" && have != t.key.field {
			*faults = append(*faults, t.key.fault(TableFault,
				fmt.Sprintf("%s has the key field %s in another table", t.object, have), "one object has one key field"))
		}
		if have == "" {
			keys[t.object] = t.key.field
		}
	}
	return keys
}

// resolveRef fills in the key field of `ref: Object`.
func (w *row) resolveRef(keys map[string]string) Faults {
	if w.ref.Object == "" || w.ref.Field != "" {
		return nil
	}
	field, ok := keys[w.ref.Object]
	if !ok {
		return Faults{w.refAt.fault(TableFault, fmt.Sprintf("no table makes %s, so its key field is not known", w.ref.Object),
			strings.Join(strings.Fields(nearest(w.ref.Object, slices.Sorted(maps.Keys(keys)))+" otherwise write Object.KeyField"), " "))}
	}
	w.ref.Field = field
	return nil
}

// order sorts the tables so that a record comes after those that it points to, and by file name within a level.
//
//	level 0            1                    2                       3
//	CodeSet  <------- CodeSetBundle <----- ClinicalServiceRequest <- its Identifiers and details, ServiceAppointment
//	Account  <------- its Identifiers
func (s *Set) order() Faults {
	parents := map[*table][]*table{}
	for _, t := range s.tables {
		for _, other := range s.tables {
			if other.object != t.object && t.pointsTo(other.object) {
				parents[t] = append(parents[t], other)
			}
		}
	}
	for range s.tables {
		for _, t := range s.tables {
			for _, p := range parents[t] {
				t.level = max(t.level, p.level+1)
			}
		}
	}
	for _, t := range s.tables {
		if t.level >= len(s.tables) {
			return Faults{t.fault(TableFault, t.object+" and what it points to point to each other",
				"one of the records has to be written first: leave out one of the refs")}
		}
	}
	slices.SortStableFunc(s.tables, func(a, b *table) int { return a.level - b.level })
	return nil
}

func (t *table) pointsTo(object string) bool {
	return slices.ContainsFunc(t.rows, func(w *row) bool { return w.ref.Object == object || w.lookup.Object == object })
}

// BackFields gives the fields of an object that the rules back read, sorted.
func (s *Set) BackFields(object string) []string {
	fields := map[string]bool{}
	for _, t := range s.tables {
		if t.object != object {
			continue
		}
		for _, b := range t.back {
			for _, name := range b.reads() {
				fields[name] = true
			}
		}
	}
	return slices.Sorted(maps.Keys(fields))
}
