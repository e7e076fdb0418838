package fhirpath

import "cmp"

// filters adds the functions that choose, walk and judge items.
func filters(all map[string]function) {
	all["where"] = function{1, 1, buildWhere}
	all["select"] = function{1, 1, buildSelect}
	all["repeat"] = function{1, 1, buildRepeat}
	all["exists"] = function{0, 1, buildExists}
	all["all"] = function{1, 1, buildAll}
	all["empty"] = whole(booleanKind, func(r *evaluation, _ int, in span) { r.push(booleanItem(in.len() == 0)) })
	all["not"] = whole(booleanKind, func(r *evaluation, at int, in span) { r.pushTruth(not(r.truth(in, at, "not()"))) })
	all["count"] = whole(integerKind, func(r *evaluation, _ int, in span) { r.push(integerItem(int64(in.len()))) })
	all["first"] = function{0, 0, func(c *compiler, k call) (op, shape) {
		c.walked(k.tree, walkStep{kind: firstStep})
		return func(r *evaluation, in span) { r.copy(span{in.from, min(in.from+1, in.to)}) }, k.in.chosen()
	}}
	all["last"] = part(0, func(_ int64, in span) span { return span{max(in.to-1, in.from), in.to} })
	all["tail"] = part(0, func(_ int64, in span) span { return span{min(in.from+1, in.to), in.to} })
	all["skip"] = part(1, func(n int64, in span) span { return span{in.from + within(n, in), in.to} })
	all["take"] = part(1, func(n int64, in span) span { return span{in.from, in.from + within(n, in)} })
	all["single"] = function{0, 0, buildSingle}
	all["allTrue"] = quantifier("allTrue()", true, no, false)
	all["anyTrue"] = quantifier("anyTrue()", false, yes, true)
	all["allFalse"] = quantifier("allFalse()", true, yes, false)
	all["anyFalse"] = quantifier("anyFalse()", false, no, true)
	all["iif"] = function{2, 3, buildIif}
	all["aggregate"] = function{1, 2, buildAggregate}
	all["trace"] = function{1, 2, buildTrace}
	all["sort"] = function{0, 1, buildSort}
}

// within bounds a count to the size of a span.
func within(n int64, in span) int {
	return int(min(max(n, 0), int64(in.len())))
}

func buildWhere(c *compiler, k call) (op, shape) {
	test, s := c.lambda(k.args[0], k.in)
	if s.system != nodeKind && s.system != booleanKind {
		return c.refuse(k.args[0].at, "where() wants a condition, not a "+s.system.String(), "for example where(use = 'home')")
	}
	if tests := c.tests(k.args[0]); local(tests) {
		c.walked(k.tree, walkStep{kind: whereStep, tests: tests})
	}
	at, limit, some := k.at, k.limit, k.in.chosen()
	some.element = ""
	return func(r *evaluation, in span) {
		base := len(r.stack)
		r.each(in, test, func(i, mark int) bool {
			keep := r.truth(r.top(mark), at, "where()") == yes
			r.drop(mark)
			if keep && r.err == nil {
				r.push(r.stack[i])
			}
			return limit == 0 || len(r.stack)-base < limit
		})
	}, some
}

func buildSelect(c *compiler, k call) (op, shape) {
	o, s := c.lambda(k.args[0], k.in)
	s.loose, s.many = s.loose || k.in.loose, cmp.Or(k.in.many, s.many)
	return func(r *evaluation, in span) { r.each(in, o, nil) }, s
}

// buildRepeat walks down until nothing new comes; items that equal one before are left out.
func buildRepeat(c *compiler, k call) (op, shape) {
	o, _ := c.lambda(k.args[0], shape{})
	return func(r *evaluation, in span) {
		base := len(r.stack)
		r.each(in, o, nil)
		r.unseen(base, base)
		for i := base; i < len(r.stack) && r.step(); i++ {
			mark := len(r.stack)
			r.each(span{i, i + 1}, o, nil)
			r.unseen(base, mark)
		}
	}, shape{}
}

