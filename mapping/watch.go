package mapping

import (
	"iter"
	"slices"
	"strings"

	"refbridge/config/pattern"
	"refbridge/fhir"
	"refbridge/fhir/fhirpath"
)

// State is what a rule makes of a value that it reads.
type State string

// The states of a value, the worst first.
const (
	PassedOver State = "passed over" // a rule reads it that did not count here
	Dropped    State = "dropped"     // left out on purpose
	Looked     State = "looked at"   // a condition reads it, no field gets it
	Carried    State = "mapped"      // a field gets it
)

// Use is one rule that reads a value.
type Use struct {
	State  State  `json:"state"`
	Object string `json:"object"`
	Field  string `json:"field,omitempty"`
	Rule   string `json:"rule"`          // file:line
	Why    string `json:"why,omitempty"` // of what is dropped or passed over
}

// UnlistedCode is a code of a record that its value table does not list. It holds nothing about a person: what does not look like a
// code, or like a code system, is given by its length.
type UnlistedCode struct {
	Table    string `json:"table"`
	Rule     string `json:"rule"` // file:line of the value table
	System   string `json:"system,omitempty"`
	Code     string `json:"code"`
	Unlisted string `json:"unlisted"` // what the table does with it: hold, keep, none or a value
	Object   string `json:"object"`
	Field    string `json:"field"`
}

// Sink hears what a Watcher sees.
type Sink interface {
	// Reads tells of a rule that reads an element, and with it all that stands in it.
	Reads(n fhir.Node, by Use)
	// Lacks tells of a code that its value table does not list.
	Lacks(code UnlistedCode)
}

// Watcher follows the tables over one resource and tells what they read. It works with the Mapper itself, row by row, so that
// it sees the same values. It belongs to one goroutine.
//
//	what the path gave     -> mapped      (identifier.where(system = …).value gave value)
//	what it passed by      -> looked at   (system)
//	rows that do not count -> passed over (another row of the field has a value, or its when does not hold)
//	drop                   -> dropped     (all below what the path gives)
type Watcher struct {
	set     *Set
	sink    Sink
	m       *Mapper
	reached []fhir.Node // by the paths since the last look
	on      bool
	leads   map[*Path]bool   // whether a path follows references
	lets    map[*Path][]*Let // the named values that it uses
}

// NewWatcher gives a Watcher of the tables that tells a sink what it sees.
func NewWatcher(s *Set, sink Sink) *Watcher {
	w := &Watcher{set: s, sink: sink, m: s.Mapper(), leads: map[*Path]bool{}, lets: map[*Path][]*Let{}}
	depth := 2
	for _, t := range s.tables {
		depth = max(depth, len(t.Lets)+2)
	}
	for range depth { // each depth of named values has a Context of its own
		w.m.contexts = append(w.m.contexts, &fhirpath.Context{Variables: w.m.slot, Resolve: w.m.resolve, Seen: w.seen})
	}
	return w
}

// Watch tells what the tables read of one focus.
func (w *Watcher) Watch(in Input) {
	w.m.begin(in)
	for _, t := range w.set.tables {
		if t.Source == in.Focus.Type() {
			w.table(t)
		}
	}
	w.m.forget()
}

func (w *Watcher) seen(n fhir.Node) {
	if w.on {
		w.reached = append(w.reached, n)
	}
}

func (w *Watcher) table(t *Table) {
	w.m.table = t
	w.m.on(w.m.in.Focus.Root())
	use := Use{State: Looked, Object: t.Makes(), Rule: t.Place.FileLine()}
	if t.ForEach == nil {
		w.item(t, use)
		return
	}
	use.Rule = t.ForEach.FileLine()
	items := w.look(t.ForEach, use)
	for _, item := range items[:min(len(items), maxItems)] {
		if item.Node().Exists() {
			w.m.on(item.Node())
			w.item(t, use)
		}
	}
}

