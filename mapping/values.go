package mapping

import (
	"fmt"
	"regexp"
	"slices"
	"strings"

	"go.yaml.in/yaml/v3"

	"refbridge/fhir"
	"refbridge/sfdc/sobject"
)

// valueTable maps codes of the source to values of the target, in the spirit of a FHIR ConceptMap.
type valueTable struct {
	place
	name     string
	purpose  string
	unlisted string        // hold, keep, none, or "" where other holds the value
	other    sobject.Value // of unlisted: {to: …}
	codes    []codeRow     // as written
	coded    map[coding]int
	plain    map[string]int // by code alone; -1 where two systems give the code different values
	columns  []string       // of a table that gives several values for a code; to is the first of them
	views    []*valueTable  // parallel to columns: the table with one of its values, named table.column
	anywhere bool           // no row has a system
	rest     constant       // other
}

type coding struct{ system, code string }

type codeRow struct {
	place
	coding
	to      sobject.Value
	purpose string
	is      constant // to
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
	unlistedHold = "hold"
	unlistedKeep = "keep"
	unlistedNone = "none"
)

func (r *reader) valueTables(n *yaml.Node, into map[string]*valueTable) {
	for _, p := range r.pairs(n, "values") {
		v := r.valueTable(p[0], p[1])
		if have := into[v.name]; have != nil {
			r.at(p[0], fmt.Sprintf("value table %q is there already, in %s:%d", short(v.name), have.file, have.line),
				"names of value tables are shared by all files")
			continue
		}
		into[v.name] = v
	}
}

func (r *reader) valueTable(name, n *yaml.Node) *valueTable {
	v := &valueTable{place: r.place(name), name: name.Value, unlisted: unlistedHold}
	m := r.mapping(n, "a value table", "codes", "", "purpose", "system", "columns", "unlisted")
	v.purpose = r.text(m["purpose"], "purpose")
	v.columns = r.columns(v, m["columns"])
	system := r.text(m["system"], "system")
	if u := m["unlisted"]; u != nil && u.Kind == yaml.MappingNode {
		v.unlisted, v.other = "", r.constant(r.mapping(u, "unlisted", "to", "")["to"])
		v.rest = constantOf(v.other)
		if v.columns != nil {
			r.at(u, "a value table with columns has no one value for what is not listed", "write default in the row")
		}
	} else if u != nil {
		v.unlisted = r.choice(u, "unlisted", unlistedHold, unlistedKeep, unlistedNone)
	}
	for _, view := range v.views {
		view.purpose, view.unlisted = v.purpose, v.unlisted
	}
	codes := r.list(m["codes"], "codes")
	for _, t := range append([]*valueTable{v}, v.views...) {
		t.codes, t.coded, t.plain = make([]codeRow, 0, len(codes)), make(map[coding]int, len(codes)), make(map[string]int, len(codes))
		t.anywhere = true
	}
	for _, item := range codes {
		r.codeRow(v, item, system)
	}
	return v
}

// columns reads the names of the values that a table gives for each code, and makes a view for each.
func (r *reader) columns(v *valueTable, n *yaml.Node) []string {
	var out []string
	for _, item := range r.list(n, "columns") {
		name := r.shaped(item, "a column", letName, "a name such as term")
		if slices.Contains(out, name) {
			r.at(item, fmt.Sprintf("column %q stands twice", short(name)), "")
			continue
		}
		out = append(out, name)
		v.views = append(v.views, &valueTable{place: v.place, name: v.name + "." + name})
	}
	return out
}

