package cases

import (
	"fmt"
	"maps"
	"slices"
	"strings"

	"refbridge/mapping"
)

// Check tells what cases expect that the tables never give: objects that no table makes, fields that no row writes. Run cannot tell:
// a misspelt field is absent, of a misspelt object there are no records. The error is mapping.Faults.
func Check(s *mapping.Set, list []Case) error {
	c := checker{fields: map[string][]string{}, refs: map[string][]string{}}
	for _, t := range s.Tables() {
		object := t.Makes()
		c.fields[object] = append(c.fields[object], t.Key.Field)
		for _, w := range t.Rows {
			c.fields[object] = append(c.fields[object], w.Field)
			if w.Ref.Object != "" {
				c.refs[object+" "+w.Field] = append(c.refs[object+" "+w.Field], w.Ref.Object)
			}
		}
	}
	for _, one := range list {
		for _, e := range one.expect {
			c.expectation(e)
		}
		for _, h := range one.holds {
			c.hold(h)
		}
	}
	return c.faults.Err()
}

type checker struct {
	fields map[string][]string // by object, or body
	refs   map[string][]string // "object field" -> the objects that the field points to
	faults mapping.Faults
}

func (c *checker) fault(at mapping.Place, message, hint string) {
	c.faults = append(c.faults, at.Fault(mapping.TableFault, message, hint))
}

func (c *checker) expectation(e expectation) {
	if c.fields[e.object] == nil {
		c.fault(e.Place, fmt.Sprintf("no table makes %s", mapping.Short(e.object)), mapping.Nearest(e.object, sortedNames(c.fields)))
		return
	}
	for _, f := range slices.Concat(e.fields, e.absent) {
		c.field([]string{e.object}, f)
	}
}

// field looks for a field in one of some objects, and for what is expected of the record that it points to.
func (c *checker) field(objects []string, f expectedField) {
	var known, to []string
	for _, object := range objects {
		known = append(known, c.fields[object]...)
		to = append(to, c.refs[object+" "+mapping.FieldName(f.name)]...)
	}
	switch {
	case !slices.Contains(known, mapping.FieldName(f.name)):
		c.fault(f.Place, fmt.Sprintf("no row of %s writes %s", strings.Join(objects, " or "), mapping.Short(f.name)), mapping.Nearest(f.name, known))
		return
	case f.at != nil && len(to) == 0:
		c.fault(f.Place, fmt.Sprintf("%s points to no record", mapping.Short(f.name)), "write its value; only of a field with ref: the fields of another record are compared")
		return
	}
	for _, inner := range f.at {
		c.field(slices.Compact(slices.Sorted(slices.Values(to))), inner)
	}
}

// hold looks for the field of a reason in all tables.
func (c *checker) hold(h expectedHold) {
	all := slices.Concat(slices.Collect(maps.Values(c.fields))...)
	if h.field != "" && !slices.Contains(all, mapping.FieldName(h.field)) {
		slices.Sort(all)
		c.fault(h.Place, fmt.Sprintf("no row writes %s", mapping.Short(h.field)), mapping.Nearest(h.field, all))
	}
}

func sortedNames(fields map[string][]string) []string {
	return slices.Sorted(maps.Keys(fields))
}
