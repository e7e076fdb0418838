package fhirpath

import (
	"slices"

	"refbridge/fhir"
)

// member is the step to an element.
type member struct {
	names
	name  string
	limit int // how many items are wanted at most, 0 for all
}

func (m *member) run(r *evaluation, in span) {
	base := len(r.stack)
	for i := in.from; i < in.to && r.step(); i++ {
		if m.limit > 0 && len(r.stack)-base >= m.limit {
			return
		}
		if item := r.stack[i]; item.kind == nodeKind {
			m.from(r, members(item.node))
		}
	}
}

// from pushes the element of one object. A primitive stands under its name, its extensions under _name; those matter
// here only where a value may be missing.
func (m *member) from(r *evaluation, object fhir.Node) {
	var found, extra fhir.Node
	for n := first(object); n.Exists(); n = n.Next() {
		switch name := n.Name(); {
		case name == m.name:
			if found = n; complete(n) {
				r.pushElement(n, fhir.Node{})
				return
			}
		case len(name) == len(m.name)+1 && name[0] == '_' && name[1:] == m.name:
			extra = n
		case len(m.suffixes) > 0 && !found.Exists() && m.chosen(object, name):
			found = n
		case len(m.suffixes) > 0 && len(name) > 1 && name[0] == '_' && m.chosen(object, name[1:]):
			extra = n
		}
	}
	r.pushElement(found, extra)
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

// chosen tells whether a JSON name (valueCoding) is that of the choice.
func (m *member) chosen(object fhir.Node, name string) bool {
	if len(name) <= len(m.name) || name[:len(m.name)] != m.name {
		return false
	}
	if _, ok := slices.BinarySearch(m.suffixes, name[len(m.name):]); !ok {
		return false
	}
	if !m.unsure {
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
		r.push(NodeItem(value))
	case beside.Kind() == fhir.Object && beside.Len() > 0:
		r.push(NodeItem(beside))
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
	if n.Kind() == fhir.Null {
		return true
	}
	if n.Kind() != fhir.Object {
		return false
	}
	name := n.Name()
	if p := n.Parent(); p.Kind() == fhir.Array {
		name = p.Name()
	}
	return len(name) > 1 && name[0] == '_'
}

// pushChildren pushes all elements of a node.
func (r *evaluation) pushChildren(n fhir.Node) {
	object := members(n)
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
		r.push(NodeItem(n))
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
