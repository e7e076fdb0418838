package fhirpath

import (
	"errors"
	"fmt"
	"time"

	"refbridge/fhir"
)

// ErrSteps is wrapped where an evaluation takes more than maxSteps steps.
var ErrSteps = errors.New("too many steps")

const (
	maxSteps   = 500_000
	maxText    = 1 << 20 // bytes of a computed String
	resultSlab = 256     // items that are allocated at a time for results
)

// Context is what an evaluation sees beside its focus, and the memory that it works in. It belongs to one goroutine
// at a time and is made to be reused: once warm, an evaluation of paths and filters allocates nothing.
type Context struct {
	// Resource is %resource, where contained resources are looked for. Missing: the resource that the focus stands in.
	Resource fhir.Node
	// Variables gives the value of a %variable that Compile was told of; nil and false mean empty.
	Variables func(name string) (Collection, bool)
	// Resolve finds what a reference points to, beyond contained resources; nil finds nothing.
	Resolve func(reference string) (fhir.Node, bool)
	// Now is what now(), today() and timeOfDay() give, zone included; the zero Time is the machine's.
	Now time.Time

	eval evaluation
}

// Reset gives the memory of all Collections that came from this Context back to it: they must not be read any more.
// Without Reset they stay valid, and new memory is taken from time to time.
func (c *Context) Reset() { c.eval.results = c.eval.results[:0] }

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
		line, column := position(e.src, r.errAt)
		return nil, fmt.Errorf("fhirpath %d:%d: %w", line, column, r.err)
	}
	return r.keep(r.stack[from:]), nil
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
	results []Item
	this    span // $this: what paths without a beginning start from
	index   int  // $index
	total   span // $total
	steps   int
	clock   time.Time // the machine's, read once an evaluation
	err     error
	errAt   int // byte offset in the source
}

func (r *evaluation) begin(c *Context, focus fhir.Node) {
	r.context, r.focus, r.clock = c, focus, time.Time{}
	r.stack, r.steps, r.err, r.index, r.total = r.stack[:0], 0, nil, -1, span{}
	for n := range focus.Items() {
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

// fail ends the evaluation with the first fault.
func (r *evaluation) fail(at int, format string, args ...any) {
	if r.err == nil {
		r.err, r.errAt = fmt.Errorf(format, args...), at
	}
}

// step counts work; it is false when the evaluation must stop.
func (r *evaluation) step() bool {
	if r.steps++; r.steps > maxSteps && r.err == nil {
		r.err = fmt.Errorf("%w: more than %d", ErrSteps, maxSteps)
	}
	return r.err == nil
}

func (r *evaluation) push(i Item) {
	if r.step() {
		r.stack = append(r.stack, i)
	}
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
