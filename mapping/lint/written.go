package lint

import (
	"fmt"
	"slices"

	"go.yaml.in/yaml/v3"

	"refbridge/mapping"
	"refbridge/sfdc/sobject"
)

// written gives the values that the tables can write to a field; known is false where these may be any, or people's own.
func (l *linter) written(object string, f sobject.FieldType) (values []string, known bool) {
	for _, t := range l.set.Tables() {
		if t.Object != object {
			continue
		}
		for _, w := range t.Rows {
			if w.Field != f.Name {
				continue
			}
			given, all := gives(w)
			if !all || w.Owner != sobject.Source { // what others own may be anything
				return nil, false
			}
			values, known = append(values, given...), true
		}
		for _, g := range t.Gone {
			if g.Field == f.Name {
				values = append(values, g.Value.Reveal())
			}
		}
	}
	for _, v := range f.PicklistValues { // people can choose these
		values = append(values, v.Value)
	}
	return values, known && (!picklist(f.Type) || len(f.PicklistValues) > 0)
}

// gives gives what a row can write; all is false where it may be anything else.
func gives(w *mapping.Row) (values []string, all bool) {
	if !w.Fallback.IsNull() {
		values = append(values, w.Fallback.Reveal())
	}
	switch {
	case w.Values != nil:
		for _, c := range w.Values.Codes {
			values = append(values, c.To.Reveal())
		}
		return append(values, w.Values.Other.Reveal()), w.Values.Unlisted != mapping.UnlistedKeep
	case w.ValuesName != "" || len(w.Transforms) > 0 || w.Ref.Object != "" || w.Lookup.Object != "":
		return nil, false
	}
	for _, p := range w.Paths {
		texts, only := p.Expr.Texts()
		if !only {
			return nil, false
		}
		for _, text := range texts {
			values = append(values, text.Text)
		}
	}
	return values, len(w.Paths) > 0 || !w.Fallback.IsNull()
}

// unwritten warns of a value that a rule waits for and that no record can have, as no row writes it. n is where the values stand.
func (l *linter) unwritten(object string, f sobject.FieldType, file string, n *yaml.Node) {
	values, known := l.written(object, f)
	if n == nil || !known {
		return
	}
	r := mapping.Reader{}
	for _, item := range r.OneOrMore(n) {
		if !slices.Contains(values, item.Value) {
			l.warn("unknown-value", mapping.Place{File: file, Line: item.Line, Column: item.Column}, f.Name,
				fmt.Sprintf("no row writes %q to %s: no record has it", mapping.Short(item.Value), f.Name), mapping.Nearest(item.Value, values))
		}
	}
}
