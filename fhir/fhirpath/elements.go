package fhirpath

import (
	"slices"
	"strings"

	"refbridge/fhir"
)

// elements adds the functions of FHIR and of types.
func elements(all map[string]function) {
	all["extension"] = function{1, 1, buildExtension}
	all["hasValue"] = whole(booleanKind, func(r *evaluation, _ int, in span) {
		r.push(booleanItem(in.len() == 1 && r.stack[in.from].hasValue()))
	})
	all["getValue"] = whole(nodeKind, func(r *evaluation, at int, in span) {
		if i, ok := r.one(in, at, "getValue()"); ok && i.hasValue() {
			r.pushValue(at, i.value())
		}
	})
	all["resolve"] = function{0, 0, buildResolve}
	all["children"] = function{0, 0, buildChildren}
	all["descendants"] = function{0, 0, buildDescendants}
	all["type"] = function{0, 0, buildType}
	all["is"] = function{1, 1, buildTypeFunction}
	all["as"] = function{1, 1, buildTypeFunction}
	all["ofType"] = function{1, 1, buildTypeFunction}
}

// Members that are looked up often.
var (
	nameReference = mustName("reference")
	nameExtension = mustName("extension")
	nameURL       = mustName("url")
	nameContained = mustName("contained")
	nameID        = mustName("id")
	nameType      = mustName("resourceType")
)

func mustName(name string) fhir.Name { return fhir.NameOf(name) }

// hasValue tells whether an item is a primitive with a value.
func (i Item) hasValue() bool {
	switch i.node.Kind() {
	case fhir.String, fhir.Number, fhir.Bool:
		return true
	}
	return i.kind != nodeKind && i.kind != typeKind
}

// buildExtension compiles extension('url'): the extensions of elements and of primitives.
func buildExtension(c *compiler, k call) (op, shape) {
	if k.in.system != nodeKind {
		return c.refuse(k.at, "a System."+k.in.system.String()+" has no extensions", "")
	}
	arg, _ := c.expr(k.args[0], c.this)
	if lit := k.args[0].lit; k.args[0].kind == literalTree && lit.kind == stringKind {
		c.walked(k.tree, walkStep{kind: extensionStep, url: lit.text})
	}
	at, limit := k.at, k.limit
	return func(r *evaluation, in span) {
		base := len(r.stack)
		url, ok := r.text(r.eval(arg, r.this), at, "extension()")
		r.drop(base)
		for i := in.from; ok && i < in.to && r.step(); i++ {
			r.extensions(r.stack[i], url)
			if limit > 0 && len(r.stack)-base >= limit {
				return
			}
		}
	}, shape{types: []typeID{typeNamed("Extension")}, loose: k.in.loose}
}

func (r *evaluation) extensions(of Item, url string) {
	list := r.members(of.node).Member(nameExtension)
	for e := head(list); e.Exists(); e = next(list, e) {
		if e.Member(nameURL).Text() == url {
			r.reach(e)
		}
	}
}

// buildResolve compiles resolve(): what references point to, among the contained resources or by Context.Resolve.
// What is not found is left out.
func buildResolve(c *compiler, k call) (op, shape) {
	c.walked(k.tree, walkStep{kind: resolveStep})
	return func(r *evaluation, in span) {
		for i := in.from; i < in.to && r.step(); i++ {
			if reference := r.stack[i].reference(); reference != "" {
				r.pushNode(r.resolve(reference, r.stack[i].node))
			}
		}
	}, shape{loose: k.in.loose}
}

func (i Item) reference() string {
	if i.kind == nodeKind {
		return reference(i.node)
	}
	return i.text
}

// reference gives the text of a Reference, or of a text that is one.
func reference(n fhir.Node) string {
	switch n.Kind() {
	case fhir.Object:
		return n.Member(nameReference).Text()
	case fhir.String:
		return n.Text()
	}
	return ""
}

// resolve gives what a reference points to. #id means the resource that the reference stands in, which may have
// come from Resolve itself, and else %resource.
func (r *evaluation) resolve(reference string, from fhir.Node) fhir.Node {
	if id, ok := strings.CutPrefix(reference, "#"); ok {
		to, twice := r.contained(enclosing(from), id)
		if !to.Exists() {
			to, twice = r.contained(r.resource(), id)
		}
		if to.Exists() && !twice {
			return to
		}
	}
	if r.context.Resolve == nil {
		return fhir.Node{}
	}
	to, _ := r.context.Resolve(reference, from)
	return to
}

// contained gives the contained resource with an id, and whether another one has it too; # alone is the resource that contains.
func (r *evaluation) contained(resource fhir.Node, id string) (found fhir.Node, twice bool) {
	if id == "" {
		return resource, false
	}
	list := resource.Member(nameContained)
	for c := head(list); c.Exists() && r.step(); c = next(list, c) {
		if c.Member(nameID).Text() != id {
			continue
		}
		if found.Exists() {
			return found, true
		}
		found = c
	}
	return found, false
}

