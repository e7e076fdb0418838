package lint

import (
	"fmt"
	"slices"
	"strings"

	"refbridge/fhir/fhirpath"
	"refbridge/mapping"
)

// compared finds codes that an element never has: status = 'activ'.
func (l *linter) compared(e *expander, p *mapping.Path) {
	for _, c := range p.Expr.Comparisons() {
		set := l.sets.byElement[c.Element]
		if first, rest, _ := strings.Cut(c.Path, "."); set == nil && !e.own() && rest == "code" {
			set = l.sets.extension(e.after(first, rest))
		}
		if set == nil || slices.Contains(set.codes, c.With.Text) || slices.Contains(set.also, c.With.Text) {
			continue
		}
		hint := mapping.Nearest(c.With.Text, set.codes)
		if hint == "" {
			hint = "it has " + strings.Join(set.codes, ", ")
		}
		l.fail("unknown-code", l.partOf(p, c.With), "", fmt.Sprintf("%s has no code %s: %s is never that", set.name, mapping.ShowCode(c.With.Text),
			mapping.Short(c.Path)), hint)
	}
}

// partOf gives the place in the file of a part of a path.
func (l *linter) partOf(p *mapping.Path, part fhirpath.Part) mapping.Place {
	return l.inside(p.Place, part.Line, part.Column)
}

// keyParts finds keys that two records share where a part of them is absent.
func (l *linter) keyParts(t *mapping.Table) {
	paths := slices.Clone(t.Key.Paths)
	for _, s := range t.Lets { // a key that is a named value, as it is
		if len(s.Transforms) == 0 && slices.ContainsFunc(t.Key.Paths, func(p *mapping.Path) bool { return p.Text == "%"+s.Name }) {
			paths = append(paths, s.Paths...)
		}
	}
	for _, p := range paths {
		l.blanks(t, p)
	}
}

func (l *linter) blanks(t *mapping.Table, p *mapping.Path) {
	for _, part := range p.Expr.Blanks() {
		if name, variable := strings.CutPrefix(part.Text, "%"); variable && given(t, name) {
			continue
		}
		l.fail("key", l.partOf(p, part), t.Key.Field, fmt.Sprintf("where %s is absent, & takes it for an empty text: all such records share one key",
			mapping.Short(part.Text)), "write + in place of each &: a record without it is held")
	}
}

// given tells whether a variable always has a value.
func given(t *mapping.Table, name string) bool {
	always := func(p *mapping.Path) bool { return p.Expr.Gives() }
	return slices.Contains(mapping.BuiltIn(), name) || slices.ContainsFunc(t.Lets, func(s mapping.Let) bool {
		return s.Name == name && s.ValuesName == "" && slices.ContainsFunc(s.Paths, always)
	})
}
