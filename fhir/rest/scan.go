package rest

import (
	"encoding/json"
	"fmt"

	"refbridge/fhir"
)

// scanner finds where JSON values end and judges nothing else: it knows strings, escapes and brackets. So a page can be cut into
// its entries though one of them is not valid JSON.
type scanner struct {
	src   []byte
	parts int // commas and opening brackets outside strings: never fewer than the values that a parser would make
}

// value returns the place of the comma or closing bracket behind the value that begins at at, -1 where src ends first or a
// bracket is closed by one of another kind.
func (s *scanner) value(at int) int {
	var open []byte // the brackets that are to come
	for at < len(s.src) {
		c := s.src[at]
		switch c {
		case '"':
			if at = s.text(at); at < 0 {
				return -1
			}
			continue
		case '{', '[':
			open = append(open, c+2) // in ASCII each closes two behind where it opens
			s.parts++
		case '}', ']':
			if len(open) == 0 {
				return at
			}
			if open[len(open)-1] != c {
				return -1
			}
			open = open[:len(open)-1]
		case ',':
			if len(open) == 0 {
				return at
			}
			s.parts++
		}
		at++
	}
	return -1
}

// text returns the place behind the string that begins at at, -1 where it does not end.
func (s *scanner) text(at int) int {
	for at++; at < len(s.src); at++ {
		switch s.src[at] {
		case '\\':
			at++
		case '"':
			return at + 1
		}
	}
	return -1
}

func (s *scanner) space(at int) int {
	for at < len(s.src) && (s.src[at] == ' ' || s.src[at] == '\t' || s.src[at] == '\n' || s.src[at] == '\r') {
		at++
	}
	return at
}

func (s *scanner) byteAt(at int) byte {
	if at < 0 || at >= len(s.src) {
		return 0
	}
	return s.src[at]
}

// member is one member of an object: its name as decoded, and where its value stands.
type member struct {
	name       string
	start, end int
}

// member reads the member that begins at at. It reports false where none does.
func (s *scanner) member(at int) (member, bool) {
	if s.byteAt(at) != '"' {
		return member{}, false
	}
	end := s.text(at)
	if end < 0 {
		return member{}, false
	}
	m := member{name: unquote(s.src[at:end])}
	if at = s.space(end); s.byteAt(at) != ':' {
		return member{}, false
	}
	m.start = s.space(at + 1)
	m.end = s.value(m.start)
	return m, m.end >= 0 && s.src[m.end] != ']'
}

// members calls use with each member of the object at at. It returns the place behind the object, -1 where its structure is broken.
func (s *scanner) members(at int, use func(member)) int {
	if s.byteAt(at) != '{' {
		return -1
	}
	if at = s.space(at + 1); s.byteAt(at) == '}' {
		return at + 1
	}
	for {
		m, ok := s.member(at)
		if !ok {
			return -1
		}
		use(m)
		if s.src[m.end] == '}' {
			return m.end + 1
		}
		at = s.space(m.end + 1)
	}
}

// list is an array: the items that were kept, how many there are in all, and the place behind it.
type list struct {
	items    [][]byte
	all, end int
}

// items reads the array at at and keeps at most limit of its items. The array must be known to close: a value that value has
// passed.
func (s *scanner) items(at, limit int) list {
	var out list
	if at = s.space(at + 1); s.byteAt(at) == ']' {
		out.end = at + 1
		return out
	}
	for {
		end := s.value(at)
		if end < 0 {
			return out // not reached: the array closes
		}
		if out.all++; out.all <= limit {
			out.items = append(out.items, trim(s.src[at:end]))
		}
		if s.src[end] != ',' {
			out.end = end + 1
			return out
		}
		at = s.space(end + 1)
	}
}

func trim(raw []byte) []byte {
	for len(raw) > 0 && raw[len(raw)-1] <= ' ' {
		raw = raw[:len(raw)-1]
	}
	return raw[:len(raw):len(raw)]
}

// unquote returns the text of a JSON string; what cannot be decoded stays as it is, and is the name of nothing that we know.
func unquote(quoted []byte) string {
	var out string
	if json.Unmarshal(quoted, &out) != nil {
		return string(quoted)
	}
	return out
}

// cutPage is a page taken apart: the Bundle without its entries, and each entry as it came.
type cutPage struct {
	envelope []byte // the Bundle with an empty entry list
	entries  [][]byte
	all      int // entries, also those beyond the limit
	parts    int
}

// cutApart takes a page apart. It fails, as a strict reader would, where the page does not close or its brackets do not match.
func cutApart(body []byte, limit int) (cutPage, error) {
	s := scanner{src: body}
	var out cutPage
	from := 0
	end := s.members(s.space(0), func(m member) {
		if m.name != "entry" || body[m.start] != '[' {
			return
		}
		parts := s.parts
		found := s.items(m.start, limit)
		s.parts = parts // passed for the second time
		out.entries, out.all = append(out.entries, found.items...), out.all+found.all
		out.envelope = append(append(out.envelope, body[from:m.start]...), "[]"...)
		from = found.end
	})
	if end < 0 {
		return cutPage{}, fmt.Errorf("%w: the page does not close, or its brackets do not match", fhir.ErrSyntax)
	}
	out.parts = s.parts
	out.envelope = append(out.envelope, body[from:]...)
	return out, nil
}
