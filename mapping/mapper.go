package mapping

import (
	"slices"

	"refbridge/fhir"
	"refbridge/fhir/fhirpath"
	"refbridge/sfdc/sobject"
)

// Mapper does the work of Map, one resource after another, in memory that it keeps: a stream of resources costs hardly an
// allocation once it is warm. It belongs to one goroutine. Set.Map has a pool of them.
type Mapper struct {
	set    *Set
	in     Input
	out    Output
	faults Faults
	seen   map[string]int // object and key of the records that there are, and where they stand

	table *Table
	item  fhir.Node
	lets  []letValue // of the current item, as table.lets
	cells []cell     // of all tables of a body, or of one table of records
	row   []cell     // those of the current table

	// A path may use a named value that is worked out on the spot, by a path of its own: each depth has a Context.
	contexts []*fhirpath.Context
	depth    int
	origin   fhir.Node // the element that the last collect began with
	texts    []byte    // computed texts of this resource
	items    []fhirpath.Item
	nodes    []fhir.Node // of a forEach
	codings  []Coding

	lost     lost            // the gravest of the references that led nowhere, since the row began
	lostAt   []fhir.Node     // the elements that refer, of those that are a fault
	followed []resolution    // references of this resource
	reached  []fhir.Resource // resources that references led to

	steps int  // that this resource has taken, beside those of the first Context
	limit int  // that it may take
	over  bool // they are too many

	lists     []listWork // as bodyPlan.lists
	joined    []byte
	takesPart []string // resource types of the participants of an appointment
	tracing   bool
	values    []BodyValue
}

type letValue struct {
	done  bool
	lost  lost      // the gravest of the references that led nowhere
	node  fhir.Node // the value, where it is a single element; else
	items fhirpath.Collection
}

// maxRecordSteps bounds what all paths, transforms and rows together do for one resource. A referral takes some thousands of
// steps; one whose forEach gives as many elements as it may (maxItems) still has a thousand for each. Spending them all takes
// about a second. Where an object has many members it may take fewer, as each look-up takes longer.
const maxRecordSteps = 10_000_000

// maxFaults bounds what is said about one record.
const maxFaults = 1000

// Mapper gives a Mapper of the tables.
func (s *Set) Mapper() *Mapper { return &Mapper{set: s, seen: map[string]int{}} }

// Map is Set.Map. What it gives owns its memory.
func (m *Mapper) Map(in Input) (Output, error) {
	m.begin(in)
	if len(m.set.faults) > 0 {
		return Output{}, m.set.faults
	}
	m.out, m.tracing = Output{}, true
	known := m.records()
	for _, p := range m.set.bodies {
		if p.reads(in.Focus) {
			known = true
			m.whole(p)
		}
	}
	m.modifiers()
	m.twoServers()
	if !known {
		m.faults = append(m.faults, m.set.NoTable(in.Focus))
	}
	if err := m.faults.Err(); err != nil {
		return Output{}, err
	}
	return m.out, nil
}

// begin forgets the last resource.
func (m *Mapper) begin(in Input) {
	m.in = in
	m.faults, m.texts, m.items, m.depth = m.faults[:0], m.texts[:0], m.items[:0], 0
	m.lost, m.lostAt, m.followed, m.reached = lost{}, clearAll(m.lostAt), clearAll(m.followed), clearAll(m.reached)
	m.steps, m.over, m.limit = 0, false, maxRecordSteps/(1+in.Focus.Root().Widest()/16)
	if len(m.contexts) == 0 {
		m.newContext()
	}
	for _, c := range m.contexts {
		c.Reset()
		c.Resource, c.Now = in.Focus.Root(), in.Now
	}
}

// clearAll empties a list and lets go of what was in it.
func clearAll[T any](list []T) []T {
	clear(list)
	return list[:0]
}

// forget lets go of what a resource left behind.
func (m *Mapper) forget() {
	m.begin(Input{})
	m.out, m.values, m.item = Output{}, nil, fhir.Node{}
	clear(m.seen)
}

// records makes the records; it is false where no table reads the focus.
func (m *Mapper) records() bool {
	known, nameless := false, m.in.Variables["source"] == ""
	for _, t := range m.set.tables {
		known = known || t.Body == "" && t.Source == m.in.Focus.Type()
	}
	if nameless && (known || len(m.set.bodies) == 0) {
		m.faults = append(m.faults, Fault{Kind: RequiredMissing, Message: "the variable source is not set",
			Hint: "every key starts with the name of the source"})
		return true
	}
	for _, t := range m.set.tables {
		if t.Body == "" && t.Source == m.in.Focus.Type() {
			m.run(t, m.record)
		}
	}
	clear(m.seen)
	m.privateKeys()
	return known
}

