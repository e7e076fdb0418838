package fhirpath

import (
	"cmp"
	"fmt"
	"slices"
	"strings"

	"refbridge/config/spelling"
	"refbridge/fhir"
)

// compiler turns one text into closures. After the first refusal err is set and nothing that follows matters.
type compiler struct {
	src       string
	at        int // of the lexer
	tok       token
	depth     int
	operators [][]string
	variables []string
	functions map[string]function
	this      shape // what $this is where the compiler stands
	scope     Scope
	unknown   string // what begins like a variable with dots in its name, and is none: fields.Statsu
	err       *Error

	walks map[*tree]walkStep // what was compiled to a step of a walk
	heads map[*tree]*variable
	whole map[*tree]*walk // what was compiled to a walk and nothing else
	tails map[*tree]*tail
}

// shape is what is known before any data about the items of a collection.
type shape struct {
	types   []typeID // the FHIR types that they may have; nil where that is not known
	system  kind     // they are System values of this kind; nodeKind where that is not known
	element string   // they are this element of a type: Patient.gender; empty where that is not known
	many    string   // the first element on the way that may stand several times, and none of them was chosen
	loose   bool     // their order is not defined
	nothing bool     // there are none: {}
}

func systemShape(k kind) shape { return shape{system: k} }

func (s shape) ordered() shape { s.loose = false; return s }

// chosen is about some of the items: the author has said which.
func (s shape) chosen() shape { s.many = ""; return s }

// refuse records the first fault, at a byte offset.
func (c *compiler) refuse(at int, message, hint string) (op, shape) {
	if c.err == nil {
		line, column := position(c.src, at)
		c.err = &Error{Line: line, Column: column, Message: message, Hint: hint}
	}
	return func(*evaluation, span) {}, shape{}
}

// noElement is refuse for a step to an element that nothing there has.
func (c *compiler) noElement(t *tree, message, hint string) (op, shape) {
	first := c.err == nil
	o, s := c.refuse(t.at, message, hint)
	if first {
		c.err.Element = t.name
	}
	return o, s
}

// expr compiles a tree whose input is described by in.
func (c *compiler) expr(t *tree, in shape) (op, shape) {
	if c.err != nil || t == nil {
		return c.refuse(0, "empty expression", "")
	}
	switch t.kind {
	case literalTree:
		lit := t.lit
		return func(r *evaluation, _ span) { r.push(lit) }, systemShape(lit.kind)
	case emptyTree:
		return func(*evaluation, span) {}, shape{nothing: true}
	case memberTree:
		return c.alone(t)(c.beginning(t, in))
	case callTree:
		return c.alone(t)(c.call(t, in, 0))
	case variableTree:
		return c.variable(t)
	case contextTree:
		return c.dollar(t)
	case pathTree:
		return c.steps(t, in)
	case signTree:
		return c.signed(t, in)
	case typeTree:
		return c.typeTest(t, in)
	}
	return c.operation(t, in)
}

// steps compiles a row of steps, each with the result of the one before it as its input.
func (c *compiler) steps(whole *tree, in shape) (op, shape) {
	var ops []op
	t := c.dotted(whole)
	for i, step := range t.args {
		o, out := c.step(step, in, i, wanted(t.args[i+1:]))
		if out.loose && i+1 < len(t.args) {
			c.orderly(t.args[i+1])
		}
		ops, in = append(ops, o), out
	}
	if c.err != nil {
		return c.refuse(0, "", "")
	}
	if v := c.heads[t.args[0]]; v != nil && len(t.args) == 1 {
		c.heads[whole] = v
	}
	return chain(c.fused(whole, t.args, ops)), in
}

// alone makes a walk of a single step.
func (c *compiler) alone(t *tree) func(op, shape) (op, shape) {
	return func(o op, s shape) (op, shape) { return c.fused(t, []*tree{t}, []op{o})[0], s }
}

