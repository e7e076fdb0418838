package fhirpath

import (
	"strings"

	"refbridge/fhir"
)

// Most of what tables ask is a walk from one node to others: members, where(system = '…'), extension('…'), resolve(), first().
// A walk does a row of such steps depth first, from node to node, and pushes only where it arrives; step by step, every
// step would push a collection that the next one reads. Both give the same items in the same order. Where somebody wants to
// know what is Seen, the steps are done one by one.
type walk struct {
	head     *variable // what it begins with; nil: its input
	pick     *pick     // it is one of two walks
	steps    leg
	straight bool  // there are members alone, and no other legs
	legs     []leg // after steps; each takes the first item of the one before it
	limit    int   // how many items are wanted at most, 0 for all
	plain    op    // the same, step by step
}

// tail is a walk with a function of texts behind it that needs no evaluation of its own: walk.substring(0, 10),
// walk.join('; '), walk.count(), walk = 'text'.
type tail struct {
	walk *walk
	kind tailKind
	text string // of join and =
	from int
	size int
	at   int
}

type tailKind uint8

const (
	countTail tailKind = iota
	joinTail
	substringTail
	equalsTail
)

// pick is iif() with tests for a condition and walks to choose from.
type pick struct {
	tests           []test
	then, otherwise *walk // nil gives nothing
}

// leg is a row of steps without first().
type leg []walkStep

type stepKind uint8

const (
	memberStep stepKind = iota
	extensionStep
	whereStep
	resolveStep
	firstStep // only while compiling, as is typeStep: it goes into the member before it
	typeStep
)

type walkStep struct {
	kind   stepKind
	member *member
	url    string // of an extension
	tests  []test
	want   wantedType
}

// test is a condition that needs no computing: path = 'text', path.exists(), path.empty(), path.startsWith('text').
type test struct {
	kind  testKind
	head  *variable // what the path begins with; nil: the node
	name  *member   // of a path that is one member
	steps leg
	text  string
	at    int
}

type testKind uint8

const (
	equalsTest testKind = iota
	existsTest
	emptyTest
	startsTest
)

const noLimit = int(^uint(0) >> 1)

func (w *walk) run(r *evaluation, in span) {
	base := len(r.nodes)
	if w.straight && in.len() == 1 && w.head == nil && r.context.Seen == nil {
		if to, sure := w.steps.straight(r.stack[in.from].node); sure && r.stack[in.from].kind == nodeKind {
			r.pushStraight(to)
			return
		}
	}
	if r.context.Seen != nil || !w.start(r, in) {
		w.plain(r, in)
		return
	}
	w.goOn(r, base)
	for _, n := range r.nodes[base:] {
		r.stack = append(r.stack, Item{node: n})
	}
	r.nodes = r.nodes[:base]
}

// find does a walk on its own and leaves what it finds on the stack of nodes; it is false where the walk begins with what is no
// single element.
func (w *walk) find(r *evaluation, focus fhir.Node) bool {
	if w.head != nil {
		node, items := w.head.value(r)
		if !node.Exists() && len(items) > 0 {
			return false
		}
		focus = node
	}
	if w.pick != nil || focus.Kind() == fhir.Array {
		return false
	}
	if focus.Exists() {
		r.visit(focus, w.steps, w.until(0, 0))
		w.goOn(r, 0)
	}
	return true
}

// finish does a tail on what its walk found; sure is false where that takes an evaluation.
func (t *tail) finish(r *evaluation) (out Item, n int, sure bool) {
	found := r.nodes
	if t.kind == countTail {
		return integerItem(int64(len(found))), 1, true
	}
	for _, n := range found {
		if n.Kind() != fhir.String {
			return out, 0, false
		}
	}
	switch {
	case len(found) == 0:
		return out, 0, true
	case t.kind == joinTail:
		span := span{0, len(found)}
		for _, n := range found {
			r.stack = append(r.stack, Item{node: n})
		}
		r.join(t.at, span, t.text)
		return r.stack[len(r.stack)-1], 1, r.err == nil
	case len(found) > 1:
		return out, 0, false
	case t.kind == equalsTail:
		return booleanItem(found[0].Text() == t.text), 1, true
	}
	s := found[0].Text()
	s = s[offset(s, t.from):]
	if t.size < len(s) {
		s = s[:offset(s, t.size)]
	}
	return StringItem(s), min(len(s), 1), true
}

