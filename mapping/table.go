package mapping

import (
	"fmt"
	"regexp"
	"slices"
	"strings"

	"go.yaml.in/yaml/v3"

	"refbridge/fhir/fhirpath"
	"refbridge/sfdc/sobject"
)

// table is one file: how one Salesforce object is made from one resource type. Every part keeps its place.
type table struct {
	place
	object  string
	source  string // resource type of the focus
	purpose string
	owner   sobject.Owner
	forEach *path // nil: one record for the focus itself
	key     key
	lets    []let
	when    *path
	rows    []*row
	drops   []drop
	gone    []goneRow
	back    []*backRule
	level   int // parents have lower ones
}

// path is a compiled FHIRPath with its place.
type path struct {
	place
	text string
	expr *fhirpath.Expr
}

// source is what a value is made from: the first path that gives something, through the transforms.
type source struct {
	paths      []*path
	transforms []transform
	kind       sobject.Kind // DateTime or Date where the last transform says so, else Text
}

type key struct {
	place
	field string
	source
}

type let struct {
	place
	name string
	source
}

// row is one field of the record.
type row struct {
	place
	field string
	source
	purpose      string
	valuesName   string
	valuesAt     place
	values       *valueTable
	ref, lookup  sobject.Target // zero: none
	refAt        place
	fallback     sobject.Value // default
	required     bool
	owner        sobject.Owner
	keepIfAbsent bool
	when         *path
}

type drop struct {
	place
	path    *path
	purpose string
}

type goneRow struct {
	place
	field   string
	value   sobject.Value
	purpose string
	only    []string // the record is marked only while the field has one of these; empty: always
}

// builtIn are the variables that every path may use; the caller of Map sets them.
func builtIn() []string { return []string{"source", "run", "patientMode", "system"} }

var (
	objectName   = regexp.MustCompile(`^[A-Za-z][A-Za-z0-9_]{1,79}$`)
	resourceName = regexp.MustCompile(`^[A-Z][A-Za-z]{1,63}$`)
	letName      = regexp.MustCompile(`^[A-Za-z][A-Za-z0-9]{0,39}$`)
	callShape    = regexp.MustCompile(`^\s*([A-Za-z]+)\s*(?:\(([^()]*)\))?\s*$`)
)

// table reads one file that has an object.
func (r *reader) table(root *yaml.Node) *table {
	m := r.mapping(root, "a table", "object", "source", "key", "rows", "", "forEach", "purpose", "owner", "let", "when",
		"values", "drop", "gone", "back")
	t := &table{place: place{file: r.file, line: 1, column: 1}, purpose: r.text(m["purpose"], "purpose")}
	t.object = r.shaped(m["object"], "object", objectName, "an sObject name such as ClinicalServiceRequest")
	t.source = r.shaped(m["source"], "source", resourceName, "a resource type such as ServiceRequest")
	t.owner = r.owner(m["owner"], sobject.Source)
	t.forEach = r.optionalPath(m["forEach"], "forEach", builtIn())
	variables := r.lets(t, m["let"])
	t.when = r.optionalPath(m["when"], "when", variables)
	t.key = r.key(m["key"], variables)
	for _, n := range r.list(m["rows"], "rows") {
		t.rows = append(t.rows, r.row(n, t, variables))
	}
	r.reachable(t)
	for _, n := range r.list(m["drop"], "drop") {
		d := r.mapping(n, "a drop", "path", "purpose", "")
		t.drops = append(t.drops, drop{r.place(n), r.optionalPath(d["path"], "path", variables), r.text(d["purpose"], "purpose")})
	}
	for _, n := range r.list(m["gone"], "gone") {
		t.gone = append(t.gone, r.gone(n))
	}
	for _, n := range r.list(m["back"], "back") {
		t.back = append(t.back, r.backRule(n))
	}
	return t
}

