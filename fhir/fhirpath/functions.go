package fhirpath

// function is one function of the language: how many arguments it takes and how a call of it is compiled.
type function struct {
	min, max int
	build    func(c *compiler, k call) (op, shape)
}

// call is a function call being compiled.
type call struct {
	*tree
	in    shape
	limit int // how many items of the result are wanted at most, 0 for all
}

// allFunctions is functions, made once.
var allFunctions = mustOnce(functions)

// functions gives all functions by name.
func functions() map[string]function {
	all := map[string]function{}
	for _, group := range []func(map[string]function){filters, sets, texts, conversions, numbers, moments, elements} {
		group(all)
	}
	return all
}

// itemFunction is what a function does with its only item; args are items too, one each.
type itemFunction func(r *evaluation, at int, in Item, args []Item)

// single makes a function of one item: empty where the input or an argument is empty, refused where one has more.
func single(most int, want, out kind, f itemFunction) function {
	return function{0, most, func(c *compiler, k call) (op, shape) { return c.singleCall(k, want, out, f) }}
}

// text makes a function of one text with as many arguments, all texts.
func text(arguments int, out kind, f itemFunction) function {
	s := single(arguments, stringKind, out, f)
	s.min = arguments
	return s
}

func (c *compiler) singleCall(k call, want, out kind, f itemFunction) (op, shape) {
	if want == stringKind && !textual(k.in) {
		return c.refuse(k.at, k.name+"() wants a text", "what stands before it is a "+k.in.describe())
	}
	args := make([]op, len(k.args))
	for i, t := range k.args {
		args[i], _ = c.expr(t, c.this)
	}
	at, name := k.at, k.name+"()"
	if lits, ok := literals(k.args); ok {
		return func(r *evaluation, in span) {
			if item, ok := r.one(in, at, name); ok && !valueless(item.node) {
				f(r, at, item, lits)
			}
		}, systemShape(out)
	}
	return func(r *evaluation, in span) {
		item, ok := r.one(in, at, name)
		base := len(r.stack)
		for _, arg := range args {
			if _, one := r.one(r.eval(arg, r.this), at, name); !one {
				ok = false
				break
			}
		}
		if ok && r.err == nil && !valueless(item.node) {
			mark := len(r.stack)
			f(r, at, item, r.stack[base:mark:mark])
			r.collapse(base, mark)
			return
		}
		r.drop(base)
	}, systemShape(out)
}

// literals gives the values of arguments that are all written out.
func literals(args []*tree) ([]Item, bool) {
	var out []Item
	for _, t := range args {
		if t.kind != literalTree {
			return nil, false
		}
		out = append(out, t.lit)
	}
	return out, true
}

// textual tells whether a shape may be a text.
func textual(s shape) bool {
	if s.system != nodeKind {
		return s.system == stringKind
	}
	for _, t := range s.types {
		if abstract(t) || t.class() == primitiveType {
			return true
		}
	}
	return s.types == nil
}

// describe names what is known of a shape, for messages.
func (s shape) describe() string {
	if s.system != nodeKind {
		return s.system.String()
	}
	if len(s.types) > 0 {
		return s.types[0].name()
	}
	return "collection"
}

// lambda compiles an argument that is evaluated with every item as $this.
func (c *compiler) lambda(t *tree, item shape) (op, shape) {
	this := c.this
	item = item.ordered().chosen()
	c.this = item
	o, s := c.expr(t, item)
	c.this = this
	return o, s
}

// whole makes a function of the whole input without arguments.
func whole(out kind, f func(r *evaluation, at int, in span)) function {
	return function{0, 0, func(_ *compiler, k call) (op, shape) {
		at := k.at
		return func(r *evaluation, in span) { f(r, at, in) }, systemShape(out)
	}}
}

// integerArgument evaluates an argument that must be an Integer; ok is false where it is empty or the evaluation failed.
func (r *evaluation) integerArgument(arg op, at int, who string) (int64, bool) {
	base := len(r.stack)
	i, ok := r.one(r.eval(arg, r.this), at, who)
	r.drop(base)
	if !ok {
		return 0, false
	}
	return r.integer(i, at, who)
}

func (r *evaluation) integer(i Item, at int, who string) (int64, bool) {
	v := i.value()
	if v.kind != integerKind {
		r.fail(at, "%s wants an Integer, not %s", who, i.Type())
		return 0, false
	}
	return v.num, true
}
