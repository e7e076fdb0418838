package mapping

import (
	"fmt"
	"regexp"
	"slices"
	"strings"
	"time"

	"refbridge/fhir"
	"refbridge/fhir/fhirpath"
	"refbridge/sfdc/sobject"
)

// Input is what one Map reads.
type Input struct {
	Focus   fhir.Resource
	Related []fhir.Resource // found by reference only: by Type/id, whatever stands before it
	// Variables are the %names that the caller sets: source (needed: the first part of every key), run, patientMode,
	// system.
	Variables map[string]string
	Now       time.Time // what now() and today() give
}

// Output is what one focus became.
type Output struct {
	Records []Mapped // parents before children, each object and key once
}

// Mapped is a record with the rule behind each value.
type Mapped struct {
	Record sobject.Record
	Rules  []Rule // parallel to Record.Fields
	Key    Rule
}

// Rule is the row of a table that gave a value.
type Rule struct {
	File string
	Line int
	From string // FHIRPath text; empty where the row's default stood in
}

// keyShape is what a key may hold: it travels in URL paths.
var keyShape = regexp.MustCompile(`^[A-Za-z0-9._\-]{1,255}$`)

// Map makes the records of one focus. The error is Faults, all at once; there is no output then, so that a record is
// never written without its neighbours by accident. Nothing of it is about a person.
func (s *Set) Map(in Input) (Output, error) {
	m := &mapper{set: s, in: in, seen: map[string]bool{}}
	if in.Variables["source"] == "" {
		m.faults = append(m.faults, Fault{Kind: RequiredMissing, Message: "the variable source is not set",
			Hint: "every key starts with the name of the source"})
		return Output{}, m.faults.err()
	}
	known := false
	for _, t := range s.tables {
		if t.source == in.Focus.Type() {
			known = true
			m.run(t)
		}
	}
	if !known {
		m.faults = append(m.faults, s.noTable(in.Focus))
	}
	m.privateKeys()
	if err := m.faults.err(); err != nil {
		return Output{}, err
	}
	return m.out, nil
}

func (s *Set) noTable(focus fhir.Resource) Fault {
	var sources []string
	for _, t := range s.tables {
		sources = append(sources, t.source)
	}
	slices.Sort(sources)
	message := "no table reads this resource"
	if !focus.Exists() {
		message = "there is no resource to map"
	}
	return Fault{Kind: TableFault, Message: message,
		Hint: "the tables read " + strings.Join(slices.Compact(sources), ", ")}
}

// mapper is one run of Map.
type mapper struct {
	set    *Set
	in     Input
	out    Output
	faults Faults
	seen   map[string]bool // object and key

	table *table
	item  fhir.Node
	lets  []letValue // of the current item, as table.lets

	// A path may use a named value that is worked out on the spot, by a path of its own: each depth has a Context.
	contexts []*fhirpath.Context
	depth    int
}

type letValue struct {
	done  bool
	items fhirpath.Collection
}

func (m *mapper) run(t *table) {
	m.table = t
	m.on(m.in.Focus.Root())
	if t.forEach == nil {
		m.record(t)
		return
	}
	for _, item := range m.eval(t.forEach, "") {
		if !item.Node().Exists() {
			m.add(t.forEach.place, t.forEach, "", badValue("forEach must give elements of the resource, not computed values"))
			return
		}
		m.on(item.Node())
		m.record(t)
	}
}

// on makes an element the current item.
func (m *mapper) on(item fhir.Node) {
	m.item = item
	m.lets = append(m.lets[:0], make([]letValue, len(m.table.lets))...)
}

// record makes the record of the current item.
func (m *mapper) record(t *table) {
	before := len(m.faults)
	if t.when != nil && !m.holds(t.when) {
		return
	}
	out := Mapped{Record: sobject.Record{Object: t.object}}
	key, rule, ok := m.key(t)
	if ok && m.seen[t.object+"\x00"+key] {
		return
	}
	out.Record.Key, out.Key = sobject.Key{Field: t.key.field, Value: key}, rule
	for i := 0; i < len(t.rows); i++ {
		w := t.rows[i]
		if slices.ContainsFunc(out.Record.Fields, func(f sobject.Field) bool { return f.Name == w.field }) ||
			w.when != nil && !m.holds(w.when) {
			continue
		}
		value, rule := m.field(w)
		out.Record.Fields = append(out.Record.Fields,
			sobject.Field{Name: w.field, Value: value, Owner: w.owner, KeepIfAbsent: w.keepIfAbsent})
		out.Rules = append(out.Rules, rule)
	}
	if len(m.faults) == before {
		m.seen[t.object+"\x00"+key] = true
		m.out.Records = append(m.out.Records, out)
	}
}

func (m *mapper) key(t *table) (string, Rule, bool) {
	items, from := m.collect(&t.key.source, t.key.place, t.key.field)
	rule := Rule{File: t.file, Line: t.key.line}
	if from != nil {
		rule.From = from.text
	}
	switch {
	case len(items) == 0:
		m.add(t.key.place, from, t.key.field, &trouble{RequiredMissing, "the source has nothing to make a key of", ""})
	case len(items) > 1 || !keyShape.MatchString(items[0].Text()):
		m.add(t.key.place, from, t.key.field, badValue("the key must be one text of at most 255 letters, digits, '.', '_' or '-'"))
	default:
		return strings.Clone(items[0].Text()), rule, true
	}
	return "", rule, false
}

