package fhirpath

import (
	"slices"
	"strings"

	"refbridge/fhir"
)

// member is the step to an element.
type member struct {
	plain   fhir.Name
	choices *fhir.Names // of a choice: its names in JSON, and those of their extensions
	want    *wantedType // of a choice in a walk: the only type that is wanted
	under   fhir.Name   // of the extensions of a primitive: _name
	exact   fhir.Name   // then: its name in JSON
	limit   int         // how many items are wanted at most, 0 for all
	name    string
	names
}

func newMember(name string, limit int) *member {
	known := named(name)
	return &member{name: name, limit: limit, names: known, choices: known.inJSON, plain: fhir.NameOf(name), under: fhir.NameOf("_" + name)}
}

// may tells whether ofType() behind a choice can be answered by the name that it has in JSON.
func (m *member) may(want wantedType) bool {
	if m.choices == nil || slices.Contains(m.doubtful, m.name+capital(want.fhir.name())) || m.want != nil || want.fhir == 0 || !slices.Contains(m.suffixes, capital(want.fhir.name())) {
		return false
	}
	for _, s := range m.suffixes {
		t := typeNamed(s)
		if t == 0 {
			t = typeNamed(strings.ToLower(s[:1]) + s[1:])
		}
		if t == 0 || t != want.fhir && !want.exact() && t.is(want.fhir) {
			return false
		}
	}
	return true
}

// typed is the choice where only one type is wanted.
func (m *member) typed(want wantedType) *member {
	out := *m
	name := m.name + capital(want.fhir.name())
	out.want, out.exact, out.choices = &want, fhir.NameOf(name), fhir.NamesOf(name, "_"+name)
	return &out
}

func capital(s string) string { return strings.ToUpper(s[:1]) + s[1:] }

func (m *member) run(r *evaluation, in span) {
	base := len(r.stack)
	for i := in.from; i < in.to && r.step(); i++ {
		if m.limit > 0 && len(r.stack)-base >= m.limit {
			return
		}
		if item := r.stack[i]; item.kind == nodeKind {
			m.from(r, r.members(item.node))
		}
	}
}

// from pushes the element of one object. A primitive stands under its name, its extensions under _name; those matter
// here only where a value may be missing.
func (m *member) from(r *evaluation, object fhir.Node) {
	found, extra := m.find(object)
	mark := len(r.stack)
	r.pushElement(found, extra)
	if m.want != nil {
		r.ofType(mark, *m.want)
	}
}

// find gives an element and what stands beside it under _name.
func (m *member) find(object fhir.Node) (found, extra fhir.Node) {
	found = object.Member(m.plain)
	if m.want == nil && found.Exists() && complete(found) {
		return found, extra
	}
	extra = object.Member(m.under)
	if m.choices == nil {
		return found, extra
	}
	for n := object.Any(m.choices); n.Exists(); n = n.Other(m.choices) {
		switch name := n.Name(); {
		case name[0] == '_':
			if m.chosen(object, name[1:]) {
				extra = n
			}
		case !found.Exists() && m.chosen(object, name):
			found = n
		}
	}
	return found, extra
}

// ofType keeps of what stands above mark the items of a type.
func (r *evaluation) ofType(mark int, want wantedType) {
	keep := mark
	for i := mark; i < len(r.stack); i++ {
		if want.matches(r.stack[i], !want.exact()) {
			r.stack[keep] = r.stack[i]
			keep++
		}
	}
	r.drop(keep)
}

// complete tells whether an element needs nothing from beside it: it has a value, or is a list of objects.
func complete(n fhir.Node) bool {
	if n.Kind() == fhir.Array {
		return n.First().Kind() == fhir.Object
	}
	return n.Kind() != fhir.Null
}

// first gives the first member of an object.
func first(object fhir.Node) fhir.Node {
	if object.Kind() != fhir.Object {
		return fhir.Node{}
	}
	return object.First()
}

// chosen tells whether a JSON name (valueCoding) that the choice may have is that of the choice in this object.
func (m *member) chosen(object fhir.Node, name string) bool {
	if !slices.Contains(m.doubtful, name) {
		return true
	}
	t := typeOf(object)
	e, plain := t.element(name)
	return t == 0 || !plain || e.count > 0
}

