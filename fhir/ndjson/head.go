package ndjson

import (
	"bytes"
	"encoding/binary"
	"math/bits"

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
	s.rest = bytes.TrimLeft(s.rest, blanks)
	at := 0
	switch {
	case len(s.rest) == 0:
		return
	case s.rest[0] == '"':
		at = fhir.StringEnd(s.rest, 1)
	case s.rest[0] == '{' || s.rest[0] == '[':
		at = bracketed(s.rest)
	}
	for at < len(s.rest) && s.rest[at] != ',' && s.rest[at] != ']' && s.rest[at] != '}' {
		at++
	}
	s.rest = s.rest[at:]
}

// Eight bytes at a time: a byte of a word that is looked for leaves its highest bit set, all others leave none.
const (
	ones  = 0x0101010101010101
	highs = 0x8080808080808080
)

// same marks the bytes of a word that are c.
func same(word uint64, c byte) uint64 {
	word ^= uint64(c) * ones
	return ^((word&^highs + ^uint64(highs)) | word) & highs
}

// bracketed returns how many bytes the object or list at the beginning of a text has, its last bracket included; all of them where
// that does not come. Strings are told from the rest by the quotes before them, without a branch for each: texts are short, and
// where they end is hard to predict.
func bracketed(text []byte) int {
	at, depth, inside := 0, 0, uint64(0) // inside is highs within a string, else 0
	for at+8 <= len(text) {
		word := binary.LittleEndian.Uint64(text[at:])
		quoted := same(word, '"')
		quoted ^= quoted << 8
		quoted ^= quoted << 16
		quoted ^= quoted<<32 ^ inside
		opened := same(word&^(0x20*ones), '[') &^ quoted // { differs in one bit
		closed := same(word&^(0x20*ones), ']') &^ quoted
		if same(word, '\\') != 0 || depth-bits.OnesCount64(closed) <= 0 {
			if at, depth, inside = slowly(text, at, depth, inside); depth == 0 {
				return at
			}
			continue
		}
		depth += bits.OnesCount64(opened) - bits.OnesCount64(closed)
		inside = uint64(int64(quoted)>>63) & highs
		at += 8
	}
	for at < len(text) {
		if at, depth, inside = slowly(text, at, depth, inside); depth == 0 {
			break
		}
	}
	return at
}

// slowly passes eight bytes one by one, and what the last of them escapes. It stops where depth comes to 0.
func slowly(text []byte, at, depth int, inside uint64) (int, int, uint64) {
	for end := min(at+8, len(text)); at < end; at++ {
		switch c := text[at]; {
		case c == '"':
			inside ^= highs
		case inside != 0 && c == '\\':
			at++
		case inside != 0:
		case c == '{' || c == '[':
			depth++
		case c == '}' || c == ']':
			if depth--; depth == 0 {
				return at + 1, 0, 0
			}
		}
	}
	return min(at, len(text)), depth, inside
}
