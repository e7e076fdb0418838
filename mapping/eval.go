package mapping

import (
	"fmt"
	"slices"

	"refbridge/fhir"
	"refbridge/fhir/fhirpath"
	"refbridge/sfdc/sobject"
)

// found is what a source gave: nothing, one item, or several.
type found struct {
	n      int
	node   fhir.Node           // the only one, where it is an element; else
	item   fhirpath.Item       // the first
	text   string              // of the only one, where it is a primitive
	isText bool                // it is a text, computed or of an element
	items  fhirpath.Collection // all of them, where there are several
	from   *Path               // that gave it; the first where none gave anything
	origin fhir.Node           // the element that it began with
}

// one gives the only item.
func (f *found) one() fhirpath.Item {
	switch {
	case f.node.Exists():
		return fhirpath.NodeItem(f.node)
	case f.isText:
		return fhirpath.StringItem(f.text)
	}
	return f.item
}

// all gives the items as a collection.
func (f *found) all(m *Mapper) fhirpath.Collection {
	switch f.n {
	case 0:
		return nil
	case 1:
		return m.keep(f.one())
	}
	return f.items
}

func (f *found) set(items fhirpath.Collection) {
	f.n, f.items, f.node = len(items), items, fhir.Node{}
	if f.n > 0 {
		f.item, f.node, f.text, f.isText = items[0], items[0].Node(), items[0].Text(), items[0].IsText()
	}
}

// gather finds what the first path that has a value gives, through the transforms.
func (m *Mapper) gather(f *found, s *Source, at *Place, field string) {
	for _, p := range s.Paths {
		m.first(f, p, field)
		if f.from == nil || f.n > 0 {
			f.from = p
		}
		if f.n > 0 {
			break
		}
	}
	if f.n == 0 {
		return
	}
	f.origin = f.node
	for i := range s.Transforms {
		trouble := m.transform(f, &s.Transforms[i])
		if trouble != nil {
			m.add(*at, f.from, field, trouble)
			f.n = 0
		}
		if f.n == 0 {
			return
		}
	}
}

// transform does one transform.
func (m *Mapper) transform(f *found, t *Transform) *trouble {
	if t.single == nil || f.n > 1 {
		items := f.all(m)
		for i := range items {
			m.steps += 1 + weight(items[i].Node(), items[i].Text())
		}
		if slices.ContainsFunc(items, func(i fhirpath.Item) bool { return !t.fits(i) }) {
			return t.unfit()
		}
		if i := slices.IndexFunc(items, func(i fhirpath.Item) bool { return t.times && noInstant(i) != nil }); i >= 0 {
			return noInstant(items[i])
		}
		out, trouble := t.apply(m, items)
		f.set(out)
		return trouble
	}
	m.steps += len(f.text) / 64
	if f.node.Kind() == fhir.Object && !t.fits(f.one()) {
		return t.unfit()
	}
	if t.times && f.node.Exists() && !f.from.dated {
		if trouble := noInstant(fhirpath.NodeItem(f.node)); trouble != nil {
			return trouble
		}
	}
	text, trouble := t.single(m, f.text)
	if f.node, f.text, f.isText = (fhir.Node{}), text, true; text == "" {
		f.n = 0
	}
	return trouble
}

// weight gives the steps that it counts for to read an element, or a computed text, as a whole.
func weight(n fhir.Node, text string) int {
	if n.Kind() >= fhir.Array {
		return len(n.Raw()) / 16
	}
	return len(text) / 64
}

// first finds what a path gives, without what is blank.
func (m *Mapper) first(f *found, p *Path, field string) {
	if p.slot >= 0 {
		f.node, f.items = m.slot(p.slot)
		if f.node.Exists() {
			f.n, f.text, f.isText = 1, f.node.Text(), f.node.Kind() == fhir.String
		} else {
			f.set(f.items)
		}
	} else if !m.find(f, p, field) {
		return
	}
	switch {
	case f.n == 1:
		if blankText(f.text) && (f.isText || f.one().Primitive()) {
			f.n = 0
		}
	case f.n > 1:
		if p.slot < 0 {
			f.items = m.eval(p, field)
		}
		f.set(present(f.items))
	}
}

// find evaluates a path as far as its first item; it is false where that fails.
func (m *Mapper) find(f *found, p *Path, field string) bool {
	m.depth++
	c := m.context()
	var err error
	f.n = -1
	if p.walks {
		f.node, f.n, err = p.Expr.Node(c, m.item)
		f.text, f.isText = f.node.Text(), f.node.Kind() == fhir.String
	}
	if f.n < 0 {
		f.n, err = p.Expr.One(c, m.item, &f.item)
		f.node, f.text, f.isText = f.item.Node(), f.item.Text(), f.item.IsText()
	}
	m.depth--
	if err != nil {
		m.add(p.Place, p, field, notWorkedOut(err))
		f.n = 0
	}
	return err == nil
}

// collect gives what the first path that has a value gave, through the transforms, and that path. Where none has a value
// it gives the first path.
func (m *Mapper) collect(s *Source, at Place, field string) (fhirpath.Collection, *Path) {
	var f found
	m.gather(&f, s, &at, field)
	m.origin = f.origin
	return f.all(m), f.from
}

// context gives the Context of the depth that the evaluation has reached.
func (m *Mapper) context() *fhirpath.Context {
	if m.depth > len(m.contexts) {
		m.newContext()
	}
	return m.contexts[m.depth-1]
}

