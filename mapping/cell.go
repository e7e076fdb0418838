package mapping

import (
	"fmt"
	"slices"
	"strings"
	"unicode"
	"unicode/utf8"
	"unsafe"

	"refbridge/fhir"
	"refbridge/fhir/fhirpath"
	"refbridge/sfdc/sobject"
)

// cell is what a row gave for the current item. Its text belongs to the resource, the tables or the Mapper: it is valid
// until the Mapper begins with another resource.
type cell struct {
	row    *Row  // nil: no row counted
	from   *Path // the path that gave it; nil where the default stood in
	kind   sobject.Kind
	yes    bool
	whole  bool // text is that of source
	text   string
	source fhir.Node // the element that the value began with
}

// rule gives the row behind the value.
func (c *cell) rule() Rule {
	r := Rule{Place: c.row.Place, Private: c.row.Private, at: c.source}
	if c.from != nil {
		r.From = c.from.Text
	}
	return r
}

// value gives the cell as a value of a record that owns text.
func (c *cell) value(text string) sobject.Value {
	switch c.kind {
	case sobject.Null:
		return sobject.Value{}
	case sobject.Ref:
		return sobject.RefValue(c.row.Ref, text)
	case sobject.Lookup:
		return sobject.LookupValue(c.row.Lookup, text)
	case sobject.Bool:
		return sobject.BoolValue(c.yes)
	case sobject.Number:
		return sobject.NumberValue(text)
	case sobject.DateTime:
		at, _ := fhir.ParseInstant(text)
		return sobject.DateTimeValue(at.Time())
	case sobject.Date:
		return sobject.DateValue(text)
	}
	return sobject.TextValue(text)
}

// appendJSON appends the value as JSON; there is one.
func (c *cell) appendJSON(dst []byte) []byte {
	switch {
	case c.kind == sobject.Bool && c.yes:
		return append(dst, "true"...)
	case c.kind == sobject.Bool:
		return append(dst, "false"...)
	case c.kind == sobject.Number:
		return append(dst, c.text...)
	case c.whole:
		return c.source.AppendRaw(dst)
	}
	return fhir.AppendJSONString(dst, c.text)
}

// as gives the cell as FHIRPath sees it.
func (c *cell) as(m *Mapper) fhirpath.Collection {
	switch c.kind {
	case sobject.Null:
		return nil
	case sobject.Bool:
		return m.keep(fhirpath.BooleanItem(c.yes))
	}
	if c.kind == sobject.Number && c.source.Kind() == fhir.Number {
		return m.keep(fhirpath.NodeItem(c.source))
	}
	return m.keep(fhirpath.StringItem(c.text))
}

// field works out a row for the current item.
func (m *Mapper) field(c *cell, w *Row) {
	c.row = w
	if len(w.Paths) == 0 && !w.flag && w.length == 0 {
		c.set(w.otherwise)
		return
	}
	if w.plain && !w.flag && w.length == 0 && m.direct(c, w.Paths[0]) {
		return
	}
	before := len(m.faults)
	var f found
	m.lost = lost{}
	m.gather(&f, &w.Source, &w.Place, w.Field)
	c.from, c.source = f.from, f.origin
	switch {
	case m.ambiguous(w.Place, f.from, w.Field):
	case w.Values != nil:
		c.set(m.listed(w.Values, &f, w.Place, w.Field))
	case f.n == 1 && (f.isText || f.one().Primitive()):
		m.scalar(c, &f)
		if trouble := m.shaped(c); trouble != nil {
			m.add(w.Place, f.from, w.Field, trouble)
		}
	case f.n > 0:
		m.add(w.Place, f.from, w.Field, notOne(f.n))
	}
	if len(m.faults) > before {
		return
	}
	if c.kind != sobject.Bool && blankText(c.text) {
		c.kind = sobject.Null // a transform made it, or took a part of an element that is blank
	}
	if c.kind == sobject.Null {
		c.whole = false
		if c.set(w.otherwise); c.kind != sobject.Null {
			c.from = nil
		}
	}
	switch {
	case c.kind == sobject.Null && w.Required && m.lost.err != nil:
		m.addLost(w.Place, f.from, w.Field)
	case c.kind == sobject.Null && w.Required:
		m.add(w.Place, f.from, w.Field, w.missing())
	case w.flag && c.kind != sobject.Null && c.kind != sobject.Bool:
		m.add(w.Place, f.from, w.Field, badValue("the API takes true or false, the source gives something else"))
	case w.choices != nil && c.kind != sobject.Null && !slices.Contains(w.choices, c.text):
		m.add(w.Place, f.from, w.Field, &trouble{BadValue, "the source gives something that the API does not take", "it takes " + strings.Join(w.choices, ", ")})
	case w.length > 0 && utf8.RuneCountInString(c.text) > w.length:
		m.add(w.Place, f.from, w.Field, tooLong(utf8.RuneCountInString(c.text), w.length))
	}
}

