package mapping

import (
	"cmp"
	"fmt"
	"maps"
	"slices"
	"strings"
)

// Review is the tables as people read them: clinical informaticians, clinical safety officers, the owner of the org.
// It holds everything that the tables say, in their words and in plain English, and no data but that of the examples.
type Review struct {
	Version  string // of refbridge
	Target   string // of tables that are not for a default org
	Hash     string // of the tables
	Files    []string
	Tables   []reviewTable // what is made of the whole resource first, then its parts, then what it points to
	Values   []reviewValues
	Examples []reviewExample
	Rows     int
}

// ReviewOptions are what a Review shows beside the tables.
type ReviewOptions struct {
	Version  string
	Examples []Example
}

type reviewTable struct {
	ID, File, Object, Source, Purpose string // Object: the sObject, or what the body is
	Body, Limit                       string
	Each, When                        *reviewPath
	Key                               reviewRow
	Lets                              []reviewLet
	Rows                              []reviewRow
	Fields                            int
	Required                          []string
	Drops                             []reviewDrop
	Gone                              []reviewGone
	Back                              []reviewBack
}

// reviewPath is a FHIRPath with what it says; Words is empty where there are none, or where they say nothing more.
type reviewPath struct{ Text, Words string }

type reviewLet struct {
	Name, Values string
	From         []reviewPath
	Steps        []string
}

type reviewRow struct {
	Field, Place, Purpose, Owner string
	From                         []reviewPath
	When                         *reviewPath
	Otherwise                    bool     // an earlier row gives the same field in other cases
	Steps                        []string // what transforms do, in order
	Values, Unlisted             string   // the value table behind them
	Rules                        []string
	Required                     bool
	Example                      reviewValue
}

// reviewValue is what the row gave in an example, and what stood in the resource where that is another text; Example
// counts from 1, 0 where no example reaches the row.
type reviewValue struct {
	Text, Was string
	Example   int
}

type reviewDrop struct {
	Path    reviewPath
	Purpose string
}

type reviewGone struct {
	Field, To, Only, Purpose string
}

type reviewValues struct {
	Name, Purpose, System, Unlisted, Place string
	Codes                                  []reviewCode
	UsedBy                                 []string
	Notes, Systems                         bool // some code has a note, a system of its own
}

type reviewCode struct{ System, Code, To, Purpose string }

type reviewExample struct {
	Number      int
	Name, About string
	Records     int
	Held        string // why it gives no record
}

// Review gives the tables for reading. Each row shows what it gives in the first example that reaches it.
func (s *Set) Review(o ReviewOptions) Review {
	out := Review{Version: o.Version, Hash: s.hash, Target: s.Target()}
	seen := map[place]reviewValue{}
	for _, e := range o.Examples {
		view, used := s.tryExample(e, len(out.Examples)+1, seen)
		if used || !e.Optional {
			out.Examples = append(out.Examples, view)
		}
	}
	used := map[string][]string{}
	for _, t := range s.readingOrder() {
		table := s.reviewTable(t, seen)
		out.Files, out.Rows = append(out.Files, t.file), out.Rows+len(table.Rows)
		out.Tables = append(out.Tables, table)
		t.uses(used)
	}
	for _, name := range slices.Sorted(maps.Keys(s.values)) {
		out.Values = append(out.Values, s.values[name].review(used[name]))
		out.Files = append(out.Files, s.values[name].file)
	}
	slices.Sort(out.Files)
	out.Files = slices.Compact(out.Files)
	return out
}

// readingOrder gives first what is made of a whole resource, the longest table first; then its parts, and last what these
// point to.
func (s *Set) readingOrder() []*table {
	var whole, parts []*table
	for _, t := range s.tables {
		if t.forEach == nil {
			whole = append(whole, t)
		} else {
			parts = append(parts, t)
		}
	}
	slices.SortStableFunc(whole, func(a, b *table) int { return len(b.rows) - len(a.rows) })
	slices.SortStableFunc(parts, func(a, b *table) int { return b.level - a.level })
	return append(whole, parts...)
}

func (s *Set) reviewTable(t *table, seen map[place]reviewValue) reviewTable {
	out := reviewTable{ID: strings.TrimSuffix(t.file, ".yaml"), File: t.file, Object: t.object, Source: t.source, Purpose: t.purpose,
		Each: wordsOf(t.forEach), When: wordsOf(t.when)}
	out.Key = reviewRow{Field: t.key.field, From: pathWords(t.key.paths), Steps: transformRules(t.key.transforms),
		Example: seen[place{file: t.file, line: t.key.line}]}
	if t.body != "" {
		out.Object, out.Body, out.Limit = bodyWords(t), t.body, limitWords(t)
	}
	for i := range t.lets {
		l := &t.lets[i]
		view := reviewLet{Name: l.name, From: pathWords(l.paths), Steps: transformRules(l.transforms), Values: l.valuesName}
		out.Lets = append(out.Lets, view)
	}
	fields := map[string]bool{}
	for _, w := range t.rows {
		row := w.review(seen)
		row.Otherwise = fields[w.field]
		if t.body != "" {
			row.Owner = "" // a body is made anew each time
		}
		if w.required && !slices.Contains(out.Required, w.field) {
			out.Required = append(out.Required, w.field)
		}
		fields[w.field] = true
		out.Rows = append(out.Rows, row)
	}
	out.Fields = len(fields)
	for _, d := range t.drops {
		out.Drops = append(out.Drops, reviewDrop{*wordsOf(d.path), d.purpose})
	}
	for _, g := range t.gone {
		out.Gone = append(out.Gone, reviewGone{g.field, g.value.Reveal(), listed(g.only, "or"), g.purpose})
	}
	for _, b := range t.back {
		out.Back = append(out.Back, b.review())
	}
	return out
}

func (w *row) review(seen map[place]reviewValue) reviewRow {
	out := reviewRow{Field: w.field, Place: fmt.Sprintf("%s:%d", w.file, w.line), Purpose: w.purpose, Owner: ownerWords(w.owner),
		From: pathWords(w.paths), When: wordsOf(w.when), Values: w.valuesName, Required: w.required,
		Steps: transformRules(w.transforms), Example: seen[place{file: w.file, line: w.line}]}
	if w.values != nil {
		out.Unlisted = w.values.unlistedWords()
	}
	out.Rules = w.otherRules()
	return out
}

// uses notes under each value table the fields that it translates for.
func (t *table) uses(into map[string][]string) {
	add := func(name, field string) {
		if use := cmp.Or(t.object, t.body) + "." + field; name != "" && !slices.Contains(into[name], use) {
			into[name] = append(into[name], use)
		}
	}
	for _, w := range t.rows {
		add(w.valuesName, w.field)
	}
	for i := range t.lets {
		add(t.lets[i].valuesName, "%"+t.lets[i].name)
	}
	for _, b := range t.back {
		for _, p := range b.parameters {
			add(p.valuesName, strings.Join(p.from, reverseSeparator)+", on the way back")
		}
	}
}

func (v *valueTable) review(used []string) reviewValues {
	out := reviewValues{Name: v.name, Purpose: v.purpose, Unlisted: v.unlistedWords(), UsedBy: used,
		Place: fmt.Sprintf("%s:%d", v.file, v.line)}
	for i, c := range v.codes {
		if i == 0 {
			out.System = c.system
		}
		out.Systems = out.Systems || c.system != out.System
		out.Notes = out.Notes || c.purpose != ""
		out.Codes = append(out.Codes, reviewCode{c.system, c.code, c.to.Reveal(), c.purpose})
	}
	if out.Systems {
		out.System = ""
	}
	return out
}
