// Package review writes mapping tables as one page for the people who decide over them and do not read YAML: HTML that prints
// on A4, or Markdown.
package review

import (
	"fmt"
	"maps"
	"slices"
	"strings"

	"refbridge/mapping"
)

// Review is the tables as people read them: clinical informaticians, clinical safety officers, the owner of the org.
// It holds everything that the tables say, in their words and in plain English, and no data but that of the examples.
type Review struct {
	Version  string // of refbridge
	Target   string // of tables that are not for a default org
	Hash     string // of the tables
	Files    []string
	Tables   []table // what is made of the whole resource first, then its parts, then what it points to
	Values   []valueTable
	Examples []example
	Rows     int
}

// Options are what a Review shows beside the tables.
type Options struct {
	Version  string
	Examples []Example
}

type table struct {
	ID, File, Object, Source, Purpose string // Object: the sObject, or what the body is
	Body, Limit                       string
	Each, When                        *path
	Key                               row
	Lets                              []let
	Rows                              []row
	Fields                            int
	Required                          []string
	Drops                             []drop
	Gone                              []gone
	Back                              []back
}

// path is a FHIRPath with what it says; Words is empty where there are none, or where they say nothing more.
type path struct{ Text, Words string }

type let struct {
	Name, Values string
	From         []path
	Steps        []string
}

type row struct {
	Field, Place, Purpose, Owner string
	From                         []path
	When                         *path
	Otherwise                    bool     // an earlier row gives the same field in other cases
	Steps                        []string // what transforms do, in order
	Values, Unlisted             string   // the value table behind them
	Rules                        []string
	Required                     bool
	Example                      shownValue
}

// shownValue is what the row gave in an example, and what stood in the resource where that is another text; Example
// counts from 1, 0 where no example reaches the row.
type shownValue struct {
	Text, Was string
	Example   int
}

type drop struct {
	Path    path
	Purpose string
}

type gone struct {
	Field, To, Only, Purpose string
}

type valueTable struct {
	Name, Purpose, System, Unlisted, Place string
	Codes                                  []code
	UsedBy                                 []string
	Notes, Systems                         bool // some code has a note, a system of its own
}

type code struct{ System, Code, To, Purpose string }

type example struct {
	Number      int
	Name, About string
	Records     int
	Held        string // why it gives no record
}

// New gives the tables for reading. Each row shows what it gives in the first example that reaches it.
func New(s *mapping.Set, o Options) Review {
	out := Review{Version: o.Version, Hash: s.Hash(), Target: s.Target()}
	seen := map[mapping.Place]shownValue{}
	for _, e := range o.Examples {
		view, used := try(s, e, len(out.Examples)+1, seen)
		if used || !e.Optional {
			out.Examples = append(out.Examples, view)
		}
	}
	used := map[string][]string{}
	for _, t := range readingOrder(s) {
		table := tableOf(t, seen)
		out.Files, out.Rows = append(out.Files, t.File), out.Rows+len(table.Rows)
		out.Tables = append(out.Tables, table)
		uses(t, used)
	}
	for _, name := range slices.Sorted(maps.Keys(s.Values())) {
		v := s.Values()[name]
		out.Values, out.Files = append(out.Values, valuesOf(v, used[name])), append(out.Files, v.File)
	}
	slices.Sort(out.Files)
	out.Files = slices.Compact(out.Files)
	return out
}

// readingOrder gives first what is made of a whole resource, the longest table first; then its parts, and last what these
// point to.
func readingOrder(s *mapping.Set) []*mapping.Table {
	var whole, parts []*mapping.Table
	for _, t := range s.Tables() {
		if t.ForEach == nil {
			whole = append(whole, t)
		} else {
			parts = append(parts, t)
		}
	}
	slices.SortStableFunc(whole, func(a, b *mapping.Table) int { return len(b.Rows) - len(a.Rows) })
	slices.SortStableFunc(parts, func(a, b *mapping.Table) int { return b.Level - a.Level })
	return append(whole, parts...)
}