func buildChildren(_ *compiler, _ call) (op, shape) {
	return func(r *evaluation, in span) {
		for i := in.from; i < in.to && r.step(); i++ {
			if r.stack[i].kind == nodeKind {
				r.pushChildren(r.stack[i].node)
			}
		}
	}, shape{loose: true}
}

func buildDescendants(_ *compiler, _ call) (op, shape) {
	return func(r *evaluation, in span) {
		base := len(r.stack)
		for i := in.from; i < in.to && r.step(); i++ {
			if r.stack[i].kind == nodeKind {
				r.pushChildren(r.stack[i].node)
			}
		}
		for i := base; i < len(r.stack) && r.step(); i++ {
			r.pushChildren(r.stack[i].node)
		}
	}, shape{loose: true}
}

func buildType(_ *compiler, _ call) (op, shape) {
	return func(r *evaluation, in span) {
		for i := in.from; i < in.to && r.step(); i++ {
			space, name, _ := strings.Cut(r.stack[i].Type(), ".")
			r.push(typeItem(space, name))
		}
	}, systemShape(typeKind)
}

// wantedType is what is, as and ofType look for.
type wantedType struct {
	system kind   // a System type; nodeKind for none
	fhir   typeID // a FHIR type; 0 for none
}

// typeWanted reads the name of a type, with FHIR or System before it or without.
func (c *compiler) typeWanted(name string, at int) wantedType {
	space, bare, qualified := strings.Cut(name, ".")
	if !qualified {
		space, bare = "", name
	}
	var w wantedType
	if space != "FHIR" {
		w.system = kindNamed(bare)
	}
	if space != "System" {
		w.fhir = typeNamed(bare)
	}
	known := w.system != nodeKind || w.fhir != 0 || typeNamed(bare) != 0
	if !known || space != "" && space != "FHIR" && space != "System" {
		candidates := append(typeNames(), "Boolean", "Integer", "Decimal", "String", "Date", "DateTime", "Time")
		c.refuse(at, "unknown type "+name, didYouMean(bare, candidates, ""))
	}
	return w
}

// matches tells whether an item has the type, or with subtypes one derived from it.
func (w wantedType) matches(i Item, subtypes bool) bool {
	if i.kind != nodeKind {
		return w.system == i.kind
	}
	if w.fhir == 0 {
		return false
	}
	t := typeOf(i.node)
	if t == 0 {
		t = typeNamed(guess(i.node))
	}
	return t == w.fhir || subtypes && t.is(w.fhir)
}

// exact tells whether as and ofType take no subtypes. The suite of FHIR R4 wants that for primitives: a code is no
// string for ofType, though it is one for is.
func (w wantedType) exact() bool { return w.fhir.class() == primitiveType }

func (w wantedType) shape() shape {
	if w.fhir != 0 {
		return shape{types: []typeID{w.fhir}}
	}
	return systemShape(w.system)
}

// typeTest compiles x is T and x as T.
func (c *compiler) typeTest(t *tree, in shape) (op, shape) {
	o, s := c.expr(t.args[0], in)
	test, out := c.typed(t.lit.text, t.name, t.at, s)
	return chain([]op{o, test}), out
}

func buildTypeFunction(c *compiler, k call) (op, shape) {
	name, ok := specifier(k.args[0])
	if !ok {
		return c.refuse(k.args[0].at, k.name+"() wants the name of a type", "for example "+k.name+"(Quantity)")
	}
	if k.name == "ofType" {
		c.walked(k.tree, walkStep{kind: typeStep, want: c.typeWanted(name, k.at)})
	}
	return c.typed(k.name, name, k.at, k.in)
}

// specifier reads an argument as the name of a type.
func specifier(t *tree) (string, bool) {
	if t.kind == memberTree {
		return t.name, true
	}
	if t.kind != pathTree || slices.ContainsFunc(t.args, func(s *tree) bool { return s.kind != memberTree }) {
		return "", false
	}
	var parts []string
	for _, s := range t.args {
		parts = append(parts, s.name)
	}
	return strings.Join(parts, "."), true
}

func (c *compiler) typed(name, typ string, at int, in shape) (op, shape) {
	w := c.typeWanted(typ, at)
	out := w.shape()
	if name == "ofType" {
		out.many = in.many
		return func(r *evaluation, in span) {
			for i := in.from; i < in.to && r.step(); i++ {
				if w.matches(r.stack[i], !w.exact()) {
					r.push(r.stack[i])
				}
			}
		}, out
	}
	is := name == "is"
	if is {
		out = systemShape(booleanKind)
	}
	return func(r *evaluation, in span) {
		i, ok := r.one(in, at, name)
		switch {
		case !ok:
		case is:
			r.push(booleanItem(w.matches(i, true)))
		case w.matches(i, !w.exact()):
			r.push(i)
		}
	}, out
}
