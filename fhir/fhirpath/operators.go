package fhirpath

import (
	"cmp"
	"slices"
	"unicode/utf8"

	"refbridge/fhir"
)

// operation compiles an operator with two sides. Both read the same input.
func (c *compiler) operation(t *tree, in shape) (op, shape) {
	if t.name == "&" {
		return c.concatenation(t, in)
	}
	left, ls := c.expr(t.args[0], in)
	right, rs := c.expr(t.args[1], in)
	p := pair{left: left, right: right, at: t.at, name: t.name}
	boolean := systemShape(booleanKind)
	switch t.name {
	case "and", "or", "xor", "implies":
		return p.logic(), boolean
	case "=", "!=":
		if w, lit := c.whole[t.args[0]], t.args[1]; t.name == "=" && w != nil && lit.kind == literalTree && lit.lit.kind == stringKind {
			c.noteTail(t, &tail{walk: w, kind: equalsTail, text: lit.lit.text, at: t.at})
		}
		return p.equality(t.name == "!="), boolean
	case "~", "!~":
		return p.equivalence(t.name == "!~"), boolean
	case "<", "<=", ">", ">=":
		if !comparableKinds(ls.system, rs.system) {
			return c.mismatch(t, ls, rs)
		}
		return p.comparison(), boolean
	case "in":
		return p.membership(false), boolean
	case "contains":
		return p.membership(true), boolean
	case "|":
		return p.union(), both(ls, rs)
	}
	out, ok := arithmeticKind(t.name, ls.system, rs.system)
	if !ok {
		return c.mismatch(t, ls, rs)
	}
	if lit := t.args[1].lit; lit.kind == quantityKind && (out == dateKind || out == dateTimeKind || out == timeKind) {
		if _, moves := movingUnit(*lit.val); !moves {
			return c.refuse(t.at, "a date does not move by '"+lit.val.unit+"'", "write a calendar word: 1 month")
		}
	}
	return p.arithmetic(), systemShape(out)
}

func (c *compiler) mismatch(t *tree, left, right shape) (op, shape) {
	hint := ""
	if left.system == dateKind || left.system == dateTimeKind || left.system == timeKind {
		hint = "to move a date write a number with a unit: + 7 days"
	}
	return c.refuse(t.at, left.system.String()+" "+t.name+" "+right.system.String()+" does not work", hint)
}

// both gives what is known of a union.
func both(a, b shape) shape {
	switch {
	case a.nothing:
		return b
	case b.nothing:
		return a
	case a.system != nodeKind && a.system == b.system:
		return systemShape(a.system)
	case a.types != nil && b.types != nil:
		return shape{types: slices.Concat(a.types, b.types), many: cmp.Or(a.many, b.many)}
	}
	return shape{}
}

// pair is an operator between two compiled sides.
type pair struct {
	left, right op
	at          int
	name        string
}

func (p pair) logic() op {
	return func(r *evaluation, in span) {
		base := len(r.stack)
		a := r.truth(r.eval(p.left, in), p.at, p.name)
		r.drop(base)
		if t, done := decided(p.name, a); done {
			r.pushTruth(t)
			return
		}
		b := r.truth(r.eval(p.right, in), p.at, p.name)
		r.drop(base)
		r.pushTruth(combine(p.name, a, b))
	}
}

// decided gives the result where the left side is enough.
func decided(name string, a truth) (truth, bool) {
	switch {
	case name == "and" && a == no:
		return no, true
	case name == "or" && a == yes, name == "implies" && a == no:
		return yes, true
	}
	return unknown, false
}

// combine is the three-valued logic of FHIRPath.
func combine(name string, a, b truth) truth {
	switch name {
	case "implies":
		return combine("or", not(a), b)
	case "and":
		return not(combine("or", not(a), not(b)))
	case "xor":
		if a == unknown || b == unknown {
			return unknown
		}
		return truthOf(a != b)
	}
	switch {
	case a == yes || b == yes:
		return yes
	case a == unknown || b == unknown:
		return unknown
	}
	return no
}

func not(t truth) truth {
	switch t {
	case yes:
		return no
	case no:
		return yes
	}
	return unknown
}

// sides evaluates both sides; the caller drops what stands above base.
func (p pair) sides(r *evaluation, in span) (base int, left, right span) {
	base = len(r.stack)
	left = r.eval(p.left, in)
	return base, left, r.eval(p.right, in)
}

func (p pair) equality(negated bool) op {
	return func(r *evaluation, in span) {
		base, a, b := p.sides(r, in)
		t := r.equal(a, b)
		r.drop(base)
		if negated {
			t = not(t)
		}
		r.pushTruth(t)
	}
}

func (p pair) equivalence(negated bool) op {
	return func(r *evaluation, in span) {
		base, a, b := p.sides(r, in)
		t := r.equivalent(a, b)
		r.drop(base)
		r.push(booleanItem(t != negated))
	}
}

func (p pair) comparison() op {
	return func(r *evaluation, in span) {
		base, a, b := p.sides(r, in)
		left, okLeft := r.one(a, p.at, p.name)
		right, okRight := r.one(b, p.at, p.name)
		r.drop(base)
		if !okLeft || !okRight {
			return
		}
		order, t := compare(left, right)
		switch {
		case t == no:
			r.fail(p.at, "%s %s %s does not work", left.Type(), p.name, right.Type())
		case t == yes:
			r.push(booleanItem(fulfils(p.name, order)))
		}
	}
}

func fulfils(name string, order int) bool {
	switch name {
	case "<":
		return order < 0
	case "<=":
		return order <= 0
	case ">":
		return order > 0
	}
	return order >= 0
}

