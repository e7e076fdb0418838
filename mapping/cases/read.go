package cases

import (
	"errors"
	"fmt"
	"io/fs"
	"maps"
	"slices"
	"strconv"
	"strings"
	"time"

	"go.yaml.in/yaml/v3"

	"refbridge/fhir"
	"refbridge/mapping"
)

// Read reads every *.yaml file of a folder of cases; the resources in files that they name stand beside them. The error is
// Faults: everything that is wrong in any of the files.
func Read(fsys fs.FS) ([]Case, error) {
	names, err := fs.Glob(fsys, "*.yaml")
	if err != nil {
		return nil, fmt.Errorf("list the cases: %w", err)
	}
	var cases []Case
	var faults mapping.Faults
	slices.Sort(names)
	for _, name := range names {
		src, err := fs.ReadFile(fsys, name)
		if err != nil {
			return nil, fmt.Errorf("read cases %s: %w", name, err)
		}
		more, wrong := read(name, src, func(name string) ([]byte, error) { return fs.ReadFile(fsys, name) })
		cases, faults = append(cases, more...), append(faults, wrong...)
	}
	if err := faults.Err(); err != nil {
		return nil, err
	}
	return cases, nil
}

func read(name string, src []byte, read func(string) ([]byte, error)) ([]Case, mapping.Faults) {
	r := &reader{Reader: mapping.Reader{File: mapping.CasesFolder + "/" + name}, read: read}
	cases := r.cases(src)
	return cases, r.Faults
}

// reader reads one file of cases. What stands above `cases` holds for all of them.
type reader struct {
	mapping.Reader
	read   func(name string) ([]byte, error) // a file beside the cases
	common start
}

// start is what a case starts from.
type start struct {
	input     *yaml.Node
	related   *yaml.Node
	set       [][2]*yaml.Node
	variables map[string]string
	now       time.Time
}

// worldMembers are what may stand above `cases` and in a case.
func worldMembers() []string {
	return []string{"purpose", "input", "related", "set", "variables", "now"}
}

func (r *reader) cases(src []byte) []Case {
	root := r.Document(src)
	if root == nil {
		return nil
	}
	m := r.Mapping(root, "a file of cases", append([]string{"cases", ""}, worldMembers()...)...)
	first := start{now: time.Date(2026, 1, 1, 0, 0, 0, 0, time.UTC), variables: map[string]string{
		"source": "ers", "run": "live", "patientMode": "link", "system": fhir.SystemUBRN}}
	r.common = r.world(m, first)
	var out []Case
	names := map[string]int{}
	for _, n := range r.List(m["cases"], "cases") {
		c := r.one(n)
		if at, ok := names[c.Name]; ok && c.Name != "" {
			r.At(n, fmt.Sprintf("the case of line %d has this name already", at), "give each case a name of its own")
		}
		names[c.Name] = c.Line
		out = append(out, c)
	}
	return out
}

// world adds what a mapping says to what holds already.
func (r *reader) world(m map[string]*yaml.Node, w start) start {
	r.Text(m["purpose"], "purpose")
	if m["input"] != nil {
		w.input, w.set = m["input"], nil
	}
	if m["related"] != nil {
		w.related = m["related"]
	}
	w.set = append(slices.Clone(w.set), r.Pairs(m["set"], "set")...)
	w.variables = maps.Clone(w.variables)
	for _, p := range r.Pairs(m["variables"], "variables") {
		if !slices.Contains(mapping.BuiltIn(), p[0].Value) {
			r.At(p[0], fmt.Sprintf("there is no variable %q", mapping.Short(p[0].Value)), mapping.Nearest(p[0].Value, mapping.BuiltIn()))
		}
		w.variables[p[0].Value] = ""
		if p[1].ShortTag() != "!!null" {
			w.variables[p[0].Value] = r.Text(p[1], "a variable")
		}
	}
	if m["now"] != nil {
		var err error
		if w.now, err = time.Parse(time.RFC3339, r.Text(m["now"], "now")); err != nil {
			r.At(m["now"], "now is not an instant", "write it as 2026-06-01T12:00:00Z")
		}
	}
	return w
}

func (r *reader) one(n *yaml.Node) Case {
	m := r.Mapping(n, "a case", append([]string{"name", "", "expect", "hold"}, worldMembers()...)...)
	w := r.world(m, r.common)
	c := Case{File: r.File, Line: n.Line, Name: r.Text(m["name"], "name"), Variables: w.variables, Now: w.now}
	if m["purpose"] != nil {
		c.Purpose = m["purpose"].Value
	}
	c.Input = r.input(n, w)
	for _, one := range r.OneOrMore(w.related) {
		if res, ok := r.resource(one, r.raw(one), "a related resource"); ok {
			c.Related = append(c.Related, res)
		}
	}
	for _, e := range r.List(m["expect"], "expect") {
		c.expect = append(c.expect, r.expectation(e))
	}
	if m["hold"] != nil {
		for _, h := range r.OneOrMore(m["hold"]) {
			c.holds = append(c.holds, r.hold(h))
		}
	}
	if len(c.expect) == 0 && len(c.holds) == 0 {
		r.At(n, "the case expects nothing", "write expect: with records, or hold: with a kind")
	}
	if len(c.expect) > 0 && len(c.holds) > 0 {
		r.At(m["hold"], "a case has expect or hold, not both", "a record that is held has no fields")
	}
	return c
}

