package mapping

import (
	"fmt"
	"slices"
	"strconv"
	"strings"

	"go.yaml.in/yaml/v3"

	"refbridge/config/pattern"
	"refbridge/fhir/fhirpath"
	"refbridge/sfdc/sobject"
)

// BuiltIn are the variables that every path may use; the caller of Map sets them.
func BuiltIn() []string { return []string{"source", "run", "patientMode", "system"} }

var callShape = pattern.MustOnce(`^\s*([A-Za-z]+)\s*(?:\(([^()]*)\))?\s*$`)

// ValidObjectName tells whether a name can be that of an object or a field of Salesforce.
func ValidObjectName(name string) bool { return isObjectName(name) }

// ValidResourceName tells whether a name can be that of a resource type.
func ValidResourceName(name string) bool { return isResourceName(name) }

// ValidElementName tells whether a name can be that of an element, or of what stands beside a primitive (_birthDate).
func ValidElementName(name string) bool { return isElementName(name) }

// table reads one file that has an object, or a body.
func (r *Reader) table(root *yaml.Node, body bool) *Table {
	t := &Table{Place: Place{File: r.File, Line: 1, Column: 1}}
	m := r.tableMembers(root, t, body)
	t.Purpose = r.Text(m["purpose"], "purpose")
	t.Source = r.shaped(m["source"], "source", isResourceName, "a resource type such as ServiceRequest")
	t.Target = r.shaped(m["target"], "target", isTargetName, "a name such as bench")
	t.Owner = r.owner(m["owner"], sobject.Source)
	r.scope = fhirpath.Scope{Focus: fhirpath.KnownAs(t.Source), Resource: fhirpath.KnownAs(t.Source), Values: map[string]fhirpath.Known{}}
	if t.ForEach = r.optionalPath(m["forEach"], "forEach", BuiltIn()); t.ForEach != nil {
		r.scope.Focus = t.ForEach.Expr.Known()
	}
	variables := r.lets(t, m["let"])
	t.Patient = r.optionalPath(m["patient"], "patient", BuiltIn())
	t.When = r.optionalPath(m["when"], "when", variables)
	t.guarded = m["when"] != nil || m["forEach"] != nil && t.ForEach == nil
	t.Key = r.key(m["key"], variables)
	r.rows(t, m["rows"], variables)
	r.reachable(t)
	r.after(t, m)
	return t
}

// tableMembers reads what tells a table of records from one of a body.
func (r *Reader) tableMembers(root *yaml.Node, t *Table, body bool) map[string]*yaml.Node {
	if body {
		m := r.Mapping(root, "a table of a body", "body", "source", "rows", "", "target", "forEach", "max", "purpose", "let",
			"when", "values", "drop")
		t.Body = r.Choice(m["body"], "body", bodyNames()...)
		t.Max = r.count(m["max"], "max")
		if t.Max > 0 && m["forEach"] == nil {
			r.At(m["max"], "max needs a forEach", "it says how many elements are kept")
		}
		return m
	}
	m := r.Mapping(root, "a table", "object", "source", "key", "rows", "", "target", "forEach", "purpose", "owner", "shared", "patient", "let", "when",
		"values", "drop", "gone", "back")
	t.Object = r.shaped(m["object"], "object", isObjectName, "an sObject name such as ClinicalServiceRequest")
	if m["shared"] != nil {
		t.Shared = r.Choice(m["shared"], "shared", SharedByCode, SharedByPatient)
	}
	return m
}

// Results are the names under which rows find what the rows above them gave.
func (t *Table) Results() []string {
	out := make([]string, len(t.fields))
	for i, name := range t.fields {
		out[i] = t.result(name)
	}
	return out
}

func (t *Table) result(field string) string {
	if t.Body != "" {
		return "body." + field
	}
	return "fields." + field
}

// rows reads the rows. Each may use what those above it gave: its field is a variable then.
func (r *Reader) rows(t *Table, n *yaml.Node, variables []string) {
	slots := map[string]int{}
	for _, n := range r.List(n, "rows") {
		w := r.row(n, t, variables)
		slot, known := slots[w.Field]
		if !known {
			slot = len(t.fields)
			slots[w.Field] = slot
			t.fields = append(t.fields, w.Field)
			variables = append(variables, t.result(w.Field))
		}
		w.slot = slot
		t.Rows = append(t.Rows, w)
	}
}