func (w *Watcher) item(t *Table, use Use) {
	if n := t.base + len(t.fields); n > len(w.m.cells) {
		w.m.cells = slices.Grow(w.m.cells[:0], n)[:n]
	}
	w.m.row = w.m.cells[t.base : t.base+len(t.fields)]
	clear(w.m.row)
	for _, d := range t.Drops {
		drop := Use{State: Dropped, Object: use.Object, Rule: d.FileLine(), Why: d.Purpose}
		for _, found := range w.eval(d.Path) {
			w.drop(found.Node(), drop)
		}
	}
	why := ""
	if t.When != nil && !w.holds(t.When, use) {
		why = "no " + use.Object + " is made, as this does not hold: " + t.When.Text
	}
	key := Use{State: Carried, Object: use.Object, Field: t.Key.Field, Rule: t.Key.FileLine()}
	if why == "" {
		w.value(&t.Key.Source, nil, key)
	}
	for i := range t.Lets {
		if l := &t.Lets[i]; l.Values != nil && why == "" {
			w.fresh()
			w.unlisted(&l.Source, l.Values, Use{Object: use.Object, Field: "%" + l.Name})
		}
	}
	for _, r := range t.Rows {
		u := Use{State: Carried, Object: use.Object, Field: r.Field, Rule: r.FileLine()}
		if why != "" {
			u.Field, u.Rule = "", t.When.FileLine()
		}
		w.row(r, u, why)
	}
}

// drop marks what a table leaves out, and with a reference what it points to.
func (w *Watcher) drop(n fhir.Node, use Use) {
	w.sink.Reads(n, use)
	for reference, from := range references(n) {
		if to := w.target(reference, from); !to.Same(w.m.in.Focus.Root()) {
			w.sink.Reads(to, use)
		}
	}
}

// target gives the resource that a reference points to, Missing where it did not come along.
func (w *Watcher) target(reference string, from fhir.Node) fhir.Node {
	to, _ := w.m.resolve(reference, from)
	return to
}

// references walks the references below a node, each with the element that it stands in.
func references(n fhir.Node) iter.Seq2[string, fhir.Node] {
	return func(yield func(string, fhir.Node) bool) {
		if to := n.Get("reference"); to.Kind() == fhir.String && !yield(to.Text(), n) {
			return
		}
		for m := n.First(); m.Exists(); m = m.Next() {
			for to, from := range references(m) {
				if !yield(to, from) {
					return
				}
			}
		}
	}
}

// row marks what one row reads. why says why nothing comes of it; a row may have a reason of its own.
func (w *Watcher) row(r *Row, use Use, why string) {
	c := &w.m.row[r.slot]
	if why == "" && c.row != nil {
		why = r.Field + " has its value from " + c.row.FileLine()
	}
	if why == "" && r.When != nil {
		looked := use
		if looked.State = Looked; !w.holds(r.When, looked) {
			why = "the row counts only where this holds: " + r.When.Text
		}
	}
	if why != "" {
		use.State, use.Why = PassedOver, why
		w.value(&r.Source, r.Values, use)
		return
	}
	w.value(&r.Source, r.Values, use)
	w.fresh()
	w.m.field(c, r)
	if r.Values != nil {
		w.fresh()
		w.unlisted(&r.Source, r.Values, use)
	}
}

// fresh forgets named values, so that each row is seen to read those that it uses.
func (w *Watcher) fresh() {
	clear(w.m.lets)
	w.m.faults = w.m.faults[:0]
}

// eval works a path out and notes what it reaches.
func (w *Watcher) eval(p *Path) fhirpath.Collection {
	w.fresh()
	w.reached, w.on = w.reached[:0], true
	out := present(w.m.eval(p, ""))
	w.on = false
	return out
}

// look is eval of a condition, or of a forEach: what is reached is looked at.
func (w *Watcher) look(p *Path, use Use) fhirpath.Collection {
	out := w.eval(p)
	w.passed(p, use)
	return out
}

func (w *Watcher) holds(p *Path, use Use) bool {
	w.look(p, use)
	w.fresh()
	return w.m.holds(p)
}

