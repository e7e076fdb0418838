package fhirpath

import (
	"errors"
	"fmt"
	"time"
	"unsafe"

	"refbridge/fhir"
)

// ErrSteps is wrapped where an evaluation takes more than maxSteps steps.
var ErrSteps = errors.New("too many steps")

const (
	maxSteps   = 500_000
	maxText    = 1 << 20 // bytes of a computed String
	resultSlab = 256     // items that are allocated at a time for results
	textSlab   = 4096    // bytes that are allocated at a time for computed texts
)

// Context is what an evaluation sees beside its focus, and the memory that it works in. It belongs to one goroutine
// at a time and is made to be reused: once warm, an evaluation of paths and filters allocates nothing.
type Context struct {
	// Resource is %resource, where contained resources are looked for. Missing: the resource that the focus stands in.
	Resource fhir.Node
	// Variables gives the value of a %variable by its place among the names that Compile was told of: a single node, or where
	// that is Missing a collection. nil: all are empty.
	Variables func(place int) (fhir.Node, Collection)
	// Resolve finds what a reference points to, where that is not exactly one contained resource; nil finds nothing. from is the
	// element that the reference stands in, Missing where its text was computed.
	Resolve func(reference string, from fhir.Node) (fhir.Node, bool)
	// Seen, where it is not nil, is told of every node that a step of a path reaches: elements, extensions, resources that
	// references point to. Coverage of real data is counted with it.
	Seen func(fhir.Node)
	// Now is what now(), today() and timeOfDay() give, zone included; the zero Time is the machine's.
	Now time.Time

	eval evaluation
}

// Reset gives the memory of all Collections that came from this Context back to it: they must not be read any more.
// Without Reset they stay valid, and new memory is taken from time to time.
func (c *Context) Reset() {
	c.eval.results, c.eval.texts, c.eval.steps = c.eval.results[:0], c.eval.texts[:0], 0
}

// Steps tells how many steps all evaluations since Reset have taken. A step is an item that is made, looked at or compared; a long
// text counts for several.
func (c *Context) Steps() int { return c.eval.steps }

// Eval evaluates the expression on a focus, usually the root of a resource. A Missing focus is the empty collection.
// The result is valid until Context.Reset, its nodes until their document parses again. An error says where in the
// text it arose and names types and numbers only, never a value. A nil Context is an empty one.
func (e *Expr) Eval(c *Context, focus fhir.Node) (Collection, error) {
	if c == nil {
		c = new(Context)
	}
	r := &c.eval
	r.begin(c, focus)
	from := len(r.stack)
	e.op(r, r.this)
	if r.err != nil {
		return nil, r.fault(e)
	}
	return r.keep(r.stack[from:]), nil
}

// One is Eval where a single item is wanted: it gives the first, and how many there are, 2 for two or more. The item is valid as
// a result of Eval is.
func (e *Expr) One(c *Context, focus fhir.Node, first *Item) (int, error) {
	if c == nil {
		c = new(Context)
	}
	if e.walk != nil {
		if node, n, err := e.Node(c, focus); n >= 0 {
			*first = Item{node: node}
			return n, err
		}
	}
	r := &c.eval
	if e.tail != nil && c.Seen == nil {
		r.restart(c, focus)
		if e.tail.walk.find(r, focus) {
			item, n, sure := e.tail.finish(r)
			if sure && r.err == nil {
				*first = item
				return n, nil
			}
		}
	}
	r.begin(c, focus)
	e.op(r, r.this)
	found := r.stack[r.this.to:]
	if len(found) == 0 || r.err != nil {
		*first = Item{}
		return 0, r.fault(e)
	}
	*first = found[0]
	return min(len(found), 2), nil
}

// Walks tells whether the expression goes from elements to elements in steps that Node can do.
func (e *Expr) Walks() bool { return e.walk != nil }

