package review

import (
	"maps"
	"slices"
	"strings"

	"refbridge/mapping"
)

func tableOf(t *mapping.Table, seen shownValues) table {
	out := table{ID: strings.TrimSuffix(t.File, ".yaml"), File: t.File, Object: makes(t), Source: sourceWords(t), Purpose: t.Purpose,
		Target: t.Target, Shared: t.Shared, Patient: wordsOf(t.Patient), Each: wordsOf(t.ForEach), When: wordsOf(t.When)}
	out.Key = row{Field: t.Key.Field, Place: t.Key.FileLine(), Purpose: t.Key.Purpose, From: pathWords(t.Key.Paths),
		Steps: transformRules(t.Key.Transforms), Example: seen.at(t.Key.Place)}
	if t.Body != "" {
		out.Body, out.Limit = t.Body, limitWords(t)
	}
	for i := range t.Lets {
		out.Lets = append(out.Lets, letOf(t, &t.Lets[i]))
	}
	fields := map[string]bool{}
	for _, w := range t.Rows {
		view := rowOf(w, seen)
		view.Otherwise, view.Names = fields[w.Field], namesIn(t, w)
		if t.Body != "" {
			view.Owner = "" // a body is made anew each time
		}
		if w.Required && !slices.Contains(out.Required, w.Field) {
			out.Required = append(out.Required, w.Field)
		}
		fields[w.Field] = true
		out.Rows = append(out.Rows, view)
	}
	out.Fields = len(fields)
	for _, d := range t.Drops {
		out.Drops = append(out.Drops, drop{Path: elementWords(t, d.Path), Purpose: d.Purpose, Place: d.FileLine()})
	}
	for _, g := range t.Gone {
		out.Gone = append(out.Gone, gone{Field: g.Field, To: plainConstant(g.Value), Only: listed(g.Only, "or"), Purpose: g.Purpose,
			Place: g.FileLine()})
	}
	for _, b := range t.Back {
		out.Back = append(out.Back, backOf(b))
	}
	return out
}

// sourceWords says what a table reads.
func sourceWords(t *mapping.Table) string {
	if t.ForEach == nil {
		return t.Source
	}
	if what, ok := strings.CutSuffix(t.ForEach.Text, ")"); ok && strings.Contains(what, "resolve()") {
		if at := strings.LastIndex(what, ".ofType("); at > 0 {
			return what[at+len(".ofType("):] + " of a " + t.Source
		}
	}
	return "parts of a " + t.Source
}

// makes names what a table makes: an object, or a part of a body.
func makes(t *mapping.Table) string {
	if t.Body != "" {
		return bodyWords(t)
	}
	return t.Object
}

// titleOf tells tables that make the same object apart by what they are for.
func titleOf(s *mapping.Set, t *mapping.Table) string {
	object := makes(t)
	same := func(o *mapping.Table) bool { return o != t && makes(o) == object }
	if !slices.ContainsFunc(s.Tables(), same) {
		return object
	}
	what := t.Purpose
	if at := strings.IndexAny(what, ",.;:"); at > 0 {
		what = what[:at]
	}
	other := func(o *mapping.Table) bool { return same(o) && strings.HasPrefix(o.Purpose, what) }
	if what == "" || slices.ContainsFunc(s.Tables(), other) {
		what = strings.TrimSuffix(t.File, ".yaml")
	}
	return object + ": " + strings.ToLower(what[:1]) + what[1:]
}

func letOf(t *mapping.Table, l *mapping.Let) let {
	return let{ID: letID(t, l.Name), Name: l.Name, Purpose: l.Purpose, Values: l.ValuesName, Place: l.FileLine(),
		From: pathWords(l.Paths), Steps: transformRules(l.Transforms)}
}

func rowOf(w *mapping.Row, seen shownValues) row {
	out := row{Field: w.Field, Place: w.FileLine(), Purpose: w.Purpose, Owner: ownerWords(w.Owner),
		From: pathWords(w.Paths), When: wordsOf(w.When), Values: w.ValuesName, Required: w.Required,
		Steps: transformRules(w.Transforms), Example: seen.at(w.Place)}
	if w.Values != nil {
		out.Unlisted = unlistedWords(w.Values)
	}
	out.Rules = otherRules(w)
	return out
}

// use is where a value table is used.
type use struct {
	forth, back []string
}

// uses notes under each value table the fields that it translates for.
func uses(t *mapping.Table, into map[string]*use) {
	at := func(name string) *use {
		if into[name] == nil {
			into[name] = &use{}
		}
		return into[name]
	}
	add := func(list *[]string, field string) {
		if what := t.Makes() + "." + field; !slices.Contains(*list, what) {
			*list = append(*list, what)
		}
	}
	for _, w := range t.Rows {
		add(&at(w.ValuesName).forth, w.Field)
	}
	for i := range t.Lets {
		add(&at(t.Lets[i].ValuesName).forth, "%"+t.Lets[i].Name)
	}
	for _, b := range t.Back {
		for _, p := range b.Parameters {
			add(&at(p.ValuesName).back, strings.Join(p.From, mapping.ReverseSeparator)+", on the way back")
		}
	}
}

// valueTables gives the value tables by name; of one with columns, each column that is used in its place.
func valueTables(s *mapping.Set) map[string]*mapping.ValueTable {
	out := maps.Clone(s.Values())
	add := func(v *mapping.ValueTable) {
		if v == nil {
			return
		}
		if whole, _, column := strings.Cut(v.Name, "."); column {
			delete(out, whole)
		}
		out[v.Name] = v
	}
	for _, t := range s.Tables() {
		for i := range t.Lets {
			add(t.Lets[i].Values)
		}
		for _, w := range t.Rows {
			add(w.Values)
		}
	}
	return out
}

func valuesOf(v *mapping.ValueTable, used *use) valueTable {
	out := valueTable{Name: v.Name, Purpose: v.Purpose, Unlisted: unlistedWords(v), Place: v.FileLine()}
	if used != nil {
		out.UsedBy, out.Back = append(used.forth, used.back...), len(used.forth) == 0
	}
	if out.Back && v.Unlisted == mapping.UnlistedHold {
		out.Unlisted = "any other value: nothing is sent, and the change is held until somebody adds it"
	}
	for i, c := range v.Codes {
		if i == 0 {
			out.System = c.System
		}
		out.Systems = out.Systems || c.System != out.System
		out.Notes = out.Notes || c.Purpose != ""
		out.Codes = append(out.Codes, code{System: c.System, Code: c.Code, To: plainConstant(c.To), value: c.To.Reveal(), Purpose: c.Purpose,
			Place: c.FileLine()})
	}
	if out.Systems {
		out.System = ""
	}
	return out
}