func (r *reader) gone(n *yaml.Node) goneRow {
	m := r.mapping(n, "a field of gone", "field", "to", "", "only", "purpose")
	g := goneRow{place: r.place(n), field: r.shaped(m["field"], "field", objectName, "a field name such as Status"),
		value: r.constant(m["to"]), purpose: r.text(m["purpose"], "purpose")}
	for _, value := range r.list(m["only"], "only") {
		g.only = append(g.only, r.text(value, "a value of only"))
	}
	return g
}

func (r *reader) shaped(n *yaml.Node, what string, shape *regexp.Regexp, example string) string {
	s := r.text(n, what)
	if s != "" && !shape.MatchString(s) {
		r.at(n, fmt.Sprintf("%s %q is not %s", what, short(s), example), "")
		return ""
	}
	return s
}

func (r *reader) optionalPath(n *yaml.Node, what string, variables []string) *path {
	if n == nil {
		return nil
	}
	return r.path(n, what, variables)
}

func (r *reader) owner(n *yaml.Node, otherwise sobject.Owner) sobject.Owner {
	if n == nil {
		return otherwise
	}
	switch r.choice(n, "owner", "source", "target", "latest", "create-only") {
	case "target":
		return sobject.TargetSide
	case "latest":
		return sobject.Latest
	case "create-only":
		return sobject.CreateOnly
	}
	return sobject.Source
}

// lets reads named values in the order written; each may use those above it. It gives the variables of the file.
func (r *reader) lets(t *table, n *yaml.Node) []string {
	variables := builtIn()
	for _, p := range r.pairs(n, "let") {
		name := p[0].Value
		switch {
		case !letName.MatchString(name):
			r.at(p[0], fmt.Sprintf("%q cannot be a name: letters and digits, a letter first", short(name)), "")
			continue
		case slices.Contains(variables, name):
			r.at(p[0], fmt.Sprintf("%%%s is there already", name), "")
			continue
		}
		l := let{place: r.place(p[0]), name: name}
		if p[1].Kind == yaml.MappingNode {
			m := r.mapping(p[1], "a named value", "from", "", "transform", "purpose")
			l.source = r.source(m["from"], m["transform"], variables)
		} else {
			l.source = r.source(p[1], nil, variables)
		}
		t.lets = append(t.lets, l)
		variables = append(variables, name)
	}
	return variables
}

func (r *reader) key(n *yaml.Node, variables []string) key {
	if n == nil {
		return key{}
	}
	m := r.mapping(n, "key", "field", "from", "", "transform", "purpose")
	k := key{place: r.place(n), field: r.shaped(m["field"], "field", objectName, "a field name such as Bridge_Key__c")}
	k.source = r.source(m["from"], m["transform"], variables)
	return k
}

func (r *reader) source(from, transforms *yaml.Node, variables []string) source {
	s := source{kind: sobject.Text}
	for _, n := range r.oneOrMore(from) {
		if p := r.path(n, "from", variables); p != nil {
			s.paths = append(s.paths, p)
		}
	}
	for _, n := range r.oneOrMore(transforms) {
		s.transforms = append(s.transforms, r.transform(n))
	}
	if len(s.transforms) == 0 {
		return s
	}
	switch s.transforms[len(s.transforms)-1].name {
	case "utc":
		s.kind = sobject.DateTime
	case "date":
		s.kind = sobject.Date
	}
	return s
}

func (r *reader) transform(n *yaml.Node) transform {
	text := r.text(n, "transform")
	if text == "" {
		return transform{}
	}
	m := callShape.FindStringSubmatch(text)
	if m == nil {
		r.at(n, fmt.Sprintf("%q is not a transform", short(text)), "write name or name(argument, argument)")
		return transform{}
	}
	var args []string
	if strings.TrimSpace(m[2]) != "" {
		for arg := range strings.SplitSeq(m[2], ",") {
			args = append(args, strings.TrimSpace(arg))
		}
	}
	t, err := newTransform(m[1], args)
	if err != nil {
		hint := ""
		if !slices.Contains(transformNames(), m[1]) {
			hint = nearest(m[1], transformNames())
		}
		r.at(n, err.Error(), hint)
	}
	return t
}

