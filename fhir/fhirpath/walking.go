package fhirpath

import "slices"

// How steps become a walk: every step that a walk can do is noted under its tree while it is compiled as an op; a row of such
// steps is then put together, and a condition that needs no computing becomes tests.

// walked notes that a tree was compiled to a step of a walk.
func (c *compiler) walked(t *tree, s walkStep) {
	if c.walks == nil {
		c.walks = map[*tree]walkStep{}
	}
	c.walks[t] = s
}

// fused makes of the steps of a walk that stand side by side one op.
func (c *compiler) fused(whole *tree, steps []*tree, ops []op) []op {
	var out []op
	for from := 0; from < len(steps); {
		head, begin := (*variable)(nil), from
		if v, ok := c.heads[steps[from]]; ok {
			head, begin = v, from+1
		}
		legs, used := c.gather(steps[begin:])
		if used == 0 {
			out = append(out, ops[from])
			from++
			continue
		}
		end := begin + used
		w := &walk{head: head, steps: legs[0], legs: legs[1:], limit: wanted(steps[end:]), plain: chain(ops[from:end])}
		if n := len(w.legs) - 1; n >= 0 && w.legs[n] == nil { // it ends with first()
			w.legs, w.limit = w.legs[:n], 1
		}
		out = append(out, w.run)
		w.straight = w.straightforward()
		switch {
		case from == 0 && end == len(steps):
			c.note(whole, w)
		case from == 0 && end == len(steps)-1:
			c.tailOf(whole, steps[end], w)
		}
		from = end
	}
	return out
}

// straightforward tells whether a walk has members alone, in one leg.
func (w *walk) straightforward() bool {
	other := func(s walkStep) bool { return s.kind != memberStep || s.member.want != nil }
	return len(w.legs) == 0 && !slices.ContainsFunc(w.steps, other)
}

func (c *compiler) note(t *tree, w *walk) {
	if c.whole == nil {
		c.whole = map[*tree]*walk{}
	}
	c.whole[t] = w
}

// tailOf notes a walk with a last step behind it that works on texts.
func (c *compiler) tailOf(whole, last *tree, w *walk) {
	lits, ok := literals(last.args)
	if last.kind != callTree || !ok {
		return
	}
	t := &tail{walk: w, at: last.at}
	switch {
	case last.name == "count":
		t.kind = countTail
	case last.name == "join" && len(lits) == 1 && lits[0].kind == stringKind:
		t.kind, t.text = joinTail, lits[0].text
	case last.name == "substring" && len(lits) == 2 && lits[0].kind == integerKind && lits[1].kind == integerKind && lits[0].num >= 0 && lits[1].num > 0:
		t.kind, t.from, t.size = substringTail, int(lits[0].num), int(lits[1].num)
	default:
		return
	}
	c.noteTail(whole, t)
}

func (c *compiler) noteTail(whole *tree, t *tail) {
	if c.tails == nil {
		c.tails = map[*tree]*tail{}
	}
	c.tails[whole] = t
}

// gather cuts steps into legs, as far as they are those of a walk.
func (c *compiler) gather(steps []*tree) (legs []leg, used int) {
	for i, t := range steps {
		s, ok := c.walks[t]
		if !ok || i == 0 && (s.kind == firstStep || s.kind == typeStep) {
			return legs, i
		}
		if i == 0 {
			legs = []leg{nil}
		}
		last := &legs[len(legs)-1]
		switch s.kind {
		case firstStep:
			legs = append(legs, nil)
		case typeStep:
			n := len(*last) - 1
			if n < 0 || (*last)[n].kind != memberStep || !(*last)[n].member.may(s.want) {
				return legs, i
			}
			(*last)[n].member = (*last)[n].member.typed(s.want)
		default:
			*last = append(*last, s)
		}
	}
	return legs, len(steps)
}

// tests reads a condition as tests that must all hold; nil where it is more.
func (c *compiler) tests(t *tree) []test {
	switch {
	case t.kind == pathTree && len(t.args) == 1:
		return c.tests(t.args[0])
	case t.kind == operatorTree && t.name == "and":
		a, b := c.tests(t.args[0]), c.tests(t.args[1])
		if a == nil || b == nil || slices.ContainsFunc(a, test.open) && slices.ContainsFunc(b, test.fails) {
			return nil
		}
		return slices.Concat(a, b)
	case t.kind == operatorTree && t.name == "=" && t.args[1].kind == literalTree && t.args[1].lit.kind == stringKind:
		return c.test(test{kind: equalsTest, text: t.args[1].lit.text}, t.args[0])
	case t.kind == pathTree:
		last := t.args[len(t.args)-1]
		if kind, text, ok := judgement(last); ok {
			return c.test(test{kind: kind, text: text, at: last.at}, t.args[:len(t.args)-1]...)
		}
	}
	return nil
}

// open tells whether a test may be neither true nor false: what stands behind and is worked out then, too.
func (t test) open() bool { return t.kind == equalsTest || t.kind == startsTest }

// fails tells whether a test may fail.
func (t test) fails() bool { return t.kind == startsTest }

// local tells whether there are tests, and all of them begin at the node.
func local(tests []test) bool {
	return len(tests) > 0 && !slices.ContainsFunc(tests, func(t test) bool { return t.head != nil })
}

// judgement reads the function that ends a path as a test of it.
func judgement(t *tree) (kind testKind, text string, ok bool) {
	if t.kind != callTree {
		return 0, "", false
	}
	switch {
	case t.name == "exists" && len(t.args) == 0:
		return existsTest, "", true
	case t.name == "empty" && len(t.args) == 0:
		return emptyTest, "", true
	case t.name == "startsWith" && len(t.args) == 1 && t.args[0].kind == literalTree && t.args[0].lit.kind == stringKind:
		return startsTest, t.args[0].lit.text, true
	}
	return 0, "", false
}

// test adds the path to a test; nil where it is no walk.
func (c *compiler) test(t test, steps ...*tree) []test {
	if len(steps) == 1 && steps[0].kind == pathTree && c.heads[steps[0]] == nil {
		steps = steps[0].args
	}
	self := len(steps) == 1 && steps[0].kind == contextTree && steps[0].name == "this"
	if self || len(steps) > 0 && c.heads[steps[0]] != nil {
		t.head, steps = c.heads[steps[0]], steps[1:]
	}
	legs, used := c.gather(steps)
	if used != len(steps) || len(legs) > 1 || used == 0 && t.head == nil && !self {
		return nil
	}
	if used > 0 {
		t.steps = legs[0]
	}
	if len(t.steps) == 1 && t.steps[0].kind == memberStep && t.steps[0].member.want == nil {
		t.name = t.steps[0].member
	}
	return []test{t}
}

// pickOf notes that iif() picks a walk. A walk that is a pick itself is none of its branches: Node picks once.
func (c *compiler) pickOf(k call, tests []test) {
	p := &pick{tests: tests}
	branches := []**walk{&p.then, &p.otherwise}
	for i, arg := range k.args[1:] {
		if w := c.whole[arg]; w != nil && w.pick == nil {
			*branches[i] = w
			continue
		}
		return
	}
	if len(tests) > 0 {
		c.note(k.tree, &walk{pick: p})
	}
}
