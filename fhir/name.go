package fhir

import (
	"encoding/binary"
)

// Most member names are told apart by their first eight bytes and their length, so that a walk over members compares numbers
// and looks at the text only of a name that is longer. In the word of a shorter name zeros stand behind it.

// tag is a short hash of a member's name.
type tag uint16

// bit gives the tag's place in the mask of an object: a member is there only where its bit is set.
func (t tag) bit() uint64 { return 1 << (t.place() & 63) }
func (t tag) place() int  { return int(t >> 10) }

// tagOf makes a tag of the word of a name and its length.
func tagOf(word uint64, length int) tag {
	return tag((word ^ uint64(length)<<56) * 0x9E3779B97F4A7C15 >> 48)
}

// Name is a member name that is looked up often. The zero Name is that of no member.
type Name struct {
	text string
	word uint64
	tag  tag
}

// The words of the names that Doc.modifies tells of: modifier, implicit and _implici, from the last letter to the first.
const (
	wordModifier       = 'r'<<56 | 'e'<<48 | 'i'<<40 | 'f'<<32 | 'i'<<24 | 'd'<<16 | 'o'<<8 | 'm'
	wordImplicit       = 't'<<56 | 'i'<<48 | 'c'<<40 | 'i'<<32 | 'l'<<24 | 'p'<<16 | 'm'<<8 | 'i'
	wordBesideImplicit = 'i'<<56 | 'c'<<48 | 'i'<<40 | 'l'<<32 | 'p'<<24 | 'm'<<16 | 'i'<<8 | '_'
)

// NameOf prepares a name for Node.Member.
func NameOf(name string) Name {
	w := wordOf(name)
	return Name{name, w, tagOf(w, len(name))}
}

// String gives the name.
func (n Name) String() string { return n.text }

func wordOf(name string) uint64 {
	var w uint64
	for i := range min(len(name), 8) {
		w |= uint64(name[i]) << (8 * i)
	}
	return w
}

// word gives the word of a key that was just read.
func (p *parser) word(key span) uint64 {
	if key.decoded != 0 {
		return wordOf(text(p.doc.scratch[key.start:key.end]))
	}
	if int(key.start)+8 > len(p.src) {
		return wordOf(text(p.src[key.start:key.end]))
	}
	w := binary.LittleEndian.Uint64(p.src[key.start:])
	if n := key.end - key.start; n < 8 {
		w &= 1<<(8*n&63) - 1
	}
	return w
}

// Member is Get for a name that was prepared.
func (n Node) Member(name Name) Node {
	if n.doc == nil || n.v.mask&name.tag.bit() == 0 { // only an object with members has a mask
		return Node{}
	}
	i := n.v.first
	if n.v.parent < 0 { // the root has many members, which stand far apart
		i = n.doc.begin[name.tag.place()&63]
	}
	for nodes := n.doc.nodes; i != 0; {
		c := &nodes[i]
		if c.word == name.word && n.doc.named(c, name.text) {
			return Node{n.doc, c}
		}
		i = c.next
	}
	return Node{}
}

// named tells whether a node whose word is that of a name has the name.
func (d *Doc) named(c *node, name string) bool {
	return int(c.keyEnd-c.keyStart) == len(name) && (len(name) <= 8 || d.key(c) == name)
}

// key gives the member name of a node.
func (d *Doc) key(c *node) string {
	if c.decoded&keyDecoded != 0 {
		return text(d.scratch[c.keyStart:c.keyEnd])
	}
	return text(d.src[c.keyStart:c.keyEnd])
}

// Names is a set of member names, for finding any of them in one walk.
type Names struct {
	mask  uint64
	slots []uint16 // by tag: 1 + the place in names; 0 is empty, the next slot may have it where names collide
	names []Name
}

// NamesOf makes a set of names.
func NamesOf(names ...string) *Names {
	size := 16
	for size < 4*len(names) {
		size *= 2
	}
	s := &Names{slots: make([]uint16, size), names: make([]Name, 0, len(names))}
	for i, name := range names {
		n := NameOf(name)
		s.names = append(s.names, n)
		s.mask |= n.tag.bit()
		at := int(n.tag) & (size - 1)
		for s.slots[at] != 0 {
			at = (at + 1) & (size - 1)
		}
		s.slots[at] = uint16(i + 1)
	}
	return s
}

func (s *Names) has(d *Doc, c *node) bool {
	t := tagOf(c.word, int(c.keyEnd-c.keyStart))
	for at := int(t) & (len(s.slots) - 1); s.slots[at] != 0; at = (at + 1) & (len(s.slots) - 1) {
		if n := &s.names[s.slots[at]-1]; n.word == c.word && d.named(c, n.text) {
			return true
		}
	}
	return false
}

// Any gives the first member whose name is in the set, Missing where there is none.
func (n Node) Any(s *Names) Node {
	if n.doc == nil || n.v.mask&s.mask == 0 {
		return Node{}
	}
	return n.doc.among(n.v.first, s)
}

// Other gives the next member beside n whose name is in the set, Missing after the last.
func (n Node) Other(s *Names) Node {
	if n.doc == nil {
		return Node{}
	}
	return n.doc.among(n.v.next, s)
}

func (d *Doc) among(i int32, s *Names) Node {
	for ; i != 0; i = d.nodes[i].next {
		if s.has(d, &d.nodes[i]) {
			return d.at(i)
		}
	}
	return Node{}
}