// value marks what a row or a key takes its value from: the first of its paths that gives something. The others are
// passed over.
func (w *Watcher) value(s *Source, values *ValueTable, use Use) {
	found := false
	for _, p := range s.Paths {
		items := w.eval(p)
		with := use
		if found && with.State == Carried {
			with.State, with.Why = PassedOver, use.Field+" has its value from an earlier path of the row"
		}
		looked := with
		if looked.State == Carried {
			looked.State = Looked
		}
		w.passed(p, looked)
		found = found || len(items) > 0
		w.result(p, items, s.Transforms, values != nil, with)
		w.names(items, s.Transforms, looked)
	}
}

// names marks by what the transforms humanName, contact and current choose.
func (w *Watcher) names(items fhirpath.Collection, transforms []Transform, use Use) {
	if !slices.ContainsFunc(transforms, func(t Transform) bool { return slices.Contains([]string{"humanName", "contact", "current"}, t.Name) }) {
		return
	}
	for _, item := range items {
		for _, by := range []string{"use", "period", "rank"} {
			w.sink.Reads(item.Node().Get(by), use)
		}
	}
}

// passed marks the values that a path reached on its way. A reference that was followed is not only looked at: it led to what
// the path gave; and so did the id that it was found by.
func (w *Watcher) passed(p *Path, use Use) {
	followed := use
	if use.State == Looked {
		followed.State = Carried
	}
	follows := w.follows(p)
	for _, n := range w.reached {
		switch {
		case n.Kind() == fhir.Array || n.Kind() == fhir.Null:
		case n.Kind() != fhir.Object:
			w.sink.Reads(n, use)
		case follows && n.Get("resourceType").Exists():
			w.sink.Reads(n.Get("id"), followed)
		case follows && n.Get("reference").Exists():
			w.sink.Reads(n.Get("reference"), followed)
			w.sink.Reads(n.Get("type"), followed)
		}
	}
}

// follows tells whether a path follows references, by itself or by the named values that it uses.
func (w *Watcher) follows(p *Path) bool {
	out, known := w.leads[p]
	if known {
		return out
	}
	out = strings.Contains(p.Text, "resolve()")
	for _, l := range w.named(p) {
		out = out || slices.ContainsFunc(l.Paths, w.follows)
	}
	w.leads[p] = out
	return out
}

// result marks what the value is made of. Of a computed value (system & '|' & value) that is all that the path reached, and
// what its named values are made of.
func (w *Watcher) result(p *Path, items fhirpath.Collection, transforms []Transform, coded bool, use Use) {
	computed := false
	for _, item := range items {
		computed = computed || !item.Node().Exists()
	}
	if !computed {
		for _, n := range w.read(items, transforms, coded) {
			w.sink.Reads(n, use)
		}
		return
	}
	for _, n := range w.reached {
		if n.Kind() != fhir.Object && n.Kind() != fhir.Array {
			w.sink.Reads(n, use)
		}
	}
	for _, l := range w.named(p) {
		w.value(&l.Source, l.Values, use)
	}
}

var variableName = pattern.MustOnce(`%([A-Za-z][A-Za-z0-9]*)`)

// named gives the named values that a path uses. They stand above it, so that none uses itself.
func (w *Watcher) named(p *Path) []*Let {
	out, known := w.lets[p]
	if known {
		return out
	}
	for _, m := range variableName().FindAllStringSubmatch(p.Text, -1) {
		for i := range w.m.table.Lets {
			if l := &w.m.table.Lets[i]; l.Name == m[1] && !slices.Contains(out, l) {
				out = append(out, l)
			}
		}
	}
	w.lets[p] = out
	return out
}

