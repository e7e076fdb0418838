package fhirpath

import (
	"slices"
	"strings"
)

// maxDepth bounds nesting: brackets, arguments and operators in each other.
const maxDepth = 100

type treeKind uint8

const (
	literalTree  treeKind = iota // lit
	emptyTree                    // {}
	memberTree                   // name
	callTree                     // name(args)
	variableTree                 // %name
	contextTree                  // $name
	pathTree                     // args in a row: term.step.step[index]
	indexTree                    // [args[0]], only inside a path
	signTree                     // name args[0]
	operatorTree                 // args[0] name args[1]
	typeTree                     // args[0] is|as name
)

type tree struct {
	kind treeKind
	name string
	lit  Item
	args []*tree
	at   int
}

// parse reads the whole text. After the first fault c.err is set and the tree is of no use.
func (c *compiler) parse() *tree {
	if len(c.src) > maxSource {
		c.refuse(0, "the expression is too long", "split it into several fields")
		return nil
	}
	c.next()
	t := c.binary(0)
	if c.err == nil && c.tok.kind != endToken {
		c.refuse(c.tok.at, "the expression should end here", "join parts with . or an operator")
	}
	return t
}

// levels of operators, weakest first; each is left-associative.
func levels() [][]string {
	return [][]string{{"implies"}, {"or", "xor"}, {"and"}, {"in", "contains"}, {"=", "~", "!=", "!~"},
		{"<=", "<", ">", ">="}, {"|"}, {"is", "as"}, {"+", "-", "&"}, {"*", "/", "div", "mod"}}
}

func (c *compiler) binary(level int) *tree {
	if level == len(c.levels()) {
		return c.sign()
	}
	left := c.binary(level + 1)
	for c.err == nil && c.operator(level) {
		op := c.tok
		c.next()
		if op.text == "is" || op.text == "as" {
			left = &tree{kind: typeTree, name: c.typeName(), args: []*tree{left}, at: op.at}
			left.lit.text = op.text
			continue
		}
		left = &tree{kind: operatorTree, name: op.text, args: []*tree{left, c.binary(level + 1)}, at: op.at}
	}
	return left
}

func (c *compiler) operator(level int) bool {
	return (c.tok.kind == symbolToken || c.tok.kind == nameToken) && slices.Contains(c.levels()[level], c.tok.text)
}

func (c *compiler) levels() [][]string {
	if c.operators == nil {
		c.operators = levels()
	}
	return c.operators
}

func (c *compiler) sign() *tree {
	if c.tok.kind != symbolToken || c.tok.text != "-" && c.tok.text != "+" {
		return c.path()
	}
	op := c.tok
	c.next()
	if !c.enter(op.at) {
		return nil
	}
	defer c.leave()
	return &tree{kind: signTree, name: op.text, args: []*tree{c.sign()}, at: op.at}
}

// enter counts a level of nesting; it refuses the one that is too deep.
func (c *compiler) enter(at int) bool {
	c.depth++
	if c.depth > maxDepth {
		c.refuse(at, "nested too deeply", "split the expression into several fields")
	}
	return c.err == nil
}

func (c *compiler) leave() { c.depth-- }

func (c *compiler) path() *tree {
	steps := []*tree{c.term()}
	for c.err == nil && c.tok.kind == symbolToken {
		switch c.tok.text {
		case ".":
			c.next()
			steps = append(steps, c.invocation())
		case "[":
			at := c.tok.at
			c.next()
			steps = append(steps, &tree{kind: indexTree, args: []*tree{c.nested("]")}, at: at})
		default:
			return row(steps)
		}
	}
	return row(steps)
}

func row(steps []*tree) *tree {
	if len(steps) == 1 {
		return steps[0]
	}
	return &tree{kind: pathTree, args: steps, at: steps[0].at}
}

// nested reads an expression and the bracket that closes it.
func (c *compiler) nested(closing string) *tree {
	if !c.enter(c.tok.at) {
		return nil
	}
	defer c.leave()
	t := c.binary(0)
	c.expect(closing)
	return t
}

func (c *compiler) expect(symbol string) {
	if c.err == nil && (c.tok.kind != symbolToken || c.tok.text != symbol) {
		c.refuse(c.tok.at, "expected "+symbol, "")
	}
	c.next()
}

func (c *compiler) term() *tree {
	tok := c.tok
	switch {
	case tok.kind == symbolToken:
		return c.symbolTerm()
	case tok.kind == nameToken && (tok.text == "true" || tok.text == "false"):
		c.next()
		return &tree{kind: literalTree, lit: booleanItem(tok.text == "true"), at: tok.at}
	case tok.kind == nameToken, tok.kind == quotedNameToken:
		return c.invocation()
	case tok.kind == endToken:
		c.refuse(tok.at, "the expression ends too early", "")
		return nil
	}
	return c.literal()
}