// after reads what stands behind the rows of a table.
func (r *Reader) after(t *Table, m map[string]*yaml.Node) {
	variables := append(BuiltIn(), t.letNames()...)
	for _, n := range r.List(m["drop"], "drop") {
		d := r.Mapping(n, "a drop", "path", "purpose", "")
		t.Drops = append(t.Drops, Drop{r.place(n), r.optionalPath(d["path"], "path", variables), r.Text(d["purpose"], "purpose")})
	}
	for _, n := range r.List(m["gone"], "gone") {
		t.Gone = append(t.Gone, r.gone(n))
	}
	for _, n := range r.List(m["back"], "back") {
		t.Back = append(t.Back, r.backRule(n))
	}
}

func (t *Table) letNames() []string {
	var out []string
	for i := range t.Lets {
		out = append(out, t.Lets[i].Name)
	}
	return out
}

// count reads a number of at least 1, 0 where n is nil.
func (r *Reader) count(n *yaml.Node, what string) int {
	if n == nil {
		return 0
	}
	i, err := strconv.Atoi(r.Text(n, what))
	if err != nil || i < 1 || i > maxItems {
		r.At(n, fmt.Sprintf("%s is a number from 1 to %d", what, maxItems), "")
		return 0
	}
	return i
}

func (r *Reader) gone(n *yaml.Node) GoneRow {
	m := r.Mapping(n, "a field of gone", "field", "to", "", "only", "purpose")
	g := GoneRow{Place: r.place(n), Field: r.shaped(m["field"], "field", isObjectName, "a field name such as Status"),
		Value: r.constant(m["to"]), Purpose: r.Text(m["purpose"], "purpose")}
	for _, value := range r.List(m["only"], "only") {
		g.Only = append(g.Only, r.Text(value, "a value of only"))
	}
	return g
}

// ObjectName gives the name of an object or a field.
func (r *Reader) ObjectName(n *yaml.Node, what, example string) string {
	return r.shaped(n, what, isObjectName, example)
}

// shaped gives a text that must have a shape; example says which.
func (r *Reader) shaped(n *yaml.Node, what string, shape func(string) bool, example string) string {
	s := r.Text(n, what)
	if s != "" && !shape(s) {
		r.At(n, fmt.Sprintf("%s %q is not %s", what, Short(s), example), "")
		return ""
	}
	return s
}

func (r *Reader) optionalPath(n *yaml.Node, what string, variables []string) *Path {
	if n == nil {
		return nil
	}
	return r.path(n, what, variables)
}

func (r *Reader) owner(n *yaml.Node, otherwise sobject.Owner) sobject.Owner {
	if n == nil {
		return otherwise
	}
	switch r.Choice(n, "owner", "source", "target", "latest", "create-only", "stop", "identity") {
	case "target":
		return sobject.TargetSide
	case "latest":
		return sobject.Latest
	case "create-only":
		return sobject.CreateOnly
	case "stop":
		return sobject.Stop
	case "identity":
		return sobject.Identity
	}
	return sobject.Source
}

// lets reads named values in the order written; each may use those above it. It gives the variables of the file.
func (r *Reader) lets(t *Table, n *yaml.Node) []string {
	variables := BuiltIn()
	for _, p := range r.Pairs(n, "let") {
		name := p[0].Value
		switch {
		case !isLetName(name):
			r.At(p[0], fmt.Sprintf("%q cannot be a name: letters and digits, a letter first", Short(name)), "")
			continue
		case slices.Contains(variables, name):
			r.At(p[0], fmt.Sprintf("%%%s is there already", name), "")
			continue
		case slices.Contains(fhirpath.Reserved(), name) || name == "fields" || name == "body":
			r.At(p[0], fmt.Sprintf("%%%s has a meaning of its own", name), "choose another name")
			continue
		}
		l := Let{Place: r.place(p[0]), Name: name}
		if p[1].Kind == yaml.MappingNode {
			m := r.Mapping(p[1], "a named value", "from", "", "transform", "values", "purpose")
			l.Source = r.source(m["from"], m["transform"], variables)
			l.ValuesName, l.valuesAt = r.Text(m["values"], "values"), r.place(m["values"])
			l.Purpose = r.Text(m["purpose"], "purpose")
		} else {
			l.Source = r.source(p[1], nil, variables)
		}
		r.scope.Values[name] = l.known()
		t.Lets = append(t.Lets, l)
		variables = append(variables, name)
	}
	return variables
}

