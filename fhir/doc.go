// Package fhir holds the vocabulary of HL7 FHIR that refbridge works with: resources kept whole as
// received, references, content digests, NHS numbers and the operations that go back to a source.
//
// Resources are not decoded into structs. A struct that does not know an element loses it (contained
// resources, extensions on primitives, whatever a server adds tomorrow), and a lost element of a referral
// is a clinical risk. Parse keeps the bytes and lays a flat tree over them; mapping reads the tree.
package fhir

import (
	"errors"
	"fmt"
	"iter"
	"math"
	"strconv"
	"strings"
	"unsafe"
)

// MaxDepth is how far below the root a value may stand that Parse accepts: a number in 64 lists, not in 65. FHIR resources stay far below it; hostile ones do not.
const MaxDepth = 64

// MaxMembers is how many members Parse accepts in one object. No resource has a quarter of them, and each look-up of a member that
// is there or not may have to pass all of them.
const MaxMembers = 1000

// ErrSyntax is wrapped by every error of Doc.Parse: the bytes are not one JSON value that can be trusted.
var ErrSyntax = errors.New("not valid JSON")

// Kind is the JSON kind of a Node.
type Kind uint8

// The kinds of a Node. Missing is the kind of the zero Node: asked for, not there.
const (
	Missing Kind = iota
	Null
	Bool
	Number
	String
	Array
	Object
)

// Doc is one JSON document as a flat tree in document order. It can be reused: Parse forgets what was there
// before and keeps the memory, so that a stream of documents costs no allocation once it is warm.
// A Doc belongs to one goroutine at a time while Parse runs; afterwards it is read-only.
type Doc struct {
	src     []byte
	nodes   []node
	scratch []byte // strings that held escapes, decoded
	widest  int    // members of the object that has the most, 0 where none has many
	// modifies is set where a member's name may be modifierExtension, implicitRules or _implicitRules.
	modifies bool
	begin    [64]int32 // of the root: the first member with each bit of its mask
}

type node struct {
	mask             uint64 // of an object: the bits of its members' tags
	word             uint64 // the first eight bytes of the member's name
	start, end       int32  // the value in src; for String without its quotes, for a decoded string in scratch
	keyStart, keyEnd int32  // the member's name, as start and end
	next             int32  // index of the next sibling, 0 where there is none
	parent           int32  // index of the enclosing array or object, -1 at the root
	first            int32  // index of the first item or member, 0 where there is none
	kind             Kind
	decoded          flags
}

// flags say which of a node's texts stand in scratch.
type flags uint8

const (
	valueDecoded flags = 1 << iota
	keyDecoded
)

// Node is one value of a Doc. The zero Node is Missing; every method of it is safe and gives the empty answer,
// so that a path through absent elements needs no checks. A Node is valid until its Doc parses again.
type Node struct {
	doc *Doc
	v   *node
}

// Parse reads one JSON value that must fill src (white space aside). It refuses duplicate member names,
// invalid UTF-8, lone surrogates, nesting deeper than MaxDepth, more than MaxMembers in an object and numbers or literals that JSON does not have. The
// error wraps ErrSyntax and names the byte offset, never the content. Doc keeps src; do not change it.
func (d *Doc) Parse(src []byte) error {
	d.src, d.nodes, d.scratch, d.widest, d.modifies = src, d.nodes[:0], d.scratch[:0], 0, false
	if len(src) > math.MaxInt32 {
		return fmt.Errorf("%w: %d bytes are more than a document can have", ErrSyntax, len(src))
	}
	p := parser{doc: d, src: src, nodes: d.nodes}
	_, root := p.add(-1, 0)
	at := p.space(p.value(p.space(0), root, 0))
	d.nodes = p.nodes
	if p.err == nil && at != len(src) {
		p.fail(at, "more than one value")
	}
	if p.err != nil {
		d.nodes = d.nodes[:0]
	}
	return p.err
}

// Root gives the document's value; it is Missing before the first successful Parse.
func (d *Doc) Root() Node {
	if len(d.nodes) == 0 {
		return Node{}
	}
	return d.at(0)
}

func (d *Doc) at(i int32) Node { return Node{d, &d.nodes[i]} }

// Root gives the value of the node's document.
func (n Node) Root() Node {
	if n.doc == nil {
		return Node{}
	}
	return n.doc.at(0)
}

// Widest gives how many members that object of the node's document has that has the most, 0 where none has many: look-ups in it
// take their time.
func (n Node) Widest() int {
	if n.doc == nil {
		return 0
	}
	return n.doc.widest
}

// MayModify reports whether the node's document may have a member modifierExtension, implicitRules or _implicitRules; it is
// quick, and says yes for a name that only begins like one of them.
func (n Node) MayModify() bool { return n.doc != nil && n.doc.modifies }

// Kind gives the node's JSON kind.
func (n Node) Kind() Kind {
	if n.v == nil {
		return Missing
	}
	return n.v.kind
}

// Exists tells whether the node is there at all (a JSON null is there).
func (n Node) Exists() bool { return n.doc != nil }

// Get gives the member of an object by name, Missing where there is none or where n is no object.
func (n Node) Get(name string) Node {
	return n.Member(NameOf(name))
}

// At gives item i of an array, Missing outside its bounds. A value that is no array is its own item 0: e-RS
// sends single objects where FHIR has a list (for example Appointment.participant.type).
func (n Node) At(i int) Node {
	if n.Kind() != Array {
		if i == 0 {
			return n
		}
		return Node{}
	}
	c := n.First()
	for ; i > 0 && c.doc != nil; i-- {
		c = c.Next()
	}
	if i < 0 {
		return Node{}
	}
	return c
}