func (m *Mapper) newContext() {
	m.contexts = append(m.contexts, &fhirpath.Context{Resource: m.in.Focus.Root(), Variables: m.slot, Resolve: m.resolve, Now: m.in.Now})
}

// eval gives what a path finds in the current item.
func (m *Mapper) eval(p *Path, field string) fhirpath.Collection {
	m.depth++
	out, err := p.Expr.Eval(m.context(), m.item)
	m.depth--
	if err != nil {
		m.add(p.Place, p, field, notWorkedOut(err))
		return nil
	}
	return out
}

// holds tells whether a condition is true. As in FHIRPath, nothing is false and values that are no boolean are true.
func (m *Mapper) holds(p *Path) bool {
	m.depth++
	m.lost = lost{}
	yes, err := p.Expr.Holds(m.context(), m.item)
	m.depth--
	m.ambiguous(p.Place, p, "")
	if err != nil {
		m.add(p.Place, p, "", notWorkedOut(err))
	}
	return yes
}

// The places of variables in a table: those that the caller of Map sets, the named values, and what the rows gave.
const (
	sourceSlot = iota
	runSlot
	patientModeSlot
	systemSlot
	builtInSlots
)

// slot gives the variable at a place. One that the caller left out is empty. A named value is worked out when it is first
// used, so that one that `when` rules out cannot fail.
func (m *Mapper) slot(i int) (fhir.Node, fhirpath.Collection) {
	switch i {
	case sourceSlot:
		return fhir.Node{}, m.one(m.in.Variables["source"])
	case runSlot:
		return fhir.Node{}, m.one(m.in.Variables["run"])
	case patientModeSlot:
		return fhir.Node{}, m.one(m.in.Variables["patientMode"])
	case systemSlot:
		return fhir.Node{}, m.one(m.in.Variables["system"])
	}
	i -= builtInSlots
	if i >= len(m.table.Lets) {
		return fhir.Node{}, m.row[i-len(m.table.Lets)].as(m)
	}
	v := &m.lets[i]
	if !v.done {
		v.done = true
		var outer lost
		if m.lost.any() { // seldom: a copy costs more than the look
			outer, m.lost = m.lost, lost{}
		}
		v.node, v.items = m.let(&m.table.Lets[i])
		if m.lost.any() || outer.any() {
			v.lost, m.lost = m.lost, outer
		}
	}
	if v.lost.any() {
		m.lose(v.lost)
	}
	return v.node, v.items
}

func (m *Mapper) let(l *Let) (fhir.Node, fhirpath.Collection) {
	var f found
	if m.exhausted(&l.Place) {
		return fhir.Node{}, nil
	}
	m.depth++
	c := m.context()
	m.depth--
	before := c.Steps()
	defer m.locate(len(m.faults), &f.origin)
	m.gather(&f, &l.Source, &l.Place, "")
	m.ambiguous(l.Place, f.from, "")
	m.steps += c.Steps() - before
	if l.Values == nil && f.n == 1 && f.node.Exists() {
		return f.node, nil
	}
	if l.Values == nil {
		return fhir.Node{}, f.all(m)
	}
	switch to := m.listed(l.Values, &f, l.Place, ""); to.kind {
	case sobject.Null:
		return fhir.Node{}, nil
	case sobject.Bool:
		return fhir.Node{}, m.keep(fhirpath.BooleanItem(to.yes))
	default:
		return fhir.Node{}, m.one(to.text)
	}
}

// locate notes in the faults since before where in the resource they are: at the element that the value began with, or else at that
// of forEach.
func (m *Mapper) locate(before int, origin *fhir.Node) {
	at := *origin
	if !at.Exists() && !m.item.Same(m.in.Focus.Root()) {
		at = m.item
	}
	for i := before; i < len(m.faults); i++ {
		if f := &m.faults[i]; f.Element == "" && at.Exists() {
			f.Element = sourcePath(at)
		}
	}
}

func notWorkedOut(err error) *trouble {
	return badValue("the path cannot be worked out for this resource: %v", err)
}

// exhausted reports whether the resource has taken all its steps, and notes it. Nothing that is found after that counts.
func (m *Mapper) exhausted(at *Place) bool {
	return m.over || m.steps+m.contexts[0].Steps() > m.limit && m.exhaust(at)
}

func (m *Mapper) exhaust(at *Place) bool {
	m.add(*at, nil, "", &trouble{BadValue, fmt.Sprintf("the tables need more than %d steps for this record", m.limit),
		"this rule is where they ran out: look for a path that goes through all elements for each element"})
	m.over = true
	return true
}

func (m *Mapper) add(at Place, from *Path, field string, t *trouble) {
	f := at.Fault(t.kind, t.message, t.hint)
	f.Field = field
	if from != nil {
		f.Source = from.Text
	}
	m.note(at, f)
}

// note adds a fault, until there are so many that the rest of the record is not looked at.
func (m *Mapper) note(at Place, f Fault) {
	if m.over {
		return
	}
	if m.faults = append(m.faults, f); len(m.faults) == maxFaults {
		m.faults = append(m.faults, at.Fault(f.Kind, fmt.Sprintf("these are %d faults, and the rest of the record was skipped", maxFaults),
			"put them right first"))
		m.over = true
	}
}
