package mapping

import (
	"fmt"
	"regexp"
	"slices"
	"strconv"
	"strings"

	"go.yaml.in/yaml/v3"

	"refbridge/fhir/fhirpath"
	"refbridge/sfdc/sobject"
)

// table is one file: how one Salesforce object, or a part of a JSON body, is made from one resource type. Every part
// keeps its place.
type table struct {
	place
	object  string // sObject; empty for a body
	body    string // referral or appointment: the JSON body of that API; empty for records
	target  string // of a set that is not for a default org; empty otherwise
	array   string // of a body: the list that the table's items stand in (performers); empty: the body itself
	max     int    // of a body: how many items are kept; 0: as many as the API takes, more are a fault
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

	plan   *bodyPlan  // of a body
	list   int        // of a body: the list of the plan that the items stand in, -1: none
	item   []bodyNode // of a body: how an item of the list is written; none: plain values
	fields []string   // each field or path of the rows once, in the order in which it first comes
	base   int        // of a body: where the cells of the table begin among those of its body
}

// path is a compiled FHIRPath with its place.
type path struct {
	place
	text  string
	expr  *fhirpath.Expr
	walks bool // expr.Walks
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
	valuesName string
	valuesAt   place
	values     *valueTable
}

// row is one field of the record.
type row struct {
	place
	field string // of a body: the path, for example performers[].fields.Name
	slot  int    // of field in table.fields
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
	joined       bool   // of a body: the values of all elements of forEach become one text
	join         string // what stands between them
	length       int    // of a body: longest text in characters that the API takes, 0: any
	flag         bool   // of a body: the API takes true or false
	otherwise    constant
	plain        bool // one path that walks, and nothing is done to what it gives
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
	targetName   = regexp.MustCompile(`^[A-Za-z][A-Za-z0-9 \-]{0,39}$`)
	letName      = regexp.MustCompile(`^[A-Za-z][A-Za-z0-9]{0,39}$`)
	callShape    = regexp.MustCompile(`^\s*([A-Za-z]+)\s*(?:\(([^()]*)\))?\s*$`)
)

// table reads one file that has an object, or a body.
func (r *reader) table(root *yaml.Node, body bool) *table {
	t := &table{place: place{file: r.file, line: 1, column: 1}}
	m := r.tableMembers(root, t, body)
	t.purpose = r.text(m["purpose"], "purpose")
	t.source = r.shaped(m["source"], "source", resourceName, "a resource type such as ServiceRequest")
	t.target = r.shaped(m["target"], "target", targetName, "a name such as bench")
	t.owner = r.owner(m["owner"], sobject.Source)
	t.forEach = r.optionalPath(m["forEach"], "forEach", builtIn())
	variables := r.lets(t, m["let"])
	t.when = r.optionalPath(m["when"], "when", variables)
	t.key = r.key(m["key"], variables)
	for _, n := range r.list(m["rows"], "rows") {
		t.rows = append(t.rows, r.row(n, t, append(variables, t.results()...)))
		t.rows[len(t.rows)-1].slot = t.slotOf(t.rows[len(t.rows)-1].field)
	}
	r.reachable(t)
	r.after(t, m)
	return t
}

// tableMembers reads what tells a table of records from one of a body.
func (r *reader) tableMembers(root *yaml.Node, t *table, body bool) map[string]*yaml.Node {
	if body {
		m := r.mapping(root, "a table of a body", "body", "source", "rows", "", "target", "forEach", "max", "purpose", "let",
			"when", "values", "drop")
		t.body = r.choice(m["body"], "body", bodyNames()...)
		t.max = r.count(m["max"], "max")
		if t.max > 0 && m["forEach"] == nil {
			r.at(m["max"], "max needs a forEach", "it says how many elements are kept")
		}
		return m
	}
	m := r.mapping(root, "a table", "object", "source", "key", "rows", "", "target", "forEach", "purpose", "owner", "let", "when",
		"values", "drop", "gone", "back")
	t.object = r.shaped(m["object"], "object", objectName, "an sObject name such as ClinicalServiceRequest")
	return m
}

