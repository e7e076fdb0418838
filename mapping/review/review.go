// Package review writes mapping tables as one page for the people who decide over them and do not read YAML: HTML that prints
// on A4, or Markdown. Against another version of the tables it says first what has changed.
package review

import (
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
	Changes  *changes // nil: not compared with other tables
	Tables   []table  // what is made of the whole resource first, then its parts, then what it points to
	Lists    []valueFile
	Values   []valueTable
	Names    []named // the variables that no table gives
	Examples []example
	Rows     int
	Outside  *outside // nil: not compared with outside documents
}

// Options are what a Review shows beside the tables.
type Options struct {
	Version  string
	Examples []Example
	Base     *mapping.Set // the tables as they were; nil: nothing is compared
	Oracles  *Oracles     // what outside documents say; nil: it is not shown
}

type table struct {
	ID, File, Object, Source, Purpose string // Object: the sObject, or what the body is
	Title                             string // Object, and what it is for where two tables make the same
	Body, Limit, Target, Shared       string
	Each, When, Patient               *path
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

// named is a variable that a path uses, with what it stands for.
type named struct{ Name, Words, ID string }

// let is a named value of a table.
type let struct {
	ID, Name, Purpose, Values, Place string
	From                             []path
	Steps                            []string
	Mark                             mark
}

type row struct {
	Field, Place, Purpose, Owner string
	From                         []path
	When                         *path
	Names                        []named  // that From and When use
	Otherwise                    bool     // an earlier row gives the same field in other cases
	Steps                        []string // what transforms do, in order
	Values, Unlisted             string   // the value table behind them
	Rules                        []string
	Required                     bool
	Outside                      []string // what outside documents say
	Example                      shownValue
	Mark                         mark
}

// shownValue is what the row gave in an example, and what stood in the resource where that is another text; Example
// counts from 1, 0 where no example reaches the row.
type shownValue struct {
	Text, Was string
	Term      string // what the code in Was means, as the source says it
	Path      string // the place in the resource
	Example   int
}

type drop struct {
	Path           path
	Purpose, Place string
	Outside        []string // what outside documents say
	Mark           mark
}

type gone struct {
	Field, To, Only, Purpose, Place string
	Mark                            mark
}

// valueFile is a file that holds value tables alone.
type valueFile struct {
	Name, Purpose string
	Mark          mark
}

type valueTable struct {
	Name, Purpose, System, Unlisted, Place string
	Codes                                  []code
	UsedBy                                 []string
	Notes, Systems                         bool // some code has a note, a system of its own
	Back                                   bool // it translates what Salesforce holds
	Mark                                   mark
}

type code struct {
	System, Code, To, Purpose, Place string
	value                            string   // To as it is in the table
	Outside                          []string // what outside documents say
	Mark                             mark
}

type example struct {
	Number      int
	Name, About string
	Records     int
	Held        string // why it gives no record
}

// New gives the tables for reading. Each row shows what it gives in the first example that reaches it.
func New(s *mapping.Set, o Options) Review {
	r := read(s, o)
	if o.Oracles != nil {
		r.compareOutside(*o.Oracles)
	}
	if o.Base != nil {
		r.compare(read(o.Base, o))
	}
	return r
}

func read(s *mapping.Set, o Options) Review {
	out := Review{Version: o.Version, Hash: s.Hash(), Target: s.Target()}
	seen := shownValues{}
	for _, e := range o.Examples {
		view, used := seen.try(s, e, len(out.Examples)+1)
		if used || !e.Optional {
			out.Examples = append(out.Examples, view)
		}
	}
	used := map[string]*use{}
	for _, t := range readingOrder(s) {
		view := tableOf(t, seen)
		view.Title = titleOf(s, t)
		out.Files, out.Rows = append(out.Files, t.File), out.Rows+len(view.Rows)
		out.Tables = append(out.Tables, view)
		uses(t, used)
	}
	out.Names = builtIn(out.Tables)
	values := valueTables(s)
	for _, name := range slices.Sorted(maps.Keys(values)) {
		v := values[name]
		out.Values, out.Files = append(out.Values, valuesOf(v, used[name])), append(out.Files, v.File)
		if file := (valueFile{Name: v.File, Purpose: v.About}); v.About != "" && !slices.Contains(out.Lists, file) {
			out.Lists = append(out.Lists, file)
		}
	}
	slices.SortFunc(out.Lists, func(a, b valueFile) int { return strings.Compare(a.Name, b.Name) })
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
