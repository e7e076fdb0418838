package mapping

import (
	"fmt"
	"slices"
	"strings"
	"unicode/utf8"

	"go.yaml.in/yaml/v3"

	"refbridge/config/pattern"
	"refbridge/sfdc/sobject"
)

// ValueTable maps codes of the source to values of the target, in the spirit of a FHIR ConceptMap.
type ValueTable struct {
	Place
	Name       string
	Purpose    string
	About      string         // the purpose of its file, where that holds value tables alone
	IgnoreCase bool           // codes are found whatever the case of their letters
	Unlisted   string         // hold, keep, none, or "" where other holds the value
	Other      sobject.Value  // of unlisted: {to: …}
	Codes      []CodeRow      // as written
	listed     []listed       // parallel to Codes: what a look-up reads of them
	byCode     map[string]int // the place of the last row of a code
	columns    []string       // of a table that gives several values for a code; to is the first of them
	views      []*ValueTable  // parallel to columns: the table with one of its values, named table.column
	rest       constant       // other
}

// Coding is a code of a code system; an element of type code has no system.
type Coding struct{ System, Code string }

// CodeRow is one code of a value table.
type CodeRow struct {
	Coding
	To      sobject.Value
	Purpose string
	Place
}

// listed is what a look-up reads of a row. It stands apart from the rest, so that a table of some hundred codes stays in the cache.
type listed struct {
	system string
	to     constant
	before int // the place of the row before with the same code, -1 where there is none
}

// constant is a value that a table writes down, ready to be used.
type constant struct {
	kind sobject.Kind // Null, Text or Bool
	text string
	yes  bool
}

func constantOf(v sobject.Value) constant {
	c := constant{kind: v.Kind(), text: v.Reveal()}
	c.yes = c.kind == sobject.Bool && c.text == "true"
	return c
}

// choices of `unlisted`.
const (
	UnlistedHold = "hold"
	UnlistedKeep = "keep"
	UnlistedNone = "none"
)

func (r *Reader) valueTables(n *yaml.Node, into map[string]*ValueTable) {
	for _, p := range r.Pairs(n, "values") {
		v := r.valueTable(p[0], p[1])
		if have := into[v.Name]; have != nil {
			r.At(p[0], fmt.Sprintf("value table %q is there already, in %s", Short(v.Name), have.FileLine()),
				"names of value tables are shared by all files")
			continue
		}
		into[v.Name] = v
	}
}

func (r *Reader) valueTable(name, n *yaml.Node) *ValueTable {
	v := &ValueTable{Place: r.place(name), Name: name.Value, Unlisted: UnlistedHold}
	m := r.Mapping(n, "a value table", "codes", "", "purpose", "system", "columns", "unlisted", "ignoreCase")
	v.Purpose = r.Text(m["purpose"], "purpose")
	v.columns = r.columns(v, m["columns"])
	system := r.Text(m["system"], "system")
	v.IgnoreCase = r.flag(m["ignoreCase"], "ignoreCase")
	if u := m["unlisted"]; u != nil && u.Kind == yaml.MappingNode {
		v.Unlisted, v.Other = "", r.constant(r.Mapping(u, "unlisted", "to", "")["to"])
		v.rest = constantOf(v.Other)
		if v.columns != nil {
			r.At(u, "a value table with columns has no one value for what is not listed", "write default in the row")
		}
	} else if u != nil {
		v.Unlisted = r.Choice(u, "unlisted", UnlistedHold, UnlistedKeep, UnlistedNone)
	}
	for _, view := range v.views {
		view.Purpose, view.Unlisted, view.IgnoreCase = v.Purpose, v.Unlisted, v.IgnoreCase
	}
	codes := r.List(m["codes"], "codes")
	for _, t := range append([]*ValueTable{v}, v.views...) {
		t.Codes, t.listed = make([]CodeRow, 0, len(codes)), make([]listed, 0, len(codes))
		t.byCode = make(map[string]int, len(codes))
	}
	for _, item := range codes {
		r.codeRow(v, item, system)
	}
	return v
}

// tell notes what the file of a value table is for.
func (v *ValueTable) tell(about string) {
	v.About = about
	for _, view := range v.views {
		view.About = about
	}
}

// columns reads the names of the values that a table gives for each code, and makes a view for each.
func (r *Reader) columns(v *ValueTable, n *yaml.Node) []string {
	var out []string
	for _, item := range r.List(n, "columns") {
		name := r.shaped(item, "a column", isLetName, "a name such as term")
		if slices.Contains(out, name) {
			r.At(item, fmt.Sprintf("column %q stands twice", Short(name)), "")
			continue
		}
		out = append(out, name)
		v.views = append(v.views, &ValueTable{Place: v.Place, Name: v.Name + "." + name})
	}
	return out
}