func (r *reader) row(n *yaml.Node, t *table, variables []string) *row {
	m := r.mapping(n, "a row", "field", "", "from", "values", "transform", "ref", "lookup", "default", "required", "owner",
		"keepIfAbsent", "when", "purpose")
	w := &row{place: r.place(n), purpose: r.text(m["purpose"], "purpose"), owner: r.owner(m["owner"], t.owner)}
	w.field = r.shaped(m["field"], "field", objectName, "a field name such as Status")
	w.source = r.source(m["from"], m["transform"], variables)
	w.valuesName, w.valuesAt = r.text(m["values"], "values"), r.place(m["values"])
	w.ref, w.refAt = r.target(m["ref"], "ref", "CodeSetBundle or HealthcareProvider.Bridge_Key__c"), r.place(m["ref"])
	w.lookup = r.target(m["lookup"], "lookup", "Account.nhsNumber")
	if m["default"] != nil {
		w.fallback = r.constant(m["default"])
	}
	w.required, w.keepIfAbsent = r.flag(m["required"], "required"), r.flag(m["keepIfAbsent"], "keepIfAbsent")
	w.when = r.optionalPath(m["when"], "when", variables)
	r.coherent(n, w, m)
	return w
}

// coherent finds members of a row that contradict each other.
func (r *reader) coherent(n *yaml.Node, w *row, m map[string]*yaml.Node) {
	switch {
	case m["from"] == nil && m["default"] == nil:
		r.at(n, "a row needs from, or a default alone", "")
	case m["from"] == nil && (m["values"] != nil || m["transform"] != nil || m["ref"] != nil || m["lookup"] != nil):
		r.at(n, "values, transform, ref and lookup need a from", "")
	case m["ref"] != nil && m["lookup"] != nil:
		r.at(n, "a row has a ref or a lookup, not both", "ref: found by its external key; lookup: searched for first")
	case (m["ref"] != nil || m["lookup"] != nil) && m["default"] != nil:
		r.at(n, "a row that points to another record cannot have a default", "")
	case w.keepIfAbsent && m["default"] != nil:
		r.at(n, "keepIfAbsent never happens where there is a default", "remove one of the two")
	case w.lookup.Field != "" && w.lookup.Field != "nhsNumber":
		r.at(m["lookup"], fmt.Sprintf("there is no lookup %q", short(w.lookup.Field)), "lookups: nhsNumber")
	case w.lookup.Field != "" && !slices.ContainsFunc(w.transforms, func(t transform) bool { return t.name == "nhsNumber" }):
		r.at(n, "a lookup by nhsNumber needs transform: nhsNumber", "an unchecked number must not choose a patient")
	}
}

func (r *reader) target(n *yaml.Node, what, example string) sobject.Target {
	text := r.text(n, what)
	if text == "" {
		return sobject.Target{}
	}
	object, field, _ := strings.Cut(text, ".")
	if !objectName.MatchString(object) || field != "" && !objectName.MatchString(field) || what == "lookup" && field == "" {
		r.at(n, fmt.Sprintf("%s %q is not of the form %s", what, short(text), example), "")
		return sobject.Target{}
	}
	return sobject.Target{Object: object, Field: field}
}

// reachable finds rows that can never be used: of several rows for one field the first whose `when` holds counts.
func (r *reader) reachable(t *table) {
	open := map[string]place{}
	for _, w := range t.rows {
		if at, ok := open[w.field]; ok && w.field != "" {
			r.faults = append(r.faults, w.fault(TableFault, fmt.Sprintf("%s has its value from line %d already", w.field, at.line),
				"give the earlier row a when, or remove one of them"))
		}
		if w.field != "" && w.field == t.key.field {
			r.faults = append(r.faults, w.fault(TableFault, w.field+" is the key: it has its value from key", "remove the row"))
		}
		if w.when == nil {
			open[w.field] = w.place
		}
	}
}
