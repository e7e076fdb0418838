package fhirpath

import (
	"strings"

	"refbridge/fhir"
)

// equal is = over collections: unknown where a side is empty, or where it depends on what is not known.
func (r *evaluation) equal(a, b span) truth {
	if a.len() == 0 || b.len() == 0 {
		return unknown
	}
	if a.len() != b.len() {
		return no
	}
	out := yes
	for i := range a.len() {
		if !r.step() {
			return unknown
		}
		r.steps += r.stack[a.from+i].weight()
		switch r.equalItems(r.stack[a.from+i], r.stack[b.from+i]) {
		case no:
			return no
		case unknown:
			out = unknown
		}
	}
	return out
}

// weight gives the steps that comparing the item counts for beside the one that every item does; those of structures are counted
// where they are compared.
func (i Item) weight() int {
	if i.IsText() {
		return len(i.Text()) / 64
	}
	return 0
}

// equalItems is = between two items. A text from the resource is compared with a computed one byte by byte, also
// where its FHIR type is a date: birthDate = '1974-12-25'.
func (r *evaluation) equalItems(a, b Item) truth {
	if a.IsText() && b.IsText() {
		if a.Text() == b.Text() {
			return yes
		}
		if a.kind == stringKind || b.kind == stringKind {
			return no
		}
	}
	return r.equalValues(a, b)
}

func (r *evaluation) equalValues(a, b Item) truth {
	v, w := values(a, b)
	switch {
	case v.kind == absentKind || w.kind == absentKind:
		return unknown
	case v.kind == complexKind && w.kind == complexKind:
		return truthOf(r.sameNodes(a.node, b.node))
	case v.kind == complexKind || w.kind == complexKind:
		return no
	case v.moment() && w.moment():
		return equalMoments(v, w)
	case v.number() && w.number():
		return truthOf(v.decimal().cmp(w.decimal()) == 0)
	case v.kind == quantityKind && w.kind == quantityKind:
		order, t := compareQuantities(v, w)
		return combine("and", t, truthOf(order == 0))
	}
	return truthOf(v.kind == w.kind && v.text == w.text && v.num == w.num && v.unit == w.unit)
}

func equalMoments(v, w value) truth {
	if v.time.day != w.time.day {
		return no
	}
	order, ok := v.time.cmp(w.time)
	if !ok {
		return unknown
	}
	return truthOf(order == 0)
}

// values makes two items ready for computing with each other: a text of an element that the model does not know is
// a date beside a date, a number is a quantity beside a quantity.
func values(a, b Item) (value, value) {
	v, w := a.value(), b.value()
	return fitted(a, v, w), fitted(b, w, v)
}

func fitted(i Item, v, other value) value {
	if v.kind == stringKind && other.moment() && i.kind == nodeKind && typeOf(i.node) == 0 {
		if t, ok := parseTemporal(v.text, other.kind); ok {
			return value{kind: other.kind, time: t}
		}
	}
	if v.number() && other.kind == quantityKind {
		return value{kind: quantityKind, dec: v.decimal(), unit: "1"}
	}
	return v
}

func (v value) moment() bool {
	return v.kind == dateKind || v.kind == dateTimeKind || v.kind == timeKind
}

func (v value) number() bool { return v.kind == integerKind || v.kind == decimalKind }

func (v value) decimal() decimal {
	if v.kind == integerKind {
		return wholeDecimal(v.num)
	}
	return v.dec
}

// numberSteps is what reading and comparing two numbers of structures counts for.
const numberSteps = 8

// sameNodes compares two elements with all that is in them; the order of members does not matter, numbers count by
// their value.
func (r *evaluation) sameNodes(a, b fhir.Node) bool {
	if !r.step() || a.Kind() != b.Kind() {
		return false
	}
	if a.Same(b) {
		return true
	}
	switch a.Kind() {
	case fhir.Object:
		return r.allMembers(a, b, (*evaluation).sameNodes)
	case fhir.Array:
		c, d := a.First(), b.First()
		for ; c.Exists() && d.Exists(); c, d = c.Next(), d.Next() {
			if !r.sameNodes(c, d) {
				return false
			}
		}
		return c.Exists() == d.Exists()
	case fhir.Number:
		r.steps += numberSteps
		return sameNumbers(a, b)
	}
	r.steps += len(a.Text()) / 64
	return a.Text() == b.Text()
}

// length gives how many members or items two nodes have; it is false where one of them has more.
func (r *evaluation) length(a, b fhir.Node) (int, bool) {
	n := 0
	c, d := a.First(), b.First()
	for ; c.Exists() && d.Exists(); c, d = c.Next(), d.Next() {
		n++
	}
	r.steps += n / 16
	return n, c.Exists() == d.Exists()
}

// allMembers tells whether two objects have the same members, and those are alike. Each look-up passes members.
func (r *evaluation) allMembers(a, b fhir.Node, alike func(r *evaluation, a, b fhir.Node) bool) bool {
	n, same := r.length(a, b)
	for c := a.First(); c.Exists() && same; c = c.Next() {
		r.steps += n / 16
		same = alike(r, c, b.Get(c.Name()))
	}
	return same
}