// direct does what field does, for a row that takes the text of one element as it is; it is false, and has done nothing, where
// the source has something else.
func (m *Mapper) direct(c *cell, p *Path) bool {
	if m.depth == len(m.contexts) {
		return false
	}
	context := m.contexts[m.depth]
	m.depth++
	node, n, err := p.Expr.Node(context, m.item)
	m.depth--
	if n != 1 || err != nil || node.Kind() != fhir.String {
		return false
	}
	text := node.Text()
	if blankText(text) {
		return false
	}
	c.from, c.kind, c.text, c.source, c.whole = p, sobject.Text, text, node, true
	return true
}

func (c *cell) set(to constant) { c.kind, c.text, c.yes = to.kind, to.text, to.yes }

// notOne is the trouble with a value that is more than one text.
func notOne(n int) *trouble {
	if n > 1 {
		return &trouble{BadValue, fmt.Sprintf("the source gives %d values, the field takes one", n),
			"choose one with .first(), or write them together with .join(', ')"}
	}
	return &trouble{BadValue, "the source gives a structure, the field takes a text",
		"take a part of it, or write transform: text"}
}

// scalar makes the value of one item.
func (m *Mapper) scalar(c *cell, f *found) {
	c.text = f.text
	switch {
	case c.row.kind != sobject.Text:
		c.kind = c.row.kind
		return
	case f.isText:
		c.kind, c.whole = sobject.Text, f.node.Exists() && f.node.Same(c.source)
		return
	}
	item := f.one()
	yes, ok := item.Bool()
	switch {
	case ok:
		c.kind, c.yes = sobject.Bool, yes
	case item.Numeric():
		c.kind = sobject.Number
	case c.text != "":
		c.kind = sobject.Text
	}
}

// missing is the trouble of a required field without a value.
func (w *Row) missing() *trouble {
	if slices.ContainsFunc(w.Transforms, func(t Transform) bool { return t.Name == "nhsNumber" }) {
		return &trouble{PatientIdentity, fhir.ErrNHSNumberMissing.Error(), "the source must name the patient by NHS number"}
	}
	return &trouble{RequiredMissing, "the source has no value, and the field must have one",
		"complete it at the source, or give the row a default"}
}

// present gives the items that hold something. The collection may be shared: it stays as it is.
func present(items fhirpath.Collection) fhirpath.Collection {
	if len(items) == 1 && !blank(items[0]) || !slices.ContainsFunc(items, blank) {
		return items
	}
	return slices.DeleteFunc(slices.Clone(items), blank)
}

// blank tells whether an item holds nothing: white space, or a primitive that has extensions alone.
func blank(i fhirpath.Item) bool {
	switch i.Node().Kind() {
	case fhir.Object:
		return i.Primitive()
	case fhir.Array:
		return false
	}
	return blankText(i.Text())
}

// blankText reports whether a text shows nothing: white space of any kind, and what has no width.
func blankText(s string) bool {
	return s == "" || (s[0] <= ' ' || s[0] >= utf8.RuneSelf) && !strings.ContainsFunc(s, visible)
}