func (r *reader) codeRow(v *valueTable, n *yaml.Node, system string) {
	m := r.mapping(n, "a code", "code", "to", "", "system", "purpose")
	row := codeRow{place: r.place(n), coding: coding{system, r.text(m["code"], "code")}}
	if s := r.text(m["system"], "system"); s != "" {
		row.system = s
	}
	row.purpose = r.text(m["purpose"], "purpose")
	if have, ok := v.coded[row.coding]; ok && row.code != "" {
		r.at(n, fmt.Sprintf("code %q stands in line %d already", short(row.code), v.codes[have].line), "")
		return
	}
	if v.columns == nil || m["to"] == nil {
		v.add(row, r.constant(m["to"]))
		return
	}
	to := r.mapping(m["to"], "to of a table with columns", append([]string{""}, v.columns...)...)
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

func (v *valueTable) add(row codeRow, to sobject.Value) {
	row.to, row.is = to, constantOf(to)
	at := len(v.codes)
	v.codes = append(v.codes, row)
	v.coded[row.coding] = at
	v.anywhere = v.anywhere && row.system == ""
	if have, ok := v.plain[row.code]; ok && (have < 0 || !v.codes[have].to.Equal(row.to)) {
		at = -1
	}
	v.plain[row.code] = at
}

// constant gives the value that a table writes down: an unquoted true or false is a checkbox, all else is text.
func (r *reader) constant(n *yaml.Node) sobject.Value {
	text := r.text(n, "the value")
	if n != nil && n.ShortTag() == "!!bool" {
		return sobject.BoolValue(strings.EqualFold(text, "true"))
	}
	return sobject.TextValue(text)
}

// find gives the row of a code. A code without a system (an element of type code) is found by the code alone; a
// row without a system answers to any system.
func (v *valueTable) find(c coding) (codeRow, bool) {
	if at := v.index(c); at >= 0 {
		return v.codes[at], true
	}
	return codeRow{}, false
}

// index gives the place of a code in codes, -1 where there is none.
func (v *valueTable) index(c coding) int {
	at, ok := -1, false
	if !v.anywhere {
		at, ok = v.coded[c]
	}
	if !ok && (v.anywhere || c.system == "") {
		at, ok = v.plain[c.code]
	}
	if !ok && c.system != "" && !v.anywhere {
		at, ok = v.coded[coding{code: c.code}]
	}
	if !ok {
		return -1
	}
	return at
}

// lookup is translate for Map: the value stays in the table.
func (v *valueTable) lookup(codings []coding) (constant, bool) {
	for _, c := range codings {
		if at := v.index(c); at >= 0 {
			return v.codes[at].is, true
		}
	}
	switch v.unlisted {
	case unlistedHold:
		return constant{}, false
	case unlistedNone:
		return constant{}, true
	case unlistedKeep:
		return constant{kind: sobject.Text, text: codings[0].code}, true
	}
	return v.rest, true
}

// translate gives the value of the first of the codings that is listed. listed is false where none is and the
// table holds.
func (v *valueTable) translate(codings []coding) (value sobject.Value, listed bool) {
	c, listed := v.lookup(codings)
	switch c.kind {
	case sobject.Bool:
		return sobject.BoolValue(c.yes), listed
	}
	return sobject.TextValue(c.text), listed
}

// unknown is the fault for a code that is not listed, with the row to add. It stands at the value table.
func (v *valueTable) unknown(c coding) Fault {
	code, system := showCode(c.code), showSystem(c.system)
	message := fmt.Sprintf("code %s is not in value table %s", code, v.name)
	row := fmt.Sprintf("{code: %s, to: …}", code)
	if c.system != "" {
		message = fmt.Sprintf("code %s of %s is not in value table %s", code, system, v.name)
		row = fmt.Sprintf("{system: %s, code: %s, to: …}", system, code)
	}
	return v.fault(UnknownCode, message, fmt.Sprintf("add under values: %s: codes: - %s", v.name, row))
}

// The shapes that a message may repeat. A text that a source put where a code belongs is not shown.
var (
	codeShape   = regexp.MustCompile(`^[A-Za-z0-9][A-Za-z0-9_.\-]{0,63}$`)
	systemShape = regexp.MustCompile(`^(https?://|urn:)[A-Za-z0-9._:/#\-]{1,200}$`)
	digitRun    = regexp.MustCompile(`[0-9]+`)
)

func showCode(code string) string {
	if codeShape.MatchString(code) && !holdsNHSNumber(code) {
		return code
	}
	return fmt.Sprintf("[%d characters, not shown]", len(code))
}

func showSystem(system string) string {
	if systemShape.MatchString(system) && !holdsNHSNumber(system) {
		return system
	}
	return fmt.Sprintf("[a system of %d characters, not shown]", len(system))
}

// holdsNHSNumber tells whether a run of exactly ten digits in the text is a valid NHS number.
func holdsNHSNumber(s string) bool {
	for _, run := range digitRun.FindAllString(s, -1) {
		if _, err := fhir.ParseNHSNumber(run); err == nil {
			return true
		}
	}
	return false
}
