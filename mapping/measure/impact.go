package measure

import (
	"cmp"
	"crypto/hmac"
	"crypto/rand"
	"crypto/sha256"
	"encoding/hex"
	"fmt"
	"maps"
	"slices"
	"strings"

	"refbridge/config/pattern"
	"refbridge/mapping"
	"refbridge/sfdc/sobject"
)

// Impact compares what two versions of the tables make of the same records. It keeps sums alone: memory does not grow with
// the number of records, and nothing in it is about a person.
type Impact struct {
	base, next           *mapping.Set
	shownBase, shownNext *shown
	key                  []byte
	sum                  ImpactReport
	values               map[ValueChange]int
	fields               map[fieldID]*FieldChange
	objects              map[string]*ObjectChange
	failing, passing     map[holdID]*Hold
}

type fieldID struct{ object, field string }

type holdID struct {
	kind           mapping.FaultKind
	field, message string
	rule           string
}

// ImpactReport is the effect of a change of tables on a set of records.
type ImpactReport struct {
	Records    int `json:"records"`    // that were compared
	Touched    int `json:"touched"`    // that become anything else
	HeldBefore int `json:"heldBefore"` // under the tables of base
	HeldAfter  int `json:"heldAfter"`
	// OtherReason counts records that are held under both, for other reasons.
	OtherReason int            `json:"heldForOtherReasons"`
	Objects     []ObjectChange `json:"objects"`
	Fields      []FieldChange  `json:"fields"`
	Values      []ValueChange  `json:"values"` // codes and checkboxes; most frequent first
	Failing     []Hold         `json:"newlyFailing"`
	Passing     []Hold         `json:"newlyPassing"`
}

// ObjectChange says how many Salesforce records of an object come, go or change.
type ObjectChange struct {
	Object  string `json:"object"`
	Added   int    `json:"added"`
	Removed int    `json:"removed"`
	Changed int    `json:"changed"`
}

// FieldChange says in how many Salesforce records a field gets another value, of those that both versions make.
type FieldChange struct {
	Object    string   `json:"object"`
	Field     string   `json:"field"`
	Changed   int      `json:"changed"`           // from one value to another
	Filled    int      `json:"filled"`            // from none, or from not written, to one
	Cleared   int      `json:"cleared"`           // from one that the tables kept up to none
	Unwritten int      `json:"noLongerWritten"`   // written before, with a value or empty: Salesforce keeps what it has
	Emptied   int      `json:"newlyWrittenEmpty"` // left to Salesforce before, now written without a value: Salesforce's value is cleared
	Policy    int      `json:"policy"`            // written the same under both, but owner or keepIfAbsent is another
	Before    []string `json:"before"`            // rules behind it, file:line
	After     []string `json:"after"`

	tokens int // distinct changes among Values that show a token
}

// ValueChange is one distinct change of a field. A value that is not of a value table and no checkbox is a token: the
// same value has the same token within one report and another one in the next.
type ValueChange struct {
	Object string `json:"object"`
	Field  string `json:"field"`
	From   string `json:"from"` // "(none)": written without a value; "(not written)": left as it is
	To     string `json:"to"`
	Count  int    `json:"count"`
}

// Hold is a reason for which records are held under one version and not under the other.
type Hold struct {
	Kind    mapping.FaultKind `json:"kind"`
	Field   string            `json:"field,omitempty"`
	Message string            `json:"message"`
	Rule    string            `json:"rule"` // file:line
	Hint    string            `json:"hint,omitempty"`
	Count   int               `json:"count"`
}

// What stands in a ValueChange where there is no value: the field is written empty, or nothing is written.
const (
	noValue    = "(none)"
	notWritten = "(not written)"
)

// What is kept of the distinct changes: of all fields, and of one field those that show a token.
const (
	maxDistinct = 20_000
	maxTokens   = 20
)

// NewImpact compares two versions of tables: base, and the tables as they would be.
func NewImpact(base, next *mapping.Set) *Impact {
	key := make([]byte, 32)
	rand.Read(key) // never fails
	return &Impact{base: base, next: next, key: key, shownBase: shownBy(base), shownNext: shownBy(next), values: map[ValueChange]int{},
		fields: map[fieldID]*FieldChange{}, objects: map[string]*ObjectChange{}, failing: map[holdID]*Hold{}, passing: map[holdID]*Hold{}}
}

// Add compares one record.
func (i *Impact) Add(in mapping.Sample) {
	before, beforeFaults := i.base.MapAll(in)
	after, afterFaults := i.next.MapAll(in)
	i.sum.Records++
	if len(beforeFaults) > 0 {
		i.sum.HeldBefore++
	}
	if len(afterFaults) > 0 {
		i.sum.HeldAfter++
	}
	touched := false
	switch {
	case len(beforeFaults) > 0 && len(afterFaults) > 0:
		// A new reason beside an old one shows only once the old one is gone.
		if touched = !slices.Equal(reasons(beforeFaults), reasons(afterFaults)); touched {
			i.sum.OtherReason++
		}
	case len(afterFaults) > 0:
		touched = true
		count(i.failing, afterFaults)
	case len(beforeFaults) > 0:
		touched = true
		count(i.passing, beforeFaults)
	default:
		touched = i.compare(before, after)
	}
	if touched {
		i.sum.Touched++
	}
}