func (c *compiler) symbolTerm() *tree {
	tok := c.tok
	c.next()
	switch tok.text {
	case "(":
		t := c.nested(")")
		return &tree{kind: pathTree, args: []*tree{t}, at: tok.at}
	case "{":
		c.expect("}")
		return &tree{kind: emptyTree, at: tok.at}
	case "$":
		return c.context(tok)
	case "%":
		name := c.tok
		if name.kind != nameToken && name.kind != quotedNameToken && name.kind != textToken {
			c.refuse(tok.at, "expected a name after %", "for example %resource")
		}
		c.next()
		return &tree{kind: variableTree, name: name.text, at: tok.at}
	}
	c.refuse(tok.at, "expected a value, a path or a bracket before "+tok.text, "")
	return nil
}

func (c *compiler) context(sign token) *tree {
	name := c.tok.text
	c.next()
	if name != "this" && name != "index" && name != "total" {
		c.refuse(sign.at, "unknown $"+name, "there are $this, $index and $total")
	}
	return &tree{kind: contextTree, name: name, at: sign.at}
}

// invocation reads a member or a function call.
func (c *compiler) invocation() *tree {
	name := c.tok
	if name.kind == symbolToken && name.text == "$" {
		c.next()
		return c.context(name)
	}
	if name.kind != nameToken && name.kind != quotedNameToken {
		c.refuse(name.at, "expected the name of an element or function", "")
		return nil
	}
	c.next()
	if c.tok.kind != symbolToken || c.tok.text != "(" {
		return &tree{kind: memberTree, name: name.text, at: name.at}
	}
	c.next()
	return &tree{kind: callTree, name: name.text, args: c.arguments(), at: name.at}
}

func (c *compiler) arguments() []*tree {
	if c.tok.kind == symbolToken && c.tok.text == ")" {
		c.next()
		return nil
	}
	if !c.enter(c.tok.at) {
		return nil
	}
	defer c.leave()
	args := []*tree{c.binary(0)}
	for c.err == nil && c.tok.kind == symbolToken && c.tok.text == "," {
		c.next()
		args = append(args, c.binary(0))
	}
	c.expect(")")
	return args
}

// typeName reads what follows is or as: Quantity, FHIR.Quantity, System.String.
func (c *compiler) typeName() string {
	var parts []string
	for c.err == nil {
		if c.tok.kind != nameToken && c.tok.kind != quotedNameToken {
			c.refuse(c.tok.at, "expected the name of a type", "for example FHIR.Quantity")
		}
		parts = append(parts, c.tok.text)
		c.next()
		if c.tok.kind != symbolToken || c.tok.text != "." || len(parts) == 2 {
			break
		}
		c.next()
	}
	return strings.Join(parts, ".")
}

func (c *compiler) literal() *tree {
	tok := c.tok
	t := &tree{kind: literalTree, at: tok.at}
	c.next()
	switch tok.kind {
	case textToken:
		t.lit = StringItem(tok.text)
	case numberToken:
		t.lit = c.numberLiteral(tok)
	default:
		v, ok := parseTemporal(tok.text, literalKind(tok))
		if !ok {
			c.refuse(tok.at, "no such date or time", "for example @2015-02-04, @2015-02-04T14:30:00Z or @T14:30")
		}
		t.lit = momentItem(v, literalKind(tok))
	}
	return t
}

func literalKind(tok token) kind {
	switch {
	case tok.kind == timeToken:
		return timeKind
	case strings.Contains(tok.text, "T"):
		return dateTimeKind
	}
	return dateKind
}

// numberLiteral gives an Integer, a Decimal, or with a unit behind it (4 days, 4 'mg') a Quantity.
func (c *compiler) numberLiteral(tok token) Item {
	d, ok := parseDecimal(tok.text)
	if !ok {
		c.refuse(tok.at, "the number is too long", "")
	}
	unit := c.tok.text
	if c.tok.kind == textToken || c.tok.kind == nameToken && calendarUnit(unit) != "" {
		quoted := c.tok.kind == textToken
		c.next()
		return quantityItem(d, unit, quoted)
	}
	if strings.Contains(tok.text, ".") {
		return decimalItem(d)
	}
	n, ok := d.int64()
	if !ok || n > maxInteger {
		c.refuse(tok.at, "no Integer is larger than 2147483647", "write "+tok.text+".0 for a Decimal")
	}
	return integerItem(n)
}