// membership is in, or turned round contains.
func (p pair) membership(turned bool) op {
	return func(r *evaluation, in span) {
		base, one, all := p.sides(r, in)
		if turned {
			one, all = all, one
		}
		i, ok := r.one(one, p.at, p.name)
		found := ok && r.has(all, i)
		r.drop(base)
		if ok {
			r.push(booleanItem(found))
		}
	}
}

// has tells whether a collection holds an equal item.
func (r *evaluation) has(s span, i Item) bool {
	weight := i.weight()
	for j := s.from; j < s.to && r.step(); j++ {
		r.steps += weight
		if r.equalItems(r.stack[j], i) == yes {
			return true
		}
	}
	return false
}

func (p pair) union() op {
	return func(r *evaluation, in span) {
		base, _, _ := p.sides(r, in)
		r.distinct(base)
	}
}

// distinct drops from what stands above base every item that equals one before it.
func (r *evaluation) distinct(base int) {
	keep := base
	for i := base; i < len(r.stack) && r.step(); i++ {
		if !r.has(span{base, keep}, r.stack[i]) {
			r.stack[keep] = r.stack[i]
			keep++
		}
	}
	r.drop(min(keep, len(r.stack)))
}

// concatenation is a row of &: an empty side counts as an empty text.
func (c *compiler) concatenation(t *tree, in shape) (op, shape) {
	type piece struct {
		text string // written out; else
		op   op
	}
	var pieces []piece
	for _, side := range joined(nil, t) {
		o, _ := c.expr(side, in)
		if side.kind == literalTree && side.lit.kind == stringKind {
			o = nil
		}
		pieces = append(pieces, piece{side.lit.text, o})
	}
	at := t.at
	return func(r *evaluation, in span) {
		from, base := len(r.scratch), len(r.stack)
		for i := range pieces {
			if pieces[i].op == nil {
				r.scratch = append(r.scratch, pieces[i].text...)
				continue
			}
			pieces[i].op(r, in)
			r.scratch = append(r.scratch, r.side(base, at)...)
			r.drop(base)
			if len(r.scratch) > from+maxText {
				break
			}
		}
		r.pushKept(at, from)
	}, systemShape(stringKind)
}

// side gives what stands above base as a text.
func (r *evaluation) side(base, at int) string {
	if len(r.stack) == base+1 {
		if i := &r.stack[base]; i.kind == stringKind {
			return i.text
		} else if i.kind == nodeKind && i.node.Kind() == fhir.String {
			return i.node.Text()
		}
	}
	s, _ := r.text(r.top(base), at, "&")
	return s
}

// joined gives the sides of a row of &, from the left.
func joined(out []*tree, t *tree) []*tree {
	if t.kind != operatorTree || t.name != "&" {
		return append(out, t)
	}
	return joined(joined(out, t.args[0]), t.args[1])
}

// text gives the only item of a span as a text; ok is false where there is none. Anything but a text fails.
func (r *evaluation) text(s span, at int, who string) (string, bool) {
	i, ok := r.one(s, at, who)
	if !ok {
		return "", false
	}
	return r.itemText(i, at, who)
}

func (r *evaluation) itemText(i Item, at int, who string) (string, bool) {
	if text, ok := i.string(); ok {
		r.steps += len(text) / 64
		return text, true
	}
	if !valueless(i.node) {
		r.fail(at, "%s wants a text, not %s", who, i.Type())
	}
	return "", false
}

// string gives the text of a String, or of a FHIR primitive that JSON writes as a string.
func (i Item) string() (string, bool) {
	if i.kind == stringKind {
		return i.text, true
	}
	if i.kind == nodeKind && i.node.Kind() == fhir.String {
		return i.node.Text(), true
	}
	return "", false
}

// pushText pushes a computed text, within bounds.
func (r *evaluation) pushText(at int, s string) {
	if len(s) > maxText {
		r.fail(at, "a text of more than %d bytes", maxText)
		return
	}
	r.steps += len(s) / 16
	r.push(StringItem(s))
}

// pushKept pushes the text that stands in scratch behind from, and takes it out.
func (r *evaluation) pushKept(at, from int) {
	if len(r.scratch)-from > maxText {
		r.fail(at, "a text of more than %d bytes", maxText)
	} else {
		r.pushText(at, r.kept(r.scratch[from:]))
	}
	r.scratch = r.scratch[:from]
}

// signed compiles -x and +x.
func (c *compiler) signed(t *tree, in shape) (op, shape) {
	o, s := c.expr(t.args[0], in)
	switch s.system {
	case nodeKind, integerKind, decimalKind, quantityKind:
	case stringKind:
		return c.refuse(t.at, "a text has no sign", "")
	default:
		return c.refuse(t.at, "a "+s.system.String()+" has no sign", "-1.abs() means -(1.abs()); write (-1).abs()")
	}
	name, at := t.name, t.at
	return func(r *evaluation, in span) {
		base := len(r.stack)
		i, ok := r.one(r.eval(o, in), at, name)
		r.drop(base)
		if !ok {
			return
		}
		v := i.value()
		if name == "-" {
			v.num, v.dec = -v.num, v.dec.neg()
		}
		if v.kind != integerKind && v.kind != decimalKind && v.kind != quantityKind {
			r.fail(at, "a %s has no sign", i.Type())
			return
		}
		r.pushValue(at, v)
	}, systemShape(s.system)
}

func runes(s string) int { return utf8.RuneCountInString(s) }