// dotted joins %a.b to the variable a.b, where Compile was told of one by that name.
func (c *compiler) dotted(t *tree) *tree {
	if len(t.args) == 0 || t.args[0].kind != variableTree {
		return t
	}
	name, out := t.args[0].name, t
	for i := 1; i < len(t.args) && t.args[i].kind == memberTree; i++ {
		name += "." + t.args[i].name
		if slices.Contains(c.variables, name) {
			first := &tree{kind: variableTree, name: name, at: t.args[0].at}
			out = &tree{kind: pathTree, args: append([]*tree{first}, t.args[i+1:]...), at: t.at}
		}
	}
	c.unknown = ""
	if out == t && slices.ContainsFunc(c.variables, func(v string) bool { return strings.HasPrefix(v, t.args[0].name+".") }) {
		c.unknown = name
	}
	return out
}

func chain(ops []op) op {
	if len(ops) == 1 {
		return ops[0]
	}
	return func(r *evaluation, in span) {
		base := len(r.stack)
		for _, o := range ops {
			mark := len(r.stack)
			o(r, in)
			r.collapse(base, mark)
			in = r.top(base)
		}
	}
}

// wanted gives how many items the next step reads of its input, 0 for all.
func wanted(next []*tree) int {
	if len(next) == 0 || next[0].kind != callTree || len(next[0].args) > 0 {
		return 0
	}
	switch next[0].name {
	case "first", "exists", "empty":
		return 1
	}
	return 0
}

// orderly refuses a step that counts on an order, after one that has none.
func (c *compiler) orderly(next *tree) {
	switch next.name {
	case "first", "last", "tail", "skip", "take":
	default:
		if next.kind != indexTree {
			return
		}
	}
	c.refuse(next.at, "children() and descendants() have no order", "name the elements, or use where(…)")
}

func (c *compiler) step(t *tree, in shape, i, limit int) (op, shape) {
	switch {
	case c.err != nil:
		return c.refuse(0, "", "")
	case t.kind == indexTree:
		return c.index(t, in)
	case t.kind == callTree:
		return c.call(t, in, limit)
	case t.kind == memberTree && i > 0:
		return c.member(t, in, limit)
	case t.kind == memberTree && !typeLike(t.name):
		return c.member(t, in, limit)
	}
	return c.expr(t, in)
}

// typeLike tells whether a name at the beginning of a path is the name of a type: Patient, not birthDate.
func typeLike(name string) bool { return name != "" && name[0] >= 'A' && name[0] <= 'Z' }

// beginning compiles a name that stands alone or first: a type, which keeps only what has it, or an element.
func (c *compiler) beginning(t *tree, in shape) (op, shape) {
	if !typeLike(t.name) {
		return c.member(t, in, 0)
	}
	want := typeNamed(t.name)
	if want == 0 {
		return c.refuse(t.at, "unknown type "+t.name, didYouMean(t.name, typeNames(), ""))
	}
	return func(r *evaluation, in span) {
		for _, i := range r.items(in) {
			if i.kind == nodeKind && typeOf(i.node).is(want) {
				r.push(i)
			}
		}
	}, shape{types: []typeID{want}}
}

func didYouMean(name string, candidates []string, after string) string {
	if best := spelling.Nearest(name, candidates); best != "" {
		return "did you mean " + best + after + "?"
	}
	return ""
}

// member compiles the step to an element. limit is how many items are wanted at most, 0 for all.
func (c *compiler) member(t *tree, in shape, limit int) (op, shape) {
	if in.system == typeKind && (t.name == "name" || t.name == "namespace") {
		return typeInfo(t.name), systemShape(stringKind)
	}
	if in.system != nodeKind {
		return c.noElement(t, "a System."+in.system.String()+" has no elements", "")
	}
	m := newMember(t.name, limit)
	c.walked(t, walkStep{kind: memberStep, member: m})
	if in.types == nil || slices.ContainsFunc(in.types, abstract) {
		if !elementNamed(t.name) && !jsonName(t.name) || t.name == "resourceType" {
			return c.noElement(t, "no resource has an element "+t.name, c.elementHint(t.name, elementNames()))
		}
		return m.run, shape{loose: in.loose, many: in.many}
	}
	return m.run, c.elementOf(t, in)
}