// straight goes from object to object by their members. It is not sure where there is a list, a choice, or a primitive that
// has extensions and no value.
func (l leg) straight(n fhir.Node) (to fhir.Node, sure bool) {
	for i := range l {
		m := l[i].member
		if n.Kind() != fhir.Object {
			return fhir.Node{}, !n.Exists()
		}
		to := n.Member(m.plain)
		switch to.Kind() {
		case fhir.Missing:
			return to, m.choices == nil && !n.Member(m.under).Exists()
		case fhir.Null, fhir.Array:
			return to, false
		}
		n = to
	}
	return n, true
}

// start walks the first leg.
func (w *walk) start(r *evaluation, in span) bool {
	if w.head == nil {
		return w.begin(r, r.stack[in.from:in.to])
	}
	node, items := w.head.value(r)
	if node.Exists() && w.straight {
		if to, sure := w.steps.straight(node); sure {
			if to.Exists() {
				r.nodes = append(r.nodes, to)
			}
			return true
		}
	}
	if node.Exists() {
		r.visit(node, w.steps, w.until(len(r.nodes), 0))
		return true
	}
	return w.begin(r, items)
}

func (r *evaluation) pushStraight(to fhir.Node) {
	if to.Exists() {
		r.push(Item{node: to})
	}
}

// begin walks the first leg from every item; it is false, and has done nothing, where an item is no node. What a walk finds it
// leaves on the stack of nodes.
func (w *walk) begin(r *evaluation, items []Item) bool {
	for i := range items {
		if items[i].kind != nodeKind {
			return false
		}
	}
	stop := w.until(len(r.nodes), 0)
	for i := range items {
		if !r.visit(items[i].node, w.steps, stop) {
			break
		}
	}
	return true
}

// goOn walks the other legs.
func (w *walk) goOn(r *evaluation, base int) {
	for i := 0; i < len(w.legs) && len(r.nodes) > base; i++ {
		from := r.nodes[base]
		r.nodes = r.nodes[:base]
		r.visit(from, w.legs[i], w.until(base, i+1))
	}
}

// until gives the size of the stack of nodes at which a leg has found enough.
func (w *walk) until(base, i int) int {
	switch {
	case i < len(w.legs):
		return base + 1
	case w.limit > 0:
		return base + w.limit
	}
	return noLimit
}

// visit walks on from a node; it is false once enough is found, or the evaluation must stop.
func (r *evaluation) visit(n fhir.Node, steps leg, stop int) bool {
	if r.steps += len(steps); !r.step() {
		return false
	}
	for i := range steps {
		s := &steps[i]
		switch s.kind {
		case memberStep:
			object := n
			if n.Kind() != fhir.Object {
				object = r.members(n)
			}
			found := object.Member(s.member.plain)
			kind := found.Kind()
			if kind < fhir.Bool || kind == fhir.Array || s.member.want != nil {
				return r.visitMember(object, found, steps[i:], stop)
			}
			n = found
		case whereStep:
			if !s.holds(r, n) {
				return r.err == nil
			}
		case extensionStep:
			return r.visitExtensions(r.members(n).Member(nameExtension), steps[i:], stop)
		default:
			return r.visitReference(n, steps[i+1:], stop)
		}
	}
	r.nodes = append(r.nodes, n)
	return len(r.nodes) < stop
}

// visitMember walks on from an element that is not simply there: one that is missing, a list, a choice, a primitive that may have
// extensions and no value.
func (r *evaluation) visitMember(object, found fhir.Node, steps leg, stop int) bool {
	m := steps[0].member
	switch {
	case m.want != nil && !found.Exists():
		if v := object.Member(m.exact); v.Kind() == fhir.Object || v.Kind() > fhir.Null && v.Kind() < fhir.Array && m.want.exact() {
			return r.visit(v, steps[1:], stop)
		}
	case found.Kind() == fhir.Array && m.want == nil:
		if first := found.First(); first.Kind() == fhir.Object || !object.Member(m.under).Exists() {
			return r.visitItems(first, steps[1:], stop)
		}
	case !found.Exists() && m.choices == nil:
		if !object.Member(m.under).Exists() {
			return true
		}
	}
	if found, extra := m.find(object); m.want == nil && extra.Kind() == fhir.Missing && found.Kind() > fhir.Null && found.Kind() != fhir.Array {
		return r.visit(found, steps[1:], stop)
	}
	return r.visitAny(object, steps, stop)
}