func tableOf(t *mapping.Table, seen map[mapping.Place]shownValue) table {
	out := table{ID: strings.TrimSuffix(t.File, ".yaml"), File: t.File, Object: t.Object, Source: t.Source, Purpose: t.Purpose,
		Each: wordsOf(t.ForEach), When: wordsOf(t.When)}
	out.Key = row{Field: t.Key.Field, From: pathWords(t.Key.Paths), Steps: transformRules(t.Key.Transforms),
		Example: seen[mapping.Place{File: t.File, Line: t.Key.Line}]}
	if t.Body != "" {
		out.Object, out.Body, out.Limit = bodyWords(t), t.Body, limitWords(t)
	}
	for i := range t.Lets {
		l := &t.Lets[i]
		view := let{Name: l.Name, From: pathWords(l.Paths), Steps: transformRules(l.Transforms), Values: l.ValuesName}
		out.Lets = append(out.Lets, view)
	}
	fields := map[string]bool{}
	for _, w := range t.Rows {
		row := rowOf(w, seen)
		row.Otherwise = fields[w.Field]
		if t.Body != "" {
			row.Owner = "" // a body is made anew each time
		}
		if w.Required && !slices.Contains(out.Required, w.Field) {
			out.Required = append(out.Required, w.Field)
		}
		fields[w.Field] = true
		out.Rows = append(out.Rows, row)
	}
	out.Fields = len(fields)
	for _, d := range t.Drops {
		out.Drops = append(out.Drops, drop{*wordsOf(d.Path), d.Purpose})
	}
	for _, g := range t.Gone {
		out.Gone = append(out.Gone, gone{g.Field, g.Value.Reveal(), listed(g.Only, "or"), g.Purpose})
	}
	for _, b := range t.Back {
		out.Back = append(out.Back, backOf(b))
	}
	return out
}

func rowOf(w *mapping.Row, seen map[mapping.Place]shownValue) row {
	out := row{Field: w.Field, Place: fmt.Sprintf("%s:%d", w.File, w.Line), Purpose: w.Purpose, Owner: ownerWords(w.Owner),
		From: pathWords(w.Paths), When: wordsOf(w.When), Values: w.ValuesName, Required: w.Required,
		Steps: transformRules(w.Transforms), Example: seen[mapping.Place{File: w.File, Line: w.Line}]}
	if w.Values != nil {
		out.Unlisted = unlistedWords(w.Values)
	}
	out.Rules = otherRules(w)
	return out
}

// uses notes under each value table the fields that it translates for.
func uses(t *mapping.Table, into map[string][]string) {
	add := func(name, field string) {
		if use := t.Makes() + "." + field; name != "" && !slices.Contains(into[name], use) {
			into[name] = append(into[name], use)
		}
	}
	for _, w := range t.Rows {
		add(w.ValuesName, w.Field)
	}
	for i := range t.Lets {
		add(t.Lets[i].ValuesName, "%"+t.Lets[i].Name)
	}
	for _, b := range t.Back {
		for _, p := range b.Parameters {
			add(p.ValuesName, strings.Join(p.From, mapping.ReverseSeparator)+", on the way back")
		}
	}
}

func valuesOf(v *mapping.ValueTable, used []string) valueTable {
	out := valueTable{Name: v.Name, Purpose: v.Purpose, Unlisted: unlistedWords(v), UsedBy: used,
		Place: fmt.Sprintf("%s:%d", v.File, v.Line)}
	for i, c := range v.Codes {
		if i == 0 {
			out.System = c.System
		}
		out.Systems = out.Systems || c.System != out.System
		out.Notes = out.Notes || c.Purpose != ""
		out.Codes = append(out.Codes, code{c.System, c.Code, c.To.Reveal(), c.Purpose})
	}
	if out.Systems {
		out.System = ""
	}
	return out
}