func (r *Reader) codeRow(v *ValueTable, n *yaml.Node, system string) {
	m := r.Mapping(n, "a code", "code", "to", "", "system", "purpose")
	row := CodeRow{Place: r.place(n), Coding: Coding{system, r.Text(m["code"], "code")}}
	if s := r.Text(m["system"], "system"); s != "" {
		row.System = s
	}
	row.Purpose = r.Text(m["purpose"], "purpose")
	if have := v.index(row.Coding); have >= 0 && row.Code != "" && v.Codes[have].System == row.System {
		r.At(n, fmt.Sprintf("code %q stands in line %d already", Short(row.Code), v.Codes[have].Line), "")
		return
	}
	if v.columns == nil || m["to"] == nil {
		v.add(row, r.constant(m["to"]))
		return
	}
	to := r.Mapping(m["to"], "to of a table with columns", append([]string{""}, v.columns...)...)
	for i, column := range v.columns {
		var value sobject.Value
		if to[column] != nil {
			value = r.constant(to[column])
		}
		v.views[i].add(row, value)
		if i == 0 {
			v.add(row, value)
		}
	}
}

func (v *ValueTable) add(row CodeRow, to sobject.Value) {
	row.To = to
	l := listed{row.System, constantOf(to), -1}
	if have, again := v.byCode[v.spelt(row.Code)]; again {
		l.before = have
	}
	v.byCode[v.spelt(row.Code)] = len(v.Codes)
	v.Codes, v.listed = append(v.Codes, row), append(v.listed, l)
}

// constant gives the value that a table writes down: an unquoted true or false is a checkbox, all else is text.
func (r *Reader) constant(n *yaml.Node) sobject.Value {
	text := r.Text(n, "the value")
	if n != nil && n.ShortTag() == "!!bool" {
		return sobject.BoolValue(strings.EqualFold(text, "true"))
	}
	return sobject.TextValue(text)
}

// spelt returns a code as it is looked up.
func (v *ValueTable) spelt(code string) string {
	if v.IgnoreCase {
		return strings.ToLower(code)
	}
	return code
}

// Find gives the row of a code. A code without a system (an element of type code) is found by the code alone; a
// row without a system answers to any system.
func (v *ValueTable) Find(c Coding) (CodeRow, bool) {
	if at := v.index(c); at >= 0 {
		return v.Codes[at], true
	}
	return CodeRow{}, false
}

// index gives the place of a code in Codes, -1 where there is none.
func (v *ValueTable) index(c Coding) int {
	last, known := v.byCode[v.spelt(c.Code)]
	if !known {
		return -1
	}
	anywhere, same := -1, true
	for at := last; at >= 0; at = v.listed[at].before {
		row := &v.listed[at]
		if row.system == c.System {
			return at
		}
		if row.system == "" {
			anywhere = at
		}
		same = same && (at == last || v.Codes[at].To.Equal(v.Codes[last].To))
	}
	if c.System == "" && same {
		return last
	}
	return anywhere
}

// lookup is translate for Map: the value stays in the table.
func (v *ValueTable) lookup(codings []Coding) (constant, bool) {
	for _, c := range codings {
		if at := v.index(c); at >= 0 {
			return v.listed[at].to, true
		}
	}
	switch v.Unlisted {
	case UnlistedHold:
		return constant{}, false
	case UnlistedNone:
		return constant{}, true
	case UnlistedKeep:
		return constant{kind: sobject.Text, text: codings[0].Code}, true
	}
	return v.rest, true
}

// translate gives the value of the first of the codings that is listed. listed is false where none is and the
// table holds.
func (v *ValueTable) translate(codings []Coding) (value sobject.Value, listed bool) {
	c, listed := v.lookup(codings)
	switch c.kind {
	case sobject.Bool:
		return sobject.BoolValue(c.yes), listed
	}
	return sobject.TextValue(c.text), listed
}

// unknown is the fault for a code that is not listed, at the rule that looked it up, with the row to add. A text that is no code
// of its source's type is not shown, and what is not shown makes no row.
func (v *ValueTable) unknown(at Place, c Coding, shown bool) Fault {
	name, _, _ := strings.Cut(v.Name, ".")
	where := fmt.Sprintf("table %s at %s", name, v.FileLine())
	if !shown {
		return at.Fault(UnknownCode, fmt.Sprintf("a text of %d characters is not in value table %s", utf8.RuneCountInString(c.Code), v.Name),
			"add a row for it to "+where)
	}
	code, system := ShowCode(c.Code), ShowSystem(c.System)
	message, row := "code "+code, "code: "+code
	if c.System != "" {
		message, row = message+" of "+system, "system: "+system+", "+row
	}
	hint := fmt.Sprintf("add to %s: - {%s, to: …}", where, row)
	if code != c.Code || c.System != "" && system != c.System {
		hint = "add a row for it to " + where
	}
	return at.Fault(UnknownCode, message+" is not in value table "+v.Name, hint)
}

// systemShape is what a message may repeat. A text that a source put where a code belongs is not shown.
var systemShape = pattern.MustOnce(`^(https?://|urn:)[A-Za-z0-9._:/#\-]{1,200}$`)

// ShowCode gives a code for a message: one that could be about a person by its length alone.
func ShowCode(code string) string {
	if PlainCode(code) && !HoldsNHSNumber(code) {
		return code
	}
	return fmt.Sprintf("[%d characters, not shown]", utf8.RuneCountInString(code))
}

// ShowSystem gives a code system for a message: one that could be about a person by its length alone.
func ShowSystem(system string) string {
	if systemShape().MatchString(system) && !HoldsNHSNumber(system) {
		return system
	}
	return fmt.Sprintf("[a system of %d characters, not shown]", utf8.RuneCountInString(system))
}