func (r *Reader) key(n *yaml.Node, variables []string) Key {
	if n == nil {
		return Key{}
	}
	m := r.Mapping(n, "key", "field", "from", "", "transform", "purpose")
	k := Key{Place: r.place(n), Field: r.shaped(m["field"], "field", isObjectName, "a field name such as Bridge_Key__c"),
		Purpose: r.Text(m["purpose"], "purpose")}
	k.Source = r.source(m["from"], m["transform"], variables)
	return k
}

func (r *Reader) source(from, transforms *yaml.Node, variables []string) Source {
	s := Source{kind: sobject.Text}
	for _, n := range r.someOf(from, "from") {
		if p := r.path(n, "from", variables); p != nil {
			s.Paths = append(s.Paths, p)
		}
	}
	for _, n := range r.someOf(transforms, "transform") {
		s.Transforms = append(s.Transforms, r.transform(n))
	}
	if len(s.Transforms) == 0 {
		return s
	}
	switch last := s.Transforms[len(s.Transforms)-1]; {
	case last.Name == "utc" && !last.seconds:
		s.kind = sobject.DateTime
	case last.Name == "date":
		s.kind = sobject.Date
	}
	return s
}

// someOf gives the items of a list that must not be empty, or the single value that stands in its place.
func (r *Reader) someOf(n *yaml.Node, what string) []*yaml.Node {
	items := r.OneOrMore(n)
	if n != nil && len(items) == 0 {
		r.At(n, what+" is an empty list", "write what belongs there, or remove the line")
	}
	return items
}

func (r *Reader) transform(n *yaml.Node) Transform {
	text := r.Text(n, "transform")
	if text == "" {
		return Transform{}
	}
	m := callShape().FindStringSubmatch(text)
	if m == nil {
		r.found("transform", n, fmt.Sprintf("%q is not a transform", Short(text)), "write name or name(argument, argument)")
		return Transform{}
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
		if !slices.Contains(TransformNames(), m[1]) {
			hint = Nearest(m[1], TransformNames())
		}
		r.found("transform", n, err.Error(), hint)
	}
	t.Text = strings.TrimSpace(text)
	return t
}

func (r *Reader) row(n *yaml.Node, t *Table, variables []string) *Row {
	w := &Row{Place: r.place(n)}
	m := r.rowMembers(n, t, w)
	w.Purpose, w.Owner = r.Text(m["purpose"], "purpose"), r.owner(m["owner"], t.Owner)
	w.Source = r.source(m["from"], m["transform"], variables)
	w.ValuesName, w.valuesAt = r.Text(m["values"], "values"), r.place(m["values"])
	w.Ref, w.refAt = r.target(m["ref"], "ref", "CodeSetBundle or HealthcareProvider.Bridge_Key__c"), r.place(m["ref"])
	w.Lookup = r.target(m["lookup"], "lookup", "Account.nhsNumber")
	switch {
	case w.Ref.Object != "":
		w.kind = sobject.Ref
	case w.Lookup.Object != "":
		w.kind = sobject.Lookup
	}
	if m["default"] != nil {
		w.Fallback = r.constant(m["default"])
		w.otherwise = constantOf(w.Fallback)
	}
	w.Required, w.KeepIfAbsent = r.flag(m["required"], "required"), r.flag(m["keepIfAbsent"], "keepIfAbsent")
	w.When, w.Conditional = r.optionalPath(m["when"], "when", variables), m["when"] != nil
	w.Optional, w.Private = r.flag(m["optional"], "optional"), r.flag(m["private"], "private") ||
		w.Lookup.Object == "" && slices.ContainsFunc(w.Transforms, func(t Transform) bool { return t.Name == "nhsNumber" }) // looked up, it is an id
	r.coherent(n, w, m)
	w.plain = len(w.Paths) == 1 && w.Paths[0].walks && w.Paths[0].typ == "" && len(w.Transforms) == 0 && m["values"] == nil && m["ref"] == nil && m["lookup"] == nil
	return w
}