// abstract types stand for others that add elements.
func abstract(t typeID) bool {
	switch t.name() {
	case "", "Resource", "DomainResource", "Element", "BackboneElement":
		return true
	}
	return false
}

// elementOf gives what is known of an element of known types; it refuses one that none of them has.
func (c *compiler) elementOf(t *tree, in shape) shape {
	out := shape{loose: in.loose, many: in.many}
	if len(in.types) == 1 {
		out.element = in.types[0].name() + "." + t.name
	}
	var candidates []string
	choice := ""
	for _, typ := range in.types {
		e, ok := typ.element(t.name)
		if ok {
			out.types = append(out.types, e.types()...)
			if e.many {
				out.many = cmp.Or(out.many, t.name)
			}
			continue
		}
		e, as := typ.choice(t.name)
		if as != 0 && typ.name() == "Extension" {
			out.types = append(out.types, as)
		} else if as != 0 {
			choice = "write " + e.name + " or " + e.name + ".ofType(" + as.name() + ")"
		}
		for b := typ; b != 0; b = modelTypes[b].base {
			for _, e := range b.own() {
				candidates = append(candidates, e.name)
			}
		}
	}
	if out.types != nil {
		return out
	}
	who := in.types[0].name()
	if len(in.types) > 1 {
		who = "what stands before it"
	}
	if choice == "" {
		choice = c.elementHint(t.name, candidates)
	}
	_, out = c.noElement(t, who+" has no element "+t.name, choice)
	return out
}

// elementHint helps with an unknown element: brackets may be missing, or a letter.
func (c *compiler) elementHint(name string, candidates []string) string {
	if _, ok := c.functions[name]; ok {
		return "did you mean " + name + "()?"
	}
	if name == "resourceType" {
		return "write is(Patient), or type().name"
	}
	return didYouMean(name, candidates, "")
}

func (c *compiler) call(t *tree, in shape, limit int) (op, shape) {
	f, ok := c.functions[t.name]
	if !ok {
		return c.refuse(t.at, "unknown function "+t.name+"()", c.functionHint(t.name))
	}
	if n := len(t.args); n < f.min || n > f.max {
		return c.refuse(t.at, fmt.Sprintf("%s() with %d arguments", t.name, n), arity(t.name, f))
	}
	return f.build(c, call{tree: t, in: in, limit: limit})
}

func arity(name string, f function) string {
	switch {
	case f.max == 0:
		return "write " + name + "()"
	case f.min == f.max:
		return fmt.Sprintf("it takes %d", f.min)
	}
	return fmt.Sprintf("it takes %d to %d", f.min, f.max)
}

// functionHint names what does the job of a function that is not supported.
func (c *compiler) functionHint(name string) string {
	switch name {
	case "conformsTo":
		return "profiles are not validated here; write is(Patient)"
	case "memberOf", "subsumes", "subsumedBy":
		return "there is no terminology server here; list the codes: code in ('a' | 'b')"
	case "htmlChecks":
		return "markup is not validated here; write div.exists()"
	case "slice", "checkModifiers", "elementDefinition":
		return "profiles are not validated here; write where(…)"
	case "anyOf", "any", "some":
		return "did you mean exists(…)?"
	case "filter", "find":
		return "did you mean where(…)?"
	case "map":
		return "did you mean select(…)?"
	case "size", "len":
		return "did you mean count() of items, or length() of a text?"
	}
	var known []string
	for n := range c.functions {
		known = append(known, n)
	}
	slices.Sort(known)
	return didYouMean(name, known, "()")
}

// variableHint names the variable that is written most like a name, else those that are no results of rows.
func (c *compiler) variableHint(name string) string {
	known := append(Reserved(), c.variables...)
	if hint := didYouMean(name, known, ""); hint != "" {
		return hint
	}
	known = slices.DeleteFunc(known, func(name string) bool { return strings.Contains(name, ".") })
	return "known are %" + strings.Join(known, ", %")
}