// unseen drops from what stands above mark what equals an item between base and it. Nodes are told apart by where
// they stand: equal branches of a tree are walked both.
func (r *evaluation) unseen(base, mark int) {
	keep := mark
	for i := mark; i < len(r.stack) && r.step(); i++ {
		if !r.seen(span{base, keep}, r.stack[i]) {
			r.stack[keep] = r.stack[i]
			keep++
		}
	}
	r.drop(min(keep, len(r.stack)))
}

func (r *evaluation) seen(s span, i Item) bool {
	if i.kind != nodeKind {
		return r.has(s, i)
	}
	for j := s.from; j < s.to && r.step(); j++ {
		if r.stack[j].kind == nodeKind && r.stack[j].node.Same(i.node) {
			return true
		}
	}
	return false
}

func buildExists(c *compiler, k call) (op, shape) {
	if len(k.args) == 0 {
		return func(r *evaluation, in span) { r.push(booleanItem(in.len() > 0)) }, systemShape(booleanKind)
	}
	test, _ := c.lambda(k.args[0], k.in)
	at := k.at
	return func(r *evaluation, in span) {
		found := false
		r.each(in, test, func(_, mark int) bool {
			found = r.truth(r.top(mark), at, "exists()") == yes
			r.drop(mark)
			return !found
		})
		r.push(booleanItem(found))
	}, systemShape(booleanKind)
}

func buildAll(c *compiler, k call) (op, shape) {
	test, _ := c.lambda(k.args[0], k.in)
	at := k.at
	return func(r *evaluation, in span) {
		all := true
		r.each(in, test, func(_, mark int) bool {
			all = r.truth(r.top(mark), at, "all()") == yes
			r.drop(mark)
			return all
		})
		r.push(booleanItem(all))
	}, systemShape(booleanKind)
}

// part makes a function that gives a part of its input; with an argument it is an Integer.
func part(arguments int, f func(n int64, in span) span) function {
	return function{arguments, arguments, func(c *compiler, k call) (op, shape) {
		if arguments == 0 {
			return func(r *evaluation, in span) { r.copy(f(0, in)) }, k.in.chosen()
		}
		arg, s := c.expr(k.args[0], c.this)
		if s.system != nodeKind && s.system != integerKind {
			return c.refuse(k.args[0].at, k.name+"() wants an Integer", "for example "+k.name+"(1)")
		}
		if lit := k.args[0].lit; k.args[0].kind == literalTree && lit.kind == integerKind {
			return func(r *evaluation, in span) { r.copy(f(int64(lit.num), in)) }, k.in.chosen()
		}
		at, name := k.at, k.name+"()"
		return func(r *evaluation, in span) {
			if n, ok := r.integerArgument(arg, at, name); ok {
				r.copy(f(n, in))
			}
		}, k.in.chosen()
	}}
}

func buildSingle(_ *compiler, k call) (op, shape) {
	at := k.at
	return func(r *evaluation, in span) {
		if i, ok := r.one(in, at, "single()"); ok {
			r.push(i)
		}
	}, k.in.chosen()
}

// quantifier makes allTrue() and its like: the answer is found at the first item that is the decisive truth.
func quantifier(name string, otherwise bool, decisive truth, found bool) function {
	return whole(booleanKind, func(r *evaluation, at int, in span) {
		out := otherwise
		for _, i := range r.items(in) {
			b, ok := i.Bool()
			if !ok {
				r.fail(at, "%s wants booleans, not %s", name, i.Type())
				return
			}
			if truthOf(b) == decisive {
				out = found
			}
		}
		r.push(booleanItem(out))
	})
}

