package lint

import (
	"fmt"
	"slices"
	"strings"

	"refbridge/mapping"
)

// carried is a way by which something of the source comes into a record.
type carried struct {
	steps []string // as fhirpath.Routes gives them
	mapping.Place
	field string
}

// drops finds what a table says it leaves out and writes all the same. A drop is for the reader: it stops nothing.
//
//	drop                  row                                      is written
//	requester             requester.display                        yes: a part of it
//	telecom               telecom.where(system = 'phone').value    yes: some of it
//	category.skip(1)      category.first()                         no: another part
//	code.text             code, transform: conceptKey              no: what stands below is not all taken
func (l *linter) drops(t *mapping.Table) {
	if len(t.Drops) == 0 {
		return
	}
	written := waysOf(t)
	for _, d := range t.Drops {
		if d.Path == nil {
			continue
		}
		dropped := expanded(t, d.Path.Expr.Routes())
		for _, c := range written {
			if !slices.ContainsFunc(dropped, func(way []string) bool { return below(way, c.steps) }) {
				continue
			}
			l.fail("dropped-and-mapped", d.Path.Place, "", fmt.Sprintf("%s is left out on purpose, yet line %d writes it to %s",
				mapping.Short(d.Path.Text), c.Line, c.field), "remove one of the two: a drop is for the reader and stops nothing")
		}
	}
}

// waysOf gives the ways to what the key and the rows of a table write.
func waysOf(t *mapping.Table) []carried {
	var out []carried
	add := func(at mapping.Place, field string, s mapping.Source) {
		reads := slices.ContainsFunc(s.Transforms, func(t mapping.Transform) bool { return t.Name == "text" })
		for _, p := range s.Paths {
			for _, way := range expanded(t, p.Expr.Routes()) {
				out = append(out, carried{way, at, field})
				if reads { // what it takes first of a CodeableConcept and of a Reference
					out = append(out, carried{append(slices.Clone(way), "text"), at, field}, carried{append(slices.Clone(way), "display"), at, field})
				}
			}
		}
	}
	add(t.Key.Place, t.Key.Field, t.Key.Source)
	for _, w := range t.Rows {
		add(w.Place, w.Field, w.Source)
	}
	slices.SortStableFunc(out, func(a, b carried) int { return a.Line - b.Line })
	return out
}

// expanded puts the ways of named values in their place. Ways that begin with another variable are left out.
func expanded(t *mapping.Table, ways [][]string) [][]string {
	const most = 256
	var out [][]string
	for _, way := range ways {
		if out = append(out, started(t, way)...); len(out) > most {
			return out[:most]
		}
	}
	return out
}

func started(t *mapping.Table, way []string) [][]string {
	if len(way) == 0 || !strings.HasPrefix(way[0], "%") || way[0] == "%resource" && t.ForEach != nil {
		return [][]string{way}
	}
	if way[0] == "%resource" {
		return [][]string{way[1:]}
	}
	i := slices.IndexFunc(t.Lets, func(s mapping.Let) bool { return "%"+s.Name == way[0] })
	if i < 0 {
		return nil
	}
	var out [][]string
	for _, p := range t.Lets[i].Paths {
		for _, start := range expanded(t, p.Expr.Routes()) {
			out = append(out, slices.Concat(start, way[1:]))
		}
	}
	return out
}

// below tells whether a way leads to what stands at the end of another way, or to a part of that.
func below(whole, way []string) bool {
	chosen := false // some of the elements have been left behind since the last step by name
	for i := 0; len(whole) > 0; i++ {
		switch {
		case i == len(way):
			return false
		case way[i] == whole[0] && !(chosen && counts(way[i])):
			whole, chosen = whole[1:], chosen && chooses(way[i])
		case chooses(way[i]):
			chosen = true
		default:
			return false
		}
	}
	return true
}

// chooses tells whether a step keeps some of the elements.
func chooses(step string) bool {
	return counts(step) || strings.HasPrefix(step, "where(") || strings.HasPrefix(step, "ofType(") || step == "distinct()"
}

// counts tells whether a step chooses by the place in the list.
func counts(step string) bool {
	name, _, _ := strings.Cut(step, "(")
	return strings.HasPrefix(step, "[") || step != name && slices.Contains([]string{"first", "last", "tail", "skip", "take", "single"}, name)
}
