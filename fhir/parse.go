package fhir

import (
	"encoding/binary"
	"fmt"
	"math/bits"
	"unicode/utf16"
	"unicode/utf8"
)

// parser fills a Doc. Every step takes the place where it begins and gives the place behind what it read, so that the place
// stays in a register. After the first fault err is set and the place is the end of src, where every step stops.
type parser struct {
	doc   *Doc
	src   []byte
	nodes []node // of doc
	err   error
}

// fail gives the end of src.
func (p *parser) fail(at int, what string) int {
	if p.err == nil {
		p.err = fmt.Errorf("%w: %s at byte %d", ErrSyntax, what, at)
	}
	return len(p.src)
}

// space steps over white space.
func (p *parser) space(at int) int {
	for at < len(p.src) {
		switch p.src[at] {
		case ' ', '\t', '\n', '\r':
			at++
		default:
			return at
		}
	}
	return at
}

// peek gives a byte, 0 at the end (a NUL byte is never valid here either).
func (p *parser) peek(at int) byte {
	if at < len(p.src) {
		return p.src[at]
	}
	return 0
}

// add appends a node under parent, behind its sibling last, 0 where it is the first.
func (p *parser) add(parent, last int32) (*node, int32) {
	me := int32(len(p.nodes))
	p.nodes = append(p.nodes, node{})
	if last != 0 {
		p.nodes[last].next = me
	}
	n := &p.nodes[me]
	n.parent = parent
	return n, me
}

// value reads one value into node me.
func (p *parser) value(at int, me int32, depth int) int {
	if depth > MaxDepth {
		return p.fail(at, "nested too deeply")
	}
	c := p.peek(at)
	if c == '"' {
		t := p.text(at)
		n := &p.nodes[me]
		n.start, n.end, n.kind = t.start, t.end, String
		n.decoded |= t.decoded
		return t.next
	}
	start, kind := int32(at), Missing
	switch c {
	case '{':
		kind, at = Object, p.object(at, me, depth)
	case '[':
		kind, at = Array, p.array(at, me, depth)
	case 't':
		kind, at = Bool, p.literal(at, "true")
	case 'f':
		kind, at = Bool, p.literal(at, "false")
	case 'n':
		kind, at = Null, p.literal(at, "null")
	default:
		kind, at = Number, p.number(at)
	}
	n := &p.nodes[me]
	n.start, n.end, n.kind = start, int32(at), kind
	return at
}

func (p *parser) object(at int, me int32, depth int) int {
	if at = p.space(at + 1); p.peek(at) == '}' {
		return at + 1
	}
	last, size, mask := int32(0), 0, uint64(0)
	var seen map[string]bool // once there are many members
	for {
		if p.peek(at) != '"' {
			return p.fail(at, "expected a member name")
		}
		key := p.text(at)
		if at = p.skip(key.next); p.peek(at) != ':' {
			return p.closing(at, ':')
		}
		n, child := p.add(me, last)
		n.keyStart, n.keyEnd, n.word = key.start, key.end, p.word(key)
		n.decoded = key.decoded << 1 // to keyDecoded
		if n.word == wordModifier || n.word == wordImplicit || n.word == wordBesideImplicit {
			p.doc.modifies = true
		}
		if size >= manyMembers {
			if size == MaxMembers {
				return p.fail(at, fmt.Sprintf("more than %d members in one object", MaxMembers))
			}
			p.doc.widest = max(p.doc.widest, size+1)
			if seen == nil {
				seen = p.names(me, child)
			}
		}
		tag := tagOf(n.word, int(key.end-key.start))
		bit := tag.bit()
		if (mask&bit != 0 || seen != nil) && p.double(me, child, seen) {
			return p.fail(at, "a member name twice in one object")
		}
		if me == 0 && mask&bit == 0 {
			p.doc.begin[tag.place()] = child
		}
		mask |= bit
		last, size = child, size+1
		at = p.skip(p.value(p.skip(at+1), child, depth+1))
		if p.peek(at) != ',' {
			break
		}
		at = p.skip(at + 1)
	}
	p.nodes[me].first, p.nodes[me].mask = me+1, mask
	return p.closing(at, '}')
}