// pushElement pushes the items of an element from its values and the extensions beside them.
func (r *evaluation) pushElement(found, extra fhir.Node) {
	if found.Kind() != fhir.Array && extra.Kind() != fhir.Array {
		r.pushPrimitive(found, extra)
		return
	}
	value, beside := head(found), head(extra)
	for value.Exists() || beside.Exists() {
		r.pushPrimitive(value, beside)
		value, beside = next(found, value), next(extra, beside)
	}
}

func (r *evaluation) pushPrimitive(value, beside fhir.Node) {
	switch {
	case value.Exists() && value.Kind() != fhir.Null:
		r.reach(value)
	case beside.Kind() == fhir.Object && beside.First().Exists():
		r.reach(beside)
	}
}

// head and next walk an array, or a single value as a list of one.
func head(list fhir.Node) fhir.Node {
	if list.Kind() == fhir.Array {
		return list.First()
	}
	return list
}

func next(list, n fhir.Node) fhir.Node {
	if list.Kind() == fhir.Array {
		return n.Next()
	}
	return fhir.Node{}
}

// members is members, at the price of finding the place of one primitive in a long list.
func (r *evaluation) members(n fhir.Node) fhir.Node {
	if n.Kind() < fhir.Array {
		if list := n.Parent(); list.Kind() == fhir.Array {
			r.steps += list.Len() / 8
		}
	}
	return members(n)
}

// members gives the object that holds the elements of a node: itself, or for a primitive what stands under _name.
func members(n fhir.Node) fhir.Node {
	switch n.Kind() {
	case fhir.Object, fhir.Missing, fhir.Array:
		return n
	}
	owner, list := n.Parent(), fhir.Node{}
	name := n.Name()
	if owner.Kind() == fhir.Array {
		list, owner, name = owner, owner.Parent(), owner.Name()
	}
	if name == "" {
		return fhir.Node{}
	}
	for beside := first(owner); beside.Exists(); beside = beside.Next() {
		if key := beside.Name(); len(key) == len(name)+1 && key[0] == '_' && key[1:] == name {
			return sibling(beside, list, n)
		}
	}
	return fhir.Node{}
}

// sibling gives what stands in _name at the place that n has in name.
func sibling(beside, list, n fhir.Node) fhir.Node {
	if beside.Kind() != fhir.Array {
		return beside
	}
	at := beside.First()
	for v := head(list); v.Exists() && !v.Same(n); v = v.Next() {
		at = at.Next()
	}
	return at
}

// valueless tells whether a node stands for a primitive that has extensions and no value.
func valueless(n fhir.Node) bool {
	return n.Kind() == fhir.Null || n.Kind() == fhir.Object && n.Beside()
}

// pushChildren pushes all elements of a node.
func (r *evaluation) pushChildren(n fhir.Node) {
	object := r.members(n)
	for c := first(object); c.Exists() && r.step(); c = c.Next() {
		name := c.Name()
		switch {
		case name == "resourceType" || name == "fhir_comments":
		case len(name) > 1 && name[0] == '_':
			if !object.Get(name[1:]).Exists() {
				r.pushElement(fhir.Node{}, c)
			}
		default:
			r.pushElement(c, beside(object, name))
		}
	}
}

// beside gives the member _name.
func beside(object fhir.Node, name string) fhir.Node {
	for c := first(object); c.Exists(); c = c.Next() {
		if key := c.Name(); len(key) == len(name)+1 && key[0] == '_' && key[1:] == name {
			return c
		}
	}
	return fhir.Node{}
}

func (r *evaluation) pushNode(n fhir.Node) {
	if n.Exists() {
		r.reach(n)
	}
}

// resource gives %resource.
func (r *evaluation) resource() fhir.Node {
	if r.context.Resource.Exists() {
		return r.context.Resource
	}
	return enclosing(r.focus)
}

// enclosing gives the resource that a node stands in, not a contained one but the one that contains it; where there
// is none it gives the outermost node.
func enclosing(n fhir.Node) fhir.Node {
	root := n.Root()
	if typ := root.Member(nameType).Text(); typ != "" && typ != "Bundle" && typ != "Parameters" {
		return root
	}
	for {
		_, name := place(n)
		if resourceHolder(name) && name != "contained" && n.Get("resourceType").Exists() || !n.Parent().Exists() {
			return n
		}
		n = n.Parent()
	}
}

func typeInfo(name string) op {
	return func(r *evaluation, in span) {
		for _, i := range r.items(in) {
			switch {
			case i.kind != typeKind:
			case name == "name":
				r.push(StringItem(i.val.unit))
			default:
				r.push(StringItem(i.val.text))
			}
		}
	}
}
