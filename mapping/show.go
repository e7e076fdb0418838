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
	seen := map[Place]reviewValue{}
	for _, e := range o.Examples {
		view, used := s.tryExample(e, len(out.Examples)+1, seen)
		if used || !e.Optional {
			out.Examples = append(out.Examples, view)
		}
	}
	used := map[string][]string{}
	for _, t := range s.readingOrder() {
		table := s.reviewTable(t, seen)
		out.Files, out.Rows = append(out.Files, t.File), out.Rows+len(table.Rows)
		out.Tables = append(out.Tables, table)
		t.uses(used)
	}
	for _, name := range slices.Sorted(maps.Keys(s.values)) {
		out.Values = append(out.Values, s.values[name].review(used[name]))
		out.Files = append(out.Files, s.values[name].File)
	}
	slices.Sort(out.Files)
	out.Files = slices.Compact(out.Files)
	return out
}

// readingOrder gives first what is made of a whole resource, the longest table first; then its parts, and last what these
// point to.
func (s *Set) readingOrder() []*Table {
	var whole, parts []*Table
	for _, t := range s.tables {
		if t.ForEach == nil {
			whole = append(whole, t)
		} else {
			parts = append(parts, t)
		}
	}
	slices.SortStableFunc(whole, func(a, b *Table) int { return len(b.Rows) - len(a.Rows) })
	slices.SortStableFunc(parts, func(a, b *Table) int { return b.Level - a.Level })
	return append(whole, parts...)
}

func (s *Set) reviewTable(t *Table, seen map[Place]reviewValue) reviewTable {
	out := reviewTable{ID: strings.TrimSuffix(t.File, ".yaml"), File: t.File, Object: t.Object, Source: t.Source, Purpose: t.Purpose,
		Each: wordsOf(t.ForEach), When: wordsOf(t.When)}
	out.Key = reviewRow{Field: t.Key.Field, From: pathWords(t.Key.Paths), Steps: transformRules(t.Key.Transforms),
		Example: seen[Place{File: t.File, Line: t.Key.Line}]}
	if t.Body != "" {
		out.Object, out.Body, out.Limit = bodyWords(t), t.Body, limitWords(t)
	}
	for i := range t.Lets {
		l := &t.Lets[i]
		view := reviewLet{Name: l.Name, From: pathWords(l.Paths), Steps: transformRules(l.Transforms), Values: l.ValuesName}
		out.Lets = append(out.Lets, view)
	}
	fields := map[string]bool{}
	for _, w := range t.Rows {
		row := w.review(seen)
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
		out.Drops = append(out.Drops, reviewDrop{*wordsOf(d.Path), d.Purpose})
	}
	for _, g := range t.Gone {
		out.Gone = append(out.Gone, reviewGone{g.Field, g.Value.Reveal(), listed(g.Only, "or"), g.Purpose})
	}
	for _, b := range t.Back {
		out.Back = append(out.Back, b.review())
	}
	return out
}

func (w *Row) review(seen map[Place]reviewValue) reviewRow {
	out := reviewRow{Field: w.Field, Place: fmt.Sprintf("%s:%d", w.File, w.Line), Purpose: w.Purpose, Owner: ownerWords(w.Owner),
		From: pathWords(w.Paths), When: wordsOf(w.When), Values: w.ValuesName, Required: w.Required,
		Steps: transformRules(w.Transforms), Example: seen[Place{File: w.File, Line: w.Line}]}
	if w.Values != nil {
		out.Unlisted = w.Values.unlistedWords()
	}
	out.Rules = w.otherRules()
	return out
}

// uses notes under each value table the fields that it translates for.
func (t *Table) uses(into map[string][]string) {
	add := func(name, field string) {
		if use := cmp.Or(t.Object, t.Body) + "." + field; name != "" && !slices.Contains(into[name], use) {
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
			add(p.ValuesName, strings.Join(p.From, ReverseSeparator)+", on the way back")
		}
	}
}

func (v *ValueTable) review(used []string) reviewValues {
	out := reviewValues{Name: v.Name, Purpose: v.Purpose, Unlisted: v.unlistedWords(), UsedBy: used,
		Place: fmt.Sprintf("%s:%d", v.File, v.Line)}
	for i, c := range v.Codes {
		if i == 0 {
			out.System = c.System
		}
		out.Systems = out.Systems || c.System != out.System
		out.Notes = out.Notes || c.Purpose != ""
		out.Codes = append(out.Codes, reviewCode{c.System, c.Code, c.To.Reveal(), c.Purpose})
	}
	if out.Systems {
		out.System = ""
	}
	return out
}