func (p *parser) array(at int, me int32, depth int) int {
	if at = p.space(at + 1); p.peek(at) == ']' {
		return at + 1
	}
	for last := int32(0); ; {
		_, last = p.add(me, last)
		at = p.skip(p.value(at, last, depth+1))
		if p.peek(at) != ',' {
			break
		}
		at = p.skip(at + 1)
	}
	p.nodes[me].first = me + 1
	return p.closing(at, ']')
}

// skip is space where there is mostly none.
func (p *parser) skip(at int) int {
	if at < len(p.src) && p.src[at] > ' ' {
		return at
	}
	return p.space(at)
}

// closing steps over a byte that must be there.
func (p *parser) closing(at int, c byte) int {
	if p.peek(at) != c {
		return p.fail(at, fmt.Sprintf("expected %q", c))
	}
	return at + 1
}

// manyMembers is where a set of names gets cheaper than comparing each with each; FHIR stays below it, and needs no memory.
const manyMembers = 64

// names gives the names of an object's members before child.
func (p *parser) names(object, child int32) map[string]bool {
	out := make(map[string]bool, 2*manyMembers)
	for c := object + 1; c != child; c = p.nodes[c].next {
		out[p.doc.key(&p.nodes[c])] = true
	}
	return out
}

// double tells whether an object has a member of child's name already: readers disagree on which of two values counts. seen
// are the names before, nil where they are few enough to compare.
func (p *parser) double(object, child int32, seen map[string]bool) bool {
	name := p.doc.key(&p.nodes[child])
	if seen != nil {
		double := seen[name]
		seen[name] = true
		return double
	}
	word := p.nodes[child].word
	for c := object + 1; c != child; c = p.nodes[c].next {
		if p.nodes[c].word == word && p.doc.key(&p.nodes[c]) == name {
			return true
		}
	}
	return false
}

func (p *parser) literal(at int, word string) int {
	if len(p.src)-at < len(word) || string(p.src[at:at+len(word)]) != word {
		return p.fail(at, "unknown literal")
	}
	return at + len(word)
}

func (p *parser) digits(at int) int {
	for at < len(p.src) && p.src[at] >= '0' && p.src[at] <= '9' {
		at++
	}
	return at
}

func (p *parser) number(at int) int {
	if p.peek(at) == '-' {
		at++
	}
	from := at
	at = p.digits(at)
	if at == from || p.src[from] == '0' && at > from+1 {
		return p.fail(at, "expected a value")
	}
	if p.peek(at) == '.' {
		from, at = at+1, p.digits(at+1)
		if at == from {
			return p.fail(at, "expected digits after the decimal point")
		}
	}
	if c := p.peek(at); c == 'e' || c == 'E' {
		at++
		if c := p.peek(at); c == '+' || c == '-' {
			at++
		}
		from, at = at, p.digits(at)
		if at == from {
			return p.fail(at, "expected digits in the exponent")
		}
	}
	return at
}

// span is where the decoded value of a string stands: in src when it holds no escape, else in scratch.
type span struct {
	start, end int32
	decoded    flags // valueDecoded, or nothing
	next       int   // behind the string
}

// text reads a string from its opening quote.
func (p *parser) text(at int) span {
	from := at + 1
	at = from
	for rest := p.src[from:]; len(rest) >= 8; rest, at = rest[8:], at+8 {
		m := unusual(binary.LittleEndian.Uint64(rest))
		if m == 0 {
			continue
		}
		if at += bits.TrailingZeros64(m) >> 3; p.src[at] == '"' {
			return span{start: int32(from), end: int32(at), next: at + 1}
		}
		break
	}
	return p.special(from, at)
}

// Eight bytes at a time: a byte of a word is found by the borrow that it leaves in its highest bit. The lowest bit that is
// set is exact, those above it need not be (H. S. Warren, Hacker's Delight, 6-1).
const (
	ones  = 0x0101010101010101
	highs = 0x8080808080808080
)

// zeros marks the bytes of a word that are 0.
func zeros(w uint64) uint64 { return (w - ones) &^ w & highs }

// marks marks quotes, backslashes and control characters.
func marks(w uint64) uint64 {
	return zeros(w^'"'*ones) | zeros(w^'\\'*ones) | (w-' '*ones)&^w&highs
}

