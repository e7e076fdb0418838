package fhir

import (
	"fmt"
	"unicode/utf16"
	"unicode/utf8"
)

// parser fills a Doc. After the first fault it stops moving: err is set and every step returns at once.
type parser struct {
	doc *Doc
	src []byte
	at  int
	err error
}

func (p *parser) fail(what string) {
	if p.err == nil {
		p.err = fmt.Errorf("%w: %s at byte %d", ErrSyntax, what, p.at)
	}
}

func (p *parser) space() {
	for p.at < len(p.src) {
		switch p.src[p.at] {
		case ' ', '\t', '\n', '\r':
			p.at++
		default:
			return
		}
	}
}

// peek gives the next byte, 0 at the end (a NUL byte is never valid here either).
func (p *parser) peek() byte {
	if p.at < len(p.src) {
		return p.src[p.at]
	}
	return 0
}

// value reads one value, appends its node under parent and returns the node's index.
func (p *parser) value(parent int32, depth int) int32 {
	me := int32(len(p.doc.nodes))
	p.doc.nodes = append(p.doc.nodes, node{parent: parent, start: int32(p.at)})
	if depth > MaxDepth {
		p.fail("nested too deeply")
		return me
	}
	kind := Missing
	switch c := p.peek(); {
	case c == '{':
		kind = Object
		p.object(me, depth)
	case c == '[':
		kind = Array
		p.array(me, depth)
	case c == '"':
		n := &p.doc.nodes[me]
		n.kind = String
		n.start, n.end, n.decoded = p.text()
		return me
	case c == 't':
		kind = Bool
		p.literal("true")
	case c == 'f':
		kind = Bool
		p.literal("false")
	case c == 'n':
		kind = Null
		p.literal("null")
	default:
		kind = Number
		p.number()
	}
	n := &p.doc.nodes[me]
	n.kind, n.end = kind, int32(p.at)
	return me
}

func (p *parser) object(me int32, depth int) {
	p.at++
	p.space()
	if p.peek() == '}' {
		p.at++
		return
	}
	last, size := int32(0), int32(0)
	var seen map[string]bool // once there are many members
	for p.err == nil {
		if p.peek() != '"' {
			p.fail("expected a member name")
			return
		}
		start, end, decoded := p.text()
		p.space()
		p.expect(':')
		p.space()
		child := p.value(me, depth+1)
		n := &p.doc.nodes[child]
		n.keyStart, n.keyEnd, n.keyDecoded = start, end, decoded
		p.link(last, child)
		if size == manyMembers {
			seen = p.names(me, child)
		}
		p.unique(me, child, seen)
		last, size = child, size+1
		if !p.more('}') {
			break
		}
	}
	p.doc.nodes[me].size = size
}

func (p *parser) array(me int32, depth int) {
	p.at++
	p.space()
	if p.peek() == ']' {
		p.at++
		return
	}
	last, size := int32(0), int32(0)
	for p.err == nil {
		child := p.value(me, depth+1)
		p.link(last, child)
		last, size = child, size+1
		if !p.more(']') {
			break
		}
	}
	p.doc.nodes[me].size = size
}

// more steps over what follows an item: a comma (there is another one) or the closing byte.
func (p *parser) more(closing byte) bool {
	p.space()
	if p.peek() == ',' {
		p.at++
		p.space()
		return p.err == nil
	}
	p.expect(closing)
	return false
}

func (p *parser) link(last, child int32) {
	if last != 0 {
		p.doc.nodes[last].next = child
	}
}

// manyMembers is where a set of names gets cheaper than comparing each with each; FHIR stays below it, and needs no memory.
const manyMembers = 64

// names gives the names of an object's members before child.
func (p *parser) names(object, child int32) map[string]bool {
	out := make(map[string]bool, 2*manyMembers)
	for c := (Node{doc: p.doc, at: object + 1}); c.doc != nil && c.at != child; c = c.Next() {
		out[c.Name()] = true
	}
	return out
}

// unique refuses a member name that the object already has: readers disagree on which of two values counts. seen are
// the names before, nil where they are few enough to compare.
func (p *parser) unique(object, child int32, seen map[string]bool) {
	if p.err != nil {
		return
	}
	name := Node{doc: p.doc, at: child}.Name()
	double := seen[name]
	if seen != nil {
		seen[name] = true
	}
	for c := (Node{doc: p.doc, at: object + 1}); seen == nil && c.doc != nil && c.at != child; c = c.Next() {
		double = double || c.Name() == name
	}
	if double {
		p.fail("a member name twice in one object")
	}
}