// count adds the reasons of one record, each once.
func count(into map[holdID]*Hold, faults mapping.Faults) {
	seen := map[holdID]bool{}
	for _, f := range faults {
		id := holdID{f.Kind, f.Field, reason(f), f.FileLine()}
		if seen[id] {
			continue
		}
		seen[id] = true
		if into[id] == nil {
			if len(into) >= maxDistinct {
				id = holdID{kind: f.Kind, message: "other reasons"}
			}
			into[id] = cmp.Or(into[id], &Hold{Kind: id.kind, Field: id.field, Message: id.message, Rule: id.rule, Hint: f.Hint})
		}
		into[id].Count++
	}
}

var lengths = pattern.MustOnce(`\b[0-9]+ (characters|values)\b`)

// reason gives the message of a fault without the length of the value that it was about: the same reason for all.
func reason(f mapping.Fault) string {
	if f.Kind != mapping.TooLong && f.Kind != mapping.BadValue {
		return f.Message
	}
	return lengths().ReplaceAllString(f.Message, "n $1")
}

func reasons(faults mapping.Faults) []string {
	var out []string
	for _, f := range faults {
		out = append(out, string(f.Kind)+" "+f.Field+" "+reason(f))
	}
	slices.Sort(out)
	return slices.Compact(out)
}

func (i *Impact) compare(before, after []mapping.Mapped) bool {
	touched := false
	for _, b := range before {
		a, ok := sameRecord(after, b)
		if !ok {
			touched = true
			i.object(b).Removed++
			continue
		}
		if i.record(b, a) {
			touched = true
			i.object(b).Changed++
		}
	}
	for _, a := range after {
		if _, ok := sameRecord(before, a); !ok {
			touched = true
			i.object(a).Added++
		}
	}
	return touched
}

func sameRecord(in []mapping.Mapped, m mapping.Mapped) (mapping.Mapped, bool) {
	at := slices.IndexFunc(in, func(o mapping.Mapped) bool { return o.Record.Object == m.Record.Object && o.Record.Key == m.Record.Key })
	if at < 0 {
		return mapping.Mapped{}, false
	}
	return in[at], true
}

func (i *Impact) object(m mapping.Mapped) *ObjectChange {
	o := i.objects[m.Record.Object]
	if o == nil {
		o = &ObjectChange{Object: m.Record.Object}
		i.objects[m.Record.Object] = o
	}
	return o
}

// record compares the fields of a record that both versions make.
func (i *Impact) record(before, after mapping.Mapped) bool {
	touched := false
	for n, b := range before.Record.Fields {
		at := slices.IndexFunc(after.Record.Fields, func(f sobject.Field) bool { return f.Name == b.Name })
		change := change{object: before.Record.Object, from: b, fromRule: before.Rules[n]}
		if at >= 0 {
			change.to, change.toRule = after.Record.Fields[at], after.Rules[at]
		}
		touched = i.field(change) || touched
	}
	for n, a := range after.Record.Fields {
		if !slices.ContainsFunc(before.Record.Fields, func(f sobject.Field) bool { return f.Name == a.Name }) {
			touched = i.field(change{object: after.Record.Object, to: a, toRule: after.Rules[n]}) || touched
		}
	}
	return touched
}

type change struct {
	object           string
	from, to         sobject.Field // the zero Field where a version does not write it
	fromRule, toRule mapping.Rule
}

// effect is what a version of the tables does with a field of a record that Salesforce has.
type effect uint8

const (
	left    effect = iota // not written: Salesforce keeps what it has
	emptied               // written without a value
	given                 // written with a value; with owner target or create-only when the record is new
)

func effectOf(f sobject.Field) effect {
	switch {
	case f.Name == "":
		return left
	case !f.Value.IsNull():
		return given
	case f.KeepIfAbsent || once(f):
		return left
	}
	return emptied
}

// once tells whether a field is written when the record is new, and then left to Salesforce.
func once(f sobject.Field) bool {
	return f.Owner == sobject.TargetSide || f.Owner == sobject.CreateOnly
}

// field compares one field. A rule that moved to another line and gives the same is no change, nor is one that comes or goes where
// nothing is written either way.
func (i *Impact) field(c change) bool {
	from, to := effectOf(c.from), effectOf(c.to)
	same := from == to && c.from.Value.Equal(c.to.Value)
	if same && (from == left || c.from.Owner == c.to.Owner && c.from.KeepIfAbsent == c.to.KeepIfAbsent) {
		return false
	}
	id := fieldID{c.object, mapping.FieldName(cmp.Or(c.from.Name, c.to.Name))}
	f := i.fields[id]
	if f == nil {
		f = &FieldChange{Object: id.object, Field: id.field, Before: []string{}, After: []string{}}
		i.fields[id] = f
	}
	f.Before, f.After = withRule(f.Before, c.fromRule), withRule(f.After, c.toRule)
	switch {
	case same:
		f.Policy++
	case to == left:
		f.Unwritten++
	case to == emptied && (from == left || once(c.from)):
		f.Emptied++
	case to == emptied:
		f.Cleared++
	case from == given:
		f.Changed++
	default:
		f.Filled++
	}
	if !same && (from == given || to == given) {
		i.value(f, ValueChange{Object: id.object, Field: id.field, From: i.show(i.shownBase, c.from, c.fromRule),
			To: i.show(i.shownNext, c.to, c.toRule)})
	}
	return true
}