// Len gives the number of items of an array or members of an object, else 0.
func (n Node) Len() int {
	size := 0
	for c := n.First(); c.doc != nil; c = c.Next() {
		size++
	}
	return size
}

// First gives the first item of an array or the first member of an object, Missing where there is none.
func (n Node) First() Node {
	if n.doc == nil || n.v.first == 0 {
		return Node{}
	}
	return n.doc.at(n.v.first)
}

// Next gives the next item or member beside n, Missing after the last.
func (n Node) Next() Node {
	if n.doc == nil || n.v.next == 0 {
		return Node{}
	}
	return n.doc.at(n.v.next)
}

// Items walks the items of an array; a single value is walked as a list of one, a Missing node as none.
func (n Node) Items() iter.Seq[Node] {
	return func(yield func(Node) bool) {
		if n.Kind() != Array {
			if n.Exists() {
				yield(n)
			}
			return
		}
		for c := n.First(); c.doc != nil; c = c.Next() {
			if !yield(c) {
				return
			}
		}
	}
}

// Members walks the members of an object in document order; each Node knows its Name.
func (n Node) Members() iter.Seq[Node] {
	return func(yield func(Node) bool) {
		for c := n.member(); c.doc != nil; c = c.Next() {
			if !yield(c) {
				return
			}
		}
	}
}

// Name gives the member name under which n stands in its object; it is empty for items and for the root.
func (n Node) Name() string {
	if n.doc == nil {
		return ""
	}
	return n.doc.key(n.v)
}

// Element gives the name of the element that n is, or is an item of; it is empty at the root.
func (n Node) Element() string {
	for n.Name() == "" && n.Parent().Exists() {
		n = n.Parent()
	}
	return n.Name()
}

// Beside tells whether n is, or is an item of, what FHIR puts beside a primitive: the extensions of name, under _name.
func (n Node) Beside() bool {
	if n.doc == nil {
		return false
	}
	v := n.v
	if v.keyEnd == 0 && v.parent >= 0 { // an item
		v = &n.doc.nodes[v.parent]
	}
	return byte(v.word) == '_' && v.keyEnd-v.keyStart > 1
}

// Parent gives the array or object that n stands in, Missing at the root.
func (n Node) Parent() Node {
	if n.doc == nil || n.v.parent < 0 {
		return Node{}
	}
	return n.doc.at(n.v.parent)
}

// Text gives a string's decoded value, or the literal of a number or boolean as the source wrote it (1.50 stays
// 1.50). It is empty for everything else. The string shares the document's memory: it is valid until the next Parse.
func (n Node) Text() string { return text(n.Bytes()) }

// Bytes is Text as bytes, not to be changed.
func (n Node) Bytes() []byte {
	if n.doc == nil {
		return nil
	}
	v := n.v
	switch {
	case v.kind < Bool || v.kind > String:
		return nil
	case v.decoded&valueDecoded != 0:
		return n.doc.scratch[v.start:v.end]
	}
	return n.doc.src[v.start:v.end]
}

// Raw gives the value's bytes as the source wrote them, quotes included; for a string with escapes too.
func (n Node) Raw() []byte {
	if n.doc == nil {
		return nil
	}
	v := n.v
	if v.kind != String {
		return n.doc.src[v.start:v.end]
	}
	if v.decoded&valueDecoded != 0 {
		return AppendJSONString(nil, text(n.doc.scratch[v.start:v.end]))
	}
	return n.doc.src[v.start-1 : v.end+1]
}

// AppendRaw appends the value's bytes as the source wrote them; a string with escapes may be escaped differently.
func (n Node) AppendRaw(dst []byte) []byte {
	if n.doc == nil {
		return dst
	}
	v := n.v
	switch {
	case v.decoded&valueDecoded != 0:
		return AppendJSONString(dst, text(n.doc.scratch[v.start:v.end]))
	case v.kind == String:
		return append(dst, n.doc.src[v.start-1:v.end+1]...)
	}
	return append(dst, n.doc.src[v.start:v.end]...)
}

// Path gives where the node stands from the root of its resource: ServiceRequest.identifier[0].value. Choice types stand as
// in JSON (valueCoding).
func (n Node) Path() string {
	if n.doc == nil {
		return ""
	}
	p := n.Parent()
	if !p.Exists() {
		if typ := n.Get("resourceType").Text(); typ != "" {
			return strings.Clone(typ)
		}
		return "$"
	}
	if p.Kind() != Array {
		return p.Path() + "." + n.Name()
	}
	i := 0
	for c := p.First(); !c.Same(n); c = c.Next() {
		i++
	}
	return p.Path() + "[" + strconv.Itoa(i) + "]"
}

// Same tells whether two nodes are the same place of the same document.
func (n Node) Same(o Node) bool { return n.v == o.v }

func (n Node) member() Node {
	if n.Kind() != Object {
		return Node{}
	}
	return n.First()
}

// AppendJSONString appends s as a JSON string.
func AppendJSONString(dst []byte, s string) []byte {
	const hex = "0123456789abcdef"
	dst = append(dst, '"')
	src, start := unsafe.Slice(unsafe.StringData(s), len(s)), 0
	for i := mark(src, 0); i < len(s); i = mark(src, i+1) {
		dst = append(dst, s[start:i]...)
		start = i + 1
		switch c := s[i]; c {
		case '"', '\\':
			dst = append(dst, '\\', c)
		case '\n':
			dst = append(dst, '\\', 'n')
		case '\r':
			dst = append(dst, '\\', 'r')
		case '\t':
			dst = append(dst, '\\', 't')
		default:
			dst = append(dst, '\\', 'u', '0', '0', hex[c>>4], hex[c&15])
		}
	}
	return append(append(dst, s[start:]...), '"')
}

func text(b []byte) string {
	return unsafe.String(unsafe.SliceData(b), len(b))
}