// input gives the resource that a case maps, changed as it says.
func (r *reader) input(at *yaml.Node, w start) fhir.Resource {
	if w.input == nil {
		r.At(at, "the case has no input", "input: the name of a JSON file beside this one, or the resource itself")
		return fhir.Resource{}
	}
	raw := r.raw(w.input)
	if raw == nil {
		return fhir.Resource{}
	}
	if len(w.set) > 0 {
		raw = r.changed(raw, w.set)
	}
	out, _ := r.resource(w.input, raw, "the input")
	return out
}

// raw gives the JSON of a resource: of a file beside the case, or written in it.
func (r *reader) raw(n *yaml.Node) []byte {
	if n.Kind == yaml.MappingNode {
		return appendJSON(nil, r.tree(n))
	}
	text := r.Text(n, "the name of a file")
	if strings.HasPrefix(strings.TrimSpace(text), "{") {
		return []byte(text)
	}
	if text == "" {
		return nil
	}
	src, err := r.read(text)
	switch {
	case errors.Is(err, fs.ErrNotExist):
		r.At(n, fmt.Sprintf("there is no file %q beside the cases", mapping.Short(text)), "")
	case err != nil:
		r.At(n, "the file cannot be read", "write the name of a file in this folder, without .. and without a leading /")
	}
	return src
}

func (r *reader) resource(n *yaml.Node, raw []byte, what string) (fhir.Resource, bool) {
	if raw == nil {
		return fhir.Resource{}, false
	}
	out, err := fhir.Parse(raw)
	if err != nil {
		r.At(n, fmt.Sprintf("%s: %v", what, err), "")
	}
	return out, err == nil
}

func (r *reader) place(n *yaml.Node) mapping.Place {
	return mapping.Place{File: r.File, Line: n.Line, Column: n.Column}
}

func (r *reader) hold(n *yaml.Node) expectedHold {
	m := r.Mapping(n, "a hold", "kind", "", "field")
	kinds := []string{string(mapping.UnknownCode), string(mapping.PatientIdentity), string(mapping.RequiredMissing), string(mapping.TooLong), string(mapping.BadValue), string(mapping.TableFault),
		string(mapping.ReferenceForeign), string(mapping.ReferenceAmbiguous), string(mapping.ReferenceVersion), string(mapping.ReferenceUnresolved),
		string(mapping.UnknownModifier), string(mapping.TwoServers)}
	h := expectedHold{Place: r.place(n), field: r.Text(m["field"], "field")}
	if m["kind"] != nil {
		h.kind = mapping.FaultKind(r.Choice(m["kind"], "kind", kinds...))
	}
	return h
}

func (r *reader) expectation(n *yaml.Node) expectation {
	m := r.Mapping(n, "an expected record", "object", "", "key", "count", "fields", "absent")
	e := expectation{Place: r.place(n), object: r.ObjectName(m["object"], "object", "an sObject name such as ClinicalServiceRequest"),
		key: r.Text(m["key"], "key"), count: -1}
	if m["count"] != nil {
		var err error
		if e.count, err = strconv.Atoi(r.Text(m["count"], "count")); err != nil || e.count < 0 {
			r.At(m["count"], "count is not a number of records", "")
		}
	}
	e.fields = r.fields(m["fields"])
	for _, a := range r.List(m["absent"], "absent") {
		e.absent = append(e.absent, expectedField{Place: r.place(a), name: r.Text(a, "the name of a field")})
	}
	return e
}

func (r *reader) fields(n *yaml.Node) []expectedField {
	var out []expectedField
	for _, p := range r.Pairs(n, "fields") {
		f := expectedField{Place: r.place(p[0]), name: p[0].Value}
		switch {
		case p[1].Kind == yaml.MappingNode:
			f.at = append([]expectedField{}, r.fields(p[1])...)
		case p[1].ShortTag() == "!!null" || p[1].Kind == yaml.ScalarNode && p[1].Value == "":
			r.At(p[1], fmt.Sprintf("%s has no value", f.name), "where it must be empty, write it under absent")
		default:
			f.text = r.Text(p[1], "a value")
		}
		out = append(out, f)
	}
	return out
}