// field gives the value of a row, Null where the source has none.
func (m *mapper) field(w *row) (sobject.Value, Rule) {
	rule := Rule{File: w.file, Line: w.line}
	before := len(m.faults)
	items, from := m.collect(&w.source, w.place, w.field)
	if from != nil {
		rule.From = from.text
	}
	value := m.value(w, items, from)
	if len(m.faults) > before {
		return sobject.Value{}, rule
	}
	if value.IsNull() && !w.fallback.IsNull() {
		value, rule.From = w.fallback, ""
	}
	if value.IsNull() && w.required {
		m.add(w.place, from, w.field, w.missing())
	}
	return value, rule
}

// missing is the trouble of a required field without a value.
func (w *row) missing() *trouble {
	if slices.ContainsFunc(w.transforms, func(t transform) bool { return t.name == "nhsNumber" }) {
		return &trouble{PatientIdentity, fhir.ErrNHSNumberMissing.Error(), "the source must name the patient by NHS number"}
	}
	return &trouble{RequiredMissing, "the source has no value, and the field must have one",
		"complete it at the source, or give the row a default"}
}

// value makes one value of what a row's path gave.
func (m *mapper) value(w *row, items fhirpath.Collection, from *path) sobject.Value {
	if w.values != nil {
		return m.translated(w, items, from)
	}
	if len(items) == 0 {
		return sobject.Value{}
	}
	if len(items) > 1 {
		m.add(w.place, from, w.field, &trouble{BadValue, fmt.Sprintf("the source gives %d values, the field takes one", len(items)),
			"choose one with .first(), or write them together with .join(', ')"})
		return sobject.Value{}
	}
	item := items[0]
	if structure(item) {
		m.add(w.place, from, w.field, &trouble{BadValue, "the source gives a structure, the field takes a text",
			"take a part of it, or write transform: text"})
		return sobject.Value{}
	}
	return m.scalar(w, item, from)
}

func (m *mapper) scalar(w *row, item fhirpath.Item, from *path) sobject.Value {
	text := item.Text()
	switch {
	case w.ref.Object != "":
		return sobject.RefValue(w.ref, strings.Clone(text))
	case w.lookup.Object != "":
		return sobject.LookupValue(w.lookup, strings.Clone(text))
	}
	if w.kind != sobject.Text {
		v, ok := typed(w.kind, text)
		if !ok {
			m.add(w.place, from, w.field, badValue("the value is not a date"))
		}
		return v
	}
	if yes, ok := item.Bool(); ok {
		return sobject.BoolValue(yes)
	}
	if number(item) {
		return sobject.NumberValue(strings.Clone(text))
	}
	return sobject.TextValue(strings.Clone(text))
}

// present gives the items that hold something. The collection may be shared: it stays as it is.
func present(items fhirpath.Collection) fhirpath.Collection {
	if !slices.ContainsFunc(items, blank) {
		return items
	}
	return slices.DeleteFunc(slices.Clone(items), blank)
}

// blank tells whether an item holds nothing: white space, or a primitive that has extensions alone.
func blank(i fhirpath.Item) bool { return !structure(i) && strings.TrimSpace(i.Text()) == "" }

// structure tells whether an item is more than one value. A primitive without a value stands for its extensions, which
// are an object too; its type, as all primitive types, has a small first letter.
func structure(i fhirpath.Item) bool {
	if k := i.Node().Kind(); k != fhir.Object && k != fhir.Array {
		return false
	}
	name := strings.TrimPrefix(i.Type(), "FHIR.")
	return name == "" || name[0] < 'a' || name[0] > 'z'
}

func number(i fhirpath.Item) bool {
	if i.Node().Exists() {
		return i.Node().Kind() == fhir.Number
	}
	switch i.Type() {
	case "System.Integer", "System.Decimal", "System.Long":
		return true
	}
	return false
}

// translated looks the codes of a row up in its value table.
func (m *mapper) translated(w *row, items fhirpath.Collection, from *path) sobject.Value {
	codings := codingsOf(items)
	if len(codings) == 0 {
		return sobject.Value{}
	}
	value, listed := w.values.translate(codings)
	if !listed {
		f := w.values.unknown(codings[0])
		f.Field, f.Source = w.field, from.text
		m.faults = append(m.faults, f)
	}
	return value
}

// codingsOf gives the codes of a code element, a Coding or a CodeableConcept.
func codingsOf(items fhirpath.Collection) []coding {
	var out []coding
	for _, item := range items {
		n := item.Node()
		switch {
		case n.Kind() != fhir.Object:
			out = append(out, coding{code: item.Text()})
		case n.Get("coding").Exists():
			for c := range n.Get("coding").Items() {
				out = append(out, codingAt(c)...)
			}
		default:
			out = append(out, codingAt(n)...)
		}
	}
	return out
}

func codingAt(n fhir.Node) []coding {
	if n.Get("code").Text() == "" {
		return nil
	}
	return []coding{{n.Get("system").Text(), n.Get("code").Text()}}
}