func (p *parser) expect(c byte) {
	if p.err != nil {
		return
	}
	if p.peek() != c || p.at >= len(p.src) {
		p.fail(fmt.Sprintf("expected %q", c))
		return
	}
	p.at++
}

func (p *parser) literal(word string) {
	if len(p.src)-p.at < len(word) || string(p.src[p.at:p.at+len(word)]) != word {
		p.fail("unknown literal")
		return
	}
	p.at += len(word)
}

func (p *parser) digits() bool {
	from := p.at
	for p.at < len(p.src) && p.src[p.at] >= '0' && p.src[p.at] <= '9' {
		p.at++
	}
	return p.at > from
}

func (p *parser) number() {
	if p.peek() == '-' {
		p.at++
	}
	zero := p.peek() == '0'
	from := p.at
	if !p.digits() || zero && p.at > from+1 {
		p.fail("expected a value")
		return
	}
	if p.peek() == '.' {
		p.at++
		if !p.digits() {
			p.fail("expected digits after the decimal point")
			return
		}
	}
	if c := p.peek(); c == 'e' || c == 'E' {
		p.at++
		if c := p.peek(); c == '+' || c == '-' {
			p.at++
		}
		if !p.digits() {
			p.fail("expected digits in the exponent")
		}
	}
}

// text reads a string and gives where its decoded value stands: in src when it holds no escape, else in scratch.
func (p *parser) text() (start, end int32, decoded bool) {
	p.at++
	from, ascii := p.at, true
	for p.at < len(p.src) {
		switch c := p.src[p.at]; {
		case c == '"':
			p.utf8(p.src[from:p.at], ascii)
			p.at++
			return int32(from), int32(p.at - 1), false
		case c == '\\':
			return p.escaped(from)
		case c < 0x20:
			p.fail("a control character in a string")
			return 0, 0, false
		case c >= utf8.RuneSelf:
			ascii = false
		}
		p.at++
	}
	p.fail("a string without an end")
	return 0, 0, false
}

func (p *parser) utf8(b []byte, ascii bool) {
	if !ascii && !utf8.Valid(b) {
		p.fail("a string that is not UTF-8")
	}
}

// escaped continues text at the first backslash, decoding into scratch.
func (p *parser) escaped(from int) (start, end int32, decoded bool) {
	begin := len(p.doc.scratch)
	p.doc.scratch = append(p.doc.scratch, p.src[from:p.at]...)
	for p.err == nil && p.at < len(p.src) {
		switch c := p.src[p.at]; {
		case c == '"':
			p.utf8(p.doc.scratch[begin:], false)
			p.at++
			return int32(begin), int32(len(p.doc.scratch)), true
		case c == '\\':
			p.escape()
		case c < 0x20:
			p.fail("a control character in a string")
		default:
			p.doc.scratch = append(p.doc.scratch, c)
			p.at++
		}
	}
	p.fail("a string without an end")
	return 0, 0, true
}

func (p *parser) escape() {
	p.at++
	c := p.peek()
	p.at++
	switch c {
	case '"', '\\', '/':
	case 'b':
		c = '\b'
	case 'f':
		c = '\f'
	case 'n':
		c = '\n'
	case 'r':
		c = '\r'
	case 't':
		c = '\t'
	case 'u':
		p.doc.scratch = utf8.AppendRune(p.doc.scratch, p.unicode())
		return
	default:
		p.fail("an unknown escape")
		return
	}
	p.doc.scratch = append(p.doc.scratch, c)
}

func (p *parser) unicode() rune {
	r := p.hex4()
	if !utf16.IsSurrogate(r) {
		return r
	}
	if p.at+1 < len(p.src) && p.src[p.at] == '\\' && p.src[p.at+1] == 'u' {
		p.at += 2
		if pair := utf16.DecodeRune(r, p.hex4()); pair != utf8.RuneError {
			return pair
		}
	}
	p.fail("a lone surrogate")
	return utf8.RuneError
}

func (p *parser) hex4() rune {
	if len(p.src)-p.at < 4 {
		p.fail("a short \\u escape")
		return 0
	}
	var r rune
	for _, c := range p.src[p.at : p.at+4] {
		switch {
		case c >= '0' && c <= '9':
			r = r<<4 | rune(c-'0')
		case c >= 'a' && c <= 'f':
			r = r<<4 | rune(c-'a'+10)
		case c >= 'A' && c <= 'F':
			r = r<<4 | rune(c-'A'+10)
		default:
			p.fail("a bad \\u escape")
			return 0
		}
	}
	p.at += 4
	return r
}