// visitItems walks on from each item of a list.
func (r *evaluation) visitItems(n fhir.Node, steps leg, stop int) bool {
	for ; n.Exists(); n = n.Next() {
		if n.Kind() == fhir.Null {
			continue
		}
		next := steps
		if len(next) > 0 && next[0].kind == whereStep {
			if !r.step() {
				return false
			}
			if !next[0].holds(r, n) {
				continue
			}
			next = next[1:]
		}
		if !r.visit(n, next, stop) {
			return false
		}
	}
	return r.err == nil
}

func (r *evaluation) visitExtensions(list fhir.Node, steps leg, stop int) bool {
	s := &steps[0]
	for e := head(list); e.Exists(); e = next(list, e) {
		if r.step() && e.Member(nameURL).Text() == s.url && !r.visit(e, steps[1:], stop) {
			return false
		}
	}
	return r.err == nil
}

func (r *evaluation) visitReference(n fhir.Node, steps leg, stop int) bool {
	if reference := reference(n); reference != "" {
		if to := r.resolve(reference, n); to.Exists() {
			return r.visit(to, steps, stop)
		}
	}
	return r.err == nil
}

// visitAny does a step as it is done outside of walks.
func (r *evaluation) visitAny(object fhir.Node, steps leg, stop int) bool {
	mark := len(r.stack)
	steps[0].member.from(r, object)
	on := r.err == nil
	for i := mark; on && i < len(r.stack); i++ {
		on = r.visit(r.stack[i].node, steps[1:], stop)
	}
	r.drop(mark)
	return on
}

// holds tells whether all tests of a step are true of a node.
func (s *walkStep) holds(r *evaluation, n fhir.Node) bool {
	for i := range s.tests {
		if !s.tests[i].holds(r, n) {
			return false
		}
	}
	return true
}

// holds tells whether a test is true of a node.
func (t *test) holds(r *evaluation, n fhir.Node) bool {
	if len(t.steps) == 0 && n.Kind() == fhir.String {
		return t.of(n.Text())
	}
	if t.name != nil && n.Kind() == fhir.Object {
		switch v := n.Member(t.name.plain); {
		case v.Kind() == fhir.String:
			return t.of(v.Text())
		case !v.Exists() && t.name.choices == nil && !n.Member(t.name.under).Exists():
			return t.kind == emptyTest
		}
	}
	base := len(r.nodes)
	r.visit(n, t.steps, base+2)
	found := len(r.nodes) - base
	ok := t.kind == existsTest && found > 0 || t.kind == emptyTest && found == 0
	switch {
	case t.kind == equalsTest:
		ok = found == 1 && r.equalItems(NodeItem(r.nodes[base]), StringItem(t.text)) == yes
	case t.kind == startsTest && found > 1:
		r.nodes = r.nodes[:base]
		r.visit(n, t.steps, noLimit)
		r.fail(t.at, "startsWith() wants one item, found %d", len(r.nodes)-base)
	case t.kind == startsTest && found == 1 && !valueless(r.nodes[base]):
		s, _ := r.itemText(NodeItem(r.nodes[base]), t.at, "startsWith()")
		ok = strings.HasPrefix(s, t.text)
	}
	r.nodes = r.nodes[:base]
	return ok
}

// of tells whether the test is true of a text that the path gave.
func (t *test) of(s string) bool {
	switch t.kind {
	case equalsTest:
		return s == t.text
	case startsTest:
		return strings.HasPrefix(s, t.text)
	}
	return t.kind == existsTest
}

// quick tells whether tests hold for the only item of a span; sure is false where that takes an evaluation.
func (r *evaluation) quick(tests []test, in span) (holds, sure bool) {
	if len(tests) == 0 || r.context.Seen != nil {
		return false, false
	}
	var n fhir.Node
	if in.len() == 1 {
		n = r.stack[in.from].node
	}
	return r.quickly(tests, n)
}

// quickly goes on until a test does not hold.
func (r *evaluation) quickly(tests []test, n fhir.Node) (holds, sure bool) {
	holds, sure = true, true
	for i := 0; i < len(tests) && holds && sure; i++ {
		holds, sure = tests[i].quick(r, n)
	}
	return holds, sure
}

func (t *test) quick(r *evaluation, n fhir.Node) (holds, sure bool) {
	sure = n.Exists()
	if t.head != nil {
		var items Collection
		n, items = t.head.value(r)
		sure = n.Exists() || len(items) == 0
		if len(items) == 1 && items[0].kind == stringKind && len(t.steps) == 0 {
			return t.of(items[0].text), true
		}
	}
	if n.Exists() {
		return t.holds(r, n), sure
	}
	return t.kind == emptyTest, sure
}