// run makes what a table makes of each of its items; make is false when it has had enough.
func (m *Mapper) run(t *Table, make func(*Table) bool) {
	if m.over {
		return
	}
	m.table = t
	m.on(m.in.Focus.Root())
	if t.ForEach == nil {
		make(t)
		return
	}
	m.depth++
	m.lost = lost{}
	nodes, ok, err := t.ForEach.Expr.Elements(m.nodes[:0], m.context(), m.item)
	m.depth--
	m.nodes = nodes
	switch {
	case m.ambiguous(t.ForEach.Place, t.ForEach, ""):
		return
	case err != nil:
		m.add(t.ForEach.Place, t.ForEach, "", notWorkedOut(err))
		return
	case !ok:
		m.add(t.ForEach.Place, t.ForEach, "", badValue("forEach must give elements of the resource, not computed values"))
		return
	case len(nodes) > maxItems:
		m.add(t.ForEach.Place, t.ForEach, "", badValue("forEach gives %d elements, at most %d are mapped", len(nodes), maxItems))
		return
	}
	for _, item := range nodes {
		m.on(item)
		if !make(t) || m.exhausted(&t.ForEach.Place) {
			return
		}
	}
}

// on makes an element the current item.
func (m *Mapper) on(item fhir.Node) {
	m.item = item
	n := len(m.table.Lets)
	m.lets = slices.Grow(m.lets[:0], n)[:n]
	clear(m.lets)
}

// record makes the record of the current item.
func (m *Mapper) record(t *Table) bool {
	before := len(m.faults)
	if t.When != nil && !m.holds(t.When) {
		return true
	}
	key, rule, ok := m.key(t)
	m.locate(before, &rule.at)
	m.fill(t)
	m.keepTexts()
	if len(m.faults) > before || !ok {
		return true
	}
	out := m.made(t, key, rule)
	if at, again := m.seen[t.Object+"\x00"+key]; again {
		if f, differ := m.out.Records[at].again(&out); differ {
			m.note(t.Key.Place, f)
			m.locate(before, &rule.at)
		}
		return true
	}
	m.seen[t.Object+"\x00"+key] = len(m.out.Records)
	m.out.Records = append(m.out.Records, out)
	return true
}

// made makes a record of the cells of the current item.
func (m *Mapper) made(t *Table, key string, rule Rule) Mapped {
	out := Mapped{Record: sobject.Record{Object: t.Object, Key: sobject.Key{Field: t.Key.Field}}, Key: rule, table: t}
	out.Record.Fields, out.Rules = make([]sobject.Field, 0, len(m.row)), make([]Rule, 0, len(m.row))
	own := newOwner(key, m.row)
	out.Record.Key.Value = own.text(key)
	for i := range m.row {
		c := &m.row[i]
		if c.row == nil {
			continue
		}
		out.Record.Fields = append(out.Record.Fields,
			sobject.Field{Name: c.row.Field, Value: c.value(own.text(c.text)), Owner: c.row.Owner, KeepIfAbsent: c.row.KeepIfAbsent})
		out.Rules = append(out.Rules, c.rule())
	}
	return out
}

// fill works out the rows of a table for the current item; of several rows for one field the first counts whose `when` holds.
func (m *Mapper) fill(t *Table) {
	if n := t.base + len(t.fields); n > len(m.cells) {
		m.cells = slices.Grow(m.cells[:0], n)[:n]
	}
	m.row = m.cells[t.base : t.base+len(t.fields)]
	clear(m.row)
	for _, w := range t.Rows {
		c := &m.row[w.slot]
		if c.row != nil || w.When != nil && !m.holds(w.When) {
			continue
		}
		before := len(m.faults)
		if m.field(c, w); len(m.faults) > before {
			m.locate(before, &c.source)
		}
		if m.steps += 1 + len(c.text)/16; m.exhausted(&w.Place) {
			return
		}
	}
}

func (m *Mapper) key(t *Table) (string, Rule, bool) {
	m.lost = lost{}
	items, from := m.collect(&t.Key.Source, t.Key.Place, t.Key.Field)
	rule := Rule{Place: t.Key.Place, at: m.origin}
	if from != nil {
		rule.From = from.Text
	}
	switch {
	case m.ambiguous(t.Key.Place, from, t.Key.Field):
	case len(items) == 0 && m.lost.err != nil:
		m.addLost(t.Key.Place, from, t.Key.Field)
	case len(items) == 0:
		m.add(t.Key.Place, from, t.Key.Field, &trouble{RequiredMissing, "the source has nothing to make a key of",
			"each part of the path must give something, such as the id of the resource"})
	case len(items) > 1 || len(items[0].Text()) > maxKey || !isKey(items[0].Text()):
		m.add(t.Key.Place, from, t.Key.Field, &trouble{BadValue, "the key must be one text of at most 255 letters, digits, '_' or '-', " +
			"with a '.' between its parts and none of them empty", "join the parts with +: with & an absent one leaves a gap"})
	default:
		return items[0].Text(), rule, true
	}
	return "", rule, false
}

// owner holds the texts of a record in one piece of memory, apart from the resource and the Mapper.
type owner struct{ texts []byte }

func newOwner(key string, row []cell) *owner {
	n := len(key)
	for i := range row {
		n += len(row[i].text)
	}
	return &owner{make([]byte, 0, n)}
}

func (o *owner) text(s string) string {
	from := len(o.texts)
	o.texts = append(o.texts, s...)
	return viewed(o.texts[from:])
}