func withRule(rules []string, r mapping.Rule) []string {
	by := r.FileLine()
	if r.File == "" || slices.Contains(rules, by) {
		return rules
	}
	return append(rules, by)
}

// value counts a distinct change. Beyond the bounds those of a field are counted together.
func (i *Impact) value(f *FieldChange, c ValueChange) {
	if _, ok := i.values[c]; !ok {
		token := strings.HasPrefix(c.From, tokenMark) || strings.HasPrefix(c.To, tokenMark)
		if token {
			f.tokens++
		}
		if token && f.tokens > maxTokens || len(i.values) >= maxDistinct {
			c.From, c.To = "(other values)", "(other values)"
		}
	}
	i.values[c]++
}

// tokenMark begins a token; no value of a value table does.
const tokenMark = "~"

// show gives a value that may be read by anybody: a value of the tables, a checkbox; of all else a token.
func (i *Impact) show(s *shown, f sobject.Field, rule mapping.Rule) string {
	v := f.Value
	switch {
	case effectOf(f) == left:
		return notWritten
	case effectOf(f) == emptied:
		return noValue
	case v.Kind() == sobject.Bool:
		return v.Reveal()
	case s.values[rule.FileLine()][v.Reveal()]:
		return v.Reveal()
	}
	h := hmac.New(sha256.New, i.key)
	fmt.Fprintf(h, "%d|%s|%s|%s", v.Kind(), v.To().Object, v.Reveal(), v.LookupKey())
	return tokenMark + hex.EncodeToString(h.Sum(nil))[:8]
}

// shown are the values that a version of the tables itself writes down, by file:line of the row that gives them.
type shown struct{ values map[string]map[string]bool }

func shownBy(s *mapping.Set) *shown {
	out := &shown{values: map[string]map[string]bool{}}
	for _, t := range s.Tables() {
		for _, w := range t.Rows {
			values := map[string]bool{w.Fallback.Reveal(): true}
			written(t, w.Source, w.Values, values)
			out.values[w.FileLine()] = values
		}
	}
	return out
}

// written adds the values that the tables write down for a row or a named value: those of its value table, else the texts among its
// paths, and what the named values and the earlier fields give that are paths by themselves.
func written(t *mapping.Table, from mapping.Source, values *mapping.ValueTable, out map[string]bool) {
	if values != nil {
		out[values.Other.Reveal()] = true
		for _, c := range values.Codes {
			out[c.To.Reveal()] = true
		}
		return
	}
	for _, p := range from.Paths {
		if text, ok := p.Expr.Literal(); ok {
			out[text] = true
		}
		for _, l := range t.Lets {
			if p.Text == "%"+l.Name && l.Line < p.Line {
				written(t, l.Source, l.Values, out)
			}
		}
		for _, w := range t.Rows {
			if (p.Text == "%fields."+w.Field || p.Text == "%body."+w.Field) && w.Line < p.Line {
				out[w.Fallback.Reveal()] = true
				written(t, w.Source, w.Values, out)
			}
		}
	}
}

// Report gives the sums so far.
func (i *Impact) Report() ImpactReport {
	out := i.sum
	out.Objects, out.Fields, out.Values = []ObjectChange{}, []FieldChange{}, []ValueChange{}
	for _, name := range slices.Sorted(maps.Keys(i.objects)) {
		out.Objects = append(out.Objects, *i.objects[name])
	}
	for _, f := range i.fields {
		out.Fields = append(out.Fields, *f)
	}
	slices.SortFunc(out.Fields, func(a, b FieldChange) int {
		return cmp.Or(strings.Compare(a.Object, b.Object), strings.Compare(a.Field, b.Field))
	})
	for v, n := range i.values {
		v.Count = n
		out.Values = append(out.Values, v)
	}
	slices.SortFunc(out.Values, func(a, b ValueChange) int {
		return cmp.Or(b.Count-a.Count, strings.Compare(a.Object, b.Object), strings.Compare(a.Field, b.Field),
			strings.Compare(a.From, b.From), strings.Compare(a.To, b.To))
	})
	out.Failing, out.Passing = holds(i.failing), holds(i.passing)
	return out
}

func holds(in map[holdID]*Hold) []Hold {
	out := []Hold{}
	for _, h := range in {
		out = append(out, *h)
	}
	slices.SortFunc(out, func(a, b Hold) int {
		return cmp.Or(b.Count-a.Count, strings.Compare(a.Rule, b.Rule), strings.Compare(a.Field, b.Field), strings.Compare(a.Message, b.Message))
	})
	return out
}