// visible reports whether a character says something. White space, what only directs a reader's eye (General_Category Cf: zero-width
// spaces and joiners, the byte order mark) and the letters that Unicode has as fillers do not. A control character is a fault
// of its own.
func visible(r rune) bool {
	switch r {
	case 0x034f, 0x115f, 0x1160, 0x2800, 0x3164, 0xffa0:
		return false
	}
	return !unicode.IsSpace(r) && !unicode.Is(unicode.Cf, r) && !unicode.Is(unicode.Variation_Selector, r)
}

// listed looks the codes of a row or a named value, which stands at a place, up in a value table.
func (m *Mapper) listed(v *ValueTable, f *found, at Place, field string) constant {
	switch f.n {
	case 0:
		return constant{}
	case 1:
		m.steps += weight(f.node, f.text)
		m.codings = appendItem(m.codings[:0], f.node, f.text)
	default:
		for i := range f.items {
			m.steps += 1 + weight(f.items[i].Node(), f.items[i].Text())
		}
		m.codings = appendCodings(m.codings[:0], f.items)
	}
	if len(m.codings) == 0 {
		if v.Unlisted == UnlistedHold {
			m.add(at, f.from, field, &trouble{BadValue, "the source gives no code for value table " + v.Name,
				"code it at the source, or write unlisted: none in the value table to leave the field without a value"})
		}
		return constant{}
	}
	value, listed := v.lookup(m.codings)
	if !listed {
		fault := v.unknown(at, m.codings[0], f.coded())
		fault.Field, fault.Source = field, f.from.Text
		m.note(at, fault)
	}
	return value
}

// coded tells whether what was found are codes by their FHIR types: a text that stands where a code is looked for may be about a
// person.
func (f *found) coded() bool {
	items := f.items
	if f.n == 1 {
		items = fhirpath.Collection{f.one()}
	}
	return !slices.ContainsFunc(items, func(i fhirpath.Item) bool {
		typ := i.Type()
		return typ != "FHIR.code" && typ != "FHIR.Coding" && typ != "FHIR.CodeableConcept"
	})
}

// appendCodings gives the codes of a code element, a Coding or a CodeableConcept.
func appendCodings(out []Coding, items fhirpath.Collection) []Coding {
	for i := range items {
		out = appendItem(out, items[i].Node(), items[i].Text())
	}
	return out
}

func appendItem(out []Coding, n fhir.Node, text string) []Coding {
	if n.Kind() != fhir.Object {
		return append(out, Coding{Code: text})
	}
	list := n.Member(nameCoding)
	switch list.Kind() {
	case fhir.Missing:
		return appendCoding(out, n)
	case fhir.Array:
		for c := list.First(); c.Exists(); c = c.Next() {
			out = appendCoding(out, c)
		}
		return out
	}
	return appendCoding(out, list)
}

func appendCoding(out []Coding, n fhir.Node) []Coding {
	code := n.Member(nameCode).Text()
	if code == "" {
		return out
	}
	return append(out, Coding{n.Member(nameSystem).Text(), code})
}

// Members that are looked up for every code.
var (
	nameCoding = mustName("coding")
	nameCode   = mustName("code")
	nameSystem = mustName("system")
	nameValue  = mustName("value")
)

func mustName(name string) fhir.Name { return fhir.NameOf(name) }

// keep puts an item where it stays until the next resource.
func (m *Mapper) keep(i fhirpath.Item) fhirpath.Collection {
	from := len(m.items)
	m.items = append(m.items, i)
	return fhirpath.Collection(m.items[from : from+1 : from+1])
}

// one gives a collection of one computed text, none where the text is empty.
func (m *Mapper) one(s string) fhirpath.Collection {
	if s == "" {
		return nil
	}
	return m.keep(fhirpath.StringItem(s))
}

// computed gives what was appended to texts since from, as a text.
func (m *Mapper) computed(from int) string { return viewed(m.texts[from:]) }

// viewed gives bytes that nobody changes any more as a string.
func viewed(b []byte) string { return unsafe.String(unsafe.SliceData(b), len(b)) }