func sameNumbers(a, b fhir.Node) bool {
	v, okA := parseDecimal(a.Text())
	w, okB := parseDecimal(b.Text())
	return okA && okB && v.cmp(w) == 0
}

// equivalent is ~ over collections: order does not matter, two empty ones are equivalent.
func (r *evaluation) equivalent(a, b span) bool {
	if a.len() != b.len() {
		return false
	}
	taken := make([]bool, b.len())
	for i := a.from; i < a.to; i++ {
		if !r.take(r.stack[i], b, taken) {
			return false
		}
	}
	return true
}

// take finds an equivalent item that is not taken yet.
func (r *evaluation) take(i Item, from span, taken []bool) bool {
	for j := range from.len() {
		if !r.step() {
			return false
		}
		if !taken[j] && r.equivalentItems(i, r.stack[from.from+j]) {
			taken[j] = true
			return true
		}
	}
	return false
}

// equivalentItems is ~ between two items: texts without case and with white space normalised, numbers to the lesser
// precision, elements with their lists in any order.
func (r *evaluation) equivalentItems(a, b Item) bool {
	v, w := values(a, b)
	switch {
	case v.kind == absentKind || w.kind == absentKind:
		return v.kind == w.kind
	case v.kind == complexKind && w.kind == complexKind:
		return r.similarNodes(a.node, b.node)
	case v.kind == stringKind && w.kind == stringKind:
		return r.similarTexts(v.text, w.text)
	case v.moment() && w.moment():
		return v.time.to == w.time.to && equalMoments(v, w) == yes
	case v.number() && w.number():
		return similarNumbers(v.decimal(), w.decimal())
	case v.kind == quantityKind && w.kind == quantityKind:
		return similarQuantities(v, w)
	}
	return r.equalValues(a, b) == yes
}

func (r *evaluation) similarTexts(a, b string) bool {
	r.steps += (len(a) + len(b)) / 16
	return strings.EqualFold(strings.Join(strings.Fields(a), " "), strings.Join(strings.Fields(b), " "))
}

// similarNumbers rounds to the precision of the less precise one; zeros at the end do not count.
func similarNumbers(a, b decimal) bool {
	a, b = a.trimmed(), b.trimmed()
	digits := min(a.scale, b.scale)
	return a.round(digits).cmp(b.round(digits)) == 0
}

func (r *evaluation) similarNodes(a, b fhir.Node) bool {
	if !r.step() || a.Kind() != b.Kind() {
		return false
	}
	switch a.Kind() {
	case fhir.Object:
		return r.allMembers(a, b, (*evaluation).similarNodes)
	case fhir.Array:
		return r.similarLists(a, b)
	case fhir.Number:
		r.steps += numberSteps
		v, okA := parseDecimal(a.Text())
		w, okB := parseDecimal(b.Text())
		return okA && okB && similarNumbers(v, w)
	case fhir.String:
		return r.similarTexts(a.Text(), b.Text())
	}
	return a.Text() == b.Text()
}

func (r *evaluation) similarLists(a, b fhir.Node) bool {
	n, same := r.length(a, b)
	if !same {
		return false
	}
	taken := make([]bool, n)
	for c := a.First(); c.Exists(); c = c.Next() {
		if !r.takeNode(c, b, taken) {
			return false
		}
	}
	return true
}

// takeNode finds an equivalent item of a list that is not taken yet.
func (r *evaluation) takeNode(n fhir.Node, list fhir.Node, taken []bool) bool {
	i := 0
	for d := list.First(); d.Exists() && r.err == nil; d = d.Next() {
		if !taken[i] && r.similarNodes(n, d) {
			taken[i] = true
			return true
		}
		i++
	}
	return false
}

// compare gives the order of two items; yes where it is known, unknown where it depends on what is not, no where
// the two cannot be ordered.
func compare(a, b Item) (int, truth) {
	v, w := values(a, b)
	switch {
	case v.kind == absentKind || w.kind == absentKind:
		return 0, unknown
	case v.kind == stringKind && w.kind == stringKind:
		return strings.Compare(v.text, w.text), yes
	case v.number() && w.number():
		return v.decimal().cmp(w.decimal()), yes
	case v.kind == quantityKind && w.kind == quantityKind:
		return compareQuantities(v, w)
	case v.moment() && w.moment() && v.time.day == w.time.day:
		if order, ok := v.time.cmp(w.time); ok {
			return order, yes
		}
		return 0, unknown
	}
	return 0, no
}

// comparableKinds tells what < may be refused for before there is data; nodeKind is not known.
func comparableKinds(a, b kind) bool {
	if a == nodeKind || b == nodeKind {
		return a != booleanKind && b != booleanKind
	}
	if (a == dateKind || a == dateTimeKind) && (b == dateKind || b == dateTimeKind) {
		return true
	}
	numeric := func(k kind) bool { return k == integerKind || k == decimalKind || k == quantityKind }
	return numeric(a) && numeric(b) || a == b && a != booleanKind && a != typeKind
}
