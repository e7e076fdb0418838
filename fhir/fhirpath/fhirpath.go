package fhirpath

import (
	"fmt"
	"strings"
)

// maxSource is the longest text that Compile takes, in bytes; mapping expressions stay far below it.
const maxSource = 16 << 10

// Expr is a compiled expression. It is immutable and safe for concurrent use; each goroutine needs its own Context.
type Expr struct {
	walk  *walk     // where the whole expression is one
	tail  *tail     // where it is a walk with a function behind it
	tests []test    // where it is a condition of tests
	name  *variable // where it is a variable and nothing else
	op    op
	src   string
	scope Scope
	gives Known
}

// Error is why Compile refuses a text. Line and Column count from 1, columns in characters. Hint names the nearest
// supported way; it may be empty. Element is set where the fault is an element that nothing there has.
type Error struct {
	Line, Column  int
	Message, Hint string
	Element       string
}

// Error gives "line 1, column 7: unknown function frist(): did you mean first()?".
func (e *Error) Error() string {
	s := fmt.Sprintf("line %d, column %d: %s", e.Line, e.Column, e.Message)
	if e.Hint != "" {
		s += ": " + e.Hint
	}
	return s
}

// Compile reads one FHIRPath expression. Variables are the names whose values Context.Variables will give, beside %resource,
// %rootResource, %context, %ucum, %sct, %loinc, %`vs-…` and %`ext-…`; a name may have dots, %a.b is found before element b of
// %a. The error is an *Error.
func Compile(src string, variables ...string) (*Expr, error) {
	return Scope{Variables: variables}.Compile(src)
}

// Scope is what is known, before there is data, about what an expression will be evaluated on: Compile refuses an element that a
// known type does not have. Values may grow after Compile, for other expressions.
type Scope struct {
	Focus     Known // of the focus
	Resource  Known // of %resource
	Variables []string
	Values    map[string]Known // of variables
}

// Known is what is known of items before there is data. The zero Known is nothing.
type Known struct{ shape shape }

// KnownAs gives the Known of an item of a type, such as Patient or System.String; nothing, where there is no such type.
func KnownAs(name string) Known {
	if system, ok := strings.CutPrefix(name, "System."); ok {
		return Known{systemShape(kindNamed(system))}
	}
	if t := typeNamed(name); t != 0 {
		return Known{shape{types: []typeID{t}}}
	}
	return Known{}
}

// Compile is the function Compile with what is known.
func (s Scope) Compile(src string) (*Expr, error) {
	c := compiler{src: src, variables: s.Variables, functions: allFunctions(), this: s.Focus.shape.chosen(), scope: s}
	tree := c.parse()
	if c.err != nil {
		return nil, c.err
	}
	op, out := c.expr(tree, c.this)
	if c.err != nil {
		return nil, c.err
	}
	return &Expr{src: src, op: op, walk: c.whole[tree], tests: c.tests(tree), tail: c.tails[tree], name: c.heads[tree], scope: s,
		gives: Known{out.ordered()}}, nil
}

// Known tells what is known of the items that the expression gives.
func (e *Expr) Known() Known { return e.gives }

// Type gives the only type that items can have: CodeableConcept, code, System.String. It is empty where that is not known, or one
// of several.
func (k Known) Type() string {
	switch s := k.shape; {
	case s.system != nodeKind && s.system != typeKind:
		return "System." + s.system.String()
	case len(s.types) == 1 && !abstract(s.types[0]):
		return s.types[0].name()
	}
	return ""
}

// Element gives the element of R4 that the items are, all of it: Patient.gender. It is empty where that is not known, or where a
// condition leaves some out.
func (k Known) Element() string { return k.shape.element }

// Many gives the first element on the way to the items that R4 lets stand several times, of which none has been chosen. It is empty
// where there is at most one item, as far as is known.
func (k Known) Many() string { return k.shape.many }

// String gives the text that was compiled.
func (e *Expr) String() string { return e.src }

// Variable gives the place, among those that Compile was told of, of the variable that the expression is, -1 where it is more.
func (e *Expr) Variable() int {
	if e.name == nil {
		return -1
	}
	return e.name.slot
}

// position turns a byte offset into line and column, both from 1.
func position(src string, at int) (line, column int) {
	before := src[:min(at, len(src))]
	line = strings.Count(before, "\n") + 1
	return line, len([]rune(before[strings.LastIndexByte(before, '\n')+1:])) + 1
}