// results are the names under which rows find what the rows above them gave.
func (t *table) results() []string {
	prefix := "fields."
	if t.body != "" {
		prefix = "body."
	}
	out := make([]string, len(t.fields))
	for i, name := range t.fields {
		out[i] = prefix + name
	}
	return out
}

// slotOf gives the place of a field among those of the table; a new one is added.
func (t *table) slotOf(field string) int {
	i := slices.Index(t.fields, field)
	if i < 0 {
		i = len(t.fields)
		t.fields = append(t.fields, field)
	}
	return i
}

// after reads what stands behind the rows of a table.
func (r *reader) after(t *table, m map[string]*yaml.Node) {
	variables := append(builtIn(), t.letNames()...)
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
}

func (t *table) letNames() []string {
	var out []string
	for i := range t.lets {
		out = append(out, t.lets[i].name)
	}
	return out
}

// count reads a number of at least 1, 0 where n is nil.
func (r *reader) count(n *yaml.Node, what string) int {
	if n == nil {
		return 0
	}
	i, err := strconv.Atoi(r.text(n, what))
	if err != nil || i < 1 || i > maxItems {
		r.at(n, fmt.Sprintf("%s is a number from 1 to %d", what, maxItems), "")
		return 0
	}
	return i
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
			m := r.mapping(p[1], "a named value", "from", "", "transform", "values", "purpose")
			l.source = r.source(m["from"], m["transform"], variables)
			l.valuesName, l.valuesAt = r.text(m["values"], "values"), r.place(m["values"])
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
	t.text = strings.TrimSpace(text)
	return t
}

func (r *reader) row(n *yaml.Node, t *table, variables []string) *row {
	w := &row{place: r.place(n)}
	m := r.rowMembers(n, t, w)
	w.purpose, w.owner = r.text(m["purpose"], "purpose"), r.owner(m["owner"], t.owner)
	w.source = r.source(m["from"], m["transform"], variables)
	w.valuesName, w.valuesAt = r.text(m["values"], "values"), r.place(m["values"])
	w.ref, w.refAt = r.target(m["ref"], "ref", "CodeSetBundle or HealthcareProvider.Bridge_Key__c"), r.place(m["ref"])
	w.lookup = r.target(m["lookup"], "lookup", "Account.nhsNumber")
	if m["default"] != nil {
		w.fallback = r.constant(m["default"])
		w.otherwise = constantOf(w.fallback)
	}
	w.required, w.keepIfAbsent = r.flag(m["required"], "required"), r.flag(m["keepIfAbsent"], "keepIfAbsent")
	w.when = r.optionalPath(m["when"], "when", variables)
	r.coherent(n, w, m)
	w.plain = len(w.paths) == 1 && w.paths[0].walks && len(w.transforms) == 0 && m["values"] == nil && m["ref"] == nil && m["lookup"] == nil
	return w
}

// rowMembers reads what tells a row of a record from one of a body.
func (r *reader) rowMembers(n *yaml.Node, t *table, w *row) map[string]*yaml.Node {
	if t.body == "" {
		m := r.mapping(n, "a row", "field", "", "from", "values", "transform", "ref", "lookup", "default", "required", "owner",
			"keepIfAbsent", "when", "purpose")
		w.field = r.shaped(m["field"], "field", objectName, "a field name such as Status")
		return m
	}
	m := r.mapping(n, "a row of a body", "path", "", "from", "values", "transform", "join", "default", "required", "when", "purpose")
	w.field = r.shaped(m["path"], "path", bodyPath, "a path such as patient.fields.LastName or performers[].id")
	if w.joined = m["join"] != nil; w.joined {
		w.join = r.separator(m["join"])
	}
	return m
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
