package fhirpath

import (
	"fmt"
	"slices"
	"strings"

	"refbridge/fhir"
)

// What the checks of a mapping table ask about an expression. Nothing here takes part in its evaluation.

// Part is a part of an expression with the place where it begins, both from 1.
type Part struct {
	Text         string // of a text the text itself, else the expression in one spelling
	Line, Column int
}

// Comparison is an element that an expression compares with a text that it writes down: status = 'active', also by !=, ~, !~
// and in.
type Comparison struct {
	Path    string // from where the expression starts, without its conditions: identifier.use
	Element string // of R4 that stands there: Identifier.use; empty where that is not known
	With    Part
}

// Comparisons gives the comparisons of the expression, also those inside of where(…) and the like. One whose element is not
// plain to see is left out.
func (e *Expr) Comparisons() []Comparison {
	o := outline{src: e.src}
	o.walk(o.parsed(), spot{known: true})
	for i := range o.compared {
		if element, err := e.scope.Compile(o.compared[i].Path); err == nil {
			o.compared[i].Element = element.Known().Element()
		}
	}
	return o.compared
}

// Blanks gives the operands of & that may be nothing, which & takes for an empty text.
func (e *Expr) Blanks() []Part {
	o := outline{src: e.src}
	o.joined(o.parsed())
	return o.blanks
}

// Gives tells whether the expression gives something whatever the resource has: a text, or texts joined by &.
func (e *Expr) Gives() bool { return !mayBeEmpty((&outline{src: e.src}).parsed()) }

// Literal gives the text that the expression is, as 'a' is a; false where it is anything else.
func (e *Expr) Literal() (string, bool) {
	t := unbracketed((&outline{src: e.src}).parsed())
	if !isText(t) {
		return "", false
	}
	return t.lit.text, true
}

// Texts gives the texts that the expression writes down and can give as they are: 'a' and 'b' of iif(active, 'a', 'b'). only
// tells that it gives nothing else.
func (e *Expr) Texts() (texts []Part, only bool) {
	o := outline{src: e.src}
	only = o.results(o.parsed(), &texts)
	return texts, only
}

func (o *outline) results(t *tree, into *[]Part) bool {
	t = unbracketed(t)
	switch {
	case isText(t):
		*into = append(*into, o.part(t, t.lit.text))
		return true
	case t.kind == emptyTree:
		return true
	case t.kind == operatorTree && t.name == "|":
		left := o.results(t.args[0], into)
		return o.results(t.args[1], into) && left
	case t.kind == callTree && t.name == "iif":
		only := true
		for _, arg := range t.args[1:] {
			only = o.results(arg, into) && only
		}
		return only
	}
	return false
}

// Spelling gives the expression in one spelling: two that differ in spaces and comments alone have the same.
func (e *Expr) Spelling() string { return (&outline{src: e.src}).parsed().text() }

// Always tells what the expression says of every resource, where it reads nothing of one: false for 1 = 2.
func (e *Expr) Always() (holds, known bool) {
	if !settled((&outline{src: e.src}).parsed()) {
		return false, false
	}
	out, err := e.Eval(&Context{}, fhir.Node{})
	if err != nil {
		return false, false
	}
	yes, is := false, false
	if len(out) == 1 {
		yes, is = out[0].Bool()
	}
	return yes || len(out) > 0 && !is, true
}

// settled tells of operators and literals alone.
func settled(t *tree) bool {
	switch t.kind {
	case literalTree, emptyTree:
		return true
	case operatorTree, pathTree, signTree:
		return !slices.ContainsFunc(t.args, func(arg *tree) bool { return !settled(arg) })
	}
	return false
}

// maxRoutes bounds what unions in unions can give.
const maxRoutes = 64

// Routes gives the ways on which the expression comes to what it gives: the steps in one spelling each, for example extension,
// where(url = 'x'), value. A way that starts at a variable has %name as its first step. Conditions, and what only tells
// whether there is something, are no ways.
func (e *Expr) Routes() [][]string {
	return routes((&outline{src: e.src}).parsed(), [][]string{nil})
}

type outline struct {
	src        string
	compared   []Comparison
	blanks     []Part
	extensions []Extension
}

// spot is a path of elements, if it is known.
type spot struct {
	path  string
	known bool
}

func (p spot) step(name string) spot {
	if p.path != "" {
		name = p.path + "." + name
	}
	return spot{name, p.known}
}

// parsed gives the tree of what has been compiled before.
func (o *outline) parsed() *tree {
	c := compiler{src: o.src}
	t := c.parse()
	if c.err != nil {
		return &tree{kind: emptyTree}
	}
	return t
}

func (o *outline) part(t *tree, text string) Part {
	line, column := position(o.src, t.at)
	return Part{text, line, column}
}

// walk gives the place to which a tree leads from another, and notes the comparisons on the way.
func (o *outline) walk(t *tree, from spot) spot {
	switch t.kind {
	case memberTree:
		return from.step(t.name)
	case variableTree:
		return spot{"%" + t.name, true}
	case contextTree:
		return spot{from.path, from.known && t.name == "this"}
	case pathTree:
		here := from
		for _, step := range t.args {
			here = o.walk(step, here)
		}
		return here
	case indexTree:
		o.walk(t.args[0], spot{})
		return from
	case callTree:
		return o.called(t, from)
	case operatorTree:
		left, right := o.walk(t.args[0], from), o.walk(t.args[1], from)
		o.compare(t, left, right)
	case typeTree:
		here := o.walk(t.args[0], from)
		return spot{here.path + ".ofType(" + t.name + ")", here.known && t.lit.text == "as"}
	case signTree:
		o.walk(t.args[0], from)
	}
	return spot{}
}

