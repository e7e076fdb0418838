package ndjson

import (
	"bytes"

	"refbridge/fhir"
)

// head reads resourceType and id of a record that is no Bundle, as far as they go: most records begin with them. It is quick and
// does not check the JSON; whoever needs the record parses it. ok is false where that has to be done first.
func head(text []byte) (typ, id string, ok bool) {
	s := scan{rest: text}
	if !s.take('{') {
		return "", "", false
	}
	for typ == "" || id == "" {
		name, plain := s.text()
		if !plain || !s.take(':') {
			return "", "", false
		}
		switch string(name) {
		case "resourceType", "id":
			value, plain := s.text()
			if !plain || len(value) == 0 {
				return "", "", false
			}
			if string(name) == "id" {
				id = string(value)
			} else {
				typ = string(value)
			}
		default:
			s.skip()
		}
		if !s.take(',') && (typ == "" || id == "") {
			return "", "", false
		}
	}
	return typ, id, typ != "Bundle"
}

// scan is a place in a JSON text.
type scan struct{ rest []byte }

// take passes a sign, and white space before it.
func (s *scan) take(sign byte) bool {
	if len(s.rest) > 0 && s.rest[0] <= ' ' {
		s.rest = bytes.TrimLeft(s.rest, blanks)
	}
	if len(s.rest) == 0 || s.rest[0] != sign {
		return false
	}
	s.rest = s.rest[1:]
	return true
}

// text passes a string; plain is false where there is none, or one with escapes.
func (s *scan) text() (value []byte, plain bool) {
	if !s.take('"') {
		return nil, false
	}
	end := bytes.IndexByte(s.rest, '"')
	if end < 0 || bytes.IndexByte(s.rest[:end], '\\') >= 0 {
		return nil, false
	}
	value, s.rest = s.rest[:end], s.rest[end+1:]
	return value, true
}

// skip passes a value, up to the comma or bracket behind it.
func (s *scan) skip() {
	depth := 0
	for i := 0; i < len(s.rest); i++ {
		switch s.rest[i] {
		case '"':
			i = fhir.StringEnd(s.rest, i+1) - 1
		case '{', '[':
			depth++
		case '}', ']', ',':
			if s.rest[i] == ',' && depth > 0 {
				continue
			}
			if depth == 0 {
				s.rest = s.rest[i:]
				return
			}
			depth--
		}
	}
	s.rest = nil
}
