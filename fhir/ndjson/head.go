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

// typeOf reads the resourceType of a record that is no Bundle, as head does. ok is false where the record has to be parsed first.
// A serializer that sorts by name puts the type behind most of the record: it is looked for from the end, then.
func typeOf(text []byte) (typ string, ok bool) {
	s := scan{rest: text}
	for sign := byte('{'); s.take(sign); sign = ',' {
		name, plain := s.text()
		if !plain || !s.take(':') {
			return "", false
		}
		if string(name) == "resourceType" {
			return s.resourceType()
		}
		if s.rest = bytes.TrimLeft(s.rest, blanks); len(s.rest) > 0 && (s.rest[0] == '{' || s.rest[0] == '[') {
			return typeBehind(s.rest)
		}
		s.skip()
	}
	return "", false
}

// typeBehind is typeOf where the type may stand behind the members that text begins with. The last resourceType of the text is that
// of the record if the record ends where the object ends that it stands in.
func typeBehind(text []byte) (typ string, ok bool) {
	const name = `"resourceType"`
	at, rest := -1, text
	for at < 0 {
		t := bytes.LastIndexByte(rest, 'T') // there are few of them
		if t < 10 {
			return "", false
		}
		if rest = rest[:t]; bytes.HasSuffix(rest, []byte(name[:9])) && bytes.HasPrefix(text[t:], []byte(name[9:])) {
			at = t - 9
		}
	}
	if text[at-1] == '\\' { // a sign of a text, not its beginning
		return "", false
	}
	s := scan{rest: text[at+len(name):]}
	if end := bracketed(s.rest, 1); !s.take(':') || len(bytes.TrimLeft(text[at+len(name)+end:], blanks)) > 0 {
		return "", false
	}
	return s.resourceType()
}

// resourceType passes the value of a resourceType.
func (s *scan) resourceType() (typ string, ok bool) {
	value, plain := s.text()
	return string(value), plain && len(value) > 0 && string(value) != "Bundle"
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
		at = bracketed(s.rest, 0)
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

// bracketed returns how many bytes of a text there are up to the bracket that closes what is open, that bracket included; all of them
// where it does not come. With a depth of 0 the text begins with what is closed; else so many objects and lists are open. Strings are told from the rest by the quotes before them, without a branch for each: texts are short, and
// where they end is hard to predict.
func bracketed(text []byte, depth int) int {
	at, inside := 0, uint64(0) // inside is highs within a string, else 0
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