func (c *compiler) dollar(t *tree) (op, shape) {
	switch t.name {
	case "this":
		return func(r *evaluation, _ span) { r.copy(r.this) }, c.this
	case "total":
		return func(r *evaluation, _ span) { r.copy(r.total) }, shape{}
	}
	return func(r *evaluation, _ span) {
		if r.index >= 0 {
			r.push(integerItem(int64(r.index)))
		}
	}, systemShape(integerKind)
}

// copy pushes the items of a span again.
func (r *evaluation) copy(s span) {
	for i := s.from; i < s.to; i++ {
		r.push(r.stack[i])
	}
}

// Reserved gives the names of the variables that the language itself has: Compile cannot be told of others by these names, nor
// by one that begins with vs- or ext-.
func Reserved() []string {
	return []string{"resource", "rootResource", "context", "ucum", "sct", "loinc"}
}

func (c *compiler) variable(t *tree) (op, shape) {
	if text, ok := constant(t.name); ok {
		lit := StringItem(text)
		return func(r *evaluation, _ span) { r.push(lit) }, systemShape(stringKind)
	}
	switch t.name {
	case "resource", "rootResource":
		return func(r *evaluation, _ span) { r.pushNode(r.resource()) }, c.scope.Resource.shape
	case "context":
		return func(r *evaluation, _ span) { r.pushNode(r.focus) }, c.scope.Focus.shape.chosen()
	}
	if !slices.Contains(c.variables, t.name) {
		name := cmp.Or(c.unknown, t.name)
		return c.refuse(t.at, "unknown variable %"+name, c.variableHint(name))
	}
	v := &variable{slices.Index(c.variables, t.name)}
	if c.heads == nil {
		c.heads = map[*tree]*variable{}
	}
	c.heads[t] = v
	return func(r *evaluation, _ span) {
		node, items := v.value(r)
		if node.Exists() {
			r.push(NodeItem(node))
			return
		}
		for _, i := range items {
			r.push(i)
		}
	}, c.scope.Values[t.name].shape
}

// variable is one of the names that Compile was told of, by its place among them.
type variable struct{ slot int }

func (v *variable) value(r *evaluation) (fhir.Node, Collection) {
	if r.context.Variables == nil {
		return fhir.Node{}, nil
	}
	return r.context.Variables(v.slot)
}

const ucumSystem = "http://unitsofmeasure.org"

// constant gives the variables that FHIR fixes (https://hl7.org/fhir/R4/fhirpath.html#vars).
func constant(name string) (string, bool) {
	switch name {
	case "ucum":
		return ucumSystem, true
	case "sct":
		return "http://snomed.info/sct", true
	case "loinc":
		return "http://loinc.org", true
	}
	if set, ok := strings.CutPrefix(name, "vs-"); ok {
		return "http://hl7.org/fhir/ValueSet/" + set, true
	}
	if extension, ok := strings.CutPrefix(name, "ext-"); ok {
		return "http://hl7.org/fhir/StructureDefinition/" + extension, true
	}
	return "", false
}

func (c *compiler) index(t *tree, in shape) (op, shape) {
	arg, s := c.expr(t.args[0], c.this)
	if s.system != nodeKind && s.system != integerKind {
		return c.refuse(t.at, "an index must be an Integer", "for example name[0]")
	}
	at := t.at
	return func(r *evaluation, in span) {
		base := len(r.stack)
		i, ok := r.one(r.eval(arg, r.this), at, "[ ]")
		r.drop(base)
		if !ok {
			return
		}
		v := i.value()
		if v.kind != integerKind {
			r.fail(at, "an index must be an Integer, not %s", i.Type())
		} else if v.num >= 0 && v.num < int64(in.len()) {
			r.push(r.stack[in.from+int(v.num)])
		}
	}, in.ordered().chosen()
}