// buildIif compiles a condition: only the branch that is chosen is evaluated.
func buildIif(c *compiler, k call) (op, shape) {
	test, s := c.lambda(k.args[0], k.in)
	if s.system != nodeKind && s.system != booleanKind {
		return c.refuse(k.args[0].at, "iif() wants a condition, not a "+s.system.String(), "for example iif(active, 'yes', 'no')")
	}
	then, out := c.lambda(k.args[1], k.in)
	otherwise := op(func(*evaluation, span) {})
	if len(k.args) == 3 {
		o, s := c.lambda(k.args[2], k.in)
		otherwise, out = o, both(out, s)
	}
	at, tests := k.at, c.tests(k.args[0])
	c.pickOf(k, tests)
	return func(r *evaluation, in span) {
		if in.len() > 1 {
			r.one(in, at, "iif()")
			return
		}
		if yes, sure := r.quick(tests, in); sure {
			this := r.this
			if r.this = in; yes {
				then(r, in)
			} else {
				otherwise(r, in)
			}
			r.this = this
			return
		}
		this := r.this
		r.this = in
		if r.condition(test, in, at) {
			then(r, in)
		} else {
			otherwise(r, in)
		}
		r.this = this
	}, out
}

// condition evaluates what must be a boolean; empty counts as false.
func (r *evaluation) condition(test op, in span, at int) bool {
	base := len(r.stack)
	i, ok := r.one(r.eval(test, in), at, "iif()")
	r.drop(base)
	if !ok {
		return false
	}
	b, ok := i.Bool()
	if !ok && !valueless(i.node) {
		r.fail(at, "iif() wants a boolean, not %s", i.Type())
	}
	return b
}

func buildAggregate(c *compiler, k call) (op, shape) {
	start := op(func(*evaluation, span) {})
	if len(k.args) == 2 {
		start, _ = c.expr(k.args[1], c.this)
	}
	o, _ := c.lambda(k.args[0], k.in)
	return func(r *evaluation, in span) {
		total, base := r.total, len(r.stack)
		start(r, r.this)
		r.total = r.top(base)
		r.each(in, o, func(_, mark int) bool {
			r.collapse(base, mark)
			r.total = r.top(base)
			return r.err == nil
		})
		r.total = total
	}, shape{}
}

// buildTrace compiles trace(): nothing is written, for a log must not hold what a resource says.
func buildTrace(c *compiler, k call) (op, shape) {
	if k.args[0].kind != literalTree {
		return c.refuse(k.at, "trace() wants a literal name", "for example trace('names')")
	}
	if len(k.args) == 2 {
		c.lambda(k.args[1], k.in)
	}
	return func(r *evaluation, in span) { r.copy(in) }, k.in
}

// buildSort compiles sort() by the items themselves, upwards or with -$this downwards.
func buildSort(c *compiler, k call) (op, shape) {
	descending := false
	if len(k.args) == 1 {
		key := k.args[0]
		if key.kind == signTree && key.name == "-" {
			descending, key = true, key.args[0]
		}
		if key.kind != contextTree || key.name != "this" {
			return c.refuse(key.at, "sort() by a path is not supported", "sort the items themselves: sort() or sort(-$this)")
		}
	}
	at := k.at
	return func(r *evaluation, in span) {
		base := len(r.stack)
		r.copy(in)
		r.sort(base, at, descending)
	}, k.in.ordered()
}

// sort orders what stands above base, by insertion: collections are small, and equal items keep their order.
func (r *evaluation) sort(base, at int, descending bool) {
	for i := base + 1; i < len(r.stack); i++ {
		weight := r.stack[i].weight()
		for j := i; j > base && r.step(); j-- {
			r.steps += weight
			order, t := compare(r.stack[j-1], r.stack[j])
			if t != yes {
				r.fail(at, "sort() cannot order %s and %s", r.stack[j-1].Type(), r.stack[j].Type())
				return
			}
			if order == 0 || order < 0 != descending {
				break
			}
			r.stack[j-1], r.stack[j] = r.stack[j], r.stack[j-1]
		}
	}
}
