// Package measure says of real records what the tables make of them: Coverage what becomes of every source path and from where every
// target field is filled, Impact what a change of the tables does. It keeps sums alone, and nothing in them is about a person.
package measure

import (
	"cmp"
	"maps"
	"slices"
	"strings"
	"time"

	"refbridge/fhir"
	"refbridge/mapping"
)

// Coverage says of real records what the tables make of them, both ways: what becomes of every source path, and from where every
// target field is filled. It keeps sums by path, field and code: memory does not grow with the number of records, and
// nothing in it is about a person.
type Coverage struct {
	set    *mapping.Set
	sum    CoverageReport
	roots  map[string]*branch // by resource type
	size   int                // branches
	uses   []mapping.Use
	useOf  map[mapping.Use]int
	marks  map[fhir.Node][]int // of the current record: uses of a node and all below it
	beside map[fhir.Node][]int // what belongs to a code that is used, where nobody uses it by itself
	fields map[fieldID]*Field
	codes  map[mapping.UnlistedCode]*tally
	held   map[holdID]*Hold
	rules  *mapping.Watcher
	kept   bool      // the current record is held
	seen   time.Time // when the current record was; only Live knows
	body   int       // the number of its version; only Live counts
	news   []*tally  // of the current record: what no table accounts for
}

// CoverageReport is what Coverage found.
type CoverageReport struct {
	Records int `json:"records"`
	Held    int `json:"held"` // records that the tables make nothing of, with the reasons in Holds
	Seen    int `json:"pathsSeen"`
	// Accounted counts the paths that are not unaccounted in any record.
	Accounted int     `json:"pathsAccounted"`
	Paths     []Path  `json:"paths"` // unaccounted ones first
	Fields    []Field `json:"fields"`
	Codes     []Code  `json:"unlistedCodes"`
	Holds     []Hold  `json:"holds"`
}

// Percent gives how many of a hundred paths are accounted for, cut and not rounded: 100 means all. Without any path it is 0.
func (r CoverageReport) Percent() float64 {
	if r.Seen == 0 {
		return 0
	}
	return float64(r.Accounted*1000/r.Seen) / 10
}

// Unaccounted is the state of a value that nobody reads, and of which no table says why. The others are those of a Watcher. A value
// that several rules look at counts for the best of them.
const Unaccounted mapping.State = "unaccounted"

// Path is what becomes of one source path. The figures are numbers of records: one record may have a path several
// times, with different ends.
type Path struct {
	Path        string        `json:"path"`  // ServiceRequest.extension('https://…').valueCoding.code
	State       mapping.State `json:"state"` // Unaccounted where it is so in any record
	Records     int           `json:"records"`
	Unaccounted int           `json:"unaccounted"`
	Mapped      int           `json:"mapped"`
	Dropped     int           `json:"dropped"`
	PassedOver  int           `json:"passedOver"`
	Looked      int           `json:"lookedAt"`
	// Held counts, of those mapped, the records that are held: rules carry the value, and nothing is written until the reason is gone.
	Held int `json:"mappedButHeld"`
	// Lost tells that the path is one of what the source sent, and that its values never come to the tables.
	Lost bool  `json:"lostBeforeMapping,omitempty"`
	Uses []Use `json:"uses"`
}

// Use is one rule that reads a path.
type Use struct {
	mapping.Use
	Records int `json:"records"`
}

// Field says how often a target field has a value, and by which rules.
type Field struct {
	Object  string      `json:"object"`
	Field   string      `json:"field"`
	Records int         `json:"records"` // Salesforce records of the object
	Filled  int         `json:"filled"`
	Rules   []RuleCount `json:"rules"`
}

// RuleCount says how often a rule gave a value.
type RuleCount struct {
	Rule    string `json:"rule"` // file:line
	From    string `json:"from,omitempty"`
	Filled  int    `json:"filled"`
	Default int    `json:"default,omitempty"` // of those by the row's default
}

// Code is a code that was seen and that its value table does not list.
type Code struct {
	mapping.UnlistedCode
	Records int `json:"records"`
}

// NewCoverage counts for a version of the tables.
func NewCoverage(s *mapping.Set) *Coverage {
	c := &Coverage{set: s, roots: map[string]*branch{}, useOf: map[mapping.Use]int{}, fields: map[fieldID]*Field{},
		codes: map[mapping.UnlistedCode]*tally{}, held: map[holdID]*Hold{}, marks: map[fhir.Node][]int{}, beside: map[fhir.Node][]int{}}
	c.rules = mapping.NewWatcher(s, sink{c})
	for _, t := range s.Tables() {
		if t.Body == "" {
			c.rule(t, t.Key.Field, t.Key.Place, t.Key.Source)
		}
		for _, w := range t.Rows {
			c.rule(t, w.Field, w.Place, w.Source)
		}
	}
	return c
}

// rule lists a rule with its field, so that those are shown too that never give a value.
func (c *Coverage) rule(t *mapping.Table, field string, p mapping.Place, s mapping.Source) {
	f := c.field(t.Makes(), field)
	f.Rules = append(f.Rules, RuleCount{Rule: p.FileLine()})
	for _, p := range s.Paths[:min(1, len(s.Paths))] {
		f.Rules[len(f.Rules)-1].From = p.Text
	}
}