// Node is One for an expression that walks, with the least work. Where it begins with a variable that is no element, and where
// Seen is set, the number is negative: One has to do it.
func (e *Expr) Node(c *Context, focus fhir.Node) (fhir.Node, int, error) {
	r := &c.eval
	r.restart(c, focus)
	w := e.walk
	if c.Seen != nil || focus.Kind() == fhir.Array {
		return fhir.Node{}, -1, nil
	}
	if w.pick != nil {
		holds, sure := r.quickly(w.pick.tests, focus)
		if !sure {
			return fhir.Node{}, -1, nil
		}
		if w = w.pick.otherwise; holds {
			w = e.walk.pick.then
		}
		if w == nil || r.err != nil {
			return fhir.Node{}, 0, r.fault(e)
		}
	}
	if w.head != nil {
		node, items := w.head.value(r)
		if !node.Exists() && len(items) > 0 {
			return fhir.Node{}, -1, nil
		}
		focus = node
	}
	if !focus.Exists() {
		return fhir.Node{}, 0, nil
	}
	if w.straight {
		if n, sure := w.steps.straight(focus); sure && !n.Exists() {
			return n, 0, nil
		} else if sure {
			return n, 1, nil
		}
	}
	r.visit(focus, w.steps, w.until(0, 0))
	w.goOn(r, 0)
	if len(r.nodes) == 0 || r.err != nil {
		return fhir.Node{}, 0, r.fault(e)
	}
	return r.nodes[0], min(len(r.nodes), 2), nil
}

// restart is begin for a walk, which needs no items.
func (r *evaluation) restart(c *Context, focus fhir.Node) {
	r.context, r.focus = c, focus
	r.nodes, r.stack, r.limit, r.err = r.nodes[:0], r.stack[:0], r.steps+maxSteps, nil
}

// Holds tells whether the expression is true as a condition: nothing is false, a boolean is what it is, anything else is true.
func (e *Expr) Holds(c *Context, focus fhir.Node) (bool, error) {
	r := &c.eval
	if e.tests != nil && c.Seen == nil {
		r.restart(c, focus)
		if holds, sure := r.quickly(e.tests, focus); sure {
			return holds && r.err == nil, r.fault(e)
		}
	}
	var i Item
	n, err := e.One(c, focus, &i)
	if n == 1 {
		yes, ok := i.Bool()
		return yes || !ok && !valueless(i.node), err
	}
	return n > 1, err
}

// Elements appends the elements that the expression gives; it is false where it gives computed values too.
func (e *Expr) Elements(dst []fhir.Node, c *Context, focus fhir.Node) ([]fhir.Node, bool, error) {
	if w := e.walk; w != nil && w.pick == nil && w.head == nil && c.Seen == nil && focus.Kind() == fhir.Object {
		r := &c.eval
		r.restart(c, focus)
		r.visit(focus, w.steps, w.until(0, 0))
		w.goOn(r, 0)
		if r.err != nil {
			return dst, true, r.fault(e)
		}
		return append(dst, r.nodes...), true, nil
	}
	found, err := e.Eval(c, focus)
	for _, i := range found {
		if i.kind != nodeKind {
			return dst, false, nil
		}
		dst = append(dst, i.node)
	}
	return dst, true, err
}

// fault gives the first fault of the evaluation.
func (r *evaluation) fault(e *Expr) error {
	if r.err == nil {
		return nil
	}
	line, column := position(e.src, r.errAt)
	return fmt.Errorf("fhirpath %d:%d: %w", line, column, r.err)
}

// span is a part of the stack: a collection in work.
type span struct{ from, to int }

func (s span) len() int { return s.to - s.from }

// op evaluates one part of an expression: it reads its input from a span and leaves its result on top of the stack.
type op func(r *evaluation, in span)

// evaluation is one Eval in progress.
type evaluation struct {
	context *Context
	focus   fhir.Node
	stack   []Item
	nodes   []fhir.Node // of walks in work
	results []Item
	texts   []byte // computed texts
	scratch []byte // one that is being computed
	this    span   // $this: what paths without a beginning start from
	index   int    // $index
	total   span   // $total
	steps   int
	limit   int       // of steps, which count on from one evaluation to the next
	clock   time.Time // the machine's, read once an evaluation
	err     error
	errAt   int // byte offset in the source
}

func (r *evaluation) begin(c *Context, focus fhir.Node) {
	r.context, r.focus, r.clock = c, focus, time.Time{}
	r.stack, r.limit, r.err, r.index, r.total = r.stack[:0], r.steps+maxSteps, nil, -1, span{}
	r.nodes, r.scratch = r.nodes[:0], r.scratch[:0]
	for n := head(focus); n.Exists(); n = next(focus, n) {
		r.stack = append(r.stack, NodeItem(n))
	}
	r.this = span{0, len(r.stack)}
}