// subset tells whether a function gives some of its input.
func subset(name string) bool {
	return slices.Contains([]string{"where", "ofType", "first", "last", "tail", "skip", "take", "single", "distinct", "trace"}, name)
}

func (o *outline) called(t *tree, from spot) spot {
	if t.name == "ofType" && len(t.args) == 1 {
		return from.step("ofType(" + t.args[0].text() + ")")
	}
	var last spot
	for _, arg := range t.args {
		last = o.walk(arg, from)
	}
	switch {
	case t.name == "select" && len(t.args) == 1:
		return last
	case subset(t.name):
		return from
	}
	return spot{}
}

func (o *outline) compare(t *tree, left, right spot) {
	switch t.name {
	case "=", "!=", "~", "!~":
		o.with(left, t.args[1])
		o.with(right, t.args[0])
	case "in":
		o.with(left, t.args[1])
	case "contains":
		o.with(right, t.args[0])
	}
}

// with notes the texts that an element is compared with: one, or a union of them.
func (o *outline) with(element spot, t *tree) {
	t = unbracketed(t)
	switch {
	case !element.known || element.path == "" || t == nil:
	case t.kind == literalTree && t.lit.kind == stringKind:
		o.compared = append(o.compared, Comparison{Path: element.path, With: o.part(t, t.lit.text)})
	case t.kind == operatorTree && t.name == "|":
		o.with(element, t.args[0])
		o.with(element, t.args[1])
	}
}

// joined notes the operands of & that may be nothing. What stands in a condition does not matter.
func (o *outline) joined(t *tree) {
	if t.kind == callTree && (t.name == "where" || t.name == "exists" || t.name == "all") {
		return
	}
	for _, arg := range t.args {
		inner := unbracketed(arg)
		if t.kind == operatorTree && t.name == "&" && mayBeEmpty(inner) {
			o.blanks = append(o.blanks, o.part(inner, inner.text()))
		}
		o.joined(arg)
	}
}

func mayBeEmpty(t *tree) bool {
	t = unbracketed(t)
	switch t.kind {
	case literalTree, contextTree:
		return false
	case operatorTree:
		return t.name != "&"
	case pathTree:
		return mayBeEmpty(t.args[len(t.args)-1])
	case callTree:
		if t.name == "iif" && len(t.args) == 3 {
			return mayBeEmpty(t.args[1]) || mayBeEmpty(t.args[2])
		}
		return !tells(t.name)
	}
	return true
}

// tells is about functions that give an answer about their input, whatever it is.
func tells(name string) bool {
	return slices.Contains([]string{"exists", "empty", "count", "all"}, name)
}

func routes(t *tree, from [][]string) [][]string {
	switch t.kind {
	case memberTree:
		if len(from) == 1 && from[0] == nil && typeLike(t.name) {
			return from // ServiceRequest.status begins where status does
		}
		return along(from, t.name)
	case variableTree:
		return [][]string{{"%" + t.name}}
	case contextTree:
		return from
	case pathTree:
		for _, step := range t.args {
			from = routes(step, from)
		}
		return from
	case indexTree:
		return along(from, t.text())
	case callTree:
		return routesOfCall(t, from)
	case operatorTree:
		if t.name == "|" || t.name == "&" || t.name == "+" {
			return fork(t.args[0], t.args[1], from)
		}
	case typeTree:
		if t.lit.text == "as" {
			return along(routes(t.args[0], from), "ofType("+t.name+")")
		}
	}
	return nil
}

func routesOfCall(t *tree, from [][]string) [][]string {
	switch {
	case tells(t.name):
		return nil
	case t.name == "select" && len(t.args) == 1:
		return routes(t.args[0], from)
	case t.name == "extension" && len(t.args) == 1:
		return along(along(from, "extension"), "where(url = "+t.args[0].text()+")")
	case t.name == "iif" && len(t.args) == 3:
		return fork(t.args[1], t.args[2], from)
	case t.name == "iif":
		return routes(t.args[1], from)
	}
	return along(from, t.text())
}

func fork(one, other *tree, from [][]string) [][]string {
	out := slices.Concat(routes(one, from), routes(other, from))
	return out[:min(len(out), maxRoutes)]
}

func along(from [][]string, step string) [][]string {
	out := make([][]string, len(from))
	for i, way := range from {
		out[i] = append(slices.Clone(way), step)
	}
	return out
}

// text writes a tree in one spelling.
func (t *tree) text() string {
	var args []string
	for _, arg := range t.args {
		args = append(args, arg.text())
	}
	switch t.kind {
	case literalTree:
		if t.lit.kind == stringKind {
			return "'" + t.lit.text + "'"
		}
		return t.lit.Text()
	case emptyTree:
		return "{}"
	case callTree:
		return t.name + "(" + strings.Join(args, ", ") + ")"
	case variableTree:
		return "%" + t.name
	case contextTree:
		return "$" + t.name
	case indexTree:
		if args[0] == "0" {
			return "first()"
		}
		return "[" + args[0] + "]"
	case signTree:
		return t.name + args[0]
	case operatorTree:
		return args[0] + " " + t.name + " " + args[1]
	case typeTree:
		return fmt.Sprintf("%s %s %s", args[0], t.lit.text, t.name)
	case pathTree:
		if len(args) == 1 {
			return "(" + args[0] + ")"
		}
		return strings.Join(args, ".")
	}
	return t.name
}