// read gives the values that transforms and value tables take out of what a path gave.
func (w *Watcher) read(items fhirpath.Collection, transforms []Transform, coded bool) []fhir.Node {
	takes := ""
	for _, t := range transforms {
		switch t.Name {
		case "codingKey", "conceptKey", "referenceId", "humanName", "text", "contact":
			takes = t.Text
		}
	}
	if takes == "" && coded {
		takes = "codingKey"
	}
	var out []fhir.Node
	for _, item := range items {
		n := item.Node()
		switch {
		case n.Kind() != fhir.Object:
			out = append(out, n)
		case strings.HasPrefix(takes, "humanName"):
			if name, _ := w.m.currentName(items); n.Same(name) {
				out = append(out, partsOfName(n, takes)...)
			}
		case takes == "contact":
			out = append(out, n.Get("value"))
		case takes == "text":
			out = append(out, readableParts(n)...)
		case strings.HasPrefix(takes, "referenceId"):
			out = append(out, n.Get("reference"), n.Get("type"))
		case takes != "":
			out = append(out, partsOfCode(n)...)
		}
	}
	return out
}

// partsOfCode gives the codes of a Coding or a CodeableConcept.
func partsOfCode(n fhir.Node) []fhir.Node {
	var out []fhir.Node
	for c := range n.Get("coding").Items() {
		out = append(out, c.Get("code"))
	}
	return append(out, n.Get("code"))
}

// readableParts gives what the transform text reads.
func readableParts(n fhir.Node) []fhir.Node {
	for _, name := range []string{"text", "display"} {
		if n.Get(name).Text() != "" {
			return []fhir.Node{n.Get(name)}
		}
	}
	for c := range n.Get("coding").Items() {
		if c.Get("display").Text() != "" {
			return partsOfCode(c)
		}
	}
	if n.Get("value").Exists() {
		return []fhir.Node{n.Get("value"), n.Get("unit"), n.Get("system"), n.Get("code")}
	}
	return partsOfCode(n)
}

func partsOfName(n fhir.Node, takes string) []fhir.Node {
	given := n.Get("given")
	switch part := strings.TrimSuffix(strings.TrimPrefix(takes, "humanName("), ")"); part {
	case "given":
		return []fhir.Node{given.At(0)}
	case "middle":
		var out []fhir.Node
		for g := range given.Items() {
			if !g.Same(given.At(0)) {
				out = append(out, g)
			}
		}
		return out
	case "prefix":
		return []fhir.Node{n.Get("prefix").At(0)}
	case "full":
		if n.Get("text").Text() != "" {
			return []fhir.Node{n.Get("text")}
		}
		return []fhir.Node{n.Get("prefix"), given, n.Get("family"), n.Get("suffix")}
	default:
		return []fhir.Node{n.Get(part)}
	}
}

// unlisted counts the codes of a row, or of a named value, that its value table does not list.
func (w *Watcher) unlisted(s *Source, table *ValueTable, use Use) {
	items, _ := w.m.collect(s, table.Place, use.Field)
	codings := appendCodings(nil, items)
	for _, c := range codings {
		if _, ok := table.Find(c); ok {
			return
		}
	}
	if table.Unlisted != UnlistedHold && w.elsewhere(codings) {
		return // the table leaves it out on purpose, and it is no news
	}
	safe := len(items) > 0 && (items[0].Node().Kind() == fhir.Object || items[0].Type() == "FHIR.code")
	for _, c := range codings {
		code := UnlistedCode{Table: table.Name, Rule: table.FileLine(), Unlisted: table.Unlisted, Object: use.Object, Field: use.Field}
		if code.Unlisted == "" {
			code.Unlisted = table.Other.Reveal()
		}
		if code.Code = "[a text, not shown]"; safe {
			code.Code = strings.Clone(ShowCode(c.Code))
		}
		if c.System != "" {
			code.System = strings.Clone(ShowSystem(c.System))
		}
		w.sink.Lacks(code)
	}
}

// elsewhere tells whether another value table lists a code of the same system.
func (w *Watcher) elsewhere(codings []Coding) bool {
	for _, v := range w.set.values {
		for _, c := range codings {
			if row, ok := v.Find(c); ok && c.System != "" && row.System == c.System {
				return true
			}
		}
	}
	return false
}
