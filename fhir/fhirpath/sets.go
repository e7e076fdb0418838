package fhirpath

// sets adds the functions over collections as sets.
func sets(all map[string]function) {
	all["distinct"] = function{0, 0, buildDistinct}
	all["isDistinct"] = whole(booleanKind, func(r *evaluation, _ int, in span) {
		base := len(r.stack)
		r.copy(in)
		r.distinct(base)
		same := len(r.stack)-base == in.len()
		r.drop(base)
		r.push(booleanItem(same))
	})
	all["subsetOf"] = withOther(func(r *evaluation, in, other span) { r.pushSubset(in, other) }, booleanKind)
	all["supersetOf"] = withOther(func(r *evaluation, in, other span) { r.pushSubset(other, in) }, booleanKind)
	all["intersect"] = withOther(func(r *evaluation, in, other span) {
		base := len(r.stack)
		r.filter(in, other, true)
		r.distinct(base)
	}, nodeKind)
	all["exclude"] = withOther(func(r *evaluation, in, other span) { r.filter(in, other, false) }, nodeKind)
	all["union"] = withOther(func(r *evaluation, in, other span) {
		base := len(r.stack)
		r.copy(in)
		r.copy(other)
		r.distinct(base)
	}, nodeKind)
	all["combine"] = function{1, 1, func(c *compiler, k call) (op, shape) {
		arg, s := c.expr(k.args[0], c.this)
		return func(r *evaluation, in span) {
			r.copy(in)
			arg(r, r.this)
		}, both(k.in, s)
	}}
}

func buildDistinct(_ *compiler, k call) (op, shape) {
	return func(r *evaluation, in span) {
		base := len(r.stack)
		r.copy(in)
		r.distinct(base)
	}, k.in
}

// withOther makes a function of two collections. The argument is evaluated where the path began, not on the input.
func withOther(f func(r *evaluation, in, other span), out kind) function {
	return function{1, 1, func(c *compiler, k call) (op, shape) {
		arg, s := c.expr(k.args[0], c.this)
		result := systemShape(out)
		if out == nodeKind {
			result = both(k.in, s)
		}
		return func(r *evaluation, in span) {
			base := len(r.stack)
			other := r.eval(arg, r.this)
			f(r, in, other)
			r.collapse(base, other.to)
		}, result
	}}
}

func (r *evaluation) pushSubset(in, of span) {
	for i := in.from; i < in.to; i++ {
		if !r.has(of, r.stack[i]) {
			r.push(booleanItem(false))
			return
		}
	}
	r.push(booleanItem(true))
}

// filter pushes the items that the other collection has, or has not.
func (r *evaluation) filter(in, other span, had bool) {
	for i := in.from; i < in.to && r.step(); i++ {
		if r.has(other, r.stack[i]) == had {
			r.push(r.stack[i])
		}
	}
}