// rowMembers reads what tells a row of a record from one of a body.
func (r *Reader) rowMembers(n *yaml.Node, t *Table, w *Row) map[string]*yaml.Node {
	if t.Body == "" {
		m := r.Mapping(n, "a row", "field", "", "from", "values", "transform", "ref", "lookup", "default", "required", "owner",
			"keepIfAbsent", "optional", "private", "when", "purpose")
		w.Field = r.shaped(m["field"], "field", isObjectName, "a field name such as Status")
		return m
	}
	m := r.Mapping(n, "a row of a body", "path", "", "from", "values", "transform", "join", "default", "required", "when", "purpose")
	w.Field = r.shaped(m["path"], "path", isBodyPath, "a path such as patient.fields.LastName or performers[].id")
	if w.Joined = m["join"] != nil; w.Joined {
		w.Join = r.separator(m["join"])
	}
	return m
}

// coherent finds members of a row that contradict each other.
func (r *Reader) coherent(n *yaml.Node, w *Row, m map[string]*yaml.Node) {
	if why, hint := w.needless(); w.Optional && why != "" {
		r.At(m["optional"], why, hint)
	}
	if w.Owner != sobject.Identity && slices.ContainsFunc(w.Transforms, func(t Transform) bool { return t.Part }) {
		r.At(m["transform"], "date(partial) is for a row of owner identity: a field of Salesforce takes no month or year alone", "write date")
	}
	switch {
	case m["from"] == nil && m["default"] == nil:
		r.At(n, "a row needs from, or a default alone", "")
	case m["from"] == nil && (m["values"] != nil || m["transform"] != nil || m["ref"] != nil || m["lookup"] != nil):
		r.At(n, "values, transform, ref and lookup need a from", "")
	case m["ref"] != nil && m["lookup"] != nil:
		r.At(n, "a row has a ref or a lookup, not both", "ref: found by its external key; lookup: searched for first")
	case (m["ref"] != nil || m["lookup"] != nil) && m["default"] != nil:
		r.At(n, "a row that points to another record cannot have a default", "")
	case w.KeepIfAbsent && m["default"] != nil:
		r.At(n, "keepIfAbsent never happens where there is a default", "remove one of the two")
	case w.Lookup.Field != "" && w.Lookup.Field != "nhsNumber":
		r.At(m["lookup"], fmt.Sprintf("there is no lookup %q", Short(w.Lookup.Field)), "lookups: nhsNumber")
	case w.Lookup.Field != "" && !slices.ContainsFunc(w.Transforms, func(t Transform) bool { return t.Name == "nhsNumber" }):
		r.At(n, "a lookup by nhsNumber needs transform: nhsNumber", "an unchecked number must not choose a patient")
	}
}

func (r *Reader) target(n *yaml.Node, what, example string) sobject.Target {
	text := r.Text(n, what)
	if text == "" {
		return sobject.Target{}
	}
	object, field, _ := strings.Cut(text, ".")
	if !ValidObjectName(object) || field != "" && !ValidObjectName(field) || what == "lookup" && field == "" {
		r.At(n, fmt.Sprintf("%s %q is not of the form %s", what, Short(text), example), "")
		return sobject.Target{}
	}
	return sobject.Target{Object: object, Field: field}
}

// reachable finds rows that can never be used: of several rows for one field the first whose `when` holds counts.
func (r *Reader) reachable(t *Table) {
	open := map[string]Place{}
	for _, w := range t.Rows {
		if at, ok := open[w.Field]; ok && w.Field != "" {
			r.noted("unreachable", w.Fault(TableFault, fmt.Sprintf("%s has its value from line %d already", w.Field, at.Line),
				"give the earlier row a when, or remove one of them"))
		}
		if w.Field != "" && w.Field == t.Key.Field {
			r.noted("unreachable", w.Fault(TableFault, w.Field+" is the key: it has its value from key", "remove the row"))
		}
		if !w.Conditional {
			open[w.Field] = w.Place
		}
	}
}