// keep copies a result from the stack to where it stays.
func (r *evaluation) keep(items []Item) Collection {
	if len(items) == 0 {
		return nil
	}
	if cap(r.results)-len(r.results) < len(items) {
		r.results = make([]Item, 0, max(resultSlab, len(items)))
	}
	from := len(r.results)
	r.results = append(r.results, items...)
	return Collection(r.results[from:len(r.results):len(r.results)])
}

// kept gives bytes as a text in memory that stays, until Reset.
func (r *evaluation) kept(b []byte) string {
	if len(b) == 0 {
		return ""
	}
	if cap(r.texts)-len(r.texts) < len(b) {
		r.texts = make([]byte, 0, max(textSlab, len(b)))
	}
	from := len(r.texts)
	r.texts = append(r.texts, b...)
	return unsafe.String(&r.texts[from], len(b))
}

// fail ends the evaluation with the first fault.
func (r *evaluation) fail(at int, format string, args ...any) {
	if r.err == nil {
		r.err, r.errAt = fmt.Errorf(format, args...), at
	}
}

// step counts work; it is false when the evaluation must stop.
func (r *evaluation) step() bool {
	r.steps++
	return r.err == nil && (r.steps <= r.limit || r.stop())
}

// stop ends an evaluation that has taken all its steps.
func (r *evaluation) stop() bool {
	r.err = fmt.Errorf("%w: more than %d", ErrSteps, maxSteps)
	return false
}

func (r *evaluation) push(i Item) {
	if r.step() {
		r.stack = append(r.stack, i)
	}
}

// reach pushes a node that a step of a path came to.
func (r *evaluation) reach(n fhir.Node) {
	if r.context.Seen != nil {
		r.context.Seen(n)
	}
	r.push(NodeItem(n))
}

func (r *evaluation) items(s span) []Item { return r.stack[s.from:s.to] }

// top gives the span from a mark to the top of the stack.
func (r *evaluation) top(from int) span { return span{from, len(r.stack)} }

// eval runs an op and gives the span of its result.
func (r *evaluation) eval(o op, in span) span {
	from := len(r.stack)
	o(r, in)
	return r.top(from)
}

// collapse moves what stands above mark down to base: what is between them was an input that nobody needs any more.
func (r *evaluation) collapse(base, mark int) {
	if base != mark {
		n := copy(r.stack[base:], r.stack[mark:])
		r.stack = r.stack[:base+n]
	}
}

// drop forgets what stands above base.
func (r *evaluation) drop(base int) { r.stack = r.stack[:base] }

// each runs an op with every item of a span as $this; what it leaves on the stack stays. between, where there is one,
// is called after each run and ends the walk with false.
func (r *evaluation) each(in span, o op, between func(i, mark int) bool) {
	this, index := r.this, r.index
	for i := in.from; i < in.to && r.step(); i++ {
		mark := len(r.stack)
		r.this, r.index = span{i, i + 1}, i-in.from
		o(r, r.this)
		if between != nil && !between(i, mark) {
			break
		}
	}
	r.this, r.index = this, index
}

// one gives the only item of a span; ok is false where it is empty, or has more: then the evaluation has failed.
func (r *evaluation) one(s span, at int, who string) (Item, bool) {
	if s.len() > 1 {
		r.fail(at, "%s wants one item, found %d", who, s.len())
	}
	if s.len() != 1 || r.err != nil {
		return Item{}, false
	}
	return r.stack[s.from], true
}

// truth is a three-valued boolean.
type truth uint8

const (
	unknown truth = iota
	no
	yes
)

func truthOf(b bool) truth {
	if b {
		return yes
	}
	return no
}

// truth reads a collection as a condition: empty is unknown, a single item that is no boolean counts as true.
func (r *evaluation) truth(s span, at int, who string) truth {
	i, ok := r.one(s, at, who)
	if !ok {
		return unknown
	}
	b, ok := i.Bool()
	switch {
	case ok:
		return truthOf(b)
	case valueless(i.node):
		return unknown
	}
	return yes
}

func (r *evaluation) pushTruth(t truth) {
	if t != unknown {
		r.push(booleanItem(t == yes))
	}
}

func (r *evaluation) now() time.Time {
	switch {
	case !r.context.Now.IsZero():
		return r.context.Now
	case r.clock.IsZero():
		r.clock = time.Now()
	}
	return r.clock
}
