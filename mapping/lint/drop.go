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
func (l *linter) drops(e *expander) {
	if len(e.t.Drops) == 0 {
		return
	}
	written := e.written()
	for _, d := range e.t.Drops {
		if d.Path == nil {
			continue
		}
		dropped := e.expanded(d.Path)
		for _, c := range written {
			if !slices.ContainsFunc(dropped, func(way []string) bool { return below(way, c.steps) }) {
				continue
			}
			l.fail("dropped-and-mapped", d.Path.Place, "", fmt.Sprintf("%s is left out on purpose, yet line %d writes it to %s",
				mapping.Short(d.Path.Text), c.Line, c.field), "remove one of the two: a drop is for the reader and stops nothing")
		}
	}
}

// written gives the ways to what the key and the rows write, by line.
func (e *expander) written() []carried {
	var out []carried
	add := func(at mapping.Place, field string, s mapping.Source) {
		reads := slices.ContainsFunc(s.Transforms, func(t mapping.Transform) bool { return t.Name == "text" })
		for _, p := range s.Paths {
			for _, way := range e.expanded(p) {
				out = append(out, carried{way, at, field})
				if reads { // what it takes first of a CodeableConcept and of a Reference
					out = append(out, carried{append(slices.Clone(way), "text"), at, field}, carried{append(slices.Clone(way), "display"), at, field})
				}
			}
		}
	}
	add(e.t.Key.Place, e.t.Key.Field, e.t.Key.Source)
	for _, w := range e.t.Rows {
		add(w.Place, w.Field, w.Source)
	}
	slices.SortStableFunc(out, func(a, b carried) int { return a.Line - b.Line })
	return out
}

// expander puts the ways of named values in their place.
type expander struct {
	t    *mapping.Table
	lets map[string][][]string // by %name
}

func newExpander(t *mapping.Table) *expander {
	e := &expander{t, map[string][][]string{}}
	for _, s := range t.Lets { // each reads those above it
		var ways [][]string
		for _, p := range s.Paths {
			ways = append(ways, e.expanded(p)...)
		}
		e.lets["%"+s.Name] = ways[:min(len(ways), mostWays)]
	}
	return e
}

// own tells of a table for a target of its own: its source need not be e-RS.
func (e *expander) own() bool { return e.t.Target != "" }

// mostWays bounds what named values in named values can give.
const mostWays = 64

// expanded gives the ways of a path. Those that begin with another variable are left out.
func (e *expander) expanded(p *mapping.Path) [][]string {
	var out [][]string
	for _, way := range p.Expr.Routes() {
		switch {
		case len(way) == 0 || !strings.HasPrefix(way[0], "%") || way[0] == "%resource" && e.t.ForEach != nil:
			out = append(out, way)
		case way[0] == "%resource":
			out = append(out, way[1:])
		default:
			out = append(out, e.after(way[0], way[1:]...)...)
		}
	}
	return out[:min(len(out), mostWays)]
}

// after gives the ways on from a named value.
func (e *expander) after(name string, steps ...string) [][]string {
	var out [][]string
	for _, start := range e.lets[name] {
		out = append(out, slices.Concat(start, steps))
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