// unusual is marks with characters beyond ASCII: in a word without them fewer steps tell the same.
func unusual(w uint64) uint64 {
	return (((w ^ '"'*ones) - ones) | ((w ^ '\\'*ones) - ones) | (w - ' '*ones) | w) & highs
}

// mark gives the first quote, backslash or control character from at.
func mark(src []byte, at int) int {
	for rest := src[at:]; len(rest) >= 8; rest, at = rest[8:], at+8 {
		if m := marks(binary.LittleEndian.Uint64(rest)); m != 0 {
			return at + bits.TrailingZeros64(m)>>3
		}
	}
	for at < len(src) && src[at] >= ' ' && src[at] != '"' && src[at] != '\\' {
		at++
	}
	return at
}

// StringEnd returns the place behind a string of JSON that is not looked into; at is behind its opening quote. Of one that is not
// closed that is the end of src.
func StringEnd(src []byte, at int) int {
	for at = mark(src, min(at, len(src))); at < len(src) && src[at] != '"'; at = mark(src, min(at, len(src))) {
		if at++; src[at-1] == '\\' {
			at++ // what it escapes
		}
	}
	return min(at+1, len(src))
}

// special continues text at the first character that is not ordinary.
func (p *parser) special(from, at int) span {
	at = mark(p.src, at)
	switch p.peek(at) {
	case '"':
		if !utf8.Valid(p.src[from:at]) {
			p.fail(at, "a string that is not UTF-8")
		}
		return span{start: int32(from), end: int32(at), next: at + 1}
	case '\\':
		return p.escaped(from, at)
	}
	return span{next: p.broken(at)}
}

// broken is what a string ends with that is not closed.
func (p *parser) broken(at int) int {
	if at < len(p.src) {
		return p.fail(at, "a control character in a string")
	}
	return p.fail(at, "a string without an end")
}

// escaped continues text at the first backslash, decoding into scratch.
func (p *parser) escaped(from, at int) span {
	d := p.doc
	begin := len(d.scratch)
	d.scratch = append(d.scratch, p.src[from:at]...)
	for {
		switch p.peek(at) {
		case '"':
			if !utf8.Valid(d.scratch[begin:]) {
				p.fail(at, "a string that is not UTF-8")
			}
			return span{start: int32(begin), end: int32(len(d.scratch)), decoded: valueDecoded, next: at + 1}
		case '\\':
			at = p.escape(at + 1)
		default:
			return span{next: p.broken(at)}
		}
		to := mark(p.src, at)
		d.scratch = append(d.scratch, p.src[at:to]...)
		at = to
	}
}

// escape reads what follows a backslash.
func (p *parser) escape(at int) int {
	c := p.peek(at)
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
		r, next := p.unicode(at + 1)
		p.doc.scratch = utf8.AppendRune(p.doc.scratch, r)
		return next
	default:
		return p.fail(at, "an unknown escape")
	}
	p.doc.scratch = append(p.doc.scratch, c)
	return at + 1
}

func (p *parser) unicode(at int) (rune, int) {
	r, at := p.hex4(at)
	if !utf16.IsSurrogate(r) {
		return r, at
	}
	if at+1 < len(p.src) && p.src[at] == '\\' && p.src[at+1] == 'u' {
		low, next := p.hex4(at + 2)
		if pair := utf16.DecodeRune(r, low); pair != utf8.RuneError {
			return pair, next
		}
	}
	return utf8.RuneError, p.fail(at, "a lone surrogate")
}

func (p *parser) hex4(at int) (rune, int) {
	if len(p.src)-at < 4 {
		return 0, p.fail(at, "a short \\u escape")
	}
	var r rune
	for _, c := range p.src[at : at+4] {
		switch {
		case c >= '0' && c <= '9':
			r = r<<4 | rune(c-'0')
		case c >= 'a' && c <= 'f':
			r = r<<4 | rune(c-'a'+10)
		case c >= 'A' && c <= 'F':
			r = r<<4 | rune(c-'A'+10)
		default:
			return 0, p.fail(at, "a bad \\u escape")
		}
	}
	return r, at + 4
}
