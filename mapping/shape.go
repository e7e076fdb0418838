package mapping

import (
	"strings"
)

// The shapes of names and codes, by hand: a pattern that counts up to 80 letters is a program of as many steps, which takes longer to
// make than all tables take to be read.

func isLower(c byte) bool        { return c >= 'a' && c <= 'z' }
func isDigit(c byte) bool        { return c >= '0' && c <= '9' }
func isAlphanumeric(c byte) bool { return isLetter(c) || isDigit(c) }
func isNamePart(c byte) bool     { return isAlphanumeric(c) || c == '_' }
func isKeyPart(c byte) bool      { return isNamePart(c) || c == '-' }

// shaped reports whether a text is of at most max bytes: one that first holds, and at least min others that rest holds.
func shaped(s string, first, rest func(byte) bool, min, max int) bool {
	if len(s) < 1+min || len(s) > max || !first(s[0]) {
		return false
	}
	return only(s[1:], rest)
}

// only reports whether all bytes of a text are of a kind.
func only(s string, kind func(byte) bool) bool {
	for i := range len(s) {
		if !kind(s[i]) {
			return false
		}
	}
	return true
}

// isObjectName: [A-Za-z][A-Za-z0-9_]{1,79}.
func isObjectName(s string) bool { return shaped(s, isLetter, isNamePart, 1, 80) }

// isResourceName: [A-Z][A-Za-z]{1,63}.
func isResourceName(s string) bool {
	return shaped(s, func(c byte) bool { return isLetter(c) && !isLower(c) }, isLetter, 1, 64)
}

// isElementName: _?[A-Za-z][A-Za-z0-9]{0,63}.
func isElementName(s string) bool {
	return shaped(strings.TrimPrefix(s, "_"), isLetter, isAlphanumeric, 0, 64)
}

// isTargetName: [A-Za-z][A-Za-z0-9 -]{0,39}.
func isTargetName(s string) bool {
	return shaped(s, isLetter, func(c byte) bool { return isAlphanumeric(c) || c == ' ' || c == '-' }, 0, 40)
}

// isLetName: [A-Za-z][A-Za-z0-9]{0,39}.
func isLetName(s string) bool { return shaped(s, isLetter, isAlphanumeric, 0, 40) }

// isBodyPath: a member or a list, name[], and up to four members in it, with a point between them: performers[].fields.Name.
func isBodyPath(s string) bool {
	head, rest, more := strings.Cut(s, ".")
	if !isMember(strings.TrimSuffix(head, "[]")) || strings.Count(s, ".") > 4 {
		return false
	}
	for more {
		if head, rest, more = strings.Cut(rest, "."); !isMember(head) {
			return false
		}
	}
	return true
}

func isMember(s string) bool { return shaped(s, isLetter, isNamePart, 0, 80) }

// isKey reports whether a text can be a key, which travels in URL paths: parts of letters, digits, _ or -, with a point between them.
// Nothing between two points, or at an end, is a part that is not there, and the key would be that of another record, too.
func isKey(s string) bool {
	empty := true
	for i := range len(s) {
		switch c := s[i]; {
		case isKeyPart(c):
			empty = false
		case c == '.' && !empty:
			empty = true
		default:
			return false
		}
	}
	return !empty
}

// PlainCode reports whether a text looks like a code: letters, digits and little else, without white space.
func PlainCode(s string) bool {
	return shaped(s, isAlphanumeric, func(c byte) bool { return isKeyPart(c) || c == '.' }, 0, 64)
}