func (c *Coverage) field(object, name string) *Field {
	id := fieldID{object, mapping.FieldName(name)}
	if c.fields[id] == nil {
		c.fields[id] = &Field{Object: object, Field: id.field}
	}
	return c.fields[id]
}

// Add counts one record.
func (c *Coverage) Add(in mapping.Sample) {
	c.sum.Records++
	records, faults := c.set.MapAll(in)
	if c.kept = len(faults) > 0; c.kept {
		c.sum.Held++
		count(c.held, faults)
	}
	made := map[string]int{}
	for _, m := range records {
		made[m.Record.Object]++
		if m.Record.Key.Field != "" {
			c.fill(m.Record.Object, m.Record.Key.Field, false, m.Key)
		}
		for i, f := range m.Record.Fields {
			c.fill(m.Record.Object, f.Name, f.Value.IsNull(), m.Rules[i])
		}
	}
	for id, f := range c.fields {
		f.Records += made[id.object]
	}
	c.news = c.news[:0]
	c.sources(in)
}

// sources counts what becomes of the source paths of a record.
func (c *Coverage) sources(in mapping.Sample) {
	clear(c.marks)
	clear(c.beside)
	for _, focus := range in.Focus {
		c.rules.Watch(in.Input(focus))
	}
	for _, r := range append(slices.Clone(in.Focus), in.Related...) {
		c.walk(r.Root(), c.root(typeName(r.Root())), nil)
	}
	if len(in.Lost) == 0 {
		return
	}
	for _, sent := range append([]fhir.Resource{in.Sent}, in.Beside...) {
		root := c.root(typeName(sent.Root()))
		root.lost = true
		c.lost(sent.Root(), root, in.Lost)
	}
}

func (c *Coverage) fill(object, field string, empty bool, rule mapping.Rule) {
	if empty {
		return
	}
	f := c.field(object, field)
	f.Filled++
	by := rule.FileLine()
	i := slices.IndexFunc(f.Rules, func(r RuleCount) bool { return r.Rule == by })
	if i < 0 {
		i = len(f.Rules)
		f.Rules = append(f.Rules, RuleCount{Rule: by, From: rule.From})
	}
	f.Rules[i].Filled++
	if rule.From == "" {
		f.Rules[i].Default++
	}
}

// Reason is why paths are dropped, and which.
type Reason struct {
	mapping.Use
	Paths []Path
}

// Reasons gives the paths that are dropped on purpose, under the reasons.
func (r CoverageReport) Reasons() []Reason {
	var out []Reason
	for _, path := range r.Paths {
		for _, u := range path.Uses {
			if path.State != mapping.Dropped || u.State != mapping.Dropped {
				continue
			}
			i := slices.IndexFunc(out, func(o Reason) bool { return o.Use == u.Use })
			if i < 0 {
				i = len(out)
				out = append(out, Reason{Use: u.Use})
			}
			out[i].Paths = append(out[i].Paths, path)
		}
	}
	return out
}

// Unmade gives the objects that there is no record of.
func (r CoverageReport) Unmade() []string {
	var out []string
	for _, f := range r.Fields {
		if f.Records == 0 && !slices.Contains(out, f.Object) {
			out = append(out, f.Object)
		}
	}
	return out
}

// Writes tells whether anything in the records is mapped and not held.
func (r CoverageReport) Writes() bool {
	return slices.ContainsFunc(r.Paths, func(p Path) bool { return p.Mapped > p.Held })
}

// Report gives the sums so far.
func (c *Coverage) Report() CoverageReport {
	out := c.sum
	out.Paths, out.Fields, out.Codes = []Path{}, []Field{}, []Code{}
	for _, typ := range slices.Sorted(maps.Keys(c.roots)) {
		out.Paths = c.roots[typ].paths(out.Paths, c.uses)
	}
	for _, p := range out.Paths {
		out.Seen++
		if p.State != Unaccounted {
			out.Accounted++
		}
	}
	slices.SortStableFunc(out.Paths, func(a, b Path) int {
		return cmp.Or(rank(a.State)-rank(b.State), unaccountedFirst(a, b), strings.Compare(a.Path, b.Path))
	})
	for _, f := range c.fields {
		out.Fields = append(out.Fields, *f)
	}
	slices.SortFunc(out.Fields, func(a, b Field) int {
		return cmp.Or(strings.Compare(a.Object, b.Object), strings.Compare(a.Field, b.Field))
	})
	for code, n := range c.codes {
		out.Codes = append(out.Codes, Code{UnlistedCode: code, Records: n.records})
	}
	slices.SortFunc(out.Codes, func(a, b Code) int {
		return cmp.Or(b.Records-a.Records, strings.Compare(a.Table, b.Table), strings.Compare(a.System, b.System),
			strings.Compare(a.Code, b.Code), strings.Compare(a.Field, b.Field))
	})
	out.Holds = holds(c.held)
	return out
}

func rank(s mapping.State) int {
	return slices.Index([]mapping.State{Unaccounted, mapping.PassedOver, mapping.Dropped, mapping.Looked, mapping.Carried}, s)
}

// unaccountedFirst puts what most records carry first.
func unaccountedFirst(a, b Path) int { return b.Unaccounted - a.Unaccounted }
